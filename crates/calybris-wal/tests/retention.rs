//! What is kept of a log verifies by itself, and what is missing without its consent is found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{
    Anchor, Damage, InclusionProof, LogId, RetentionAction, TreeHead, VerifyOptions, WalError,
    WalWriter, verify,
};
use logs::{keys, open, options, payloads, read, read_payloads, segment_from, write_segments};

fn with(key: Option<&calybris_wal::Key>, anchor: Option<Anchor>) -> VerifyOptions {
    VerifyOptions::default().with_key(key.cloned()).with_anchor(anchor)
}

fn exists(path: &Path, first: u64) -> bool {
    segment_from(path, first).exists()
}

#[test]
fn whole_segments_before_a_record_are_dropped_and_no_others() {
    for (sequence, dropped) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2), (99, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), None);
        let writer = open(path, None).unwrap();
        assert_eq!(writer.retain_from(sequence, RetentionAction::Remove).unwrap(), dropped);
        assert_eq!(writer.retain_from(sequence, RetentionAction::Remove).unwrap(), 0);
        let kept = [1, 3, 5].map(|first| exists(path, first));
        assert_eq!(kept, [dropped < 1, dropped < 2, true], "{sequence}");
        drop(writer);
        assert_eq!(read_payloads(path, None), payloads()[2 * dropped..]);
    }
}

#[test]
fn a_file_too_many_does_not_take_the_place_of_the_segment_to_be_kept() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key.as_ref());
        let writer = open(path, key.as_ref()).unwrap();
        for (inside, what) in [(4, Damage::Overlap), (6, Damage::Unsealed)] {
            fs::copy(segment_from(path, 1), segment_from(path, inside)).unwrap();
            let refused = writer.retain_from(inside, RetentionAction::Remove);
            let found =
                matches!(refused, Err(WalError::Corrupt { what: found, .. }) if found == what);
            assert!(found, "{refused:?}");
            fs::remove_file(segment_from(path, inside)).unwrap();
            assert!(exists(path, 1) && exists(path, 3));
        }
        writer.close().unwrap();
        assert_eq!(read_payloads(path, key.as_ref()), payloads());
        let writer = open(path, key.as_ref()).unwrap();
        assert_eq!(writer.retain_from(4, RetentionAction::Remove).unwrap(), 1);
    }
}

#[test]
fn what_is_kept_goes_on_and_verifies() {
    for key in keys() {
        let key = key.as_ref();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key);
        let head = verify(path, &with(key, None)).unwrap().head;
        let writer = open(path, key).unwrap();
        writer.retain_from(5, RetentionAction::Remove).unwrap();
        drop(writer);
        let report = verify(path, &with(key, Some(head))).unwrap();
        assert_eq!((report.first_sequence, report.records, report.head), (5, 2, head));
        for _ in 0..3 {
            let writer = open(path, key).unwrap();
            writer.append("more").unwrap();
            writer.rotate().unwrap();
            writer.append("and more").unwrap();
        }
        let report = verify(path, &with(key, Some(head))).unwrap();
        assert_eq!((report.first_sequence, report.records), (5, 8));
        let writer = open(path, key).unwrap();
        assert_eq!(writer.retain_from(10, RetentionAction::Remove).unwrap(), 2);
        drop(writer);
        assert_eq!(verify(path, &with(key, None)).unwrap().first_sequence, 10);
        let error = verify(path, &with(key, Some(head))).unwrap_err();
        assert!(matches!(error, WalError::Dropped { sequence: 6, first: 10 }));
        assert!(!error.is_tampering());
        assert_eq!(open(path, key).unwrap().head().sequence, 12);
    }
}

#[test]
fn a_segment_that_goes_missing_without_consent_is_found() {
    for key in keys() {
        let key = key.as_ref();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key);
        open(path, key).unwrap().retain_from(3, RetentionAction::Remove).unwrap();
        fs::remove_file(segment_from(path, 3)).unwrap();
        let before = fs::read(segment_from(path, 5)).unwrap();
        for error in [
            open(path, key).unwrap_err(),
            read(path, key).1.unwrap(),
            verify(path, &with(key, None)).unwrap_err(),
        ] {
            assert!(matches!(error, WalError::MissingSegment { segment: 3 }), "{error}");
        }
        assert_eq!(fs::read(segment_from(path, 5)).unwrap(), before);
    }
}

/// Writes a log of four segments, from 1, 3, 5 and 7 on, that says that it is kept from 5 on; of those
/// before, these are left.
fn write_half_retained(path: &Path, key: Option<&calybris_wal::Key>, left: &[u64]) {
    write_segments(path, &options(), key);
    let writer = open(path, key).unwrap();
    writer.rotate().unwrap();
    writer.append("seventh").unwrap();
    let whole = [1, 3].map(|first| (first, fs::read(segment_from(path, first)).unwrap()));
    assert_eq!(writer.retain_from(5, RetentionAction::Remove).unwrap(), 2);
    writer.close().unwrap();
    for (first, bytes) in whole {
        if left.contains(&first) {
            fs::write(segment_from(path, first), bytes).unwrap();
        }
    }
}

#[test]
fn a_retention_that_a_crash_cut_short_is_finished_by_opening() {
    for key in keys() {
        let key = key.as_ref();
        // Removals reach the disk in any order; what is read begins where nothing is missing.
        for (left, first_read) in [(&[][..], 5), (&[1], 5), (&[3], 3), (&[1, 3], 1)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            write_half_retained(path, key, left);
            let report = verify(path, &with(key, None)).unwrap();
            assert_eq!((report.first_sequence, report.head.sequence), (first_read, 7), "{left:?}");
            let first = calybris_wal::Reader::open(path, key).unwrap().next().unwrap().unwrap();
            assert_eq!(first.sequence(), first_read);
            for sequence in first_read..=7 {
                let mut reader = calybris_wal::Reader::open_at(path, key, sequence).unwrap();
                assert_eq!(reader.next().unwrap().unwrap().sequence(), sequence);
            }
            assert_eq!(fs::read_dir(path).unwrap().count(), 3 + left.len());

            drop(open(path, key).unwrap());
            assert_eq!([1, 3, 5, 7].map(|first| exists(path, first)), [false, false, true, true]);
            let report = verify(path, &with(key, None)).unwrap();
            assert_eq!((report.first_sequence, report.head.sequence), (5, 7));
        }
    }
}

#[test]
fn a_former_key_finds_no_fault_in_a_retention_that_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (old, new) = (logs::key(), logs::new_key());
    let writer = open(path, Some(&old)).unwrap();
    writer.append("one").unwrap();
    drop(writer);
    let writer = open(path, Some(&new)).unwrap();
    for _ in 0..2 {
        writer.append("under the new key").unwrap();
        writer.rotate().unwrap();
    }
    writer.append("more").unwrap();
    let first = fs::read(segment_from(path, 1)).unwrap();
    assert_eq!(writer.retain_from(4, RetentionAction::Remove).unwrap(), 3);
    drop(writer);
    // Of three removals two have reached the disk.
    fs::write(segment_from(path, 1), first).unwrap();
    let error = open(path, Some(&old)).map(drop).unwrap_err();
    assert!(!error.is_tampering(), "{error}");
    assert_eq!(verify(path, &with(Some(&new), None)).unwrap().first_sequence, 4);
    drop(open(path, Some(&new)).unwrap());
    assert!(!exists(path, 1));
}

#[test]
fn a_gap_that_a_retention_does_not_explain_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_half_retained(path, None, &[1, 3]);
    fs::remove_file(segment_from(path, 5)).unwrap();
    for error in [
        open(path, None).map(drop).unwrap_err(),
        read(path, None).1.unwrap(),
        verify(path, &with(None, None)).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, WalError::MissingSegment { segment: 5 }), "{error}");
    }
}

#[test]
fn an_archive_is_a_log_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (path, archive) = (directory.path().join("log"), directory.path().join("a/rchive"));
    write_segments(&path, &options(), None);
    let writer = open(&path, None).unwrap();
    assert_eq!(writer.retain_from(3, RetentionAction::Archive(&archive)).unwrap(), 1);
    assert_eq!(writer.retain_from(5, RetentionAction::Archive(&archive)).unwrap(), 1);
    assert_eq!(read_payloads(&archive, None), payloads()[..4]);
    assert_eq!(read_payloads(&path, None), payloads()[4..]);
    // Together they are the log as it was.
    for first in [1, 3] {
        fs::copy(segment_from(&archive, first), segment_from(&path, first)).unwrap();
    }
    assert_eq!(verify(&path, &with(None, None)).unwrap().records, 6);
    assert!(TreeHead::of(&path, None, 6).is_ok());
}

#[test]
fn a_log_is_not_archived_into_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    write_segments(&path, &options(), None);
    fs::create_dir(directory.path().join("other")).unwrap();
    let writer = open(&path, None).unwrap();
    let before = [1, 3, 5].map(|first| fs::read(segment_from(&path, first)).unwrap());
    for archive in [path.clone(), directory.path().join("other/../log")] {
        let error = writer.retain_from(5, RetentionAction::Archive(&archive)).unwrap_err();
        assert!(
            matches!(&error, WalError::ArchiveTaken { path } if *path == segment_from(&archive, 1)),
            "{error}"
        );
        let after = [1, 3, 5].map(|first| fs::read(segment_from(&path, first)).unwrap());
        assert_eq!(after, before);
    }
    assert_eq!(writer.append("more").unwrap().sequence, 7);
}

#[test]
fn two_logs_do_not_overwrite_each_other_in_one_archive() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, archive] =
        ["first", "second", "archive"].map(|name| directory.path().join(name));
    write_segments(&first, &options(), None);
    write_segments(&second, &options().log_id(LogId::from_bytes([9; 16])), None);
    let writer = open(&first, None).unwrap();
    assert_eq!(writer.retain_from(3, RetentionAction::Archive(&archive)).unwrap(), 1);
    let archived = fs::read(segment_from(&archive, 1)).unwrap();
    let writer = WalWriter::open(&second, &options().log_id(LogId::from_bytes([9; 16]))).unwrap();
    let before = [1, 3, 5].map(|first| fs::read(segment_from(&second, first)).unwrap());
    let error = writer.retain_from(5, RetentionAction::Archive(&archive)).unwrap_err();
    assert!(
        matches!(&error, WalError::ArchiveTaken { path } if *path == segment_from(&archive, 1)),
        "{error}"
    );
    assert_eq!(fs::read(segment_from(&archive, 1)).unwrap(), archived);
    let after = [1, 3, 5].map(|first| fs::read(segment_from(&second, first)).unwrap());
    assert_eq!(after, before, "the log does not even say that it is kept from a later record on");
}

#[test]
fn a_copy_that_was_archived_before_a_crash_is_archived_already() {
    let directory = tempfile::tempdir().unwrap();
    let (path, archive) = (directory.path().join("log"), directory.path().join("archive"));
    write_segments(&path, &options(), None);
    fs::create_dir(&archive).unwrap();
    let first = fs::read(segment_from(&path, 1)).unwrap();
    fs::write(segment_from(&archive, 1), &first).unwrap();
    fs::write(archive.join("00000000000000000003.cwal.part"), "half of it").unwrap();
    let writer = open(&path, None).unwrap();
    assert_eq!(writer.retain_from(5, RetentionAction::Archive(&archive)).unwrap(), 2);
    assert_eq!(read_payloads(&archive, None), payloads()[..4]);
    // One that is a byte shorter, or one longer, is no copy.
    for bytes in [&first[..first.len() - 1], &[&first[..], &[0]].concat()] {
        let directory = tempfile::tempdir().unwrap();
        let (path, archive) = (directory.path().join("log"), directory.path().join("archive"));
        write_segments(&path, &options(), None);
        fs::create_dir(&archive).unwrap();
        fs::write(segment_from(&archive, 1), bytes).unwrap();
        let writer = open(&path, None).unwrap();
        let refused = writer.retain_from(5, RetentionAction::Archive(&archive));
        assert!(matches!(refused, Err(WalError::ArchiveTaken { .. })));
        assert_eq!(fs::read(segment_from(&archive, 1)).unwrap(), bytes);
        assert!(exists(&path, 1));
    }
}

#[test]
fn a_proof_over_what_was_dropped_is_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), None);
    open(directory.path(), None).unwrap().retain_from(3, RetentionAction::Remove).unwrap();
    for error in [
        TreeHead::of(directory.path(), None, 6).unwrap_err(),
        InclusionProof::of(directory.path(), None, 5, 6).unwrap_err(),
    ] {
        assert!(matches!(error, WalError::Dropped { sequence: 1, first: 3 }));
    }
}
