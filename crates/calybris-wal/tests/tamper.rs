//! Every change to what was synced is found, at the right record.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;

use calybris_wal::{Damage, LogId, Tail, VerifyOptions, WalError, verify};
use logs::{DATA, Frame, HEADER, frames, keys, log_of, open, payloads, read, segment};

/// How much of the segment some frame, other than `damaged`, claims to be on disk.
fn claimed(frames: &[Frame], damaged: usize) -> usize {
    let others = frames.iter().enumerate().filter(|(index, _)| *index != damaged);
    others.map(|(_, frame)| frame.claim).max().unwrap().max(HEADER)
}

#[test]
fn every_flipped_bit_is_found_and_judged_by_what_was_synced() {
    for key in keys() {
        let original = tempfile::tempdir().unwrap();
        logs::write_sample(original.path(), key.as_ref(), true);
        let bytes = fs::read(segment(original.path())).unwrap();
        let frames = frames(&bytes);
        let directory = tempfile::tempdir().unwrap();
        let (mut torn, mut corrupt) = (0, 0);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            log_of(directory.path(), &flipped);
            let options = VerifyOptions::default().with_key(key.clone());
            let verdict = verify(directory.path(), &options);
            // Reading, opening and verifying share the verdict; once per byte shows that they do.
            let opened = (bit % 8 == bit / 8 % 8).then(|| {
                open(directory.path(), key.as_ref()).map(|writer| {
                    writer.open_report().quarantined.as_ref().map(|cut| (cut.offset, cut.bytes))
                })
            });
            if bit / 8 < HEADER {
                let opened = opened.map(Result::unwrap_err);
                for error in std::iter::once(verdict.unwrap_err()).chain(opened) {
                    let what = Damage::Header;
                    assert!(
                        matches!(error, WalError::Corrupt { segment: 1, offset: 0, sequence: 1, what: found } if found == what),
                        "bit {bit}: {error}"
                    );
                }
                continue;
            }
            let index = frames.iter().position(|frame| bit / 8 < frame.end).unwrap();
            let whole = frames[..index].iter().filter(|frame| frame.kind == DATA).count() as u64;
            let start = frames[index].start as u64;
            if opened.is_some() {
                let (records, _) = read(directory.path(), key.as_ref());
                assert_eq!(records.len() as u64, whole, "bit {bit}");
            }
            if frames[index].start < claimed(&frames, index) {
                corrupt += 1;
                let opened = opened.map(Result::unwrap_err);
                for error in std::iter::once(verdict.unwrap_err()).chain(opened) {
                    assert!(error.is_tampering());
                    assert!(
                        matches!(error, WalError::Corrupt { segment: 1, offset, sequence, .. }
                            if offset == start && sequence == whole + 1),
                        "bit {bit}: {error}"
                    );
                }
                assert_eq!(fs::read(segment(directory.path())).unwrap(), flipped);
            } else {
                torn += 1;
                let bytes = bytes.len() as u64 - start;
                let report = verdict.unwrap();
                assert_eq!(report.records, whole);
                assert_eq!(report.tail, Tail::Torn { segment: 1, offset: start, bytes });
                if let Some(opened) = opened {
                    assert_eq!(opened.unwrap(), Some((start, bytes)), "bit {bit}");
                }
            }
        }
        // Only the closing mark is behind what it claims itself.
        assert_eq!((torn, corrupt), (8 * 64, 8 * (bytes.len() - HEADER - 64)));
    }
}

/// Builds a changed log from the frames of the sample, and of one with the same key and other
/// records, and expects that exactly `whole` records still verify.
fn expect_corrupt(whole: usize, change: impl Fn(&[&[u8]], &[&[u8]]) -> Vec<u8>) {
    for key in keys() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        logs::write_sample(one.path(), key.as_ref(), true);
        let options = logs::options().log_id(LogId::from_bytes([7; 16]));
        let writer = logs::open_with(other.path(), &options, key.as_ref()).unwrap();
        payloads().iter().for_each(|payload| {
            writer.append_bytes(payload).unwrap();
        });
        writer.close().unwrap();

        let bytes = [one.path(), other.path()].map(|path| fs::read(segment(path)).unwrap());
        let [parts, others] = [0, 1].map(|log| {
            let log: &[u8] = &bytes[log];
            let frames = frames(log).into_iter().map(|frame| &log[frame.start..frame.end]);
            std::iter::once(&log[..HEADER]).chain(frames).collect::<Vec<_>>()
        });
        let directory = tempfile::tempdir().unwrap();
        let changed = change(&parts, &others);
        log_of(directory.path(), &changed);
        let (records, error) = read(directory.path(), key.as_ref());
        assert_eq!(records.len(), whole);
        assert!(error.unwrap().is_tampering());
        let options = VerifyOptions::default().with_key(key.clone());
        assert!(verify(directory.path(), &options).unwrap_err().is_tampering());
        assert!(open(directory.path(), key.as_ref()).unwrap_err().is_tampering());
        assert_eq!(fs::read(segment(directory.path())).unwrap(), changed);
    }
}

// The parts of the sample: header, 1, 2, mark, 3, 4, mark, 5, 6, mark.

#[test]
fn a_deleted_record_is_found() {
    expect_corrupt(1, |parts, _| [&parts[..2], &parts[3..]].concat().concat());
}

#[test]
fn a_duplicated_record_is_found() {
    expect_corrupt(2, |parts, _| [&parts[..3], &parts[2..]].concat().concat());
}

#[test]
fn swapped_records_are_found() {
    expect_corrupt(0, |parts, _| {
        [&parts[..1], &[parts[2], parts[1]], &parts[3..]].concat().concat()
    });
}

#[test]
fn a_record_from_another_log_is_found() {
    expect_corrupt(1, |parts, others| [&parts[..2], &[others[2]], &parts[3..]].concat().concat());
}

#[test]
fn the_frames_of_another_log_behind_this_header_are_found() {
    for key in keys() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        logs::write_sample(one.path(), key.as_ref(), true);
        let options = logs::options().log_id(LogId::from_bytes([7; 16]));
        let writer = logs::open_with(other.path(), &options, key.as_ref()).unwrap();
        writer.append("other").unwrap();
        writer.close().unwrap();
        let header = fs::read(segment(one.path())).unwrap()[..HEADER].to_vec();
        let frames = fs::read(segment(other.path())).unwrap()[HEADER..].to_vec();
        let directory = tempfile::tempdir().unwrap();
        log_of(directory.path(), &[header, frames].concat());
        // No frame verifies under this log's id, so nothing claims that anything was synced; and
        // no record is handed out.
        let (records, error) = read(directory.path(), key.as_ref());
        assert!(records.is_empty() && error.is_none());
        let options = VerifyOptions::default().with_key(key.clone());
        assert!(matches!(verify(directory.path(), &options), Err(WalError::Empty { .. })));
    }
}

#[test]
fn an_inserted_record_is_found() {
    expect_corrupt(2, |parts, others| [&parts[..3], &[others[3]], &parts[3..]].concat().concat());
}

#[test]
fn zeros_over_a_record_are_found() {
    expect_corrupt(2, |parts, _| {
        let zeros = vec![0; parts[4].len()];
        [&parts[..3], &[parts[3], &zeros], &parts[5..]].concat().concat()
    });
}
