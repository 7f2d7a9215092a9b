//! What may stand in a log's directory, and who may write there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use calybris_wal::{
    Damage, Reader, RepairOptions, RetentionAction, VerifyOptions, WalError, WalOptions, WalWriter,
    repair, verify,
};
use logs::options;

/// A log of three segments with two records each.
fn log(path: &Path) -> WalWriter {
    let writer = WalWriter::open(path, &options()).unwrap();
    for number in 1..=6_u64 {
        writer.append(&number).unwrap();
        if number % 2 == 0 && number < 6 {
            writer.rotate().unwrap();
        }
    }
    writer
}

fn segment(path: &Path, first: u64) -> PathBuf {
    path.join(format!("{first:020}.cwal"))
}

/// The bytes of every regular file.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.symlink_metadata().unwrap().is_file());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn is_locked<T>(outcome: Result<T, WalError>) -> bool {
    matches!(outcome, Err(WalError::Locked { .. }))
}

#[test]
fn removing_the_lock_lets_no_second_writer_in() {
    let directory = tempfile::tempdir().unwrap();
    let (path, archive) = (directory.path().join("log"), directory.path().join("archive"));
    let writer = WalWriter::open(&path, &options()).unwrap();
    let remove = || fs::remove_file(path.join("LOCK")).unwrap();
    for round in 1..=4_u64 {
        remove();
        // Before its first record, after it, and right after a rotation.
        assert!(is_locked(WalWriter::open(&path, &options())));
        writer.append(&round).unwrap();
        assert!(is_locked(WalWriter::open(&path, &options())));
        writer.rotate().unwrap();
        assert!(is_locked(WalWriter::open(&path, &options())));
    }
    remove();
    assert_eq!(writer.retain_from(3, RetentionAction::Archive(&archive)).unwrap(), 2);
    assert!(is_locked(WalWriter::open(&path, &options())));
    writer.append(&5_u64).unwrap();
    writer.close().unwrap();
    assert_eq!(WalWriter::open(&path, &options()).unwrap().open_report().sequence, 5);
    assert_eq!(verify(&path, &VerifyOptions::default()).unwrap().records, 3);
    assert_eq!(verify(&archive, &VerifyOptions::default()).unwrap().records, 2);
}

#[test]
fn removing_the_lock_lets_no_repair_in() {
    let directory = tempfile::tempdir().unwrap();
    let writer = log(directory.path());
    // Damage in the first segment: a repair would cut off all that the writer writes.
    let mut bytes = fs::read(segment(directory.path(), 1)).unwrap();
    bytes[200] ^= 1;
    fs::write(segment(directory.path(), 1), bytes).unwrap();
    fs::remove_file(directory.path().join("LOCK")).unwrap();
    let before = files(directory.path());
    assert!(is_locked(repair(directory.path(), &RepairOptions::default())));
    fs::remove_file(directory.path().join("LOCK")).unwrap();
    assert_eq!(files(directory.path()), before);
    drop(writer);
    assert!(repair(directory.path(), &RepairOptions::default()).unwrap().is_some());
}

#[test]
fn the_lock_says_that_it_must_stay_and_an_empty_one_is_one_too() {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("LOCK");
    for old in [None, Some("")] {
        if let Some(old) = old {
            fs::write(&lock, old).unwrap();
        }
        let writer = WalWriter::open(directory.path(), &options()).unwrap();
        assert!(fs::read_to_string(&lock).unwrap().contains("Do not remove"));
        assert!(is_locked(WalWriter::open(directory.path(), &options())));
        drop(writer);
    }
}

/// Makes something that is no regular file.
type Maker = fn(&Path);

const MAKERS: [(&str, Maker); 4] = [
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a pipe, a socket or a device", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("a pipe, a socket or a device", |path| drop(UnixListener::bind(path).unwrap())),
    ("a symbolic link", |path| symlink("elsewhere", path).unwrap()),
];

/// Expects a verdict on the segment that has its place taken.
fn expect_damage<T>(outcome: Result<T, WalError>, expected: u64) {
    let error = outcome.map(drop).unwrap_err();
    let found = matches!(error, WalError::Corrupt { segment, offset: 0, what: Damage::NotAFile, .. }
        if segment == expected);
    assert!(found && error.is_tampering(), "{error}");
}

/// Expects an error that names the file and what has its place.
fn expect_refusal<T>(outcome: Result<T, WalError>, place: &Path, found: &str) {
    match outcome.map(drop).unwrap_err() {
        WalError::Io { path, source, .. } => {
            assert_eq!(path, place);
            let source = source.to_string();
            assert!(source.contains(found), "{source}");
        }
        other => panic!("{found}: {other}"),
    }
}

#[test]
fn what_is_no_file_in_the_place_of_a_segment_is_named_at_once() {
    for (_, make) in MAKERS {
        for replaced in [1, 3, 5] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            log(path).close().unwrap();
            let place = segment(path, replaced);
            fs::rename(&place, path.join("elsewhere")).unwrap();
            make(&place);
            let before = files(path);
            expect_damage(WalWriter::open(path, &options()), replaced);
            expect_damage(verify(path, &VerifyOptions::default()), replaced);
            expect_damage(repair(path, &RepairOptions::default()), replaced);
            let read = || Reader::open(path, None)?.try_for_each(|record| record.map(drop));
            expect_damage(read(), replaced);
            expect_damage(Reader::open_at(path, None, replaced), replaced);
            assert_eq!(files(path), before);
        }
    }
}

#[test]
fn what_is_no_file_in_the_place_of_the_only_segment_is_named_at_once() {
    for (_, make) in MAKERS {
        let directory = tempfile::tempdir().unwrap();
        make(&segment(directory.path(), 1));
        expect_damage(WalWriter::open(directory.path(), &options()), 1);
        expect_damage(verify(directory.path(), &VerifyOptions::default()), 1);
        expect_damage(repair(directory.path(), &RepairOptions::default()), 1);
    }
}

#[test]
fn what_is_no_file_in_the_place_of_the_lock_is_named_at_once() {
    for (found, make) in MAKERS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        log(path).close().unwrap();
        fs::remove_file(path.join("LOCK")).unwrap();
        make(&path.join("LOCK"));
        expect_refusal(WalWriter::open(path, &options()), &path.join("LOCK"), found);
        expect_refusal(repair(path, &RepairOptions::default()), &path.join("LOCK"), found);
        assert!(!path.join("elsewhere").exists());
        // Who only reads needs no lock.
        assert_eq!(verify(path, &VerifyOptions::default()).unwrap().records, 6);
    }
}

#[test]
fn what_is_no_file_in_the_archive_drops_nothing() {
    for (found, make) in MAKERS {
        let directory = tempfile::tempdir().unwrap();
        let (path, archive) = (directory.path().join("log"), directory.path().join("archive"));
        let writer = log(&path);
        fs::create_dir(&archive).unwrap();
        make(&segment(&archive, 1));
        expect_refusal(
            writer.retain_from(5, RetentionAction::Archive(&archive)),
            &segment(&archive, 1),
            found,
        );
        assert_eq!(Reader::segments(&path).unwrap(), [1, 3, 5]);
    }
}

#[test]
fn a_copy_that_was_cut_short_is_made_anew() {
    for leftover in [0, 10, 100_000] {
        let directory = tempfile::tempdir().unwrap();
        let (path, archive) = (directory.path().join("log"), directory.path().join("archive"));
        let writer = log(&path);
        fs::create_dir(&archive).unwrap();
        let part = archive.join(format!("{:020}.cwal.part", 1));
        fs::write(&part, vec![7; leftover]).unwrap();
        assert_eq!(writer.retain_from(5, RetentionAction::Archive(&archive)).unwrap(), 2);
        assert!(!part.exists());
        assert_eq!(verify(&archive, &VerifyOptions::default()).unwrap().records, 4);
    }
}

#[test]
fn a_segment_that_is_another_one_too_is_damage_and_nothing_is_cut() {
    for (original, copy) in [(1, 7), (3, 7), (5, 7), (1, 3), (5, 3), (3, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        log(path).close().unwrap();
        drop(fs::remove_file(segment(path, copy)));
        fs::hard_link(segment(path, original), segment(path, copy)).unwrap();
        let before = files(path);
        let refused = WalWriter::open(path, &options()).map(drop).unwrap_err();
        assert!(refused.is_tampering(), "{original} as {copy}: {refused}");
        let refused = repair(path, &RepairOptions::default()).map(drop).unwrap_err();
        assert!(
            matches!(refused, WalError::Corrupt { segment, .. } if segment == original.max(copy)),
            "{original} as {copy}: {refused}"
        );
        assert_eq!(files(path), before, "{original} as {copy}");
        // A reader finds that one of the names is not the segment's.
        let read = verify(path, &VerifyOptions::default()).map(drop);
        assert!(read.as_ref().is_err_and(WalError::is_tampering) || copy == 2, "{read:?}");
    }
}

#[test]
fn a_copy_by_hard_links_in_another_directory_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("log"), directory.path().join("copy"));
    log(&path).close().unwrap();
    fs::create_dir(&copy).unwrap();
    for first in [1, 3, 5] {
        fs::hard_link(segment(&path, first), segment(&copy, first)).unwrap();
    }
    let writer = WalWriter::open(&path, &options()).unwrap();
    // The last segment is one file still: who writes it, writes both.
    assert!(is_locked(WalWriter::open(&copy, &options())));
    drop(writer);
    assert_eq!(verify(&copy, &VerifyOptions::default()).unwrap().records, 6);
}

#[test]
fn a_directory_that_holds_a_lock_or_foreign_files_is_begun() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("LOCK"), "").unwrap();
    fs::write(directory.path().join("README"), "mine").unwrap();
    fs::write(directory.path().join("0.cwal"), "no segment's name").unwrap();
    let writer = WalWriter::open(directory.path(), &WalOptions::new(1)).unwrap();
    assert!(writer.open_report().created);
    assert_eq!(fs::read(directory.path().join("README")).unwrap(), b"mine");
}

#[test]
fn a_lock_tells_that_a_log_was_begun() {
    let directory = tempfile::tempdir().unwrap();
    log(directory.path()).close().unwrap();
    for first in [1, 3, 5] {
        fs::remove_file(segment(directory.path(), first)).unwrap();
    }
    let before = files(directory.path());
    let refused = WalWriter::open(directory.path(), &options()).map(drop);
    assert!(matches!(refused, Err(WalError::MissingSegment { segment: 1 })), "{refused:?}");
    assert_eq!(files(directory.path()), before);
}

#[test]
fn a_log_whose_segments_were_removed_is_not_begun_anew_while_something_tells_of_it() {
    for (name, bytes, segment) in [
        ("00000000000000000001-300-1.torn", 10, Some(1)),
        ("00000000000000000007-0-2.torn", 10, Some(7)),
        ("00000000000000000001-0-1.torn", 145, Some(1)),
        // A header that a crash tore before the log held anything, and names of others.
        ("00000000000000000001-0-1.torn", 144, None),
        ("notes.torn", 1000, None),
        ("1-2-3-4.torn", 1000, None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(name), vec![7; bytes]).unwrap();
        match (WalWriter::open(directory.path(), &options()), segment) {
            (Ok(writer), None) => assert!(writer.open_report().created),
            (Err(WalError::MissingSegment { segment }), Some(expected)) => {
                assert_eq!(segment, expected, "{name}");
                assert!(Reader::segments(directory.path()).is_err(), "{name}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}
