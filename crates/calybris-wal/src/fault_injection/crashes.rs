//! Power cuts at every call that changes something, while writing and while recovering.

use std::sync::Arc;

use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::{Durability, LogId, Reader, VerifyOptions, WalError, WalOptions, WalWriter};

fn options(durability: Durability) -> WalOptions {
    WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).segment_bytes(1024).durability(durability)
}

fn open(disk: &Memory, durability: Durability) -> Result<WalWriter, WalError> {
    WalWriter::open_in(Arc::new(disk.clone()), &options(durability), None)
}

/// The payload of the record with this sequence.
fn payload(sequence: u64) -> Vec<u8> {
    let mut dice = Dice(sequence);
    let length = dice.roll(150);
    (0..length).map(|_| dice.roll(256).to_le_bytes()[0]).collect()
}

/// Appends records until one fails, and says how many were acknowledged as on disk.
fn write(disk: &Memory, durability: Durability, acknowledged: &mut u64) -> Result<(), WalError> {
    let writer = open(disk, durability)?;
    // What was found when opening was synced by opening.
    *acknowledged = (*acknowledged).max(writer.open_report().sequence);
    for _ in 0..14 {
        let receipt = writer.append_bytes(&payload(writer.head().sequence + 1))?;
        if durability == Durability::Synced {
            *acknowledged = receipt.sequence;
        }
        if receipt.sequence.is_multiple_of(4) {
            writer.flush_and_sync()?;
            *acknowledged = receipt.sequence;
        }
    }
    *acknowledged = writer.close()?.sequence;
    Ok(())
}

/// Expects the log to hold the records from 1 on, at least those that were acknowledged.
fn check(disk: &Memory, acknowledged: u64, context: &str) {
    let mut found = 0;
    match Reader::open_in(Arc::new(disk.clone()), None) {
        Err(error) => assert!(acknowledged == 0, "{context}: {error}"),
        Ok(reader) => {
            for record in reader {
                let record = record.unwrap_or_else(|error| panic!("{context}: {error}"));
                found += 1;
                assert_eq!(record.sequence(), found, "{context}");
                assert_eq!(record.payload(), payload(found), "{context}");
            }
        }
    }
    assert!(found >= acknowledged, "{context}: {found} of {acknowledged} survived");
}

#[test]
fn no_acknowledged_record_is_lost_in_a_power_cut_at_any_call() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let whole = Memory::default();
        write(&whole, durability, &mut 0).unwrap();
        for at in 0..=whole.calls() {
            for seed in 0..6 {
                let context = format!("{durability:?}, call {at}, seed {seed}");
                let mut dice = Dice(at * 100 + seed);
                let disk = Memory::default();
                disk.fail(at, Fault::Freeze);
                let mut acknowledged = 0;
                drop(write(&disk, durability, &mut acknowledged));
                disk.crash(&mut dice);
                check(&disk, acknowledged, &context);

                // A second power cut, while the log recovers from the first or is written on.
                disk.fail(dice.roll(12), Fault::Freeze);
                drop(write(&disk, durability, &mut acknowledged));
                disk.crash(&mut dice);
                check(&disk, acknowledged, &context);

                write(&disk, durability, &mut acknowledged)
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                check(&disk, acknowledged, &context);
                disk.crash(&mut dice);
                check(&disk, acknowledged, &context);
                let report =
                    crate::verify::verify_in(Arc::new(disk.clone()), &VerifyOptions::default());
                assert!(report.unwrap().records >= acknowledged, "{context}");
            }
        }
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_synced_by_the_next() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        let whole = Memory::default();
        write(&whole, durability, &mut 0).unwrap();
        for at in 0..=whole.calls() {
            for seed in 0..8 {
                let context = format!("{durability:?}, call {at}, seed {seed}");
                let disk = Memory::default();
                disk.fail(at, Fault::Freeze);
                drop(write(&disk, durability, &mut 0));
                // The process is gone, the machine is not: what it wrote is still to be seen.
                disk.heal();
                let writer = open(&disk, durability).unwrap();
                let found = writer.open_report().sequence;
                let more = seed % 2;
                if more == 1 {
                    writer.append_bytes(&payload(found + 1)).unwrap();
                    writer.flush_and_sync().unwrap();
                }
                disk.crash(&mut Dice(at * 100 + seed));
                drop(writer);
                check(&disk, found + more, &context);
                let kept = open(&disk, durability).unwrap().open_report().sequence;
                assert_eq!(kept, found + more, "{context}");
            }
        }
    }
}

#[test]
fn what_no_mark_vouches_for_is_written_again_and_no_more() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Os).unwrap();
    let name = crate::format::name::segment_name(1);
    writer.append_bytes(b"one").unwrap();
    drop(writer);
    // No mark yet: all of the file, its header too.
    let bytes = disk.read(&name).len() as u64;
    let writer = open(&disk, Durability::Os).unwrap();
    assert_eq!(writer.open_report().resynced_bytes, bytes);
    // The mark goes with the next record and vouches for what stands before it.
    writer.append_bytes(b"two").unwrap();
    drop(writer);
    let behind = disk.read(&name).len() as u64 - bytes;
    assert_eq!(open(&disk, Durability::Os).unwrap().open_report().resynced_bytes, behind);
}

#[test]
fn a_long_end_whose_sync_failed_is_all_written_again() {
    let disk = Memory::default();
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16]));
    let open = || WalWriter::open_in(Arc::new(disk.clone()), &options, None);
    let writer = open().unwrap();
    for sequence in 1..=1_500 {
        writer.append_bytes(&payload(sequence)).unwrap();
    }
    disk.fail(0, Fault::Error(std::io::ErrorKind::Other));
    writer.flush_and_sync().unwrap_err();
    drop(writer);
    disk.heal();
    let writer = open().unwrap();
    assert_eq!(writer.open_report().sequence, 1_500);
    assert!(writer.open_report().resynced_bytes > 2 * 64 * 1024);
    for seed in 0..4 {
        disk.crash(&mut Dice(seed));
        check(&disk, 1_500, "a long end");
    }
}

#[test]
fn torn_bytes_are_never_lost_while_they_are_set_aside() {
    let whole = Memory::default();
    let writer = open(&whole, Durability::Os).unwrap();
    (1..=3).for_each(|sequence| {
        writer.append_bytes(&payload(sequence)).unwrap();
    });
    drop(writer);
    let name = crate::format::name::segment_name(1);
    let torn = [0xEE; 100];
    let bytes = [&whole.read(&name)[..], &torn].concat();
    for at in 0..12 {
        for seed in 0..20 {
            let disk = Memory::default();
            disk.put(&name, &bytes);
            disk.fail(at, Fault::Freeze);
            drop(open(&disk, Durability::Os));
            disk.crash(&mut Dice(at * 100 + seed));
            let mut places = disk.files().into_iter().map(|name| disk.read(&name));
            assert!(places.any(|bytes| bytes.ends_with(&torn)), "call {at}, seed {seed}");
            assert_eq!(open(&disk, Durability::Os).unwrap().open_report().sequence, 3);
        }
    }
}
