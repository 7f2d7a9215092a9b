//! One decision of a log with all that explains it: its snapshot, and what became of it.

use std::path::Path;
use std::sync::Arc;

use calybris_core::engine::{Record, Snapshot};
use calybris_core::wal::Key;

use crate::failure::Failure;
use crate::log::fate::{Ending, Followed, decision_of};
use crate::log::journal::Journal;
use crate::log::json::kind;

/// A decision, found.
pub(crate) struct Found {
    pub(crate) followed: Followed,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The last record that was read: what became of the decision is known up to there.
    pub(crate) read_through: u64,
}

/// Finds the decision at `sequence`, and reads on to what became of it.
pub(crate) fn find(dir: &Path, key: Option<&Key>, sequence: u64) -> Result<Found, Failure> {
    let mut journal = Journal::open(dir, key)?;
    let mut followed: Option<Followed> = None;
    let mut read_through = 0;
    while let Some(entry) = journal.next()? {
        read_through = entry.sequence;
        if let Some(followed) = &mut followed {
            if decision_of(&entry.record) == Some(sequence) {
                followed.take(entry.sequence, &entry.record);
            }
        } else if entry.sequence == sequence {
            match entry.record {
                Record::Decided(decided) => {
                    followed = Some(Followed::new(sequence, entry.hash, decided));
                }
                other => return Err(Failure::at(dir, no_decision(sequence, &other))),
            }
        }
        if followed.as_ref().is_some_and(|followed| followed.ending != Ending::Open) {
            break;
        }
    }
    let Some(followed) = followed else {
        let what = match sequence {
            0 => "there is no record 0: the first is 1".to_owned(),
            _ => format!("there is no record {sequence}: the log ends at record {read_through}"),
        };
        return Err(Failure::at(dir, what));
    };
    let named = followed.decided.snapshot_sequence;
    let snapshot = journal.snapshot(named).cloned().ok_or_else(|| {
        let what = format!(
            "decision {sequence} names the snapshot of record {named}, which the log does not hold"
        );
        Failure::at(dir, what)
    })?;
    Ok(Found { followed, snapshot, read_through })
}

/// Says what a record is instead, and where the decision is that it speaks of.
fn no_decision(sequence: u64, record: &Record<'_>) -> String {
    let verb = match record {
        Record::Settled { .. } => "settles",
        Record::Abandoned { .. } => "abandons",
        Record::FellBack { .. } => "is a fallback of",
        other => {
            let kind = kind(other);
            return format!(
                "record {sequence} is no decision ({kind}); `calybris show` lists them"
            );
        }
    };
    let decision = decision_of(record).unwrap_or_default();
    format!("record {sequence} is no decision: it {verb} decision {decision}, ask for that one")
}
