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

/// Reads a whole text file.
pub(crate) fn read(file: &Path) -> Result<String, InputError> {
    let bytes = std::fs::read(file).map_err(|error| InputError::in_file(file, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        InputError::in_file(file, format!("not text: byte {at} is not valid UTF-8"))
    })
}
