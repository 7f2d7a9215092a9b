//! By how much models clear the gates on numbers, by their codes alone: the budget, utility 0, and the
//! limits on quality, latency and risk.
//!
//! The work is compiled for each set of terms, so terms that a request or a catalog lacks cost nothing.

use super::bounds::{Bounds, Budget, Scale};
use super::charges::Bill;
use super::lanes::{Lanes, Mask, Splat, Sums, each_pair, gather};
use super::quantize::{Code, Codes, quality_code};
use crate::Request;

/// How costs are held against the budget: not at all, in the units of the utility, or in others.
const UNLIMITED: u8 = 0;
const IN_UNITS_OF_UTILITY: u8 = 1;
const IN_UNITS_OF_ITS_OWN: u8 = 2;

/// Work on [`Slacks`], compiled for each set of terms. It must be a function that is not inlined:
/// otherwise the compiler does not recognise that only half of each product is used.
pub(super) trait Work {
    type Answer;

    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Self::Answer;
}

impl<B: Bill> Bounds<B> {
    /// Does the work without terms that are 0.
    #[inline(always)]
    pub(super) fn without_absent_terms<W: Work>(&self, work: W) -> W::Answer {
        match &self.budget {
            None => self.with_budget::<W, UNLIMITED>(work),
            Some(budget) if !B::HAS_CEILING && budget.in_units_of_utility => {
                self.with_budget::<W, IN_UNITS_OF_UTILITY>(work)
            }
            Some(_) => self.with_budget::<W, IN_UNITS_OF_ITS_OWN>(work),
        }
    }

    /// The scores of the models of a block.
    #[inline(always)]
    pub(super) fn scores<const N: usize>(
        &self,
        codes: &[Codes; N],
        columns: &[B::Columns; N],
    ) -> [Sums; N] {
        self.with_budget::<_, UNLIMITED>(Scores { bounds: self, codes, columns })
    }

    #[inline(always)]
    fn with_budget<W: Work, const BUDGET: u8>(&self, work: W) -> W::Answer {
        if !B::IS_PLAIN {
            return work.with::<BUDGET, true, true>();
        }
        match (self.has_fixed_prices, self.has_latency_penalty) {
            (false, false) => work.with::<BUDGET, false, false>(),
            (false, true) => work.with::<BUDGET, false, true>(),
            (true, false) => work.with::<BUDGET, true, false>(),
            (true, true) => work.with::<BUDGET, true, true>(),
        }
    }
}

struct Scores<'a, B: Bill, const N: usize> {
    bounds: &'a Bounds<B>,
    codes: &'a [Codes; N],
    columns: &'a [B::Columns; N],
}

impl<B: Bill, const N: usize> Work for Scores<'_, B, N> {
    type Answer = [Sums; N];

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> [Sums; N] {
        let Self { bounds, codes, columns } = self;
        each_pair(codes, columns, |codes, columns| {
            bounds.score::<LATENCY>(bounds.costs.of::<FIXED, _>(codes, columns), codes)
        })
    }
}

/// The limits that costs and scores are compared with.
pub(super) struct Slacks<'a, B: Bill, const BUDGET: u8, const FIXED: bool, const LATENCY: bool> {
    bounds: &'a Bounds<B>,
    budget: Budget<B::Maximum>,
    cost_limit: Sums,
    least_score: Sums,
}

impl<'a, B: Bill, const BUDGET: u8, const FIXED: bool, const LATENCY: bool>
    Slacks<'a, B, BUDGET, FIXED, LATENCY>
{
    /// A model with a slack below 0 surely fails the gate on the budget or on the utility.
    #[inline(always)]
    pub(super) fn new(bounds: &'a Bounds<B>) -> Self {
        let budget = bounds.budget.unwrap_or(Budget::UNLIMITED);
        Self {
            bounds,
            budget,
            cost_limit: Sums::splat(budget.limit),
            least_score: Sums::splat(bounds.maybe_positive + 1),
        }
    }

    /// A model with a slack of 0 or more surely passes both gates, outliers aside.
    #[inline(always)]
    pub(super) fn sure(bounds: &'a Bounds<B>) -> Self {
        let budget = bounds.budget.unwrap_or(Budget::UNLIMITED);
        Self {
            bounds,
            budget,
            cost_limit: Sums::splat(budget.sure_limit()),
            // No score reaches the number at which this sum and what it is made of end.
            least_score: Sums::splat(
                bounds.maybe_positive.saturating_add(bounds.shortfall).saturating_add(1),
            ),
        }
    }

    /// The slack of each model: by how much it clears utility 0 or the budget, whichever is nearer. And the
    /// scores.
    #[inline(always)]
    pub(super) fn of(&self, codes: &Codes, columns: &B::Columns) -> (Sums, Sums) {
        let cost = self.bounds.costs.of::<FIXED, _>(codes, columns);
        let scores = self.bounds.score::<LATENCY>(cost, codes);
        let mut slack = scores.less(self.least_score);
        if BUDGET == IN_UNITS_OF_UTILITY {
            slack = self.cost_limit.less(cost).min(slack);
        }
        if BUDGET == IN_UNITS_OF_ITS_OWN {
            let maximum = self.budget.costs.of::<FIXED, _>(codes, columns);
            slack = self.cost_limit.less(maximum).min(slack);
        }
        (slack, scores)
    }

    /// A model with a slack above this surely passes both gates, outliers aside.
    #[inline(always)]
    pub(super) fn almost_sure(&self) -> Sums {
        let least = match BUDGET {
            UNLIMITED => self.bounds.shortfall,
            _ => self.bounds.sure_slack(&self.budget),
        };
        Sums::splat(least - 1)
    }
}

/// The limits of one request on quality, latency and risk ceiling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) minimum_quality: Splat,
    latency_limit: Splat,
    risk: Splat,
}

/// Which of the gates on quality, latency and risk ceiling are passed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passes {
    pub(crate) quality: bool,
    pub(crate) latency: bool,
    pub(crate) ceiling: bool,
}

impl Limits {
    #[inline(always)]
    pub(crate) fn new(request: &Request, scale: &Scale) -> Self {
        Self {
            minimum_quality: minimum_quality(request),
            latency_limit: Splat::new(
                scale.quanta.latency.encode_limit(request.latency_limit_ms()),
            ),
            risk: Splat::new(request.risk.get()),
        }
    }

    /// Which gates a model of these codes passes; so do all that are no worse in any column.
    #[inline(always)]
    pub(crate) fn passes(&self, code: &Code) -> Passes {
        Passes {
            quality: code.quality >= self.minimum_quality.number(),
            latency: code.latency <= self.latency_limit.number(),
            ceiling: code.ceiling >= self.risk.number(),
        }
    }

    /// The models whose quality, latency and risk ceiling pass.
    #[inline(always)]
    pub(crate) fn passing(&self, codes: &Codes) -> Mask {
        self.quality_shortage(codes).or(self.latency_or_risk_excess(codes)).zeros()
    }

    /// One bit per model of a block whose latency and risk ceiling pass.
    #[inline(always)]
    pub(crate) fn passing_latency_and_ceiling<const N: usize>(&self, codes: &[Codes; N]) -> u64 {
        gather(codes, |codes| self.latency_or_risk_excess(codes).zeros().bits())
    }

    /// How far a model's latency is above the limit, or the request's risk above its ceiling; 0
    /// passes both gates.
    #[inline(always)]
    fn latency_or_risk_excess(&self, codes: &Codes) -> Lanes {
        self.latency_excess(codes).or(self.risk_excess(codes))
    }

    /// How far a model's quality is below the minimum; 0 passes.
    #[inline(always)]
    pub(crate) fn quality_shortage(&self, codes: &Codes) -> Lanes {
        self.minimum_quality.lanes().saturating_sub(codes.quality)
    }

    /// How far a model's latency is above the limit; 0 passes, unless the model is an outlier.
    #[inline(always)]
    pub(crate) fn latency_excess(&self, codes: &Codes) -> Lanes {
        codes.latency.saturating_sub(self.latency_limit.lanes())
    }

    /// How far the request's risk is above a model's ceiling; 0 passes.
    #[inline(always)]
    pub(crate) fn risk_excess(&self, codes: &Codes) -> Lanes {
        self.risk.lanes().saturating_sub(codes.ceiling)
    }
}

/// The code of a request's minimum quality.
#[inline(always)]
pub(crate) fn minimum_quality(request: &Request) -> Splat {
    Splat::new(quality_code(request.minimum_quality.get()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::billing::plain_amounts;
    use super::super::blocks::HALF;
    use super::super::charges::PlainBill;
    use super::super::index::Index;
    use super::super::lanes::LANES;
    use super::super::only_block::SingleCodes;
    use super::*;
    use crate::candidates::Groups;
    use crate::catalog::Catalog;
    use crate::gates::admit_price;
    use crate::utility::Valuation;
    use crate::{BasisPoints, Microunits, Model, Policy, Price, RegionSet, Request};

    /// What is said of the models of half a block: surely turned away by one of the two gates, surely let
    /// through by both, and the same as of the worst corner of a block.
    struct Claims<'a>(&'a Bounds<PlainBill<false>>, &'a [Codes; HALF]);

    impl Work for Claims<'_> {
        type Answer = [[u16; 3]; HALF];

        fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Self::Answer {
            let slacks = Slacks::<_, BUDGET, FIXED, LATENCY>::new(self.0);
            let sure = Slacks::<_, BUDGET, FIXED, LATENCY>::sure(self.0);
            self.1.map(|codes| {
                let (slack, _) = slacks.of(&codes, &());
                let let_through = slack.above(slacks.almost_sure()).bits();
                [slack.negative(), let_through, !sure.of(&codes, &()).0.negative()]
            })
        }
    }

    /// A few microunits for a request, so that what the law rounds matters most.
    fn model() -> impl Strategy<Value = Model> {
        let numbers = (1..=10_000_u16, 0..40_u32, 0..40_000_u64, 0..40_000_u64, 0..8_u64);
        numbers.prop_map(|(quality_bps, p95_latency_ms, input, output, fixed)| {
            Model::new(0, 0, BasisPoints::new(quality_bps))
                .with_p95_latency_ms(p95_latency_ms)
                .with_regions(RegionSet::from_bits(0))
                .with_price(
                    Price::per_million_tokens(Microunits::new(input), Microunits::new(output))
                        .with_fixed_price(Microunits::new(fixed)),
                )
        })
    }

    fn request() -> impl Strategy<Value = Request> {
        let tokens = (0..2_000_u32, 0..2_000_u32);
        let amounts = (0..400_i64, prop_oneof![0..200_u64, Just(u64::MAX)]);
        (tokens, amounts, 0..10_000_u16, 1..=10_000_u16).prop_map(
            |(tokens, (value, budget), risk_bps, confidence_bps)| {
                Request::new(0, 0, tokens.0, tokens.1)
                    .with_business_value_microunits(value)
                    .with_budget_limit(Microunits::new(budget))
                    .with_risk(BasisPoints::new(risk_bps))
                    .with_confidence(BasisPoints::new(confidence_bps))
            },
        )
    }

    proptest! {
            #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn what_is_surely_turned_away_or_let_through_is(
                mut models in prop::collection::vec(model(), HALF * LANES),
                requests in prop::collection::vec(request(), 50),
                penalties in (0..3_u64, 0..3_u64, 0..2_u64),
                // Or many, so that what weights and codes drop does.
                scale_bits in prop_oneof![Just(0), 8..18_u32],
            ) {
                let policy = Policy::new()
    .with_policy_epoch(1)
    .with_catalog_epoch(1)
    .with_risk_penalty_multiplier(BasisPoints::new(50 * u16::try_from(penalties.0).unwrap()))
    .with_latency_penalty_per_ms(Microunits::new(penalties.1));
                for (model, id) in models.iter_mut().zip(0..) {
                    model.model_id = id;
                    let scaled = |number: u64| Microunits::new(number << scale_bits);
                    let price = model.price;
                    model.price = Price::per_million_tokens(scaled(price.plain_input()), scaled(price.plain_output()))
                        .with_fixed_price(scaled(price.fixed_price().get() * penalties.2));
                    model.p95_latency_ms <<= scale_bits / 2;
                }
                let index = Index::new(&policy, &models, &Groups::default());
                let catalog = Catalog::new(&models);
                let Some((_, SingleCodes::Half(codes))) = index.single() else { panic!() };
                let scale = index.scale.as_ref().unwrap();
                for mut request in requests {
                    request.budget_limit = Microunits::new(request.budget_limit.get().saturating_mul(1 << scale_bits));
                    // Each model's utility is brought to the edge once.
                    for edge in catalog.entries() {
                        let valuation = Valuation::new(&policy, &request, catalog.interned(), true);
                        let utility = valuation.cost_and_utility(edge).utility_microunits;
                        let share = i64::from(edge.quality.get()) * i64::from(request.confidence.get());
                        let missing = utility.saturating_mul(100_000_000) / share;
                        let value = request.business_value_microunits - missing;
                        request.business_value_microunits = value.clamp(0, 1 << 40);
                        let valuation = Valuation::new(&policy, &request, catalog.interned(), true);
                        let Some(bounds) = Bounds::new(&valuation, scale, &plain_amounts(&request)) else { continue };
                        let claims = bounds.without_absent_terms(Claims(&bounds, codes));
                        for (position, entry) in catalog.entries().iter().enumerate() {
                            let [turned_away, let_through, sure] = claims[position / LANES]
                                .map(|bits| bits >> (position % LANES) & 1 == 1);
                            let admitted = admit_price(&valuation, entry).is_ok();
                            prop_assert!(!turned_away || !admitted, "{entry:?} {request:?}");
                            prop_assert!(!let_through || admitted, "{entry:?} {request:?}");
                            prop_assert!(!sure || admitted, "{entry:?} {request:?}");
                        }
                    }
                }
            }
        }
}
