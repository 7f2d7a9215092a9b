//! What a log goes through before the power is cut: all of it follows from one number.

use std::path::{Path, PathBuf};

use calybris_wal::{Durability, Key, WalError, WalOptions, LogId};
use fastrand::Rng;

use crate::disk::{ARCHIVE, LOG};

/// The schema of the records.
const SCHEMA: u64 = 7;

/// What becomes of old segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    None,
    Remove,
    Archive,
}

/// What there is before the log is opened for the first time; nobody has synced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beforehand {
    Nothing,
    /// The folders that the log and its archive are in.
    FoldersAbove,
    /// The folders of the log and its archive, with a file in each that is none of theirs.
    Folders,
}

/// The life of a log.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub keyed: bool,
    pub retention: Retention,
    pub beforehand: Beforehand,
    /// One after the other, each with a writer of its own.
    pub sessions: Vec<Session>,
    segment_bytes: u64,
    log: PathBuf,
    archive: PathBuf,
}

/// What one writer does between opening the log and giving it up.
#[derive(Debug, Clone)]
pub struct Session {
    /// Distinguishes the records of this session from all others of the log.
    pub number: u32,
    /// Which key it has, of those of a keyed log: each replaces the one before it.
    pub key: usize,
    pub durability: Durability,
    pub threads: u32,
    /// How much each thread does.
    pub steps: u32,
    /// Whether the log is closed in the end, instead of just dropped.
    pub closed: bool,
}

/// One thing that a thread does with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Append,
    AppendFirst,
    Flush,
    Sync,
    Rotate,
    /// Keeps the log from this percentage of its length on.
    Retain(u64),
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let keyed = random.bool();
        let retention = *random
            .choice(&[Retention::None, Retention::Remove, Retention::Archive])
            .unwrap_or(&Retention::None);
        let mut key = 0;
        let sessions = (0..random.u32(1..=3)).map(|number| {
            key += usize::from(number > 0 && random.bool());
            Session::new(number, key, &mut random)
        });
        let sessions = sessions.collect();
        let segment_bytes = random.u64(1024..4096);
        let above = *random.choice(&["", "data", "data/one"]).unwrap_or(&"");
        let beside = *random.choice(&["", "data", "store"]).unwrap_or(&"");
        let known = [Beforehand::Nothing, Beforehand::FoldersAbove, Beforehand::Folders];
        let beforehand = *random.choice(&known).unwrap_or(&Beforehand::Nothing);
        let (log, archive) = (Path::new(above).join(LOG), Path::new(beside).join(ARCHIVE));
        Self { seed, keyed, retention, beforehand, sessions, segment_bytes, log, archive }
    }

    /// A session that is no part of the plan: it comes after a power cut.
    pub fn session_after_cut(&self, number: u32, key: usize) -> Session {
        Session::new(number, key, &mut self.random(number, u32::MAX))
    }

    /// Where the log is, seen from the root of the disk.
    pub fn log(&self) -> PathBuf {
        Path::new("/").join(&self.log)
    }

    /// Where the log's archive is, seen from the root of the disk.
    pub fn archive(&self) -> PathBuf {
        Path::new("/").join(&self.archive)
    }

    pub fn options(&self, session: &Session) -> WalOptions {
        WalOptions::new(SCHEMA)
            .log_id(LogId::from_bytes([3; 16]))
            .durability(session.durability)
            .segment_bytes(self.segment_bytes)
    }

    /// The key with this index, and with it those that it replaces. `None` for a log without keys.
    pub fn key(&self, index: usize) -> Result<Option<Key>, WalError> {
        if !self.keyed {
            return Ok(None);
        }
        let mut key = Key::new(&[1; 32])?;
        for later in 1..=index {
            key = Key::new(&[later as u8 + 1; 32])?.replacing(&key);
        }
        Ok(Some(key))
    }

    /// What a thread of a session does, in order.
    pub fn steps(&self, session: &Session, thread: u32) -> impl Iterator<Item = Step> {
        let mut random = self.random(session.number, thread);
        let retains = self.retention != Retention::None && thread == 0;
        (0..session.steps).map(move |_| match random.u32(0..100) {
            0..64 => Step::Append,
            64..70 => Step::AppendFirst,
            70..74 => Step::Flush,
            74..86 => Step::Sync,
            86..92 => Step::Rotate,
            // Retention by two threads at once is no promise of the log.
            _ if retains => Step::Retain(random.u64(0..=100)),
            _ => Step::Append,
        })
    }

    /// Randomness of its own for one thread of one session.
    fn random(&self, session: u32, thread: u32) -> Rng {
        Rng::with_seed(mixed(&[self.seed, session.into(), thread.into()]))
    }
}

impl Session {
    fn new(number: u32, key: usize, random: &mut Rng) -> Self {
        let durabilities = [Durability::Os, Durability::Buffered, Durability::Synced];
        Self {
            number,
            key,
            durability: *random.choice(&durabilities).unwrap_or(&Durability::Os),
            threads: *random.choice(&[1, 1, 2, 3]).unwrap_or(&1),
            steps: random.u32(3..=16),
            closed: random.bool(),
        }
    }
}

/// One number that depends on each of several.
pub fn mixed(numbers: &[u64]) -> u64 {
    let seed = |state: u64, number: &u64| Rng::with_seed(state ^ number).u64(..).rotate_left(17);
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, seed)
}
