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
//! column of zeros falls short by nothing. Call the sum of these shortfalls `F`, at most 14.
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

use super::lanes::{Splat, Sums, each};
use super::min_cost::MinCost;
use super::quantize::{AMOUNT_GUARD, Codes, Quanta, TokenWeight, Unit, column_weight, grains};
use crate::Policy;
use crate::utility::Valuation;

/// By how much the term of the value falls short at most, in units.
const VALUE_SHORTFALL: u16 = 2;
/// By how much the risk penalty falls short at most, in units.
const RISK_SHORTFALL: u16 = 1;

/// The weights of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    value: Splat,
    latency_penalty: Splat,
    pub(super) costs: CostWeights,
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
    pub(crate) budget: Option<Budget>,
}

/// The weights of the three costs, in some unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CostWeights {
    input: Splat,
    output: Splat,
    fixed: Splat,
}

/// A budget limit, in units of its own that suit the costs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    pub(super) costs: CostWeights,
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
            min_cost,
            cost_shortfall: u64::from(1 + cost_shortfall),
            shortfall: u64::from(1 + cost_shortfall + other_shortfall),
        })
    }
}

impl Bounds {
    /// Nothing if the request is beyond the guards (INVARIANT (guards)).
    #[inline(always)]
    pub(crate) fn new(valuation: &Valuation<'_>, scale: &Scale) -> Option<Self> {
        let request = valuation.request();
        let value_microunits = valuation.value_microunits();
        if value_microunits >= AMOUNT_GUARD {
            return None;
        }
        let costs = [
            scale.input_weight.of(request.usage.input_tokens),
            scale.output_weight.of(request.usage.output_tokens),
            scale.fixed_weight,
        ];
        let [input, output, fixed] = costs;
        // Codes are 2 per bps and weights count for a 65,536th, so with twice this as its weight a
        // term is value * confidence * quality in grains.
        let value = value_microunits * u64::from(request.confidence.get());
        let latency_penalty = scale.latency_weight;
        let unit = Unit::fitting(value | input | output | fixed | latency_penalty);
        let risk_penalty_units = match u64::try_from(valuation.risk_penalty_microunits()) {
            Ok(penalty) if penalty < AMOUNT_GUARD => unit.amount(penalty),
            // That is more than any value.
            _ => MOST,
        };
        let shortfall = capped(unit.amount(3) + scale.shortfall);
        // No number that has a code exceeds 65,536 codes. Each weight was rounded down by less
        // than a grain, two costs were rounded up by less than a microunit each, and two
        // microunits are rounded down here.
        let greatest_cost = input + output + fixed + 4 + grains(2);
        let limit_microunits = request.budget_limit.get();
        let limit = grains(limit_microunits.min(AMOUNT_GUARD));
        let limited = greatest_cost > limit;
        if limited && limit_microunits >= AMOUNT_GUARD {
            return None;
        }
        let cost_weights = CostWeights::new(costs, unit);
        Some(Self {
            value: Splat::new(unit.weight(value * 2)),
            latency_penalty: Splat::new(unit.weight(latency_penalty)),
            costs: cost_weights,
            has_fixed_prices: scale.fixed_weight != 0,
            has_latency_penalty: latency_penalty != 0,
            risk_penalty_units,
            maybe_positive: two_below(unit.amount(1) + risk_penalty_units),
            shortfall,
            unit,
            budget: limited.then(|| Budget::new(costs, (unit, cost_weights), scale, limit)),
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
    pub(super) fn sure_slack(&self, budget: &Budget) -> i16 {
        budget.shortfall.max(self.shortfall)
    }

    /// What the score of a model must be above for a utility of at least `utility_microunits`.
    #[inline(always)]
    pub(crate) fn bar(&self, utility_microunits: u64) -> i16 {
        // No utility is above the value, which is below the guard.
        two_below(self.unit.amount(utility_microunits) + self.risk_penalty_units)
    }
}

impl CostWeights {
    #[inline(always)]
    pub(super) fn of<const FIXED: bool>(&self, codes: &Codes) -> Sums {
        let input = codes.input.mul_high(self.input.lanes()).signed();
        let output = codes.output.mul_high(self.output.lanes()).signed();
        let cost = input.plus(output);
        if FIXED { cost.plus(codes.fixed.mul_high(self.fixed.lanes()).signed()) } else { cost }
    }

    #[inline(always)]
    fn new([input, output, fixed]: [u64; 3], unit: Unit) -> Self {
        Self {
            input: Splat::new(unit.weight(input)),
            output: Splat::new(unit.weight(output)),
            fixed: Splat::new(unit.weight(fixed)),
        }
    }
}

impl Budget {
    /// In units of `2^k` hundred-millionths, and because rounding up costs less than two
    /// microunits,
    ///
    /// ```text
    /// terms  <=  10^8 * cost / 2^k  <  terms + shortfall + 2 * 10^8 / 2^k
    /// ```
    #[inline(always)]
    fn new(
        costs: [u64; 3],
        of_utility: (Unit, CostWeights),
        scale: &Scale,
        limit_grains: u64,
    ) -> Self {
        let [input, output, fixed] = costs;
        let in_units_of_utility = of_utility.0.fits(input | output | fixed);
        let (unit, costs) = if in_units_of_utility {
            of_utility
        } else {
            let unit = Unit::fitting(input | output | fixed);
            (unit, CostWeights::new(costs, unit))
        };
        let limit = capped(unit.whole(limit_grains));
        let shortfall = capped(unit.amount(2) + scale.cost_shortfall);
        Self { costs, in_units_of_utility, limit, shortfall }
    }

    /// The costs by their codes, in the budget's units.
    #[inline(always)]
    pub(crate) fn costs<const N: usize>(&self, codes: &[Codes; N]) -> [Sums; N] {
        match self.costs.fixed.number() != 0 {
            false => self.costs_of::<N, false>(codes),
            true => self.costs_of::<N, true>(codes),
        }
    }

    /// Not inlined and without a branch: otherwise the compiler does not recognise that only half of each
    /// product is used.
    #[inline(never)]
    fn costs_of<const N: usize, const FIXED: bool>(&self, codes: &[Codes; N]) -> [Sums; N] {
        each(codes, |codes| self.costs.of::<FIXED>(codes))
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
