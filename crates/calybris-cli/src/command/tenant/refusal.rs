//! Why a change of a tenant is refused, in words and currency units.

use calybris_core::budget::{BudgetError, MAX_AMOUNT, MAX_LEVELS, MAX_NAME_BYTES};
use calybris_core::engine::{EngineError, Ledger};
use calybris_core::units::Microunits;

use crate::amount::money;
use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::terminal::{program_name, shell_word};
use crate::visible::visible_within_a_line;

/// Why the ledger refuses a change. `attempt` says what cannot be done.
pub(super) fn refused(
    log: &LogArguments,
    ledger: &Ledger,
    attempt: &str,
    error: &EngineError,
) -> Failure {
    match error {
        EngineError::UnknownTenant { tenant } => unknown_tenant(log, ledger, tenant),
        EngineError::Budget(error) => {
            Failure::at(log.dir(), format_args!("{attempt}: {}", in_words(error)))
        }
        error => Failure::of_engine(log.dir(), error),
    }
}

/// No tenant of the log has this name.
pub(super) fn unknown_tenant(log: &LogArguments, ledger: &Ledger, tenant: &str) -> Failure {
    let names = ledger.accounts.iter().map(|account| account.tenant.as_str());
    let nearest = names.map(|name| (distance(tenant, name), name)).min();
    let (program, dir, key) = (program_name(), shell_word(log.dir()), log.key.typed_again());
    let hint = match nearest {
        Some((letters, name)) if letters <= MOST_LETTERS_MISTYPED => {
            format!("is `{}` meant?", visible_within_a_line(name))
        }
        _ => format!("`{program} tenant list {dir}{key}` lists the tenants"),
    };
    let what = format_args!("no tenant `{}` in this log", visible_within_a_line(tenant));
    Failure::at(log.dir(), what).noting(&hint)
}

/// A name with more letters mistyped is another name.
const MOST_LETTERS_MISTYPED: usize = 2;

/// How many letters are to be added, removed or replaced to make the one text the other; capitals count as small letters.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    // The distances of the letters so far to each beginning of the other text.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut left = index + 1;
        let mut next = vec![left];
        for ((expected, above), diagonal) in other.chars().zip(row.iter().skip(1)).zip(&row) {
            left = (diagonal + usize::from(letter != expected)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn in_words(error: &BudgetError) -> String {
    let money = |amount: Microunits| money(amount.get());
    let name = |tenant: &str| format!("`{}`", visible_within_a_line(tenant));
    match error {
        BudgetError::Insufficient { available, .. } => {
            format!("{} is available and not owed", money(*available))
        }
        BudgetError::RefundTooLarge { tenant, committed, .. } => {
            format!("{} has spent {}", name(tenant), money(*committed))
        }
        BudgetError::GrantTooLarge { granted, .. } => format!(
            "its grant, with what it owes, is {}, and may be {} at most",
            money(*granted),
            money(MAX_AMOUNT)
        ),
        BudgetError::GrantDiffers { granted, .. } => format!(
            "it is open already, opened with {}; `tenant top-up` and `tenant reduce` change its grant",
            money(*granted)
        ),
        BudgetError::ParentDiffers { .. } => {
            "it is open already, at another place, and a tenant keeps its place".to_owned()
        }
        BudgetError::ParentInUse { tenant, reserved } => format!(
            "{} has {} reserved by tickets of its own, and can have its first tenant below it once they are settled",
            name(tenant),
            money(*reserved)
        ),
        BudgetError::TooDeep { .. } => format!("a tenant is at most {MAX_LEVELS} levels deep"),
        BudgetError::NameLength { bytes } => {
            format!("a name has 1 to {MAX_NAME_BYTES} bytes, and this one {bytes}")
        }
        error => visible_within_a_line(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_mistyped_are_near() {
        for (one, other, letters) in [
            ("acme", "acme", 0),
            ("acm", "acme", 1),
            ("amce", "acme", 2),
            ("Acme", "acme", 0),
            ("", "acme", 4),
            ("kitten", "sitting", 3),
            ("\u{e9}t\u{e9}", "ete", 2),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{one} {other}");
        }
    }
}
