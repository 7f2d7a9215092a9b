//! The events as text: names and fields that a log written today must keep readable for ever.
#![cfg(feature = "serde")]

use std::path::Path;

use calybris_budget::{AccountSnapshot, BudgetEvent};

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
    let tenant = "acme".to_owned();
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant.clone(), granted_microunits: 100 },
        BudgetEvent::Reserved { tenant, hold: 7, amount_microunits: 70 },
        BudgetEvent::Committed { hold: 7, actual_microunits: 50 },
        BudgetEvent::Released { hold: 8 },
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
    };
    let line = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<AccountSnapshot>(&line).unwrap(), snapshot);
    assert_golden("snapshot.json", &(line + "\n"));
}
