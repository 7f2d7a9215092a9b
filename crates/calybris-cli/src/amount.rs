//! Amounts, counts, differences, shares and rates as a person reads them.

use std::time::Duration;

/// Microunits as currency units: `1_234_567` is `1.234567`.
pub(crate) fn money(microunits: impl Into<u128>) -> String {
    let microunits = microunits.into();
    format!("{}.{:06}", grouped(microunits / 1_000_000), microunits % 1_000_000)
}

/// The same for an amount that may be negative.
pub(crate) fn signed_money(microunits: impl Into<i128>) -> String {
    let microunits = microunits.into();
    let sign = if microunits < 0 { "-" } else { "" };
    format!("{sign}{}", money(microunits.unsigned_abs()))
}

/// How many of something: `1 record`, `2,000 records`.
pub(crate) fn counted(number: impl ToString, what: &str) -> String {
    let number = grouped(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A whole number with a comma before each group of three digits.
pub(crate) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second; `None` if the work was too short to measure one.
pub(crate) fn rate(count: u64, elapsed: Duration) -> Option<String> {
    (elapsed >= SHORTEST_RATED).then(|| {
        let per_second = u128::from(count) * 1_000_000 / elapsed.as_micros();
        format!("{} per second", grouped(per_second))
    })
}

/// The shortest work for which a rate is given.
const SHORTEST_RATED: Duration = Duration::from_millis(10);

/// A difference in microunits, with its sign.
pub(crate) fn money_delta(microunits: i128) -> String {
    signed(microunits, signed_money(microunits))
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

/// A quotient, rounded to the nearest whole number, a half upwards; 0 if the divisor is 0. All percentages are rounded here.
pub(crate) fn nearest(number: u128, of: u128) -> u128 {
    let (whole, rest) =
        (number.checked_div(of).unwrap_or_default(), number.checked_rem(of).unwrap_or_default());
    whole.saturating_add(u128::from(rest > 0 && rest >= of - rest))
}

/// The difference in percent of the first, rounded to a tenth: `<0.1%` is not zero; empty if there is nothing to compare
/// with.
pub(crate) fn percent_delta(before: i128, after: i128) -> String {
    let Some((difference, tenths)) = after.checked_sub(before).and_then(|difference| {
        let thousandfold = difference.checked_mul(1_000)?.unsigned_abs();
        let size = i128::try_from(nearest(thousandfold, before.unsigned_abs())).ok()?;
        (before != 0).then_some((difference, if difference < 0 { -size } else { size }))
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

/// A part of a whole in percent, rounded to a tenth.
pub(crate) fn share(part: impl Into<u128>, whole: impl Into<u128>) -> String {
    let (part, whole) = (part.into(), whole.into().max(1));
    let tenths = match part.checked_mul(1_000) {
        Some(part) => nearest(part, whole),
        None => nearest(part, (whole / 1_000).max(1)),
    };
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn signed(number: i128, text: String) -> String {
    if number > 0 { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_six_decimals() {
        assert_eq!(money(0_u64), "0.000000");
        assert_eq!(money(1_u64), "0.000001");
        assert_eq!(money(1_234_567_890_u64), "1,234.567890");
    }

    #[test]
    fn an_amount_may_be_negative() {
        assert_eq!(signed_money(-1_i64), "-0.000001");
        assert_eq!(signed_money(i64::MIN), "-9,223,372,036,854.775808");
        assert_eq!(signed_money(1_i64), "0.000001");
    }

    #[test]
    fn what_took_no_time_has_no_rate() {
        let rate = |count, ms| rate(count, Duration::from_millis(ms));
        assert_eq!(rate(5, 9), None);
        assert_eq!(rate(5, 10).as_deref(), Some("500 per second"));
        assert_eq!(rate(u64::MAX, 1_000).as_deref(), Some("18,446,744,073,709,551,615 per second"));
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [
            (0_u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!(counted(1_usize, "record"), "1 record");
        assert_eq!(counted(0_u64, "record"), "0 records");
        assert_eq!(counted(2_000_u64, "record"), "2,000 records");
    }

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
        assert_eq!(percent_delta(3, 5), "+66.7%");
        assert_eq!(percent_delta(3, 1), "-66.7%");
        assert_eq!(percent_delta(-200, -100), "+50.0%");
        assert_eq!(percent_delta(0, 5), "");
        assert_eq!(percent_delta(5, 5), "0.0%");
        assert_eq!(percent_delta(1_000, 1_001), "+0.1%");
        assert_eq!(percent_delta(1_001, 1_002), "+0.1%");
        assert_eq!(percent_delta(2_001, 2_002), "+<0.1%");
        assert_eq!(percent_delta(2_001, 2_000), "-<0.1%");
        assert_eq!(percent_delta(i128::MAX, i128::MIN / 2), "");
        assert_eq!(share(1_u64, 3_u64), "33.3%");
        assert_eq!(share(2_u64, 3_u64), "66.7%");
        assert_eq!(share(1_u64, 2_000_u64), "0.1%");
        assert_eq!(share(u128::MAX / 2, u128::MAX), "50.0%");
        assert_eq!(share(0_u64, 0_u64), "0.0%");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0%");
    }
}
