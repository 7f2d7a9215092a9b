//! The largest changes: as many as were asked for, however many there are.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use calybris_kernel::{Decision, Request};
use calybris_units::UnixMillis;

use crate::record::Decided;
use crate::snapshot::Snapshot;

/// One decision whose answer or cost changed, with everything that explains it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// Sequence of the `Decided` record.
    pub sequence: u64,
    /// Its recorded time.
    pub time: UnixMillis,
    /// The tenant that pays.
    pub tenant: String,
    /// The caller's own id of the call; may be empty.
    pub correlation_id: String,
    /// The request.
    pub request: Request,
    /// The recorded answer.
    pub recorded: Decision,
    /// The proposed answer.
    pub proposed: Decision,
    /// The snapshot of the recorded answer.
    pub recorded_snapshot: Arc<Snapshot>,
    /// The snapshot of the proposed answer.
    pub proposed_snapshot: Arc<Snapshot>,
}

impl Change {
    /// Proposed less recorded estimated cost, in microunits; a rejection costs 0.
    #[must_use]
    pub fn cost_delta_microunits(&self) -> i128 {
        i128::from(self.proposed.estimated_cost.get())
            - i128::from(self.recorded.estimated_cost.get())
    }
}

/// Larger by the absolute difference in cost; of equal ones the earlier is larger.
type Size = (u64, Reverse<u64>);

/// A change and its size, which no other change has: a sequence stands once in a log.
#[derive(Debug)]
struct Ranked(Size, Change);

/// The smallest of those kept is on top, to be replaced.
#[derive(Debug)]
pub(crate) struct Largest {
    limit: usize,
    kept: BinaryHeap<Reverse<Ranked>>,
}

impl Largest {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new() }
    }

    /// Keeps the change if it is one and among the largest so far. Copies nothing otherwise.
    pub(crate) fn offer(
        &mut self,
        sequence: u64,
        decided: &Decided<'_>,
        recorded_snapshot: &Arc<Snapshot>,
        proposed_snapshot: &Arc<Snapshot>,
        proposed: &Decision,
    ) {
        let recorded = decided.decision;
        let (before, after) = (recorded.estimated_cost.get(), proposed.estimated_cost.get());
        if before == after && recorded.selected_model_id == proposed.selected_model_id {
            return;
        }
        let size = (before.abs_diff(after), Reverse(sequence));
        let change = || Change {
            sequence,
            time: decided.time,
            tenant: decided.tenant.clone().into_owned(),
            correlation_id: decided.correlation_id.clone().into_owned(),
            request: decided.request,
            recorded,
            proposed: *proposed,
            recorded_snapshot: Arc::clone(recorded_snapshot),
            proposed_snapshot: Arc::clone(proposed_snapshot),
        };
        if self.kept.len() < self.limit {
            self.kept.push(Reverse(Ranked(size, change())));
        } else if let Some(mut smallest) = self.kept.peek_mut()
            && size > smallest.0.0
        {
            *smallest = Reverse(Ranked(size, change()));
        }
    }

    /// Those kept, the largest first.
    pub(crate) fn into_sorted(self) -> Vec<Change> {
        let sorted = self.kept.into_sorted_vec();
        sorted.into_iter().map(|Reverse(Ranked(_, change))| change).collect()
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
