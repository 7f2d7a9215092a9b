//! Reasons and amounts of rejects.

use super::*;

/// A request under which [`failing`] can make a model fail at any one gate.
const STRICT: Request = Request {
    minimum_quality_bps: 8_000,
    max_p95_latency_ms: 200,
    required_capabilities: CapabilitySet(0b0001),
    required_regions: RegionSet(0b0001),
    allowed_providers: ProviderSet([1 << 5, 0, 0, 0]),
    risk_bps: 5_000,
    ..REQUEST
};

fn failing(gate: Gate, model_id: u32) -> Model {
    let model = Model { model_id, ..MODEL };
    match gate {
        Gate::Enabled => Model { enabled: false, ..model },
        Gate::Quality => Model { quality_bps: 7_999, ..model },
        Gate::Latency => Model { p95_latency_ms: 201, ..model },
        Gate::Capability => Model { capabilities: CapabilitySet::EMPTY, ..model },
        Gate::Provider => Model { provider_id: 6, ..model },
        Gate::Region => Model { regions: RegionSet::EMPTY, ..model },
        Gate::RiskCeiling => Model { risk_ceiling_bps: 4_999, ..model },
        Gate::Budget => Model { fixed_price_microunits: 10_001, ..model },
        _ => panic!("no model fails at {gate:?}"),
    }
}

#[test]
fn the_gate_that_turned_away_the_most_is_the_reason() {
    let models =
        [failing(Gate::Budget, 1), failing(Gate::Capability, 2), failing(Gate::Capability, 3)];
    assert_eq!(decide(&models, &STRICT).reason, Reason::CapabilityConstraint);
}

#[test]
fn on_equal_counts_the_later_in_the_list_wins() {
    let list = [
        Gate::Capability,
        Gate::Region,
        Gate::Provider,
        Gate::Quality,
        Gate::RiskCeiling,
        Gate::Latency,
        Gate::Budget,
    ];
    for (index, &earlier) in list.iter().enumerate() {
        for &later in &list[index + 1..] {
            let models = [failing(later, 1), failing(earlier, 2)];
            assert_eq!(decide(&models, &STRICT).reason, later.reason(), "{earlier:?}");
        }
    }
    // Utility is last of all: nothing is worth 0 microunits.
    let worthless = Request { business_value_microunits: 0, ..STRICT };
    for earlier in list {
        let models = [failing(earlier, 1), Model { model_id: 2, ..MODEL }];
        assert_eq!(decide(&models, &worthless).reason, Reason::NonPositiveUtility);
    }
}

#[test]
fn disabled_models_are_no_reason_while_an_enabled_one_failed() {
    let mut models: Vec<Model> = (10..20).map(|id| failing(Gate::Enabled, id)).collect();
    assert_eq!(decide(&models, &STRICT).reason, Reason::NoEnabledModel);
    models.push(failing(Gate::Region, 1));
    assert_eq!(decide(&models, &STRICT).reason, Reason::RegionConstraint);
}

#[test]
fn an_empty_catalog_has_no_enabled_model() {
    let decision = decide(&[], &REQUEST);
    assert_eq!(decision.reason, Reason::NoEnabledModel);
    assert_eq!(decision.evaluated_models, 0);
}

#[test]
fn a_reject_selects_nothing_and_all_amounts_are_zero() {
    let decision = decide(&[MODEL], &Request { budget_limit_microunits: 0, ..REQUEST });
    let expected = Decision {
        sequence: 42,
        policy_epoch: 7,
        catalog_epoch: 11,
        action: Action::Reject,
        reason: Reason::BudgetConstraint,
        requested_model_id: 1,
        selected_model_id: None,
        estimated_cost_microunits: 0,
        expected_utility_microunits: 0,
        runner_up_model_id: None,
        runner_up_utility_microunits: 0,
        evaluated_models: 1,
        eligible_models: 0,
    };
    assert_eq!(decision, expected);
}
