//! Which gate turned away the most, once a request is known to be rejected.

use super::bounds::Bounds;
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Lanes};
use super::rows::{Bits, GROUP};
use crate::Model;
use crate::scan::Tally;
use crate::utility::Valuation;

/// Counts, gate by gate in their order, what each turned away.
///
/// No model is eligible, so whoever is left after the budget fell at the utility.
#[inline(never)]
pub(crate) fn blame(index: &Index, models: &[Model], valuation: &Valuation<'_>) -> Tally {
    let bounds = &Bounds::new(valuation, &index.scale);
    let request = valuation.request();
    let mut tally = Tally::default();
    for group in 0..index.group_count() {
        let mut words = [0; GROUP];
        let first_block = group * GROUP;
        let live = index.enabled_of(group, &mut words);
        let gates = Gates { index, models, group };
        let mut left = count(live);
        let mut turned_away = |live: &[u64]| {
            let before = left;
            left = count(live);
            before - left
        };

        gates.keep(live, |codes| bounds.quality_shortage(codes));
        tally.quality += turned_away(live);

        gates.keep(live, |codes| bounds.latency_excess(codes));
        gates.keep_outliers(live, |model| {
            request.max_p95_latency_ms == 0 || model.p95_latency_ms <= request.max_p95_latency_ms
        });
        tally.latency += turned_away(live);

        index.rows.keep_capable(request.required_capabilities, first_block, live);
        tally.capability += turned_away(live);

        index.rows.keep_provided(&request.allowed_providers, first_block, live);
        tally.provider += turned_away(live);

        index.rows.keep_regional(request.required_regions, first_block, live);
        tally.region += turned_away(live);

        gates.keep(live, |codes| bounds.risk_excess(codes));
        tally.risk_ceiling += turned_away(live);

        gates.keep_affordable(live, valuation, bounds);
        tally.budget += turned_away(live);
        tally.utility += count(live);
    }
    tally
}

/// The gates on one group of blocks.
struct Gates<'a> {
    index: &'a Index,
    models: &'a [Model],
    group: usize,
}

impl Gates<'_> {
    /// Keeps the models for which `failure` is 0.
    fn keep(&self, live: &mut [u64], failure: impl Fn(&Codes) -> Lanes) {
        let (mut none, mut all) = (0_u64, 0_u64);
        for (corners, shift) in self.index.corners_of(self.group).iter().zip((0..).step_by(LANES)) {
            none |= u64::from(!failure(&corners.best).zeros()) << shift;
            all |= u64::from(failure(&corners.worst).zeros()) << shift;
        }
        for (block, live) in live.iter_mut().enumerate() {
            if none >> block & 1 == 1 {
                *live = 0;
            } else if all >> block & 1 == 0 && *live != 0 {
                let codes = self.index.codes_of(self.group * GROUP + block);
                *live &= gather(codes, |codes| failure(codes).zeros());
            }
        }
    }

    /// Keeps those outliers that pass an exact test; the others are kept anyhow.
    fn keep_outliers(&self, live: &mut [u64], passes: impl Fn(&Model) -> bool) {
        for (block, live) in live.iter_mut().enumerate() {
            let block = self.group * GROUP + block;
            self.remove(live, block, *live & self.index.outliers_of(block), |model| !passes(model));
        }
    }

    /// Keeps the models within the budget.
    fn keep_affordable(&self, live: &mut [u64], valuation: &Valuation<'_>, bounds: &Bounds) {
        let limit = valuation.request().budget_limit_microunits;
        for (block, live) in live.iter_mut().enumerate().filter(|(_, live)| **live != 0) {
            let block = self.group * GROUP + block;
            let mut within = !0;
            if let Some(budget) = bounds.budget {
                let codes = self.index.codes_of(block);
                *live &= !gather(codes, |codes| budget.above(codes));
                within = gather(codes, |codes| budget.within(codes));
            }
            within &= !self.index.outliers_of(block);
            self.remove(live, block, *live & !within, |model| {
                valuation.cost_microunits(model) > limit
            });
        }
    }

    /// Takes out those of the doubtful models that fail an exact test.
    fn remove(&self, live: &mut u64, block: usize, doubtful: u64, fails: impl Fn(&Model) -> bool) {
        for bit in Bits(doubtful) {
            if self.index.model(self.models, block, bit).is_some_and(&fails) {
                *live &= !(1 << bit);
            }
        }
    }
}

/// One bit per model of a block.
#[inline]
fn gather(codes: &[Codes], bits: impl Fn(&Codes) -> u16) -> u64 {
    let codes = codes.iter().zip((0..).step_by(LANES));
    codes.fold(0, |word, (codes, shift)| word | u64::from(bits(codes)) << shift)
}

fn count(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}
