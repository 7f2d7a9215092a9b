//! Reasons and amounts of rejects.

use super::*;

/// A request under which [`failing`] can make a model fail at any one gate.
const STRICT: Request = REQUEST
    .with_minimum_quality(BasisPoints::percent(80))
    .with_max_p95_latency_ms(200)
    .with_required_capabilities(CapabilitySet::from_bits(0b0001))
    .with_required_regions(RegionSet::from_bits(0b0001))
    .with_allowed_providers(ProviderSet::from_words([1 << 5, 0, 0, 0]))
    .with_risk(BasisPoints::percent(50));

fn failing(gate: Gate, model_id: u32) -> Model {
    let model = MODEL.with_model_id(model_id);
    match gate {
        Gate::Enabled => model.with_enabled(false),
        Gate::Quality => model.with_quality(BasisPoints::new(7_999)),
        Gate::Latency => model.with_p95_latency_ms(201),
        Gate::Capability => model.with_capabilities(CapabilitySet::EMPTY),
        Gate::Provider => model.with_provider_id(6),
        Gate::Region => model.with_regions(RegionSet::EMPTY),
        Gate::RiskCeiling => model.with_risk_ceiling(BasisPoints::new(4_999)),
        Gate::Window => model.with_window(Window::UNKNOWN.with_max_completion_tokens(499)),
        Gate::Budget => model.with_price(price(0, 0, 10_001)),
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
        Gate::Window,
        Gate::Budget,
    ];
    for (index, &earlier) in list.iter().enumerate() {
        for &later in &list[index + 1..] {
            let models = [failing(later, 1), failing(earlier, 2)];
            assert_eq!(decide(&models, &STRICT).reason, later.reason(), "{earlier:?}");
        }
    }
    // Utility is last of all: nothing is worth 0 microunits.
    let worthless = STRICT.with_business_value_microunits(0);
    for earlier in list {
        let models = [failing(earlier, 1), MODEL.with_model_id(2)];
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
    let decision = decide(&[MODEL], &REQUEST.with_budget_limit(Microunits::ZERO));
    assert_eq!(decision.action, Action::Reject);
    assert_eq!(decision.selected_model_id, None);
    assert_eq!(
        (decision.estimated_cost, decision.expected_utility_microunits),
        (Microunits::ZERO, 0)
    );
    assert_eq!((decision.runner_up_model_id, decision.runner_up_utility_microunits), (None, 0));
    let mut expected = Decision::rejected(42, 1, Reason::BudgetConstraint);
    (expected.policy_epoch, expected.catalog_epoch) = (7, 11);
    expected.evaluated_models = 1;
    assert_eq!(decision, expected);
}
