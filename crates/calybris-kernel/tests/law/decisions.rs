//! What a decision may hold: whatever the kernel makes passes the check, and a decision with one
//! field changed to what no kernel makes does not.

use calybris_kernel::InconsistentDecision;
use proptest::prelude::*;

use super::cases::Case;
use super::*;

fn rule_broken(decision: Decision, change: impl Fn(&mut Decision)) -> InconsistentDecision {
    let mut changed = decision;
    change(&mut changed);
    changed.check().unwrap_err()
}

proptest! {
    #[test]
    fn whatever_the_kernel_decides_passes_the_check(seed: u64) {
        let case = Case::generate(seed, 200, 8);
        let snapshot = PolicySnapshot::new(case.policy, case.models).unwrap();
        for request in &case.requests {
            prop_assert_eq!(snapshot.prescribe(request).check(), Ok(()));
        }
    }
}

#[test]
fn a_contradiction_in_a_selection_is_found() {
    let decision = decide(&[MODEL, MODEL.with_model_id(2)], &REQUEST);
    assert_eq!((decision.runner_up_model_id, decision.check()), (Some(2), Ok(())));
    let changes: [fn(&mut Decision); 16] = [
        |decision| decision.action = Action::Substitute,
        |decision| decision.action = Action::Reject,
        |decision| decision.reason = Reason::AlternativeMaximizesUtility,
        |decision| decision.reason = Reason::BudgetConstraint,
        |decision| decision.selected_model_id = None,
        |decision| decision.selected_model_id = Some(3),
        |decision| decision.requested_model_id = 3,
        |decision| decision.expected_utility_microunits = 0,
        |decision| decision.runner_up_model_id = Some(1),
        |decision| decision.runner_up_model_id = None,
        |decision| decision.runner_up_utility_microunits = 0,
        |decision| decision.runner_up_utility_microunits = 799_001,
        |decision| decision.eligible_models = 0,
        |decision| decision.eligible_models = 1,
        |decision| decision.eligible_models = 3,
        |decision| decision.evaluated_models = 1,
    ];
    for change in changes {
        let error = rule_broken(decision, change).to_string();
        assert!(error.starts_with("the decision contradicts itself: "), "{error}");
    }
}

#[test]
fn a_contradiction_in_a_reject_is_found() {
    let decision = decide(&[MODEL], &REQUEST.with_budget_limit(Microunits::ZERO));
    assert_eq!((decision.action, decision.check()), (Action::Reject, Ok(())));
    let changes: [fn(&mut Decision); 9] = [
        |decision| decision.action = Action::Substitute,
        |decision| decision.reason = Reason::RequestedModelMaximizesUtility,
        |decision| decision.selected_model_id = Some(1),
        |decision| decision.estimated_cost = Microunits::new(1),
        |decision| decision.expected_utility_microunits = 1,
        |decision| decision.runner_up_model_id = Some(1),
        |decision| decision.runner_up_utility_microunits = 1,
        |decision| decision.eligible_models = 1,
        |decision| {
            decision.runner_up_model_id = Some(2);
            decision.runner_up_utility_microunits = 1;
        },
    ];
    for change in changes {
        rule_broken(decision, change);
    }
}
