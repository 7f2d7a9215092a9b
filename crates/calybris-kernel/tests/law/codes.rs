//! The permanent codes.

use super::*;

#[test]
fn reasons_and_actions_keep_their_permanent_codes() {
    let reasons: Vec<u16> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(reasons, [1, 2, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112]);
    let actions: Vec<u8> = Action::ALL.iter().map(|action| action.code()).collect();
    assert_eq!(actions, [1, 2, 3]);
}

#[test]
fn a_code_leads_back_to_its_reason_and_no_other_number_does() {
    for code in 0..=u16::MAX {
        match Reason::try_from(code) {
            Ok(reason) => assert_eq!(reason.code(), code),
            Err(_) => assert!(Reason::ALL.iter().all(|reason| reason.code() != code)),
        }
    }
    for code in 0..=u8::MAX {
        match Action::try_from(code) {
            Ok(action) => assert_eq!(action.code(), code),
            Err(_) => assert!(Action::ALL.iter().all(|action| action.code() != code)),
        }
    }
}

#[test]
fn each_action_and_each_reason_says_in_words_of_its_own_what_it_is() {
    let mut words: Vec<String> = Action::ALL.iter().map(ToString::to_string).collect();
    words.extend(Reason::ALL.iter().map(ToString::to_string));
    assert_eq!(words[2], "reject the request");
    assert!(words.contains(&"the risk of the request reaches the hard limit".to_owned()));
    assert!(words.iter().all(|words| words.starts_with(|first: char| first.is_ascii_lowercase())));
    let count = words.len();
    words.sort();
    words.dedup();
    assert_eq!(words.len(), count);
}
