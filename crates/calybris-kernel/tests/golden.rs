//! Decisions and canonical bytes that must never change: they are in files, in plain words.
//!
//! `CALYBRIS_BLESS=1` rewrites the files; an unintended difference is a broken promise to
//! every log that was ever written.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    reason = "a test may panic"
)]

mod cases;
mod oracle;

use std::fmt::Write;
use std::path::Path;

use calybris_kernel::{BasisPoints, CapabilitySet, Decision, Microunits, PolicySnapshot};
use cases::{Case, MODEL, POLICY, REQUEST};

fn compare_or_bless(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("CALYBRIS_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (number, (golden, found)) in golden.lines().zip(found.lines()).enumerate() {
        assert_eq!(golden, found, "{file}, line {}", number + 1);
    }
    assert_eq!(golden.lines().count(), found.lines().count(), "{file}: number of lines");
}

fn line(name: &str, decision: &Decision) -> String {
    let id = |id: Option<u32>| id.map_or("none".to_owned(), |id| id.to_string());
    format!(
        "{name}: action {} reason {} selected {} cost {} utility {} runner-up {} at {} \
         evaluated {} eligible {}\n",
        decision.action.code(),
        decision.reason.code(),
        id(decision.selected_model_id),
        decision.estimated_cost.get(),
        decision.expected_utility_microunits,
        id(decision.runner_up_model_id),
        decision.runner_up_utility_microunits,
        decision.evaluated_models,
        decision.eligible_models,
    )
}

#[test]
fn decisions_stay_what_they_are() {
    let mut found = String::new();

    let dear = MODEL
        .with_model_id(2)
        .with_quality(BasisPoints::percent(95))
        .with_price(cases::price(0, 0, 9_000));
    let tools = MODEL.with_model_id(3).with_capabilities(CapabilitySet::from_bits(0b1000));
    let snapshot = PolicySnapshot::new(POLICY, [MODEL, dear, tools]).unwrap();
    for (name, request) in [
        ("plain", REQUEST),
        ("requested", REQUEST.with_requested_model_id(2)),
        ("thrifty", REQUEST.with_budget_limit(Microunits::new(8_999))),
        ("tools", REQUEST.with_required_capabilities(CapabilitySet::from_bits(0b1000))),
        ("poor", REQUEST.with_budget_limit(Microunits::new(999))),
        ("risky", REQUEST.with_risk(BasisPoints::percent(90))),
        ("unsure", REQUEST.with_confidence(BasisPoints::new(999))),
        ("invalid", REQUEST.with_confidence(BasisPoints::new(10_001))),
        ("worthless", REQUEST.with_business_value_microunits(-5)),
        ("priceless", REQUEST.with_business_value_microunits(i64::MAX)),
    ] {
        found.push_str(&line(name, &snapshot.prescribe(&request)));
    }

    for seed in 1..=60 {
        let case = Case::generate(seed, 200, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models).unwrap();
        for (index, request) in case.requests.iter().enumerate() {
            found.push_str(&line(&format!("case {seed}.{index}"), &snapshot.prescribe(request)));
        }
    }
    compare_or_bless("decisions.txt", &found);
}

#[test]
fn canonical_bytes_stay_what_they_are() {
    let second = MODEL.with_model_id(0x0403_0201).with_enabled(false);
    let snapshot = PolicySnapshot::new(POLICY, [second, MODEL]).unwrap();
    let mut found = String::new();
    snapshot.write_canonical(|piece| {
        for byte in piece {
            write!(found, "{byte:02x}").unwrap();
        }
        found.push('\n');
    });
    compare_or_bless("canonical.hex", &found);
}
