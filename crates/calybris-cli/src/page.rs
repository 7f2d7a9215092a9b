//! What a command prints: a page that is composed first and written at once, or a stream of lines. A reader who leaves
//! early is no failure. What goes to a terminal is made visible here, whatever command prints it.

use std::fmt::{Display, Write as _};
use std::io::{BufWriter, ErrorKind, Stdout, Write};
use std::path::Path;

use crate::failure::Failure;
use crate::new_file::{Draft, NewFile};
use crate::terminal::{USUAL_COLUMNS, program_name, shell_word};
use crate::visible::{visible, visible_within_a_line};

/// Lines for standard output.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// Where to look for what was done, if the page cannot be written.
    remains: Option<String>,
}

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: impl Display) {
        // Writing to a `String` does not fail.
        let _ = writeln!(self.text, "{text}");
    }

    /// Adds a text in lines of at most 80 letters: the first begins with `lead`, the others are as far to the right. A word
    /// that is longer has a line of its own.
    pub(crate) fn wrapped(&mut self, lead: &str, text: &str) {
        let columns = lead.chars().count();
        let mut line = lead.to_owned();
        let mut letters = columns;
        for word in visible_within_a_line(text).split_whitespace() {
            let longer = word.chars().count();
            let begun = letters > columns;
            if begun && letters + 1 + longer > USUAL_COLUMNS {
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

    /// Adds a text that has its line ends.
    pub(crate) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds what another page has.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// The page of a command that has something to print even if the file that it also makes could not be written.
    pub(crate) fn despite(self, written: Result<(), Failure>) -> Result<Self, Failure> {
        match written {
            Ok(()) => Ok(self),
            Err(failure) => Err(failure.showing(self)),
        }
    }

    /// The page is about what a log holds, which stays there if the page cannot be written. `key` is the option that
    /// names its key, as it is typed once more.
    pub(crate) fn remains(&mut self, log: &Path, key: &str) {
        let (program, typed) = (program_name(), shell_word(log));
        self.remains = Some(format!(
            "the log is in {}; `{program} anchor {typed}{key}` verifies it and prints its anchor",
            log.display()
        ));
    }

    /// Writes the page to standard output as the last thing that a command does.
    pub(crate) fn show(&self) -> Result<(), Failure> {
        let shown = self.print().map_err(|error| Failure::unshown(&error));
        shown.map_err(|failure| match &self.remains {
            Some(remains) => failure.noting(remains),
            None => failure,
        })
    }

    /// Writes the page to standard output. A closed pipe (`| head`) is the reader's choice, not an error.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        match output.write_all(visible(&self.text).as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// Writes a text to standard error. Nobody is left to tell if that fails.
pub(crate) fn complain(text: impl Display) {
    let _ = std::io::stderr().write_all(visible(&text.to_string()).as_bytes());
}

/// Lines that are written as they come: to standard output or to a new file, which is there once the last is written.
pub(crate) struct Stream {
    to: BufWriter<To>,
    /// What failures call it.
    name: String,
    closed: bool,
    /// What is being written.
    text: String,
}

enum To {
    Stdout(Stdout),
    File(Draft),
}

impl Stream {
    /// To standard output.
    pub(crate) fn stdout() -> Self {
        Self::to(To::Stdout(std::io::stdout()), "standard output".to_owned())
    }

    /// To a new file.
    pub(crate) fn file(file: &NewFile) -> Result<Self, Failure> {
        Ok(Self::to(To::File(file.begin()?), file.path().display().to_string()))
    }

    fn to(to: To, name: String) -> Self {
        Self {
            to: BufWriter::with_capacity(64 << 10, to),
            name,
            closed: false,
            text: String::new(),
        }
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
        self.text.clear();
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(text);
        let written = match self.to.get_ref() {
            To::Stdout(_) => self.to.write_all(visible(&self.text).as_bytes()),
            // A file has the data as it is.
            To::File(_) => self.to.write_all(self.text.as_bytes()),
        };
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

    /// Ends the stream: a file gets its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        let kept = match self.to.into_inner() {
            Ok(To::Stdout(_)) => Ok(()),
            Ok(To::File(draft)) => draft.keep(),
            Err(_) if self.closed => Ok(()),
            Err(error) => Err(error.into_error()),
        };
        kept.map_err(|error| Failure::unwritten(&self.name, &error))
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

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(draft) => draft.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(draft) => draft.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(lead: &str, text: &str) -> String {
        let mut page = Page::default();
        page.wrapped(lead, text);
        page.text
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
        assert_eq!(wrapped("  a  ", "\u{1b}"), "  a  \\u001b\n");
        assert_eq!(wrapped("a", ""), "a\n");
    }
}
