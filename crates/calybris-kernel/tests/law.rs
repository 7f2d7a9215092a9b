//! One test per clause of the law in `SEMANTICS.md`, worked out by hand.
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

use calybris_kernel::{
    Action, CapabilitySet, Decision, Gate, Model, Policy, PolicySnapshot, ProviderSet, Reason,
    Refusal, RegionSet, Request, SnapshotError, Verdict,
};
use cases::{MODEL, POLICY, REQUEST};

fn decide(models: &[Model], request: &Request) -> Decision {
    PolicySnapshot::new(POLICY, models).unwrap().prescribe(request)
}

fn decide_under(policy: Policy, request: &Request) -> Decision {
    PolicySnapshot::new(policy, [MODEL]).unwrap().prescribe(request)
}

/// The verdict on the one model of a catalog.
fn verdict(policy: Policy, model: Model, request: &Request) -> Verdict {
    PolicySnapshot::new(policy, [model]).unwrap().explain(request).models[0].verdict
}

fn refusal(model: Model, request: &Request) -> Refusal {
    match verdict(POLICY, model, request) {
        Verdict::Refused(refusal) => refusal,
        Verdict::Eligible { .. } => panic!("eligible"),
    }
}

fn utility(policy: Policy, model: Model, request: &Request) -> i64 {
    match verdict(policy, model, request) {
        Verdict::Refused(Refusal::Utility { utility_microunits, .. })
        | Verdict::Eligible { utility_microunits, .. } => utility_microunits,
        Verdict::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn cost(model: Model, request: &Request) -> u64 {
    match refusal(model, &Request { budget_limit_microunits: 0, ..*request }) {
        Refusal::Budget { cost_microunits, .. } => cost_microunits,
        refusal => panic!("{refusal:?}"),
    }
}

mod request_gates {
    use super::*;

    #[test]
    fn risk_at_the_hard_limit_is_rejected_and_below_it_is_not() {
        for (risk_bps, reason) in [
            (4_999, Reason::RequestedModelMaximizesUtility),
            (5_000, Reason::RiskHardLimit),
            (5_001, Reason::RiskHardLimit),
        ] {
            let policy = Policy { hard_risk_limit_bps: 5_000, ..POLICY };
            let decision = decide_under(policy, &Request { risk_bps, ..REQUEST });
            assert_eq!(decision.reason, reason, "{risk_bps}");
        }
    }

    #[test]
    fn confidence_below_the_minimum_is_rejected_and_at_it_is_not() {
        for (confidence_bps, reason) in [
            (4_999, Reason::ConfidenceHardLimit),
            (5_000, Reason::RequestedModelMaximizesUtility),
            (5_001, Reason::RequestedModelMaximizesUtility),
        ] {
            let policy = Policy { minimum_confidence_bps: 5_000, ..POLICY };
            let decision = decide_under(policy, &Request { confidence_bps, ..REQUEST });
            assert_eq!(decision.reason, reason, "{confidence_bps}");
        }
    }

    #[test]
    fn risk_is_judged_before_confidence_and_no_model_is_looked_at() {
        let request = Request { risk_bps: 9_000, confidence_bps: 0, ..REQUEST };
        let decision = decide_under(POLICY, &request);
        assert_eq!(decision.reason, Reason::RiskHardLimit);
        assert_eq!((decision.evaluated_models, decision.eligible_models), (0, 0));
    }

    #[test]
    fn a_bps_above_one_whole_is_an_invalid_request_before_any_gate() {
        let risky = Request { risk_bps: 9_500, confidence_bps: 0, ..REQUEST };
        for request in [
            Request { risk_bps: 10_001, ..risky },
            Request { confidence_bps: 10_001, ..risky },
            Request { minimum_quality_bps: 10_001, ..risky },
            Request { minimum_quality_bps: u16::MAX, ..risky },
        ] {
            let decision = decide_under(POLICY, &request);
            assert_eq!(decision.action, Action::Reject);
            assert_eq!(decision.reason, Reason::InvalidRequest);
            assert_eq!(decision.evaluated_models, 0);
        }
        let whole = Request { confidence_bps: 10_000, minimum_quality_bps: 10_000, ..REQUEST };
        assert_eq!(decide_under(POLICY, &whole).reason, Reason::QualityConstraint);
    }

    #[test]
    fn explain_names_the_field_of_an_invalid_request_and_no_model() {
        let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
        let explanation = snapshot.explain(&Request { confidence_bps: 10_001, ..REQUEST });
        let expected = Refusal::InvalidRequest {
            field: "confidence_bps",
            found_bps: 10_001,
            limit_bps: 10_000,
        };
        assert_eq!(explanation.request_refusal, Some(expected));
        assert_eq!(expected.gate(), None);
        assert!(explanation.models.is_empty());

        let explanation = snapshot.explain(&Request { risk_bps: 9_001, ..REQUEST });
        let expected = Refusal::RiskHardLimit { risk_bps: 9_001, limit_bps: 9_000 };
        assert_eq!(explanation.request_refusal, Some(expected));
    }
}

mod model_gates {
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
}

mod cost_and_utility {
    use super::*;

    #[test]
    fn each_token_price_rounds_up_by_itself() {
        let model = Model {
            input_price_microunits_per_million_tokens: 1,
            output_price_microunits_per_million_tokens: 1,
            fixed_price_microunits: 0,
            ..MODEL
        };
        let tokens =
            |input_tokens, output_tokens| Request { input_tokens, output_tokens, ..REQUEST };
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
        let Refusal::Utility { utility_microunits, terms } = (match verdict(policy, model, &request)
        {
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
    }
}

mod choosing {
    use super::*;

    fn selected(models: &[Model]) -> (u32, u32) {
        let decision = decide(models, &REQUEST);
        (decision.selected_model_id.unwrap(), decision.runner_up_model_id.unwrap())
    }

    #[test]
    fn higher_utility_wins_first() {
        let better = Model { model_id: 2, quality_bps: 8_100, ..MODEL };
        assert_eq!(selected(&[MODEL, better]), (2, 1));
    }

    #[test]
    fn of_equal_utility_the_lower_cost_wins() {
        // One bps of quality is worth 100 microunits.
        let dear = Model { quality_bps: 8_010, fixed_price_microunits: 2_000, ..MODEL };
        let cheap = Model { model_id: 2, ..MODEL };
        assert_eq!(selected(&[dear, cheap]), (2, 1));
    }

    #[test]
    fn of_equal_cost_too_the_higher_quality_wins() {
        let policy = Policy { latency_penalty_microunits_per_ms: 1, ..POLICY };
        let better = Model { model_id: 2, quality_bps: 8_001, p95_latency_ms: 300, ..MODEL };
        let decision = PolicySnapshot::new(policy, [MODEL, better]).unwrap().prescribe(&REQUEST);
        assert_eq!(decision.expected_utility_microunits, decision.runner_up_utility_microunits);
        assert_eq!(decision.selected_model_id, Some(2));
    }

    #[test]
    fn of_equal_quality_too_the_lower_id_wins_and_zero_is_an_id() {
        let twin = |model_id| Model { model_id, ..MODEL };
        assert_eq!(selected(&[twin(9), twin(3), twin(7)]), (3, 7));
        assert_eq!(selected(&[twin(u32::MAX), twin(0)]), (0, u32::MAX));
    }

    #[test]
    fn a_lone_candidate_has_no_runner_up() {
        let decision = decide(&[MODEL], &REQUEST);
        assert_eq!(decision.runner_up_model_id, None);
        assert_eq!(decision.runner_up_utility_microunits, 0);
    }

    #[test]
    fn the_requested_model_is_executed_and_any_other_is_a_substitute() {
        let decision = decide(&[MODEL], &REQUEST);
        assert_eq!(decision.action, Action::ExecuteRequested);
        assert_eq!(decision.reason, Reason::RequestedModelMaximizesUtility);
        let decision = decide(&[MODEL], &Request { requested_model_id: 2, ..REQUEST });
        assert_eq!(decision.action, Action::Substitute);
        assert_eq!(decision.reason, Reason::AlternativeMaximizesUtility);
        assert_eq!(decision.requested_model_id, 2);
    }

    #[test]
    fn a_decision_holds_what_it_was_made_of() {
        let decision = decide(&[MODEL, Model { model_id: 4, enabled: false, ..MODEL }], &REQUEST);
        let expected = Decision {
            sequence: 42,
            policy_epoch: 7,
            catalog_epoch: 11,
            action: Action::ExecuteRequested,
            reason: Reason::RequestedModelMaximizesUtility,
            requested_model_id: 1,
            selected_model_id: Some(1),
            estimated_cost_microunits: 1_000,
            expected_utility_microunits: 799_000,
            runner_up_model_id: None,
            runner_up_utility_microunits: 0,
            evaluated_models: 2,
            eligible_models: 1,
        };
        assert_eq!(decision, expected);
    }

    #[test]
    fn counts_are_exact_beyond_sixteen_bits() {
        let models: Vec<Model> = (0..70_000)
            .map(|model_id| Model { model_id, enabled: !model_id.is_multiple_of(1_000), ..MODEL })
            .collect();
        let decision = decide(&models, &REQUEST);
        assert_eq!((decision.evaluated_models, decision.eligible_models), (70_000, 69_930));
        assert_eq!(decision.selected_model_id, Some(1));
        let decision = decide(&models, &Request { budget_limit_microunits: 0, ..REQUEST });
        assert_eq!(decision.evaluated_models, 70_000);
        assert_eq!(decision.reason, Reason::BudgetConstraint);
    }
}

mod rejecting {
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
}

mod codes {
    use super::*;

    #[test]
    fn reasons_and_actions_keep_their_permanent_codes() {
        let reasons: Vec<u16> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(reasons, [1, 2, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111]);
        let actions: Vec<u8> = Action::ALL.iter().map(|action| action.code()).collect();
        assert_eq!(actions, [1, 2, 3]);
    }

    #[test]
    fn a_code_leads_back_to_its_reason_and_no_other_number_does() {
        for code in 0..=u16::MAX {
            match Reason::try_from(code) {
                Ok(reason) => assert_eq!(reason.code(), code),
                Err(_) => assert!(Reason::ALL.iter().all(|reason| reason.code() != code)),
            }
        }
        for code in 0..=u8::MAX {
            match Action::try_from(code) {
                Ok(action) => assert_eq!(action.code(), code),
                Err(_) => assert!(Action::ALL.iter().all(|action| action.code() != code)),
            }
        }
    }
}

mod snapshots {
    use super::*;

    #[test]
    fn a_duplicate_id_is_refused_by_name() {
        let models = [Model { model_id: 9, ..MODEL }, MODEL, Model { quality_bps: 1, ..MODEL }];
        let error = PolicySnapshot::new(POLICY, models).unwrap_err();
        assert_eq!(error, SnapshotError::DuplicateModelId { model_id: 1 });
        assert_eq!(error.to_string(), "model id `1` stands more than once in the catalog");
    }

    #[test]
    fn a_bps_above_one_whole_is_refused_by_model_and_field() {
        let at_the_limit = Model { quality_bps: 10_000, risk_ceiling_bps: 10_000, ..MODEL };
        assert!(PolicySnapshot::new(POLICY, [at_the_limit]).is_ok());
        for (model, field) in [
            (Model { model_id: 3, quality_bps: 10_001, ..MODEL }, "quality_bps"),
            (Model { model_id: 3, risk_ceiling_bps: 10_001, ..MODEL }, "risk_ceiling_bps"),
        ] {
            let error = PolicySnapshot::new(POLICY, [MODEL, model]).unwrap_err();
            let expected = SnapshotError::ModelOutOfRange { model_id: 3, field, found_bps: 10_001 };
            assert_eq!(error, expected);
            let message = format!("{field} of model `3` is 10001 and may be at most 10000");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_policy_bps_above_one_whole_is_refused_by_field_but_the_multiplier_may_exceed_it() {
        for (policy, field) in [
            (Policy { hard_risk_limit_bps: 10_001, ..POLICY }, "hard_risk_limit_bps"),
            (Policy { minimum_confidence_bps: 10_001, ..POLICY }, "minimum_confidence_bps"),
        ] {
            let error = PolicySnapshot::new(policy, [MODEL]).unwrap_err();
            assert_eq!(error, SnapshotError::PolicyOutOfRange { field, found_bps: 10_001 });
        }
        let policy = Policy {
            hard_risk_limit_bps: 10_000,
            minimum_confidence_bps: 10_000,
            risk_penalty_multiplier_bps: u16::MAX,
            ..POLICY
        };
        assert!(PolicySnapshot::new(policy, [MODEL]).is_ok());
    }

    #[test]
    fn models_are_found_by_id_and_listed_in_order() {
        let models = [5, 0, u32::MAX].map(|model_id| Model { model_id, ..MODEL });
        let snapshot = PolicySnapshot::new(POLICY, models).unwrap();
        let ids: Vec<u32> = snapshot.models().iter().map(|model| model.model_id).collect();
        assert_eq!(ids, [0, 5, u32::MAX]);
        assert_eq!(snapshot.model(5).unwrap().model_id, 5);
        assert_eq!(snapshot.model(6), None);
        assert_eq!(*snapshot.policy(), POLICY);
    }

    #[test]
    fn every_field_changes_the_canonical_bytes() {
        let bytes = |policy, model| {
            let mut bytes = Vec::new();
            let snapshot = PolicySnapshot::new(policy, [model]).unwrap();
            snapshot.write_canonical(|piece| bytes.extend_from_slice(piece));
            bytes
        };
        let mut forms = vec![bytes(POLICY, MODEL)];
        for policy in [
            Policy { policy_epoch: 8, ..POLICY },
            Policy { catalog_epoch: 12, ..POLICY },
            Policy { hard_risk_limit_bps: 9_001, ..POLICY },
            Policy { minimum_confidence_bps: 1_001, ..POLICY },
            Policy { risk_penalty_multiplier_bps: 1, ..POLICY },
            Policy { latency_penalty_microunits_per_ms: 1, ..POLICY },
        ] {
            forms.push(bytes(policy, MODEL));
        }
        for model in [
            Model { model_id: 2, ..MODEL },
            Model { provider_id: 6, ..MODEL },
            Model { quality_bps: 8_001, ..MODEL },
            Model { risk_ceiling_bps: 5_001, ..MODEL },
            Model { enabled: false, ..MODEL },
            Model { p95_latency_ms: 201, ..MODEL },
            Model { capabilities: CapabilitySet(0), ..MODEL },
            Model { regions: RegionSet(0), ..MODEL },
            Model { input_price_microunits_per_million_tokens: 1, ..MODEL },
            Model { output_price_microunits_per_million_tokens: 1, ..MODEL },
            Model { fixed_price_microunits: 1_001, ..MODEL },
        ] {
            forms.push(bytes(POLICY, model));
        }
        assert!(forms.iter().all(|form| form.len() == 62 + 54));
        let count = forms.len();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), count);
    }
}

#[cfg(feature = "serde")]
mod serialized {
    use super::*;

    #[test]
    fn data_survives_a_round_trip_and_a_missing_fixed_price_is_zero() {
        let json = serde_json::to_string(&MODEL).unwrap();
        assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), MODEL);
        let without = json.replace(",\"fixed_price_microunits\":1000", "");
        assert_ne!(without, json);
        let free = Model { fixed_price_microunits: 0, ..MODEL };
        assert_eq!(serde_json::from_str::<Model>(&without).unwrap(), free);

        let json = serde_json::to_string(&REQUEST).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), REQUEST);
        let json = serde_json::to_string(&POLICY).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), POLICY);
        let decision = decide(&[MODEL], &REQUEST);
        let json = serde_json::to_string(&decision).unwrap();
        assert!(json.contains("\"action\":\"ExecuteRequested\""), "{json}");
        assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = serde_json::from_str::<Reason>("\"Whim\"").unwrap_err();
        assert!(error.to_string().starts_with("`Whim` is not a reason"), "{error}");
        let error = serde_json::from_str::<Action>("\"Wait\"").unwrap_err();
        assert!(error.to_string().starts_with("`Wait` is not an action"), "{error}");
    }
}
