//! One decision of a log, with the snapshot it was made under.

use std::path::Path;
use std::sync::Arc;

#[cfg(doc)]
use calybris_wal::Reader;
use calybris_wal::{Hash, Key, WalError};

use crate::error::{EngineError, installed_nothing};
use crate::history::{installed_by, name_of, open_reader_at};
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;

/// One decision as recorded in the log, with the snapshot that it names.
///
/// ```
#[doc = include_str!("doc_world.txt")]
/// use calybris_engine::RecordedDecision;
///
/// let outcome = engine.decide(&call)?;
/// let recorded = RecordedDecision::find(&dir, None, outcome.decision_sequence)?;
/// assert_eq!(recorded.decided.decision, outcome.decision);
/// let explanation = recorded.snapshot.policy_snapshot().explain(&recorded.decided.request);
/// assert_eq!(explanation.decision, outcome.decision);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedDecision {
    /// Its sequence in the log.
    pub sequence: u64,
    /// Its record's hash.
    pub hash: Hash,
    /// What was asked and answered.
    pub decided: Decided<'static>,
    /// The snapshot that it was decided under.
    pub snapshot: Arc<Snapshot>,
}

impl RecordedDecision {
    /// Finds the decision at that sequence of the log in `dir`, without reading what is before it.
    ///
    /// It verifies the decision's record and the record of its snapshot, each against the record before it
    /// ([`Reader::open_at`] says what that proves). It does not verify the chain between them;
    /// [`verify`](calybris_wal::verify()) and [`replay`](crate::replay()) do.
    ///
    /// # Errors
    /// [`EngineError::NotADecision`] if the record is of another kind; [`EngineError::Contradiction`] if the record that the
    /// decision names installed no snapshot; [`EngineError::Log`] if the log has no such record ([`WalError::NoSuchRecord`],
    /// [`WalError::Dropped`]), cannot be read, does not verify there, or was not written by an engine.
    pub fn find(
        dir: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
    ) -> Result<Self, EngineError> {
        let dir = dir.as_ref();
        let (hash, record) = record_at(dir, key, sequence)?;
        let Record::Decided(decided) = record else {
            return Err(EngineError::NotADecision { sequence, found: name_of(&record) });
        };
        let named = decided.snapshot_sequence;
        if named == 0 || named >= sequence {
            return Err(installed_nothing(sequence, named));
        }
        let (_, installation) = record_at(dir, key, named)?;
        let logged =
            installed_by(&installation).ok_or_else(|| installed_nothing(sequence, named))?;
        Ok(Self { sequence, hash, decided, snapshot: Arc::new(logged.restore(named)?) })
    }

    /// Decides the recorded request under the recorded snapshot again, and compares the result with the record.
    ///
    /// # Errors
    /// [`EngineError::ReplayDiffers`].
    pub fn replay(&self) -> Result<(), EngineError> {
        let (recorded, sequence) = (self.decided.decision, self.sequence);
        let replayed = self.snapshot.policy_snapshot().prescribe(&self.decided.request);
        if replayed == recorded {
            return Ok(());
        }
        let (recorded, replayed) = (Box::new(recorded), Box::new(replayed));
        Err(EngineError::ReplayDiffers { sequence, recorded, replayed })
    }
}

/// The record at that sequence, and its hash.
pub(crate) fn record_at(
    dir: &Path,
    key: Option<&Key>,
    sequence: u64,
) -> Result<(Hash, Record<'static>), EngineError> {
    let mut reader = open_reader_at(dir, key, sequence)?;
    match reader.next_ref() {
        Some(record) => {
            let record = record?;
            Ok((record.hash(), Record::decode(sequence, record.payload())?))
        }
        None => Err(WalError::NoSuchRecord { sequence, head: sequence.saturating_sub(1) }.into()),
    }
}
