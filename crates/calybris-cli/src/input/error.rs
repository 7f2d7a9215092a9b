//! A refused file: which one, where in it, what was found and what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file was refused.
#[derive(Debug)]
pub(crate) struct InputError {
    file: PathBuf,
    line: Option<u64>,
    what: String,
}

impl InputError {
    /// A finding about the file as a whole.
    pub(crate) fn in_file(file: &Path, what: impl fmt::Display) -> Self {
        Self { file: file.to_path_buf(), line: None, what: what.to_string() }
    }

    /// A finding at a line, counted from 1.
    pub(crate) fn at_line(file: &Path, line: u64, what: impl fmt::Display) -> Self {
        Self { file: file.to_path_buf(), line: Some(line), what: what.to_string() }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for InputError {}

/// What a file says, for a message: in backticks, control characters escaped, cut where it gets long.
pub(crate) fn quoted(text: &str) -> String {
    let mut letters = text.trim().chars();
    let shown: String =
        letters.by_ref().take(LONGEST_QUOTE_LETTERS).flat_map(char::escape_debug).collect();
    let more = if letters.next().is_some() { "..." } else { "" };
    format!("`{}{more}`", shown.replace("\\\"", "\""))
}

const LONGEST_QUOTE_LETTERS: usize = 60;

/// Reads a whole text file, without the byte order mark that some editors put first.
pub(crate) fn read(file: &Path) -> Result<String, InputError> {
    let bytes = std::fs::read(file).map_err(|error| InputError::in_file(file, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        InputError::in_file(file, format!("not text: byte {at} is not valid UTF-8"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quote_is_short_and_harmless() {
        assert_eq!(quoted(" a\"b "), "`a\"b`");
        assert_eq!(quoted("\u{1b}[31m"), "`\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(60)), format!("`{}`", "x".repeat(60)));
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }
}
