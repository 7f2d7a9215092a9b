//! Whatever bytes a log is said to hold: no panic, no false success, no memory that the file does
//! not account for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{
    Key, RepairOptions, VerifyOptions, WalError, WalOptions, WalWriter, repair, verify,
};
use logs::{keys, log_of, open, payloads, read, segment, write_sample};
use proptest::prelude::*;

/// What may be done to the bytes of a log.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// A part of the log again, in another place.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        (index(), bytes()).prop_map(|(at, bytes)| Change::Set(at, bytes)),
        index().prop_map(Change::Cut),
        (index(), bytes()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), 1..200_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (index(), index(), 1..300_usize)
            .prop_map(|(from, to, count)| Change::Repeat(from, to, count)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    let place = |index: &prop::sample::Index| index.index(length + 1);
    match change {
        Change::Set(at, new) => {
            let tail = bytes[place(at)..].iter_mut();
            tail.zip(new).for_each(|(to, from)| *to = *from);
        }
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new.clone())),
        Change::Remove(at, count) => {
            let end = (place(at) + count).min(length);
            drop(bytes.drain(place(at)..end));
        }
        Change::Repeat(from, to, count) => {
            let part = bytes[place(from)..(place(from) + count).min(length)].to_vec();
            drop(bytes.splice(place(to)..place(to), part));
        }
    }
}

/// Reads, verifies, opens and repairs; whatever comes out of the log is what went in.
fn handle(path: &Path, key: Option<&Key>) {
    let prefix = |path: &Path| {
        let (records, error) = read(path, key);
        let expected = payloads();
        assert!(records.len() <= expected.len());
        records.iter().zip(&expected).for_each(|(record, payload)| {
            assert_eq!(record.payload(), payload);
        });
        (records.len() as u64, error)
    };
    let (records, error) = prefix(path);
    let options = VerifyOptions::default().with_key(key.cloned());
    match verify(path, &options) {
        Ok(report) => assert!(error.is_none() && report.records == records),
        Err(WalError::Empty { .. }) => assert_eq!(records, 0),
        Err(found) => assert_eq!(found.to_string(), error.unwrap().to_string()),
    }
    let before = fs::read(segment(path)).unwrap();
    match open(path, key) {
        Ok(writer) => assert_eq!(writer.open_report().sequence, records),
        Err(error) => {
            assert_eq!(fs::read(segment(path)).unwrap(), before, "a refused log is left alone");
            let options = RepairOptions::default().with_key(key.cloned());
            if error.is_tampering() && repair(path, &options).is_ok() {
                assert_eq!(open(path, key).unwrap().open_report().sequence, records);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_changed_log_yields_a_prefix_of_its_records_and_nothing_else(
        changes in prop::collection::vec(change(), 1..4),
        closed: bool,
    ) {
        for key in keys() {
            let directory = tempfile::tempdir().unwrap();
            write_sample(directory.path(), key.as_ref(), closed);
            let mut bytes = fs::read(segment(directory.path())).unwrap();
            changes.iter().for_each(|change| apply(change, &mut bytes));
            log_of(directory.path(), &bytes);
            handle(directory.path(), key.as_ref());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_set_aside(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for key in keys() {
            let directory = tempfile::tempdir().unwrap();
            log_of(directory.path(), &bytes);
            handle(directory.path(), key.as_ref());
        }
    }
}

#[test]
fn a_length_that_lies_claims_no_memory() {
    // A record that says it is 256 MiB long, in a log that allows it, and is not there.
    let directory = tempfile::tempdir().unwrap();
    let options = WalOptions::new(1).max_record_bytes(256 << 20);
    let writer = WalWriter::open(directory.path(), &options).unwrap();
    writer.append("one").unwrap();
    drop(writer);
    let mut bytes = fs::read(segment(directory.path())).unwrap();
    let mut header = [0, 0, 0, 0x10, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    // CRC-16/IBM-3740, bit by bit.
    let covered: Vec<u8> = header[..6].iter().chain(&header[8..]).copied().collect();
    let mut crc = 0xFFFF_u16;
    for byte in covered {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    header[6..8].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&[7; 1000]);
    log_of(directory.path(), &bytes);
    let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.records, 1);
    let writer = WalWriter::open(directory.path(), &options).unwrap();
    assert_eq!(writer.open_report().quarantined.as_ref().unwrap().bytes, 1016);
}
