//! Reads an engine's log record by record from its beginning, and keeps the snapshots it passes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use calybris_wal::{Hash, Key, LogId, Reader, Tail, WalError};

use crate::error::EngineError;
use crate::record::{LoggedSnapshot, Record};
use crate::snapshot::{Snapshot, SnapshotDigest};
use crate::wire::SCHEMA_ID;

/// The records of an engine's log in order, each verified before it comes out.
///
/// It keeps every snapshot that it passed, so that the snapshot of a later decision is available; equal ones are kept once.
/// Otherwise memory does not grow with the log. It takes no lock. Beside a running engine it returns `None` at the end, and
/// later the records that were appended meanwhile. After an error it always returns `None`.
///
/// ```
#[doc = include_str!("doc_world.txt")]
/// use calybris_engine::{History, Record};
///
/// let mut history = History::open(&dir, None)?;
/// while let Some(entry) = history.next() {
///     let entry = entry?;
///     if let Record::SnapshotInstalled { snapshot, .. } = &entry.record {
///         let kept = history.snapshot(entry.sequence).ok_or("it was passed just now")?;
///         assert_eq!(kept.digest(), snapshot.digest);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct History {
    reader: Reader,
    snapshots: Snapshots,
    failed: bool,
}

/// A record of an engine's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its place in the log, from 1, without gaps.
    pub sequence: u64,
    /// Its hash, which covers the record and everything before it.
    pub hash: Hash,
    /// What it says.
    pub record: Record<'static>,
}

impl History {
    /// Opens the log in `dir`, with its key if it is keyed.
    ///
    /// # Errors
    /// [`EngineError::Log`] if there is no log, it is empty, the key is wrong or missing, or its schema is not that of
    /// an engine's log ([`WalError::SchemaMismatch`]).
    pub fn open(dir: impl AsRef<Path>, key: Option<&Key>) -> Result<Self, EngineError> {
        let reader = open_reader(dir.as_ref(), key)?;
        Ok(Self { reader, snapshots: Snapshots::default(), failed: false })
    }

    /// The snapshot that the record at that sequence installed, if it was passed.
    #[must_use]
    pub fn snapshot(&self, sequence: u64) -> Option<&Arc<Snapshot>> {
        self.snapshots.at(sequence)
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.reader.log_id()
    }

    /// Whether the log is chained with a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.reader.is_keyed()
    }

    /// The bytes after the last record; known once `next` has returned `None`.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.reader.tail()
    }

    /// How many bytes of the log were read, and how many the log has.
    ///
    /// # Errors
    /// [`EngineError::Log`] if the lengths of the log's files cannot be read.
    pub fn progress_bytes(&self) -> Result<(u64, u64), EngineError> {
        Ok((self.reader.bytes_read(), self.reader.bytes_in_log()?))
    }
}

impl Iterator for History {
    type Item = Result<Entry, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.reader.next_ref()?.map_err(EngineError::from).and_then(|entry| {
            let (sequence, hash) = (entry.sequence(), entry.hash());
            let record = Record::decode(sequence, entry.payload())?;
            if let Some(snapshot) = installed_by(&record) {
                self.snapshots.install(sequence, snapshot)?;
            }
            Ok(Entry { sequence, hash, record })
        });
        self.failed = entry.is_err();
        Some(entry)
    }
}

/// Opens a log at its beginning and refuses one that no engine wrote.
///
/// A log whose first records were dropped begins with a checkpoint. If a crash interrupted the dropping, some of the
/// segments before the checkpoint are left. They are skipped; opening the log for writing removes them.
pub(crate) fn open_reader(dir: &Path, key: Option<&Key>) -> Result<Reader, EngineError> {
    let reader = of_an_engine(dir, Reader::open(dir, key)?)?;
    let segments = Reader::segments(dir)?;
    if segments == [1] {
        return Ok(reader);
    }
    let Some(first) = Reader::open(dir, key)?.next().transpose()? else { return Ok(reader) };
    if first.sequence() == 1 {
        return Ok(reader);
    }
    for segment in segments.into_iter().filter(|segment| *segment >= first.sequence()) {
        let record = Reader::open_at(dir, key, segment)?.next().transpose()?;
        if let Some(record) = record
            && let Record::Checkpoint(_) = Record::decode(record.sequence(), record.payload())?
        {
            return open_reader_at(dir, key, segment);
        }
    }
    // The first record cannot be the first of a log. The caller finds that when it reads it.
    Ok(reader)
}

/// Opens a log at the record with that sequence and refuses one that no engine wrote.
pub(crate) fn open_reader_at(
    dir: &Path,
    key: Option<&Key>,
    sequence: u64,
) -> Result<Reader, EngineError> {
    of_an_engine(dir, Reader::open_at(dir, key, sequence)?)
}

fn of_an_engine(dir: &Path, reader: Reader) -> Result<Reader, EngineError> {
    let expected = reader.schema_id();
    if expected == SCHEMA_ID {
        return Ok(reader);
    }
    Err(WalError::SchemaMismatch { path: dir.to_owned(), expected, found: SCHEMA_ID }.into())
}

/// The snapshot that a record installs: later decisions may name its sequence. This is the only list of such records.
pub(crate) fn installed_by<'a>(record: &'a Record<'_>) -> Option<LoggedSnapshot<'a>> {
    match record {
        Record::SnapshotInstalled { snapshot, .. } => Some(snapshot.lend()),
        Record::Checkpoint(checkpoint) => Some(checkpoint.snapshot.as_ref()?.lend()),
        Record::BudgetChanged { .. }
        | Record::Decided(_)
        | Record::Settled { .. }
        | Record::Abandoned { .. }
        | Record::FellBack { .. } => None,
    }
}

/// The kind of a record, in words.
pub(crate) fn name_of(record: &Record<'_>) -> &'static str {
    match record {
        Record::SnapshotInstalled { .. } => "the installation of a snapshot",
        Record::BudgetChanged { .. } => "a change of a budget",
        Record::Decided(_) => "a decision",
        Record::Settled { .. } => "a settlement",
        Record::Abandoned { .. } => "an abandonment",
        Record::FellBack { .. } => "a fallback",
        Record::Checkpoint(_) => "a checkpoint",
    }
}

/// The snapshots that a log has installed so far. Equal ones are kept once.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    by_sequence: BTreeMap<u64, Arc<Snapshot>>,
    /// Those of one digest differ in their names.
    distinct: HashMap<SnapshotDigest, Vec<Arc<Snapshot>>>,
}

impl Snapshots {
    /// Takes what the record at that sequence installs.
    pub(crate) fn install(
        &mut self,
        sequence: u64,
        logged: LoggedSnapshot<'_>,
    ) -> Result<&Arc<Snapshot>, EngineError> {
        let snapshot = logged.restore(sequence)?;
        let alike = self.distinct.entry(snapshot.digest()).or_default();
        let known = alike.iter().find(|known| known.same_as(&snapshot)).cloned();
        let snapshot = known.unwrap_or_else(|| {
            let snapshot = Arc::new(snapshot);
            alike.push(Arc::clone(&snapshot));
            snapshot
        });
        Ok(self.by_sequence.entry(sequence).or_insert(snapshot))
    }

    pub(crate) fn at(&self, sequence: u64) -> Option<&Arc<Snapshot>> {
        self.by_sequence.get(&sequence)
    }
}
