//! Text that people wrote: decoding bytes, recognising other kinds of files, checking names, quoting in messages.

use std::path::Path;

use crate::error::InputError;
pub use crate::looks::Looks;
use crate::place::Place;

/// The text of a file, without the byte order mark that some editors put first. `file` is its name in messages.
///
/// # Errors
/// [`InputError::Refused`] if the bytes are compressed, a spreadsheet, text in UTF-16, or otherwise not UTF-8.
///
/// ```
/// use calybris_catalog::text::decode;
///
/// assert_eq!(decode("policy.toml", b"\xef\xbb\xbf[policy]".to_vec()).unwrap(), "[policy]");
/// let refused = decode("prices.json", b"\x1f\x8b\x08".to_vec()).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "prices.json: is compressed with gzip: unpack it first (`gunzip`)"
/// );
/// ```
pub fn decode(file: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> Result<String, InputError> {
    let (file, bytes) = (file.as_ref(), bytes.into());
    check_kind(file, &bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let (before, after) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let before = without_mark(&String::from_utf8_lossy(before)).to_owned();
        InputError::at(file, Place::of(&before, usize::MAX), not_utf8(after))
    })?;
    Ok(match without_mark(&text) {
        rest if rest.len() < text.len() => rest.to_owned(),
        _ => text,
    })
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The message about bytes of which the first is not valid UTF-8.
#[must_use]
pub fn not_utf8(bytes: &[u8]) -> String {
    let byte = bytes.first().map(|byte| format!("0x{byte:02x} "));
    let byte = byte.unwrap_or_default();
    format!("the byte {byte}is not valid UTF-8: save the file as UTF-8")
}

/// Refuses a file whose first bytes are those of a format that is not UTF-8 text, and says what to do.
///
/// # Errors
/// [`InputError::Refused`] with the name of the format.
pub fn check_kind(file: impl AsRef<Path>, beginning: &[u8]) -> Result<(), InputError> {
    let known = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic));
    let what = known.map(|(_, what)| *what).or_else(|| is_utf_16(beginning).then_some(UTF_16));
    what.map_or(Ok(()), |what| Err(InputError::in_file(file, what)))
}

/// Whether this is UTF-16 without a byte order mark: in plain words every second byte is zero.
fn is_utf_16(beginning: &[u8]) -> bool {
    let pairs = || beginning.chunks_exact(2).take(LETTERS_LOOKED_AT);
    let high_first = |pair: &[u8]| matches!(pair, [0, low] if *low != 0);
    let low_first = |pair: &[u8]| matches!(pair, [low, 0] if *low != 0);
    pairs().len() >= 2 && (pairs().all(high_first) || pairs().all(low_first))
}

const LETTERS_LOOKED_AT: usize = 32;

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

/// A piece of an input for a message: in backticks, control characters escaped, cut after 60 letters.
///
/// ```
/// assert_eq!(calybris_catalog::text::quoted("a\tb"), "`a\\tb`");
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String =
        letters.by_ref().take(LONGEST_QUOTE_LETTERS).flat_map(char::escape_debug).collect();
    let more = if letters.next().is_some() { "..." } else { "" };
    format!("`{}{more}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

const LONGEST_QUOTE_LETTERS: usize = 60;

/// Whether a text begins or ends with a blank or with a byte order mark, which is invisible.
#[must_use]
pub fn has_blanks_around(text: &str) -> bool {
    let blank = |letter: char| letter.is_whitespace() || letter == '\u{feff}';
    text.starts_with(blank) || text.ends_with(blank)
}

/// What is wrong with a name, or `None`. Names are compared letter by letter, so invisible characters around them are refused.
///
/// ```
/// use calybris_catalog::text::name_fault;
///
/// assert_eq!(name_fault("gpt-4o"), None);
/// assert_eq!(name_fault("gpt-4o ").unwrap(), "found `gpt-4o `: take away the blanks around the name");
/// ```
#[must_use]
pub fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is empty".to_owned());
    }
    let unseen = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}');
    let what = match (has_blanks_around(name), name.starts_with(unseen) || name.ends_with(unseen)) {
        (true, _) => "take away the blanks around the name",
        (false, true) => "take away the character at its end that is not seen",
        (false, false) => return None,
    };
    Some(format!("found {}: {what}", quoted(name)))
}

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
        let text = decode("f", b"\xef\xbb\xbfa\n\xc3\xbcb\xff").unwrap_err().to_string();
        assert!(text.starts_with("f:2:3: the byte 0xff"), "{text}");
        assert_eq!(decode("f", b"\xef\xbb\xbfa").unwrap(), "a");
    }

    #[test]
    fn a_quote_is_short_and_harmless() {
        assert_eq!(quoted(" a\"b "), "` a\"b `");
        assert_eq!(quoted("\u{1b}[31m"), "`\\u{1b}[31m`");
        assert_eq!(quoted("a\u{a0}\u{200b}\u{feff}"), "`a\\u{a0}\\u{200b}\\u{feff}`");
        assert_eq!(quoted(&"x".repeat(60)), format!("`{}`", "x".repeat(60)));
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }

    #[test]
    fn a_name_has_no_blank_and_nothing_unseen_around_it() {
        assert_eq!(name_fault("a b"), None);
        for name in ["", " a", "a ", "a\t", "\u{a0}a", "\u{feff}a", "a\u{200b}"] {
            assert!(name_fault(name).is_some(), "{name:?}");
        }
    }
}
