//! Gates 3 to 11.

use super::*;

#[test]
fn a_disabled_model_is_never_selected() {
    let decision = decide(&[Model { enabled: false, ..MODEL }], &REQUEST);
    assert_eq!(decision.reason, Reason::NoEnabledModel);
    assert_eq!(decision.evaluated_models, 1);
}

#[test]
fn quality_at_the_minimum_passes_and_below_it_does_not() {
    let request = Request { minimum_quality_bps: 8_000, ..REQUEST };
    assert_eq!(decide(&[MODEL], &request).action, Action::ExecuteRequested);
    let request = Request { minimum_quality_bps: 8_001, ..REQUEST };
    assert_eq!(
        refusal(MODEL, &request),
        Refusal::Quality { quality_bps: 8_000, minimum_bps: 8_001 },
    );
}

#[test]
fn latency_at_the_limit_passes_above_it_does_not_and_zero_is_no_limit() {
    let request = |max_p95_latency_ms| Request { max_p95_latency_ms, ..REQUEST };
    for passing in [0, 200, 201] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &request(199)),
        Refusal::Latency { p95_latency_ms: 200, limit_ms: 199 },
    );
    let slowest = Model { p95_latency_ms: u32::MAX, ..MODEL };
    assert_eq!(decide(&[slowest], &request(0)).action, Action::ExecuteRequested);
}

#[test]
fn every_required_capability_must_be_there() {
    let request = |bits| Request { required_capabilities: CapabilitySet(bits), ..REQUEST };
    for passing in [0, 0b0001, 0b0111] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &request(0b1010)),
        Refusal::Capability { missing: CapabilitySet(0b1000) },
    );
}

#[test]
fn only_allowed_providers_serve_and_an_empty_set_allows_nobody() {
    for provider_id in [0, 63, 64, 127, 128, 191, 192, 255] {
        let model = Model { provider_id, ..MODEL };
        let mut allowed_providers = ProviderSet::EMPTY;
        assert_eq!(
            refusal(model, &Request { allowed_providers, ..REQUEST }),
            Refusal::Provider { provider_id },
        );
        allowed_providers.insert(provider_id);
        let request = Request { allowed_providers, ..REQUEST };
        assert_eq!(decide(&[model], &request).action, Action::ExecuteRequested);
        allowed_providers = ProviderSet::ALL;
        allowed_providers.remove(provider_id);
        let request = Request { allowed_providers, ..REQUEST };
        assert_eq!(decide(&[model], &request).reason, Reason::ProviderConstraint);
    }
}

#[test]
fn one_shared_region_is_enough_and_no_required_region_is_no_constraint() {
    let request = |bits| Request { required_regions: RegionSet(bits), ..REQUEST };
    for passing in [0, 0b0001, 0b0110] {
        assert_eq!(decide(&[MODEL], &request(passing)).action, Action::ExecuteRequested);
    }
    let (served, required) = (RegionSet(0b0011), RegionSet(0b1100));
    assert_eq!(refusal(MODEL, &request(0b1100)), Refusal::Region { served, required });
    let nowhere = Model { regions: RegionSet::EMPTY, ..MODEL };
    assert_eq!(decide(&[nowhere], &request(0)).action, Action::ExecuteRequested);
    assert_eq!(decide(&[nowhere], &request(1)).reason, Reason::RegionConstraint);
}

#[test]
fn risk_at_the_ceiling_passes_and_above_it_does_not() {
    for risk_bps in [4_999, 5_000] {
        let decision = decide(&[MODEL], &Request { risk_bps, ..REQUEST });
        assert_eq!(decision.action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &Request { risk_bps: 5_001, ..REQUEST }),
        Refusal::RiskCeiling { risk_bps: 5_001, ceiling_bps: 5_000 },
    );
}

#[test]
fn a_cost_at_the_budget_passes_and_above_it_does_not() {
    for budget_limit_microunits in [1_000, 1_001] {
        let decision = decide(&[MODEL], &Request { budget_limit_microunits, ..REQUEST });
        assert_eq!(decision.action, Action::ExecuteRequested);
    }
    assert_eq!(
        refusal(MODEL, &Request { budget_limit_microunits: 999, ..REQUEST }),
        Refusal::Budget { cost_microunits: 1_000, limit_microunits: 999 },
    );
}

#[test]
fn a_utility_of_zero_is_refused_and_of_one_is_not() {
    let worth = |business_value_microunits| Request { business_value_microunits, ..REQUEST };
    // 1,250 * 8,000 / 10,000 = 1,000, which is the cost; 1,252 makes it 1,001.6.
    assert_eq!(utility(POLICY, MODEL, &worth(1_250)), 0);
    assert_eq!(decide(&[MODEL], &worth(1_250)).reason, Reason::NonPositiveUtility);
    assert_eq!(decide(&[MODEL], &worth(1_252)).expected_utility_microunits, 1);
}

/// Each row fails at its own gate and at all later ones; the first is the one that counts.
#[test]
fn the_first_gate_that_fails_is_the_one_that_counts() {
    let request = Request {
        minimum_quality_bps: 8_001,
        max_p95_latency_ms: 199,
        required_capabilities: CapabilitySet(0b1000),
        allowed_providers: ProviderSet::EMPTY,
        required_regions: RegionSet(0b1000),
        risk_bps: 5_001,
        budget_limit_microunits: 999,
        business_value_microunits: 0,
        ..REQUEST
    };
    let mut model = Model { enabled: false, ..MODEL };
    let mut request = request;
    let mut met = Vec::new();
    loop {
        let verdict = verdict(POLICY, model, &request);
        let Verdict::Refused(refusal) = verdict else { break };
        let gate = refusal.gate().unwrap();
        met.push(gate);
        match gate {
            Gate::Enabled => model.enabled = true,
            Gate::Quality => request.minimum_quality_bps = 0,
            Gate::Latency => request.max_p95_latency_ms = 0,
            Gate::Capability => request.required_capabilities = CapabilitySet::EMPTY,
            Gate::Provider => request.allowed_providers = ProviderSet::ALL,
            Gate::Region => request.required_regions = RegionSet::EMPTY,
            Gate::RiskCeiling => request.risk_bps = 0,
            Gate::Budget => request.budget_limit_microunits = u64::MAX,
            _ => request.business_value_microunits = 1_000_000,
        }
    }
    assert_eq!(met, Gate::ALL[2..]);
}

#[test]
fn what_only_some_models_have_is_asked_of_each() {
    // The one capability that is required is also the one that is not common to all.
    let models: Vec<Model> = (0..20)
        .map(|model_id| Model {
            model_id,
            capabilities: CapabilitySet(if model_id < 7 { u64::MAX } else { u64::MAX - 1 }),
            ..MODEL
        })
        .collect();
    let request = Request { required_capabilities: CapabilitySet(1), ..REQUEST };
    let decision = decide(&models, &request);
    assert_eq!((decision.eligible_models, decision.runner_up_model_id), (7, Some(1)));
}

/// Nine models, which are more than are scanned, and two token costs that round up from nearly
/// nothing: the exact cost is 1,000.000002, the cost is 1,002.
#[test]
fn a_cost_above_the_budget_by_its_rounding_alone_is_refused_of_many() {
    let model = Model {
        input_price_microunits_per_million_tokens: 1,
        output_price_microunits_per_million_tokens: 1,
        ..MODEL
    };
    let models: Vec<Model> = (0..9).map(|model_id| Model { model_id, ..model }).collect();
    let request = Request { input_tokens: 1, output_tokens: 1, ..REQUEST };
    let at =
        |budget_limit_microunits| decide(&models, &Request { budget_limit_microunits, ..request });
    assert_eq!(at(1_001).reason, Reason::BudgetConstraint);
    assert_eq!(at(1_002).eligible_models, 9);
}

/// The value rounds down from 999.9 and two costs round up from nearly nothing: the exact utility
/// is 2.899998, the utility is 0.
#[test]
fn a_utility_that_is_zero_by_its_roundings_alone_is_refused_of_many() {
    let model = Model {
        quality_bps: 10_000,
        input_price_microunits_per_million_tokens: 1,
        output_price_microunits_per_million_tokens: 1,
        ..MODEL
    };
    let of = |fixed_price_microunits| -> Vec<Model> {
        (0..9).map(|model_id| Model { model_id, fixed_price_microunits, ..model }).collect()
    };
    assert_eq!(decide(&of(997), &ROUNDED).reason, Reason::NonPositiveUtility);
    assert_eq!(decide(&of(996), &ROUNDED).expected_utility_microunits, 1);
}
