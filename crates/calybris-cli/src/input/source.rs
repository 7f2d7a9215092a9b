//! Where the bytes of an input file come from: a file or standard input; and what is no text is told by its name.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::InputError;
use super::place::Place;
use crate::amount::grouped;
use crate::system::in_words;

/// Whether a path stands for standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Standard input, for the one file of a command that may be `-`.
pub(crate) fn stdin() -> Result<impl Read, InputError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        let what =
            "another file of this command is read from standard input already; only one may be `-`";
        return Err(InputError::in_file(Path::new("-"), what));
    }
    Ok(std::io::stdin().lock())
}

/// Reads a whole text file, without the byte order mark that some editors put first.
pub(crate) fn read(file: &Path) -> Result<String, InputError> {
    let bytes = if is_stdin(file) {
        read_bytes(file, stdin()?)?
    } else {
        let opened =
            File::open(file).map_err(|error| InputError::in_file(file, in_words(&error)))?;
        read_bytes(file, opened)?
    };
    check_kind(file, &bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default()).into_owned();
        let byte = bytes.get(at).copied().unwrap_or_default();
        InputError::at(file, Place::of(&without_mark(before), usize::MAX), not_utf8(byte))
    })?;
    Ok(without_mark(text))
}

fn without_mark(text: String) -> String {
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// What is said of a byte that is no part of a character.
pub(crate) fn not_utf8(byte: u8) -> String {
    format!("the byte 0x{byte:02x} is not valid UTF-8: save the file as UTF-8")
}

fn read_bytes(file: &Path, source: impl Read) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let read = source.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| InputError::in_file(file, in_words(&error)))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MOST_BYTES {
        let what = format!("is longer than {} bytes, the most that is read", grouped(MOST_BYTES));
        return Err(InputError::in_file(file, what));
    }
    Ok(bytes)
}

/// The longest file that is read into memory: eighty times the price list of all models.
const MOST_BYTES: u64 = 256 << 20;

/// Refuses what begins as files do that are not UTF-8 text, and says what to do.
pub(crate) fn check_kind(file: &Path, beginning: &[u8]) -> Result<(), InputError> {
    let known = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic));
    let what = known.map(|(_, what)| *what).or_else(|| {
        // Text in two bytes a letter, without a mark: every second byte of plain words is zero.
        let start = beginning.get(..beginning.len().min(64) / 2 * 2).unwrap_or_default();
        let wide = |zero: usize| {
            start.len() >= 4
                && start.chunks_exact(2).all(|pair| {
                    pair.get(zero) == Some(&0) && pair.get(1 - zero).is_some_and(|byte| *byte != 0)
                })
        };
        (wide(0) || wide(1)).then_some(UTF_16)
    });
    what.map_or(Ok(()), |what| Err(InputError::in_file(file, what)))
}

const UTF_16: &str =
    "is text in UTF-16: save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`";

/// How files begin, and what they are. UTF-32 stands before UTF-16, whose mark is the beginning of its own.
const KINDS: [(&[u8], &str); 12] = [
    (b"\xff\xfe\x00\x00", "is text in UTF-32: save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "is text in UTF-32: save it as UTF-8"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first (`gunzip`)"),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard: unpack it first (`unzstd`)"),
    (b"\xfd7zXZ\x00", "is compressed with xz: unpack it first (`unxz`)"),
    (b"BZh", "is compressed with bzip2: unpack it first (`bunzip2`)"),
    (
        b"PK\x03\x04",
        "is a ZIP archive, or a spreadsheet (.xlsx): unpack it, or export the sheet as CSV",
    ),
    (b"PAR1", "is a Parquet file: export it as CSV or JSON lines"),
    (b"SQLite format 3\x00", "is an SQLite database: export the table as CSV or JSON lines"),
    (b"%PDF-", "is a PDF document"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named_with_what_to_do() {
        let wide: Vec<u8> = "policy = 1\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let narrow: Vec<u8> = "policy = 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, part) in [
            (b"\xff\xfe[\x00".as_slice(), "UTF-16"),
            (&wide, "UTF-16"),
            (&narrow, "iconv"),
            (b"\x1f\x8b\x08", "gunzip"),
            (b"PK\x03\x04", "CSV"),
        ] {
            let text = check_kind(Path::new("f"), bytes).unwrap_err().to_string();
            assert!(text.starts_with("f: is ") && text.contains(part), "{text}");
        }
        for text in ["", "a", "ab", "time,tenant\n", "{\"a\": 1}"] {
            assert!(check_kind(Path::new("f"), text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_byte_that_is_no_character_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, b"\xef\xbb\xbfa\n\xc3\xbcb\xff").unwrap();
        let text = read(&file).unwrap_err().to_string();
        assert!(text.contains("f:2:3: the byte 0xff"), "{text}");
        std::fs::write(&file, b"\xef\xbb\xbfa").unwrap();
        assert_eq!(read(&file).unwrap(), "a");
    }
}
