//! Days, as lists write them. No day is read from a clock here: the caller says which one it is.

use std::fmt;
use std::str::FromStr;

/// A day of the calendar. Earlier days are less.
///
/// ```
/// use calybris_catalog::Date;
///
/// let retired: Date = "2026-11-15".parse()?;
/// assert!(retired < Date::new(2026, 12, 1).unwrap());
/// assert_eq!(retired.to_string(), "2026-11-15");
/// # Ok::<(), calybris_catalog::NotADate>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// The text or the numbers are no day as `2026-11-15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day of the calendar such as `2026-11-15`")]
#[non_exhaustive]
pub struct NotADate;

impl Date {
    /// A day of the years 1 to 9999; `None` if the calendar has no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => return None,
        };
        let is_day = (1..=9_999).contains(&year) && (1..=days).contains(&day);
        is_day.then_some(Self { year, month, day })
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let has_digits = text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        let part = |range: std::ops::Range<usize>| text.get(range).ok_or(NotADate);
        if text.len() != 10 || !has_digits {
            return Err(NotADate);
        }
        let year = part(0..4)?.parse().map_err(|_| NotADate)?;
        let month = part(5..7)?.parse().map_err(|_| NotADate)?;
        let day = part(8..10)?.parse().map_err(|_| NotADate)?;
        Self::new(year, month, day).ok_or(NotADate)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_and_no_others() {
        for text in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "2026-04-30"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "0000-01-01",
            "2026-1-01",
            "2026-01-011",
            "2026/01/01",
            "+026-01-01",
            "2026-01-0\u{b2}",
            "",
            "soon",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_earlier_day_is_less() {
        let days = ["2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01", "2027-01-01"];
        assert!(days.map(|day| day.parse::<Date>().unwrap()).is_sorted());
    }
}
