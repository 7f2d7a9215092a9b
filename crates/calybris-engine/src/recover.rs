//! Recovery: budgets, open tickets, request keys and the snapshot in force, from the log alone.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_budget::BudgetEngine;
use calybris_units::{UnixMillis, invariant};
use calybris_wal::{Key, Reader};

use crate::active_snapshot::ActiveSnapshot;
use crate::error::EngineError;
use crate::fold::{self, Fold};
use crate::keys::KeyWindow;
use crate::options::EngineOptions;
use crate::record::Record;
use crate::ticket::TicketEntry;

/// What opening an engine found in its log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// What the log itself found, such as a torn tail that it set aside.
    pub log: calybris_wal::OpenReport,
    /// Where reading began: the last checkpoint, or the log's first record; 0 for an empty log.
    pub first_sequence: u64,
    /// Records read, from there on.
    pub records: u64,
    /// Decisions in the log, from its beginning on.
    pub decisions: u64,
    /// Tickets found open, each with its reservation.
    pub open_tickets: u64,
    /// What those have reserved, in microunits.
    pub reserved_microunits: u128,
}

/// The state that a log leads to.
pub(crate) struct Recovered {
    pub(crate) budget: BudgetEngine,
    pub(crate) open: BTreeMap<u64, TicketEntry>,
    pub(crate) keys: KeyWindow,
    pub(crate) in_force: ActiveSnapshot,
    /// When the last checkpoint was written; 0 without one.
    pub(crate) checkpoint_time: UnixMillis,
    pub(crate) recovery: Recovery,
}

/// Reads the log in `dir` from its last checkpoint on. The caller has it open for writing, so nothing changes meanwhile.
pub(crate) fn recover(
    dir: &Path,
    options: &EngineOptions,
    log: calybris_wal::OpenReport,
) -> Result<Recovered, EngineError> {
    let key = options.key.as_ref();
    let mut fold = Fold::new(options.request_keys);
    for entry in begin(dir, key, &mut fold)? {
        let entry = entry?;
        fold.apply(entry.sequence(), Record::decode(entry.sequence(), entry.payload())?)?;
    }
    resume(fold, log)
}

/// Applies the last checkpoint, if there is one, and answers a reader of the records after it. A checkpoint is always the
/// first record of its segment, so only the first records are read, from the last segment back.
fn begin(dir: &Path, key: Option<&Key>, fold: &mut Fold) -> Result<Reader, EngineError> {
    for first in Reader::segments(dir)?.into_iter().rev() {
        let mut reader = Reader::open_at(dir, key, first)?;
        // The last segment may not have a record yet.
        let Some(entry) = reader.next() else { continue };
        let entry = entry?;
        let record = Record::decode(entry.sequence(), entry.payload())?;
        if let Record::Checkpoint(_) = record {
            fold.apply(entry.sequence(), record)?;
            return Ok(reader);
        }
    }
    Ok(Reader::open(dir, key)?)
}

fn resume(fold: Fold, log: calybris_wal::OpenReport) -> Result<Recovered, EngineError> {
    let (budget, open) = fold::finish(fold.first_sequence, fold.budget, fold.tickets)?;
    let reserved = open.values().map(|entry| u128::from(entry.reserved().get()));
    let recovery = Recovery {
        log,
        first_sequence: fold.first_sequence,
        records: fold.records,
        decisions: fold.decisions,
        open_tickets: invariant!(u64::try_from(open.len()).ok(), "a count fits in 64 bits")?,
        reserved_microunits: reserved.sum(),
    };
    let in_force =
        ActiveSnapshot { installed: fold.installed, checkpoint_sequence: fold.checkpoint_sequence };
    let checkpoint_time = fold.checkpoint_time;
    Ok(Recovered { budget, open, keys: fold.keys, in_force, checkpoint_time, recovery })
}
