//! Accounts as JSON, and rules in words.

use calybris_core::budget::{Microunits, OverrunPolicy, TenantRules, Totals};
use calybris_core::engine::LedgerAccount;
use serde_json::{Value, json};

use crate::amount::money;

/// The amounts of an account, or of several together.
pub(crate) fn balance_object(balance: Totals) -> Value {
    json!({
        "granted_microunits": balance.granted_microunits,
        "available_microunits": balance.available_microunits,
        "reserved_microunits": balance.reserved_microunits,
        "committed_microunits": balance.committed_microunits,
        "debt_microunits": balance.debt_microunits,
    })
}

/// A tenant with its account and its rules.
pub(crate) fn account_object(account: &LedgerAccount) -> Value {
    let mut object = balance_object(account.balance.into());
    if let Some(map) = object.as_object_mut() {
        map.insert("tenant".to_owned(), json!(account.tenant));
        map.insert("parent".to_owned(), json!(account.parent));
        map.insert("frozen".to_owned(), json!(account.frozen));
        map.insert("rules".to_owned(), rules_object(&account.rules));
    }
    object
}

/// The rules of a tenant; `null` for a limit that it does not have.
fn rules_object(rules: &TenantRules) -> Value {
    json!({
        "exposure_cap_microunits": rules.exposure_cap.map(Microunits::get),
        "soft_limit_microunits": rules.soft_limit.map(Microunits::get),
        "overrun": format!("{:?}", rules.overrun),
    })
}

/// A limit of a tenant; `none` if it has none.
pub(crate) fn limit_word(limit: Option<Microunits>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| money(limit.get()))
}

/// What happens to a cost above its reservation, as it is typed.
pub(crate) const fn overrun_word(overrun: OverrunPolicy) -> &'static str {
    match overrun {
        OverrunPolicy::Reject => "reject",
        OverrunPolicy::DrawThenDebt => "draw-then-debt",
        OverrunPolicy::CapAtReserved => "cap-at-reserved",
        _ => "another",
    }
}

/// The rules of a tenant in words.
pub(crate) fn rules_words(rules: &TenantRules) -> String {
    format!(
        "exposure cap {}, soft limit {}, overrun {}",
        limit_word(rules.exposure_cap),
        limit_word(rules.soft_limit),
        overrun_word(rules.overrun)
    )
}
