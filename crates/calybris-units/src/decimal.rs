//! Decimal text of a number that counts fractions: digits, and a point with at most as many places as are counted.

use core::error::Error;
use core::fmt;

/// Why a text is not the number that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// Something other than digits and one decimal point between digits. Signs, spaces and separators are refused.
    NotANumber,
    /// More decimal places than the type counts.
    TooPrecise {
        /// The most places that it may have.
        places: u32,
    },
    /// Above the largest value of the type.
    TooLarge,
    /// A share without its `%`.
    NoPercentSign,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("expected digits, and a decimal point at most"),
            Self::TooPrecise { places } => {
                write!(f, "expected at most {places} decimal places")
            }
            Self::TooLarge => f.write_str("the number is too large"),
            Self::NoPercentSign => f.write_str("expected a `%` at the end"),
        }
    }
}

impl Error for ParseError {}

/// The number in `text` times ten to the power of `places`.
pub(crate) fn parse(text: &str, places: u32) -> Result<u64, ParseError> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(ParseError::NotANumber),
        Some(parts) => parts,
        None => (text, ""),
    };
    let mut digits = whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits.clone().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::NotANumber);
    }
    let missing = u32::try_from(fraction.len())
        .ok()
        .and_then(|written| places.checked_sub(written))
        .ok_or(ParseError::TooPrecise { places })?;
    let written = digits.try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    written
        .zip(10_u64.checked_pow(missing))
        .and_then(|(number, scale)| number.checked_mul(scale))
        .ok_or(ParseError::TooLarge)
}

/// Writes `number` divided by ten to the power of `places`, without zeros at the end.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, number: u64, places: u32) -> fmt::Result {
    let scale = 10_u64.pow(places);
    let (whole, mut fraction) = (number / scale, number % scale);
    write!(f, "{whole}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut width = places as usize;
    while fraction % 10 == 0 {
        fraction /= 10;
        width -= 1;
    }
    write!(f, ".{fraction:0width$}")
}
