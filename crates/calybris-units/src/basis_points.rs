//! Shares.

use core::fmt;
use core::str::FromStr;

use crate::decimal::{self, ParseError};

/// A share in basis points: ten-thousandths of a whole.
///
/// It holds 0 to 65,535; more than [`WHOLE`](Self::WHOLE) is more than the whole. Where only a part of a whole makes
/// sense (quality, risk, confidence), the function that takes the share checks it.
///
/// ```
/// use calybris_units::BasisPoints;
///
/// assert_eq!(BasisPoints::percent(95).get(), 9_500);
/// assert_eq!("12.34%".parse(), Ok(BasisPoints::new(1_234)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// No share.
    pub const ZERO: Self = Self(0);
    /// The whole: 10,000 basis points.
    pub const WHOLE: Self = Self(10_000);

    /// So many basis points.
    #[must_use]
    pub const fn new(basis_points: u16) -> Self {
        Self(basis_points)
    }

    /// So many percent.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self(percent as u16 * 100)
    }

    /// The number of basis points.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for BasisPoints {
    /// In percent, with as many of the two decimal places as are needed: `95.5%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0.into(), 2)?;
        f.write_str("%")
    }
}

impl FromStr for BasisPoints {
    type Err = ParseError;

    /// Reads percent with at most two decimal places and the sign: `95.5%`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let number = text.strip_suffix('%').ok_or(ParseError::NoPercentSign)?;
        let basis_points = decimal::parse(number, 2)?;
        u16::try_from(basis_points).map(Self).map_err(|_| ParseError::TooLarge)
    }
}

impl From<BasisPoints> for u16 {
    fn from(share: BasisPoints) -> Self {
        share.0
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn every_share_is_read_as_it_was_written() {
        for basis_points in 0..=u16::MAX {
            let share = BasisPoints(basis_points);
            assert_eq!(share.to_string().parse(), Ok(share));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!("95".parse::<BasisPoints>(), Err(ParseError::NoPercentSign));
        assert_eq!("%".parse::<BasisPoints>(), Err(ParseError::NotANumber));
        assert_eq!("1.234%".parse::<BasisPoints>(), Err(ParseError::TooPrecise { places: 2 }));
        assert_eq!("655.35%".parse(), Ok(BasisPoints(u16::MAX)));
        assert_eq!("655.36%".parse::<BasisPoints>(), Err(ParseError::TooLarge));
    }

    #[test]
    fn percent_reaches_what_a_byte_can_say() {
        assert_eq!(BasisPoints::percent(0), BasisPoints::ZERO);
        assert_eq!(BasisPoints::percent(100), BasisPoints::WHOLE);
        assert_eq!(BasisPoints::percent(u8::MAX).get(), 25_500);
    }
}
