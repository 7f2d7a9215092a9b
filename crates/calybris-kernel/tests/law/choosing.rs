//! Preference, actions and counts.

use super::*;

fn selected(models: &[Model]) -> (u32, u32) {
    let decision = decide(models, &REQUEST);
    (decision.selected_model_id.unwrap(), decision.runner_up_model_id.unwrap())
}

#[test]
fn higher_utility_wins_first() {
    let better = MODEL.with_model_id(2).with_quality(BasisPoints::percent(81));
    assert_eq!(selected(&[MODEL, better]), (2, 1));
}

#[test]
fn of_equal_utility_the_lower_cost_wins() {
    // One bps of quality is worth 100 microunits.
    let dear = MODEL.with_quality(BasisPoints::new(8_010)).with_price(price(0, 0, 2_000));
    let cheap = MODEL.with_model_id(2);
    assert_eq!(selected(&[dear, cheap]), (2, 1));
}

#[test]
fn of_equal_cost_too_the_higher_quality_wins() {
    let policy = POLICY.with_latency_penalty_per_ms(Microunits::new(1));
    let better =
        MODEL.with_model_id(2).with_quality(BasisPoints::new(8_001)).with_p95_latency_ms(300);
    let decision = PolicySnapshot::new(policy, [MODEL, better]).unwrap().prescribe(&REQUEST);
    assert_eq!(decision.expected_utility_microunits, decision.runner_up_utility_microunits);
    assert_eq!(decision.selected_model_id, Some(2));
}

#[test]
fn of_equal_quality_too_the_lower_id_wins_and_zero_is_an_id() {
    let twin = |model_id| MODEL.with_model_id(model_id);
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
    let decision = decide(&[MODEL], &REQUEST.with_requested_model_id(2));
    assert_eq!(decision.action, Action::Substitute);
    assert_eq!(decision.reason, Reason::AlternativeMaximizesUtility);
    assert_eq!(decision.requested_model_id, 2);
}

#[test]
fn a_decision_holds_what_it_was_made_of() {
    let decision = decide(&[MODEL, MODEL.with_model_id(4).with_enabled(false)], &REQUEST);
    let mut expected = Decision::rejected(42, 1, Reason::RequestedModelMaximizesUtility);
    (expected.policy_epoch, expected.catalog_epoch) = (7, 11);
    expected.action = Action::ExecuteRequested;
    expected.selected_model_id = Some(1);
    expected.estimated_cost = Microunits::new(1_000);
    expected.maximum_cost = Microunits::new(1_000);
    expected.expected_utility_microunits = 799_000;
    (expected.evaluated_models, expected.eligible_models) = (2, 1);
    assert_eq!(decision, expected);
}

#[test]
fn counts_are_exact_beyond_sixteen_bits() {
    let models: Vec<Model> = (0..70_000)
        .map(|model_id| MODEL.with_model_id(model_id).with_enabled(!model_id.is_multiple_of(1_000)))
        .collect();
    let decision = decide(&models, &REQUEST);
    assert_eq!((decision.evaluated_models, decision.eligible_models), (70_000, 69_930));
    assert_eq!(decision.selected_model_id, Some(1));
    let decision = decide(&models, &REQUEST.with_budget_limit(Microunits::ZERO));
    assert_eq!(decision.evaluated_models, 70_000);
    assert_eq!(decision.reason, Reason::BudgetConstraint);
}

/// A whole block whose models clear utility 0 by enough for it, but not by what is enough for the
/// budget in its finer units.
#[test]
fn the_winner_may_stand_in_a_block_that_clears_zero_and_budget_by_little() {
    let of = |ids: std::ops::Range<u32>, quality_bps, fixed_price_microunits| {
        ids.map(move |model_id| {
            MODEL
                .with_model_id(model_id)
                .with_quality(BasisPoints::new(quality_bps))
                .with_price(price(0, 0, fixed_price_microunits))
        })
    };
    let models: Vec<Model> =
        of(0..32, 24, 0).chain(of(32..64, 28, 420)).chain(of(64..67, 30, 500)).collect();
    let decision = decide(&models, &REQUEST.with_budget_limit(Microunits::new(510)));
    assert_eq!(decision.selected_model_id, Some(64)); // 3,000 - 500
    assert_eq!(decision.expected_utility_microunits, 2_500);
    assert_eq!(decision.runner_up_model_id, Some(65)); // the first block's best is worth 2,400
    assert_eq!(decision.eligible_models, 67);
}

/// A model dominated by two others cannot be first or second, but it may be third: in a catalog of one
/// block, and of several.
#[test]
fn the_third_place_may_go_to_a_model_that_two_others_dominate() {
    for count in [9, 40, 64, 200] {
        let models: Vec<Model> = (0..count).map(|model_id| MODEL.with_model_id(model_id)).collect();
        let mut best = [calybris_kernel::RankedModel::default(); 3];
        let found = PolicySnapshot::new(POLICY, models).unwrap().rank(&REQUEST, &mut best);
        assert_eq!((found, best.map(|ranked| ranked.model_id)), (3, [0, 1, 2]), "{count}");
    }
}

/// The roundings of value and of two token costs take nearly three microunits from all but one.
#[test]
fn of_equal_utilities_the_lower_cost_wins_also_where_roundings_made_them_equal() {
    let dear = MODEL.with_quality(BasisPoints::WHOLE).with_price(price(1, 1, 7));
    let free = MODEL.with_model_id(8).with_quality(BasisPoints::new(9_902)).with_price(Price::FREE);
    let dear = (0..8).map(|model_id| dear.with_model_id(model_id));
    let models: Vec<Model> = dear.chain([free]).collect();
    let decision = decide(&models, &ROUNDED);
    assert_eq!(decision.selected_model_id, Some(8)); // 990.1, and nothing to pay
    assert_eq!(decision.expected_utility_microunits, 990);
    assert_eq!(decision.runner_up_utility_microunits, 990); // 999.9 - 7 - 1 - 1, each rounded
}
