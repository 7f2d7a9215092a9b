//! Money.

use core::fmt;
use core::str::FromStr;

use crate::decimal::{self, ParseError};

/// Decimal places of a currency unit in microunits.
const PLACES: u32 = 6;

/// An amount of money in microunits: millionths of the caller's one currency unit. One US dollar is 1,000,000.
///
/// ```
/// use calybris_units::Microunits;
///
/// let budget = Microunits::from_units(20).unwrap();
/// assert_eq!(budget.get(), 20_000_000);
/// assert_eq!("0.000125".parse(), Ok(Microunits::new(125)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Microunits(u64);

impl Microunits {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount: 2^64 - 1 microunits, about 18 million million units.
    pub const MAX: Self = Self(u64::MAX);

    /// So many microunits.
    #[must_use]
    pub const fn new(microunits: u64) -> Self {
        Self(microunits)
    }

    /// So many whole currency units; `None` above 18,446,744,073,709.
    #[must_use]
    pub const fn from_units(units: u64) -> Option<Self> {
        match units.checked_mul(1_000_000) {
            Some(microunits) => Some(Self(microunits)),
            None => None,
        }
    }

    /// The number of microunits.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; `None` above [`MAX`](Self::MAX).
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference; `None` if `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl fmt::Display for Microunits {
    /// In currency units, with as many of the six decimal places as are needed: `12.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0, PLACES)
    }
}

impl FromStr for Microunits {
    type Err = ParseError;

    /// Reads currency units with at most six decimal places: `12.5`, `0.000001`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        decimal::parse(text, PLACES).map(Self)
    }
}

impl From<Microunits> for u64 {
    fn from(amount: Microunits) -> Self {
        amount.0
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_read_in_currency_units() {
        for (text, microunits) in [
            ("0", 0),
            ("0.000001", 1),
            ("12.5", 12_500_000),
            ("007", 7_000_000),
            ("1.000000", 1_000_000),
            ("18446744073709.551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Microunits(microunits)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", " 1", "1 ", "1,000", "1e3", "1.2.3", "\u{663}"]
        {
            assert_eq!(text.parse::<Microunits>(), Err(ParseError::NotANumber), "{text:?}");
        }
        assert_eq!("0.0000001".parse::<Microunits>(), Err(ParseError::TooPrecise { places: 6 }));
        for text in ["18446744073709.551616", "18446744073710", "99999999999999999999999"] {
            assert_eq!(text.parse::<Microunits>(), Err(ParseError::TooLarge), "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let one = Microunits::new(1);
        assert_eq!(Microunits::MAX.checked_add(one), None);
        assert_eq!(Microunits::ZERO.checked_sub(one), None);
        assert_eq!(
            Microunits::from_units(18_446_744_073_709),
            Some(Microunits(18_446_744_073_709_000_000))
        );
        assert_eq!(Microunits::from_units(18_446_744_073_710), None);
    }

    proptest! {
        #[test]
        fn every_amount_is_read_as_it_was_written(microunits: u64) {
            let amount = Microunits(microunits);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
