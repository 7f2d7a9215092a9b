//! A key change that a crash cut short, at every byte, opened with every key that there is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{Key, Tail, VerifyOptions, WalError, verify};
use logs::{HEADER, frames, key, open, read_payloads, segment_from};

const KEY_CHANGE: u8 = 4;

/// The key that replaces [`key`].
fn new() -> Key {
    Key::new(&[2; 32]).unwrap().replacing(&key())
}

/// Keys that the log was never told of: one that replaces the old key, one that replaces nothing.
fn strangers() -> [Key; 2] {
    let other = Key::new(&[3; 32]).unwrap();
    [other.clone().replacing(&key()), other]
}

/// The bytes of the two segments of a log that went from one key to another.
fn changed() -> [Vec<u8>; 2] {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = open(path, Some(&key())).unwrap();
    writer.append("one").unwrap();
    writer.append("two").unwrap();
    writer.close().unwrap();
    open(path, Some(&new())).unwrap().append("three").unwrap();
    [1, 3].map(|first| fs::read(segment_from(path, first)).unwrap())
}

/// The bytes of the segments that are there.
fn image(path: &Path) -> Vec<Vec<u8>> {
    let there = [1, 3, 4].map(|first| fs::read(segment_from(path, first)));
    there.into_iter().filter_map(Result::ok).collect()
}

#[test]
fn a_key_change_counts_only_with_its_seal() {
    let [whole, _] = changed();
    let change = *frames(&whole).iter().find(|frame| frame.kind == KEY_CHANGE).unwrap();
    let stale = |cut: usize| [&whole[..cut], &[0; 40], &[0xA5; 90]].concat();
    for cut in change.start..whole.len() {
        for bytes in [whole[..cut].to_vec(), stale(cut)] {
            for (go_on, gone) in [(new(), key()), (key(), strangers()[1].clone())] {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path();
                fs::write(segment_from(path, 1), &bytes).unwrap();
                let options = VerifyOptions::default().with_key(new());
                let report = verify(path, &options).unwrap();
                let offset = change.start as u64;
                let torn = Tail::Torn { segment: 1, offset, bytes: bytes.len() as u64 - offset };
                let clean = bytes.len() == change.start;
                assert_eq!(report.tail, if clean { Tail::Clean } else { torn }, "{cut}");
                assert_eq!(report.records, 2);

                // The change did not take place: either key may go on.
                let writer = open(path, Some(&go_on)).unwrap();
                assert_eq!(writer.open_report().quarantined.is_none(), clean, "{cut}");
                writer.append("more").unwrap();
                writer.rotate().unwrap();
                writer.append("and more").unwrap();
                writer.close().unwrap();
                assert_eq!(read_payloads(path, Some(&go_on)).len(), 4, "{cut}");
                assert!(open(path, Some(&gone)).is_err(), "{cut}");
            }
        }
    }
}

#[test]
fn the_seal_of_the_last_segment_says_which_key_goes_on() {
    let [sealed, next] = changed();
    // The next segment is not there, or its header is not whole.
    for header in [None, Some(0), Some(1), Some(HEADER - 1)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(segment_from(path, 1), &sealed).unwrap();
        if let Some(length) = header {
            fs::write(segment_from(path, 3), &next[..length]).unwrap();
        }
        let before = image(path);
        let error = open(path, Some(&key())).map(drop).unwrap_err();
        let (old_id, new_id) = (key().id(), new().id());
        assert!(
            matches!(error, WalError::KeyReplaced { replaced, current, .. }
                if replaced == old_id && current == new_id),
            "{error}"
        );
        let [replacing, alone] = strangers();
        let error = open(path, Some(&replacing)).map(drop).unwrap_err();
        assert!(
            matches!(error, WalError::WrongKey { expected, .. } if expected == new_id),
            "{error}"
        );
        let error = open(path, Some(&alone)).map(drop).unwrap_err();
        assert!(
            matches!(error, WalError::WrongKey { expected, .. } if expected == old_id),
            "{error}"
        );
        assert!(matches!(open(path, None), Err(WalError::KeyRequired { .. })));
        assert_eq!(image(path), before, "a key that may not go on writes nothing");

        let writer = open(path, Some(&new())).unwrap();
        assert_eq!(writer.append("three").unwrap().sequence, 3);
        writer.close().unwrap();
        assert_eq!(read_payloads(path, Some(&new())).len(), 3);
    }
}

#[test]
fn a_key_that_replaces_the_announced_one_goes_on_through_it() {
    let [sealed, _] = changed();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(segment_from(path, 1), &sealed).unwrap();
    let newest = Key::new(&[4; 32]).unwrap().replacing(&new());
    let writer = open(path, Some(&newest)).unwrap();
    writer.append("under the announced key").unwrap();
    writer.append("under the newest").unwrap();
    writer.close().unwrap();
    assert_eq!(read_payloads(path, Some(&newest)).len(), 4);
}
