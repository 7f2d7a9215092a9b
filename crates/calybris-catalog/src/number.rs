//! Numbers of price lists: from a decimal text to whole microunits, exactly, never through a float.

use calybris_units::Microunits;
use rust_decimal::Decimal;

use crate::json::is_number;

/// A decimal number of 0 or more, exactly as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    unscaled: u128,
    /// The number is `unscaled` times ten to this power.
    power: i64,
}

/// Why a text is no [`Number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberFault {
    NotADecimal,
    Negative,
}

/// Whole microunits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounded {
    pub(crate) amount: Microunits,
    /// Whether the number was between two whole ones and was rounded up.
    pub(crate) is_rounded_up: bool,
}

impl Number {
    pub(crate) const HALF: Self = Self { unscaled: 5, power: -1 };

    /// Parses the digits of JSON: `0.0000025`, `2.5e-06`, at most 28 of them.
    pub(crate) fn parse(text: &str) -> Result<Self, NumberFault> {
        if !is_number(text) {
            return Err(NumberFault::NotADecimal);
        }
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => {
                (digits, exponent.parse::<i16>().map_err(|_| NumberFault::NotADecimal)?)
            }
            None => (text, 0),
        };
        let decimal = Decimal::from_str_exact(digits).map_err(|_| NumberFault::NotADecimal)?;
        let unscaled = u128::try_from(decimal.mantissa()).map_err(|_| NumberFault::Negative)?;
        Ok(Self { unscaled, power: i64::from(exponent) - i64::from(decimal.scale()) })
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.unscaled == 0
    }

    /// The product; `None` if it has too many digits.
    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let unscaled = self.unscaled.checked_mul(other.unscaled)?;
        Some(Self { unscaled, power: self.power + other.power })
    }

    /// A price per token in microunits per million tokens; `None` if that exceeds `u64`. See [`rounded`](Self::rounded).
    pub(crate) fn per_million_tokens(self) -> Option<Rounded> {
        self.rounded(12)
    }

    /// An amount of currency units in microunits; `None` if that exceeds `u64`. See [`rounded`](Self::rounded).
    pub(crate) fn microunits(self) -> Option<Rounded> {
        self.rounded(6)
    }

    /// The number, if it is whole and fits 64 bits.
    pub(crate) fn whole(self) -> Option<u64> {
        let power = u32::try_from(self.power.unsigned_abs()).ok();
        let factor = power.and_then(|power| 10_u128.checked_pow(power));
        let whole = match factor {
            _ if self.is_zero() => 0,
            Some(factor) if self.power >= 0 => self.unscaled.checked_mul(factor)?,
            Some(factor) if self.unscaled.is_multiple_of(factor) => self.unscaled / factor,
            _ => return None,
        };
        u64::try_from(whole).ok()
    }

    /// The number times ten to this power.
    ///
    /// A fraction is rounded up, so that nothing is reserved too low. But a number within one part in 10^9 of a whole one is
    /// that one: price lists were written from floats (`1.0000000000000001e-07`), and such noise is not a price.
    fn rounded(self, power: i64) -> Option<Rounded> {
        let power = self.power + power;
        let factor =
            u32::try_from(power.unsigned_abs()).ok().and_then(|power| 10_u128.checked_pow(power));
        let (whole, is_rounded_up) = match (power >= 0, factor) {
            _ if self.is_zero() => (0, false),
            (true, factor) => (self.unscaled.checked_mul(factor?)?, false),
            (false, Some(factor)) => {
                let (whole, above) = (self.unscaled / factor, self.unscaled % factor);
                let below = factor - above;
                let is_noise = |off: u128| off.saturating_mul(NOISE) <= self.unscaled;
                if is_noise(above) { (whole, false) } else { (whole + 1, !is_noise(below)) }
            }
            // A u128 divided by at least 10^39: above zero, below one.
            (false, None) => (1, true),
        };
        let amount = Microunits::new(u64::try_from(whole).ok()?);
        Some(Rounded { amount, is_rounded_up })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> (u64, bool) {
        let price = Number::parse(text).unwrap().per_million_tokens().unwrap();
        (price.amount.get(), price.is_rounded_up)
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
            assert!(Number::parse(text).is_err(), "{text}");
        }
        assert_eq!(Number::parse("-1e-6"), Err(NumberFault::Negative));
        for text in ["18446744.073709551616", "1e300"] {
            assert_eq!(Number::parse(text).unwrap().per_million_tokens(), None, "{text}");
        }
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

    #[test]
    fn a_product_is_exact_and_a_whole_number_has_no_fraction() {
        let number = |text| Number::parse(text).unwrap();
        let uplifted = number("1.0000000000000001e-07").times(number("1.1")).unwrap();
        assert_eq!(uplifted.per_million_tokens().unwrap().amount.get(), 110_000);
        assert_eq!(
            number("3e-06").times(Number::HALF).unwrap().per_million_tokens().unwrap().amount.get(),
            1_500_000
        );
        let longest = number("7.9228162514264337593543950335");
        assert_eq!(longest.times(longest), None);
        for (text, whole) in [
            ("256000.0", Some(256_000)),
            ("2.5e1", Some(25)),
            ("0", Some(0)),
            ("0e-400", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1e-400", None),
            ("0.5", None),
        ] {
            assert_eq!(number(text).whole(), whole, "{text}");
        }
    }
}
