//! Cost and utility: every formula of the kernel, each once.

use calybris_units::Microunits;

use crate::catalog::{Entry, Interned};
use crate::price::Tariff;
use crate::{Ceiling, Model, Policy, Request, TokenClassSet, Usage};

mod widths;

pub(crate) use widths::{BPS_SQUARED, TOKENS_PER_PRICE};
use widths::{narrow, wide};

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

/// What a request is worth under a policy, and what it costs at each model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valuation<'a> {
    policy: &'a Policy,
    request: &'a Request,
    interned: Interned<'a>,
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
    /// For an admitted request, and entries of the catalog to which `interned` belongs. `narrow_prices` says that all
    /// models that will be asked for have prices that are [narrow](has_narrow_prices); it may always be false.
    #[inline(always)]
    pub(crate) fn new(
        policy: &'a Policy,
        request: &'a Request,
        interned: Interned<'a>,
        narrow_prices: bool,
    ) -> Self {
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
        Self { policy, request, interned, narrow, value_microunits, narrow_risk_penalty_microunits }
    }

    /// The same, for entries of another catalog. Its prices must be narrow if those of the former were said to be.
    pub(crate) const fn with_interned<'b>(self, interned: Interned<'b>) -> Valuation<'b>
    where
        'a: 'b,
    {
        Valuation { interned, ..self }
    }

    pub(crate) const fn request(&self) -> &'a Request {
        self.request
    }

    /// What the catalog has interned.
    pub(crate) const fn interned(&self) -> Interned<'a> {
        self.interned
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
    pub(crate) fn cost_and_utility(&self, entry: &Entry) -> CostAndUtility {
        match self.narrow {
            Narrow::AllOfPlain => {
                let usage = &self.request.usage;
                let (fixed_price, rates) =
                    self.interned.plain_price(entry, usage.input_tokens.into());
                self.narrow_worth(entry, narrow_cost_of_plain_tokens(usage, fixed_price, rates))
            }
            _ => self.checked_cost_and_utility(entry),
        }
    }

    /// The same for any usage, and for a model whose prices may not be narrow.
    #[inline(never)]
    fn checked_cost_and_utility(&self, entry: &Entry) -> CostAndUtility {
        let tariff = self.tariff(entry);
        let is_narrow = match self.narrow {
            Narrow::Nothing => false,
            Narrow::Terms => narrow::holds_tariff(&tariff),
            Narrow::All | Narrow::AllOfPlain => true,
        };
        if is_narrow {
            self.narrow_worth(entry, narrow_cost_microunits(&self.request.usage, &tariff))
        } else {
            self.wide_cost_and_utility(entry)
        }
    }

    /// What an entry charges for the usage.
    #[inline(always)]
    fn tariff(&self, entry: &Entry) -> Tariff {
        self.interned.tariff(entry, self.request.usage.prompt_tokens())
    }

    #[inline(always)]
    fn narrow_worth(&self, entry: &Entry, cost_microunits: u64) -> CostAndUtility {
        let confidence_bps = self.request.confidence.get();
        let value = narrow::share(self.value_microunits, confidence_bps, entry.quality.get());
        let penalty_per_ms = self.policy.latency_penalty_per_ms.get();
        let latency_penalty = narrow::latency_penalty(entry.p95_latency_ms, penalty_per_ms);
        let deductions = self.narrow_risk_penalty_microunits + cost_microunits + latency_penalty;
        let utility_microunits = value.cast_signed() - deductions.cast_signed();
        CostAndUtility { cost_microunits, utility_microunits }
    }

    /// What the model may cost at most, given what it is expected to cost; nothing above `u64::MAX`.
    #[inline(always)]
    pub(crate) fn maximum_cost_microunits(
        &self,
        entry: &Entry,
        cost_microunits: u64,
    ) -> Option<u64> {
        match &self.request.ceiling {
            None => Some(cost_microunits),
            Some(ceiling) => {
                let tariff = self.interned.tariff(entry, ceiling.prompt_tokens.into());
                maximum_cost_microunits(ceiling, &tariff)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn wide_cost_and_utility(self, entry: &Entry) -> CostAndUtility {
        let terms = self.terms(entry);
        let utility_microunits = terms.utility_microunits();
        CostAndUtility { cost_microunits: terms.cost.get(), utility_microunits }
    }

    /// The terms of one model's utility. In line, so that nothing is computed where a refusal's
    /// evidence is not asked for.
    #[inline(always)]
    pub(crate) fn terms(&self, entry: &Entry) -> UtilityTerms {
        let confidence_bps = self.request.confidence.get();
        // It never exceeds the value, because confidence and quality are at most one whole. If it
        // did, the value would count as 0, so the model would be refused.
        let adjusted_value =
            wide::share(self.value_microunits, confidence_bps, entry.quality.get());
        let penalty_per_ms = self.policy.latency_penalty_per_ms.get();
        UtilityTerms {
            adjusted_value: u64::try_from(adjusted_value).map_or(Microunits::ZERO, Microunits::new),
            risk_penalty_microunits: self.risk_penalty_microunits(),
            cost: Microunits::new(cost_microunits(&self.request.usage, &self.tariff(entry))),
            latency_penalty_microunits: wide::latency_penalty(entry.p95_latency_ms, penalty_per_ms),
        }
    }
}

/// Whether a model's prices are [`narrow`].
pub(crate) fn has_narrow_prices(model: &Model) -> bool {
    // Rates rise from band to band, so those of the last are looked at.
    narrow::holds_tariff(&model.price.tariff(u64::MAX))
}

/// `fixed price + searches * search fee + ceil(prompt counts * rates / 10^6) + ceil(completion counts * rates / 10^6)`, or
/// `u64::MAX` if that is more; the tariff is that for the prompt.
#[inline]
pub(crate) fn cost_microunits(usage: &Usage, tariff: &Tariff) -> u64 {
    if narrow::holds_usage(usage) & narrow::holds_tariff(tariff) {
        narrow_cost_microunits(usage, tariff)
    } else {
        wide_cost_microunits(usage, tariff).unwrap_or(u64::MAX)
    }
}

#[inline(always)]
fn narrow_cost_microunits(usage: &Usage, tariff: &Tariff) -> u64 {
    if usage.is_plain() {
        let rates = [tariff.rates.input, tariff.rates.output];
        narrow_cost_of_plain_tokens(usage, tariff.fixed_price, rates)
    } else {
        narrow_cost_of_classes(usage, tariff)
    }
}

#[inline(always)]
fn narrow_cost_of_plain_tokens(
    usage: &Usage,
    fixed_price: Microunits,
    [input, output]: [Microunits; 2],
) -> u64 {
    fixed_price.get()
        + narrow::token_cost([usage.input_tokens], [input])
        + narrow::token_cost([usage.output_tokens], [output])
}

#[inline(always)]
fn narrow_cost_of_classes(usage: &Usage, tariff: &Tariff) -> u64 {
    let Tariff { fixed_price, search_fee, rates } = tariff;
    let charged_searches = search_fee.charged_searches(usage.searches);
    fixed_price.get()
        + u64::from(charged_searches) * search_fee.amount().get()
        + narrow::token_cost(usage.prompt_counts(), rates.prompt_rates())
        + narrow::token_cost(usage.completion_counts(), rates.completion_rates())
}

/// Nothing above `u64::MAX`.
#[cold]
#[inline(never)]
fn wide_cost_microunits(usage: &Usage, tariff: &Tariff) -> Option<u64> {
    let rates = &tariff.rates;
    let prompt = wide::token_cost(usage.prompt_counts(), rates.prompt_rates());
    let completion = wide::token_cost(usage.completion_counts(), rates.completion_rates());
    with_fees(tariff, usage.searches, prompt + completion)
}

/// The cost of the dearest usage within a ceiling: all of its tokens, at the dearest rates it allows. A longer prompt is never
/// cheaper, by INVARIANT (price). Nothing above `u64::MAX`; the tariff is that for the longest prompt.
#[inline]
pub(crate) fn maximum_cost_microunits(ceiling: &Ceiling, tariff: &Tariff) -> Option<u64> {
    let rates = &tariff.rates;
    let prompt = rates.dearest(ceiling.classes.intersection(TokenClassSet::PROMPT));
    let completion = rates.dearest(ceiling.classes.intersection(TokenClassSet::COMPLETION));
    let tokens = if narrow::holds_ceiling(ceiling) & narrow::holds_tariff(tariff) {
        // The division is what is slow in 128 bits, and not the sums.
        let prompt = narrow::token_cost([ceiling.prompt_tokens], [prompt]);
        u128::from(prompt + narrow::token_cost([ceiling.completion_tokens], [completion]))
    } else {
        wide::token_cost([ceiling.prompt_tokens], [prompt])
            + wide::token_cost([ceiling.completion_tokens], [completion])
    };
    with_fees(tariff, ceiling.searches, tokens)
}

fn with_fees(tariff: &Tariff, searches: u32, tokens_microunits: u128) -> Option<u64> {
    let charged_searches = tariff.search_fee.charged_searches(searches);
    let fees = u128::from(tariff.fixed_price.get())
        + u128::from(charged_searches) * u128::from(tariff.search_fee.amount().get());
    u64::try_from(fees + tokens_microunits).ok()
}

#[cfg(test)]
mod tests {
    use calybris_units::BasisPoints;

    use super::*;
    use crate::{Price, Rates, RegionSet, SearchFee, TokenClass};

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
                            let (entry, interned) = Interned::of_one(&model);
                            let valuation =
                                Valuation::new(&policy, &request, interned, narrow_prices);
                            let (worth, terms) = (
                                valuation.cost_and_utility(&entry),
                                valuation.wide_cost_and_utility(&entry),
                            );
                            assert_eq!(worth, terms, "{policy:?} {model:?} {request:?}");
                            let tariff = model.price.tariff(request.usage.prompt_tokens());
                            let cost = cost_microunits(&request.usage, &tariff);
                            let wide = wide_cost_microunits(&request.usage, &tariff);
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
                let model = Model::new(1, 0, BasisPoints::WHOLE).with_price(price);
                assert_eq!(narrow::holds_usage(&usage) & has_narrow_prices(&model), is_narrow);
                let tariff = price.tariff(usage.prompt_tokens());
                let wide = wide_cost_microunits(&usage, &tariff);
                assert_eq!(cost_microunits(&usage, &tariff), wide.unwrap_or(u64::MAX));
                if is_narrow {
                    assert_eq!(narrow_cost_microunits(&usage, &tariff), wide.unwrap_or(u64::MAX));
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
