//! Several threads verify what one verifies, and find what one finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::collections::HashSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use calybris_wal::{
    Anchor, BatchWork, Durability, Handed, Hash, Key, Reader, RecordRef, Records, VerifyOptions,
    WalError, verify,
};
use logs::{frames, keys, open_with, options, segment, segment_from};

#[test]
fn threads_change_no_verdict() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let buffered = options().durability(Durability::Buffered);
        let writer = open_with(directory.path(), &buffered, key.as_ref()).unwrap();
        let mut middle = None;
        for number in 0..4500_usize {
            let receipt = writer.append_bytes(&vec![7; number % 300]).unwrap();
            if number == 2500 {
                writer.flush_and_sync().unwrap();
                middle = Some(receipt);
            }
        }
        let head = writer.close().unwrap();
        let middle = middle.map(|receipt| Anchor {
            log_id: head.log_id,
            sequence: receipt.sequence,
            hash: receipt.hash,
        });
        let with = |threads, anchor| {
            VerifyOptions::default()
                .with_key(key.clone())
                .with_anchor(anchor)
                .with_threads(NonZeroUsize::new(threads))
        };
        let alone = verify(directory.path(), &with(1, Some(head))).unwrap();
        for threads in [2, 8] {
            for anchor in [Some(head), middle] {
                assert_eq!(verify(directory.path(), &with(threads, anchor)).unwrap(), alone);
            }
            let forged = Anchor { hash: Hash::from_bytes([1; 32]), ..middle.unwrap() };
            let error = verify(directory.path(), &with(threads, Some(forged))).unwrap_err();
            assert!(matches!(error, WalError::AnchorContradicted { .. }));
            let ahead = Anchor { sequence: 4501, ..head };
            let error = verify(directory.path(), &with(threads, Some(ahead))).unwrap_err();
            assert!(matches!(error, WalError::AnchorAhead { head: 4500, .. }));
        }

        let bytes = fs::read(segment(directory.path())).unwrap();
        let layout = frames(&bytes);
        for step in 0..3 {
            let byte = 144 + (bytes.len() - 145) * step / 3;
            let mut changed = bytes.clone();
            changed[byte] ^= 0x10;
            fs::write(segment(directory.path()), &changed).unwrap();
            let damaged = layout.iter().find(|frame| byte < frame.end).unwrap();
            let [one, four] =
                [1, 4].map(|threads| verify(directory.path(), &with(threads, None)).unwrap_err());
            assert_eq!(one.to_string(), four.to_string());
            assert!(matches!(four, WalError::Corrupt { offset, .. }
                if offset == damaged.start as u64));
        }
    }
}

/// Writes records of all lengths in two segments: many to a chunk of a thread, and some that are
/// longer than a chunk, or than what a thread reads at all. Answers the log's segments.
fn write_long(directory: &Path, key: Option<&Key>) -> [(PathBuf, Vec<u8>); 2] {
    let buffered = options().durability(Durability::Buffered);
    let writer = open_with(directory, &buffered, key).unwrap();
    for number in 0..3200_usize {
        let length = match number {
            700 | 2900 => 70_000,
            701 => (64 << 10) - 48,
            1700 => (256 << 10) - 48,
            1701 => (256 << 10) - 47,
            _ => number * 7 % 500,
        };
        writer.append_bytes(&vec![7; length]).unwrap();
        match number {
            300 | 2000 => writer.flush_and_sync().unwrap(),
            2200 => writer.rotate().unwrap(),
            _ => {}
        }
    }
    writer.append_bytes(&vec![7; 300_000]).unwrap();
    writer.close().unwrap();
    [1, 2202].map(|first| {
        let path = segment_from(directory, first);
        (path.clone(), fs::read(path).unwrap())
    })
}

/// A record, as far as it can be told without its payload.
type Told = (u64, Hash, Hash, u64, u64, usize);

fn told(record: RecordRef<'_>) -> Told {
    let length = record.payload().len();
    let (hash, previous) = (record.hash(), record.previous_hash());
    let record = record.to_record();
    (record.sequence(), hash, previous, record.segment(), record.offset(), length)
}

/// Keeps what is told of records; those of some lengths have to be alone.
struct Telling;

impl BatchWork for Telling {
    type Batch = Vec<Told>;

    fn is_alone(&self, payload: &[u8]) -> bool {
        payload.len() % 97 == 13
    }

    fn work(&self, records: Records<'_>, batch: &mut Vec<Told>) {
        batch.extend(records.map(|record| told(record.unwrap())));
    }
}

/// What is told of a log on so many threads, and how it ends.
fn told_by_threads(directory: &Path, key: Option<&Key>, threads: usize) -> (Vec<Told>, String) {
    let mut all = Vec::new();
    let mut reader = match Reader::open(directory, key) {
        Ok(reader) => reader,
        Err(error) => return (all, format!("{error:?}")),
    };
    let (mut bytes_before, mut alone) = (0, 0);
    let end = reader.read_batches(threads.try_into().unwrap(), &Telling, |handed, bytes| {
        assert!(bytes > bytes_before, "{bytes} {bytes_before}");
        bytes_before = bytes;
        match handed {
            Handed::Batch(batch) => {
                assert!(batch.iter().all(|told| told.5 % 97 != 13));
                all.append(batch);
            }
            Handed::Record(record) => {
                alone += usize::from(record.payload().len() % 97 == 13);
                all.push(told(record));
            }
        }
        Ok::<(), WalError>(())
    });
    assert_eq!(alone, all.iter().filter(|told| told.5 % 97 == 13).count());
    match end {
        Ok(()) => (all, format!("{:?} {}", reader.tail(), reader.bytes_read())),
        Err(error) => {
            assert!(reader.next_ref().is_none(), "a reader that failed answers nothing more");
            (all, format!("{error:?}"))
        }
    }
}

/// The same by a reader that goes from one record to the next.
fn told_by_reader(directory: &Path, key: Option<&Key>) -> (Vec<Told>, String) {
    let mut all = Vec::new();
    let mut reader = match Reader::open(directory, key) {
        Ok(reader) => reader,
        Err(error) => return (all, format!("{error:?}")),
    };
    while let Some(record) = reader.next_ref() {
        match record {
            Ok(record) => all.push(told(record)),
            Err(error) => return (all, format!("{error:?}")),
        }
    }
    (all, format!("{:?} {}", reader.tail(), reader.bytes_read()))
}

#[test]
fn an_error_of_the_visitor_ends_the_reading_at_its_batch() {
    let directory = tempfile::tempdir().unwrap();
    write_long(directory.path(), None);
    for threads in [1, 3] {
        let mut reader = Reader::open(directory.path(), None).unwrap();
        let mut visits = 0;
        let refused = reader.read_batches(threads.try_into().unwrap(), &Telling, |_, _| {
            visits += 1;
            if visits == 5 { Err(WalError::SequencesUsedUp) } else { Ok(()) }
        });
        assert!(matches!(refused, Err(WalError::SequencesUsedUp)));
        assert_eq!(visits, 5);
        assert!(reader.next_ref().is_none());
    }
}

#[test]
fn threads_find_the_damage_that_a_reader_finds_first() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let segments = write_long(directory.path(), key.as_ref());
        let verdict = |threads| {
            let threads = NonZeroUsize::new(threads);
            let options = VerifyOptions::default().with_key(key.clone()).with_threads(threads);
            verify(directory.path(), &options)
                .map(|found| (found.records, found.tail))
                .map_err(|error| format!("{error:?}"))
        };
        // A reader goes from one record to the next, and knows no chunks.
        let step_by_step = || {
            let mut records = 0;
            let mut reader = Reader::open(directory.path(), key.as_ref()).unwrap();
            while let Some(record) = reader.next_ref() {
                record.map_err(|error| format!("{error:?}"))?;
                records += 1;
            }
            Ok((records, reader.tail()))
        };
        assert_eq!(step_by_step().unwrap().0, 3201);
        let mut verdicts = HashSet::new();
        let mut check = |path: &Path, changed: &[u8]| {
            fs::write(path, changed).unwrap();
            let expected = step_by_step();
            assert_eq!(verdict(1), expected);
            assert_eq!(verdict(3), expected);
            let told = told_by_reader(directory.path(), key.as_ref());
            for threads in [1, 3] {
                assert!(told_by_threads(directory.path(), key.as_ref(), threads) == told);
            }
            verdicts.insert(format!("{expected:?}"));
        };
        for (path, bytes) in &segments {
            let layout = frames(bytes);
            let changed_at = |places: &[usize]| {
                let mut changed = bytes.clone();
                places.iter().for_each(|place| changed[*place] ^= 0x10);
                changed
            };
            // With a key only some: the chunks are the same.
            for step in if key.is_some() { 2..3 } else { 1..4 } {
                let frame = layout[layout.len() * step / 4];
                // The length, the kind, the sequence, the payload or the hash, the hash.
                for place in [frame.start, frame.start + 4, frame.start + 9, frame.start + 17] {
                    check(path, &changed_at(&[place]));
                }
                // Every hash from here on: those behind may be found before the one in front.
                let ends = layout.iter().map(|frame| frame.end - 1);
                let behind: Vec<usize> = ends.filter(|end| *end > frame.start).collect();
                check(path, &changed_at(&behind));
                check(path, &bytes[..frame.end - 1]);
                check(path, &bytes[..frame.end]);
                let without = [&bytes[..frame.start], &bytes[frame.end..]].concat();
                check(path, &without);
            }
            // At the ends of the chunks, wherever those are, and in the records that fill one.
            for place in (0..bytes.len()).step_by(192 << 10).chain([bytes.len() - 1]).skip(1) {
                check(path, &changed_at(&[place]));
            }
            fs::write(path, bytes).unwrap();
        }
        for threads in [16, 100_000, usize::MAX] {
            assert_eq!(verdict(threads), step_by_step());
        }
        assert!(verdicts.len() > 10, "{} verdicts differ", verdicts.len());
    }
}

/// Panics at the record with that sequence.
struct PanickingAt(u64);

impl BatchWork for PanickingAt {
    type Batch = ();

    fn is_alone(&self, _: &[u8]) -> bool {
        false
    }

    fn work(&self, records: Records<'_>, (): &mut ()) {
        records.for_each(|record| assert_ne!(record.unwrap().sequence(), self.0, "on purpose"));
    }
}

/// It would wait for ever for the batch that the thread that panicked has taken.
#[test]
fn a_panic_of_the_work_or_of_the_visitor_ends_the_reading() {
    let directory = tempfile::tempdir().unwrap();
    write_long(directory.path(), None);
    for threads in [1, 2, 3] {
        for (work, of_visitor) in [(700, false), (u64::MAX, true)] {
            let mut reader = Reader::open(directory.path(), None).unwrap();
            let mut visits = 0;
            let panics = || {
                let work = PanickingAt(work);
                reader.read_batches(threads.try_into().unwrap(), &work, |_, _| {
                    visits += 1;
                    assert!(!of_visitor || visits < 5, "on purpose");
                    Ok::<(), WalError>(())
                })
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        }
    }
}
