//! Amounts that may be negative, differences and shares, as a person reads them.

use crate::table::grouped;

/// Microunits as currency units: `-1_234_567` is `-1.234567`.
pub(crate) fn money(microunits: i128) -> String {
    let sign = if microunits < 0 { "-" } else { "" };
    let amount = microunits.unsigned_abs();
    format!("{sign}{}.{:06}", grouped(amount / 1_000_000), amount % 1_000_000)
}

/// A difference in microunits, with its sign.
pub(crate) fn money_delta(microunits: i128) -> String {
    signed(microunits, money(microunits))
}

/// A difference between two counts, with its sign.
pub(crate) fn count_delta(before: u64, after: u64) -> String {
    whole_delta(i128::from(after) - i128::from(before))
}

/// A difference that is a count, with its sign.
pub(crate) fn whole_delta(difference: i128) -> String {
    let sign = if difference < 0 { "-" } else { "" };
    signed(difference, format!("{sign}{}", grouped(difference.unsigned_abs())))
}

/// The difference in percent of the first, to a tenth, cut off after it: `<0.1%` is not zero; empty if there is nothing to compare with.
pub(crate) fn percent_delta(before: i128, after: i128) -> String {
    let whole = i128::try_from(before.unsigned_abs()).unwrap_or(i128::MAX);
    let Some((difference, tenths)) = after.checked_sub(before).and_then(|difference| {
        let tenths = difference.checked_mul(1_000)?.checked_div(whole)?;
        Some((difference, tenths))
    }) else {
        return String::new();
    };
    if tenths == 0 && difference != 0 {
        return format!("{}<0.1%", if difference < 0 { '-' } else { '+' });
    }
    let sign = if tenths < 0 { "-" } else { "" };
    let size = tenths.unsigned_abs();
    signed(tenths, format!("{sign}{}.{}%", grouped(size / 10), size % 10))
}

/// A part of a whole in percent, to a tenth, rounded down.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn signed(number: i128, text: String) -> String {
    if number > 0 { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_its_direction() {
        assert_eq!(money_delta(-1_234_567_890), "-1,234.567890");
        assert_eq!(money_delta(1), "+0.000001");
        assert_eq!(money_delta(0), "0.000000");
        assert_eq!(count_delta(5, 1_005), "+1,000");
        assert_eq!(count_delta(u64::MAX, 0), "-18,446,744,073,709,551,615");
        assert_eq!(count_delta(3, 3), "0");
    }

    #[test]
    fn a_percentage_is_of_the_first() {
        assert_eq!(percent_delta(200, 150), "-25.0%");
        assert_eq!(percent_delta(3, 4), "+33.3%");
        assert_eq!(percent_delta(-200, -100), "+50.0%");
        assert_eq!(percent_delta(0, 5), "");
        assert_eq!(percent_delta(5, 5), "0.0%");
        assert_eq!(percent_delta(1_000, 1_001), "+0.1%");
        assert_eq!(percent_delta(1_001, 1_002), "+<0.1%");
        assert_eq!(percent_delta(1_001, 1_000), "-<0.1%");
        assert_eq!(percent_delta(i128::MAX, i128::MIN / 2), "");
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(0, 0), "0.0%");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0%");
    }
}
