//! Whole numbers, as arguments and as fields: digits and nothing else.

use std::num::NonZeroUsize;

use crate::amount::grouped;

/// Whether these are the digits of a whole number, without a plus, a zero before them or a `-0`.
pub(crate) fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && text != "-0" && (digits == "0" || !digits.starts_with('0'))
}

/// An argument that counts something, or is a sequence.
pub(crate) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number = is_whole(text).then(|| text.parse().ok()).flatten();
    let number = number.and_then(|number: u64| T::try_from(number).ok());
    number.ok_or_else(|| format!("allowed is a whole number from 0 to {}", grouped(u64::MAX)))
}

/// An argument that counts something, and is at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number = whole(text).ok().and_then(NonZeroUsize::new);
    number.ok_or_else(|| format!("allowed is a whole number from 1 to {}", grouped(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_has_one_way_to_be_written() {
        for text in ["0", "7", "4294967295", "-5"] {
            assert!(is_whole(text), "{text}");
        }
        let bad =
            ["", "-", "+7", "007", "00", "-0", "7.0", "1e3", "1_000", "1,000", "0x7", "\u{663}"];
        for text in bad {
            assert!(!is_whole(text), "{text}");
        }
    }

    #[test]
    fn an_argument_has_its_range() {
        assert_eq!(whole::<u64>("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(at_least_one("1").map(NonZeroUsize::get), Ok(1));
        for text in ["x", "-1", "+1", "18446744073709551616"] {
            let words = "allowed is a whole number from 0 to 18,446,744,073,709,551,615";
            assert_eq!(whole::<usize>(text), Err(words.to_owned()), "{text}");
        }
        assert!(at_least_one("0").is_err_and(|words| words.contains("from 1 to ")));
    }
}
