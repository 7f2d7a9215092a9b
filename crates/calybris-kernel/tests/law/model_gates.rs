//! Gates 3 to 12.

use super::*;

#[test]
fn a_disabled_model_is_never_selected() {
    let decision = decide(&[MODEL.with_enabled(false)], &REQUEST);
    assert_eq!(decision.reason, Reason::NoEnabledModel);
    assert_eq!(decision.evaluated_models, 1);
}

#[test]
fn quality_at_the_minimum_passes_and_below_it_does_not() {
    let request = REQUEST.with_minimum_quality(BasisPoints::percent(80));
    assert_eq!(decide(&[MODEL], &request).action, Action::ExecuteRequested);
    let request = REQUEST.with_minimum_quality(BasisPoints::new(8_001));
    assert_eq!(
        refusal(MODEL, &request),
        Refusal::Quality { quality: BasisPoints::percent(80), minimum: BasisPoints::new(8_001) },
    );
}

#[test]
fn latency_at_the_limit_passes_above_it_does_not_and_zero_is_no_limit() {
    let request = |max_p95_latency_ms| REQUEST.with_max_p95_latency_ms(max_p95_latency_ms);
    for passing in [0, 200, 201] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &request(199)),
        Refusal::Latency { p95_latency_ms: 200, limit_ms: 199 },
    );
    let slowest = MODEL.with_p95_latency_ms(u32::MAX);
    assert_eq!(decide(&[slowest], &request(0)).action, Action::ExecuteRequested);
}

#[test]
fn every_required_capability_must_be_there() {
    let request = |bits| REQUEST.with_required_capabilities(CapabilitySet::from_bits(bits));
    for passing in [0, 0b0001, 0b0111] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &request(0b1010)),
        Refusal::Capability { missing: CapabilitySet::from_bits(0b1000) },
    );
}

#[test]
fn only_allowed_providers_serve_and_an_empty_set_allows_nobody() {
    for provider_id in [0, 63, 64, 127, 128, 191, 192, 255] {
        let model = MODEL.with_provider_id(provider_id);
        let mut allowed_providers = ProviderSet::EMPTY;
        assert_eq!(
            refusal(model, &REQUEST.with_allowed_providers(allowed_providers)),
            Refusal::Provider { provider_id },
        );
        allowed_providers.insert(provider_id);
        let request = REQUEST.with_allowed_providers(allowed_providers);
        assert_eq!(decide(&[model], &request).action, Action::ExecuteRequested);
        allowed_providers = ProviderSet::ALL;
        allowed_providers.remove(provider_id);
        let request = REQUEST.with_allowed_providers(allowed_providers);
        assert_eq!(decide(&[model], &request).reason, Reason::ProviderConstraint);
    }
}

#[test]
fn one_shared_region_is_enough_and_no_required_region_is_no_constraint() {
    let request = |bits| REQUEST.with_required_regions(RegionSet::from_bits(bits));
    for passing in [0, 0b0001, 0b0110] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    let (served, required) = (RegionSet::from_bits(0b0011), RegionSet::from_bits(0b1100));
    assert_eq!(refusal(MODEL, &request(0b1100)), Refusal::Region { served, required });
    let nowhere = MODEL.with_regions(RegionSet::EMPTY);
    assert_eq!(decide(&[nowhere], &request(0)).action, Action::ExecuteRequested);
    assert_eq!(decide(&[nowhere], &request(1)).reason, Reason::RegionConstraint);
}

#[test]
fn risk_at_the_ceiling_passes_and_above_it_does_not() {
    for risk_bps in [4_999, 5_000] {
        let decision = decide(&[MODEL], &REQUEST.with_risk(BasisPoints::new(risk_bps)));
        assert_eq!(decision.action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &REQUEST.with_risk(BasisPoints::new(5_001))),
        Refusal::RiskCeiling { risk: BasisPoints::new(5_001), ceiling: BasisPoints::percent(50) },
    );
}

#[test]
fn a_cost_at_the_budget_passes_and_above_it_does_not() {
    for budget_limit_microunits in [1_000, 1_001] {
        let decision =
            decide(&[MODEL], &REQUEST.with_budget_limit(Microunits::new(budget_limit_microunits)));
        assert_eq!(decision.action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &REQUEST.with_budget_limit(Microunits::new(999))),
        Refusal::Budget { maximum_cost: Microunits::new(1_000), limit: Microunits::new(999) },
    );
}

#[test]
fn a_utility_of_zero_is_refused_and_of_one_is_not() {
    let worth = |business_value_microunits| {
        REQUEST.with_business_value_microunits(business_value_microunits)
    };
    // 1,250 * 8,000 / 10,000 = 1,000, which is the cost; 1,252 makes it 1,001.6.
    assert_eq!(utility(POLICY, MODEL, &worth(1_250)), 0);
    assert_eq!(decide(&[MODEL], &worth(1_250)).reason, Reason::NonPositiveUtility);
    assert_eq!(decide(&[MODEL], &worth(1_252)).expected_utility_microunits, 1);
}

/// Each row fails at its own gate and at all later ones; the first is the one that counts.
#[test]
fn the_first_gate_that_fails_is_the_one_that_counts() {
    let request = REQUEST
        .with_minimum_quality(BasisPoints::new(8_001))
        .with_max_p95_latency_ms(199)
        .with_required_capabilities(CapabilitySet::from_bits(0b1000))
        .with_allowed_providers(ProviderSet::EMPTY)
        .with_required_regions(RegionSet::from_bits(0b1000))
        .with_risk(BasisPoints::new(5_001))
        .with_budget_limit(Microunits::new(999))
        .with_business_value_microunits(0);
    let window = Window::UNKNOWN.with_max_prompt_tokens(999);
    let mut model = MODEL.with_enabled(false).with_window(window);
    let mut request = request;
    let mut met = Vec::new();
    loop {
        let verdict = verdict(POLICY, model, &request);
        let Verdict::Refused(refusal) = verdict else { break };
        let gate = refusal.gate().unwrap();
        met.push(gate);
        match gate {
            Gate::Enabled => model.enabled = true,
            Gate::Quality => request.minimum_quality = BasisPoints::ZERO,
            Gate::Latency => request.max_p95_latency_ms = 0,
            Gate::Capability => request.required_capabilities = CapabilitySet::EMPTY,
            Gate::Provider => request.allowed_providers = ProviderSet::ALL,
            Gate::Region => request.required_regions = RegionSet::EMPTY,
            Gate::RiskCeiling => request.risk = BasisPoints::ZERO,
            Gate::Window => model.window = Window::UNKNOWN,
            Gate::Budget => request.budget_limit = Microunits::MAX,
            _ => request.business_value_microunits = 1_000_000,
        }
    }
    assert_eq!(met, Gate::ALL[2..]);
}

#[test]
fn what_only_some_models_have_is_asked_of_each() {
    // The one capability that is required is also the one that is not common to all.
    let models: Vec<Model> = (0..20)
        .map(|model_id| {
            MODEL.with_model_id(model_id).with_capabilities(CapabilitySet::from_bits(
                if model_id < 7 { u64::MAX } else { u64::MAX - 1 },
            ))
        })
        .collect();
    let request = REQUEST.with_required_capabilities(CapabilitySet::from_bits(1));
    let decision = decide(&models, &request);
    assert_eq!((decision.eligible_models, decision.runner_up_model_id), (7, Some(1)));
}

/// Nine models, which are more than are scanned, and two token costs that round up from nearly
/// nothing: the exact cost is 1,000.000002, the cost is 1,002.
#[test]
fn a_cost_above_the_budget_by_its_rounding_alone_is_refused_of_many() {
    let model = MODEL.with_price(price(1, 1, 1_000));
    let models: Vec<Model> = (0..9).map(|model_id| model.with_model_id(model_id)).collect();
    let request = REQUEST.with_usage(Usage::new(1, 1));
    let at = |budget_limit_microunits| {
        decide(&models, &request.with_budget_limit(Microunits::new(budget_limit_microunits)))
    };
    assert_eq!(at(1_001).reason, Reason::BudgetConstraint);
    assert_eq!(at(1_002).eligible_models, 9);
}

/// The value rounds down from 999.9 and two costs round up from nearly nothing: the exact utility
/// is 2.899998, the utility is 0.
#[test]
fn a_utility_that_is_zero_by_its_roundings_alone_is_refused_of_many() {
    let model = MODEL.with_quality(BasisPoints::WHOLE);
    let of = |fixed_price_microunits| -> Vec<Model> {
        let model = model.with_price(price(1, 1, fixed_price_microunits));
        (0..9).map(|model_id| model.with_model_id(model_id)).collect()
    };
    assert_eq!(decide(&of(997), &ROUNDED).reason, Reason::NonPositiveUtility);
    assert_eq!(decide(&of(996), &ROUNDED).expected_utility_microunits, 1);
}
