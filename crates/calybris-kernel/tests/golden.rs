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

use calybris_kernel::{
    BasisPoints, CapabilitySet, Ceiling, Decision, ExcludedModels, Group, Microunits, Policy,
    PolicySnapshot, Price, Rates, SearchFee, TokenClass, TokenClassSet, Usage, Window,
};
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
    compare_or_bless("canonical.hex", &hex(&snapshot));
}

/// The canonical bytes, a line for each piece.
fn hex(snapshot: &PolicySnapshot) -> String {
    let mut found = String::new();
    snapshot.write_canonical(|piece| {
        for byte in piece {
            write!(found, "{byte:02x}").unwrap();
        }
        found.push('\n');
    });
    found
}

/// Cached tokens for a tenth, a long prompt twice as dear, searches, and a window.
fn banded() -> Price {
    let rates = |input: u64| {
        Rates::plain(Microunits::new(input), Microunits::new(5 * input))
            .with(TokenClass::CacheRead, Microunits::new(input / 10))
            .with(TokenClass::CacheWrite, Microunits::new(input / 4 * 5))
    };
    Price::new(rates(3_000_000))
        .with_search_fee(SearchFee::per_search(Microunits::new(10_000)))
        .with_band(200_000, rates(6_000_000))
        .unwrap()
}

#[test]
fn decisions_of_the_second_law_stay_what_they_are() {
    let mut found = String::new();
    let mut add = |name: &str, decision: &Decision| {
        let line = line(name, decision);
        let maximum = decision.maximum_cost.get();
        writeln!(found, "{} maximum {maximum}", line.trim_end()).unwrap();
    };
    let window = Window::UNKNOWN.with_max_prompt_tokens(1_000_000);
    let classed = MODEL.with_price(banded()).with_window(window);
    let plain = MODEL
        .with_model_id(2)
        .with_price(cases::price(2_500_000, 10_000_000, 0))
        .with_window(Window::UNKNOWN.with_max_total_tokens(128_000));
    let off = MODEL.with_model_id(3).with_enabled(false);
    let groups = [Group::new(0, [1, 3]), Group::new(1, [3]), Group::new(2, [])];
    let snapshot = PolicySnapshot::with_groups(POLICY, [classed, plain, off], groups).unwrap();
    let request =
        REQUEST.with_business_value_microunits(1 << 30).with_budget_limit(Microunits::MAX);
    let cached = request.with_usage(Usage::new(20_000, 1_000).with_cache_read_tokens(80_000));
    let of_prompt = |input_tokens: u32| request.with_usage(Usage::new(input_tokens, 1_000));
    let ceiling = Ceiling::new(100_000, 4_096);
    let text = TokenClassSet::EMPTY
        .with(TokenClass::Input)
        .with(TokenClass::CacheRead)
        .with(TokenClass::Output);
    let excluded = |ids: &[u32]| ExcludedModels::new(ids).unwrap();
    for (name, request) in [
        ("plain", request),
        ("cached", cached),
        ("at the window", of_prompt(127_000)),
        ("above the window", of_prompt(127_001)),
        ("at the threshold", of_prompt(200_000)),
        ("above the threshold", of_prompt(200_001)),
        ("above every window", of_prompt(1_000_001)),
        ("searching", cached.with_usage(cached.usage.with_searches(4))),
        ("ceiling", cached.with_ceiling(ceiling)),
        ("ceiling of text", cached.with_ceiling(ceiling.with_classes(text))),
        ("ceiling above the threshold", cached.with_ceiling(Ceiling::new(200_001, 4_096))),
        ("poor", cached.with_ceiling(ceiling).with_budget_limit(Microunits::new(436_439))),
        ("below its usage", cached.with_ceiling(Ceiling::new(99_999, 4_096))),
        ("group", request.with_group_id(0)),
        ("disabled group", request.with_group_id(1)),
        ("empty group", request.with_group_id(2)),
        ("unknown group", request.with_group_id(3)),
        ("cooling", request.with_excluded_models(excluded(&[2, 77]))),
        ("all excluded", request.with_excluded_models(excluded(&[3, 2, 1]))),
    ] {
        add(name, &snapshot.prescribe(&request));
    }
    for seed in 1..=60 {
        let case = Case::of_second_law(seed, 200, 4);
        let snapshot = case.snapshot();
        for (index, request) in case.requests.iter().enumerate() {
            add(&format!("case {seed}.{index}"), &snapshot.prescribe(request));
        }
    }
    compare_or_bless("decisions_2.txt", &found);
}

/// The worked example of `SEMANTICS.md`.
#[test]
fn canonical_bytes_of_the_second_version_stay_what_they_are() {
    let policy = Policy::new().with_policy_epoch(1).with_catalog_epoch(2);
    let plain = calybris_kernel::Model::new(7, 0, BasisPoints::percent(80))
        .with_price(cases::price(150_000, 600_000, 0));
    let classed = plain.with_model_id(9).with_price(banded()).with_window(
        Window::UNKNOWN.with_max_prompt_tokens(1_000_000).with_max_completion_tokens(64_000),
    );
    let groups = [Group::new(4, [9, 7])];
    let snapshot = PolicySnapshot::with_groups(policy, [classed, plain], groups).unwrap();
    compare_or_bless("canonical_2.hex", &hex(&snapshot));
}

/// The law shows those bytes, with notes: a line ends with the first word that is not in hexadecimal.
#[test]
fn the_worked_example_of_the_law_has_the_golden_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let law = std::fs::read_to_string(folder.join("SEMANTICS.md")).unwrap();
    let (_, example) = law.split_once("### A worked example of version 2").unwrap();
    let example = example.split("```").nth(1).unwrap();
    let is_hex = |word: &&str| {
        word.len().is_multiple_of(2)
            && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let shown: String = example
        .lines()
        .skip(1)
        .flat_map(|line| line.split_whitespace().take_while(is_hex))
        .collect();
    let golden = std::fs::read_to_string(folder.join("tests/golden/canonical_2.hex")).unwrap();
    assert_eq!(shown, golden.lines().collect::<String>());
}
