//! Cost over the log in a fixed number of buckets, whatever the log's length.

use calybris_kernel::Decision;
use calybris_units::UnixMillis;

use crate::record::Decided;

/// The most buckets of a series.
pub const MAX_BUCKETS: usize = 128;

/// Decisions that follow one another in the log, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeriesBucket {
    /// Sequence of the first decision's record.
    pub first_sequence: u64,
    /// Its recorded time.
    pub first_time: UnixMillis,
    /// How many decisions.
    pub decisions: u64,
    /// What they were estimated to cost as recorded, in microunits.
    pub recorded_cost_microunits: i128,
    /// What they are estimated to cost as proposed, in microunits.
    pub proposed_cost_microunits: i128,
}

/// Buckets of equal width. When all are full, each two become one, and the width doubles.
#[derive(Debug)]
pub(crate) struct Series {
    buckets: Vec<SeriesBucket>,
    width_decisions: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self { buckets: Vec::with_capacity(MAX_BUCKETS), width_decisions: 1 }
    }
}

impl Series {
    pub(crate) fn add(&mut self, sequence: u64, decided: &Decided<'_>, proposed: &Decision) {
        let one = SeriesBucket {
            first_sequence: sequence,
            first_time: decided.time,
            decisions: 1,
            recorded_cost_microunits: i128::from(decided.decision.estimated_cost.get()),
            proposed_cost_microunits: i128::from(proposed.estimated_cost.get()),
        };
        let width = self.width_decisions;
        if let Some(last) = self.buckets.last_mut().filter(|last| last.decisions < width) {
            last.absorb(&one);
            return;
        }
        if self.buckets.len() == MAX_BUCKETS {
            self.halve();
        }
        self.buckets.push(one);
    }

    fn halve(&mut self) {
        let pairs = self.buckets.chunks(2).filter_map(|pair| {
            let (first, rest) = pair.split_first()?;
            let mut joined = *first;
            rest.iter().for_each(|bucket| joined.absorb(bucket));
            Some(joined)
        });
        self.buckets = pairs.collect();
        self.width_decisions *= 2;
    }

    pub(crate) fn into_buckets(self) -> Vec<SeriesBucket> {
        self.buckets
    }
}

impl SeriesBucket {
    /// Takes in what follows.
    fn absorb(&mut self, next: &Self) {
        self.decisions += next.decisions;
        self.recorded_cost_microunits += next.recorded_cost_microunits;
        self.proposed_cost_microunits += next.proposed_cost_microunits;
    }
}
