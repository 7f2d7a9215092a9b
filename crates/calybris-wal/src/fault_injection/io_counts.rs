//! How much the log asks of the disk.

use std::sync::Arc;

use crate::fault_injection::memory::Memory;
use crate::{Durability, LogId, WalOptions, WalWriter};

fn open(disk: &Memory, durability: Durability) -> WalWriter {
    let options = WalOptions::new(1)
        .log_id(LogId::from_bytes([1; 16]))
        .segment_bytes(64 << 10)
        .durability(durability);
    WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap()
}

#[test]
fn an_append_is_one_write() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Os);
    for number in 0..20_u64 {
        let before = disk.calls();
        writer.append(&number).unwrap();
        assert_eq!(disk.calls() - before, 1);
        if number % 5 == 0 {
            // The mark that is due after a sync goes with the next record.
            writer.flush_and_sync().unwrap();
        }
    }
}

#[test]
fn buffered_appends_share_their_writes() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Buffered);
    let before = disk.calls();
    for number in 0..200_u64 {
        writer.append(&number).unwrap();
    }
    assert_eq!(disk.calls(), before);
    writer.flush().unwrap();
    assert_eq!(disk.calls() - before, 1);
}

#[test]
fn what_is_buffered_is_written_once_it_is_much() {
    let disk = Memory::default();
    let options =
        WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).durability(Durability::Buffered);
    let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
    let before = disk.calls();
    let mut appended = 0;
    while disk.calls() == before {
        writer.append_bytes(&[7; 1000]).unwrap();
        appended += 1;
        assert!(appended < 260, "a buffer of 256 KiB is full by now");
    }
    assert!(appended > 240, "{appended} records are no buffer full");
    assert_eq!(disk.calls() - before, 1);
}

#[test]
fn a_start_that_is_declared_already_is_not_declared_again() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Os);
    for _ in 0..3 {
        writer.append_bytes(&[7; 1000]).unwrap();
        writer.rotate().unwrap();
    }
    writer.append_bytes(&[7; 1000]).unwrap();
    assert_eq!(writer.retain_from(2, crate::RetentionAction::Remove).unwrap(), 1);
    let log = || disk.segments().iter().map(|name| disk.read(name)).collect::<Vec<_>>();
    let before = log();
    assert_eq!(writer.retain_from(2, crate::RetentionAction::Remove).unwrap(), 0);
    assert_eq!(log(), before);
}

#[test]
fn a_thread_alone_syncs_once_for_each_record() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Synced);
    for number in 0..5_u64 {
        let before = (disk.syncs(), disk.calls());
        writer.append(&number).unwrap();
        // A write and a sync; before the first, room is made.
        let calls = if number == 0 { 3 } else { 2 };
        assert_eq!((disk.syncs() - before.0, disk.calls() - before.1), (1, calls));
    }
}

#[test]
fn opening_reads_the_last_segment_and_the_ends_of_the_others() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Buffered);
    let record = [7; 1000];
    for _ in 0..1000 {
        writer.append_bytes(&record).unwrap();
    }
    writer.close().unwrap();
    let segments = disk.segments().len() as u64;
    assert!(segments > 10);
    let before = disk.bytes_read();
    drop(open(&disk, Durability::Os));
    let read = disk.bytes_read() - before;
    assert!(read < 64 * 1024 + 1024 * segments, "{read} bytes of {segments} segments");
}

#[test]
fn a_record_is_found_with_what_is_read_of_its_segment() {
    let disk = Memory::default();
    let writer = open(&disk, Durability::Buffered);
    for _ in 0..1000 {
        writer.append_bytes(&[7; 1000]).unwrap();
    }
    writer.close().unwrap();
    for sequence in [1, 2, 500, 501, 999, 1000, 1001] {
        let before = disk.bytes_read();
        let storage: Arc<dyn crate::storage::Storage> = Arc::new(disk.clone());
        crate::log_scan::LogScan::open_at(&storage, None, sequence).unwrap();
        let read = disk.bytes_read() - before;
        assert!(read < (64 + 2) * 1024, "{read} bytes for record {sequence}");
    }
}
