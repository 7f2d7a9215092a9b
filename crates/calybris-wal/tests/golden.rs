//! The format does not change: logs written once are written the same, and read for ever.
//!
//! `CALYBRIS_BLESS=1` writes the golden files instead of comparing with them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::{Path, PathBuf};

use calybris_wal::{Key, VerifyOptions, WalOptions, WalWriter, verify};
use logs::{key, log_of, payloads, read_payloads, segment, write_sample};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var_os("CALYBRIS_BLESS").is_some_and(|value| value == "1")
}

fn compare_or_bless(name: &str, key: Option<&Key>) {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), key, true);
    let written = fs::read(segment(directory.path())).unwrap();
    if blessing() {
        fs::create_dir_all(golden(name)).unwrap();
        fs::write(segment(&golden(name)), &written).unwrap();
    }
    assert_eq!(written, fs::read(segment(&golden(name))).unwrap(), "the format changed");
}

fn still_reads(name: &str, key: Option<&Key>) {
    let directory = tempfile::tempdir().unwrap();
    log_of(directory.path(), &fs::read(segment(&golden(name))).unwrap());
    assert_eq!(read_payloads(directory.path(), key), payloads());
    let report =
        verify(directory.path(), &VerifyOptions { key: key.cloned(), ..VerifyOptions::default() });
    assert_eq!(report.unwrap().records, 6);
    let writer = logs::open(directory.path(), key).unwrap();
    assert_eq!(writer.append("one more").unwrap().sequence, 7);
}

#[test]
fn a_plain_log_is_written_as_ever_and_reads() {
    compare_or_bless("plain", None);
    still_reads("plain", None);
}

#[test]
fn a_keyed_log_is_written_as_ever_and_reads() {
    compare_or_bless("keyed", Some(&key()));
    still_reads("keyed", Some(&key()));
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
    let log_id = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let options = WalOptions::new(1).max_record_bytes(65536).log_id(log_id);
    let writer = WalWriter::open(directory.path(), &options).unwrap();
    writer.append("hello").unwrap();
    writer.close().unwrap();
    let written = fs::read(segment(directory.path())).unwrap();
    assert_eq!(written, worked_example());
}
