//! An account before and after a change.

use calybris_core::engine::LedgerAccount;
use calybris_core::units::Microunits;
use serde_json::{Value, json};

use crate::amount::{money, money_delta};
use crate::log::account::{account_object, limit_word, overrun_word};
use crate::output::Page;
use crate::table::table;

/// A property of an account, and its name.
pub(super) type Named<T> = (&'static str, fn(&LedgerAccount) -> T);

/// An account before and after a change.
pub(super) struct Difference {
    /// `None` if the change opens it.
    pub(super) before: Option<LedgerAccount>,
    pub(super) after: LedgerAccount,
}

impl Difference {
    /// Whether there is one.
    pub(super) fn is_one(&self) -> bool {
        self.before.as_ref() != Some(&self.after)
    }

    /// A table of every amount, and of the rules that changed. `named` says whose account it is.
    pub(super) fn words(&self, named: bool, page: &mut Page) {
        let amounts: [Named<Microunits>; 5] = [
            ("granted", |account| account.balance.granted),
            ("available", |account| account.balance.available),
            ("reserved", |account| account.balance.reserved),
            ("committed", |account| account.balance.committed),
            ("debt", |account| account.balance.debt),
        ];
        let texts: [Named<String>; 4] = [
            ("frozen", |account| if account.frozen { "yes" } else { "no" }.to_owned()),
            ("exposure cap", |account| limit_word(account.rules.exposure_cap)),
            ("soft limit", |account| limit_word(account.rules.soft_limit)),
            ("overrun", |account| overrun_word(account.rules.overrun).to_owned()),
        ];
        let (before, after) = (self.before.as_ref(), &self.after);
        let mut rows = Vec::new();
        for (name, amount) in amounts {
            let (was, is) = (before.map(amount).unwrap_or_default(), amount(after));
            let both_nothing = was.is_zero() && is.is_zero();
            if name == "debt" && both_nothing {
                continue;
            }
            let change = i128::from(is.get()) - i128::from(was.get());
            let change = if change == 0 { String::new() } else { money_delta(change) };
            let was = before.map_or_else(String::new, |_| money(was.get()));
            rows.push(vec![name.to_owned(), was, money(is.get()), change]);
        }
        for (name, text) in texts {
            let (was, is) = (before.map(text), text(after));
            if was.as_ref().is_some_and(|was| *was != is) {
                rows.push(vec![name.to_owned(), was.unwrap_or_default(), is, String::new()]);
            }
        }
        let name = if named { self.after.tenant.as_str() } else { "" };
        page.line(table(&[name, "before", "after", "change"], &[1, 2, 3], rows));
    }

    /// Both as JSON; `before` is `null` if the change opens the tenant.
    pub(super) fn object(&self) -> Value {
        json!({
            "tenant": self.after.tenant,
            "before": self.before.as_ref().map(account_object),
            "after": account_object(&self.after),
        })
    }
}
