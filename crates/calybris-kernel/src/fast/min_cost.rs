//! A cost that no enabled model is below: a budget below it rejects every model.

use crate::utility::TOKENS_PER_PRICE;
use crate::{Model, Request};

/// Amounts are microunits with this many fractional bits.
const FRACTION_BITS: u32 = 20;
/// The greatest price of a token and the greatest fixed price: no sum of costs exceeds 64 bits. Cutting and
/// rounding down are harmless, because a model costs no less.
const MOST_PER_TOKEN: u64 = 1 << 30;
const MOST_FIXED: u64 = 1 << 61;

/// Requests rarely have more tokens than this, in or out.
const MANY_TOKENS: u32 = 1 << 17;

/// The lowest prices of all enabled models, not necessarily of one model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MinCost {
    per_input_token: u64,
    per_output_token: u64,
    fixed: u64,
    /// What [`MANY_TOKENS`] in and out cost: requests with a higher limit in microunits aren't
    /// worth more than one comparison.
    cost_of_many_microunits: u64,
}

impl MinCost {
    pub(crate) fn new(models: &[Model]) -> Self {
        let least = |price: fn(&Model) -> u64| {
            let prices = models.iter().filter(|model| model.enabled).map(price);
            u128::from(prices.min().unwrap_or(0)) << FRACTION_BITS
        };
        let cut = |price: u128, most| u64::try_from(price).map_or(most, |price| price.min(most));
        let per_token =
            |per_million| cut(per_million / u128::from(TOKENS_PER_PRICE), MOST_PER_TOKEN);
        let mut cheapest = Self {
            per_input_token: per_token(least(|model| model.price.plain_input())),
            per_output_token: per_token(least(|model| model.price.plain_output())),
            fixed: cut(least(|model| model.price.fixed_price().get()), MOST_FIXED),
            cost_of_many_microunits: 0,
        };
        cheapest.cost_of_many_microunits = cheapest.cost_microunits(MANY_TOKENS, MANY_TOKENS);
        cheapest
    }

    /// Whether every enabled model, outliers included, surely costs more than the request's budget limit.
    /// `false` proves nothing.
    #[inline(always)]
    pub(crate) const fn is_beyond_budget(&self, request: &Request) -> bool {
        let limit_microunits = request.budget_limit.get();
        limit_microunits < self.cost_of_many_microunits
            && self.cost_microunits(request.usage.input_tokens, request.usage.output_tokens)
                > limit_microunits
    }

    /// What so many tokens cost at least, rounded down.
    #[inline(always)]
    const fn cost_microunits(&self, input_tokens: u32, output_tokens: u32) -> u64 {
        let cost = input_tokens as u64 * self.per_input_token
            + output_tokens as u64 * self.per_output_token
            + self.fixed;
        cost >> FRACTION_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BasisPoints, Microunits, Price, RegionSet};

    /// The cost of the only model decides, from free to beyond what is reckoned with.
    #[test]
    fn a_budget_is_hopeless_only_below_the_cost_of_the_cheapest() {
        let prices = [0, 1, 999_999, 1_000_000, 15_000_000, 1 << 30, 1 << 40, u64::MAX];
        let tokens = [0, 1, 1_000, 1 << 17, u32::MAX];
        for input_price in prices {
            for output_price in prices {
                for fixed_price in prices {
                    let model = Model::new(1, 0, BasisPoints::ZERO)
                        .with_risk_ceiling(BasisPoints::ZERO)
                        .with_regions(RegionSet::EMPTY)
                        .with_price(
                            Price::per_million_tokens(
                                Microunits::new(input_price),
                                Microunits::new(output_price),
                            )
                            .with_fixed_price(Microunits::new(fixed_price)),
                        );
                    let cheapest = MinCost::new(&[model]);
                    for (input_tokens, output_tokens) in
                        tokens.into_iter().flat_map(|input| tokens.map(|output| (input, output)))
                    {
                        let mut request = Request::new(0, 0, input_tokens, output_tokens)
                            .with_budget_limit(Microunits::ZERO)
                            .with_confidence(BasisPoints::ZERO);
                        let cost = model.price.cost(&request.usage).get();
                        request.budget_limit = Microunits::new(cost);
                        assert!(!cheapest.is_beyond_budget(&request), "{model:?} {request:?}");
                        // And hardly a hopeless one is missed, where nothing is cut or rare.
                        request.budget_limit = Microunits::new(cost / 2);
                        let usual = input_price.max(output_price) < 1 << 28
                            && fixed_price <= 1 << 40
                            && input_tokens.max(output_tokens) <= MANY_TOKENS;
                        assert!(!usual || cost < 10_000 || cheapest.is_beyond_budget(&request));
                    }
                }
            }
        }
    }
}
