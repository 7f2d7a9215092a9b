//! Calls that fail while the machine goes on: errors, full disks, interruptions.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::format::name::segment_name;
use crate::{Durability, LogId, Reader, WalError, WalOptions, WalWriter};

const DURABILITIES: [Durability; 3] = [Durability::Os, Durability::Buffered, Durability::Synced];

fn open(disk: &Memory, durability: Durability) -> Result<WalWriter, WalError> {
    let options = WalOptions::new(1)
        .log_id(LogId::from_bytes([1; 16]))
        .segment_bytes(1024)
        .durability(durability);
    WalWriter::open_in(Arc::new(disk.clone()), &options, None)
}

/// Appends ten numbers, synced every third, and says how many were acknowledged as on disk.
fn write(disk: &Memory, durability: Durability, acknowledged: &mut u64) -> Result<(), WalError> {
    let writer = open(disk, durability)?;
    *acknowledged = (*acknowledged).max(writer.open_report().sequence);
    for _ in 0..10 {
        let outcome = writer.append(&(writer.head().sequence + 1, [7_u8; 32]));
        let outcome = outcome.and_then(|receipt| {
            if receipt.sequence.is_multiple_of(3) {
                writer.flush_and_sync()?;
                *acknowledged = receipt.sequence;
            }
            Ok(receipt)
        });
        match outcome {
            Ok(receipt) if durability == Durability::Synced => *acknowledged = receipt.sequence,
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, WalError::Io { .. }), "{error}");
                for refused in [
                    writer.append("more").map(drop),
                    writer.append_first("more").map(drop),
                    writer.flush_and_sync(),
                    writer.flush(),
                    writer.rotate(),
                ] {
                    assert!(matches!(refused, Err(WalError::Poisoned { .. })));
                }
                let calls = disk.calls();
                assert!(matches!(writer.close(), Err(WalError::Poisoned { .. })));
                assert_eq!(disk.calls(), calls, "a stopped writer leaves the disk alone");
                return Err(error);
            }
        }
    }
    *acknowledged = writer.close()?.sequence;
    Ok(())
}

fn check(disk: &Memory, acknowledged: u64, context: &str) {
    let found = match Reader::open_in(Arc::new(disk.clone()), None) {
        Err(_) => 0,
        Ok(reader) => reader
            .enumerate()
            .map(|(index, record)| {
                let record = record.unwrap_or_else(|error| panic!("{context}: {error}"));
                let (number, _) = record.decode::<(u64, [u8; 32])>().unwrap();
                assert_eq!(number, index as u64 + 1, "{context}");
            })
            .count() as u64,
    };
    assert!(found >= acknowledged, "{context}: {found} of {acknowledged} survived");
}

#[test]
fn a_failure_names_the_file_that_it_concerns() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Os).unwrap();
    writer.append(&(1_u64, [7_u8; 32])).unwrap();
    drop(writer);
    disk.fail(0, Fault::Error(ErrorKind::Other));
    match open(&disk, Durability::Os).map(drop).unwrap_err() {
        WalError::Io { path, .. } => assert_eq!(path, Path::new("memory").join(segment_name(1))),
        other => panic!("{other}"),
    }
}

#[test]
fn a_failed_call_stops_the_writer_and_loses_nothing_that_was_acknowledged() {
    for durability in DURABILITIES {
        let whole = Memory::default();
        write(&whole, durability, &mut 0).unwrap();
        for at in 0..whole.calls() {
            for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
                let context = format!("{durability:?}, call {at}, {kind}");
                let disk = Memory::default();
                disk.fail(at, Fault::Error(kind));
                let mut acknowledged = 0;
                assert!(write(&disk, durability, &mut acknowledged).is_err(), "{context}");
                check(&disk, acknowledged, &context);
                // The failed sync has made the disk forget what the next one would pass over; the
                // power goes after the log was written on.
                disk.heal();
                write(&disk, durability, &mut acknowledged)
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                disk.crash(&mut Dice(at));
                check(&disk, acknowledged, &context);
            }
        }
    }
}

#[test]
fn a_failure_while_recovering_leaves_a_log_that_recovers() {
    let whole = Memory::default();
    write(&whole, Durability::Os, &mut 0).unwrap();
    let last = whole.segments().pop().unwrap();
    let torn = whole.read(&last);
    assert!(torn.len() > 300, "the last segment holds records");
    for at in 0..12 {
        let disk = Memory::default();
        for name in whole.segments() {
            disk.put(&name, &whole.read(&name));
        }
        disk.put(&last, &torn[..torn.len() - 70]);
        disk.fail(at, Fault::Error(ErrorKind::StorageFull));
        let first = open(&disk, Durability::Os).map(|writer| writer.open_report().sequence);
        disk.heal();
        let again = open(&disk, Durability::Os).unwrap().open_report().sequence;
        assert!(first.is_err() || first.is_ok_and(|sequence| sequence == again), "call {at}");
        check(&disk, again, "recovered");
    }
}

#[test]
fn an_interrupted_call_is_made_again() {
    for durability in DURABILITIES {
        let whole = Memory::default();
        write(&whole, durability, &mut 0).unwrap();
        for at in 0..whole.calls() {
            let disk = Memory::default();
            disk.fail(at, Fault::Interrupt);
            match write(&disk, durability, &mut 0) {
                Ok(()) => assert_eq!(disk.segments(), whole.segments()),
                // A sync is not made again: what it did before is not known.
                Err(error) => assert!(error.to_string().starts_with("cannot sync"), "{error}"),
            }
        }
    }
}

#[test]
fn a_full_disk_stops_the_writer_and_nothing_more() {
    for space in 0..600 {
        let disk = Memory::default();
        let writer = open(&disk, Durability::Os).unwrap();
        disk.set_space(Some(space));
        let mut written = 0;
        let error = loop {
            match writer.append(&[7_u8; 32]) {
                Ok(receipt) => written = receipt.sequence,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, WalError::Io { .. }));
        drop(writer);
        // Still full: there is no room to set the torn record aside, so nothing is cut.
        let before = disk.read(&disk.segments()[0]);
        if let Err(error) = open(&disk, Durability::Os) {
            assert!(matches!(error, WalError::Io { .. }), "{error}");
            assert_eq!(disk.read(&disk.segments()[0]), before);
        }
        disk.set_space(None);
        let writer = open(&disk, Durability::Os).unwrap();
        assert_eq!(writer.open_report().sequence, written, "with {space} bytes");
        assert_eq!(writer.append("there is room again").unwrap().sequence, written + 1);
    }
}

#[test]
fn every_thread_that_waits_for_a_failed_sync_is_told() {
    for at in 0..30 {
        let disk = Memory::default();
        let writer = open(&disk, Durability::Synced).unwrap();
        disk.fail(at, Fault::Error(ErrorKind::Other));
        let acknowledged: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut acknowledged = 0;
                        for number in 0..1000_u64 {
                            match writer.append(&(number, [7_u8; 32])) {
                                Ok(receipt) => acknowledged = receipt.sequence,
                                Err(error) => {
                                    let (io, poisoned) = (
                                        matches!(error, WalError::Io { .. }),
                                        matches!(error, WalError::Poisoned { .. }),
                                    );
                                    assert!(io || poisoned);
                                    return acknowledged;
                                }
                            }
                        }
                        panic!("the failure was not told")
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
        });
        drop(writer);
        disk.heal();
        disk.crash(&mut Dice(at));
        let recovered = open(&disk, Durability::Synced).unwrap().open_report().sequence;
        assert!(recovered >= acknowledged, "{recovered} of {acknowledged}, failure at {at}");
    }
}
