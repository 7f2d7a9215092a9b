//! One decision of a log with its snapshot and its outcome.

use std::path::Path;
use std::sync::Arc;

use calybris_core::engine::{Checkpoint, EngineError, Names, Record, RecordedDecision, Snapshot};
use calybris_core::wal::{Key, Reader, WalError};

use crate::failure::Failure;
use crate::log::outcome::{Ending, Followed, decision_of};

/// A decision, found.
pub(crate) struct Found {
    pub(crate) followed: Followed,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The last record that was read: the outcome of the decision is known up to there.
    pub(crate) read_through: u64,
}

/// How many records after a decision are read for its outcome, unless all are asked for: enough for a slow call, and read
/// in about 50 ms.
const LOOK_AHEAD_RECORDS: u64 = 65_536;

/// Finds the decision at `sequence` without reading the records before it, and reads on to its outcome.
pub(crate) fn find(
    dir: &Path,
    key: Option<&Key>,
    sequence: u64,
    to_end: bool,
) -> Result<Found, Failure> {
    let failed = |error: WalError| Failure::of_log(dir, &error);
    let recorded = RecordedDecision::find(dir, key, sequence)
        .map_err(|error| not_found(dir, key, sequence, &error))?;
    let RecordedDecision { hash, decided, snapshot, .. } = recorded;
    let mut followed = Followed::new(sequence, hash, decided, snapshot.names());
    let mut read_through = sequence;
    if followed.ending != Ending::Open {
        return Ok(Found { followed, snapshot, read_through });
    }
    let mut reader = Reader::open_at(dir, key, sequence.saturating_add(1)).map_err(failed)?;
    let until = if to_end { u64::MAX } else { sequence.saturating_add(LOOK_AHEAD_RECORDS) };
    while followed.ending == Ending::Open && read_through < until {
        let Some(entry) = reader.next() else { break };
        let entry = entry.map_err(failed)?;
        read_through = entry.sequence();
        let record = Record::decode(read_through, entry.payload())
            .map_err(|error| Failure::of_engine(dir, &error))?;
        if decision_of(&record) != Some(sequence) {
            continue;
        }
        let names = match &record {
            Record::FellBack { snapshot_sequence, .. } => names_at(dir, key, *snapshot_sequence)?,
            _ => Names::default(),
        };
        followed.take(read_through, &record, &names);
    }
    Ok(Found { followed, snapshot, read_through })
}

/// Why there is not a decision at `sequence`; if there is another record, what it is.
pub(crate) fn not_found(
    dir: &Path,
    key: Option<&Key>,
    sequence: u64,
    error: &EngineError,
) -> Failure {
    let EngineError::NotADecision { .. } = error else { return Failure::of_engine(dir, error) };
    match record_at(dir, key, sequence) {
        Ok(record) => Failure::at(dir, no_decision(sequence, &record)),
        Err(error) => Failure::of_engine(dir, &error),
    }
}

/// The sequence of the checkpoint that the decision at `sequence` names; `None` if it names a record that holds the policy
/// and the catalog alone.
pub(crate) fn checkpoint_under(
    dir: &Path,
    key: Option<&Key>,
    sequence: u64,
) -> Result<Option<u64>, Failure> {
    let recorded = RecordedDecision::find(dir, key, sequence)
        .map_err(|error| not_found(dir, key, sequence, &error))?;
    let named = recorded.decided.snapshot_sequence;
    match record_at(dir, key, named).map_err(|error| Failure::of_engine(dir, &error))? {
        Record::Checkpoint(_) => Ok(Some(named)),
        _ => Ok(None),
    }
}

fn record_at(dir: &Path, key: Option<&Key>, sequence: u64) -> Result<Record<'static>, EngineError> {
    let mut reader = Reader::open_at(dir, key, sequence)?;
    match reader.next() {
        Some(record) => Record::decode(sequence, record?.payload()),
        None => Err(WalError::NoSuchRecord { sequence, head: sequence.saturating_sub(1) }.into()),
    }
}

/// The names of the snapshot that was installed there.
fn names_at(dir: &Path, key: Option<&Key>, sequence: u64) -> Result<Names, Failure> {
    match record_at(dir, key, sequence).map_err(|error| Failure::of_engine(dir, &error))? {
        Record::SnapshotInstalled { snapshot, .. } => Ok(snapshot.names.into_owned()),
        Record::Checkpoint(Checkpoint { snapshot: Some(snapshot), .. }) => {
            Ok(snapshot.names.into_owned())
        }
        _ => Ok(Names::default()),
    }
}

/// What a record is instead of a decision, and the sequence of the decision that it refers to.
fn no_decision(sequence: u64, record: &Record<'_>) -> String {
    let (verb, decision) = match record {
        Record::Settled { decision_sequence, .. } => ("settles", decision_sequence),
        Record::Abandoned { decision_sequence, .. } => ("abandons", decision_sequence),
        Record::FellBack { decision_sequence, .. } => ("is a fallback of", decision_sequence),
        Record::SnapshotInstalled { .. } => {
            return format!(
                "record {sequence} is not a decision: it installs a policy and a catalog"
            );
        }
        Record::BudgetChanged { .. } => {
            return format!("record {sequence} is not a decision: it changes a budget");
        }
        Record::Checkpoint(_) => {
            return format!("record {sequence} is not a decision: it is a checkpoint");
        }
        _ => return format!("record {sequence} is not a decision"),
    };
    format!("record {sequence} is not a decision: it {verb} decision {decision}, ask for that one")
}
