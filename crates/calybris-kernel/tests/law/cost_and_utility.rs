//! The two formulas.

use super::*;

#[test]
fn each_token_price_rounds_up_by_itself() {
    let model = Model {
        input_price_microunits_per_million_tokens: 1,
        output_price_microunits_per_million_tokens: 1,
        fixed_price_microunits: 0,
        ..MODEL
    };
    let tokens = |input_tokens, output_tokens| Request { input_tokens, output_tokens, ..REQUEST };
    assert_eq!(cost(model, &tokens(1, 1)), 2);
    assert_eq!(cost(model, &tokens(1, 0)), 1);
    assert_eq!(cost(model, &tokens(1_000_000, 1_000_001)), 3);
}

#[test]
fn the_fixed_price_is_paid_whatever_the_tokens() {
    let tokens = Request { input_tokens: 0, output_tokens: 0, ..REQUEST };
    assert_eq!(cost(MODEL, &tokens), 1_000);
    let priced = Model { input_price_microunits_per_million_tokens: 2_000_000, ..MODEL };
    assert_eq!(cost(priced, &Request { input_tokens: 10, ..tokens }), 1_020);
}

#[test]
fn a_cost_beyond_u64_is_u64_max_and_never_pays() {
    let request = Request {
        input_tokens: u32::MAX,
        budget_limit_microunits: u64::MAX,
        business_value_microunits: i64::MAX,
        ..REQUEST
    };
    let dear = Model { input_price_microunits_per_million_tokens: u64::MAX, ..MODEL };
    assert_eq!(cost(dear, &request), u64::MAX);
    assert_eq!(decide(&[dear], &request).reason, Reason::NonPositiveUtility);
    let fixed = Model { fixed_price_microunits: u64::MAX, ..MODEL };
    assert_eq!(cost(fixed, &request), u64::MAX);
    assert_eq!(decide(&[fixed], &request).reason, Reason::NonPositiveUtility);
}

#[test]
fn the_value_is_rounded_down_once() {
    // 2 * 5,001 * 9,999 / 10^8 is 1.00009..; rounding after each factor would give 0.
    let model = Model { quality_bps: 9_999, fixed_price_microunits: 0, ..MODEL };
    let request = Request { business_value_microunits: 2, confidence_bps: 5_001, ..REQUEST };
    assert_eq!(utility(POLICY, model, &request), 1);
}

#[test]
fn the_risk_penalty_is_rounded_down_by_itself() {
    let policy = Policy { risk_penalty_multiplier_bps: 9_999, ..POLICY };
    let model = Model { quality_bps: 10_000, fixed_price_microunits: 0, ..MODEL };
    let request = Request { business_value_microunits: 10, risk_bps: 1_001, ..REQUEST };
    // 10 * 1,001 * 9,999 / 10^8 is 1.0008..
    assert_eq!(utility(policy, model, &request), 9);
    let request = Request { risk_bps: 1_000, ..request };
    // 0.9999: nothing.
    assert_eq!(utility(policy, model, &request), 10);
}

#[test]
fn a_risk_multiplier_above_one_whole_costs_more_than_the_value() {
    let policy =
        Policy { risk_penalty_multiplier_bps: u16::MAX, hard_risk_limit_bps: 10_000, ..POLICY };
    let model = Model { risk_ceiling_bps: 10_000, quality_bps: 10_000, ..MODEL };
    let request = Request { risk_bps: 9_999, ..REQUEST };
    // 1,000,000 - 6,552,844.65 - 1,000
    assert_eq!(utility(policy, model, &request), 1_000_000 - 6_552_844 - 1_000);
}

#[test]
fn latency_costs_its_penalty_per_millisecond() {
    let policy = Policy { latency_penalty_microunits_per_ms: 3, ..POLICY };
    assert_eq!(utility(policy, MODEL, &REQUEST), 800_000 - 1_000 - 600);
}

#[test]
fn a_negative_value_counts_as_zero() {
    for business_value_microunits in [i64::MIN, -1, 0] {
        let request = Request { business_value_microunits, ..REQUEST };
        assert_eq!(utility(POLICY, MODEL, &request), -1_000);
    }
}

#[test]
fn only_the_sum_is_clamped() {
    let policy = Policy { latency_penalty_microunits_per_ms: u64::MAX, ..POLICY };
    let request = Request { business_value_microunits: i64::MAX, ..REQUEST };
    assert_eq!(utility(policy, MODEL, &request), i64::MIN);
    let free = Model { p95_latency_ms: 0, quality_bps: 10_000, ..MODEL };
    assert_eq!(utility(policy, free, &request), i64::MAX - 1_000);
}

#[test]
fn the_terms_of_an_explanation_are_exact_and_add_up() {
    let policy = Policy {
        latency_penalty_microunits_per_ms: u64::MAX,
        risk_penalty_multiplier_bps: u16::MAX,
        ..POLICY
    };
    let model = Model { p95_latency_ms: u32::MAX, ..MODEL };
    let request = Request { business_value_microunits: i64::MAX, risk_bps: 5_000, ..REQUEST };
    let Refusal::Utility { utility_microunits, terms } = (match verdict(policy, model, &request) {
        Verdict::Refused(refusal) => refusal,
        Verdict::Eligible { .. } => panic!("eligible"),
    }) else {
        panic!("another gate")
    };
    let value = i64::MAX as u128;
    assert_eq!(u128::from(terms.adjusted_value_microunits), value * 8 / 10);
    assert_eq!(terms.risk_penalty_microunits, value * 65_535 / 20_000);
    assert_eq!(terms.cost_microunits, 1_000);
    let latency = u128::from(u64::MAX) * u128::from(u32::MAX);
    assert_eq!(terms.latency_penalty_microunits, latency);
    assert_eq!(utility_microunits, i64::MIN);
    assert_eq!(terms.utility_microunits(), utility_microunits);
}

#[test]
fn terms_as_large_as_one_another_add_up_exactly() {
    let terms = UtilityTerms {
        adjusted_value_microunits: i64::MAX as u64,
        risk_penalty_microunits: 0,
        cost_microunits: 0,
        latency_penalty_microunits: 0,
    };
    // The deductions together are beyond an `i64`, each alone is not.
    let both = UtilityTerms {
        risk_penalty_microunits: 1 << 62,
        latency_penalty_microunits: 1 << 62,
        ..terms
    };
    assert_eq!(both.utility_microunits(), -1);
    let poor = UtilityTerms { adjusted_value_microunits: 5, ..both };
    assert_eq!(poor.utility_microunits(), i64::MIN + 5);
    let cost = UtilityTerms {
        cost_microunits: i64::MAX as u64,
        risk_penalty_microunits: 5,
        latency_penalty_microunits: 7,
        ..terms
    };
    assert_eq!(cost.utility_microunits(), -12);
    let all =
        UtilityTerms { adjusted_value_microunits: 0, cost_microunits: i64::MAX as u64, ..both };
    assert_eq!(all.utility_microunits(), i64::MIN);
    // From 2^128 on, a sum of deductions is more than any value.
    let beyond = UtilityTerms { latency_penalty_microunits: u128::MAX, ..cost };
    assert_eq!(beyond.utility_microunits(), i64::MIN);
}
