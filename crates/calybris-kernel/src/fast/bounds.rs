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
//! weight of one code is below 65,536 and nothing is dropped from exact codes), less than 1 for the
//! weight, less than 1 for the product. The value's code is exact, so its term falls short by less
//! than 2; the risk penalty is a number of the request alone and falls short by less than 1. A
//! column of zeros falls short by nothing. Call the sum of these shortfalls `F`, at most 15.
//!
//! So with `V` for the value's term, `C` for the sum of the deductions' terms and
//! `score = V + 2 - C`, in units:
//!
//! ```text
//! score - F - 3 * 10^8 / 2^k  <  10^8 * U / 2^k  <  score
//! ```
//!
//! Sums saturate at 65,535, which is above any `V` (below 40,000): a saturated deduction is one
//! that no value reaches.

use super::codes::{Code, Codes, QUALITY_CODE, Quanta, Quantum};
use super::lanes::Lanes;
use super::magnitude::{Magnitude, Unit};
use crate::utility::{BPS_SQUARED, TOKENS_PER_PRICE, Valuation};
use crate::{MAX_BPS, Policy};

/// What the value falls short by at most.
const VALUE_SHORTFALL: u16 = 2;
/// What the risk penalty falls short by at most.
const RISK_SHORTFALL: u16 = 1;

/// The limits and the weights of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Whether every enabled model passes the gates on quality, latency and risk ceiling, outliers
    /// aside.
    pub(crate) all_pass: bool,
    minimum_quality: Lanes,
    latency_limit: Lanes,
    risk: Lanes,
    value: Lanes,
    latency_penalty: Lanes,
    costs: CostWeights,
    risk_penalty: Lanes,
    /// One microunit, rounded down.
    one_microunit: Lanes,
    /// By how much a score exceeds the utility at most, outliers aside. Of two models whose scores
    /// differ by this much, the one with the higher score has the higher utility.
    pub(crate) shortfall: u16,
    shortfalls: Lanes,
    unit: Unit,
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

/// What weights and limits of all requests have in common.
///
/// All magnitudes are in hundred-millionths of a microunit, those of weights in 65,536ths of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    quanta: Quanta,
    fixed_weight: Magnitude,
    latency_weight: Magnitude,
    /// At most as good in every column as any enabled model.
    worst: Code,
    /// What the three costs fall short by at most.
    cost_shortfall: u16,
    /// What the value and all deductions fall short by at most.
    shortfall: u16,
}

impl Scale {
    pub(crate) fn new(policy: &Policy, quanta: Quanta, worst: Code) -> Self {
        let penalty = policy.latency_penalty_microunits_per_ms;
        let cost_shortfall =
            quanta.input.shortfall() + quanta.output.shortfall() + quanta.fixed.shortfall();
        let latency_shortfall = if penalty == 0 { 0 } else { quanta.latency.shortfall() };
        Self {
            worst,
            cost_shortfall,
            shortfall: VALUE_SHORTFALL + RISK_SHORTFALL + cost_shortfall + latency_shortfall,
            quanta,
            fixed_weight: MICROUNIT.shifted(quanta.fixed.weight_shift()),
            latency_weight: Magnitude::product(BPS_SQUARED, penalty)
                .shifted(quanta.latency.weight_shift()),
        }
    }
}

const MICROUNIT: Magnitude = Magnitude::new(BPS_SQUARED);
const TWO_MICROUNITS: Magnitude = Magnitude::new(2 * BPS_SQUARED);
const THREE_MICROUNITS: Magnitude = Magnitude::new(3 * BPS_SQUARED);

impl Bounds {
    #[inline]
    pub(crate) fn new(valuation: &Valuation<'_>, scale: &Scale) -> Self {
        let request = valuation.request();
        let Scale { quanta, fixed_weight, latency_weight, .. } = *scale;
        let token_weight = |tokens: u32, quantum: Quantum| {
            const PER_TOKEN: u64 = BPS_SQUARED / TOKENS_PER_PRICE;
            Magnitude::new(PER_TOKEN * u64::from(tokens)).shifted(quantum.weight_shift())
        };
        let costs = [
            token_weight(request.input_tokens, quanta.input),
            token_weight(request.output_tokens, quanta.output),
            fixed_weight,
        ];
        let value = u128::from(request.value_microunits()) * u128::from(request.confidence_bps);
        let value_weight = Magnitude::wide(value).shifted(u16::BITS - QUALITY_CODE.ilog2());

        let cost_unit = Unit::fitting(costs);
        let unit = Unit::fitting([value_weight, latency_weight]).max(cost_unit);
        // A value that no quality brings to one microunit is worth nothing.
        let worthless = value < u128::from(BPS_SQUARED / MAX_BPS as u64);
        let one_microunit = if worthless { u16::MAX } else { unit.count(MICROUNIT) };
        let shortfall = unit.count(THREE_MICROUNITS).saturating_add(1 + scale.shortfall);
        let risk_penalty = u128::from(BPS_SQUARED) * valuation.risk_penalty_microunits();
        let minimum_quality = quality_code(request.minimum_quality_bps);
        let latency_limit = match request.max_p95_latency_ms {
            0 => u16::MAX,
            limit_ms => quanta.latency.encode(limit_ms.into()).0,
        };
        let worst = &scale.worst;
        Self {
            all_pass: worst.quality >= minimum_quality
                && worst.latency <= latency_limit
                && worst.ceiling >= request.risk_bps,
            minimum_quality: Lanes::splat(minimum_quality),
            latency_limit: Lanes::splat(latency_limit),
            risk: Lanes::splat(request.risk_bps),
            value: Lanes::splat(unit.count(value_weight)),
            latency_penalty: Lanes::splat(unit.count(latency_weight)),
            costs: CostWeights::new(costs, unit),
            risk_penalty: Lanes::splat(unit.count(Magnitude::wide(risk_penalty))),
            one_microunit: Lanes::splat(one_microunit),
            shortfalls: Lanes::splat(shortfall),
            shortfall,
            unit,
            budget: Budget::new(costs, cost_unit, scale, request.budget_limit_microunits),
        }
    }

    /// One bit per model whose quality, latency and risk ceiling pass.
    #[inline]
    pub(crate) fn passing(&self, codes: &Codes) -> u16 {
        self.quality_shortage(codes)
            .or(self.latency_excess(codes))
            .or(self.risk_excess(codes))
            .zeros()
    }

    /// How far a model's quality is below the minimum; 0 passes.
    #[inline]
    pub(crate) fn quality_shortage(&self, codes: &Codes) -> Lanes {
        self.minimum_quality.saturating_sub(codes.quality)
    }

    /// How far a model's latency is above the limit; 0 passes, unless the model is an outlier.
    #[inline]
    pub(crate) fn latency_excess(&self, codes: &Codes) -> Lanes {
        codes.latency.saturating_sub(self.latency_limit)
    }

    /// How far the request's risk is above a model's ceiling; 0 passes.
    #[inline]
    pub(crate) fn risk_excess(&self, codes: &Codes) -> Lanes {
        self.risk.saturating_sub(codes.ceiling)
    }

    /// The scores: each is above the model's utility, in units, or 0.
    #[inline]
    pub(crate) fn score(&self, codes: &Codes) -> Lanes {
        let deductions = self
            .costs
            .of(codes)
            .saturating_add(codes.latency.mul_high(self.latency_penalty))
            .saturating_add(self.risk_penalty);
        let value = codes.quality.mul_high(self.value);
        value.saturating_add(Lanes::splat(VALUE_SHORTFALL)).saturating_sub(deductions)
    }

    /// One bit per score with which the utility may be positive.
    #[inline]
    pub(crate) fn maybe_positive(&self, score: Lanes) -> u16 {
        !score.saturating_sub(self.one_microunit).zeros()
    }

    /// One bit per score with which the utility is positive, unless the model is an outlier.
    #[inline]
    pub(crate) fn surely_positive(&self, score: Lanes) -> u16 {
        !score.saturating_sub(self.shortfalls).zeros()
    }

    /// The score that a model must reach for a utility of at least `utility_microunits`.
    pub(crate) fn bar(&self, utility_microunits: u64) -> u16 {
        let utility = Magnitude::product(BPS_SQUARED, utility_microunits);
        self.unit.count(utility).saturating_add(1)
    }
}

impl CostWeights {
    #[inline]
    fn of(&self, codes: &Codes) -> Lanes {
        codes
            .input
            .mul_high(self.input)
            .saturating_add(codes.output.mul_high(self.output))
            .saturating_add(codes.fixed.mul_high(self.fixed))
    }

    fn new([input, output, fixed]: [Magnitude; 3], unit: Unit) -> Self {
        Self {
            input: Lanes::splat(unit.count(input)),
            output: Lanes::splat(unit.count(output)),
            fixed: Lanes::splat(unit.count(fixed)),
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
    #[inline]
    fn new(
        costs: [Magnitude; 3],
        unit: Unit,
        scale: &Scale,
        limit_microunits: u64,
    ) -> Option<Self> {
        if limit_microunits == u64::MAX {
            // Costs saturate here, so none exceeds it.
            return None;
        }
        // No term exceeds its weight.
        let greatest: u32 = costs.into_iter().map(|weight| u32::from(unit.count(weight))).sum();
        let limit = Magnitude::product(BPS_SQUARED, limit_microunits);
        let slack = unit.count(TWO_MICROUNITS).saturating_add(scale.cost_shortfall + 1);
        if greatest + u32::from(slack) <= unit.count_beyond(limit) {
            return None;
        }
        let limit = unit.count(limit);
        Some(Self {
            costs: CostWeights::new(costs, unit),
            limit: Lanes::splat(limit),
            surely_within: Lanes::splat(limit.saturating_add(1).saturating_sub(slack)),
        })
    }

    /// One bit per model that is surely above the limit.
    #[inline]
    pub(crate) fn above(&self, codes: &Codes) -> u16 {
        !self.costs.of(codes).saturating_sub(self.limit).zeros()
    }

    /// One bit per model that is surely within the limit, unless it is an outlier.
    #[inline]
    pub(crate) fn within(&self, codes: &Codes) -> u16 {
        // A cost of 65,535 may stand for any, but no limit is as high once the slack is off.
        let one_more = self.costs.of(codes).saturating_add(Lanes::splat(1));
        one_more.saturating_sub(self.surely_within).zeros()
    }
}

/// The code of a quality, which is at most 10,000.
pub(crate) const fn quality_code(quality_bps: u16) -> u16 {
    quality_bps.saturating_mul(QUALITY_CODE)
}
