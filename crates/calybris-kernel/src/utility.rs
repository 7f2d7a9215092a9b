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
    pub fn utility_microunits(&self) -> i64 {
        let deductions = self
            .risk_penalty_microunits
            .checked_add(self.cost_microunits.into())
            .and_then(|sum| sum.checked_add(self.latency_penalty_microunits))
            .and_then(|sum| i128::try_from(sum).ok());
        let Some(deductions) = deductions else { return i64::MIN };
        let exact = i128::from(self.adjusted_value_microunits) - deductions;
        i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The formulas that divide or may grow, for whole numbers of one width.
macro_rules! formulas {
    ($number:ident) => {
        use super::{BPS_SQUARED, TOKENS_PER_PRICE};

        /// `ceil(tokens * price / 10^6)`.
        #[inline(always)]
        pub(super) fn token_cost(tokens: u32, price_microunits_per_million: u64) -> $number {
            let per_million = $number::from(TOKENS_PER_PRICE);
            let product = $number::from(tokens) * $number::from(price_microunits_per_million);
            // `div_ceil` would multiply back to see whether anything is left.
            let almost_one_more = per_million - 1;
            (product + almost_one_more) / per_million
        }

        /// `floor(value * first * second / 10^8)`, rounded once.
        #[inline(always)]
        pub(super) fn share(value: u64, first_bps: u16, second_bps: u16) -> $number {
            let product =
                $number::from(value) * $number::from(first_bps) * $number::from(second_bps);
            product / $number::from(BPS_SQUARED)
        }

        /// `p95 latency * penalty`.
        #[inline(always)]
        pub(super) fn latency_penalty(p95_latency_ms: u32, penalty_per_ms: u64) -> $number {
            $number::from(p95_latency_ms) * $number::from(penalty_per_ms)
        }
    };
}

/// 128 bits hold whatever the inputs are: `2^63 * 2^16 * 2^16` and `2^32 * 2^64` are less.
mod wide {
    formulas!(u128);
}

/// 64 bits are several times faster, and enough for nearly every request and model.
///
/// INVARIANT (narrow): values up to `2^64 / (10^4 * (2^16 - 1))`, which is 28,147 dollars, have shares
/// whose products are below `2^64`. So have fewer than `2^28` tokens, which is 268 million, at token
/// prices below `2^36`, which is 68,719 dollars a million: `(2^28 - 1) * (2^36 - 1) + 10^6 < 2^64`.
/// Fixed prices and latency penalties are below `2^60`, shares below `2^38`, token costs below
/// `2^45`: no sum of them reaches `2^62`.
mod narrow {
    use crate::{MAX_BPS, Model, Policy, Request};

    formulas!(u64);

    const MOST_VALUE: u64 = u64::MAX / (MAX_BPS as u64 * u16::MAX as u64);
    const MOST_PENALTY_PER_MS: u64 = (1 << 28) - 1;
    const TOKEN_BITS: u32 = 28;
    const TOKEN_PRICE_BITS: u32 = u64::BITS - TOKEN_BITS;
    const FIXED_PRICE_BITS: u32 = 60;

    #[inline(always)]
    pub(super) fn holds_terms(policy: &Policy, value: u64) -> bool {
        // Without branches, here and below.
        (value <= MOST_VALUE) & (policy.latency_penalty_microunits_per_ms <= MOST_PENALTY_PER_MS)
    }

    #[inline(always)]
    pub(super) fn holds_tokens(request: &Request) -> bool {
        (request.input_tokens | request.output_tokens) >> TOKEN_BITS == 0
    }

    #[inline(always)]
    pub(super) fn holds_prices(model: &Model) -> bool {
        let token_prices = model.input_price_microunits_per_million_tokens
            | model.output_price_microunits_per_million_tokens;
        (token_prices >> TOKEN_PRICE_BITS == 0)
            & (model.fixed_price_microunits >> FIXED_PRICE_BITS == 0)
    }
}

/// What a request is worth under a policy, and what it costs at each model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valuation<'a> {
    policy: &'a Policy,
    request: &'a Request,
    narrow: Narrow,
    value_microunits: u64,
    /// Void if nothing is narrow.
    narrow_risk_penalty_microunits: u64,
}

/// What is known to be [`narrow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrow {
    Nothing,
    /// All but the prices of models.
    Terms,
    /// The prices of all models of the catalog, too.
    All,
}

/// What a model comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appraisal {
    pub(crate) cost_microunits: u64,
    pub(crate) utility_microunits: i64,
}

impl<'a> Valuation<'a> {
    /// For an admitted request. `narrow_prices` says that all models that will be asked for have
    /// prices that are [narrow](has_narrow_prices); it may always be false.
    #[inline(always)]
    pub(crate) fn new(policy: &'a Policy, request: &'a Request, narrow_prices: bool) -> Self {
        let value_microunits = request.value_microunits();
        let holds = narrow::holds_terms(policy, value_microunits) & narrow::holds_tokens(request);
        let (narrow, narrow_risk_penalty_microunits) = if holds {
            let multiplier_bps = policy.risk_penalty_multiplier_bps;
            let penalty = narrow::share(value_microunits, request.risk_bps, multiplier_bps);
            (if narrow_prices { Narrow::All } else { Narrow::Terms }, penalty)
        } else {
            (Narrow::Nothing, 0)
        };
        Self { policy, request, narrow, value_microunits, narrow_risk_penalty_microunits }
    }

    pub(crate) const fn request(&self) -> &'a Request {
        self.request
    }

    /// The business value, or 0 if it is negative.
    pub(crate) const fn value_microunits(&self) -> u64 {
        self.value_microunits
    }

    /// `floor(value * risk * risk multiplier / 10^8)`, below 2^66.
    #[inline(always)]
    pub(crate) fn risk_penalty_microunits(&self) -> u128 {
        match self.narrow {
            Narrow::Nothing => self.wide_risk_penalty_microunits(),
            Narrow::Terms | Narrow::All => self.narrow_risk_penalty_microunits.into(),
        }
    }

    #[cold]
    #[inline(never)]
    fn wide_risk_penalty_microunits(self) -> u128 {
        let multiplier_bps = self.policy.risk_penalty_multiplier_bps;
        wide::share(self.value_microunits, self.request.risk_bps, multiplier_bps)
    }

    /// The cost and the utility of a model, in 64 bits if they are enough.
    #[inline(always)]
    pub(crate) fn appraise(&self, model: &Model) -> Appraisal {
        match self.narrow {
            Narrow::All => self.narrow_appraisal(model),
            Narrow::Terms | Narrow::Nothing => self.checked_appraisal(model),
        }
    }

    /// Of a model whose prices may not be narrow.
    #[inline(never)]
    fn checked_appraisal(self, model: &Model) -> Appraisal {
        if self.narrow == Narrow::Terms && narrow::holds_prices(model) {
            self.narrow_appraisal(model)
        } else {
            self.wide_appraisal(model)
        }
    }

    #[inline(always)]
    fn narrow_appraisal(&self, model: &Model) -> Appraisal {
        let confidence_bps = self.request.confidence_bps;
        let value = narrow::share(self.value_microunits, confidence_bps, model.quality_bps);
        let penalty_per_ms = self.policy.latency_penalty_microunits_per_ms;
        let latency_penalty = narrow::latency_penalty(model.p95_latency_ms, penalty_per_ms);
        let cost_microunits = narrow_cost_microunits(self.request, model);
        let deductions = self.narrow_risk_penalty_microunits + cost_microunits + latency_penalty;
        let utility_microunits = value.cast_signed() - deductions.cast_signed();
        Appraisal { cost_microunits, utility_microunits }
    }

    #[cold]
    #[inline(never)]
    fn wide_appraisal(self, model: &Model) -> Appraisal {
        let terms = self.terms(model);
        let utility_microunits = terms.utility_microunits();
        Appraisal { cost_microunits: terms.cost_microunits, utility_microunits }
    }

    /// The terms of one model's utility. In line, so that nothing is computed where a refusal's
    /// evidence is not asked for.
    #[inline(always)]
    pub(crate) fn terms(&self, model: &Model) -> UtilityTerms {
        let confidence_bps = self.request.confidence_bps;
        // It never exceeds the value, because confidence and quality are at most one whole.
        let adjusted_value = wide::share(self.value_microunits, confidence_bps, model.quality_bps);
        let penalty_per_ms = self.policy.latency_penalty_microunits_per_ms;
        UtilityTerms {
            adjusted_value_microunits: u64::try_from(adjusted_value).unwrap_or(u64::MAX),
            risk_penalty_microunits: self.risk_penalty_microunits(),
            cost_microunits: cost_microunits(self.request, model),
            latency_penalty_microunits: wide::latency_penalty(model.p95_latency_ms, penalty_per_ms),
        }
    }
}

/// Whether a model's prices are [`narrow`].
pub(crate) fn has_narrow_prices(model: &Model) -> bool {
    narrow::holds_prices(model)
}

/// `fixed price + ceil(input tokens * price / 10^6) + ceil(output tokens * price / 10^6)`, or
/// `u64::MAX` if that is more.
#[inline]
pub(crate) fn cost_microunits(request: &Request, model: &Model) -> u64 {
    if narrow::holds_tokens(request) & narrow::holds_prices(model) {
        narrow_cost_microunits(request, model)
    } else {
        wide_cost_microunits(request, model)
    }
}

#[inline(always)]
fn narrow_cost_microunits(request: &Request, model: &Model) -> u64 {
    let input_price = model.input_price_microunits_per_million_tokens;
    let output_price = model.output_price_microunits_per_million_tokens;
    model.fixed_price_microunits
        + narrow::token_cost(request.input_tokens, input_price)
        + narrow::token_cost(request.output_tokens, output_price)
}

#[cold]
#[inline(never)]
fn wide_cost_microunits(request: &Request, model: &Model) -> u64 {
    let input_price = model.input_price_microunits_per_million_tokens;
    let output_price = model.output_price_microunits_per_million_tokens;
    let cost = u128::from(model.fixed_price_microunits)
        + wide::token_cost(request.input_tokens, input_price)
        + wide::token_cost(request.output_tokens, output_price);
    u64::try_from(cost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CapabilitySet, MAX_BPS, ProviderSet, RegionSet};

    /// INVARIANT (narrow), at its limits and just beyond. An overflow would panic.
    #[test]
    fn both_widths_come_to_the_same() {
        let model = Model {
            model_id: 1,
            provider_id: 0,
            quality_bps: MAX_BPS,
            risk_ceiling_bps: 0,
            enabled: true,
            p95_latency_ms: u32::MAX,
            capabilities: CapabilitySet::EMPTY,
            regions: RegionSet::EMPTY,
            input_price_microunits_per_million_tokens: 0,
            output_price_microunits_per_million_tokens: 0,
            fixed_price_microunits: 0,
        };
        let request = Request {
            sequence: 0,
            requested_model_id: 0,
            input_tokens: u32::MAX,
            output_tokens: u32::MAX,
            business_value_microunits: 0,
            budget_limit_microunits: 0,
            risk_bps: MAX_BPS,
            confidence_bps: MAX_BPS,
            minimum_quality_bps: 0,
            max_p95_latency_ms: 0,
            required_capabilities: CapabilitySet::EMPTY,
            allowed_providers: ProviderSet::ALL,
            required_regions: RegionSet::EMPTY,
        };
        let around = |limit: u64| [0, 1, limit - 1, limit, limit + 1];
        let most_value = u64::MAX / (u64::from(MAX_BPS) * u64::from(u16::MAX));
        for business_value in around(most_value).into_iter().chain([1 << 62]) {
            for penalty in around(1 << 28).into_iter().chain([u64::MAX]) {
                for token_price in around(1 << 36).into_iter().chain([u64::MAX]) {
                    for fixed_price in around(1 << 60).into_iter().chain([u64::MAX]) {
                        let policy = Policy {
                            policy_epoch: 0,
                            catalog_epoch: 0,
                            hard_risk_limit_bps: MAX_BPS,
                            minimum_confidence_bps: 0,
                            risk_penalty_multiplier_bps: u16::MAX,
                            latency_penalty_microunits_per_ms: penalty,
                        };
                        let model = Model {
                            input_price_microunits_per_million_tokens: token_price,
                            output_price_microunits_per_million_tokens: token_price,
                            fixed_price_microunits: fixed_price,
                            ..model
                        };
                        let most_tokens = u32::MAX >> 4;
                        let tokens = [0, 1, most_tokens, most_tokens + 1, u32::MAX];
                        for (tokens, narrow_prices) in tokens.into_iter().flat_map(|tokens| {
                            [false, has_narrow_prices(&model)].map(|n| (tokens, n))
                        }) {
                            let request = Request {
                                business_value_microunits: business_value.cast_signed(),
                                input_tokens: tokens,
                                output_tokens: tokens,
                                ..request
                            };
                            let valuation = Valuation::new(&policy, &request, narrow_prices);
                            let (appraisal, terms) =
                                (valuation.appraise(&model), valuation.wide_appraisal(&model));
                            assert_eq!(appraisal, terms, "{policy:?} {model:?} {request:?}");
                            let cost = cost_microunits(&request, &model);
                            assert_eq!(cost, wide_cost_microunits(&request, &model));
                            assert_eq!(cost, appraisal.cost_microunits);
                            let risk = valuation.risk_penalty_microunits();
                            assert_eq!(risk, valuation.wide_risk_penalty_microunits());
                        }
                    }
                }
            }
        }
    }
}
