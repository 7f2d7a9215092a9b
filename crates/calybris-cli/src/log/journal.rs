//! The records of a log in order, each verified and decoded, with the names that their snapshots give to numbers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use calybris_core::engine::{EngineError, Entry, History, Names, Record, Snapshot};
use calybris_core::wal::{Key, WalError};

use crate::failure::Failure;

/// A log that is being read. At its end it returns `None`, and after that whatever was appended meanwhile.
pub(crate) struct Journal {
    dir: PathBuf,
    key: Option<Key>,
    history: History,
    nameless: Names,
}

/// The snapshot that a log installed last; `None` if it holds none. What cannot be read, such as a torn end, ends the search:
/// opening the log for writing tells whether that is an error.
pub(crate) fn in_force(dir: &Path, key: Option<&Key>) -> Option<Arc<Snapshot>> {
    let mut journal = Journal::open(dir, key).ok()?;
    let mut in_force = None;
    while let Ok(Some(entry)) = journal.next() {
        in_force = journal.snapshot(entry.sequence).or(in_force);
    }
    in_force
}

/// The next thing that a reader meets if records may be dropped while it reads.
pub(crate) enum Step {
    Record(Box<Entry>),
    /// These records were dropped before they were read.
    Missed {
        first: u64,
        last: u64,
    },
    /// There is no further record now.
    End,
}

impl Journal {
    /// Opens the log in `dir`, beside a writer if there is one.
    pub(crate) fn open(dir: &Path, key: Option<&Key>) -> Result<Self, Failure> {
        let history = History::open(dir, key).map_err(|error| Failure::of_engine(dir, &error))?;
        Ok(Self { dir: dir.to_path_buf(), key: key.cloned(), history, nameless: Names::default() })
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Failure> {
        let failed = |error| Failure::of_engine(&self.dir, &error);
        self.history.next().transpose().map_err(failed)
    }

    /// The next record; after records that were dropped, the first that the log still holds.
    pub(crate) fn step(&mut self) -> Result<Step, Failure> {
        let failed = |error| Failure::of_engine(&self.dir, &error);
        match self.history.next().transpose() {
            Ok(entry) => Ok(entry.map_or(Step::End, |entry| Step::Record(Box::new(entry)))),
            Err(EngineError::Log(WalError::Dropped { sequence, first })) => {
                self.history = History::open(&self.dir, self.key.as_ref()).map_err(failed)?;
                Ok(Step::Missed { first: sequence, last: first.saturating_sub(1) })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The snapshot that the record at `sequence` installed, if that record was read.
    pub(crate) fn snapshot(&self, sequence: u64) -> Option<Arc<Snapshot>> {
        self.history.snapshot(sequence).cloned()
    }

    /// The names of the snapshot at that sequence; no names if its record was not read.
    pub(crate) fn names(&self, snapshot_sequence: u64) -> &Names {
        let snapshot = self.history.snapshot(snapshot_sequence);
        snapshot.map_or(&self.nameless, |snapshot| snapshot.names())
    }

    /// The names of the snapshot that a record refers to; no names if it refers to none.
    pub(crate) fn names_of(&self, record: &Record<'_>) -> &Names {
        match record {
            Record::Decided(decided) => self.names(decided.snapshot_sequence),
            Record::FellBack { snapshot_sequence, .. } => self.names(*snapshot_sequence),
            _ => &self.nameless,
        }
    }
}
