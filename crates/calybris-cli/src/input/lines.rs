//! A requests file line by line: checked to be UTF-8, each with its number, and none longer than a limit.

use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};

use calybris_catalog::text::not_utf8;
use calybris_catalog::{InputError, Place};

use crate::amount::grouped;
use crate::system::in_words;

/// The lines of a file, one at a time.
pub(crate) struct Lines<R> {
    file: PathBuf,
    source: R,
    /// The number of the line that was read last.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(file: PathBuf, source: R) -> Self {
        Self { file, source, number: 0 }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The next line without its line break, and its number; `None` at the end.
    pub(crate) fn read(&mut self) -> Result<Option<(u64, String)>, InputError> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MOST_LINE_BYTES).unwrap_or(u64::MAX);
        let read = self.source.by_ref().take(limit + 1).read_until(b'\n', &mut bytes);
        read.map_err(|error| InputError::in_file(&self.file, in_words(&error)))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        } else if bytes.len() > MOST_LINE_BYTES {
            return Err(InputError::at(&self.file, Place::line(self.number), too_long("a line")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let (before, after) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
            let before = String::from_utf8_lossy(before);
            let place = Place::of(&before, before.len()).moved_to(self.number);
            InputError::at(&self.file, place, not_utf8(after))
        })?;
        Ok(Some((self.number, text)))
    }
}

/// The message about a line or a cell that is too long.
pub(crate) fn too_long(what: &str) -> String {
    format!("{what} is longer than {} bytes, the most that is read", grouped(MOST_LINE_BYTES))
}

/// The longest line, and the longest cell of several lines.
pub(crate) const MOST_LINE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(u64, String)>, String> {
        let mut lines = Lines::new(PathBuf::from("r"), bytes);
        let mut read = Vec::new();
        while let Some(line) = lines.read().map_err(|error| error.to_string())? {
            read.push(line);
        }
        Ok(read)
    }

    #[test]
    fn a_line_ends_with_its_line_break_or_with_the_file() {
        let read = lines(b"a\r\n\nb").unwrap();
        assert_eq!(read, [(1, "a".to_owned()), (2, String::new()), (3, "b".to_owned())]);
        assert_eq!(lines(b"a\n").unwrap().len(), 1);
    }

    #[test]
    fn a_line_has_a_limit_and_is_text() {
        let long = [vec![b'x'; MOST_LINE_BYTES], b"\nb".to_vec()].concat();
        assert_eq!(lines(&long).unwrap().len(), 2);
        let longer = [b"a\nx".to_vec(), vec![b'x'; MOST_LINE_BYTES]].concat();
        let text = lines(&longer).unwrap_err();
        assert!(text.starts_with("r:2: a line is longer than 1,048,576 bytes"), "{text}");
        assert!(lines("a\n\u{fc}".as_bytes()).is_ok());
        let text = lines(b"a\n\xc3\xbcb\xff").unwrap_err();
        assert!(text.starts_with("r:2:3: the byte 0xff"), "{text}");
    }
}
