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
use super::lanes::{Lanes, Splat};
use super::magnitude::{Magnitude, Unit};
use crate::utility::{BPS_SQUARED, TOKENS_PER_PRICE, Valuation};
use crate::{MAX_BPS, Policy, Request};

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
    minimum_quality: Splat,
    latency_limit: Splat,
    risk: Splat,
    value: Splat,
    latency_penalty: Splat,
    costs: CostWeights,
    risk_penalty: Splat,
    /// One microunit, rounded down.
    one_microunit: Splat,
    /// By how much a score exceeds the utility at most, outliers aside. Of two models whose scores
    /// differ by this much, the one with the higher score has the higher utility.
    shortfall: Splat,
    unit: Unit,
    /// The budget, unless no model can exceed it.
    pub(crate) budget: Option<Budget>,
}

/// Which of the gates on quality, latency and risk ceiling are passed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passes {
    pub(crate) quality: bool,
    pub(crate) latency: bool,
    pub(crate) ceiling: bool,
}

/// The weights of the three costs, in some unit.
#[derive(Clone, Copy, Debug)]
struct CostWeights {
    input: Splat,
    output: Splat,
    fixed: Splat,
}

/// A budget limit, in units of its own that suit the costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    costs: CostWeights,
    limit: Splat,
    /// One more than the cost up to which a model is surely within the limit; 0 if none is.
    surely_within: Splat,
}

/// What weights and limits of all requests have in common.
///
/// All magnitudes are in hundred-millionths of a microunit, those of weights in 65,536ths of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    quanta: Quanta,
    fixed_weight: Magnitude,
    latency_weight: Magnitude,
    /// What no input price, output price or fixed price exceeds, outliers aside.
    greatest_prices: [u64; 3],
    /// At most as good in every column as any enabled model.
    worst: Code,
    /// What the three costs fall short by at most.
    cost_shortfall: u16,
    /// What the value and all deductions fall short by at most, and 1 for rounding that.
    shortfall: u16,
}

impl Scale {
    pub(crate) fn new(policy: &Policy, quanta: Quanta, worst: Code) -> Self {
        let penalty = policy.latency_penalty_microunits_per_ms;
        let cost_shortfall =
            quanta.input.shortfall() + quanta.output.shortfall() + quanta.fixed.shortfall();
        let latency_shortfall = if penalty == 0 { 0 } else { quanta.latency.shortfall() };
        Self {
            quanta,
            fixed_weight: MICROUNIT.shifted(quanta.fixed.weight_shift()),
            latency_weight: Magnitude::product(BPS_SQUARED, penalty)
                .shifted(quanta.latency.weight_shift()),
            greatest_prices: [quanta.input, quanta.output, quanta.fixed].map(Quantum::greatest),
            worst,
            cost_shortfall,
            shortfall: 1 + VALUE_SHORTFALL + RISK_SHORTFALL + cost_shortfall + latency_shortfall,
        }
    }

    /// The weights of the three costs.
    #[inline]
    fn cost_weights(&self, request: &Request) -> [Magnitude; 3] {
        const PER_TOKEN: u64 = BPS_SQUARED / TOKENS_PER_PRICE;
        let weight = |tokens: u32, quantum: Quantum| {
            Magnitude::new(PER_TOKEN * u64::from(tokens)).shifted(quantum.weight_shift())
        };
        [
            weight(request.input_tokens, self.quanta.input),
            weight(request.output_tokens, self.quanta.output),
            self.fixed_weight,
        ]
    }

    /// Whether no model exceeds the budget, outliers aside: a quick answer that may be a wrong no.
    #[inline]
    fn all_affordable(&self, request: &Request) -> bool {
        // A million is more than 2^19, so this overstates each cost.
        let cost =
            |tokens: u32, greatest: u64| Some((u64::from(tokens).checked_mul(greatest)? >> 19) + 1);
        let [input, output, fixed] = self.greatest_prices;
        let costs = cost(request.input_tokens, input)
            .zip(cost(request.output_tokens, output))
            .and_then(|(input, output)| fixed.checked_add(input)?.checked_add(output));
        costs.is_some_and(|costs| costs <= request.budget_limit_microunits)
    }
}

const MICROUNIT: Magnitude = Magnitude::new(BPS_SQUARED);
const TWO_MICROUNITS: Magnitude = Magnitude::new(2 * BPS_SQUARED);
const THREE_MICROUNITS: Magnitude = Magnitude::new(3 * BPS_SQUARED);

impl Bounds {
    #[inline]
    pub(crate) fn new(valuation: &Valuation<'_>, scale: &Scale) -> Self {
        let request = valuation.request();
        let costs = scale.cost_weights(request);
        let value = Magnitude::product(request.value_microunits(), request.confidence_bps.into());
        let value_weight = value.shifted(u16::BITS - QUALITY_CODE.ilog2());
        let latency_weight = scale.latency_weight;
        let [input_weight, output_weight, fixed_weight] = costs;
        let unit = Unit::fitting([
            value_weight,
            input_weight,
            output_weight,
            fixed_weight,
            latency_weight,
        ]);
        let risk_penalty = match u64::try_from(valuation.risk_penalty_microunits()) {
            Ok(penalty) => unit.count(Magnitude::product(BPS_SQUARED, penalty)),
            // That is more than any value.
            Err(_) => u16::MAX,
        };
        // A value that no quality brings to one microunit is worth nothing.
        let worthless = request.value_microunits().saturating_mul(request.confidence_bps.into())
            < BPS_SQUARED / u64::from(MAX_BPS);
        let one_microunit = if worthless { u16::MAX } else { unit.count(MICROUNIT) };
        let minimum_quality = quality_code(request.minimum_quality_bps);
        let latency_limit = match request.max_p95_latency_ms {
            0 => u16::MAX,
            limit_ms => scale.quanta.latency.encode(limit_ms.into()).0,
        };
        let worst = &scale.worst;
        Self {
            all_pass: worst.quality >= minimum_quality
                && worst.latency <= latency_limit
                && worst.ceiling >= request.risk_bps,
            minimum_quality: Splat::new(minimum_quality),
            latency_limit: Splat::new(latency_limit),
            risk: Splat::new(request.risk_bps),
            value: Splat::new(unit.count_fitting(value_weight)),
            latency_penalty: Splat::new(unit.count_fitting(latency_weight)),
            costs: CostWeights::new(costs, unit),
            risk_penalty: Splat::new(risk_penalty),
            one_microunit: Splat::new(one_microunit),
            shortfall: Splat::new(unit.count(THREE_MICROUNITS).saturating_add(scale.shortfall)),
            unit,
            budget: Budget::new(scale, request),
        }
    }

    /// Which gates a model of these codes passes; so do all that are no worse in any column.
    #[inline]
    pub(crate) fn passes(&self, code: &Code) -> Passes {
        Passes {
            quality: code.quality >= self.minimum_quality.number(),
            latency: code.latency <= self.latency_limit.number(),
            ceiling: code.ceiling >= self.risk.number(),
        }
    }

    #[inline]
    pub(crate) fn shortfall(&self) -> u16 {
        self.shortfall.number()
    }

    /// One bit per model whose quality, latency and risk ceiling pass.
    #[inline(always)]
    pub(crate) fn passing(&self, codes: &Codes) -> u16 {
        self.quality_shortage(codes)
            .or(self.latency_excess(codes))
            .or(self.risk_excess(codes))
            .zeros()
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

    /// The scores: each is above the model's utility, in units, or 0.
    #[inline(always)]
    pub(crate) fn score(&self, codes: &Codes) -> Lanes {
        let deductions = self
            .costs
            .of(codes)
            .saturating_add(codes.latency.mul_high(self.latency_penalty.lanes()))
            .saturating_add(self.risk_penalty.lanes());
        let value = codes.quality.mul_high(self.value.lanes());
        value.saturating_add(Lanes::splat(VALUE_SHORTFALL)).saturating_sub(deductions)
    }

    /// One bit per score with which the utility may be positive.
    #[inline(always)]
    pub(crate) fn maybe_positive(&self, score: Lanes) -> u16 {
        !score.saturating_sub(self.one_microunit.lanes()).zeros()
    }

    /// One bit per score with which the utility is positive, unless the model is an outlier.
    #[inline(always)]
    pub(crate) fn surely_positive(&self, score: Lanes) -> u16 {
        !score.saturating_sub(self.shortfall.lanes()).zeros()
    }

    /// The score that a model must reach for a utility of at least `utility_microunits`.
    pub(crate) fn bar(&self, utility_microunits: u64) -> u16 {
        let utility = Magnitude::product(BPS_SQUARED, utility_microunits);
        self.unit.count(utility).saturating_add(1)
    }
}

impl CostWeights {
    #[inline(always)]
    fn of(&self, codes: &Codes) -> Lanes {
        codes
            .input
            .mul_high(self.input.lanes())
            .saturating_add(codes.output.mul_high(self.output.lanes()))
            .saturating_add(codes.fixed.mul_high(self.fixed.lanes()))
    }

    #[inline]
    fn new([input, output, fixed]: [Magnitude; 3], unit: Unit) -> Self {
        Self {
            input: Splat::new(unit.count_fitting(input)),
            output: Splat::new(unit.count_fitting(output)),
            fixed: Splat::new(unit.count_fitting(fixed)),
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
    fn new(scale: &Scale, request: &Request) -> Option<Self> {
        // Costs saturate at `u64::MAX`, so none exceeds that.
        if request.budget_limit_microunits == u64::MAX || scale.all_affordable(request) {
            return None;
        }
        let costs = scale.cost_weights(request);
        let unit = Unit::fitting(costs);
        let slack = unit.count(TWO_MICROUNITS).saturating_add(scale.cost_shortfall + 1);
        let limit = unit.count(Magnitude::product(BPS_SQUARED, request.budget_limit_microunits));
        Some(Self {
            costs: CostWeights::new(costs, unit),
            limit: Splat::new(limit),
            surely_within: Splat::new(limit.saturating_add(1).saturating_sub(slack)),
        })
    }

    /// The costs by their codes, in the budget's units.
    #[inline(always)]
    pub(crate) fn costs(&self, codes: &Codes) -> Lanes {
        self.costs.of(codes)
    }

    /// One bit per cost that is surely above the limit.
    #[inline(always)]
    pub(crate) fn above(&self, costs: Lanes) -> u16 {
        !costs.saturating_sub(self.limit.lanes()).zeros()
    }

    /// One bit per cost that is surely within the limit, unless the model is an outlier.
    #[inline(always)]
    pub(crate) fn within(&self, costs: Lanes) -> u16 {
        // A cost of 65,535 may stand for any, but no limit is as high once the slack is off.
        let one_more = costs.saturating_add(Lanes::splat(1));
        one_more.saturating_sub(self.surely_within.lanes()).zeros()
    }
}

/// The code of a quality, which is at most 10,000.
pub(crate) const fn quality_code(quality_bps: u16) -> u16 {
    quality_bps.saturating_mul(QUALITY_CODE)
}
