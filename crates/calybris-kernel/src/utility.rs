//! Cost and utility: every formula of the kernel, each once.

use crate::{Model, Policy, Request};

/// Prices are per this many tokens.
pub(crate) const TOKENS_PER_PRICE: u64 = 1_000_000;
/// One basis point times one basis point, as parts of the whole.
pub(crate) const BPS_SQUARED: u64 = 100_000_000;

/// The terms of a model's utility, each exact; [`utility_microunits`] adds them up.
///
/// [`utility_microunits`]: UtilityTerms::utility_microunits
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UtilityTerms {
    /// The business value times confidence times quality, rounded down.
    pub adjusted_value_microunits: u64,
    /// The business value times risk times the policy's multiplier, rounded down.
    pub risk_penalty_microunits: u128,
    /// What the call costs; `u64::MAX` also stands for anything above it.
    pub cost_microunits: u64,
    /// The p95 latency times the policy's penalty.
    pub latency_penalty_microunits: u128,
}

impl UtilityTerms {
    /// The value less risk, cost and latency; only this sum is clamped to what an `i64` holds.
    ///
    /// ```
    /// use calybris_kernel::UtilityTerms;
    ///
    /// let terms = UtilityTerms {
    ///     adjusted_value_microunits: 1_000,
    ///     risk_penalty_microunits: 100,
    ///     cost_microunits: 350,
    ///     latency_penalty_microunits: 50,
    /// };
    /// assert_eq!(terms.utility_microunits(), 500);
    /// ```
    #[must_use]
    #[inline]
    pub fn utility_microunits(&self) -> i64 {
        let (value, cost) = (self.adjusted_value_microunits, self.cost_microunits);
        let (risk, latency) = (self.risk_penalty_microunits, self.latency_penalty_microunits);
        utility_in_64_bits(value, risk, cost, latency)
            .unwrap_or_else(|| utility_in_128_bits(value, risk, cost, latency))
    }
}

/// The value less all else, if every part of the sum is below `2^61`.
#[inline(always)]
fn utility_in_64_bits(value: u64, risk: u128, cost: u64, latency: u128) -> Option<i64> {
    // One check for all four; what passes it adds up to less than `2^63`.
    if (risk | latency | u128::from(value | cost)) >> 61 != 0 {
        return None;
    }
    let signed = |part: u128| i64::try_from(part).ok();
    let (risk, latency) = (signed(risk)?, signed(latency)?);
    Some(i64::try_from(value).ok()? - (risk + i64::try_from(cost).ok()? + latency))
}

#[cold]
#[inline(never)]
fn utility_in_128_bits(value: u64, risk: u128, cost: u64, latency: u128) -> i64 {
    let deductions = risk
        .checked_add(u128::from(cost))
        .and_then(|sum| sum.checked_add(latency))
        .and_then(|sum| i128::try_from(sum).ok());
    let Some(deductions) = deductions else { return i64::MIN };
    let exact = i128::from(value) - deductions;
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// What a request is worth under a policy, and what it costs at each model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valuation<'a> {
    policy: &'a Policy,
    request: &'a Request,
    risk_penalty_microunits: u128,
}

impl<'a> Valuation<'a> {
    pub(crate) fn new(policy: &'a Policy, request: &'a Request) -> Self {
        let risk_penalty_microunits = risk_penalty_microunits(policy, request);
        Self { policy, request, risk_penalty_microunits }
    }

    pub(crate) const fn request(&self) -> &'a Request {
        self.request
    }

    pub(crate) const fn risk_penalty_microunits(&self) -> u128 {
        self.risk_penalty_microunits
    }

    /// The terms of one model's utility.
    #[inline]
    pub(crate) fn terms(&self, model: &Model) -> UtilityTerms {
        self.terms_at_cost(model, self.cost_microunits(model))
    }

    /// The same, for a cost that is known already.
    #[inline]
    pub(crate) fn terms_at_cost(&self, model: &Model, cost_microunits: u64) -> UtilityTerms {
        UtilityTerms {
            adjusted_value_microunits: adjusted_value_microunits(self.request, model),
            risk_penalty_microunits: self.risk_penalty_microunits,
            cost_microunits,
            latency_penalty_microunits: latency_penalty_microunits(self.policy, model),
        }
    }

    /// [`cost_microunits`] of a model for this request.
    #[inline]
    pub(crate) fn cost_microunits(&self, model: &Model) -> u64 {
        cost_microunits(self.request, model)
    }
}

/// `fixed price + ceil(input tokens * price / 10^6) + ceil(output tokens * price / 10^6)`, or
/// `u64::MAX` if that is more.
#[inline]
pub(crate) fn cost_microunits(request: &Request, model: &Model) -> u64 {
    let input = token_cost(request.input_tokens, model.input_price_microunits_per_million_tokens);
    let output =
        token_cost(request.output_tokens, model.output_price_microunits_per_million_tokens);
    model.fixed_price_microunits.saturating_add(input).saturating_add(output)
}

/// `ceil(tokens * price / 10^6)`, or `u64::MAX` if that is more.
#[inline]
fn token_cost(tokens: u32, price_microunits_per_million_tokens: u64) -> u64 {
    // 64 bits nearly always suffice, and a division in 64 bits is several times faster than one
    // in 128.
    let product = u64::from(tokens).checked_mul(price_microunits_per_million_tokens);
    match product.and_then(|product| product.checked_add(TOKENS_PER_PRICE - 1)) {
        Some(rounded_up) => rounded_up / TOKENS_PER_PRICE,
        None => token_cost_in_128_bits(tokens, price_microunits_per_million_tokens),
    }
}

#[cold]
#[inline(never)]
fn token_cost_in_128_bits(tokens: u32, price_microunits_per_million_tokens: u64) -> u64 {
    let product = u128::from(tokens) * u128::from(price_microunits_per_million_tokens);
    u64::try_from(product.div_ceil(u128::from(TOKENS_PER_PRICE))).unwrap_or(u64::MAX)
}

/// `floor(value * confidence * quality / 10^8)`. It never exceeds the value, because confidence
/// and quality are at most one whole.
#[inline]
fn adjusted_value_microunits(request: &Request, model: &Model) -> u64 {
    let share = share_of_value(request, request.confidence_bps, model.quality_bps);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// `floor(value * risk * risk multiplier / 10^8)`, below 2^66.
pub(crate) fn risk_penalty_microunits(policy: &Policy, request: &Request) -> u128 {
    share_of_value(request, request.risk_bps, policy.risk_penalty_multiplier_bps)
}

/// `floor(value * first * second / 10^8)`, rounded once.
#[inline]
fn share_of_value(request: &Request, first_bps: u16, second_bps: u16) -> u128 {
    let value = request.value_microunits();
    let bps = u64::from(first_bps) * u64::from(second_bps);
    match value.checked_mul(bps) {
        Some(product) => u128::from(product / BPS_SQUARED),
        None => share_in_128_bits(value, bps),
    }
}

#[cold]
#[inline(never)]
fn share_in_128_bits(value: u64, bps: u64) -> u128 {
    u128::from(value) * u128::from(bps) / u128::from(BPS_SQUARED)
}

/// `p95 latency * penalty`, below 2^96.
#[inline]
fn latency_penalty_microunits(policy: &Policy, model: &Model) -> u128 {
    u128::from(model.p95_latency_ms) * u128::from(policy.latency_penalty_microunits_per_ms)
}
