//! The logs that are changed: of every kind a few, each with another of the same kind beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use calybris_wal::{Hash, Key, LogId, RetentionAction, WalError, WalOptions, WalWriter};

use crate::logs::{NEW_SECRET, SECRET, frames};
use crate::random::Random;

/// The files of a log, without its lock.
pub type Image = BTreeMap<String, Vec<u8>>;

/// The secret of the third key.
const NEWEST_SECRET: &[u8] = b"the third key for tests, thirty2";

/// The schema of all logs.
const SCHEMA: u64 = 0x5eed;

/// How often the same kind is written, each time with other records.
pub const VARIANTS: usize = 4;

/// How a log comes about.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// How many keys there are, each replacing the one before.
    keys: usize,
    segments: usize,
    /// The most records of a segment.
    records: usize,
    sync: bool,
    close: bool,
    /// How often the oldest segments are dropped.
    retain: usize,
    leave: Leave,
    /// Whether the payloads are frames of the log itself.
    frames_in_payloads: bool,
}

/// What is left of the segments that are dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    Nothing,
    /// The last of them, as a crash leaves them that removes the oldest first.
    Last,
    /// Any of them.
    Some,
    /// They are in an archive, and the archive is the log.
    Archive,
}

const PLAIN: Kind = Kind {
    name: "plain",
    keys: 0,
    segments: 1,
    records: 9,
    sync: true,
    close: true,
    retain: 0,
    leave: Leave::Nothing,
    frames_in_payloads: false,
};
const SEGMENTS: Kind = Kind { name: "segments", segments: 4, records: 4, ..PLAIN };
const RETAINED: Kind = Kind { name: "retained", retain: 1, ..SEGMENTS };

pub const KINDS: [Kind; 22] = [
    PLAIN,
    Kind { name: "plain, open", close: false, ..PLAIN },
    Kind { name: "plain, unsynced", sync: false, close: false, ..PLAIN },
    Kind { name: "plain, one record", records: 1, ..PLAIN },
    Kind { name: "plain, empty", records: 0, close: false, ..PLAIN },
    Kind { name: "frames in payloads", frames_in_payloads: true, ..SEGMENTS },
    SEGMENTS,
    Kind { name: "segments, open", close: false, sync: false, ..SEGMENTS },
    Kind { name: "segments, tiny", segments: 5, records: 1, ..SEGMENTS },
    Kind { name: "keyed", keys: 1, ..PLAIN },
    Kind { name: "keyed, unsynced", keys: 1, sync: false, close: false, ..PLAIN },
    Kind { name: "keyed segments", keys: 1, ..SEGMENTS },
    Kind { name: "rekeyed", keys: 2, segments: 3, ..SEGMENTS },
    Kind { name: "rekeyed twice", keys: 3, close: false, ..SEGMENTS },
    RETAINED,
    Kind { name: "retained, open", close: false, sync: false, ..RETAINED },
    Kind { name: "retained twice", retain: 2, segments: 5, records: 3, ..RETAINED },
    Kind { name: "half-retained", leave: Leave::Last, segments: 5, records: 2, ..RETAINED },
    Kind { name: "half-retained, gaps", leave: Leave::Some, segments: 6, records: 2, ..RETAINED },
    Kind { name: "half-retained, keyed", leave: Leave::Some, keys: 2, ..RETAINED },
    Kind { name: "retained, rekeyed", keys: 3, retain: 2, ..RETAINED },
    Kind { name: "archive", leave: Leave::Archive, retain: 2, segments: 5, ..RETAINED },
];

/// A log as it was written, and what is known of it.
pub struct Base {
    pub image: Image,
    /// Each file as it was at one time or another.
    pub versions: BTreeSet<(String, Vec<u8>)>,
    /// How many keys it has had.
    pub keys: usize,
    /// The key that reads the whole log.
    pub key: Option<Key>,
    /// Each record's payload and hash, those that were dropped as well.
    pub records: BTreeMap<u64, (Vec<u8>, Hash)>,
    pub log_id: LogId,
    /// The sequence from which on it is kept.
    pub log_start: u64,
}

/// The secrets of all logs.
pub fn secrets() -> [&'static [u8]; 3] {
    [SECRET, NEW_SECRET, NEWEST_SECRET]
}

/// The first so many keys, the last of which replaces the others.
fn key(count: usize) -> Option<Key> {
    let keys = secrets().into_iter().take(count).map(|secret| Key::new(secret).unwrap());
    keys.reduce(|former, key| key.replacing(&former))
}

pub fn open(path: &Path, key: Option<&Key>) -> Result<WalWriter, WalError> {
    unlocked(|| crate::logs::open_with(path, &WalOptions::new(SCHEMA), key))
}

/// Does this as soon as nobody has the lock. A process that another thread is just starting has it
/// until it has become the other program.
pub fn unlocked<T>(mut act: impl FnMut() -> Result<T, WalError>) -> Result<T, WalError> {
    for _ in 0..1_000_000 {
        match act() {
            Err(WalError::Locked { .. }) => std::thread::yield_now(),
            other => return other,
        }
    }
    act()
}

fn create(path: &Path, key: Option<&Key>, log_id: LogId) -> WalWriter {
    crate::logs::open_with(path, &WalOptions::new(SCHEMA).log_id(log_id), key).unwrap()
}

/// The files of a log that is on disk.
pub fn image_of(path: &Path) -> Image {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_name() != "LOCK");
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

/// Puts a log on disk, in a directory that has nothing else in it.
pub fn write_image(path: &Path, image: &Image) {
    if path.exists() {
        fs::remove_dir_all(path).unwrap();
    }
    fs::create_dir(path).unwrap();
    for (name, bytes) in image {
        fs::write(path.join(name), bytes).unwrap();
    }
}

impl Kind {
    /// Writes a log of this kind in a directory.
    pub fn write(&self, path: &Path, log_id: LogId, random: &mut Random) -> Base {
        let archive = path.with_extension("archive");
        let mut keys = self.keys.min(1);
        let mut writer = Some(create(path, key(keys).as_ref(), log_id));
        let mut base = Base {
            image: Image::new(),
            versions: BTreeSet::new(),
            keys: self.keys,
            key: key(self.keys),
            records: BTreeMap::new(),
            log_id,
            log_start: 1,
        };
        let mut firsts = vec![1];
        for segment in 0..self.segments {
            if segment > 0 {
                base.versions.extend(image_of(path));
                if segment + self.keys >= self.segments && keys < self.keys && keys > 0 {
                    keys += 1;
                    drop(writer.take());
                    writer = Some(open(path, key(keys).as_ref()).unwrap());
                } else {
                    writer.as_ref().unwrap().rotate().unwrap();
                }
                firsts.push(base.records.len() as u64 + 1);
            }
            let least = self.records.min(1);
            for _ in 0..random.between(least, self.records) {
                self.append(path, writer.as_ref().unwrap(), &mut base, random);
            }
        }
        let writer = writer.unwrap();
        base.versions.extend(image_of(path));
        let whole = image_of(path);
        for time in 1..=self.retain {
            let kept = firsts[(firsts.len() - 1) * time / (self.retain + 1).max(2)].max(firsts[1]);
            match self.leave {
                Leave::Archive => {
                    writer.retain_from(kept, RetentionAction::Archive(&archive)).unwrap()
                }
                _ => writer.retain_from(kept, RetentionAction::Remove).unwrap(),
            };
            base.log_start = kept;
            base.versions.extend(image_of(path));
            self.append(path, &writer, &mut base, random);
        }
        if self.close {
            writer.close().unwrap();
        } else {
            drop(writer);
        }
        base.image = image_of(path);
        base.versions.extend(base.image.clone());
        let mut dropped: Vec<_> =
            whole.into_iter().filter(|(name, _)| !base.image.contains_key(name)).collect();
        match self.leave {
            Leave::Nothing => dropped.clear(),
            Leave::Last => drop(dropped.drain(..random.below(dropped.len()))),
            Leave::Some => dropped.retain(|_| random.one_in(2)),
            Leave::Archive => {
                dropped.clear();
                base.image = image_of(&archive);
                fs::remove_dir_all(&archive).unwrap();
            }
        }
        base.image.extend(dropped);
        fs::remove_dir_all(path).unwrap();
        base
    }

    fn append(&self, path: &Path, writer: &WalWriter, base: &mut Base, random: &mut Random) {
        let length = *random.pick(&[0, 1, 8, 33, 70, 200]);
        let mut payload = random.bytes(length);
        if self.frames_in_payloads && !random.one_in(4) {
            let image = image_of(path);
            let names: Vec<_> = image.keys().collect();
            let bytes = &image[*random.pick(&names)];
            if let frames @ [_, ..] = &frames(bytes)[..] {
                let frame = random.pick(frames);
                let hash_before = *random.pick(&[0, 32]);
                payload = bytes[frame.start - hash_before..frame.end].to_vec();
            }
        }
        let receipt = writer.append_bytes(&payload).unwrap();
        base.records.insert(receipt.sequence, (payload, receipt.hash));
        if self.sync && random.one_in(3) {
            writer.flush_and_sync().unwrap();
        }
    }
}
