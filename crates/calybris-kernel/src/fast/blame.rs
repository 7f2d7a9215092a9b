//! Which gate turned away the most, once a request is known to be rejected.

use super::bounds::Bounds;
use super::codes::Codes;
use super::index::{Index, SingleBlock};
use super::rows::RowGates;
use super::words::gather;
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
    beyond_budget: bool,
) -> Tally {
    let gates = index.rows.gates(valuation.request());
    let mut blame =
        Blame { index, models, valuation, bounds, gates, beyond_budget, tally: Tally::default() };
    match index.single() {
        Some(SingleBlock::Half(codes)) => blame.block(0, codes),
        Some(SingleBlock::Whole(codes)) => blame.block(0, codes),
        None => {
            for block in 0..index.rows.enabled().len() {
                if let Some(codes) = index.codes_of(block) {
                    blame.block(block, codes);
                }
            }
        }
    }
    blame.tally
}

struct Blame<'a> {
    index: &'a Index,
    models: &'a [Model],
    valuation: &'a Valuation<'a>,
    bounds: &'a Bounds,
    gates: RowGates<'a>,
    /// Whether those who got as far as the budget are all known to be beyond it.
    beyond_budget: bool,
    tally: Tally,
}

impl Blame<'_> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, block: usize, codes: &[Codes; N]) {
        let Self { index, models, valuation, bounds, gates, beyond_budget, ref mut tally } = *self;
        let request = valuation.request();
        let outliers = index.outliers_of(block);
        // Where even the worst of a block passes a gate, all do.
        let worst = index.worst_of(block).map(|worst| bounds.passes(worst)).unwrap_or_default();
        let mut live = index.enabled_of_block(block);
        let mut keep = |gate: Gate, kept: u64| {
            let refused = live & !kept;
            if refused != 0 {
                live &= kept;
                tally.add(gate, refused.count_ones());
            }
            live
        };

        if !worst.quality {
            keep(Gate::Quality, gather(codes, |codes| bounds.quality_shortage(codes).zeros()));
        }
        if !worst.latency || outliers != 0 {
            let mut kept = gather(codes, |codes| bounds.latency_excess(codes).zeros());
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
            let kept = gather(codes, |codes| bounds.risk_excess(codes).zeros());
            rest = keep(Gate::RiskCeiling, kept);
        }
        if rest == 0 {
            return;
        }
        if beyond_budget {
            return tally.add(Gate::Budget, rest.count_ones());
        }

        let (mut affordable, mut doubtful) = (!0, outliers);
        if let Some(budget) = &bounds.budget {
            let costs = budget.costs(codes);
            affordable = !gather(&costs, |costs| budget.above(*costs));
            if rest & affordable != 0 {
                doubtful |= !gather(&costs, |costs| budget.within(*costs));
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
}
