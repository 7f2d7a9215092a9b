//! Makes text safe for a terminal: everything that is printed passes through here, so nothing can move the cursor or change
//! the direction of text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

/// The text as it may reach standard output or standard error: line ends and tabs stay, every other character that a
/// terminal obeys or hides is shown as its escape, such as `\u001b`.
///
/// In the text of a JSON object such a character can only stand in a string, and there the escape means the same character.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let parts = text.split(OWN.as_str()).map(|part| escaped(part, &['\n', '\t']));
    Cow::Owned(parts.collect::<Vec<_>>().join("\u{1b}"))
}

/// The same for a text within a line, such as a name or a cell: its line ends and tabs are escaped as well.
pub(crate) fn visible_within_a_line(text: &str) -> String {
    escaped(text, &[])
}

/// A placeholder for a colour code of the program itself, which [`visible`] replaces. A colour code in a text that was read stays escaped.
pub(crate) fn colour(code: &str) -> String {
    format!("{}[{code}m", OWN.as_str())
}

/// The beginning of those placeholders. It differs in each run, so no file can contain it.
static OWN: LazyLock<String> =
    LazyLock::new(|| format!("\u{fdd0}{:016x}", RandomState::new().build_hasher().finish()));

fn escaped(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if kept.contains(&letter) || !is_obeyed_or_hidden(letter) {
            shown.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` does not fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

/// Control characters, and those that turn the direction of a text, end a line, or have no width, so that two different names
/// would look the same. The joiners U+200C and U+200D are letters of some scripts and stay.
fn is_obeyed_or_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_read_reaches_the_terminal_as_a_command() {
        assert_eq!(
            visible("plain, \u{e4}\u{4e2d}\u{1f980}\tand\n"),
            "plain, \u{e4}\u{4e2d}\u{1f980}\tand\n"
        );
        assert_eq!(
            visible("a\u{1b}[2J\u{7}\r\u{7f}\u{9b}"),
            "a\\u001b[2J\\u0007\\u000d\\u007f\\u009b"
        );
        assert_eq!(visible("\u{202e}\u{2066}\u{2028}\u{61c}"), "\\u202e\\u2066\\u2028\\u061c");
        assert_eq!(visible("\u{e0041}"), "\\udb40\\udc41");
        for code in 0..=0x0010_ffff {
            let Some(letter) = char::from_u32(code) else { continue };
            let shown = visible(letter.encode_utf8(&mut [0; 4])).into_owned();
            let stays = ['\n', '\t'].contains(&letter) || !is_obeyed_or_hidden(letter);
            assert_eq!(stays, shown.chars().eq([letter]), "{code:x}");
            assert!(
                !shown.chars().any(|shown| shown.is_control() && !['\n', '\t'].contains(&shown))
            );
        }
    }

    #[test]
    fn what_is_shown_of_a_json_text_is_the_same_json() {
        let value = serde_json::json!({ "a\u{202e}\u{7f}": "b\u{9b}\u{1b}\u{e0041}\n\\" });
        let text = value.to_string();
        let shown = visible(&text);
        assert!(shown.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_name_stays_in_its_line() {
        assert_eq!(
            visible_within_a_line("a\nThe money adds up.\t"),
            "a\\u000aThe money adds up.\\u0009"
        );
    }

    #[test]
    fn only_the_colours_of_the_program_are_colours() {
        assert_eq!(visible(&format!("{}x", colour("32"))), "\u{1b}[32mx");
        assert_eq!(visible("\u{1b}[32mx"), "\\u001b[32mx");
        assert_eq!(visible("\u{fdd0}0123456789abcdef[32mx"), "\\ufdd00123456789abcdef[32mx");
    }
}
