//! What a command prints: a page that is composed first and written at once, or a stream of lines. A reader who leaves
//! early is no failure.

use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::failure::Failure;
use crate::terminal::clipped;

/// Columns of a terminal that nobody made wider.
const WIDTH: usize = 80;

/// Lines for standard output.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: impl Display) {
        // Writing to a `String` does not fail.
        let _ = writeln!(self.0, "{text}");
    }

    /// Adds a text in lines of at most 80 letters: the first begins with `lead`, the others are as far to the right. A word
    /// that is longer has a line of its own.
    pub(crate) fn wrapped(&mut self, lead: &str, text: &str) {
        let columns = lead.chars().count();
        let mut line = lead.to_owned();
        let mut letters = columns;
        for word in clipped(text, usize::MAX).split_whitespace() {
            let longer = word.chars().count();
            let begun = letters > columns;
            if begun && letters + 1 + longer > WIDTH {
                self.line(&line);
                line = " ".repeat(columns);
                letters = columns;
            } else if begun {
                line.push(' ');
                letters += 1;
            }
            line.push_str(word);
            letters += longer;
        }
        self.line(line);
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

/// Lines that are written as they come: to standard output or to a new file.
pub(crate) struct Stream {
    to: BufWriter<Box<dyn Write>>,
    /// What failures call it.
    name: String,
    closed: bool,
}

impl Stream {
    /// To standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(Box::new(std::io::stdout()), "standard output".to_owned())
    }

    /// To a file that is made now; one that exists is left as it is.
    pub(crate) fn create(file: &Path) -> Result<Self, Failure> {
        let created = File::create_new(file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::at(file, "exists; nothing is ever overwritten: name another file")
            }
            _ => Failure::at(file, error),
        })?;
        Ok(Self::to(Box::new(created), file.display().to_string()))
    }

    fn to(writer: Box<dyn Write>, name: String) -> Self {
        Self { to: BufWriter::with_capacity(64 << 10, writer), name, closed: false }
    }

    /// Whether the reader has left: whoever makes the lines may stop.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line. After the reader has left it writes nothing.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.write(format_args!("{text}\n"))
    }

    /// Writes a text without a line end of its own.
    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = self.to.write_fmt(text);
        self.note(written)
    }

    /// Hands what was written to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.note(flushed)
    }

    fn note(&mut self, written: std::io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::unwritten(&self.name, &error)),
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(lead: &str, text: &str) -> String {
        let mut page = Page::default();
        page.wrapped(lead, text);
        page.0
    }

    #[test]
    fn a_wrapped_line_has_at_most_80_letters_and_stands_under_the_first() {
        let (short, long) = ("x".repeat(39), "y".repeat(100));
        assert_eq!(wrapped("", &format!("{short} {short}x")), format!("{short} {short}x\n"));
        assert_eq!(wrapped("", &format!("{short} {short}xx")), format!("{short}\n{short}xx\n"));
        assert_eq!(
            wrapped("  a  ", &format!("b {long} c")),
            format!("  a  b\n     {long}\n     c\n")
        );
        assert_eq!(wrapped("  a  ", "\u{1b}"), "  a  ?\n");
        assert_eq!(wrapped("a", ""), "a\n");
    }
}
