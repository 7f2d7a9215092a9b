//! A refused file: which one, where in it, what was found and what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::place::Place;

/// Why a file was refused.
#[derive(Debug)]
pub(crate) struct InputError {
    file: PathBuf,
    place: Option<Place>,
    what: String,
}

impl InputError {
    /// A finding about the file as a whole.
    pub(crate) fn in_file(file: &Path, what: impl fmt::Display) -> Self {
        Self { file: file.to_path_buf(), place: None, what: what.to_string() }
    }

    /// A finding at a place of it.
    pub(crate) fn at(file: &Path, place: Place, what: impl fmt::Display) -> Self {
        Self { file: file.to_path_buf(), place: Some(place), what: what.to_string() }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for InputError {}

/// What a file says, for a message: in backticks, control characters escaped, cut where it gets long.
pub(crate) fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String =
        letters.by_ref().take(LONGEST_QUOTE_LETTERS).flat_map(char::escape_debug).collect();
    let more = if letters.next().is_some() { "..." } else { "" };
    format!("`{}{more}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

const LONGEST_QUOTE_LETTERS: usize = 60;

/// Whether a text begins or ends with a blank, or with a byte order mark, which is one without width.
pub(crate) fn has_blanks_around(text: &str) -> bool {
    let blank = |letter: char| letter.is_whitespace() || letter == '\u{feff}';
    text.starts_with(blank) || text.ends_with(blank)
}

/// What is wrong with a name, if something is: names are compared letter by letter.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is empty".to_owned());
    }
    let unseen = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}');
    let what = match (has_blanks_around(name), name.starts_with(unseen) || name.ends_with(unseen)) {
        (true, _) => "take away the blanks around the name",
        (false, true) => "take away the character at its end that is not seen",
        (false, false) => return None,
    };
    Some(format!("found {}: {what}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_harmless() {
        assert_eq!(quoted(" a\"b "), "` a\"b `");
        assert_eq!(quoted("\u{1b}[31m"), "`\\u{1b}[31m`");
        assert_eq!(quoted("a\u{a0}\u{200b}\u{feff}"), "`a\\u{a0}\\u{200b}\\u{feff}`");
        assert_eq!(quoted(&"x".repeat(60)), format!("`{}`", "x".repeat(60)));
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }

    #[test]
    fn a_name_has_no_blank_and_nothing_unseen_around_it() {
        assert_eq!(name_fault("a b"), None);
        for name in ["", " a", "a ", "a\t", "\u{a0}a", "\u{feff}a", "a\u{200b}"] {
            assert!(name_fault(name).is_some(), "{name:?}");
        }
    }
}
