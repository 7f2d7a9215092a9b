//! What a command prints, composed first and written at once. A reader who leaves early is no failure. What goes to a terminal
//! is made visible here, whatever command prints it.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

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

    /// The page is about what a log holds, which stays there if the page cannot be written. `key` is the option that
    /// names its key, as it is typed once more.
    pub(crate) fn remains(&mut self, log: &Path, key: &str) {
        let (program, typed) = (program_name(), shell_word(log));
        self.remains = Some(format!(
            "the log is in {}; `{program} anchor {typed}{key}` verifies it and prints its anchor",
            log.display()
        ));
    }

    /// Where to look for what was done, if the page cannot be written.
    pub(crate) fn remaining(&self) -> Option<&str> {
        self.remains.as_deref()
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
