//! Which gate turned away the most, once a request is known to be rejected.

use super::bounds::Budget;
use super::charges::Bill;
use super::index::Index;
use super::lanes::gather;
use super::only_block::SingleCodes;
use super::quantize::Codes;
use super::scope::Scope;
use super::slack::Limits;
use crate::catalog::Entry;
use crate::gates::{Gate, Refusal, admit_price};
use crate::scan::Tally;
use crate::utility::Valuation;

/// Counts, block by block and gate by gate in their order, what each gate turned away.
///
/// No model is eligible, so every model that passes the gate on the budget fails the one on the utility.
#[inline(never)]
pub(super) fn count_refusals<B: Bill>(
    index: &Index,
    entries: &[Entry],
    valuation: Valuation<'_>,
    limits: Limits,
    costs: Costs<'_, B>,
    scope: Scope<'_>,
) -> Tally {
    let mut count =
        RefusalCount { index, entries, valuation, limits, costs, scope, tally: Tally::default() };
    if let (Some((_, SingleCodes::Half(codes))), Some(columns)) =
        (index.single(), B::columns_of(&index.classes, 0).and_then(|columns| columns.first_chunk()))
    {
        count.block(0, codes, columns);
        return count.tally;
    }
    for block in 0..index.block_count() {
        if let (Some(codes), Some(columns)) =
            (index.codes_of(block), B::columns_of(&index.classes, block))
        {
            count.block(block, codes, columns);
        }
    }
    count.tally
}

/// How the costs of the models that reach the gate on the budget compare with it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Costs<'a, B: Bill> {
    /// All are within it.
    AllWithin,
    /// Some may be above it.
    Mixed(&'a Budget<B::Maximum>),
    /// All are above it.
    AllBeyond,
}

struct RefusalCount<'a, B: Bill> {
    index: &'a Index,
    entries: &'a [Entry],
    valuation: Valuation<'a>,
    limits: Limits,
    costs: Costs<'a, B>,
    scope: Scope<'a>,
    tally: Tally,
}

impl<B: Bill> RefusalCount<'_, B> {
    #[inline(always)]
    fn block<const N: usize>(
        &mut self,
        block: usize,
        codes: &[Codes; N],
        columns: &[B::Columns; N],
    ) {
        let Self { index, entries, valuation, limits, costs, scope, ref mut tally } = *self;
        let request = valuation.request();
        let outliers = scope.outliers_of(index, block);
        // If the worst corner of a block passes a gate, all its models do.
        let worst = index.worst_of(block).map(|worst| limits.passes(worst)).unwrap_or_default();
        let mut live = index.enabled_of_block(scope.view, block);
        if !scope.all_are_candidates() {
            let mut word = [live];
            scope.keep_candidates(block, &mut word);
            [live] = word;
        }
        let mut keep = |gate: Gate, kept: u64| {
            let refused = live & !kept;
            if refused != 0 {
                live &= kept;
                tally.add(gate, refused.count_ones());
            }
        };

        if !worst.quality {
            keep(
                Gate::Quality,
                gather(codes, |codes| limits.quality_shortage(codes).zeros().bits()),
            );
        }
        if !worst.latency || outliers != 0 {
            let mut kept = gather(codes, |codes| limits.latency_excess(codes).zeros().bits());
            for (bit, entry) in index.entries_of(entries, block, kept & outliers) {
                if entry.p95_latency_ms > request.latency_limit_ms() {
                    kept &= !(1 << bit);
                }
            }
            keep(Gate::Latency, kept);
        }
        if let Some(capable) = index.rows.capable(request, block) {
            keep(Gate::Capability, capable);
        }
        if let Some(provided) = index.rows.provided(request, block) {
            keep(Gate::Provider, provided);
        }
        if let Some(regional) = index.rows.regional(request, block) {
            keep(Gate::Region, regional);
        }
        if !worst.ceiling {
            keep(
                Gate::RiskCeiling,
                gather(codes, |codes| limits.risk_excess(codes).zeros().bits()),
            );
        }
        if let Some(fitting) = scope.fitting {
            let mut fits = [!0];
            index.rows.keep_fitting(fitting, block, &mut fits);
            let [fits] = fits;
            keep(Gate::Window, fits);
        }
        if live == 0 {
            return;
        }
        if let Costs::AllBeyond = costs {
            return tally.add(Gate::Budget, live.count_ones());
        }

        let (mut affordable, mut doubtful) = (!0, outliers);
        if let Costs::Mixed(budget) = costs {
            let costs = budget.costs(codes, columns);
            affordable = !gather(&costs, |costs| budget.above(*costs));
            if live & affordable != 0 {
                doubtful |= !gather(&costs, |costs| budget.within(*costs));
            }
        }
        for (bit, entry) in index.entries_of(entries, block, live & affordable & doubtful) {
            if !is_affordable(&valuation, entry) {
                affordable &= !(1 << bit);
            }
        }
        tally.add(Gate::Budget, (live & !affordable).count_ones());
        tally.add(Gate::Utility, (live & affordable).count_ones());
    }
}

/// BlockFilter of few.
#[inline(never)]
fn is_affordable(valuation: &Valuation<'_>, entry: &Entry) -> bool {
    !matches!(admit_price(valuation, entry), Err(Refusal::Budget { .. }))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::super::billing::plain_amounts;
    use super::super::bounds::Bounds;
    use super::super::charges::PlainBill;
    use super::*;
    use crate::candidates::Groups;
    use crate::catalog::Catalog;
    use crate::gates::admit_model;
    use crate::{
        BasisPoints, CapabilitySet, Microunits, Model, Policy, Price, ProviderSet, RegionSet,
        Request,
    };

    const POLICY: Policy = Policy::new().with_policy_epoch(1).with_catalog_epoch(1);

    /// Mostly small numbers, and a few above what their codes can stand for: those are outliers.
    fn number(far: u64) -> impl Strategy<Value = u64> {
        prop_oneof![140 => 0..200_u64, 1 => 1_000..1_003_u64, 1 => far..far + 3]
    }

    fn model() -> impl Strategy<Value = Model> {
        let numbers = (number(1 << 17), number(1 << 30), number(1 << 30));
        let names = (0..4_u8, 0..4_u64, 0..4_u64, prop::bool::weighted(0.9));
        (0..5_u16, 0..5_u16, numbers, names).prop_map(
            |(
                quality,
                ceiling,
                (latency, output, fixed),
                (provider, capabilities, regions, enabled),
            )| {
                Model::new(0, provider, BasisPoints::new(2_500 * quality))
                    .with_risk_ceiling(BasisPoints::new(2_500 * ceiling))
                    .with_enabled(enabled)
                    .with_p95_latency_ms(u32::try_from(latency).unwrap())
                    .with_capabilities(CapabilitySet::from_bits(capabilities))
                    .with_regions(RegionSet::from_bits(regions))
                    .with_price(
                        Price::per_million_tokens(Microunits::ZERO, Microunits::new(output))
                            .with_fixed_price(Microunits::new(fixed)),
                    )
            },
        )
    }

    /// A request that is worth nothing, so that no model is eligible.
    fn worthless() -> impl Strategy<Value = Request> {
        let limits =
            (0..4_u16, 0..4_u16, number(1 << 17), prop_oneof![number(1 << 30), Just(u64::MAX)]);
        let names = (0..4_u64, 0..4_u64, 0..16_u64);
        (limits, names).prop_map(
            |((quality, risk, latency, budget), (capabilities, regions, providers))| {
                Request::new(0, 0, 0, 1_000_000)
                    .with_budget_limit(Microunits::new(budget))
                    .with_risk(BasisPoints::new(2_500 * risk))
                    .with_minimum_quality(BasisPoints::new(2_500 * quality))
                    .with_max_p95_latency_ms(u32::try_from(latency).unwrap())
                    .with_required_capabilities(CapabilitySet::from_bits(
                        capabilities & capabilities >> 1,
                    ))
                    .with_allowed_providers(ProviderSet::from_words([providers, 0, 0, 0]))
                    .with_required_regions(RegionSet::from_bits(regions))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// The reason shows only who is ahead, so the counts themselves are compared.
        #[test]
        fn each_gate_is_blamed_for_as_many_models_as_it_turned_away(
            mut models in prop::collection::vec(model(), 9..300),
            requests in prop::collection::vec(worthless(), 8),
        ) {
            for (model, id) in models.iter_mut().zip(0..) {
                model.model_id = id;
            }
            let index = Index::new(&POLICY, &models, &Groups::default());
            let catalog = Catalog::new(&models);
            let scale = index.scale.as_ref().unwrap();
            for request in &requests {
                let valuation = Valuation::new(&POLICY, request, catalog.interned(), false);
                let mut expected = Tally::default();
                for refusal in catalog.entries().iter().filter_map(|entry| admit_model(&valuation, entry).err()) {
                    expected.add(refusal.gate().unwrap(), 1);
                }
                let bounds = Bounds::<PlainBill<false>>::new(&valuation, scale, &plain_amounts(request)).unwrap();
                let limits = Limits::new(request, scale);
                let mut known: Vec<Costs<'_, PlainBill<false>>> = Vec::new();
                known.push(bounds.budget.as_ref().map_or(Costs::AllWithin, Costs::Mixed));
                if scale.min_cost.is_beyond_budget(request) {
                    known.push(Costs::AllBeyond);
                }
                for costs in known {
                    let found = count_refusals(&index, catalog.entries(), valuation, limits, costs, Scope::of_everyone(&index, request));
                    prop_assert_eq!(found, expected, "{:?} {:?}", costs, request);
                }
            }
        }
    }
}
