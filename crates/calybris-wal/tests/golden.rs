//! The format does not change: logs written once are written the same, and read for ever.
//!
//! `CALYBRIS_BLESS=1` writes the golden files instead of comparing with them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::{Path, PathBuf};

use calybris_wal::{Key, LogId, RetentionAction, VerifyOptions, WalOptions, WalWriter, verify};
use logs::{key, new_key, options, payloads, read_payloads, segment, write_sample, write_segments};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var_os("CALYBRIS_BLESS").is_some_and(|value| value == "1")
}

/// Writes a log and compares each of its segments with the golden one.
fn compare_or_bless(name: &str, write: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    if blessing() {
        fs::create_dir_all(golden(name)).unwrap();
        for segment in segments(directory.path()) {
            fs::copy(directory.path().join(&segment), golden(name).join(&segment)).unwrap();
        }
    }
    assert_eq!(segments(directory.path()), segments(&golden(name)));
    for segment in segments(directory.path()) {
        let [written, expected] =
            [directory.path(), &golden(name)].map(|path| fs::read(path.join(&segment)).unwrap());
        assert_eq!(written, expected, "the format changed: {segment}");
    }
}

fn segments(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".cwal"));
    names.sort();
    names
}

fn still_reads(name: &str, key: Option<&Key>) {
    let directory = tempfile::tempdir().unwrap();
    for segment in segments(&golden(name)) {
        fs::copy(golden(name).join(&segment), directory.path().join(&segment)).unwrap();
    }
    assert_eq!(read_payloads(directory.path(), key), payloads());
    let options = VerifyOptions::default().with_key(key.cloned());
    assert_eq!(verify(directory.path(), &options).unwrap().records, 6);
    let writer = logs::open(directory.path(), key).unwrap();
    assert_eq!(writer.append("one more").unwrap().sequence, 7);
}

#[test]
fn a_plain_log_is_written_as_ever_and_reads() {
    compare_or_bless("plain", |path| write_sample(path, None, true));
    still_reads("plain", None);
}

#[test]
fn a_keyed_log_is_written_as_ever_and_reads() {
    compare_or_bless("keyed", |path| write_sample(path, Some(&key()), true));
    still_reads("keyed", Some(&key()));
}

#[test]
fn a_log_of_segments_is_written_as_ever_and_reads() {
    compare_or_bless("segments", |path| write_segments(path, &options(), None));
    still_reads("segments", None);
}

#[test]
fn a_log_under_two_keys_is_written_as_ever_and_reads() {
    compare_or_bless("rekeyed", |path| {
        for (key, payloads) in [(key(), &payloads()[..4]), (new_key(), &payloads()[4..])] {
            let writer = logs::open(path, Some(&key)).unwrap();
            payloads.iter().for_each(|payload| {
                writer.append_bytes(payload).unwrap();
            });
            writer.close().unwrap();
        }
    });
    still_reads("rekeyed", Some(&new_key()));
}

#[test]
fn a_log_whose_beginning_was_dropped_is_written_as_ever() {
    compare_or_bless("retained", |path| {
        write_segments(path, &options(), None);
        let writer = logs::open(path, None).unwrap();
        assert_eq!(writer.retain_from(4, RetentionAction::Remove).unwrap(), 1);
        writer.rotate().unwrap();
        writer.append("seventh").unwrap();
        writer.close().unwrap();
    });
}

/// The bytes in the worked example of `FORMAT.md`: every line of hexadecimal pairs before a `|`.
fn worked_example() -> Vec<u8> {
    let format = include_str!("../FORMAT.md");
    let (_, example) = format.split_once("## A worked example").unwrap();
    let rows = example.lines().filter_map(|line| line.strip_prefix("    ")?.split_once('|'));
    rows.flat_map(|(pairs, _)| pairs.split_whitespace().collect::<Vec<_>>())
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn the_worked_example_of_the_format_is_what_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let log_id = LogId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let options = WalOptions::new(1).max_record_bytes(65536).log_id(log_id);
    let writer = WalWriter::open(directory.path(), &options).unwrap();
    writer.append("hello").unwrap();
    writer.close().unwrap();
    let written = fs::read(segment(directory.path())).unwrap();
    assert_eq!(written, worked_example());
}
