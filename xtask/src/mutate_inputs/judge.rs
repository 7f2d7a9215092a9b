//! Judges whether the program treated a file rightly, without any of its code.

use std::path::Path;

use serde_json::Value;

use super::kinds::Kind;
use super::reference;

/// The outcome of a run.
pub(super) struct Ran {
    /// `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// The fault of a run, if it has one.
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
    let lines = ran.out.lines().map(serde_json::from_str);
    let mut lines: Vec<Value> =
        lines.collect::<Result<_, _>>().map_err(|error| format!("no JSON lines: {error}"))?;
    let summary = lines.pop().unwrap_or_default();
    let count = |name| summary.pointer(name).and_then(Value::as_u64).unwrap_or_default();
    // A row whose request key came before is answered again.
    let decided = count("/routed/decisions") + count("/routed/repeated");
    let calls = reference::calls(given)?;
    if decided != u64::try_from(calls.len()).unwrap_or(u64::MAX) {
        return Err(format!("{} rows, decided {decided}", calls.len()));
    }
    let read = lines
        .iter()
        .map(|line| line.get("correlation_id").and_then(Value::as_str).unwrap_or_default());
    let mut named = read.zip(&calls).filter_map(|(read, given)| Some((read, given.as_deref()?)));
    let differing = named.find(|(read, given)| read != given);
    differing.map_or(Ok(()), |(read, given)| Err(format!("`{given}` was read as `{read}`")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_refusal_is_its_line() {
        let ran = |err: &str| Ran { code: Some(2), out: String::new(), err: err.to_owned() };
        assert_eq!(place_of(&ran("calybris: /a/b.csv:3:4: what")), Some(3));
        assert_eq!(place_of(&ran("calybris: /a/b.csv:3: what")), Some(3));
        assert_eq!(place_of(&ran("calybris: /a/b.csv: what: 3")), None);
    }
}
