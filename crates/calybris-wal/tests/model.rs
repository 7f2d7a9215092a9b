//! Whatever is done to a log in whatever order, it holds what a list would hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;

use calybris_wal::{Key, VerifyOptions, WalError, WalWriter, verify};
use logs::{DATA, HEADER, frames, key, open, read_payloads, segment};
use proptest::prelude::*;

/// What may happen to a log.
#[derive(Debug, Clone)]
enum Deed {
    Append(Vec<u8>),
    Sync,
    /// The process ends without closing the log.
    Crash,
    /// The machine loses power: of what was not synced, this share of 256 survives.
    PowerCut(u8),
    /// The same, and garbage follows.
    Garbage(u8, Vec<u8>),
    Close,
}

fn deed() -> impl Strategy<Value = Deed> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        8 => bytes().prop_map(Deed::Append),
        2 => Just(Deed::Sync),
        1 => Just(Deed::Crash),
        1 => any::<u8>().prop_map(Deed::PowerCut),
        1 => (any::<u8>(), bytes()).prop_map(|(share, bytes)| Deed::Garbage(share, bytes)),
        1 => Just(Deed::Close),
    ]
}

/// The list that the log is compared with.
struct Model {
    records: Vec<Vec<u8>>,
    synced_records: usize,
    synced_bytes: usize,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list_whose_synced_part_survives(
        deeds in prop::collection::vec(deed(), 1..30),
        keyed: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let key = keyed.then(key);
        let mut model = Model { records: Vec::new(), synced_records: 0, synced_bytes: HEADER };
        let mut writer = open(directory.path(), key.as_ref()).unwrap();
        for deed in deeds {
            match deed {
                Deed::Append(payload) => {
                    let receipt = writer.append_bytes(&payload).unwrap();
                    model.records.push(payload);
                    prop_assert_eq!(receipt.sequence, model.records.len() as u64);
                }
                Deed::Sync => {
                    writer.flush_and_sync().unwrap();
                    note_synced(&mut model, directory.path());
                }
                Deed::Crash => writer = reopen(writer, directory.path(), key.as_ref()),
                Deed::Close => {
                    let head = writer.close().unwrap();
                    note_synced(&mut model, directory.path());
                    prop_assert_eq!(head.sequence, model.records.len() as u64);
                    writer = open(directory.path(), key.as_ref()).unwrap();
                }
                Deed::PowerCut(share) => {
                    lose_power(&mut model, directory.path(), share, &[]);
                    writer = reopen(writer, directory.path(), key.as_ref());
                }
                Deed::Garbage(share, bytes) => {
                    lose_power(&mut model, directory.path(), share, &bytes);
                    writer = reopen(writer, directory.path(), key.as_ref());
                }
            }
            if writer.head().sequence == writer.open_report().sequence {
                // It has just been opened, which syncs what it found.
                note_synced(&mut model, directory.path());
            }
            prop_assert_eq!(writer.head().sequence, model.records.len() as u64);
        }
        prop_assert_eq!(&read_payloads(directory.path(), key.as_ref()), &model.records);
        match verify(directory.path(), &VerifyOptions::default().with_key(key).with_anchor(writer.head())) {
            Ok(report) => prop_assert_eq!(report.records, model.records.len() as u64),
            Err(error) => {
                let empty = matches!(error, WalError::Empty { .. });
                prop_assert!(empty && model.records.is_empty());
            }
        }
    }
}

fn reopen(writer: WalWriter, path: &std::path::Path, key: Option<&Key>) -> WalWriter {
    drop(writer);
    open(path, key).unwrap()
}

fn note_synced(model: &mut Model, path: &std::path::Path) {
    model.synced_records = model.records.len();
    model.synced_bytes = fs::read(segment(path)).unwrap().len();
}

/// Cuts off a part of what was not synced, and writes garbage behind the rest.
fn lose_power(model: &mut Model, path: &std::path::Path, share: u8, garbage: &[u8]) {
    let mut bytes = fs::read(segment(path)).unwrap();
    let unsynced = bytes.len() - model.synced_bytes;
    let layout = frames(&bytes);
    bytes.truncate(model.synced_bytes + unsynced * usize::from(share) / 256);
    let kept = layout.iter().filter(|frame| frame.kind == DATA && frame.end <= bytes.len());
    model.records.truncate(kept.count());
    assert!(model.records.len() >= model.synced_records && bytes.len() >= HEADER);
    bytes.extend_from_slice(garbage);
    fs::write(segment(path), bytes).unwrap();
}
