//! The kernel and the oracle decide alike, whatever the catalog and the request.

use crate::cases::Case;
use crate::{canonical_bytes, oracle};
use calybris_kernel::{PolicySnapshot, RankedModel, Refusal, Verdict};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prescribe_agrees_with_the_oracle(seed: u64) {
        let case = Case::generate(seed, 400, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            prop_assert_eq!(snapshot.prescribe(request), expected, "{:?}", request);
        }
    }

    #[test]
    fn prescribe_agrees_with_the_oracle_about_the_guards(seed: u64) {
        let case = Case::about_the_guards(seed, 300, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            prop_assert_eq!(snapshot.prescribe(request), expected, "{:?}", request);
        }
    }

    #[test]
    fn explain_agrees_with_the_oracle_on_every_model(seed: u64) {
        let case = Case::generate(seed, 60, 2);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let explanation = snapshot.explain(request);
            prop_assert_eq!(explanation.decision, snapshot.prescribe(request));
            if let Some(refusal) = explanation.request_refusal {
                prop_assert_eq!(refusal.reason(), explanation.decision.reason);
                prop_assert!(explanation.models.is_empty());
                continue;
            }
            prop_assert_eq!(explanation.models.len(), case.models.len());
            for (model, verdict) in snapshot.models().zip(&explanation.models) {
                prop_assert_eq!(model.model_id, verdict.model_id);
                let expected = oracle::turned_away(&case.policy, request, &model);
                let utility = oracle::utility(&case.policy, request, &model);
                let cost = oracle::cost(request, &model);
                match verdict.verdict {
                    Verdict::Eligible { utility_microunits, terms } => {
                        prop_assert_eq!(expected, None);
                        prop_assert_eq!(utility_microunits, utility);
                        prop_assert_eq!(terms.utility_microunits(), utility);
                        prop_assert_eq!(terms.cost.get(), cost);
                    }
                    Verdict::Refused(refusal) => {
                        prop_assert_eq!(expected, Some(refusal.reason()));
                        if let Refusal::Utility { utility_microunits, terms } = refusal {
                            prop_assert_eq!(utility_microunits, utility);
                            prop_assert_eq!(terms.utility_microunits(), utility);
                            prop_assert_eq!(terms.cost.get(), cost);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_catalog_changes_neither_decision_nor_canonical_bytes(seed: u64) {
        let case = Case::generate(seed, 80, 2);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        let mut reversed = case.models;
        reversed.reverse();
        let turn = reversed.len() / 3;
        reversed.rotate_left(turn);
        let shuffled = PolicySnapshot::new(case.policy, reversed).unwrap();
        prop_assert_eq!(canonical_bytes(&snapshot), canonical_bytes(&shuffled));
        for request in &case.requests {
            prop_assert_eq!(snapshot.prescribe(request), shuffled.prescribe(request));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prescribe_agrees_with_the_oracle_about_outliers(seed: u64) {
        let case = Case::with_outliers(seed, 700, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            prop_assert_eq!(snapshot.prescribe(request), expected, "{:?}", request);
        }
    }

    #[test]
    fn prescribe_and_rank_agree_with_the_oracle_about_margins(seed: u64) {
        let case = Case::of_margins(seed, 300, 12);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            prop_assert_eq!(snapshot.prescribe(request), expected, "{:?}", request);
            let mut best = [RankedModel::default(); 5];
            let found = snapshot.rank(request, &mut best);
            let ids: Vec<u32> = best.iter().take(found).map(|ranked| ranked.model_id).collect();
            let order = oracle::ranking(&case.policy, &case.models, request);
            let expected: Vec<u32> = order.iter().take(5).map(|ranked| ranked.model_id).collect();
            prop_assert_eq!(ids, expected, "{:?}", request);
        }
    }

    #[test]
    fn prescribe_agrees_with_the_oracle_about_rivals(seed: u64) {
        let case = Case::of_rivals(seed, 140, 8);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            prop_assert_eq!(snapshot.prescribe(request), expected, "{:?}", request);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prescribe_and_rank_agree_with_the_oracle_on_catalogs_of_several_groups(seed: u64) {
        let case = Case::of_several_groups(seed, 3);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let expected = oracle::decide(&case.policy, &case.models, request);
            let decision = snapshot.prescribe(request);
            prop_assert_eq!(decision, expected, "{:?}", request);
            let mut best = [RankedModel::default(); 7];
            let found = snapshot.rank(request, &mut best);
            let ids: Vec<u32> = best.iter().take(found).map(|ranked| ranked.model_id).collect();
            let mut order = Vec::new();
            if decision.evaluated_models > 0 {
                order = oracle::ranking(&case.policy, &case.models, request);
            }
            let expected: Vec<u32> = order.iter().take(7).map(|ranked| ranked.model_id).collect();
            prop_assert_eq!(ids, expected, "{:?}", request);
        }
    }
}

#[test]
fn the_generator_reaches_every_reason_but_windows_and_both_actions() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..2_000 {
        let case = Case::generate(seed, 60, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models).unwrap();
        for request in &case.requests {
            seen.insert(snapshot.prescribe(request).reason.code());
        }
    }
    let all: std::collections::BTreeSet<u16> =
        calybris_kernel::Reason::ALL.iter().map(|reason| reason.code()).collect();
    // No model of the first law has a window.
    seen.insert(calybris_kernel::Reason::WindowConstraint.code());
    assert_eq!(seen, all);
}
