//! What a log is exported as, line by line.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::collections::BTreeMap;
use std::io;

use calybris_wal::{Reader, WalError};
use logs::{open, read, segment};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Call {
    model: String,
    cost_microunits: u64,
    utility_microunits: i64,
    reason: Option<Reason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Reason {
    OverBudget { limit: u64 },
    Unknown,
}

fn calls() -> Vec<Call> {
    let call = |model: &str, cost_microunits, utility_microunits, reason| {
        let model = model.to_owned();
        Call { model, cost_microunits, utility_microunits, reason }
    };
    vec![
        call("plain", 0, 0, None),
        call("quoted \" and\nbroken \u{1F9EE}", (1 << 53) + 1, i64::MIN, Some(Reason::Unknown)),
        call("", u64::MAX, i64::MAX, Some(Reason::OverBudget { limit: u64::MAX - 1 })),
    ]
}

fn write_calls(path: &std::path::Path) {
    let writer = open(path, None).unwrap();
    for call in calls() {
        writer.append(&call).unwrap();
        writer.rotate().unwrap();
    }
}

#[test]
fn every_record_is_a_line_that_reads_back_with_its_numbers_in_full() {
    let directory = tempfile::tempdir().unwrap();
    write_calls(directory.path());
    let mut out = Vec::new();
    let reader = Reader::open(directory.path(), None).unwrap();
    assert_eq!(reader.export_json_lines::<Call>(&mut out).unwrap(), 3);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n') && text.contains("18446744073709551615"));
    let lines: Vec<&str> = text.lines().collect();
    let (records, _) = read(directory.path(), None);
    for ((line, record), call) in lines.iter().zip(&records).zip(calls()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 3);
        assert_eq!(line["sequence"], record.sequence());
        let hash = record.hash().to_string();
        assert_eq!(line["hash"], hash);
        assert_eq!(serde_json::from_value::<Call>(line["record"].clone()).unwrap(), call);
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn an_export_begins_where_the_reader_stands() {
    let directory = tempfile::tempdir().unwrap();
    write_calls(directory.path());
    let mut out = Vec::new();
    let reader = Reader::open_at(directory.path(), None, 3).unwrap();
    assert_eq!(reader.export_json_lines::<Call>(&mut out).unwrap(), 1);
    assert!(out.starts_with(b"{\"sequence\":3,\"hash\":\""));
    let at_the_end = Reader::open_at(directory.path(), None, 4).unwrap();
    assert_eq!(at_the_end.export_json_lines::<Call>(io::sink()).unwrap(), 0);
}

#[test]
fn a_record_of_another_type_ends_the_export_after_whole_lines() {
    let directory = tempfile::tempdir().unwrap();
    write_calls(directory.path());
    open(directory.path(), None).unwrap().append("no call").unwrap();
    let mut out = Vec::new();
    let reader = Reader::open(directory.path(), None).unwrap();
    let error = reader.export_json_lines::<Call>(&mut out).unwrap_err();
    assert!(matches!(error, WalError::Decode { sequence: 4, .. }), "{error}");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
    assert!(out.ends_with(b"\n"));
}

#[test]
fn what_has_no_form_in_json_is_refused_without_half_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    let mut map = BTreeMap::new();
    writer.append(&map).unwrap();
    map.insert(vec![1_u8, 2], 3_u64);
    writer.append(&map).unwrap();
    let mut out = Vec::new();
    let reader = Reader::open(directory.path(), None).unwrap();
    let error = reader.export_json_lines::<BTreeMap<Vec<u8>, u64>>(&mut out).unwrap_err();
    assert!(matches!(error, WalError::Export { sequence: 2, .. }), "{error}");
    assert!(out.ends_with(b"\"record\":{}}\n"));
}

/// Takes so many bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.0 == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn an_output_that_fails_is_an_error_that_names_the_record() {
    let directory = tempfile::tempdir().unwrap();
    write_calls(directory.path());
    let mut whole = Vec::new();
    let reader = || Reader::open(directory.path(), None).unwrap();
    reader().export_json_lines::<Call>(&mut whole).unwrap();
    for room in 0..=whole.len() {
        let before = whole[..room].iter().filter(|byte| **byte == b'\n').count() as u64;
        let error = reader().export_json_lines::<Call>(Full(room)).unwrap_err();
        let expected = (before + 1).min(3);
        assert!(
            matches!(&error, WalError::Export { sequence, source }
                if *sequence == expected && source.kind() == io::ErrorKind::StorageFull),
            "{room}: {error}"
        );
    }
}

#[test]
fn damage_ends_the_export_with_its_own_error() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    calls().iter().for_each(|call| {
        writer.append(call).unwrap();
    });
    writer.close().unwrap();
    let mut bytes = std::fs::read(segment(directory.path())).unwrap();
    bytes[144 + 20] ^= 1;
    std::fs::write(segment(directory.path()), bytes).unwrap();
    let mut out = Vec::new();
    let reader = Reader::open(directory.path(), None).unwrap();
    assert!(reader.export_json_lines::<Call>(&mut out).unwrap_err().is_tampering());
    assert!(out.is_empty());
}
