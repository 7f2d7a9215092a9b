//! The events and the checkpoint as text and as bytes: names, fields and discriminants that a log
//! written today must keep readable for ever.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use std::path::Path;

use calybris_budget::{
    AccountSnapshot, Audit, BudgetEvent, BudgetState, KEY_WINDOW, MAX_LEVELS, Microunits,
    OverrunPolicy, Replay, StateError, TenantRules,
};

/// Compares with the golden file, or rewrites it when `CALYBRIS_BLESS` is 1.
fn assert_golden(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1") {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{file}");
}

#[test]
fn events_keep_their_names_fields_and_discriminants() {
    let tenant = || "acme".to_owned();
    let rules = TenantRules::default()
        .with_exposure_cap(Microunits::new(60))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant(), granted: Microunits::new(100) },
        BudgetEvent::Reserved {
            tenant: tenant(),
            reservation: 7.into(),
            amount: Microunits::new(70),
        },
        BudgetEvent::Committed { reservation: 7.into(), actual: Microunits::new(50) },
        BudgetEvent::Released { reservation: 8.into() },
        BudgetEvent::ChildOpened {
            tenant: "acme/web".to_owned(),
            parent: tenant(),
            granted: Microunits::new(60),
        },
        BudgetEvent::ToppedUp { tenant: tenant(), amount: Microunits::new(9) },
        BudgetEvent::Reduced { tenant: tenant(), amount: Microunits::new(9) },
        BudgetEvent::Refunded { tenant: tenant(), amount: Microunits::new(9) },
        BudgetEvent::Repaid { tenant: tenant(), amount: Microunits::new(9) },
        BudgetEvent::Frozen { tenant: tenant() },
        BudgetEvent::Unfrozen { tenant: tenant() },
        BudgetEvent::RulesSet { tenant: tenant(), rules },
        BudgetEvent::SoftLimitReached { tenant: tenant() },
        BudgetEvent::Extended { reservation: 7.into(), amount: Microunits::new(9) },
        BudgetEvent::Overdrawn {
            reservation: 7.into(),
            extra: Microunits::new(9),
            drawn: vec![Microunits::new(4), Microunits::new(9)],
        },
        BudgetEvent::PartCommitted { reservation: 7.into(), actual: Microunits::new(9) },
        BudgetEvent::Dispatched { reservation: 7.into() },
        BudgetEvent::Expired { reservation: 7.into() },
        BudgetEvent::ReservedOnce {
            tenant: tenant(),
            reservation: 7.into(),
            amount: Microunits::new(70),
            key: "request-1".to_owned(),
        },
        BudgetEvent::CarriedOver {
            from: tenant(),
            to: "globex".to_owned(),
            amount: Microunits::new(9),
        },
        BudgetEvent::PartReleased { reservation: 7.into(), amount: Microunits::new(9) },
    ];
    let (mut lines, mut bytes) = (String::new(), String::new());
    for event in events {
        let binary = bincode::serde::encode_to_vec(&event, bincode::config::standard()).unwrap();
        bytes.extend(binary.iter().map(|byte| format!("{byte:02x}")));
        bytes.push('\n');
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<BudgetEvent>(&line).unwrap(), event);
        lines = lines + &line + "\n";
    }
    assert_golden("events.jsonl", &lines);
    // The first byte of a line is the discriminant.
    assert_golden("events.hex", &bytes);
}

#[test]
fn snapshots_keep_their_fields() {
    let mut snapshot = AccountSnapshot::default();
    snapshot.granted = Microunits::new(100);
    snapshot.available = Microunits::new(40);
    snapshot.reserved = Microunits::new(10);
    snapshot.committed = Microunits::new(50);
    let line = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<AccountSnapshot>(&line).unwrap(), snapshot);
    assert_golden("snapshot.json", &(line + "\n"));
}

/// A budget with a tree, debt, rules, open holds and a key.
fn checkpoint() -> BudgetState {
    let mut replay = Replay::new();
    let tenant = || "acme".to_owned();
    let web = || "web".to_owned();
    let rules = TenantRules::default()
        .with_exposure_cap(Microunits::new(60))
        .with_soft_limit(Microunits::new(50))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    for event in [
        BudgetEvent::TenantOpened { tenant: tenant(), granted: Microunits::new(100) },
        BudgetEvent::ChildOpened { tenant: web(), parent: tenant(), granted: Microunits::new(60) },
        BudgetEvent::RulesSet { tenant: web(), rules },
        BudgetEvent::ReservedOnce {
            tenant: web(),
            reservation: 3.into(),
            amount: Microunits::new(50),
            key: "request-1".to_owned(),
        },
        BudgetEvent::SoftLimitReached { tenant: web() },
        BudgetEvent::Overdrawn {
            reservation: 3.into(),
            extra: Microunits::new(20),
            drawn: vec![Microunits::new(10), Microunits::new(20)],
        },
        BudgetEvent::PartCommitted { reservation: 3.into(), actual: Microunits::new(65) },
        BudgetEvent::Dispatched { reservation: 3.into() },
        BudgetEvent::Reserved {
            tenant: tenant(),
            reservation: 9.into(),
            amount: Microunits::new(30),
        },
        BudgetEvent::Released { reservation: 9.into() },
        BudgetEvent::ToppedUp { tenant: tenant(), amount: Microunits::new(7) },
        BudgetEvent::Frozen { tenant: tenant() },
    ] {
        replay.apply(event).unwrap();
    }
    replay.state().unwrap()
}

#[test]
fn checkpoints_keep_their_fields_and_their_order() {
    let checkpoint = checkpoint();
    let text = serde_json::to_string_pretty(&checkpoint).unwrap();
    assert_eq!(serde_json::from_str::<BudgetState>(&text).unwrap(), checkpoint);
    assert_golden("checkpoint.json", &(text + "\n"));
    let binary = bincode::serde::encode_to_vec(&checkpoint, bincode::config::standard()).unwrap();
    let bytes: String = binary.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_golden("checkpoint.hex", &(bytes + "\n"));
}

/// What is changed in the encoded form, and how the refusal begins.
#[test]
fn a_checkpoint_that_no_budget_can_have_given_is_refused() {
    let text = serde_json::to_string(&checkpoint()).unwrap();
    let too_much = u64::try_from(i64::MAX).unwrap() + 1;
    let long = "x".repeat(129);
    let refused: [(&str, &str, String, &str); 19] = [
        (
            "sum",
            r#""available_microunits":37"#,
            r#""available_microunits":38"#.into(),
            "the books of tenant `acme`",
        ),
        (
            "sum",
            r#""debt_microunits":10"#,
            r#""debt_microunits":9"#.into(),
            "the books of tenant `web`",
        ),
        (
            "huge",
            r#""granted_microunits":107,"available_microunits":37"#,
            format!(r#""granted_microunits":{},"available_microunits":{too_much}"#, too_much + 70),
            "the books of tenant `acme`",
        ),
        (
            "hold",
            r#""amount_microunits":5,"#,
            r#""amount_microunits":4,"#.into(),
            "tenant `acme` has 5 microunits reserved, its open reservations add up to 4",
        ),
        (
            "hold",
            r#"[{"hold":3,"tenant":"web""#,
            r#"[{"hold":3,"tenant":"acme""#.into(),
            "tenant `web` has 5 microunits reserved, its open reservations add up to 0",
        ),
        (
            "hold",
            r#"[{"hold":3,"tenant":"web""#,
            r#"[{"hold":3,"tenant":"globex""#.into(),
            "reservation 3 names tenant `globex`",
        ),
        (
            "hold twice",
            r#""holds":["#,
            r#""holds":[{"hold":3,"tenant":"web","amount_microunits":0,"dispatched":false},"#
                .into(),
            "the state has reservation 3 twice",
        ),
        (
            "hold above",
            r#"[{"hold":3,"#,
            r#"[{"hold":10,"#.into(),
            "the state has reservation 10 twice, or above",
        ),
        (
            "no holds",
            r#"{"hold":3,"tenant":"web","amount_microunits":5,"dispatched":true}"#,
            String::new(),
            "tenant `acme` has 5 microunits reserved, its open reservations add up to 0",
        ),
        (
            "parent",
            r#""parent":"acme""#,
            r#""parent":"globex""#.into(),
            "tenant `web` names tenant `globex`",
        ),
        (
            "own parent",
            r#""parent":"acme""#,
            r#""parent":"web""#.into(),
            "tenant `web` names tenant `web`",
        ),
        (
            "twice",
            r#""tenant":"web","parent":"acme""#,
            r#""tenant":"acme","parent":"acme""#.into(),
            "the state has tenant `acme` twice",
        ),
        (
            "no name",
            r#""tenant":"web","parent""#,
            r#""tenant":"","parent""#.into(),
            "tenant `` of the state cannot exist",
        ),
        (
            "grant",
            r#""opened_with_microunits":60"#,
            format!(r#""opened_with_microunits":{too_much}"#),
            "tenant `web` of the state cannot exist",
        ),
        (
            "cap",
            r#""exposure_cap_microunits":60"#,
            format!(r#""exposure_cap_microunits":{too_much}"#),
            "tenant `web` of the state cannot exist",
        ),
        ("key", r#""key":"request-1""#, r#""key":"""#.into(), "the state has key ``"),
        ("key", r#""key":"request-1""#, format!(r#""key":"{long}""#), "the state has key `x"),
        (
            "key",
            r#""key":"request-1","tenant":"web""#,
            r#""key":"request-1","tenant":"globex""#.into(),
            "key `request-1` names tenant `globex`",
        ),
        (
            "keys",
            r#""keys":["#,
            r#""keys":[{"key":"request-1","tenant":"web","amount_microunits":1,"hold":1},"#.into(),
            "the state has key `request-1` twice",
        ),
    ];
    for (what, from, to, beginning) in refused {
        assert_eq!(text.matches(from).count(), 1, "{what}: {from} in {text}");
        let checkpoint: BudgetState = serde_json::from_str(&text.replace(from, &to)).unwrap();
        let error = Replay::from_state(&checkpoint).unwrap_err();
        assert!(error.to_string().starts_with(beginning), "{what}: {error}");
        assert_eq!(Audit::from_state(&checkpoint).unwrap_err(), error);
    }
}

#[test]
fn a_checkpoint_with_too_many_levels_or_keys_is_refused() {
    let mut replay = Replay::new();
    let name = |level: usize| format!("level-{level}");
    replay
        .apply(BudgetEvent::TenantOpened { tenant: name(1), granted: Microunits::new(100) })
        .unwrap();
    for level in 2..=MAX_LEVELS {
        let (tenant, parent) = (name(level), name(level - 1));
        replay
            .apply(BudgetEvent::ChildOpened { tenant, parent, granted: Microunits::new(100) })
            .unwrap();
    }
    let encoded = serde_json::to_value(replay.state().unwrap()).unwrap();
    let resumed = |encoded: &serde_json::Value| {
        let checkpoint: BudgetState = serde_json::from_value(encoded.clone()).unwrap();
        Replay::from_state(&checkpoint).map(drop)
    };
    resumed(&encoded).unwrap();

    let mut deeper = encoded.clone();
    let mut below = encoded["tenants"][MAX_LEVELS - 1].clone();
    below["parent"] = below["tenant"].take();
    below["tenant"] = "deeper".into();
    deeper["tenants"].as_array_mut().unwrap().push(below);
    let refused = resumed(&deeper).unwrap_err();
    assert_eq!(refused, StateError::TooDeep { tenant: "deeper".to_owned() });

    let key = |index: usize| {
        let (key, tenant) = (format!("request-{index}"), name(1));
        serde_json::json!({ "key": key, "tenant": tenant, "amount_microunits": 1, "hold": 0 })
    };
    let mut crowded = encoded;
    crowded["keys"] = (0..KEY_WINDOW).map(key).collect();
    resumed(&crowded).unwrap();
    crowded["keys"].as_array_mut().unwrap().push(key(KEY_WINDOW));
    let refused = resumed(&crowded).unwrap_err();
    assert_eq!(refused, StateError::TooManyKeys { keys: KEY_WINDOW + 1 });
}
