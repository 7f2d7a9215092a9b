//! Cost and utility: every formula of the kernel, each once.

use calybris_units::Microunits;

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
#[non_exhaustive]
pub struct UtilityTerms {
    /// The business value times confidence times quality, rounded down.
    #[cfg_attr(feature = "serde", serde(rename = "adjusted_value_microunits"))]
    pub adjusted_value: Microunits,
    /// The business value times risk times the policy's multiplier, rounded down.
    pub risk_penalty_microunits: u128,
    /// What the call costs; [`Microunits::MAX`] also stands for anything above it.
    #[cfg_attr(feature = "serde", serde(rename = "cost_microunits"))]
    pub cost: Microunits,
    /// The p95 latency times the policy's penalty.
    pub latency_penalty_microunits: u128,
}

impl UtilityTerms {
    /// The value less risk, cost and latency; only this sum is clamped to what an `i64` holds.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let snapshot = PolicySnapshot::new(POLICY, [model(1, 300)])?;
    /// let explanation = snapshot.explain(&REQUEST);
    /// let Verdict::Eligible { terms, .. } = explanation.models[0].verdict else { panic!() };
    /// assert_eq!(terms.adjusted_value, Microunits::new(900)); // 1,000 at a quality of 90%
    /// assert_eq!(terms.utility_microunits(), 900 - 300);
    /// # Ok::<(), SnapshotError>(())
    /// ```
    #[must_use]
    pub fn utility_microunits(&self) -> i64 {
        let deductions = self
            .risk_penalty_microunits
            .checked_add(self.cost.get().into())
            .and_then(|sum| sum.checked_add(self.latency_penalty_microunits))
            .and_then(|sum| i128::try_from(sum).ok());
        let Some(deductions) = deductions else { return i64::MIN };
        let exact = i128::from(self.adjusted_value.get()) - deductions;
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
    use calybris_units::BasisPoints;

    use crate::{Model, Policy, Request};

    formulas!(u64);

    const MOST_VALUE: u64 = u64::MAX / (BasisPoints::WHOLE.get() as u64 * u16::MAX as u64);
    const MOST_PENALTY_PER_MS: u64 = (1 << 28) - 1;
    const TOKEN_BITS: u32 = 28;
    const TOKEN_PRICE_BITS: u32 = u64::BITS - TOKEN_BITS;
    const FIXED_PRICE_BITS: u32 = 60;

    #[inline(always)]
    pub(super) fn holds_terms(policy: &Policy, value: u64) -> bool {
        // Without branches, here and below.
        (value <= MOST_VALUE) & (policy.latency_penalty_per_ms.get() <= MOST_PENALTY_PER_MS)
    }

    #[inline(always)]
    pub(super) fn holds_tokens(request: &Request) -> bool {
        (request.input_tokens | request.output_tokens) >> TOKEN_BITS == 0
    }

    #[inline(always)]
    pub(super) fn holds_prices(model: &Model) -> bool {
        let token_prices = model.input_price_per_million_tokens.get()
            | model.output_price_per_million_tokens.get();
        (token_prices >> TOKEN_PRICE_BITS == 0) & (model.fixed_price.get() >> FIXED_PRICE_BITS == 0)
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

/// Which numbers are known to be [`narrow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrow {
    Nothing,
    /// All but the prices of models.
    Terms,
    /// The prices of all models of the catalog, too.
    All,
}

/// The cost and the utility of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CostAndUtility {
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
            let multiplier_bps = policy.risk_penalty_multiplier.get();
            let penalty = narrow::share(value_microunits, request.risk.get(), multiplier_bps);
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
        let multiplier_bps = self.policy.risk_penalty_multiplier.get();
        wide::share(self.value_microunits, self.request.risk.get(), multiplier_bps)
    }

    /// The cost and the utility of a model, in 64 bits if they are enough.
    #[inline(always)]
    pub(crate) fn cost_and_utility(&self, model: &Model) -> CostAndUtility {
        match self.narrow {
            Narrow::All => self.narrow_cost_and_utility(model),
            Narrow::Terms | Narrow::Nothing => self.checked_cost_and_utility(model),
        }
    }

    /// The same for a model whose prices may not be narrow.
    #[inline(never)]
    fn checked_cost_and_utility(self, model: &Model) -> CostAndUtility {
        if self.narrow == Narrow::Terms && narrow::holds_prices(model) {
            self.narrow_cost_and_utility(model)
        } else {
            self.wide_cost_and_utility(model)
        }
    }

    #[inline(always)]
    fn narrow_cost_and_utility(&self, model: &Model) -> CostAndUtility {
        let confidence_bps = self.request.confidence.get();
        let value = narrow::share(self.value_microunits, confidence_bps, model.quality.get());
        let penalty_per_ms = self.policy.latency_penalty_per_ms.get();
        let latency_penalty = narrow::latency_penalty(model.p95_latency_ms, penalty_per_ms);
        let cost_microunits = narrow_cost_microunits(self.request, model);
        let deductions = self.narrow_risk_penalty_microunits + cost_microunits + latency_penalty;
        let utility_microunits = value.cast_signed() - deductions.cast_signed();
        CostAndUtility { cost_microunits, utility_microunits }
    }

    #[cold]
    #[inline(never)]
    fn wide_cost_and_utility(self, model: &Model) -> CostAndUtility {
        let terms = self.terms(model);
        let utility_microunits = terms.utility_microunits();
        CostAndUtility { cost_microunits: terms.cost.get(), utility_microunits }
    }

    /// The terms of one model's utility. In line, so that nothing is computed where a refusal's
    /// evidence is not asked for.
    #[inline(always)]
    pub(crate) fn terms(&self, model: &Model) -> UtilityTerms {
        let confidence_bps = self.request.confidence.get();
        // It never exceeds the value, because confidence and quality are at most one whole. If it
        // did, the value would count as 0, so the model would be refused.
        let adjusted_value =
            wide::share(self.value_microunits, confidence_bps, model.quality.get());
        let penalty_per_ms = self.policy.latency_penalty_per_ms.get();
        UtilityTerms {
            adjusted_value: u64::try_from(adjusted_value).map_or(Microunits::ZERO, Microunits::new),
            risk_penalty_microunits: self.risk_penalty_microunits(),
            cost: Microunits::new(cost_microunits(self.request, model)),
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
    let input_price = model.input_price_per_million_tokens.get();
    let output_price = model.output_price_per_million_tokens.get();
    model.fixed_price.get()
        + narrow::token_cost(request.input_tokens, input_price)
        + narrow::token_cost(request.output_tokens, output_price)
}

#[cold]
#[inline(never)]
fn wide_cost_microunits(request: &Request, model: &Model) -> u64 {
    let input_price = model.input_price_per_million_tokens.get();
    let output_price = model.output_price_per_million_tokens.get();
    let cost = u128::from(model.fixed_price.get())
        + wide::token_cost(request.input_tokens, input_price)
        + wide::token_cost(request.output_tokens, output_price);
    u64::try_from(cost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use calybris_units::BasisPoints;

    use super::*;
    use crate::RegionSet;

    /// INVARIANT (narrow), at its limits and just beyond. An overflow would panic.
    #[test]
    fn both_widths_come_to_the_same() {
        let model = Model::new(1, 0, BasisPoints::WHOLE)
            .with_risk_ceiling(BasisPoints::ZERO)
            .with_p95_latency_ms(u32::MAX)
            .with_regions(RegionSet::EMPTY);
        let request = Request::new(0, 0, u32::MAX, u32::MAX)
            .with_budget_limit(Microunits::ZERO)
            .with_risk(BasisPoints::WHOLE);
        let around = |limit: u64| [0, 1, limit - 1, limit, limit + 1];
        let most_value = u64::MAX / (u64::from(BasisPoints::WHOLE.get()) * u64::from(u16::MAX));
        for business_value in around(most_value).into_iter().chain([1 << 62]) {
            for penalty in around(1 << 28).into_iter().chain([u64::MAX]) {
                for token_price in around(1 << 36).into_iter().chain([u64::MAX]) {
                    for fixed_price in around(1 << 60).into_iter().chain([u64::MAX]) {
                        let policy = Policy::new()
                            .with_risk_penalty_multiplier(BasisPoints::new(u16::MAX))
                            .with_latency_penalty_per_ms(Microunits::new(penalty));
                        let model = model
                            .with_input_price_per_million_tokens(Microunits::new(token_price))
                            .with_output_price_per_million_tokens(Microunits::new(token_price))
                            .with_fixed_price(Microunits::new(fixed_price));
                        let most_tokens = u32::MAX >> 4;
                        let tokens = [0, 1, most_tokens, most_tokens + 1, u32::MAX];
                        for (tokens, narrow_prices) in tokens.into_iter().flat_map(|tokens| {
                            [false, has_narrow_prices(&model)].map(|n| (tokens, n))
                        }) {
                            let request = request
                                .with_business_value_microunits(business_value.cast_signed())
                                .with_tokens(tokens, tokens);
                            let valuation = Valuation::new(&policy, &request, narrow_prices);
                            let (worth, terms) = (
                                valuation.cost_and_utility(&model),
                                valuation.wide_cost_and_utility(&model),
                            );
                            assert_eq!(worth, terms, "{policy:?} {model:?} {request:?}");
                            let cost = cost_microunits(&request, &model);
                            assert_eq!(cost, wide_cost_microunits(&request, &model));
                            assert_eq!(cost, worth.cost_microunits);
                            let risk = valuation.risk_penalty_microunits();
                            assert_eq!(risk, valuation.wide_risk_penalty_microunits());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn terms_as_large_as_one_another_add_up_exactly() {
        let terms = UtilityTerms {
            adjusted_value: Microunits::new(i64::MAX.cast_unsigned()),
            risk_penalty_microunits: 0,
            cost: Microunits::ZERO,
            latency_penalty_microunits: 0,
        };
        // The deductions together are beyond an `i64`, each alone is not.
        let both = UtilityTerms {
            risk_penalty_microunits: 1 << 62,
            latency_penalty_microunits: 1 << 62,
            ..terms
        };
        assert_eq!(both.utility_microunits(), -1);
        let poor = UtilityTerms { adjusted_value: Microunits::new(5), ..both };
        assert_eq!(poor.utility_microunits(), i64::MIN + 5);
        let cost = UtilityTerms {
            cost: Microunits::new(i64::MAX.cast_unsigned()),
            risk_penalty_microunits: 5,
            latency_penalty_microunits: 7,
            ..terms
        };
        assert_eq!(cost.utility_microunits(), -12);
        let all = UtilityTerms {
            adjusted_value: Microunits::ZERO,
            cost: Microunits::new(i64::MAX.cast_unsigned()),
            ..both
        };
        assert_eq!(all.utility_microunits(), i64::MIN);
        // From 2^128 on, a sum of deductions is more than any value.
        let beyond = UtilityTerms { latency_penalty_microunits: u128::MAX, ..cost };
        assert_eq!(beyond.utility_microunits(), i64::MIN);
    }
}
