//! Repairing keeps what verifies, sets all the rest aside, and touches nothing that is not corrupt.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{
    Damage, Key, Repair, RepairOptions, RetentionAction, VerifyOptions, WalError, verify,
};
use logs::{
    HEADER, frames, key, keys, log_of, open, options, payloads, read_payloads, segment_from,
    write_sample, write_segments,
};

fn repair(path: &Path, key: Option<&Key>) -> Result<Option<Repair>, WalError> {
    calybris_wal::repair(path, &RepairOptions::default().with_key(key.cloned()))
}

/// All files of a log and their bytes.
fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "LOCK")
        .collect();
    files.sort();
    files
}

#[test]
fn a_corrupt_log_is_cut_at_its_first_damage_and_nothing_is_lost() {
    for key in keys() {
        for (first, whole) in [(1, 0), (3, 2), (5, 4)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            write_segments(path, &options(), key.as_ref());
            let name = segment_from(path, first);
            let mut bytes = fs::read(&name).unwrap();
            // The second record of the segment.
            let second = frames(&bytes)[1];
            bytes[second.start + 20] ^= 1;
            fs::write(&name, &bytes).unwrap();
            let before: usize = files(path).iter().map(|(_, bytes)| bytes.len()).sum();

            let done = repair(path, key.as_ref()).unwrap().unwrap();
            assert_eq!(done.sequence, whole + 1);
            assert!(matches!(done.damage, WalError::Corrupt { segment, offset, .. }
                if segment == first && offset == second.start as u64));
            assert_eq!(done.quarantined.len() as u64, (5 - first) / 2 + 1);
            let after: usize = files(path).iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(after, before, "every byte is still there");
            assert!(repair(path, key.as_ref()).unwrap().is_none());
            let writer = open(path, key.as_ref()).unwrap();
            assert_eq!(writer.append("more").unwrap().sequence, whole + 2);
            drop(writer);
            let kept = usize::try_from(whole).unwrap() + 1;
            assert_eq!(read_payloads(path, key.as_ref())[..kept], payloads()[..kept]);
        }
    }
}

#[test]
fn a_log_that_lost_a_segment_is_kept_up_to_it() {
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), None);
    fs::remove_file(segment_from(directory.path(), 3)).unwrap();
    let done = repair(directory.path(), None).unwrap().unwrap();
    assert!(matches!(done.damage, WalError::MissingSegment { segment: 3 }));
    assert_eq!((done.sequence, done.quarantined.len()), (2, 1));
    assert_eq!(open(directory.path(), None).unwrap().open_report().sequence, 2);
}

#[test]
fn what_is_not_corrupt_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_sample(path, Some(&key()), true);
    let before = files(path);
    assert!(matches!(repair(path, None), Err(WalError::KeyRequired { .. })));
    assert!(repair(path, Some(&key())).unwrap().is_none());
    let writer = open(path, Some(&key())).unwrap();
    assert!(matches!(repair(path, Some(&key())), Err(WalError::Locked { .. })));
    drop(writer);
    assert_eq!(files(path), before);
}

#[test]
fn nothing_is_judged_while_a_writer_may_change_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = open(path, None).unwrap();
    writer.append("one").unwrap();
    let mut bytes = fs::read(segment_from(path, 1)).unwrap();
    bytes[20] ^= 1;
    fs::write(segment_from(path, 1), bytes).unwrap();
    assert!(matches!(repair(path, None), Err(WalError::Locked { .. })));
    drop(writer);
    assert!(matches!(repair(path, None), Err(WalError::Corrupt { offset: 0, .. })));
}

#[test]
fn where_there_is_no_log_nothing_is_repaired_or_created() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none");
    for path in [directory.path(), &none] {
        assert!(matches!(repair(path, None), Err(WalError::Missing { .. })));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_log_whose_beginning_is_damaged_is_not_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_sample(path, None, true);
    let mut bytes = fs::read(segment_from(path, 1)).unwrap();
    bytes[20] ^= 1;
    log_of(path, &bytes);
    let before = files(path);
    assert!(matches!(repair(path, None), Err(WalError::Corrupt { offset: 0, .. })));
    assert_eq!(files(path), before);
}

#[test]
fn a_log_that_lost_its_beginning_is_not_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), None);
    fs::remove_file(segment_from(path, 1)).unwrap();
    let before = files(path);
    let refused = repair(path, None).map(drop);
    assert!(matches!(refused, Err(WalError::MissingSegment { segment: 1 })), "{refused:?}");
    assert_eq!(files(path), before);
}

#[test]
fn a_refused_repair_leaves_a_file_inside_another_segments_records_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), None);
    fs::copy(segment_from(path, 1), segment_from(path, 4)).unwrap();
    fs::remove_file(segment_from(path, 1)).unwrap();
    let before = files(path);
    let refused = repair(path, None).map(drop);
    assert!(matches!(refused, Err(WalError::MissingSegment { segment: 1 })), "{refused:?}");
    assert_eq!(files(path), before);
}

#[test]
fn a_beginning_that_nothing_vouches_for_is_kept_where_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), None);
    fs::remove_file(segment_from(path, 1)).unwrap();
    let accepting = RepairOptions::default().with_accept_beginning(true);
    let done = calybris_wal::repair(path, &accepting).unwrap().unwrap();
    assert!(matches!(done.damage, WalError::MissingSegment { segment: 1 }));
    assert_eq!((done.sequence, done.quarantined.len()), (6, 0));
    assert_eq!(read_payloads(path, None), payloads()[2..]);
    assert_eq!(open(path, None).unwrap().append("more").unwrap().sequence, 7);
}

#[test]
fn a_file_inside_another_segments_records_is_set_aside_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), None);
    fs::copy(segment_from(path, 1), segment_from(path, 2)).unwrap();
    let is_overlap = |error: &WalError| {
        matches!(error, WalError::Corrupt { segment: 2, what: Damage::Overlap, .. })
    };
    let error = verify(path, &VerifyOptions::default()).map(drop).unwrap_err();
    assert!(is_overlap(&error) && error.is_tampering(), "{error}");
    let error = open(path, None).map(drop).unwrap_err();
    assert!(is_overlap(&error), "{error}");
    let done = repair(path, None).unwrap().unwrap();
    assert!(is_overlap(&done.damage), "{}", done.damage);
    assert_eq!((done.sequence, done.quarantined.len()), (6, 1));
    assert_eq!(read_payloads(path, None), payloads());
}

#[test]
fn a_retained_log_is_cut_at_its_damage_and_still_says_where_it_begins() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key.as_ref());
        let writer = open(path, key.as_ref()).unwrap();
        writer.retain_from(3, RetentionAction::Remove).unwrap();
        writer.close().unwrap();
        let name = segment_from(path, 3);
        let mut bytes = fs::read(&name).unwrap();
        let second = frames(&bytes)[1].start;
        bytes[second + 20] ^= 1;
        fs::write(&name, &bytes).unwrap();

        let done = repair(path, key.as_ref()).unwrap().unwrap();
        assert_eq!((done.sequence, done.quarantined.len()), (3, 2));
        assert_eq!(read_payloads(path, key.as_ref()), payloads()[2..3]);
        assert!(repair(path, key.as_ref()).unwrap().is_none());
        assert_eq!(open(path, key.as_ref()).unwrap().append("more").unwrap().sequence, 4);
    }
}

#[test]
fn a_repair_without_the_key_that_goes_on_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), Some(&key()));
    let next = Key::new(&[9; 32]).unwrap().replacing(&key());
    open(path, Some(&next)).unwrap().append("under the next key").unwrap();
    for segment in [1, 7] {
        fs::remove_file(segment_from(path, segment)).unwrap();
    }
    fs::write(path.join("00000000000000000007.cwal"), [0; 200]).unwrap();
    let before = files(path);
    let repair = |key: &Key| {
        calybris_wal::repair(
            path,
            &RepairOptions::default().with_key(key.clone()).with_accept_beginning(true),
        )
    };
    let refused = repair(&key()).map(drop);
    assert!(matches!(refused, Err(WalError::WrongKey { .. })), "{refused:?}");
    assert_eq!(files(path), before);
    assert_eq!(repair(&next).unwrap().unwrap().sequence, 6);
    assert_eq!(open(path, Some(&next)).unwrap().append("more").unwrap().sequence, 7);
}

#[test]
fn a_damaged_header_in_the_middle_is_damage_with_a_place() {
    for key in keys() {
        for (first, last) in [(3, false), (5, true)] {
            for fill in [0, 0xAA] {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path();
                write_segments(path, &options(), key.as_ref());
                let name = segment_from(path, first);
                let mut bytes = fs::read(&name).unwrap();
                bytes[..HEADER].fill(fill);
                fs::write(&name, &bytes).unwrap();
                let options = VerifyOptions::default().with_key(key.clone());
                for error in [
                    verify(path, &options).map(drop).unwrap_err(),
                    open(path, key.as_ref()).map(drop).unwrap_err(),
                ] {
                    let found = matches!(error, WalError::Corrupt { segment, offset: 0, .. }
                        if segment == first);
                    assert!(found && error.is_tampering(), "{error}");
                }
                let done = repair(path, key.as_ref()).unwrap().unwrap();
                assert_eq!(done.sequence, first - 1);
                assert_eq!(done.quarantined.len(), 2 - usize::from(last));
                let kept = usize::try_from(first).unwrap() - 1;
                assert_eq!(read_payloads(path, key.as_ref()), payloads()[..kept]);
            }
        }
    }
}

#[test]
fn a_repair_that_cannot_go_on_puts_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_segments(path, &options(), None);
    // The overlap could be set aside; that the beginning is missing, nobody has accepted.
    fs::remove_file(segment_from(path, 1)).unwrap();
    fs::copy(segment_from(path, 3), segment_from(path, 4)).unwrap();
    let before = files(path);
    let refused = repair(path, None).unwrap_err();
    assert!(matches!(refused, WalError::MissingSegment { segment: 1 }), "{refused}");
    assert_eq!(files(path), before);
    let accepting = RepairOptions::default().with_accept_beginning(true);
    let done = calybris_wal::repair(path, &accepting).unwrap().unwrap();
    assert_eq!((done.sequence, done.quarantined.len()), (6, 1));
    assert_eq!(read_payloads(path, None), payloads()[2..]);
}

#[test]
fn a_file_with_the_sequence_0_is_damage_and_is_set_aside_alone() {
    for length in [0, HEADER, usize::MAX] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), None);
        let bytes = fs::read(segment_from(path, 3)).unwrap();
        fs::write(segment_from(path, 0), &bytes[..length.min(bytes.len())]).unwrap();
        let before = files(path);
        for error in [
            verify(path, &VerifyOptions::default()).map(drop).unwrap_err(),
            open(path, None).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, WalError::Corrupt { segment: 0, offset: 0, .. }), "{error}");
        }
        assert_eq!(files(path), before);
        let done = repair(path, None).unwrap().unwrap();
        assert_eq!((done.sequence, done.quarantined.len()), (6, 1));
        assert_eq!(read_payloads(path, None), payloads());
    }
}
