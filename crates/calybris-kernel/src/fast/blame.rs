//! Which gate turned away the most, once a request is known to be rejected.

use super::bounds::{Budget, Limits};
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
    limits: &Limits,
    costs: Costs<'_>,
) -> Tally {
    let gates = index.rows.gates(valuation.request());
    let mut blame =
        Blame { index, models, valuation, limits, gates, costs, tally: Tally::default() };
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

/// What is known of the costs of those models that get as far as the budget.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Costs<'a> {
    /// All are within it.
    AllWithin,
    /// Some may be above it.
    Mixed(&'a Budget),
    /// All are above it.
    AllBeyond,
}

struct Blame<'a> {
    index: &'a Index,
    models: &'a [Model],
    valuation: &'a Valuation<'a>,
    limits: &'a Limits,
    gates: RowGates<'a>,
    costs: Costs<'a>,
    tally: Tally,
}

impl Blame<'_> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, block: usize, codes: &[Codes; N]) {
        let Self { index, models, valuation, limits, gates, costs, ref mut tally } = *self;
        let request = valuation.request();
        let outliers = index.outliers_of(block);
        // Where even the worst of a block passes a gate, all do.
        let worst = index.worst_of(block).map(|worst| limits.passes(worst)).unwrap_or_default();
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
            keep(Gate::Quality, gather(codes, |codes| limits.quality_shortage(codes).zeros()));
        }
        if !worst.latency || outliers != 0 {
            let mut kept = gather(codes, |codes| limits.latency_excess(codes).zeros());
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
            let kept = gather(codes, |codes| limits.risk_excess(codes).zeros());
            rest = keep(Gate::RiskCeiling, kept);
        }
        if rest == 0 {
            return;
        }
        if let Costs::AllBeyond = costs {
            return tally.add(Gate::Budget, rest.count_ones());
        }

        let (mut affordable, mut doubtful) = (!0, outliers);
        if let Costs::Mixed(budget) = costs {
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
