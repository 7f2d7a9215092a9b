//! What may happen to a log in its life, told to a disk that may fail at any moment, and what must be left of it then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault_injection::memory::{Dice, Memory};
use crate::storage::{Mode, Storage};
use crate::{
    Durability, Key, LogId, Reader, RetentionAction, VerifyOptions, WalError, WalOptions, WalWriter,
};

/// How many things happen in a story.
const STEPS: u64 = 26;

/// What a story is like. The same one is told in the same way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) durability: Durability,
    pub(crate) keyed: bool,
    pub(crate) archives: bool,
    /// Whether something else is in the directory before the log.
    pub(crate) foreign_file: bool,
    pub(crate) seed: u64,
}

/// What whoever wrote the log knows of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Witness {
    /// The last record that was acknowledged as on disk.
    pub(crate) acknowledged: u64,
    /// The sequence from which on it was to be kept.
    pub(crate) start: u64,
    /// How often the key was to be changed.
    pub(crate) key_changes: u8,
}

/// Where the log is, and its archive.
pub(crate) fn log(disk: &Memory) -> Memory {
    disk.at("memory/deep/log")
}

pub(crate) fn archive(disk: &Memory) -> Memory {
    disk.at(archive_path())
}

fn archive_path() -> PathBuf {
    Path::new("memory/shelf/archive").to_owned()
}

/// The payload of the record with this sequence.
pub(crate) fn payload(sequence: u64) -> Vec<u8> {
    let mut dice = Dice(sequence);
    (0..dice.pick(120)).map(|_| dice.roll(256).to_le_bytes()[0]).collect()
}

/// The key with this number, which replaces all before it.
pub(crate) fn key(number: u8) -> Key {
    let key = Key::new(&[number + 1; 32]).unwrap();
    if number == 0 { key } else { key.replacing(&self::key(number - 1)) }
}

impl Story {
    /// Stories of every kind.
    pub(crate) fn all(seeds: std::ops::Range<u64>) -> Vec<Self> {
        let mut stories = Vec::new();
        for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
            for [keyed, archives] in [[false, false], [false, true], [true, false], [true, true]] {
                stories.extend(seeds.clone().map(|seed| {
                    let foreign_file = seed % 2 == 1;
                    Self { durability, keyed, archives, foreign_file, seed }
                }));
            }
        }
        stories
    }

    /// The number of calls that change something when nothing fails.
    pub(crate) fn calls(&self) -> u64 {
        let disk = Memory::default();
        self.tell(&disk, &mut Witness::default()).unwrap();
        disk.calls()
    }

    pub(crate) fn open(&self, disk: &Memory, witness: &Witness) -> Result<WalWriter, WalError> {
        let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).segment_bytes(1024);
        let storage = Arc::new(log(disk));
        let key = self.keyed.then(|| key(witness.key_changes));
        WalWriter::open_in(storage, &options.durability(self.durability), key.as_ref())
    }

    fn put_foreign_file(&self, disk: &Memory) -> Result<(), WalError> {
        let log = log(disk);
        if self.foreign_file && log.list().is_err() {
            let put = log.create().and_then(|()| log.open("notes", Mode::CreateNew));
            put.map_err(|source| crate::storage::io_error(&log, "create", "notes", source))?;
        }
        Ok(())
    }

    /// Tells the story from where the log stands, until something fails.
    pub(crate) fn tell(&self, disk: &Memory, witness: &mut Witness) -> Result<(), WalError> {
        self.put_foreign_file(disk)?;
        let mut dice = Dice(self.seed);
        let mut writer = self.open(disk, witness)?;
        // What was found when opening was synced by opening.
        witness.acknowledged = writer.open_report().sequence;
        for _ in 0..STEPS {
            let next = writer.head().sequence + 1;
            match dice.roll(14) {
                0..=6 => self.acknowledge(writer.append_bytes(&payload(next))?.sequence, witness),
                7 => {
                    writer.flush_and_sync()?;
                    witness.acknowledged = next - 1;
                }
                8 | 9 => writer.rotate()?,
                10 => {
                    let receipt = writer.group_commit.append_first(&payload(next))?;
                    self.acknowledge(receipt.sequence, witness);
                }
                11 => {
                    let start = 1 + dice.roll(next);
                    witness.start = witness.start.max(start);
                    let directory = archive_path();
                    let action = match self.archives {
                        true => RetentionAction::Archive(&directory),
                        false => RetentionAction::Remove,
                    };
                    writer.retain_from(start, action)?;
                }
                12 => {
                    drop(writer);
                    writer = self.open(disk, witness)?;
                    witness.acknowledged = writer.open_report().sequence;
                }
                _ => {
                    witness.acknowledged = writer.close()?.sequence;
                    // The key may be changed as soon as this was tried.
                    witness.key_changes += 1;
                    writer = self.open(disk, witness)?;
                }
            }
        }
        witness.acknowledged = writer.close()?.sequence;
        Ok(())
    }

    fn acknowledge(&self, sequence: u64, witness: &mut Witness) {
        if self.durability == Durability::Synced {
            witness.acknowledged = sequence;
        }
    }

    fn ring(&self, witness: &Witness) -> Option<Key> {
        self.keyed.then(|| key(witness.key_changes))
    }

    /// Says what is missing or wrong, if anything is: the log holds records in order, those that were
    /// acknowledged among them, and what it was to drop is in the archive or still there.
    pub(crate) fn check(&self, disk: &Memory, witness: &Witness) -> Result<(), String> {
        let ring = self.ring(witness);
        let (first, last) = match read(&log(disk), ring.as_ref()) {
            Ok(found) => found,
            Err(_) if witness.acknowledged == 0 => return Ok(()),
            Err(error) => return Err(error),
        };
        if last < witness.acknowledged {
            return Err(format!("{last} of {} records survived", witness.acknowledged));
        }
        if first > witness.start.max(1) {
            return Err(format!("kept from {first} on, and {} was asked for", witness.start));
        }
        if self.archives && first > 1 {
            let (oldest, newest) = read(&archive(disk), ring.as_ref())?;
            if oldest != 1 || newest < first - 1 {
                return Err(format!("{oldest} to {newest} archived, kept from {first} on"));
            }
        }
        let options = VerifyOptions::default().with_key(ring);
        match crate::verify::verify_in(Arc::new(log(disk)), &options) {
            Ok(_) | Err(WalError::Empty { .. }) => Ok(()),
            Err(error) => Err(format!("verify: {error}")),
        }
    }
}

/// The first and the last record of a log; what is wrong with it, or with one of its records.
pub(crate) fn read(log: &Memory, key: Option<&Key>) -> Result<(u64, u64), String> {
    let reader = Reader::open_in(Arc::new(log.clone()), key).map_err(|e| format!("open: {e}"))?;
    let mut found: Option<(u64, u64)> = None;
    for record in reader {
        let record = record.map_err(|error| format!("read: {error}"))?;
        let sequence = record.sequence();
        let (first, before) = found.unwrap_or((sequence, sequence - 1));
        if sequence != before + 1 || record.payload() != payload(sequence) {
            return Err(format!("{sequence} after {before}, or another payload"));
        }
        found = Some((first, sequence));
    }
    match found {
        Some(found) => Ok(found),
        // No records: the name of the only segment says where the next would stand.
        None => {
            let first =
                crate::segment_files::segments_in(log).map_err(|error| error.to_string())?;
            let first = first.first().copied().unwrap_or(1);
            Ok((first, first - 1))
        }
    }
}
