//! Bounds on a model's utility and cost, from its codes alone.
//!
//! Utility is reckoned in *units* of `2^k` hundred-millionths of a microunit, with `k` as small as
//! the weights allow ([`quantize`](super::quantize), where the same unit is counted in grains). Write `A` for `value * confidence * quality`, `D`
//! for `10^8` times the exact deductions before token costs are rounded up, and `U` for the
//! utility. The law rounds `A` down once (less than `10^8` lost) and each of two token costs up
//! (less than `10^8` each), so
//!
//! ```text
//! A - D - 3 * 10^8  <  10^8 * U  <=  A - D
//! ```
//!
//! A term is a code times a weight, divided by 65,536. It never exceeds the true term, because the
//! code doesn't (INVARIANT (codes)), the weight is rounded down and so is the product. It falls
//! short by less than 3 units: less than 1 for the part of the number that the code drops (one code
//! weighs less than a unit, and nothing is dropped from exact codes), less than 1 for the weight's
//! rounding, less than 1 for the product. The value's code is exact, so its term falls short by less
//! than 2; the risk penalty `R` is a number of the request alone and falls short by less than 1. A
//! column of zeros falls short by nothing. Each class of tokens and each kind of search that a request has is one term more.
//! Call the sum of these shortfalls `F`, at most 14 and 3 for each of those, of which there are eight.
//!
//! So with `V` for the value's term, `C` for the sum of the deductions' terms without the risk
//! penalty and `score = V - C`, in units:
//!
//! ```text
//! score - R + 2 - F - 3 * 10^8 / 2^k  <  10^8 * U / 2^k  <  score - R + 2
//! ```
//!
//! Weights have 15 bits, so terms are below 32,768; that of the value has 16, and `V`, whose codes
//! end at 20,000, is below 20,000. Sums saturate at 32,767: a saturated deduction is one that no
//! value reaches.

use super::charges::{Bill, Charges, Weights};
use super::lanes::{Splat, Sums, each_pair};
use super::min_cost::MinCost;
use super::quantize::{
    AMOUNT_GUARD, Codes, Quanta, TokenWeight, Unit, WEIGHT_GUARD, column_weight, grains,
};
use crate::Policy;
use crate::utility::Valuation;

/// By how much the term of the value falls short at most, in units.
const VALUE_SHORTFALL: u16 = 2;
/// By how much the risk penalty falls short at most, in units.
const RISK_SHORTFALL: u16 = 1;

/// By how much a term of a class or a search falls short at most, in units.
const CHARGE_SHORTFALL: u64 = 3;

/// What a request uses, and what it may use at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts<E, M> {
    pub(super) expected: Amount<E>,
    /// The same as expected if there is no ceiling.
    pub(super) maximum: Amount<M>,
}

/// Plain tokens of both sides, and the grains of what else there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount<G> {
    pub(super) prompt_tokens: u32,
    pub(super) completion_tokens: u32,
    pub(super) charges: G,
}

/// The amounts of a bill.
pub(super) type AmountsOf<B> = Amounts<
    <<B as Bill>::Expected as Charges<<B as Bill>::Columns>>::Grains,
    <<B as Bill>::Maximum as Charges<<B as Bill>::Columns>>::Grains,
>;

/// The weights of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<B: Bill> {
    value: Splat,
    latency_penalty: Splat,
    pub(super) costs: CostWeights<B::Expected>,
    /// Whether any model but outliers has a fixed price, if only in the budget's units.
    pub(super) has_fixed_prices: bool,
    pub(super) has_latency_penalty: bool,
    risk_penalty_units: u64,
    /// A score above this may stand for a positive utility, no other does.
    pub(crate) maybe_positive: i16,
    /// By how much a score overstates the utility at most, outliers aside. Of two models whose
    /// scores differ by this much, the one with the higher score has the higher utility.
    pub(crate) shortfall: i16,
    unit: Unit,
    /// The budget, unless no model can exceed it.
    pub(super) budget: Option<Budget<B::Maximum>>,
}

/// The weights of the costs, in some unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct CostWeights<C> {
    tokens: [Splat; 2],
    fixed: Splat,
    charges: C,
}

/// A budget limit, in units of its own that suit the maximum costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget<C> {
    pub(super) costs: CostWeights<C>,
    /// Whether they are those of the utility, because no other weight has more digits than those of
    /// the costs.
    pub(super) in_units_of_utility: bool,
    /// A cost above this is surely above the limit.
    pub(super) limit: i16,
    /// A cost that is less than the limit by so much is surely within it.
    shortfall: i16,
}

/// The part of weights and limits that is the same for all requests. Weights are those of 65,536 codes, in
/// grains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(super) quanta: Quanta,
    input_weight: TokenWeight,
    output_weight: TokenWeight,
    fixed_weight: u64,
    latency_weight: u64,
    search_weights: [u64; 2],
    pub(crate) min_cost: MinCost,
    /// By how much the three costs fall short at most, and 1 for rounding that.
    cost_shortfall: u64,
    /// By how much the value and all deductions fall short at most, and 1 for rounding that.
    shortfall: u64,
}

impl Scale {
    /// Nothing if prices or the latency penalty are beyond the guards (INVARIANT (guards)).
    pub(crate) fn new(policy: &Policy, quanta: Quanta, min_cost: MinCost) -> Option<Self> {
        let penalty = policy.latency_penalty_per_ms.get();
        let cost_shortfall =
            quanta.input.shortfall() + quanta.output.shortfall() + quanta.fixed.shortfall();
        let latency_shortfall = if penalty == 0 { 0 } else { quanta.latency.shortfall() };
        let other_shortfall = VALUE_SHORTFALL + RISK_SHORTFALL + latency_shortfall;
        Some(Self {
            quanta,
            input_weight: TokenWeight::new(quanta.input)?,
            output_weight: TokenWeight::new(quanta.output)?,
            fixed_weight: column_weight(quanta.fixed, 1)?,
            latency_weight: column_weight(quanta.latency, penalty)?,
            search_weights: [
                column_weight(quanta.per_search, 1)?,
                column_weight(quanta.per_request, 1)?,
            ],
            min_cost,
            cost_shortfall: u64::from(1 + cost_shortfall),
            shortfall: u64::from(1 + cost_shortfall + other_shortfall),
        })
    }

    /// The weight of so many tokens of a class of the prompt or the completion.
    pub(super) fn token_weight(&self, is_prompt: bool, tokens: u32) -> u64 {
        let weight = if is_prompt { self.input_weight } else { self.output_weight };
        weight.of(tokens)
    }

    /// The weights of so many searches: of fees for each, and of fees for all. Nothing if they are beyond the guards.
    pub(super) fn search_weights(&self, searches: u32) -> Option<[u64; 2]> {
        let [each, once] = self.search_weights;
        let each = each.checked_mul(searches.into()).filter(|weight| *weight < WEIGHT_GUARD)?;
        Some([each, if searches == 0 { 0 } else { once }])
    }
}

impl<B: Bill> Bounds<B> {
    /// Nothing if the request is beyond the guards (INVARIANT (guards)).
    #[inline(always)]
    pub(super) fn new(
        valuation: &Valuation<'_>,
        scale: &Scale,
        amounts: &AmountsOf<B>,
    ) -> Option<Self> {
        let request = valuation.request();
        let value_microunits = valuation.value_microunits();
        if value_microunits >= AMOUNT_GUARD {
            return None;
        }
        let costs = Grains::<_, B::Expected, B::Columns>::new(scale, &amounts.expected);
        let maximum = Grains::<_, B::Maximum, B::Columns>::new(scale, &amounts.maximum);
        // Codes are 2 per bps and weights count for a 65,536th, so with twice this as its weight a
        // term is value * confidence * quality in grains.
        let value = value_microunits * u64::from(request.confidence.get());
        let latency_penalty = scale.latency_weight;
        let unit = Unit::fitting(value | costs.digits() | latency_penalty);
        let risk_penalty_units = match u64::try_from(valuation.risk_penalty_microunits()) {
            Ok(penalty) if penalty < AMOUNT_GUARD => unit.amount(penalty),
            // That is more than any value.
            _ => MOST,
        };
        let shortfall = capped(unit.amount(3) + scale.shortfall + costs.shortfall());
        // No number that has a code exceeds 65,536 codes. Each weight was rounded down by less
        // than a grain, two costs were rounded up by less than a microunit each, and two
        // microunits are rounded down here.
        let greatest_cost = maximum.sum() + 20 + grains(2);
        let limit_microunits = request.budget_limit.get();
        let limit = grains(limit_microunits.min(AMOUNT_GUARD));
        let limited = greatest_cost > limit;
        if limited && limit_microunits >= AMOUNT_GUARD {
            return None;
        }
        Some(Self {
            value: Splat::new(unit.weight(value * 2)),
            latency_penalty: Splat::new(unit.weight(latency_penalty)),
            costs: costs.in_units(unit),
            has_fixed_prices: scale.fixed_weight != 0,
            has_latency_penalty: latency_penalty != 0,
            risk_penalty_units,
            maybe_positive: two_below(unit.amount(1) + risk_penalty_units),
            shortfall,
            unit,
            budget: limited.then(|| Budget::new::<B>(&maximum, unit, scale, limit)),
        })
    }

    /// The scores of sixteen models, given their costs.
    #[inline(always)]
    pub(super) fn score<const LATENCY: bool>(&self, costs: Sums, codes: &Codes) -> Sums {
        let mut deductions = costs;
        if LATENCY {
            let penalty = codes.latency.mul_high(self.latency_penalty.lanes());
            deductions = deductions.plus(penalty.signed());
        }
        codes.quality.mul_high(self.value.lanes()).signed().less(deductions)
    }

    /// A model with at least this slack surely passes the gates on the budget and the utility, outliers
    /// aside.
    #[inline(always)]
    pub(super) fn sure_slack(&self, budget: &Budget<B::Maximum>) -> i16 {
        budget.shortfall.max(self.shortfall)
    }

    /// What the score of a model must be above for a utility of at least `utility_microunits`.
    #[inline(always)]
    pub(crate) fn bar(&self, utility_microunits: u64) -> i16 {
        // No utility is above the value, which is below the guard.
        two_below(self.unit.amount(utility_microunits) + self.risk_penalty_units)
    }
}

/// The weights of the costs in grains.
struct Grains<'a, G, C, X> {
    tokens: [u64; 2],
    fixed: u64,
    charges: &'a G,
    of: core::marker::PhantomData<(C, X)>,
}

impl<'a, X, C: Charges<X>> Grains<'a, C::Grains, C, X> {
    #[inline(always)]
    fn new(scale: &Scale, amount: &'a Amount<C::Grains>) -> Self {
        Self {
            tokens: [
                scale.input_weight.of(amount.prompt_tokens),
                scale.output_weight.of(amount.completion_tokens),
            ],
            fixed: scale.fixed_weight,
            charges: &amount.charges,
            of: core::marker::PhantomData,
        }
    }

    /// All weights, or-ed together.
    #[inline(always)]
    fn digits(&self) -> u64 {
        let [prompt, completion] = self.tokens;
        prompt | completion | self.fixed | C::digits(self.charges)
    }

    /// At most `2^61` for each side, the fixed price, and each kind of search: less than `2^64`.
    #[inline(always)]
    fn sum(&self) -> u64 {
        let [prompt, completion] = self.tokens;
        prompt + completion + self.fixed + C::sum(self.charges)
    }

    #[inline(always)]
    fn shortfall(&self) -> u64 {
        C::count(self.charges) * CHARGE_SHORTFALL
    }

    #[inline(always)]
    fn in_units(&self, unit: Unit) -> CostWeights<C> {
        CostWeights {
            tokens: self.tokens.map(|grains| Splat::new(unit.weight(grains))),
            fixed: Splat::new(unit.weight(self.fixed)),
            charges: C::in_units(self.charges, unit),
        }
    }
}

impl<C> CostWeights<C> {
    #[inline(always)]
    pub(super) fn of<const FIXED: bool, X>(&self, codes: &Codes, columns: &X) -> Sums
    where
        C: Charges<X>,
    {
        let cost = self.charges.cost(self.tokens, codes, columns);
        if FIXED { cost.plus(codes.fixed.mul_high(self.fixed.lanes()).signed()) } else { cost }
    }
}

impl<C: Weights> Budget<C> {
    /// Of a request that has none.
    pub(super) const UNLIMITED: Self = Self {
        costs: CostWeights { tokens: [Splat::ZERO; 2], fixed: Splat::ZERO, charges: C::NOTHING },
        in_units_of_utility: false,
        limit: 0,
        shortfall: 0,
    };
}

impl<C> Budget<C> {
    /// In units of `2^k` hundred-millionths, and because rounding up costs less than two
    /// microunits,
    ///
    /// ```text
    /// terms  <=  10^8 * maximum cost / 2^k  <  terms + shortfall + 2 * 10^8 / 2^k
    /// ```
    #[inline(always)]
    fn new<B: Bill<Maximum = C>>(
        costs: &Grains<'_, C::Grains, C, B::Columns>,
        of_utility: Unit,
        scale: &Scale,
        limit_grains: u64,
    ) -> Self
    where
        C: Charges<B::Columns>,
    {
        let in_units_of_utility = !B::HAS_CEILING && of_utility.fits(costs.digits());
        let unit = if in_units_of_utility { of_utility } else { Unit::fitting(costs.digits()) };
        let limit = capped(unit.whole(limit_grains));
        let shortfall = capped(unit.amount(2) + scale.cost_shortfall + costs.shortfall());
        Self { costs: costs.in_units(unit), in_units_of_utility, limit, shortfall }
    }

    /// The costs by their codes, in the budget's units.
    #[inline(always)]
    pub(super) fn costs<X, const N: usize>(&self, codes: &[Codes; N], columns: &[X; N]) -> [Sums; N]
    where
        C: Charges<X>,
    {
        match self.costs.fixed.number() != 0 {
            false => self.costs_of::<X, N, false>(codes, columns),
            true => self.costs_of::<X, N, true>(codes, columns),
        }
    }

    /// Not inlined and without a branch: otherwise the compiler does not recognise that only half of each
    /// product is used.
    #[inline(never)]
    fn costs_of<X, const N: usize, const FIXED: bool>(
        &self,
        codes: &[Codes; N],
        columns: &[X; N],
    ) -> [Sums; N]
    where
        C: Charges<X>,
    {
        each_pair(codes, columns, |codes, columns| self.costs.of::<FIXED, X>(codes, columns))
    }

    /// One bit per cost that is surely above the limit.
    #[inline(always)]
    pub(crate) fn above(&self, costs: Sums) -> u16 {
        costs.above(Sums::splat(self.limit)).bits()
    }

    /// One bit per cost that is surely within the limit, unless the model is an outlier.
    #[inline(always)]
    pub(crate) fn within(&self, costs: Sums) -> u16 {
        !costs.above(Sums::splat(self.sure_limit())).bits()
    }

    /// A cost up to this is surely within the limit.
    #[inline(always)]
    pub(super) fn sure_limit(&self) -> i16 {
        self.limit - self.shortfall
    }
}

/// The greatest sum.
const MOST: u64 = 0x7fff;

/// A number, or the greatest sum.
#[inline(always)]
fn capped(number: u64) -> i16 {
    let [low, high, ..] = number.min(MOST).to_le_bytes();
    i16::from_le_bytes([low, high])
}

/// Two less than a number, or than the greatest sum, which no score reaches.
#[inline(always)]
fn two_below(number: u64) -> i16 {
    capped(number) - 2
}
