//! Cost and utility: every formula of the kernel, each once.

use calybris_units::Microunits;

use crate::{Ceiling, Model, Policy, Price, Request, TokenClassSet, Usage};

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
        use super::{BPS_SQUARED, Microunits, TOKENS_PER_PRICE};

        /// `ceil(sum of tokens * rates / 10^6)`, rates per million tokens.
        #[inline(always)]
        pub(super) fn token_cost<const N: usize>(
            tokens: [u32; N],
            rates: [Microunits; N],
        ) -> $number {
            let per_million = $number::from(TOKENS_PER_PRICE);
            let mut sum = 0;
            for (tokens, rate) in tokens.into_iter().zip(rates) {
                sum += $number::from(tokens) * $number::from(rate.get());
            }
            // `div_ceil` would multiply back to see whether anything is left.
            let almost_one_more = per_million - 1;
            (sum + almost_one_more) / per_million
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

/// 128 bits hold whatever the inputs are: `2^63 * 2^16 * 2^16` and `5 * 2^32 * 2^64` are less.
mod wide {
    formulas!(u128);
}

/// 64 bits are several times faster, and enough for nearly every request and model.
///
/// INVARIANT (narrow): values up to `2^64 / (10^4 * (2^16 - 1))`, which is 28,147 dollars, have shares
/// whose products are below `2^64`. So have fewer than `2^28` tokens, which is 268 million, at rates
/// below `2^36`, which is 68,719 dollars a million: `(2^28 - 1) * (2^36 - 1) + 10^6 < 2^64`; and five
/// classes of fewer than `2^25` tokens each: `5 * (2^25 - 1) * (2^36 - 1) + 10^6 < 2^64`.
/// Fixed prices and latency penalties are below `2^60`, and so is what fewer than `2^20` searches cost at fees below `2^40`;
/// shares are below `2^38`, token costs below `2^45`: no sum of them reaches `2^62`.
mod narrow {
    use calybris_units::BasisPoints;

    use crate::{Ceiling, Policy, Price, Usage};

    formulas!(u64);

    const MOST_VALUE: u64 = u64::MAX / (BasisPoints::WHOLE.get() as u64 * u16::MAX as u64);
    const MOST_PENALTY_PER_MS: u64 = (1 << 28) - 1;
    const TOKEN_BITS: u32 = 28;
    const CLASSED_TOKEN_BITS: u32 = 25;
    const RATE_BITS: u32 = 36;
    const FIXED_PRICE_BITS: u32 = 60;
    const SEARCH_BITS: u32 = 20;
    const SEARCH_FEE_BITS: u32 = 40;

    #[inline(always)]
    pub(super) fn holds_terms(policy: &Policy, value: u64) -> bool {
        // Without branches, here and below.
        (value <= MOST_VALUE) & (policy.latency_penalty_per_ms.get() <= MOST_PENALTY_PER_MS)
    }

    #[inline(always)]
    pub(super) fn holds_usage(usage: &Usage) -> bool {
        if usage.is_plain() {
            return (usage.input_tokens | usage.output_tokens) >> TOKEN_BITS == 0;
        }
        holds_classes(usage)
    }

    #[inline(never)]
    fn holds_classes(usage: &Usage) -> bool {
        let prompt = usage.prompt_counts().into_iter().fold(0, |all, tokens| all | tokens);
        let all = usage.completion_counts().into_iter().fold(prompt, |all, tokens| all | tokens);
        (all >> CLASSED_TOKEN_BITS == 0) & (usage.searches >> SEARCH_BITS == 0)
    }

    #[inline(always)]
    pub(super) fn holds_ceiling(ceiling: &Ceiling) -> bool {
        ((ceiling.prompt_tokens | ceiling.completion_tokens) >> TOKEN_BITS == 0)
            & (ceiling.searches >> SEARCH_BITS == 0)
    }

    /// Rates rise from band to band, so those of the last are looked at.
    #[inline(always)]
    pub(super) fn holds_price(price: &Price) -> bool {
        let rates = &price.last_band().rates;
        let prompt = rates.prompt_rates().into_iter().fold(0, |all, rate| all | rate.get());
        let all = rates.completion_rates().into_iter().fold(prompt, |all, rate| all | rate.get());
        (all >> RATE_BITS == 0)
            & (price.fixed_price().get() >> FIXED_PRICE_BITS == 0)
            & (price.search_fee().amount().get() >> SEARCH_FEE_BITS == 0)
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
    /// And the usage is plain, as it mostly is.
    AllOfPlain,
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
        let holds =
            narrow::holds_terms(policy, value_microunits) & narrow::holds_usage(&request.usage);
        let (narrow, narrow_risk_penalty_microunits) = if holds {
            let multiplier_bps = policy.risk_penalty_multiplier.get();
            let penalty = narrow::share(value_microunits, request.risk.get(), multiplier_bps);
            let narrow = match (narrow_prices, request.usage.is_plain()) {
                (true, true) => Narrow::AllOfPlain,
                (true, false) => Narrow::All,
                (false, _) => Narrow::Terms,
            };
            (narrow, penalty)
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
            _ => self.narrow_risk_penalty_microunits.into(),
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
            Narrow::AllOfPlain => self.narrow_worth(
                model,
                narrow_cost_of_plain_tokens(&self.request.usage, &model.price),
            ),
            _ => self.checked_cost_and_utility(model),
        }
    }

    /// The same for any usage, and for a model whose prices may not be narrow.
    #[inline(never)]
    fn checked_cost_and_utility(self, model: &Model) -> CostAndUtility {
        let is_narrow = match self.narrow {
            Narrow::Nothing => false,
            Narrow::Terms => narrow::holds_price(&model.price),
            Narrow::All | Narrow::AllOfPlain => true,
        };
        if is_narrow {
            self.narrow_worth(model, narrow_cost_microunits(&self.request.usage, &model.price))
        } else {
            self.wide_cost_and_utility(model)
        }
    }

    #[inline(always)]
    fn narrow_worth(&self, model: &Model, cost_microunits: u64) -> CostAndUtility {
        let confidence_bps = self.request.confidence.get();
        let value = narrow::share(self.value_microunits, confidence_bps, model.quality.get());
        let penalty_per_ms = self.policy.latency_penalty_per_ms.get();
        let latency_penalty = narrow::latency_penalty(model.p95_latency_ms, penalty_per_ms);
        let deductions = self.narrow_risk_penalty_microunits + cost_microunits + latency_penalty;
        let utility_microunits = value.cast_signed() - deductions.cast_signed();
        CostAndUtility { cost_microunits, utility_microunits }
    }

    /// What the model may cost at most, given what it is expected to cost; nothing above `u64::MAX`.
    #[inline(always)]
    pub(crate) fn maximum_cost_microunits(
        &self,
        model: &Model,
        cost_microunits: u64,
    ) -> Option<u64> {
        match &self.request.ceiling {
            None => Some(cost_microunits),
            Some(ceiling) => maximum_cost_microunits(ceiling, &model.price),
        }
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
            cost: Microunits::new(cost_microunits(&self.request.usage, &model.price)),
            latency_penalty_microunits: wide::latency_penalty(model.p95_latency_ms, penalty_per_ms),
        }
    }
}

/// Whether a model's prices are [`narrow`].
pub(crate) fn has_narrow_prices(model: &Model) -> bool {
    narrow::holds_price(&model.price)
}

/// `fixed price + searches * search fee + ceil(prompt counts * rates / 10^6) + ceil(completion counts * rates / 10^6)`, or
/// `u64::MAX` if that is more.
#[inline]
pub(crate) fn cost_microunits(usage: &Usage, price: &Price) -> u64 {
    if narrow::holds_usage(usage) & narrow::holds_price(price) {
        narrow_cost_microunits(usage, price)
    } else {
        wide_cost_microunits(usage, price).unwrap_or(u64::MAX)
    }
}

#[inline(always)]
fn narrow_cost_microunits(usage: &Usage, price: &Price) -> u64 {
    if usage.is_plain() {
        narrow_cost_of_plain_tokens(usage, price)
    } else {
        narrow_cost_of_classes(usage, price)
    }
}

#[inline(always)]
fn narrow_cost_of_plain_tokens(usage: &Usage, price: &Price) -> u64 {
    let rates = &price.band(usage.input_tokens.into()).rates;
    price.fixed_price().get()
        + narrow::token_cost([usage.input_tokens], [rates.input])
        + narrow::token_cost([usage.output_tokens], [rates.output])
}

#[inline(never)]
fn narrow_cost_of_classes(usage: &Usage, price: &Price) -> u64 {
    let rates = &price.band(usage.prompt_tokens()).rates;
    let charged_searches = price.search_fee().charged_searches(usage.searches);
    price.fixed_price().get()
        + u64::from(charged_searches) * price.search_fee().amount().get()
        + narrow::token_cost(usage.prompt_counts(), rates.prompt_rates())
        + narrow::token_cost(usage.completion_counts(), rates.completion_rates())
}

/// Nothing above `u64::MAX`.
#[cold]
#[inline(never)]
fn wide_cost_microunits(usage: &Usage, price: &Price) -> Option<u64> {
    let rates = &price.band(usage.prompt_tokens()).rates;
    let prompt = wide::token_cost(usage.prompt_counts(), rates.prompt_rates());
    let completion = wide::token_cost(usage.completion_counts(), rates.completion_rates());
    with_fees(price, usage.searches, prompt + completion)
}

/// The cost of the dearest usage within a ceiling: all of its tokens, at the dearest rates it allows. A longer prompt is never
/// cheaper, by INVARIANT (price). Nothing above `u64::MAX`.
#[inline]
pub(crate) fn maximum_cost_microunits(ceiling: &Ceiling, price: &Price) -> Option<u64> {
    let rates = &price.band(ceiling.prompt_tokens.into()).rates;
    let prompt = rates.dearest(ceiling.classes.intersection(TokenClassSet::PROMPT));
    let completion = rates.dearest(ceiling.classes.intersection(TokenClassSet::COMPLETION));
    let tokens = if narrow::holds_ceiling(ceiling) & narrow::holds_price(price) {
        // The division is what is slow in 128 bits, and not the sums.
        let prompt = narrow::token_cost([ceiling.prompt_tokens], [prompt]);
        u128::from(prompt + narrow::token_cost([ceiling.completion_tokens], [completion]))
    } else {
        wide::token_cost([ceiling.prompt_tokens], [prompt])
            + wide::token_cost([ceiling.completion_tokens], [completion])
    };
    with_fees(price, ceiling.searches, tokens)
}

fn with_fees(price: &Price, searches: u32, tokens_microunits: u128) -> Option<u64> {
    let charged_searches = price.search_fee().charged_searches(searches);
    let fees = u128::from(price.fixed_price().get())
        + u128::from(charged_searches) * u128::from(price.search_fee().amount().get());
    u64::try_from(fees + tokens_microunits).ok()
}

#[cfg(test)]
mod tests {
    use calybris_units::BasisPoints;

    use super::*;
    use crate::{Rates, RegionSet, SearchFee, TokenClass};

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
                        let model = model.with_price(
                            Price::per_million_tokens(
                                Microunits::new(token_price),
                                Microunits::new(token_price),
                            )
                            .with_fixed_price(Microunits::new(fixed_price)),
                        );
                        let most_tokens = u32::MAX >> 4;
                        let tokens = [0, 1, most_tokens, most_tokens + 1, u32::MAX];
                        for (tokens, narrow_prices) in tokens.into_iter().flat_map(|tokens| {
                            [false, has_narrow_prices(&model)].map(|n| (tokens, n))
                        }) {
                            let request = request
                                .with_business_value_microunits(business_value.cast_signed())
                                .with_usage(Usage::new(tokens, tokens));
                            let valuation = Valuation::new(&policy, &request, narrow_prices);
                            let (worth, terms) = (
                                valuation.cost_and_utility(&model),
                                valuation.wide_cost_and_utility(&model),
                            );
                            assert_eq!(worth, terms, "{policy:?} {model:?} {request:?}");
                            let cost = cost_microunits(&request.usage, &model.price);
                            let wide = wide_cost_microunits(&request.usage, &model.price);
                            assert_eq!(cost, wide.unwrap_or(u64::MAX));
                            assert_eq!(cost, worth.cost_microunits);
                            let risk = valuation.risk_penalty_microunits();
                            assert_eq!(risk, valuation.wide_risk_penalty_microunits());
                        }
                    }
                }
            }
        }
    }

    /// INVARIANT (narrow) for every class at once, searches and bands, at its limits and just beyond.
    #[test]
    fn both_widths_come_to_the_same_for_classes_bands_and_searches() {
        let around = |limit: u64| [limit - 1, limit];
        let same = |rate: u64| Rates::plain(Microunits::new(rate), Microunits::new(rate));
        for (rate, fee, fixed_price) in around(1 << 36)
            .into_iter()
            .flat_map(|rate| around(1 << 40).map(|fee| (rate, fee)))
            .flat_map(|(rate, fee)| around(1 << 60).map(|fixed_price| (rate, fee, fixed_price)))
        {
            let price = Price::new(same(1))
                .with_fixed_price(Microunits::new(fixed_price))
                .with_search_fee(SearchFee::per_search(Microunits::new(fee)))
                .with_band(3, same(rate))
                .unwrap();
            for (tokens, searches) in around(1 << 25)
                .into_iter()
                .chain([0, u32::MAX.into()])
                .flat_map(|tokens| around(1 << 20).map(|searches| (tokens, searches)))
            {
                let (tokens, searches) = (tokens.try_into().unwrap(), searches.try_into().unwrap());
                let usage = TokenClass::ALL
                    .into_iter()
                    .fold(Usage::default(), |usage, class| usage.with_tokens(class, tokens))
                    .with_searches(searches);
                let is_narrow = tokens < 1 << 25
                    && searches < 1 << 20
                    && rate < 1 << 36
                    && fee < 1 << 40
                    && fixed_price < 1 << 60;
                assert_eq!(narrow::holds_usage(&usage) & narrow::holds_price(&price), is_narrow);
                let wide = wide_cost_microunits(&usage, &price);
                assert_eq!(cost_microunits(&usage, &price), wide.unwrap_or(u64::MAX));
                if is_narrow {
                    assert_eq!(narrow_cost_microunits(&usage, &price), wide.unwrap_or(u64::MAX));
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
