//! Times.

use core::fmt;
use core::str::FromStr;

use crate::decimal::{self, ParseError};

/// A time by the caller's clock, in milliseconds since 1970-01-01 00:00 UTC, without leap seconds.
///
/// ```
/// use calybris_units::UnixMillis;
///
/// let new_year_2026 = UnixMillis::from_seconds(1_767_225_600).unwrap();
/// assert_eq!(new_year_2026.get(), 1_767_225_600_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// 1970-01-01 00:00 UTC.
    pub const EPOCH: Self = Self(0);

    /// So many milliseconds since 1970.
    #[must_use]
    pub const fn new(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// So many seconds since 1970; `None` above 18,446,744,073,709,551.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        match seconds.checked_mul(1_000) {
            Some(milliseconds) => Some(Self(milliseconds)),
            None => None,
        }
    }

    /// The number of milliseconds since 1970.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The time so many milliseconds later; `None` if that has no number.
    #[must_use]
    pub const fn checked_add_millis(self, milliseconds: u64) -> Option<Self> {
        match self.0.checked_add(milliseconds) {
            Some(time) => Some(Self(time)),
            None => None,
        }
    }

    /// How many milliseconds this is after `earlier`; `None` if it is before it.
    #[must_use]
    pub const fn checked_millis_since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for UnixMillis {
    /// The number of milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UnixMillis {
    type Err = ParseError;

    /// Reads a number of milliseconds.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        decimal::parse(text, 0).map(Self)
    }
}

impl From<UnixMillis> for u64 {
    fn from(time: UnixMillis) -> Self {
        time.0
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        for milliseconds in [0, 1, 1_767_225_600_000, u64::MAX] {
            let time = UnixMillis(milliseconds);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!("1.5".parse::<UnixMillis>(), Err(ParseError::TooPrecise { places: 0 }));
        assert_eq!("18446744073709551616".parse::<UnixMillis>(), Err(ParseError::TooLarge));
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let last = UnixMillis(u64::MAX);
        assert_eq!(last.checked_add_millis(1), None);
        assert_eq!(UnixMillis::EPOCH.checked_millis_since(UnixMillis(1)), None);
        assert_eq!(last.checked_millis_since(UnixMillis::EPOCH), Some(u64::MAX));
        assert_eq!(
            UnixMillis::from_seconds(18_446_744_073_709_551),
            Some(UnixMillis(18_446_744_073_709_551_000))
        );
        assert_eq!(UnixMillis::from_seconds(18_446_744_073_709_552), None);
    }
}
