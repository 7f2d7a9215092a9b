//! A log of many segments is one log: cut, damaged, mixed up or under a new key.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::path::Path;

use calybris_wal::{Damage, Durability, Key, LogId, Reader, VerifyOptions, WalError, verify};
use logs::{
    DATA, HEADER, frames, key, keys, open, open_with, options, payloads, read, read_payloads,
    segment_from, write_segments,
};

const FIRSTS: [u64; 3] = [1, 3, 5];

/// The bytes of the three segments of the sample.
fn segments(key: Option<&Key>) -> [Vec<u8>; 3] {
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), key);
    FIRSTS.map(|first| fs::read(segment_from(directory.path(), first)).unwrap())
}

fn write(path: &Path, first: u64, bytes: &[u8]) {
    fs::write(segment_from(path, first), bytes).unwrap();
}

fn options_with(key: Option<&Key>) -> VerifyOptions {
    VerifyOptions::default().with_key(key.cloned())
}

#[test]
fn segments_read_through_as_one_log() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        write_segments(directory.path(), &options(), key.as_ref());
        assert_eq!(read_payloads(directory.path(), key.as_ref()), payloads());
        let report = verify(directory.path(), &options_with(key.as_ref())).unwrap();
        assert_eq!((report.segments, report.records, report.durable_through), (3, 6, 6));
        let bytes: usize = segments(key.as_ref()).iter().map(Vec::len).sum();
        assert_eq!(report.bytes, bytes as u64);
        let reader = Reader::open(directory.path(), key.as_ref());
        assert_eq!(reader.unwrap().bytes_in_log().unwrap(), bytes as u64);
        let writer = open(directory.path(), key.as_ref()).unwrap();
        assert_eq!((writer.head(), writer.open_report().sequence), (report.head, 6));
    }
}

#[test]
fn a_record_can_be_made_the_first_of_a_segment() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let directory = tempfile::tempdir().unwrap();
        let options = options().max_record_bytes(10).durability(durability);
        let writer = open_with(directory.path(), &options, None).unwrap();
        // A segment without records has room for a first one.
        assert_eq!(writer.append_first("one").unwrap().segment, 1);
        assert_eq!(writer.append_first("two").unwrap().segment, 2);
        let refused = writer.append_first("eleven bytes");
        assert!(matches!(refused, Err(WalError::RecordTooLarge { limit: 10 })));
        assert_eq!(writer.append("three").unwrap().segment, 2);
        writer.rotate().unwrap();
        assert_eq!(writer.append_first("four").unwrap().segment, 4);
        writer.close().unwrap();
        assert_eq!(Reader::segments(directory.path()).unwrap(), [1, 2, 4]);
        assert_eq!(verify(directory.path(), &VerifyOptions::default()).unwrap().records, 4);
    }
}

#[test]
fn a_first_record_is_the_first_whoever_else_appends() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let directory = tempfile::tempdir().unwrap();
        let options = options().durability(durability);
        let writer = open_with(directory.path(), &options, None).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for number in 0..20_u32 {
                        if number % 5 == 0 {
                            let receipt = writer.append_first(&number).unwrap();
                            assert_eq!(receipt.sequence, receipt.segment);
                        } else {
                            writer.append(&number).unwrap();
                        }
                    }
                });
            }
        });
        let head = writer.close().unwrap();
        let options = VerifyOptions::default().with_anchor(head);
        let report = verify(directory.path(), &options).unwrap();
        assert_eq!((report.records, report.segments), (60, 12));
    }
}

#[test]
fn a_segment_is_finished_before_it_is_too_long() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let directory = tempfile::tempdir().unwrap();
        let options = options().segment_bytes(2048).durability(durability);
        let writer = open_with(directory.path(), &options, None).unwrap();
        for number in 0..100_u32 {
            writer.append_bytes(&vec![7; number as usize]).unwrap();
        }
        writer.append_bytes(&vec![8; 3000]).unwrap();
        writer.append_bytes(b"the last").unwrap();
        writer.close().unwrap();
        let mut too_long = 0;
        for entry in fs::read_dir(directory.path()).unwrap() {
            too_long += u64::from(entry.unwrap().metadata().unwrap().len() > 2048);
        }
        assert_eq!(too_long, 1, "only the record that is too long by itself");
        let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
        assert!(report.segments > 5);
        assert_eq!(report.records, 102);
    }
}

#[test]
fn any_change_to_a_finished_segment_is_corrupt_at_its_record() {
    for key in keys() {
        let segments = segments(key.as_ref());
        let directory = tempfile::tempdir().unwrap();
        write_segments(directory.path(), &options(), key.as_ref());
        for (index, segment) in segments[..2].iter().enumerate() {
            for byte in 0..segment.len() {
                let mut changed = segment.clone();
                changed[byte] ^= 1 << (byte % 8);
                write(directory.path(), FIRSTS[index], &changed);
                let frame = frames(segment).into_iter().find(|frame| byte < frame.end);
                let (start, sequence) = match frame.filter(|_| byte >= HEADER) {
                    None => (0, FIRSTS[index]),
                    Some(frame) if frame.kind == DATA => (frame.start, frame.sequence),
                    Some(frame) => (frame.start, frame.sequence + 1),
                };
                let error = verify(directory.path(), &options_with(key.as_ref())).unwrap_err();
                assert!(
                    matches!(error, WalError::Corrupt { segment, offset, sequence: found, .. }
                        if (segment, offset, found) == (FIRSTS[index], start as u64, sequence)),
                    "byte {byte}: {error}"
                );
            }
            write(directory.path(), FIRSTS[index], segment);
        }
    }
}

#[test]
fn opening_checks_every_header_and_seal() {
    let segments = segments(None);
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), None);
    for (index, segment) in segments[..2].iter().enumerate() {
        let seal = frames(segment).last().unwrap().start;
        for byte in (0..HEADER).chain(seal..segment.len()) {
            let mut changed = segment.clone();
            changed[byte] ^= 1;
            write(directory.path(), FIRSTS[index], &changed);
            assert!(open(directory.path(), None).unwrap_err().is_tampering(), "byte {byte}");
        }
        for cut in [0, HEADER - 1, HEADER, seal, segment.len() - 1] {
            write(directory.path(), FIRSTS[index], &segment[..cut]);
            assert!(open(directory.path(), None).unwrap_err().is_tampering(), "cut at {cut}");
            assert!(read(directory.path(), None).1.unwrap().is_tampering(), "cut at {cut}");
        }
        write(directory.path(), FIRSTS[index], &[&segment[..], &[0]].concat());
        assert!(open(directory.path(), None).unwrap_err().is_tampering());
        let error = read(directory.path(), None).1.unwrap();
        assert!(matches!(error, WalError::Corrupt { what: Damage::AfterSeal, .. }));
        write(directory.path(), FIRSTS[index], segment);
    }
    assert!(open(directory.path(), None).is_ok());
}

#[test]
fn a_missing_segment_is_named() {
    for (removed, key) in [1, 3].into_iter().flat_map(|first| keys().map(|key| (first, key))) {
        let directory = tempfile::tempdir().unwrap();
        write_segments(directory.path(), &options(), key.as_ref());
        fs::remove_file(segment_from(directory.path(), removed)).unwrap();
        for error in [
            open(directory.path(), key.as_ref()).unwrap_err(),
            read(directory.path(), key.as_ref()).1.unwrap(),
            verify(directory.path(), &options_with(key.as_ref())).unwrap_err(),
        ] {
            assert!(
                matches!(error, WalError::MissingSegment { segment } if segment == removed),
                "{error}"
            );
        }
    }
}

#[test]
fn a_segment_of_another_log_does_not_fit() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        write_segments(directory.path(), &options(), key.as_ref());
        let other = tempfile::tempdir().unwrap();
        write_segments(other.path(), &options().log_id(LogId::from_bytes([9; 16])), key.as_ref());
        for first in [3, 5] {
            let own = fs::read(segment_from(directory.path(), first)).unwrap();
            fs::copy(segment_from(other.path(), first), segment_from(directory.path(), first))
                .unwrap();
            for error in [
                open(directory.path(), key.as_ref()).unwrap_err(),
                verify(directory.path(), &options_with(key.as_ref())).unwrap_err(),
            ] {
                assert!(error.is_tampering() || matches!(error, WalError::LogIdMismatch { .. }));
            }
            write(directory.path(), first, &own);
        }
    }
}

#[test]
fn a_segment_under_another_name_does_not_fit() {
    let segments = segments(None);
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 1, &segments[0]);
    write(directory.path(), 3, &segments[2]);
    let error = read(directory.path(), None).1.unwrap();
    assert!(matches!(error, WalError::Corrupt { what: Damage::Discontinuity, .. }));
}

#[test]
fn a_segment_without_records_is_not_finished() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    writer.rotate().unwrap();
    writer.append("one").unwrap();
    writer.rotate().unwrap();
    writer.rotate().unwrap();
    drop(writer);
    let writer = open(directory.path(), None).unwrap();
    assert_eq!(writer.head().sequence, 1);
    writer.rotate().unwrap();
    writer.append("two").unwrap();
    assert_eq!(verify(directory.path(), &VerifyOptions::default()).unwrap().segments, 2);
}

#[test]
fn a_log_goes_on_under_a_new_key_that_the_old_one_vouches_for() {
    let directory = tempfile::tempdir().unwrap();
    let old = key();
    let writer = open(directory.path(), Some(&old)).unwrap();
    writer.append("under the old key").unwrap();
    writer.close().unwrap();

    let alone = Key::new(&[2; 32]).unwrap();
    assert!(matches!(open(directory.path(), Some(&alone)), Err(WalError::WrongKey { .. })));
    let new = alone.clone().replacing(&old);
    let writer = open(directory.path(), Some(&new)).unwrap();
    writer.append("under the new key").unwrap();
    writer.close().unwrap();
    let newest = Key::new(&[3; 32]).unwrap().replacing(&new);
    let writer = open(directory.path(), Some(&newest)).unwrap();
    assert_eq!(writer.append("under the newest key").unwrap().sequence, 3);
    let anchor = writer.close().unwrap();

    assert_eq!(read_payloads(directory.path(), Some(&newest)).len(), 3);
    let options = VerifyOptions::default().with_key(newest.clone()).with_anchor(anchor);
    assert_eq!(verify(directory.path(), &options).unwrap().segments, 3);
    for insufficient in [&old, &alone, &new] {
        assert!(matches!(
            read(directory.path(), Some(insufficient)).1,
            Some(WalError::WrongKey { .. })
        ));
    }
}

#[test]
fn a_log_does_not_go_back_to_a_key_that_it_has_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (key(), Key::new(&[2; 32]).unwrap().replacing(&key()));
    for key in [&old, &new] {
        let writer = open(directory.path(), Some(key)).unwrap();
        writer.append("a record").unwrap();
        writer.close().unwrap();
    }
    // Whoever lists the keys in the wrong order can read the log, and must not write it.
    let turned_round = old.clone().replacing(&new);
    assert_eq!(read_payloads(directory.path(), Some(&turned_round)).len(), 2);
    let refused = open(directory.path(), Some(&turned_round)).unwrap_err();
    let WalError::KeyReplaced { replaced, current, .. } = refused else { panic!("{refused}") };
    assert_eq!((replaced, current), (old.id(), new.id()));
    open(directory.path(), Some(&new)).unwrap().append("goes on").unwrap();
}

#[test]
fn a_key_that_the_old_one_does_not_vouch_for_is_found() {
    // Both keys are known to whoever verifies, but the first segment announces no change.
    let (old, new) = (key(), Key::new(&[2; 32]).unwrap().replacing(&key()));
    let directory = tempfile::tempdir().unwrap();
    write_segments(directory.path(), &options(), Some(&old));
    let other = tempfile::tempdir().unwrap();
    let writer = open(other.path(), Some(&old)).unwrap();
    payloads()[..2].iter().for_each(|payload| {
        writer.append_bytes(payload).unwrap();
    });
    drop(writer);
    let writer = open(other.path(), Some(&new)).unwrap();
    writer.append("forged").unwrap();
    drop(writer);
    fs::remove_file(segment_from(directory.path(), 5)).unwrap();
    fs::copy(segment_from(other.path(), 3), segment_from(directory.path(), 3)).unwrap();
    for error in [
        read(directory.path(), Some(&new)).1.unwrap(),
        open(directory.path(), Some(&new)).unwrap_err(),
    ] {
        assert!(matches!(error, WalError::Corrupt { what: Damage::Discontinuity, .. }), "{error}");
    }
}

#[test]
fn threads_share_a_writer_that_rotates_in_every_durability() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let directory = tempfile::tempdir().unwrap();
        let options = options().segment_bytes(4096).durability(durability);
        let writer = open_with(directory.path(), &options, None).unwrap();
        let mut receipts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|thread| {
                    let writer = &writer;
                    scope.spawn(move || {
                        let mut receipts = Vec::new();
                        for number in 0..100_u64 {
                            let receipt = writer.append(&(thread, number)).unwrap();
                            receipts.push((receipt.sequence, (thread, number), receipt.hash));
                            if number % 30 == 7 {
                                writer.flush_and_sync().unwrap();
                            }
                        }
                        receipts
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        receipts.sort_unstable_by_key(|receipt| receipt.0);
        writer.close().unwrap();
        let (records, error) = read(directory.path(), None);
        assert!(error.is_none());
        let found: Vec<_> =
            records.iter().map(|r| (r.sequence(), r.decode().unwrap(), r.hash())).collect();
        assert_eq!(found, receipts);
    }
}

#[test]
fn readers_follow_a_writer_through_its_segments() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().segment_bytes(4096);
    let writer = open_with(directory.path(), &options, None).unwrap();
    writer.append(&0_u64).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 1..2000_u64 {
                writer.append(&vec![number; 10]).unwrap();
            }
        });
        let mut follower = Reader::open(directory.path(), None).unwrap();
        let mut followed = 0;
        while !writing.is_finished() {
            followed += follower.by_ref().map(Result::unwrap).count();
            let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
            assert!(report.records >= 1);
        }
        writing.join().unwrap();
        followed += follower.by_ref().map(Result::unwrap).count();
        assert_eq!(followed, 2000);
    });
}

#[test]
fn what_is_buffered_is_written_when_flushed_or_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().durability(Durability::Buffered);
    let writer = open_with(directory.path(), &options, None).unwrap();
    writer.append("one").unwrap();
    assert_eq!(read_payloads(directory.path(), None).len(), 0);
    writer.flush().unwrap();
    assert_eq!(read_payloads(directory.path(), None).len(), 1);
    writer.append("two").unwrap();
    writer.flush_and_sync().unwrap();
    assert_eq!(read_payloads(directory.path(), None).len(), 2);
    writer.append("three").unwrap();
    drop(writer);
    assert_eq!(read_payloads(directory.path(), None).len(), 3);
}

#[test]
fn room_that_was_made_ahead_is_no_damage_and_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let options = options().durability(Durability::Synced);
    let writer = open_with(directory.path(), &options, None).unwrap();
    writer.append("one").unwrap();
    let file = segment_from(directory.path(), 1);
    let with_room = fs::read(&file).unwrap();
    assert!(with_room.len() > 1 << 20, "a synced log makes room ahead");
    let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
    assert_eq!((report.records, report.tail), (1, calybris_wal::Tail::Clean));
    writer.append("two").unwrap();
    writer.close().unwrap();
    let closed = fs::metadata(&file).unwrap().len();
    assert!(closed < 1000);

    // As a crash leaves it: with the room.
    fs::write(&file, &with_room).unwrap();
    let writer = open_with(directory.path(), &options, None).unwrap();
    assert_eq!(writer.open_report().quarantined, None);
    assert_eq!(writer.append("two").unwrap().sequence, 2);
    writer.rotate().unwrap();
    assert!(fs::metadata(&file).unwrap().len() < 1000);
    writer.append("three").unwrap();
    writer.close().unwrap();
    assert_eq!(read_payloads(directory.path(), None).len(), 3);
}
