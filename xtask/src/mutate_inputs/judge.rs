//! Whether what the program did with a file is right, judged without any of its code.

use std::path::Path;

use super::kinds::Kind;

/// What a run came to.
pub(super) struct Ran {
    /// `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// What is wrong with a run, if something is.
pub(super) fn judge(kind: Kind, ran: &Ran, given: &[u8], log: &Path) -> Result<(), String> {
    if ran.err.contains("panicked") || ran.code == Some(101) {
        return Err("panic".to_owned());
    }
    if ran.code == Some(137) {
        return Err("killed: it hangs".to_owned());
    }
    match ran.code {
        Some(0) => accepted(kind, ran, given),
        Some(1) if kind.has_verdict() => Ok(()),
        Some(2) => refused(kind, ran, log),
        Some(code) => Err(format!("exit code {code}")),
        None => Err("ended by a signal".to_owned()),
    }
}

fn accepted(kind: Kind, ran: &Ran, given: &[u8]) -> Result<(), String> {
    if !kind.is_requests() {
        return Ok(());
    }
    let object: serde_json::Value =
        serde_json::from_str(&ran.out).map_err(|error| format!("no JSON object: {error}"))?;
    let count = |name| object.pointer(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
    // A row whose request key came before is answered again.
    let decided = count("/routed/decisions") + count("/routed/repeated");
    let rows = rows_of(given);
    if decided == rows { Ok(()) } else { Err(format!("{rows} rows, decided {decided}")) }
}

fn refused(kind: Kind, ran: &Ran, log: &Path) -> Result<(), String> {
    if kind.makes_log() && log.exists() {
        return Err("refused, and a log was begun".to_owned());
    }
    let first = ran.err.lines().next().unwrap_or_default();
    if ["serde", "u32", "u64", "i64", "EOF", "struct "]
        .iter()
        .any(|word| first.contains(&format!(" {word}")))
    {
        return Err("words that its user does not know".to_owned());
    }
    if place_of(ran).is_some() {
        return Ok(());
    }
    let whole = kind.found_in_whole_files().iter().any(|what| first.contains(what));
    if whole { Ok(()) } else { Err("a refusal without a place".to_owned()) }
}

/// The line in `calybris: FILE:LINE: ...`.
pub(super) fn place_of(ran: &Ran) -> Option<u64> {
    let first = ran.err.lines().next()?.strip_prefix("calybris: ")?;
    let (_, rest) = first.split_once(':')?;
    rest.split(':').next()?.parse().ok()
}

/// The rows of a requests file that was accepted, which therefore is well-formed: records of a CSV but its header, or lines.
fn rows_of(given: &[u8]) -> u64 {
    let given = given.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(given);
    let is_json = given.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let text = String::from_utf8_lossy(given);
    if is_json {
        let lines = text.split('\n').filter(|line| !line.trim().is_empty()).count();
        return u64::try_from(lines).unwrap_or(u64::MAX);
    }
    let (mut records, mut in_quotes, mut is_empty) = (0_u64, false, true);
    for letter in text.chars().chain(std::iter::once('\n')) {
        match letter {
            '\n' if !in_quotes => {
                records += u64::from(!is_empty);
                is_empty = true;
            }
            '\r' => {}
            '"' => (in_quotes, is_empty) = (!in_quotes, false),
            _ => is_empty = false,
        }
    }
    records.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_what_stands_between_line_breaks() {
        assert_eq!(rows_of(b"a,b\r\n1,2\n\n3,\"x\ny\"\n"), 2);
        assert_eq!(rows_of(b"\xef\xbb\xbfa\n1"), 1);
        assert_eq!(rows_of(b"\n{\"a\": 1}\n \n{}\n"), 2);
        assert_eq!(rows_of(b""), 0);
    }

    #[test]
    fn the_place_of_a_refusal_is_its_line() {
        let ran = |err: &str| Ran { code: Some(2), out: String::new(), err: err.to_owned() };
        assert_eq!(place_of(&ran("calybris: /a/b.csv:3:4: what")), Some(3));
        assert_eq!(place_of(&ran("calybris: /a/b.csv:3: what")), Some(3));
        assert_eq!(place_of(&ran("calybris: /a/b.csv: what: 3")), None);
    }
}
