//! The two formulas.

use super::*;

#[test]
fn each_token_price_rounds_up_by_itself() {
    let model = MODEL.with_price(price(1, 1, 0));
    let tokens =
        |input_tokens, output_tokens| REQUEST.with_usage(Usage::new(input_tokens, output_tokens));
    assert_eq!(cost(model, &tokens(1, 1)), 2);
    assert_eq!(cost(model, &tokens(1, 0)), 1);
    assert_eq!(cost(model, &tokens(1_000_000, 1_000_001)), 3);
}

#[test]
fn the_fixed_price_is_paid_whatever_the_tokens() {
    let tokens = REQUEST.with_usage(Usage::new(0, 0));
    assert_eq!(cost(MODEL, &tokens), 1_000);
    let priced = MODEL.with_price(price(2_000_000, 0, 1_000));
    assert_eq!(cost(priced, &tokens.with_usage(Usage::new(10, 0))), 1_020);
}

#[test]
fn a_cost_beyond_u64_is_u64_max_and_never_pays() {
    let request = REQUEST
        .with_usage(Usage::new(u32::MAX, 500))
        .with_budget_limit(Microunits::MAX)
        .with_business_value_microunits(i64::MAX);
    let dear = MODEL.with_price(price(u64::MAX, 0, 1_000));
    assert_eq!(cost(dear, &request), u64::MAX);
    assert_eq!(decide(&[dear], &request).reason, Reason::NonPositiveUtility);
    let fixed = MODEL.with_price(price(0, 0, u64::MAX));
    assert_eq!(cost(fixed, &request), u64::MAX);
    assert_eq!(decide(&[fixed], &request).reason, Reason::NonPositiveUtility);
}

#[test]
fn the_value_is_rounded_down_once() {
    // 2 * 5,001 * 9,999 / 10^8 is 1.00009..; rounding after each factor would give 0.
    let model = MODEL.with_quality(BasisPoints::new(9_999)).with_price(Price::FREE);
    let request =
        REQUEST.with_business_value_microunits(2).with_confidence(BasisPoints::new(5_001));
    assert_eq!(utility(POLICY, model, &request), 1);
}

#[test]
fn the_risk_penalty_is_rounded_down_by_itself() {
    let policy = POLICY.with_risk_penalty_multiplier(BasisPoints::new(9_999));
    let model = MODEL.with_quality(BasisPoints::WHOLE).with_price(Price::FREE);
    let request = REQUEST.with_business_value_microunits(10).with_risk(BasisPoints::new(1_001));
    // 10 * 1,001 * 9,999 / 10^8 is 1.0008..
    assert_eq!(utility(policy, model, &request), 9);
    let request = request.with_risk(BasisPoints::percent(10));
    // 0.9999: nothing.
    assert_eq!(utility(policy, model, &request), 10);
}

#[test]
fn a_risk_multiplier_above_one_whole_costs_more_than_the_value() {
    let policy = POLICY
        .with_risk_penalty_multiplier(BasisPoints::new(u16::MAX))
        .with_hard_risk_limit(BasisPoints::WHOLE);
    let model = MODEL.with_risk_ceiling(BasisPoints::WHOLE).with_quality(BasisPoints::WHOLE);
    let request = REQUEST.with_risk(BasisPoints::new(9_999));
    // 1,000,000 - 6,552,844.65 - 1,000
    assert_eq!(utility(policy, model, &request), 1_000_000 - 6_552_844 - 1_000);
}

#[test]
fn latency_costs_its_penalty_per_millisecond() {
    let policy = POLICY.with_latency_penalty_per_ms(Microunits::new(3));
    assert_eq!(utility(policy, MODEL, &REQUEST), 800_000 - 1_000 - 600);
}

#[test]
fn a_negative_value_counts_as_zero() {
    for business_value_microunits in [i64::MIN, -1, 0] {
        let request = REQUEST.with_business_value_microunits(business_value_microunits);
        assert_eq!(utility(POLICY, MODEL, &request), -1_000);
    }
}

#[test]
fn only_the_sum_is_clamped() {
    let policy = POLICY.with_latency_penalty_per_ms(Microunits::MAX);
    let request = REQUEST.with_business_value_microunits(i64::MAX);
    assert_eq!(utility(policy, MODEL, &request), i64::MIN);
    let free = MODEL.with_p95_latency_ms(0).with_quality(BasisPoints::WHOLE);
    assert_eq!(utility(policy, free, &request), i64::MAX - 1_000);
}

#[test]
fn the_terms_of_an_explanation_are_exact_and_add_up() {
    let policy = POLICY
        .with_latency_penalty_per_ms(Microunits::MAX)
        .with_risk_penalty_multiplier(BasisPoints::new(u16::MAX));
    let model = MODEL.with_p95_latency_ms(u32::MAX);
    let request =
        REQUEST.with_business_value_microunits(i64::MAX).with_risk(BasisPoints::percent(50));
    let Refusal::Utility { utility_microunits, terms } = (match verdict(policy, model, &request) {
        Verdict::Refused(refusal) => refusal,
        Verdict::Eligible { .. } => panic!("eligible"),
    }) else {
        panic!("another gate")
    };
    let value = i64::MAX as u128;
    assert_eq!(u128::from(terms.adjusted_value.get()), value * 8 / 10);
    assert_eq!(terms.risk_penalty_microunits, value * 65_535 / 20_000);
    assert_eq!(terms.cost.get(), 1_000);
    let latency = u128::from(u64::MAX) * u128::from(u32::MAX);
    assert_eq!(terms.latency_penalty_microunits, latency);
    assert_eq!(utility_microunits, i64::MIN);
    assert_eq!(terms.utility_microunits(), utility_microunits);
}
