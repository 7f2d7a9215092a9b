//! Output for a terminal: colours and bars, which a pipe or a file does not get, and words to type in a shell.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

use crate::visible::{colour, visible_within_a_line};

/// Whether standard output may be coloured: it is a terminal, not a dumb one, and nobody asked for no colour
/// (<https://no-color.org>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// As standard output is.
    pub(crate) fn of_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { on: std::io::stdout().is_terminal() && !dumb && !set("NO_COLOR") }
    }

    /// Something went well.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Something was refused or failed.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Something to look at.
    pub(crate) fn notable(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Something that matters less.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A heading.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("{}{text}{}", colour(code), colour("0"))
        } else {
            text.to_owned()
        }
    }
}

/// Whether standard output is a terminal, and so whether bars are drawn.
pub(crate) fn draws_bars() -> bool {
    std::io::stdout().is_terminal()
}

/// A progress bar of that form on standard error; only a terminal shows it.
pub(crate) fn progress_bar(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// A bar of `width` letters, with as many of each part's letter as the part is of the whole.
pub(crate) fn bar(width: u64, whole: u128, parts: &[(char, u128)]) -> String {
    let letters = |amount: u128| amount * u128::from(width) / whole.max(1);
    let mut drawn = String::new();
    let mut upto = 0_u128;
    for (letter, amount) in parts {
        upto = upto.saturating_add(*amount).min(whole);
        while u128::try_from(drawn.len()).is_ok_and(|length| length < letters(upto)) {
            drawn.push(*letter);
        }
    }
    let width = usize::try_from(width).unwrap_or_default();
    format!("[{drawn:.<width$}]")
}

/// The width of a line: `COLUMNS`, or the width of the terminal. `None` if standard output is not a terminal; then nothing is cut.
pub(crate) fn columns() -> Option<usize> {
    static COLUMNS: OnceLock<Option<usize>> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let told = told.or_else(|| comfy_table::Table::new().width().map(usize::from));
        Some(told.filter(|columns| *columns > 0).unwrap_or(USUAL_COLUMNS))
    })
}

/// The usual width of a terminal.
pub(crate) const USUAL_COLUMNS: usize = 80;

/// The text for a line of words: complete if standard output is not a terminal, else cut to `width` letters and as many more
/// as the terminal is wider than 80.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    let width = columns().map(|columns| width + columns.saturating_sub(USUAL_COLUMNS));
    clipped(text, width.unwrap_or(usize::MAX))
}

/// The text in at most `width` letters on one line; a longer one ends in `~`.
pub(crate) fn clipped(text: &str, width: usize) -> String {
    let text = visible_within_a_line(text);
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['~']).collect()
}

/// A path quoted as one word for a shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@%".contains(letter);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The program's name as it was called, so that hints can be typed as they are.
pub(crate) fn program_name() -> String {
    std::env::args_os()
        .next()
        .map_or_else(|| "calybris".to_owned(), |name| shell_word(Path::new(&name)))
}

/// The text in at most `width` letters, cut in the middle: names often differ at their end.
pub(crate) fn clipped_inside(text: &str, width: usize) -> String {
    let text = visible_within_a_line(text);
    let letters: Vec<char> = text.chars().collect();
    let room = width.saturating_sub(1);
    let tail = room.div_ceil(2);
    match letters.len().checked_sub(tail).and_then(|at| letters.get(at..)) {
        Some(end) if letters.len() > width => {
            let start = letters.iter().take(room - tail);
            let whole: String = start.chain(&['~']).chain(end).collect();
            clipped(&whole, width)
        }
        _ => clipped(&text, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_the_amounts() {
        let most = 100 * u128::from(u64::MAX);
        assert_eq!(bar(10, 100, &[('#', 50), ('+', 20)]), "[#####++...]");
        assert_eq!(bar(10, 0, &[('#', 0)]), "[..........]");
        assert_eq!(bar(4, 1, &[('#', u128::MAX), ('+', u128::MAX)]), "[####]");
        assert_eq!(bar(4, most, &[('#', most - 1)]), "[###.]");
    }

    #[test]
    fn a_clipped_text_fits_and_cannot_move_the_cursor() {
        assert_eq!(clipped("abcd", 4), "abcd");
        assert_eq!(clipped("abcde", 4), "abc~");
        assert_eq!(clipped("a\u{1b}[1m", 10), "a\\u001b[1m");
        assert_eq!(clipped("a\u{1b}[1m", 9), "a\\u001b[~");
    }

    #[test]
    fn names_that_differ_at_their_end_differ_when_they_are_cut() {
        assert_eq!(clipped_inside("tenant-000", 10), "tenant-000");
        assert_eq!(clipped_inside("secret-tenant-0", 10), "secr~ant-0");
        assert_eq!(clipped_inside("secret-tenant-1", 10), "secr~ant-1");
        assert_eq!(clipped_inside("abc", 1), "~");
        assert_eq!(clipped_inside("abc", 0), "~");
        assert_eq!(clipped_inside("abcdef\u{1b}", 4), "a~1b");
    }
}
