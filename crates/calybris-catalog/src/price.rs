//! Prices: from a decimal text per token to whole microunits per million tokens, exactly, never through a float.

use calybris_units::Microunits;
use rust_decimal::Decimal;

use crate::json::is_number;

/// A price that the kernel can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// Per million tokens.
    pub(crate) per_million_tokens: Microunits,
    /// Whether the text was between two whole microunits and was rounded up.
    pub(crate) rounded_up: bool,
}

/// Parses a price in currency units per token: `0.0000025`, `2.5e-06`.
///
/// One unit per token is 10^12 microunits per million tokens. A fraction is rounded up, so that nothing is
/// reserved too low. But a price within one part in 10^9 of a whole number is that number: price lists were
/// written from floats (`1.0000000000000001e-07`), and such noise is not a price. A refusal says what is allowed.
pub(crate) fn parse_per_token(text: &str) -> Result<Price, String> {
    if !is_number(text) {
        return Err(NOT_A_DECIMAL.to_owned());
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => {
            (digits, exponent.parse::<i16>().map_err(|_| NOT_A_DECIMAL.to_owned())?)
        }
        None => (text, 0),
    };
    let decimal = Decimal::from_str_exact(digits).map_err(|_| NOT_A_DECIMAL.to_owned())?;
    let unscaled =
        u128::try_from(decimal.mantissa()).map_err(|_| "a price is at least 0".to_owned())?;
    let power = i64::from(exponent) + 12 - i64::from(decimal.scale());
    let factor =
        u32::try_from(power.unsigned_abs()).ok().and_then(|power| 10_u128.checked_pow(power));
    let (whole, rounded_up) = match (power >= 0, factor) {
        _ if unscaled == 0 => (Some(0), false),
        (true, factor) => (factor.and_then(|factor| unscaled.checked_mul(factor)), false),
        (false, Some(factor)) => {
            let (whole, above) = (unscaled / factor, unscaled % factor);
            let below = factor - above;
            // A decimal has at most 96 bits, so the noise of one fits.
            let is_noise = |off: u128| off.saturating_mul(NOISE) <= unscaled;
            if is_noise(above) { (Some(whole), false) } else { (Some(whole + 1), !is_noise(below)) }
        }
        // Less than 10^29 divided by more than 10^38: above zero, below one.
        (false, None) => (Some(1), true),
    };
    let per_million_tokens = whole
        .and_then(|whole| u64::try_from(whole).ok())
        .map(Microunits::new)
        .ok_or_else(|| format!("a price is at most {} microunits per million tokens", u64::MAX))?;
    Ok(Price { per_million_tokens, rounded_up })
}

/// Whether a price is in the plausible range; 0 counts as plausible here, because free models are reported separately.
///
/// A price per million tokens that was written as one per token is far above the range, and one per token that was
/// written as one per million tokens far below. The dearest model of the public list costs 9,710 a million, the cheapest 0.001.
pub(crate) fn is_plausible(per_million_tokens: Microunits) -> bool {
    per_million_tokens.is_zero() || (LEAST_PLAUSIBLE..=MOST_PLAUSIBLE).contains(&per_million_tokens)
}

const LEAST_PLAUSIBLE: Microunits = Microunits::new(1_000);
const MOST_PLAUSIBLE: Microunits = Microunits::new(20_000_000_000);

/// The range of plausible prices in words, in currency units.
pub const PLAUSIBLE_PRICES: &str = "0.001 to 20,000 per million tokens";

/// A difference of one part in this many is noise.
const NOISE: u128 = 1_000_000_000;

const NOT_A_DECIMAL: &str = "a price is a decimal number in currency units per token with at most 28 digits, such as `0.0000025` or `2.5e-06`";

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> (u64, bool) {
        let price = parse_per_token(text).unwrap();
        (price.per_million_tokens.get(), price.rounded_up)
    }

    #[test]
    fn a_whole_number_of_microunits_is_kept_exactly() {
        assert_eq!(price("2.5e-06"), (2_500_000, false));
        assert_eq!(price("0.0000025"), (2_500_000, false));
        assert_eq!(price("1E-7"), (100_000, false));
        assert_eq!(price("0"), (0, false));
        assert_eq!(price("0.0"), (0, false));
        assert_eq!(price("0e-400"), (0, false));
        assert_eq!(price("1e-12"), (1, false));
        assert_eq!(price("18446744.073709551615"), (u64::MAX, false));
    }

    #[test]
    fn what_is_not_whole_is_rounded_up_and_says_so() {
        assert_eq!(price("1.000001e-07"), (100_001, true));
        assert_eq!(price("3.75e-13"), (1, true));
        assert_eq!(price("1e-300"), (1, true));
        assert_eq!(price("0.00000000000099"), (1, true));
        // Just above one part in 10^9.
        assert_eq!(price("1.000000001001e-12"), (2, true));
    }

    #[test]
    fn the_noise_of_a_float_is_no_price() {
        assert_eq!(price("0.038500000000000006"), (38_500_000_000, false));
        assert_eq!(price("1.0000000000000001e-07"), (100_000, false));
        assert_eq!(price("1.000000001e-12"), (1, false));
        assert_eq!(price("9.999999999999999e-08"), (100_000, false));
        assert_eq!(price("0.0000000000009999999999999999"), (1, false));
        assert_eq!(price("3.0000000000000004e-07"), (300_000, false));
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in [
            "", "-1e-6", "free", "1e", "1e1e1", "nan", "inf", "0x10", "1e99999", "1,5", "1_0e-07",
            "+1e-6", "01", ".5", "1.", " 1", "1e-0_7",
        ] {
            assert!(parse_per_token(text).is_err(), "{text}");
        }
        assert!(parse_per_token("18446744.073709551616").unwrap_err().contains("at most"));
        assert!(parse_per_token("1e300").unwrap_err().contains("at most"));
    }

    #[test]
    fn a_price_per_token_and_one_per_million_are_told_apart() {
        let plausible = |text| is_plausible(Microunits::new(price(text).0));
        // 2.5 a million, 0.05 a million, and the same numbers as prices per token.
        assert!(plausible("2.5e-6") && plausible("5e-8"));
        assert!(!plausible("2.5") && !plausible("0.05"));
        assert!(!plausible("2.5e-12") && !plausible("1.5e-13"));
        // The ends of the public list, and nothing.
        assert!(plausible("0.00971") && plausible("1e-9") && plausible("0"));
    }
}
