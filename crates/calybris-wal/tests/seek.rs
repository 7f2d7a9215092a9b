//! A reader that begins in the middle hands out what one from the beginning does, from there on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{Key, Reader, Record, RetentionAction, WalError};
use logs::{HEADER, keys, open, open_with, options, read, segment_from, write_segments};

/// The lengths of a seal's frame, and of a durable mark's.
const SEAL: usize = 16 + 56 + 32;
const CLOSING_MARK: usize = 16 + 16 + 32;

/// All records from a sequence on, and the error that they end with, if they do.
fn read_at(path: &Path, key: Option<&Key>, sequence: u64) -> (Vec<Record>, Option<WalError>) {
    let mut records = Vec::new();
    match Reader::open_at(path, key, sequence) {
        Err(error) => return (records, Some(error)),
        Ok(reader) => {
            for record in reader {
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => return (records, Some(error)),
                }
            }
        }
    }
    (records, None)
}

/// Expects of a log that reads without an error that each of its records is found, and no other.
fn expect_found(path: &Path, key: Option<&Key>) {
    let (all, error) = read(path, key);
    assert!(error.is_none(), "{error:?}");
    let first = Reader::segments(path).unwrap()[0];
    let head = first - 1 + all.len() as u64;
    for (index, from) in (first..=head + 1).enumerate() {
        let (found, error) = read_at(path, key, from);
        assert!(error.is_none(), "{from}: {error:?}");
        assert_eq!(found, all[index..], "{from}");
    }
    for past in [0, head + 2, head + 3, u64::MAX] {
        let error = Reader::open_at(path, key, past).unwrap_err();
        assert!(
            matches!(error, WalError::NoSuchRecord { sequence, head: found }
                if (sequence, found) == (past, head)),
            "{past}: {error}"
        );
        assert!(!error.is_tampering());
    }
    for dropped in 1..first {
        let error = Reader::open_at(path, key, dropped).unwrap_err();
        assert!(
            matches!(error, WalError::Dropped { sequence, first: kept }
                if (sequence, kept) == (dropped, first)),
            "{dropped}: {error}"
        );
    }
}

/// Segments with many records, marks between them, and records longer than what is read at once.
fn write_long(path: &Path, key: Option<&Key>) {
    let writer = open_with(path, &options().segment_bytes(300_000), key).unwrap();
    for number in 0..200_usize {
        let length = if number % 23 == 7 { 70_000 + number } else { number % 5 * 500 };
        writer.append_bytes(&vec![7; length]).unwrap();
        if number % 7 == 0 {
            writer.flush_and_sync().unwrap();
        }
    }
}

#[test]
fn every_record_is_found_by_its_sequence_and_no_other() {
    for key in keys() {
        let key = key.as_ref();
        let directory = tempfile::tempdir().unwrap();
        write_segments(directory.path(), &options(), key);
        expect_found(directory.path(), key);
        // A last segment without a record; one with a torn tail.
        open(directory.path(), key).unwrap().rotate().unwrap();
        assert_eq!(Reader::segments(directory.path()).unwrap(), [1, 3, 5, 7]);
        expect_found(directory.path(), key);
        open(directory.path(), key).unwrap().append("seventh").unwrap();
        let last = segment_from(directory.path(), 7);
        let torn = [fs::read(&last).unwrap(), b"torn".to_vec()].concat();
        fs::write(&last, torn).unwrap();
        expect_found(directory.path(), key);

        let long = tempfile::tempdir().unwrap();
        write_long(long.path(), key);
        assert!(Reader::segments(long.path()).unwrap().len() > 2);
        expect_found(long.path(), key);
    }
}

#[test]
fn an_empty_log_is_at_its_end_and_an_unfinished_or_missing_one_is_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    assert!(matches!(Reader::open_at(&path, None, 1), Err(WalError::Missing { .. })));
    assert!(matches!(Reader::segments(&path), Err(WalError::Missing { .. })));
    drop(open(&path, None).unwrap());
    expect_found(&path, None);
    fs::write(segment_from(&path, 1), b"").unwrap();
    assert!(matches!(Reader::open_at(&path, None, 1), Err(WalError::Empty { .. })));
}

#[test]
fn a_segment_that_is_being_created_is_the_end_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), None);
    open(directory.path(), None).unwrap().rotate().unwrap();
    for bytes in [0, 7, 143] {
        fs::write(segment_from(directory.path(), 7), vec![0x89; bytes]).unwrap();
        expect_found(directory.path(), None);
    }
}

#[test]
fn a_record_that_was_dropped_is_told_from_one_that_is_missing() {
    for key in keys() {
        let key = key.as_ref();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key);
        let writer = open(path, key).unwrap();
        writer.retain_from(3, RetentionAction::Remove).unwrap();
        expect_found(path, key);
        writer.rotate().unwrap();
        writer.append("seventh").unwrap();
        expect_found(path, key);
        drop(writer);

        // Between the segments, then before the first.
        let third = fs::read(segment_from(path, 5)).unwrap();
        fs::remove_file(segment_from(path, 5)).unwrap();
        for sequence in [5, 6] {
            let (_, error) = read_at(path, key, sequence);
            let error = error.unwrap();
            assert!(matches!(error, WalError::MissingSegment { segment: 5 }), "{error}");
        }
        assert!(read_at(path, key, 7).1.unwrap().is_tampering());
        fs::write(segment_from(path, 5), third).unwrap();
        fs::remove_file(segment_from(path, 3)).unwrap();
        for sequence in 1..=8 {
            let (_, error) = read_at(path, key, sequence);
            let error = error.unwrap();
            assert!(matches!(error, WalError::MissingSegment { segment: 3 }), "{error}");
        }
    }
}

#[test]
fn a_log_cut_anywhere_is_entered_where_it_still_has_records() {
    let original = tempfile::tempdir().unwrap();
    write_segments(original.path(), &options(), None);
    let last = fs::read(segment_from(original.path(), 5)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for first in [1, 3] {
        fs::copy(segment_from(original.path(), first), segment_from(path, first)).unwrap();
    }
    for length in 0..=last.len() {
        fs::write(segment_from(path, 5), &last[..length]).unwrap();
        expect_found(path, None);
        // As a crash leaves it that came after the length was on disk and before the bytes.
        let room = [&last[..length], &vec![0; last.len() - length]].concat();
        fs::write(segment_from(path, 5), room).unwrap();
        if read(path, None).1.is_none() {
            expect_found(path, None);
        }
    }
}

#[test]
fn a_changed_log_never_yields_a_record_that_is_not_of_the_log() {
    for key in keys() {
        let key = key.as_ref();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_segments(path, &options(), key);
        let (originals, _) = read(path, key);
        for segment in [1, 3, 5] {
            let name = segment_from(path, segment);
            let bytes = fs::read(&name).unwrap();
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                fs::write(&name, &changed).unwrap();
                for from in [4, 6] {
                    let (found, error) = read_at(path, key, from);
                    let expected = &originals[usize::try_from(from).unwrap() - 1..];
                    assert_eq!(found, expected[..found.len()], "{segment} {at} {from}");
                    // Looked at are the header and the seal of the segment before, and from the
                    // record before on everything but the closing mark, which nothing vouches for.
                    let seen = match (segment, from) {
                        (3, 4) => true,
                        (1, 4) | (3, 6) => at < HEADER || at >= bytes.len() - SEAL - 32,
                        (5, _) => at < bytes.len() - CLOSING_MARK,
                        _ => false,
                    };
                    match error {
                        Some(error) => assert!(seen && error.is_tampering(), "{error}"),
                        None => assert!(!seen && found == expected, "{segment} {at} {from}"),
                    }
                }
            }
            fs::write(&name, &bytes).unwrap();
        }
    }
}

#[test]
fn a_record_that_a_crash_tore_in_room_that_was_made_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = open(path, None).unwrap();
    writer.append("first").unwrap();
    let whole = fs::metadata(segment_from(path, 1)).unwrap().len();
    writer.append("second").unwrap();
    drop(writer);
    // The header of the second frame reached the disk, what follows it did not.
    let name = segment_from(path, 1);
    let mut bytes = fs::read(&name).unwrap();
    bytes[usize::try_from(whole).unwrap() + 16..].fill(0);
    bytes.resize(bytes.len() + 1000, 0);
    fs::write(&name, bytes).unwrap();
    expect_found(path, None);
}

#[test]
fn frames_inside_a_record_are_not_taken_for_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = open(path, None).unwrap();
    for number in 0..5_u64 {
        writer.append(&number).unwrap();
    }
    // A record made of the frames of this log, and of those of one that went on otherwise.
    let bytes = fs::read(segment_from(path, 1)).unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::copy(segment_from(path, 1), segment_from(other.path(), 1)).unwrap();
    open(other.path(), None).unwrap().append("another sixth").unwrap();
    let forged = [bytes, fs::read(segment_from(other.path(), 1)).unwrap()].concat();
    for _ in 0..3 {
        writer.append_bytes(&forged).unwrap();
    }
    expect_found(path, None);
}

#[test]
fn a_reader_at_the_end_answers_what_is_appended_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = open(path, None).unwrap();
    writer.append("first").unwrap();
    let mut reader = Reader::open_at(path, None, 2).unwrap();
    assert!(reader.next().is_none());
    for number in 2..6_u64 {
        let receipt = writer.append(&number).unwrap();
        let record = reader.next().unwrap().unwrap();
        assert_eq!((record.sequence(), record.hash()), (number, receipt.hash));
        assert_eq!(record.segment(), receipt.segment);
        assert!(reader.next().is_none());
        writer.rotate().unwrap();
    }
}

#[test]
fn a_receipt_tells_which_record_began_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open_with(directory.path(), &options().segment_bytes(1024), None).unwrap();
    assert_eq!(writer.segment_first_sequence(), 1);
    let receipts: Vec<_> =
        (0..50_u64).map(|number| writer.append(&(number, [7_u8; 20])).unwrap()).collect();
    let began = receipts.iter().filter(|receipt| receipt.segment == receipt.sequence);
    let began: Vec<u64> = began.map(|receipt| receipt.sequence).collect();
    assert_eq!(began, Reader::segments(directory.path()).unwrap());
    assert!(began.len() > 5);
    assert_eq!(writer.segment_first_sequence(), *began.last().unwrap());
    writer.rotate().unwrap();
    assert_eq!(writer.segment_first_sequence(), 51);
    drop(writer);
    let writer = open_with(directory.path(), &options().segment_bytes(1024), None).unwrap();
    assert_eq!(writer.segment_first_sequence(), 51);
    for (record, receipt) in read(directory.path(), None).0.iter().zip(receipts) {
        assert_eq!(record.segment(), receipt.segment);
    }
}
