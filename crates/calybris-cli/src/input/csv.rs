//! Strict CSV: text that no spreadsheet writes is refused at its place instead of being guessed at.
//!
//! Cells are separated by commas. A cell that begins with a quote ends with one, holds a quote as two, and may go over
//! several lines; no other cell holds a quote. Empty lines hold no row.

use std::io::BufRead;

use calybris_catalog::text::{has_blanks_around, quoted};
use calybris_catalog::{InputError, Place};

use super::lines::{Lines, MOST_LINE_BYTES, too_long};

/// A cell and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// The records of a CSV file, the header among them.
pub(crate) struct Records<R> {
    lines: Lines<R>,
    line: String,
    number: u64,
    /// How many bytes of `line` were read, and the column after them.
    offset: usize,
    column: u64,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(lines: Lines<R>) -> Self {
        Self { lines, line: String::new(), number: 0, offset: 0, column: 1 }
    }

    /// The cells of the next record; `None` at the end.
    pub(crate) fn read(&mut self) -> Result<Option<Vec<Cell>>, InputError> {
        loop {
            if !self.next_line()? {
                return Ok(None);
            }
            if !self.line.is_empty() {
                break;
            }
        }
        let mut cells = Vec::new();
        loop {
            let place = self.place();
            let text =
                if self.peek() == Some('"') { self.in_quotes(place)? } else { self.plain()? };
            cells.push(Cell { text, place });
            match self.peek() {
                None => return Ok(Some(cells)),
                Some(',') => self.pass(','),
                Some(other) => {
                    let what = format!(
                        "found {} after a closing quote: a cell in quotes ends there, and a quote inside it is doubled \
                         (the cell begins at {place})",
                        quoted(&other.to_string())
                    );
                    return Err(self.refuse(self.place(), what));
                }
            }
        }
    }

    /// A cell without quotes, up to its comma.
    fn plain(&mut self) -> Result<String, InputError> {
        let begin = self.place();
        let mut text = String::new();
        while let Some(letter) = self.peek().filter(|letter| *letter != ',') {
            if letter == '"' {
                let what = if has_blanks_around(&text) && text.trim().is_empty() {
                    "blanks before a quote: take them away, because a cell in quotes begins with its quote"
                } else {
                    "a quote inside a cell without quotes: put the whole cell in quotes, and double the quotes \
                     inside it"
                };
                return Err(self.refuse(self.place(), what));
            }
            self.check_control(letter)?;
            text.push(letter);
            self.pass(letter);
        }
        if has_blanks_around(&text) {
            let what = format!("found {}: take away the blanks around it", quoted(&text));
            return Err(self.refuse(begin, what));
        }
        Ok(text)
    }

    /// A cell in quotes, including both quotes.
    fn in_quotes(&mut self, begin: Place) -> Result<String, InputError> {
        self.pass('"');
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('"') => {
                    self.pass('"');
                    if self.peek() != Some('"') {
                        return Ok(text);
                    }
                    text.push('"');
                    self.pass('"');
                }
                Some(letter) => {
                    if letter != '\t' {
                        self.check_control(letter)?;
                    }
                    text.push(letter);
                    self.pass(letter);
                }
                None => {
                    text.push('\n');
                    if text.len() > MOST_LINE_BYTES {
                        return Err(self.refuse(begin, too_long("a cell in quotes")));
                    }
                    if !self.next_line()? {
                        return Err(self.refuse(begin, "the quote that opens here is never closed"));
                    }
                }
            }
        }
    }

    fn check_control(&self, letter: char) -> Result<(), InputError> {
        let what = match letter {
            '\r' => {
                "a carriage return without a line feed: end lines with a line feed, or with both"
            }
            '\t' => {
                "a tab: columns are separated by commas, and a cell with a tab must be in quotes"
            }
            '\0' => "a NUL byte: the file is damaged, or is not text",
            letter if letter.is_control() => {
                let what = format!("found the control character {}", quoted(&letter.to_string()));
                return Err(self.refuse(self.place(), what));
            }
            _ => return Ok(()),
        };
        Err(self.refuse(self.place(), what))
    }

    fn next_line(&mut self) -> Result<bool, InputError> {
        let Some((number, line)) = self.lines.read()? else { return Ok(false) };
        (self.number, self.line, self.offset, self.column) = (number, line, 0, 1);
        Ok(true)
    }

    fn peek(&self) -> Option<char> {
        self.line.get(self.offset..)?.chars().next()
    }

    /// Consumes a letter that was peeked at.
    fn pass(&mut self, letter: char) {
        self.offset += letter.len_utf8();
        self.column += 1;
    }

    const fn place(&self) -> Place {
        Place::new(self.number, self.column)
    }

    fn refuse(&self, place: Place, what: impl std::fmt::Display) -> InputError {
        InputError::at(self.lines.file(), place, what)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn records(text: &str) -> Result<Vec<Vec<Cell>>, String> {
        let mut records = Records::new(Lines::new(PathBuf::from("r"), text.as_bytes()));
        let mut read = Vec::new();
        while let Some(record) = records.read().map_err(|error| error.to_string())? {
            read.push(record);
        }
        Ok(read)
    }

    fn texts(text: &str) -> Vec<Vec<String>> {
        let records = records(text).unwrap();
        records.into_iter().map(|cells| cells.into_iter().map(|cell| cell.text).collect()).collect()
    }

    #[test]
    fn cells_are_what_stands_between_commas_or_quotes() {
        assert_eq!(
            texts("a,,c\r\n\n\"x, \"\"y\"\"\",\" z \",\n"),
            [vec!["a", "", "c"], vec!["x, \"y\"", " z ", ""]]
        );
        assert_eq!(texts("\"a\nb\",c"), [vec!["a\nb", "c"]]);
        assert_eq!(texts("\"\""), [vec![""]]);
        assert!(texts("\n\r\n").is_empty());
    }

    #[test]
    fn a_cell_has_its_place() {
        let read = records("\u{fc},b\n\n\"1\n2\",x\n").unwrap();
        let places: Vec<_> = read.iter().flatten().map(|cell| cell.place).collect();
        let expected = [(1, 1), (1, 3), (3, 1), (4, 4)];
        assert_eq!(places, expected.map(|(line, column)| Place::new(line, column)));
    }

    #[test]
    fn what_its_writer_cannot_have_meant_is_refused_at_its_place() {
        for (text, place, part) in [
            ("a,b\n1, \"x\"\n", "r:2:4: ", "blanks before a quote"),
            ("a\n\"la\"rge\n", "r:2:5: ", "after a closing quote"),
            ("a\n\"x\" ,1\n", "r:2:4: ", "after a closing quote"),
            ("a\nla\"rge\n", "r:2:3: ", "a quote inside a cell"),
            ("a\n1\n\"x\n2\n", "r:3:1: ", "never closed"),
            ("a\nx \n", "r:2:1: ", "blanks around"),
            ("a\tb\n1\t2\n", "r:1:2: ", "a tab: columns are separated by commas"),
            ("a,b\n1,\u{a0}x\n", "r:2:3: ", "blanks around"),
            ("a\rb\r", "r:1:2: ", "carriage return"),
            ("a\n\"b\rc\"\n", "r:2:3: ", "carriage return"),
            ("a\n1\0\n", "r:2:2: ", "NUL"),
            ("a\n\u{1b}[1m\n", "r:2:1: ", "control character `\\u{1b}`"),
            ("a,b\n1,\u{feff}x\n", "r:2:3: ", "blanks around"),
        ] {
            let refused = records(text).unwrap_err();
            assert!(refused.starts_with(place) && refused.contains(part), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_cell_of_many_lines_has_a_limit() {
        let text = format!("\"{}", "x\n".repeat(MOST_LINE_BYTES));
        let refused = records(&text).unwrap_err();
        assert!(refused.starts_with("r:1:1: a cell in quotes is longer than"), "{refused}");
    }

    /// The library is lenient, but it must read every accepted text in the same way.
    #[test]
    fn an_accepted_text_is_read_as_the_csv_library_reads_it() {
        let letters = ["a", "\"", ",", "\n", "\r\n", " ", "\"\"", "\u{fc}", "\t", "1"];
        let mut state = 7_u64;
        let (mut accepted, mut with_quotes) = (0, 0);
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..9 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(letters[usize::try_from(state >> 33).unwrap() % letters.len()]);
            }
            let Ok(ours) = records(&text) else { continue };
            accepted += 1;
            with_quotes += u32::from(text.contains('"'));
            let mut theirs = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> = theirs
                .records()
                .map(|record| {
                    record.unwrap().iter().map(|cell| cell.replace("\r\n", "\n")).collect()
                })
                .collect();
            let ours: Vec<Vec<String>> = ours
                .into_iter()
                .map(|cells| cells.into_iter().map(|cell| cell.text).collect())
                .collect();
            assert_eq!(ours, theirs, "{text:?}");
        }
        assert!(accepted > 1_000 && with_quotes > 200, "{accepted} {with_quotes}");
    }
}
