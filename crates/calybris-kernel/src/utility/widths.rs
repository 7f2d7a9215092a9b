//! The formulas that divide or may grow, in 64 and in 128 bits, and which numbers 64 bits are enough for.

/// Prices are per this many tokens.
pub(crate) const TOKENS_PER_PRICE: u64 = 1_000_000;
/// One basis point times one basis point, as parts of the whole.
pub(crate) const BPS_SQUARED: u64 = 100_000_000;

/// The formulas that divide or may grow, for whole numbers of one width.
macro_rules! formulas {
    ($number:ident) => {
        use calybris_units::Microunits;

        use super::{BPS_SQUARED, TOKENS_PER_PRICE};

        /// `ceil(sum of tokens * rates / 10^6)`, rates per million tokens.
        #[inline(always)]
        pub(crate) fn token_cost<const N: usize>(
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
        pub(crate) fn share(value: u64, first_bps: u16, second_bps: u16) -> $number {
            let product =
                $number::from(value) * $number::from(first_bps) * $number::from(second_bps);
            product / $number::from(BPS_SQUARED)
        }

        /// `p95 latency * penalty`.
        #[inline(always)]
        pub(crate) fn latency_penalty(p95_latency_ms: u32, penalty_per_ms: u64) -> $number {
            $number::from(p95_latency_ms) * $number::from(penalty_per_ms)
        }
    };
}

/// 128 bits hold whatever the inputs are: `2^63 * 2^16 * 2^16` and `5 * 2^32 * 2^64` are less.
pub(crate) mod wide {
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
pub(crate) mod narrow {
    use calybris_units::BasisPoints;

    use crate::price::Tariff;
    use crate::{Ceiling, Policy, Usage};

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
    pub(crate) fn holds_terms(policy: &Policy, value: u64) -> bool {
        // Without branches, here and below.
        (value <= MOST_VALUE) & (policy.latency_penalty_per_ms.get() <= MOST_PENALTY_PER_MS)
    }

    #[inline(always)]
    pub(crate) fn holds_usage(usage: &Usage) -> bool {
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
    pub(crate) fn holds_ceiling(ceiling: &Ceiling) -> bool {
        ((ceiling.prompt_tokens | ceiling.completion_tokens) >> TOKEN_BITS == 0)
            & (ceiling.searches >> SEARCH_BITS == 0)
    }

    #[inline(always)]
    pub(crate) fn holds_tariff(tariff: &Tariff) -> bool {
        let rates = &tariff.rates;
        let prompt = rates.prompt_rates().into_iter().fold(0, |all, rate| all | rate.get());
        let all = rates.completion_rates().into_iter().fold(prompt, |all, rate| all | rate.get());
        (all >> RATE_BITS == 0)
            & (tariff.fixed_price.get() >> FIXED_PRICE_BITS == 0)
            & (tariff.search_fee.amount().get() >> SEARCH_FEE_BITS == 0)
    }
}
