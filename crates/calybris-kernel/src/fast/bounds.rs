//! Between which limits a model's utility and cost lie, judged by its codes alone.
//!
//! Utility is reckoned in *units* of `2^k` hundred-millionths of a microunit, with `k` as small as
//! the weights allow. Write `A` for `value * confidence * quality`, `D` for `10^8` times the exact
//! deductions before token costs are rounded up, and `U` for the utility. The law rounds `A` down
//! once (less than `10^8` lost) and each of two token costs up (less than `10^8` each), so
//!
//! ```text
//! A - D - 3 * 10^8  <  10^8 * U  <=  A - D
//! ```
//!
//! A term is a code times a weight, divided by 65,536. It never exceeds the true term, because the
//! code doesn't (INVARIANT (codes)), the weight is rounded down and so is the product. It falls
//! short by less than 3 units: less than 1 for the part of the number that the code drops (the
//! weight of one code is below 65,536), less than 1 for the weight, less than 1 for the product.
//! The value's code is exact, so its term falls short by less than 2; the risk penalty is a number
//! of the request alone and falls short by less than 1.
//!
//! So with `V` for the value's term, `C` for the sum of the deductions' terms and `score = V - C`,
//! in units:
//!
//! ```text
//! score - 13 - 3 * 10^8 / 2^k  <  10^8 * U / 2^k  <  score + 2
//! ```
//!
//! Sums saturate at 65,535, which is above any `V` (below 40,000): a saturated deduction is one
//! that no value reaches.

use super::lanes::Lanes;
use super::octet::{Octet, QUALITY_CODE, Quanta};
use crate::MAX_BPS;
use crate::utility::{BPS_SQUARED, TOKENS_PER_PRICE, Valuation};

/// What four deductions of a code and the risk penalty fall short by at most.
const DEDUCTION_SHORTFALL: u16 = 4 * 3 + 1;
/// What three costs fall short by at most.
const COST_SHORTFALL: u16 = 3 * 3;
/// What the value falls short by at most.
const VALUE_SHORTFALL: u16 = 2;

/// The limits and the weights of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    minimum_quality: Lanes,
    latency_limit: Lanes,
    risk: Lanes,
    value: Lanes,
    latency_penalty: Lanes,
    costs: CostWeights,
    risk_penalty: Lanes,
    /// A score plus [`VALUE_SHORTFALL`] must exceed this, or the utility is not positive.
    one_microunit: Lanes,
    /// A score above this means that the utility is positive.
    surely_positive: Lanes,
    /// Two models whose scores differ by this much have utilities that differ the same way.
    pub(crate) margin: u16,
    unit: u32,
    /// The budget, unless no model can exceed it.
    pub(crate) budget: Option<Budget>,
}

/// The weights of the three costs, in some unit.
#[derive(Clone, Copy, Debug)]
struct CostWeights {
    input: Lanes,
    output: Lanes,
    fixed: Lanes,
}

/// A budget limit, in units of its own that suit the costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    costs: CostWeights,
    limit: Lanes,
    /// One more than the cost up to which a model is surely within the limit; 0 if none is.
    surely_within: Lanes,
}

impl Bounds {
    pub(crate) fn new(valuation: &Valuation<'_>, quanta: &Quanta) -> Self {
        let request = valuation.request();
        // All weights are those of one code, in 65,536ths of a hundred-millionth of a microunit.
        // They fit: the largest is `10^8 * 2^64 * 2^16`, below 2^107.
        let microunit = u128::from(BPS_SQUARED);
        let per_token = u128::from(BPS_SQUARED / TOKENS_PER_PRICE);
        let value = u128::from(request.value_microunits()) * u128::from(request.confidence_bps);
        let value_weight = (value << u16::BITS) / u128::from(QUALITY_CODE);
        let input_weight = quanta.input.weight(per_token * u128::from(request.input_tokens));
        let output_weight = quanta.output.weight(per_token * u128::from(request.output_tokens));
        let fixed_weight = quanta.fixed.weight(microunit);
        let latency_weight = quanta
            .latency
            .weight(microunit * u128::from(valuation.policy().latency_penalty_microunits_per_ms));

        let cost_weights = input_weight | output_weight | fixed_weight;
        let unit = bits_above_16(cost_weights | value_weight | latency_weight);
        let costs_in = |unit| CostWeights {
            input: Lanes::splat(in_units(input_weight, unit)),
            output: Lanes::splat(in_units(output_weight, unit)),
            fixed: Lanes::splat(in_units(fixed_weight, unit)),
        };
        // A value that no quality brings to one microunit is worth nothing.
        let worthless = value * u128::from(MAX_BPS) < microunit;
        let one_microunit = if worthless { u16::MAX } else { in_units(microunit, unit) };
        let shortfall =
            in_units(3 * microunit, unit).saturating_add(DEDUCTION_SHORTFALL).saturating_add(1);
        Self {
            minimum_quality: Lanes::splat(quality_code(request.minimum_quality_bps)),
            latency_limit: Lanes::splat(match request.max_p95_latency_ms {
                0 => u16::MAX,
                limit_ms => quanta.latency.encode(limit_ms.into()).0,
            }),
            risk: Lanes::splat(request.risk_bps),
            value: Lanes::splat(in_units(value_weight, unit)),
            latency_penalty: Lanes::splat(in_units(latency_weight, unit)),
            costs: costs_in(unit),
            risk_penalty: Lanes::splat(in_units(
                microunit * valuation.risk_penalty_microunits(),
                unit,
            )),
            one_microunit: Lanes::splat(one_microunit),
            surely_positive: Lanes::splat(shortfall - 1),
            margin: shortfall.saturating_add(VALUE_SHORTFALL),
            unit,
            budget: match request.budget_limit_microunits {
                // Costs saturate here, so none exceeds it.
                u64::MAX => None,
                limit_microunits => {
                    let unit = bits_above_16(cost_weights);
                    let limit = microunit * u128::from(limit_microunits);
                    Budget::new(costs_in(unit), limit >> unit, (2 * microunit) >> unit)
                }
            },
        }
    }

    /// One bit per model whose quality, latency and risk ceiling pass.
    #[inline]
    pub(crate) fn passing(&self, octet: &Octet) -> u8 {
        self.quality_shortage(octet)
            .or(self.latency_excess(octet))
            .or(self.risk_excess(octet))
            .zeros()
    }

    /// How far a model's quality is below the minimum; 0 passes.
    #[inline]
    pub(crate) fn quality_shortage(&self, octet: &Octet) -> Lanes {
        self.minimum_quality.saturating_sub(octet.quality)
    }

    /// How far a model's latency is above the limit; 0 passes, unless the model is an outlier.
    #[inline]
    pub(crate) fn latency_excess(&self, octet: &Octet) -> Lanes {
        octet.latency.saturating_sub(self.latency_limit)
    }

    /// How far the request's risk is above a model's ceiling; 0 passes.
    #[inline]
    pub(crate) fn risk_excess(&self, octet: &Octet) -> Lanes {
        self.risk.saturating_sub(octet.ceiling)
    }

    /// One bit per model whose utility may be positive, and the scores.
    #[inline]
    pub(crate) fn score(&self, octet: &Octet) -> (u8, Lanes) {
        let value = octet.quality.mul_high(self.value);
        let deductions = self
            .costs
            .of(octet)
            .saturating_add(octet.latency.mul_high(self.latency_penalty))
            .saturating_add(self.risk_penalty);
        let least = deductions.saturating_add(self.one_microunit);
        let most = value.saturating_add(Lanes::splat(VALUE_SHORTFALL));
        (!most.saturating_sub(least).zeros(), value.saturating_sub(deductions))
    }

    /// One bit per score that surely means a positive utility; outliers aside.
    #[inline]
    pub(crate) fn surely_positive(&self, score: Lanes) -> u8 {
        !score.saturating_sub(self.surely_positive).zeros()
    }

    /// The score that a model must reach for a utility of at least `utility_microunits`.
    pub(crate) fn bar(&self, utility_microunits: u64) -> u16 {
        let units = in_units(u128::from(BPS_SQUARED) * u128::from(utility_microunits), self.unit);
        units.saturating_sub(VALUE_SHORTFALL - 1)
    }
}

impl CostWeights {
    #[inline]
    fn of(&self, octet: &Octet) -> Lanes {
        octet
            .input
            .mul_high(self.input)
            .saturating_add(octet.output.mul_high(self.output))
            .saturating_add(octet.fixed.mul_high(self.fixed))
    }

    fn most(&self) -> u32 {
        [self.input, self.output, self.fixed]
            .into_iter()
            .map(|weight| u32::from(weight.first()))
            .sum()
    }
}

impl Budget {
    /// `limit` and `rounding` are in units. Rounding up costs less than two microunits, so
    ///
    /// ```text
    /// cost's terms  <=  10^8 * cost / 2^k  <  cost's terms + 9 + rounding
    /// ```
    fn new(costs: CostWeights, limit: u128, rounding: u128) -> Option<Self> {
        let limit = u16::try_from(limit).unwrap_or(u16::MAX);
        let rounding = u16::try_from(rounding).unwrap_or(u16::MAX);
        let slack = rounding.saturating_add(COST_SHORTFALL).saturating_add(1);
        if costs.most() + u32::from(slack) <= u32::from(limit) {
            return None;
        }
        let surely_within = limit.saturating_add(1).saturating_sub(slack);
        Some(Self { costs, limit: Lanes::splat(limit), surely_within: Lanes::splat(surely_within) })
    }

    /// One bit per model that is surely above the limit, and one per model surely within it;
    /// outliers are never surely within it, whatever the second says.
    #[inline]
    pub(crate) fn judge(&self, octet: &Octet) -> (u8, u8) {
        let cost = self.costs.of(octet);
        let above = !cost.saturating_sub(self.limit).zeros();
        // A cost of 65,535 may stand for any, but then the limit is lower by the slack.
        let one_more = cost.saturating_add(Lanes::splat(1));
        (above, one_more.saturating_sub(self.surely_within).zeros())
    }
}

/// The code of a quality, which is at most 10,000.
pub(crate) const fn quality_code(quality_bps: u16) -> u16 {
    quality_bps.saturating_mul(QUALITY_CODE)
}

/// How far to shift right for 16 bits to remain.
const fn bits_above_16(number: u128) -> u32 {
    (u128::BITS - number.leading_zeros()).saturating_sub(u16::BITS)
}

/// A number of hundred-millionths as a number of units, rounded down; 65,535 if it is more.
fn in_units(number: u128, unit: u32) -> u16 {
    u16::try_from(number >> unit).unwrap_or(u16::MAX)
}
