//! What a command prints: composed first, written at once, so that a reader who leaves early is no failure.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};

/// Lines for standard output.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: impl Display) {
        // Writing to a `String` does not fail.
        let _ = writeln!(self.0, "{text}");
    }

    /// Adds what another page has.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Writes the page to standard output. A closed pipe (`| head`) is the reader's choice, not an error.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        match output.write_all(self.0.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}
