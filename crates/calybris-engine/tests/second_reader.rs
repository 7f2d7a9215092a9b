//! The reader in Python, written from `RECORDS.md` and `FORMAT.md` alone, reads the same records and refuses the same
//! payloads. What it prints of whole logs is compared in the program's tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod python;

use calybris_engine::Record;
use python::*;

/// A record as the second reader prints it, its keys in alphabetical order; or why there is none.
fn read(payload: &[u8]) -> Result<String, String> {
    match Record::decode(7, payload) {
        Ok(record) => Ok(serde_json::to_value(record).unwrap().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_form_of_every_record_is_read_alike() {
    if !can_run() {
        return;
    }
    let payloads = golden_payloads();
    assert!(payloads.iter().all(|payload| read(payload).is_ok()));
    let differ = disagreements(&payloads, read);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn altered_records_are_refused_or_read_alike() {
    if !can_run() {
        return;
    }
    let altered: Vec<_> =
        golden_payloads().iter().flat_map(|payload| mutations(payload, 17)).collect();
    let accepted = altered.iter().filter(|payload| read(payload).is_ok()).count();
    // Nearly as many are other records as are none, so that both halves of the claim are tested.
    assert!(accepted > 1_500 && altered.len() - accepted > 1_500, "{accepted}");
    let differ = disagreements(&altered, read);
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// What no single byte leads to.
#[test]
fn what_the_page_refuses_is_refused_and_what_is_beside_it_is_read() {
    if !can_run() {
        return;
    }
    let golden = golden_payloads();
    let decided = &golden[2];
    let key = |length: u8| {
        let text = [&[length], vec![b'k'; length.into()].as_slice()].concat();
        replaced(decided, b"\x07order-1", &text)
    };
    let correlation_id = |length: u8| {
        let text = [&[length], vec![b'c'; length.into()].as_slice()].concat();
        replaced(decided, b" 4bf92f3577b34da6a3ce929d0e0e4736", &text)
    };
    // Behind the empty set of capabilities, and before the empty one of regions and the decision.
    let providers = |masks: &[u8]| {
        let behind = [0, 1, 1, 1, 1, 1, 1, 1, 1];
        let part = [[0, 0].as_slice(), &behind].concat();
        replaced(decided, &part, &[[0].as_slice(), masks, &behind].concat())
    };
    let named_bit =
        |bit: u8| replaced(&golden[31], b"\x3f\x05tools", &[&[bit, 5][..], b"tools"].concat());
    // A utility of 125, and a runner-up with a utility of 1.
    let runner_up = |utility: &[u8]| {
        let part = [250, 1, 252, 255, 255, 255, 255, 2];
        replaced(&golden[32], &part, &[&part[..7], utility].concat())
    };
    let reservations = |numbers: [u8; 2]| {
        let checkpoint = &golden[46];
        let each = numbers.map(|number| vec![number, 1, b'a', 1, 0]).concat();
        // A time, no snapshot, no tenant; no reservation, no key, the last number; no ticket, no keyed decision, a count.
        assert_eq!(checkpoint, &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [[6, 0, 0, 0, 2].as_slice(), &each, &[0; 5]].concat()
    };
    let because = |reason: &str| {
        let length = match u8::try_from(reason.len()) {
            Ok(length @ 0..251) => vec![length],
            _ => [&[251][..], &u16::try_from(reason.len()).unwrap().to_le_bytes()].concat(),
        };
        [&[11, 0, 7, 1, b'a'][..], &length, reason.as_bytes()].concat()
    };
    let read_ones = [
        because(&"x".repeat(256)),
        because("\u{ad}\u{2028}\u{a0}"),
        key(64),
        correlation_id(64),
        providers(&[0]),
        providers(&[1, 1, 1, 1, 0]),
        providers(&[1, 0, 0, 0, 0]),
        named_bit(62),
        runner_up(&[250]),
        reservations([1, 2]),
    ];
    let refused = [
        because(""),
        because(&"x".repeat(257)),
        because("a\nb"),
        because("\u{7f}"),
        because("\u{9f}"),
        key(65),
        correlation_id(65),
        providers(&[1, 1, 1, 1, 1]),
        named_bit(64),
        runner_up(&[0]),
        runner_up(&[251, 252, 0]),
        reservations([2, 2]),
        reservations([2, 1]),
        Vec::new(),
    ];
    assert!(read_payloads(&read_ones).iter().all(Result::is_ok));
    assert!(read_payloads(&refused).iter().all(Result::is_err));
    let differ = disagreements(&[read_ones.as_slice(), &refused].concat(), read);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn a_refusal_names_the_byte() {
    if !can_run() {
        return;
    }
    let unknown = vec![vec![12], vec![1, 0, 13], vec![3, 0, 254], vec![4, 0, 9, 0]];
    let why: Vec<_> = read_payloads(&unknown).into_iter().map(Result::unwrap_err).collect();
    assert_eq!(
        why,
        [
            "byte 0: Record has no variant 12",
            "byte 2: EventV1 has no variant 13",
            "byte 2: the marker 254 in a u64",
            "byte 3: bytes are left behind the last field",
        ]
    );
}
