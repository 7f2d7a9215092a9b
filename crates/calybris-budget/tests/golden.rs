//! The events as text: names and fields that a log written today must keep readable for ever.
#![cfg(feature = "serde")]

use std::path::Path;

use calybris_budget::{AccountSnapshot, BudgetEvent, OverrunPolicy, TenantRules};

/// Compares with the golden file, or rewrites it when `CALYBRIS_BLESS` is 1.
#[allow(clippy::unwrap_used, reason = "a missing golden file fails the test")]
fn assert_golden(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1") {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{file}");
}

#[test]
fn events_keep_their_names_and_fields() {
    let tenant = || "acme".to_owned();
    let rules = TenantRules {
        exposure_cap_microunits: Some(60),
        soft_limit_microunits: None,
        overrun: OverrunPolicy::DrawThenDebt,
    };
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant(), granted_microunits: 100 },
        BudgetEvent::Reserved { tenant: tenant(), hold: 7, amount_microunits: 70 },
        BudgetEvent::Committed { hold: 7, actual_microunits: 50 },
        BudgetEvent::Released { hold: 8 },
        BudgetEvent::ChildOpened {
            tenant: "acme/web".to_owned(),
            parent: tenant(),
            granted_microunits: 60,
        },
        BudgetEvent::ToppedUp { tenant: tenant(), amount_microunits: 9 },
        BudgetEvent::Reduced { tenant: tenant(), amount_microunits: 9 },
        BudgetEvent::Refunded { tenant: tenant(), amount_microunits: 9 },
        BudgetEvent::Repaid { tenant: tenant(), amount_microunits: 9 },
        BudgetEvent::Frozen { tenant: tenant() },
        BudgetEvent::Unfrozen { tenant: tenant() },
        BudgetEvent::RulesSet { tenant: tenant(), rules },
        BudgetEvent::SoftLimitReached { tenant: tenant() },
        BudgetEvent::Extended { hold: 7, amount_microunits: 9 },
        BudgetEvent::Overdrawn { hold: 7, extra_microunits: 9, drawn_microunits: vec![4, 9] },
        BudgetEvent::PartCommitted { hold: 7, actual_microunits: 9 },
        BudgetEvent::Dispatched { hold: 7 },
        BudgetEvent::Expired { hold: 7 },
        BudgetEvent::ReservedOnce {
            tenant: tenant(),
            hold: 7,
            amount_microunits: 70,
            key: "request-1".to_owned(),
        },
        BudgetEvent::CarriedOver { from: tenant(), to: "globex".to_owned(), amount_microunits: 9 },
    ];
    let mut lines = String::new();
    for event in events {
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<BudgetEvent>(&line).unwrap(), event);
        lines = lines + &line + "\n";
    }
    assert_golden("events.jsonl", &lines);
}

#[test]
fn snapshots_keep_their_fields() {
    let snapshot = AccountSnapshot {
        granted_microunits: 100,
        available_microunits: 40,
        reserved_microunits: 10,
        committed_microunits: 50,
        debt_microunits: 0,
    };
    let line = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<AccountSnapshot>(&line).unwrap(), snapshot);
    assert_golden("snapshot.json", &(line + "\n"));
}
