//! Which gate turned away the most, once a request is known to be rejected.

use super::bounds::Bounds;
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Lanes};
use crate::Model;
use crate::gates::Gate;
use crate::scan::Tally;
use crate::utility::Valuation;

/// Counts, block by block and gate by gate in their order, what each gate turned away.
///
/// No model is eligible, so whoever is left after the budget fell at the utility.
#[inline(never)]
pub(crate) fn blame(
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    bounds: &Bounds,
) -> Tally {
    let request = valuation.request();
    let gates = index.rows.gates(request);
    let mut tally = Tally::default();
    for (block, &enabled) in index.rows.enabled().iter().enumerate() {
        let outliers = index.outliers_of(block);
        let codes = index.codes_of(block);
        // Where even the worst of a block passes a gate, all do.
        let worst = index.worst_of(block).map(|worst| bounds.passes(worst)).unwrap_or_default();
        let mut live = enabled;
        let mut left = enabled.count_ones();
        let mut keep = |gate: Gate, kept: u64| {
            if live & !kept != 0 {
                live &= kept;
                let before = left;
                left = live.count_ones();
                tally.add(gate, before - left);
            }
            live
        };

        if !worst.quality {
            keep(Gate::Quality, pass(codes, |codes| bounds.quality_shortage(codes)));
        }
        if !worst.latency || outliers != 0 {
            let mut kept = pass(codes, |codes| bounds.latency_excess(codes));
            for (bit, model) in index.models_of(models, block, kept & outliers) {
                if request.max_p95_latency_ms != 0
                    && model.p95_latency_ms > request.max_p95_latency_ms
                {
                    kept &= !(1 << bit);
                }
            }
            keep(Gate::Latency, kept);
        }
        keep(Gate::Capability, gates.capable(block));
        keep(Gate::Provider, gates.provided(block));
        let mut rest = keep(Gate::Region, gates.regional(block));
        if !worst.ceiling {
            rest = keep(Gate::RiskCeiling, pass(codes, |codes| bounds.risk_excess(codes)));
        }
        if rest == 0 {
            continue;
        }

        let (mut affordable, mut doubtful) = (!0, outliers);
        if let Some(budget) = &bounds.budget {
            affordable = !gather(codes, |codes| budget.above(budget.costs(codes)));
            if rest & affordable != 0 {
                doubtful |= !gather(codes, |codes| budget.within(budget.costs(codes)));
            }
        }
        for (bit, model) in index.models_of(models, block, rest & affordable & doubtful) {
            if valuation.cost_microunits(model) > request.budget_limit_microunits {
                affordable &= !(1 << bit);
            }
        }
        rest = keep(Gate::Budget, affordable);
        tally.add(Gate::Utility, rest.count_ones());
    }
    tally
}

/// One bit per model of a block for which `failure` is 0.
#[inline]
fn pass(codes: &[Codes], failure: impl Fn(&Codes) -> Lanes) -> u64 {
    gather(codes, |codes| failure(codes).zeros())
}

/// One bit per model of a block.
#[inline]
fn gather(codes: &[Codes], bits: impl Fn(&Codes) -> u16) -> u64 {
    let (mut word, mut shift) = (0, 0);
    for codes in codes {
        word |= u64::from(bits(codes)) << shift;
        shift += LANES;
    }
    word
}
