//! The records of a log in order, each verified and decoded, with the snapshots they name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calybris_core::engine::{Names, Record, SCHEMA_ID, Snapshot};
use calybris_core::wal::{Key, Reader};

use crate::failure::Failure;

/// One record and its place.
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) record: Record<'static>,
}

/// A log that is being read. At its end it answers `None`, and later what was appended meanwhile.
pub(crate) struct Journal {
    dir: PathBuf,
    reader: Reader,
    snapshots: HashMap<u64, Arc<Snapshot>>,
    nameless: Names,
}

impl Journal {
    /// Opens the log in `dir`, beside a writer if there is one.
    pub(crate) fn open(dir: &Path, key: Option<&Key>) -> Result<Self, Failure> {
        let reader = Reader::open(dir, key).map_err(|error| Failure::of_log(dir, &error))?;
        if reader.schema_id() != SCHEMA_ID {
            let found = reader.schema_id();
            let what = format!(
                "the log holds records of schema {found:016x}, not of a decision engine ({SCHEMA_ID:016x})"
            );
            return Err(Failure::at(dir, what));
        }
        let dir = dir.to_path_buf();
        Ok(Self { dir, reader, snapshots: HashMap::new(), nameless: Names::default() })
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Failure> {
        let Some(record) = self.reader.next() else { return Ok(None) };
        let failed = |error| Failure::of_log(&self.dir, &error);
        let entry = record.map_err(failed)?;
        let (sequence, hash) = (entry.sequence(), entry.hash());
        let record = entry.decode::<Record<'static>>().map_err(failed)?;
        if let Record::SnapshotInstalled { snapshot, .. } = &record {
            let restored = snapshot.clone().restore(sequence);
            let snapshot = restored.map_err(|error| Failure::of_engine(&self.dir, &error))?;
            self.snapshots.insert(sequence, Arc::new(snapshot));
        }
        Ok(Some(Entry { sequence, hash, record }))
    }

    /// The snapshot that a record names, if it was read already.
    pub(crate) fn snapshot(&self, sequence: u64) -> Option<&Arc<Snapshot>> {
        self.snapshots.get(&sequence)
    }

    /// The names of the snapshot that a record names; no names if it is not known.
    pub(crate) fn names(&self, snapshot_sequence: u64) -> &Names {
        self.snapshots.get(&snapshot_sequence).map_or(&self.nameless, |snapshot| snapshot.names())
    }
}
