//! A place in a text file: line and column, as an editor shows them.

use std::fmt;

/// A line and, if it is known, a column: both counted from 1, columns in characters.
///
/// ```
/// use calybris_catalog::Place;
///
/// assert_eq!(Place::of("ab\nc", 3).to_string(), "2:1");
/// assert_eq!(Place::line(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1; `None` for the line as a whole.
    pub column: Option<u64>,
}

impl Place {
    /// A line and a column in it.
    #[must_use]
    pub const fn new(line: u64, column: u64) -> Self {
        Self { line, column: Some(column) }
    }

    /// A line as a whole.
    #[must_use]
    pub const fn line(line: u64) -> Self {
        Self { line, column: None }
    }

    /// The place of the byte at `offset`: of the character that contains it, or of the end of the text if it lies beyond.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = text.get(..offset).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(begin..).unwrap_or_default().chars().count();
        Self::new(from_one(before.matches('\n').count()), from_one(column))
    }

    /// The place in the file, if this is the place in a text that begins at that line of the file.
    #[must_use]
    pub const fn moved_to(self, line: u64) -> Self {
        Self { line: self.line.saturating_add(line).saturating_sub(1), ..self }
    }
}

/// The places of many ascending offsets in one text, found in a single pass.
pub(crate) struct Places<'a> {
    text: &'a str,
    /// Where the current line begins, and its number.
    begin: usize,
    line: u64,
}

impl<'a> Places<'a> {
    pub(crate) const fn of(text: &'a str) -> Self {
        Self { text, begin: 0, line: 1 }
    }

    /// The place of the byte at `offset`.
    pub(crate) fn at(&mut self, offset: usize) -> Place {
        let Some(passed) = self.text.get(self.begin..offset) else {
            return Place::of(self.text, offset);
        };
        if let Some(last) = passed.rfind('\n') {
            let lines = passed.matches('\n').count();
            self.line = self.line.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
            self.begin += last + 1;
        }
        let column = self.text.get(self.begin..offset).unwrap_or_default().chars().count();
        Place::new(self.line, from_one(column))
    }
}

fn from_one(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "{}:{column}", self.line),
            None => write!(f, "{}", self.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_those_of_an_editor() {
        let text = "ab\r\n\u{fc},x\n";
        for (offset, place) in [(0, (1, 1)), (1, (1, 2)), (4, (2, 1)), (6, (2, 2)), (7, (2, 3))] {
            assert_eq!(Place::of(text, offset), Place::new(place.0, place.1), "{offset}");
        }
        // In the middle of a character, and behind the end.
        assert_eq!(Place::of(text, 5), Place::new(2, 1));
        assert_eq!(Place::of(text, 99), Place::new(3, 1));
        let mut places = Places::of(text);
        for offset in [0, 1, 1, 4, 6, 7, 2, text.len()] {
            assert_eq!(places.at(offset), Place::of(text, offset), "{offset}");
        }
        assert_eq!(Place::new(2, 3).moved_to(10), Place::new(11, 3));
    }
}
