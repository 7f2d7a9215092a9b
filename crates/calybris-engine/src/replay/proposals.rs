//! The snapshots of a log, each with what is proposed in its place.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use calybris_units::{BrokenInvariant, invariant};

use crate::error::{EngineError, installed_nothing, superseded};
use crate::history::Snapshots;
use crate::record::LoggedSnapshot;
use crate::snapshot::Snapshot;

/// Answers what is tried in place of a recorded snapshot.
pub(super) trait Propose:
    FnMut(&Arc<Snapshot>) -> Result<Vec<Arc<Snapshot>>, EngineError>
{
}

impl<F: FnMut(&Arc<Snapshot>) -> Result<Vec<Arc<Snapshot>>, EngineError>> Propose for F {}

/// A recorded snapshot and those proposed in its place.
#[derive(Debug)]
pub(super) struct SnapshotProposals {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) proposals: Vec<Arc<Snapshot>>,
}

/// All that were installed so far.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    snapshots: Snapshots,
    by_sequence: BTreeMap<u64, Arc<SnapshotProposals>>,
    /// By the address of the snapshot: equal ones have one, and it stays where it is.
    distinct: HashMap<usize, Arc<SnapshotProposals>>,
    /// The sequence of the first record, if what stood before it may be missed.
    dropped_before: u64,
}

impl Proposals {
    /// Says with which sequence the log begins.
    pub(super) fn begins_at(&mut self, sequence: u64) {
        self.dropped_before = sequence;
    }

    /// Says that the log begins with a checkpoint, so that nothing from before it is named after it.
    pub(super) fn begins_with_checkpoint(&mut self) {
        self.dropped_before = 0;
    }

    /// Takes what the record at that sequence installs.
    pub(super) fn install(
        &mut self,
        sequence: u64,
        logged: LoggedSnapshot<'_>,
        propose: &mut impl Propose,
    ) -> Result<(), EngineError> {
        let snapshot = Arc::clone(self.snapshots.install(sequence, logged)?);
        let address = Arc::as_ptr(&snapshot).addr();
        let known = match self.distinct.get(&address) {
            Some(known) => Arc::clone(known),
            None => {
                let proposals = propose(&snapshot)?;
                let known = Arc::new(SnapshotProposals { snapshot, proposals });
                self.distinct.insert(address, Arc::clone(&known));
                known
            }
        };
        self.by_sequence.insert(sequence, known);
        Ok(())
    }

    /// What the record at `named` installed, for the record at `sequence` that names it. `None` if it was dropped with the
    /// log's beginning.
    ///
    /// All records before `sequence` that install something were taken, and none behind it.
    pub(super) fn named(
        &self,
        sequence: u64,
        named: u64,
    ) -> Result<Option<&Arc<SnapshotProposals>>, EngineError> {
        let mut later = self.by_sequence.range((Bound::Excluded(named), Bound::Unbounded));
        if later.nth(1).is_some() {
            return Err(superseded(sequence, named));
        }
        match self.by_sequence.get(&named).filter(|_| named < sequence) {
            Some(known) => Ok(Some(known)),
            None if named > 0 && named < self.dropped_before => Ok(None),
            None => Err(installed_nothing(sequence, named)),
        }
    }

    /// How many differ from one another.
    pub(super) fn distinct(&self) -> Result<u64, BrokenInvariant> {
        invariant!(u64::try_from(self.distinct.len()).ok(), "a count fits in 64 bits")
    }
}
