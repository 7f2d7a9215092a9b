//! Amounts of money as arguments: in currency units, as they are printed.

use std::borrow::Cow;

use calybris_core::budget::MAX_AMOUNT;
use calybris_core::units::Microunits;

use crate::amount::money;

/// An amount that may be 0.
pub(crate) fn amount_or_zero(text: &str) -> Result<Microunits, String> {
    let amount: Option<Microunits> = without_commas(text).and_then(|text| text.parse().ok());
    amount.filter(|amount| *amount <= MAX_AMOUNT).ok_or_else(|| {
        format!(
            "allowed is an amount in currency units with at most six decimal places, from 0 to {}, \
             such as `1500`, `0.25` or, as it is printed, `1,500.000000`",
            money(MAX_AMOUNT.get())
        )
    })
}

/// An amount above 0.
pub(crate) fn amount(text: &str) -> Result<Microunits, String> {
    match amount_or_zero(text)? {
        Microunits::ZERO => Err("allowed is an amount above 0".to_owned()),
        amount => Ok(amount),
    }
}

/// A limit that a tenant may have or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) Option<Microunits>);

/// An amount, or `none` for no limit.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        _ => match amount_or_zero(text) {
            Ok(amount) => Ok(Limit(Some(amount))),
            Err(allowed) => Err(format!("{allowed}; or `none`")),
        },
    }
}

/// The text without the commas between groups of three digits. With commas there must be decimal places too: `1,500` alone is
/// one and a half in some countries.
fn without_commas(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(',') {
        return Some(Cow::Borrowed(text));
    }
    let (whole, places) = text.split_once('.')?;
    let (first, groups) = whole.split_once(',')?;
    let in_groups =
        (1..=3).contains(&first.len()) && groups.split(',').all(|group| group.len() == 3);
    in_groups.then(|| Cow::Owned(format!("{}.{places}", whole.replace(',', ""))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_it_is_printed_and_as_it_is_typed() {
        for microunits in
            [1, 999_999, 1_000_000, 999_999_999, 1_000_000_000, 1_234_567_890_123, MAX_AMOUNT.get()]
        {
            let found = Microunits::new(microunits);
            assert_eq!(amount(&money(microunits)), Ok(found));
            assert_eq!(amount(&found.to_string()), Ok(found));
        }
        assert_eq!(amount("1,500.5"), Ok(Microunits::new(1_500_500_000)));
        assert_eq!(amount_or_zero("0"), Ok(Microunits::ZERO));
        assert_eq!(limit("none").map(|limit| limit.0), Ok(None));
        assert_eq!(limit("0").map(|limit| limit.0), Ok(Some(Microunits::ZERO)));
    }

    #[test]
    fn what_could_be_another_amount_is_refused() {
        for text in [
            "",
            ".5",
            "5.",
            "-5",
            "+5",
            " 5",
            "5 ",
            "1e3",
            "0.0000001",
            "5 USD",
            "$5",
            "1_000",
            "none",
            "1,5",
            "1,500",
            "1,50.0",
            "1,5000.0",
            ",500.0",
            "1,,500.0",
            "1500,000.0",
            "1,500,.0",
            "1.500,0",
            "1,500.",
            "9,223,372,036,854.775808",
            "9223372036854.775808",
            "18446744073709.551615",
            "99999999999999999999",
        ] {
            assert!(amount_or_zero(text).is_err(), "{text:?}");
            assert_eq!(limit(text).is_ok(), text == "none", "{text:?}");
        }
        assert!(amount("0").is_err() && amount("0.000000").is_err());
    }
}
