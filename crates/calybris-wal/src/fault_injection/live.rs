//! A reader whose first look is older than its second, as beside a writer at work.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fault_injection::memory::Memory;
use crate::format::name::segment_name;
use crate::storage::{FileId, Lock, Mode, Storage, StoredFile};
use crate::{Durability, LogId, Reader, RetentionAction, WalError, WalOptions, WalWriter};

/// Shows a file as it was when only `visible` bytes of it had been written, for some reads.
#[derive(Debug)]
struct Stale {
    disk: Memory,
    visible: usize,
    reads: Arc<AtomicUsize>,
}

struct StaleFile {
    file: Arc<dyn StoredFile>,
    visible: u64,
    reads: Arc<AtomicUsize>,
}

impl Storage for Stale {
    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
    fn create(&self) -> io::Result<()> {
        self.disk.create()
    }
    fn sync_ancestors(&self) -> io::Result<()> {
        self.disk.sync_ancestors()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>> {
        let (file, reads) = (self.disk.open(name, mode)?, Arc::clone(&self.reads));
        Ok(Arc::new(StaleFile { file, visible: self.visible as u64, reads }))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn at(&self, directory: &Path) -> Arc<dyn Storage> {
        Arc::new(self.disk.at(directory))
    }
    fn is_same(&self, directory: &Path) -> io::Result<bool> {
        self.disk.is_same(directory)
    }
    fn identity(&self, name: &str) -> io::Result<Option<(FileId, u64)>> {
        self.disk.identity(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        self.disk.lock()
    }
}

impl StoredFile for StaleFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(offset, buffer)?;
        let stale = self
            .reads
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reads| reads.checked_sub(1));
        if stale.is_ok() {
            // What was not written yet reads as zeros, as a page does that is being filled.
            let known = usize::try_from(self.visible.saturating_sub(offset)).unwrap();
            buffer[known.min(count)..count].fill(0);
        }
        Ok(count)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn bytes_that_were_being_written_are_read_again_before_they_are_called_damage() {
    let disk = Memory::default();
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16]));
    let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
    for number in 0..4_u64 {
        writer.append(&number).unwrap();
        writer.flush_and_sync().unwrap();
    }
    writer.close().unwrap();
    let length = disk.read(&segment_name(1)).len();
    for visible in 144..length {
        // The reads of the header's checks see all of it; the first of the frames is stale.
        for stale_reads in [2, 3] {
            let reads = Arc::new(AtomicUsize::new(stale_reads));
            let storage = Stale { disk: disk.clone(), visible, reads };
            let reader = Reader::open_in(Arc::new(storage), None).unwrap();
            let mut count = 0;
            for record in reader {
                record.unwrap_or_else(|error| panic!("{visible} bytes: {error}"));
                count += 1;
            }
            assert!(count <= 4);
        }
    }
}

#[test]
fn what_was_found_out_about_a_place_in_one_segment_says_nothing_of_the_next() {
    let disk = Memory::default();
    let options =
        WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).durability(Durability::Synced);
    let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
    writer.append_bytes(b"one").unwrap();
    let mut reader = Reader::open_in(Arc::new(disk.clone()), None).unwrap();
    // With the record the reader sees the room behind it, where the seal is written afterwards.
    assert_eq!(reader.next().unwrap().unwrap().sequence(), 1);
    writer.rotate().unwrap();
    writer.append_bytes(b"two").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().sequence(), 2);
    assert!(reader.next().is_none());
    writer.append_bytes(b"three").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().sequence(), 3);
}

#[test]
fn a_segment_that_is_dropped_while_bytes_are_counted_counts_nothing() {
    let disk = Memory::default();
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16]));
    let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
    for number in 0..3_u64 {
        writer.append(&number).unwrap();
        writer.rotate().unwrap();
    }
    let reader = Reader::open_in(Arc::new(disk.clone()), None).unwrap();
    let bytes = |first| disk.read(&segment_name(first)).len() as u64;
    let (dropped, kept) = (bytes(1), bytes(2) + bytes(3) + bytes(4));
    assert_eq!(reader.bytes_in_log().unwrap(), dropped + kept);
    let other = disk.clone();
    disk.before_opening(&segment_name(1), Mode::Read, move || {
        other.remove(&segment_name(1)).unwrap();
    });
    assert_eq!(reader.bytes_in_log().unwrap(), kept);
}

/// A log of four segments with a record each, and its writer.
fn four_segments(disk: &Memory) -> WalWriter {
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16]));
    let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
    for number in 0..4_u64 {
        writer.append_first(&number).unwrap();
    }
    writer
}

#[test]
fn a_reader_begins_with_what_is_kept_if_segments_are_dropped_while_it_opens_the_log() {
    let disk = Memory::default();
    let writer = four_segments(&disk);
    disk.before_opening(&segment_name(1), Mode::Read, move || {
        writer.retain_from(3, RetentionAction::Remove).unwrap();
    });
    let reader = Reader::open_in(Arc::new(disk.clone()), None).unwrap();
    let sequences: Vec<_> = reader.map(|record| record.unwrap().sequence()).collect();
    assert_eq!(sequences, [3, 4]);
}

#[test]
fn a_reader_says_what_was_dropped_between_two_segments() {
    let disk = Memory::default();
    let writer = four_segments(&disk);
    let mut reader = Reader::open_in(Arc::new(disk.clone()), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().sequence(), 1);
    disk.before_opening(&segment_name(2), Mode::Read, move || {
        writer.retain_from(3, RetentionAction::Remove).unwrap();
    });
    let refused = reader.next().unwrap();
    let expected = matches!(refused, Err(WalError::Dropped { sequence: 2, first: 3 }));
    assert!(expected, "{refused:?}");
}
