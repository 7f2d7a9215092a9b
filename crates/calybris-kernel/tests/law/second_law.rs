//! The kernel and the oracle agree on classes, bands, fees, ceilings, windows, groups and exclusions, whatever the catalog and
//! the request.

use std::collections::BTreeMap;

use calybris_kernel::{
    InvalidRequest, Microunits, RankedModel, Reason, Refusal, TokenClass, Verdict, WindowPart,
};
use proptest::prelude::*;

use crate::cases::Case;
use crate::oracle;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prescribe_agrees_with_the_oracle_on_the_whole_law(seed: u64) {
        let case = Case::of_second_law(seed, 200, 8);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let expected =
                oracle::decide_with_groups(&case.policy, &case.models, &case.groups, request);
            let decision = snapshot.prescribe(request);
            prop_assert_eq!(decision, expected, "{:?}", request);
            prop_assert_eq!(decision.check(), Ok(()));
        }
    }

    #[test]
    fn rank_agrees_with_the_oracle_on_the_whole_law(
        seed: u64,
        places in prop_oneof![0_usize..20, 60_usize..150],
    ) {
        let case = Case::of_second_law(seed, 200, 4);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let mut expected = Vec::new();
            if snapshot.prescribe(request).evaluated_models > 0 {
                let candidates = oracle::candidates(&case.models, &case.groups, request);
                expected = oracle::ranking(&case.policy, &candidates, request);
                expected.truncate(places);
            }
            let mut untouched = RankedModel::default();
            untouched.utility_microunits = i64::MAX;
            let mut best = vec![untouched; places];
            let found = snapshot.rank(request, &mut best);
            prop_assert_eq!(found, expected.len());
            for (ranked, expected) in best.iter().zip(&expected) {
                prop_assert_eq!(ranked.model_id, expected.model_id);
                prop_assert_eq!(ranked.utility_microunits, expected.utility);
                prop_assert_eq!(ranked.cost.get(), expected.cost);
                prop_assert_eq!(ranked.quality.get(), expected.quality);
                prop_assert_eq!(ranked.maximum_cost.get(), expected.maximum_cost);
            }
            prop_assert!(best[found..].iter().all(|place| *place == untouched));
        }
    }

    #[test]
    fn explain_agrees_with_the_oracle_on_every_candidate(seed: u64) {
        let case = Case::of_second_law(seed, 60, 3);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let explanation = snapshot.explain(request);
            prop_assert_eq!(explanation.decision, snapshot.prescribe(request));
            let invalid = oracle::invalid(&case.groups, request).map(Refusal::InvalidRequest);
            if let Some(refusal) = explanation.request_refusal {
                prop_assert!(invalid.is_none() || invalid == Some(refusal));
                prop_assert_eq!(refusal.reason(), explanation.decision.reason);
                prop_assert!(explanation.models.is_empty());
                continue;
            }
            prop_assert_eq!(invalid, None);
            let mut candidates = oracle::candidates(&case.models, &case.groups, request);
            candidates.sort_by_key(|model| model.model_id);
            prop_assert_eq!(explanation.models.len(), candidates.len());
            for (model, verdict) in candidates.iter().zip(&explanation.models) {
                prop_assert_eq!(model.model_id, verdict.model_id);
                let expected = oracle::turned_away(&case.policy, request, model);
                let utility = oracle::utility(&case.policy, request, model);
                let cost = oracle::cost(request, model);
                let maximum = oracle::maximum_cost(request, model);
                match verdict.verdict {
                    Verdict::Eligible { utility_microunits, terms } => {
                        prop_assert_eq!(expected, None);
                        prop_assert_eq!(utility_microunits, utility);
                        prop_assert_eq!(terms.utility_microunits(), utility);
                        prop_assert_eq!(terms.cost.get(), cost);
                    }
                    Verdict::Refused(refusal) => {
                        prop_assert_eq!(expected, Some(refusal.reason()));
                        match refusal {
                            Refusal::Window { part, tokens, maximum } => {
                                let found = oracle::beyond_window(request, model);
                                prop_assert_eq!(Some((part, tokens, maximum)), found);
                            }
                            Refusal::Budget { maximum_cost, limit } => {
                                prop_assert_eq!(maximum_cost.get(), maximum.unwrap_or(u64::MAX));
                                prop_assert_eq!(limit, request.budget_limit);
                            }
                            Refusal::Utility { utility_microunits, terms } => {
                                prop_assert_eq!(utility_microunits, utility);
                                prop_assert_eq!(terms.utility_microunits(), utility);
                                prop_assert_eq!(terms.cost.get(), cost);
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_price_of_a_model_agrees_with_the_oracle(seed: u64) {
        let case = Case::of_second_law(seed, 40, 4);
        for (request, model) in case.requests.iter().flat_map(|request| {
            case.models.iter().map(move |model| (request, model))
        }) {
            prop_assert_eq!(model.price.cost(&request.usage).get(), oracle::cost(request, model));
            if let Some(ceiling) = &request.ceiling {
                let expected = oracle::exact_maximum_cost(ceiling, &model.price);
                let maximum = model.price.maximum_cost(ceiling).map(Microunits::get);
                prop_assert_eq!(maximum, u64::try_from(expected).ok());
            }
        }
    }

    #[test]
    fn the_order_of_models_and_groups_changes_neither_decision_nor_canonical_bytes(seed: u64) {
        let mut case = Case::of_second_law(seed, 80, 3);
        let given = case.snapshot();
        case.models.reverse();
        case.groups.reverse();
        for group in &mut case.groups {
            let turn = group.model_ids.len() / 3;
            group.model_ids.rotate_left(turn);
        }
        let shuffled = case.snapshot();
        prop_assert_eq!(&given, &shuffled);
        prop_assert_eq!(super::canonical_bytes(&given), super::canonical_bytes(&shuffled));
        for request in &case.requests {
            prop_assert_eq!(given.prescribe(request), shuffled.prescribe(request));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prescribe_and_rank_agree_with_the_oracle_on_large_catalogs_of_the_whole_law(seed: u64) {
        let case = Case::of_second_law(seed, 9_000, 4);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let expected =
                oracle::decide_with_groups(&case.policy, &case.models, &case.groups, request);
            let decision = snapshot.prescribe(request);
            prop_assert_eq!(decision, expected, "{:?}", request);
            let mut best = [RankedModel::default(); 7];
            let found = snapshot.rank(request, &mut best);
            let mut order = Vec::new();
            if decision.evaluated_models > 0 {
                let candidates = oracle::candidates(&case.models, &case.groups, request);
                order = oracle::ranking(&case.policy, &candidates, request);
            }
            let ids: Vec<u32> = best.iter().take(found).map(|ranked| ranked.model_id).collect();
            let expected: Vec<u32> = order.iter().take(7).map(|ranked| ranked.model_id).collect();
            prop_assert_eq!(ids, expected, "{:?}", request);
        }
    }
}

/// Counts what the generated cases reach, so that no rule goes untested by chance.
#[test]
fn the_cases_reach_every_reason_every_refusal_and_both_sides_of_every_limit() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..1_500 {
        let case = Case::of_second_law(seed, 60, 8);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let mut see = |what: String| *seen.entry(what).or_default() += 1;
            let decision = snapshot.prescribe(request);
            see(format!("reason {}", decision.reason.code()));
            match oracle::invalid(&case.groups, request) {
                Some(InvalidRequest::OutOfRange { .. }) => see("out of range".into()),
                Some(InvalidRequest::NoClassAllowed { field, .. }) => {
                    see(format!("no class {field}"));
                }
                Some(InvalidRequest::ClassNotAllowed { class, .. }) => {
                    see(format!("class {class}"));
                }
                Some(InvalidRequest::AboveCeiling { field, .. }) => see(format!("above {field}")),
                Some(InvalidRequest::UnknownGroup { .. }) => see("unknown group".into()),
                None => {}
            }
            if decision.evaluated_models == 0 {
                continue;
            }
            if decision.selected_model_id.is_some() {
                see(format!(
                    "decided {} {}",
                    request.ceiling.is_some(),
                    request.group_id.is_some()
                ));
            }
            if decision.maximum_cost > decision.estimated_cost {
                see("maximum above cost".into());
            }
            if decision.reason == Reason::NoEnabledModel && request.group_id.is_some() {
                see("disabled group".into());
            }
            if request.excluded_models.model_ids().len() == 16 {
                see("sixteen excluded".into());
            }
            for model in oracle::candidates(&case.models, &case.groups, request) {
                let prompt_tokens = request.usage.prompt_tokens();
                for band in model.price.bands().skip(1) {
                    let step = prompt_tokens as i64 - i64::from(band.above_prompt_tokens);
                    if (-1..=1).contains(&step) {
                        see(format!("threshold {step}"));
                    }
                }
                if let Some(maximum) = oracle::maximum_cost(request, &model) {
                    let step = i128::from(maximum) - i128::from(request.budget_limit.get());
                    if (-1..=1).contains(&step) {
                        see(format!("budget {step} {}", request.ceiling.is_some()));
                    }
                } else {
                    see("maximum beyond u64".into());
                }
                let (prompt, completion) = match &request.ceiling {
                    Some(ceiling) => {
                        (ceiling.prompt_tokens.into(), ceiling.completion_tokens.into())
                    }
                    None => (prompt_tokens, request.usage.completion_tokens()),
                };
                for (part, tokens, maximum) in [
                    (WindowPart::Prompt, prompt, model.window.max_prompt_tokens),
                    (WindowPart::Completion, completion, model.window.max_completion_tokens),
                    (WindowPart::Total, prompt + completion, model.window.max_total_tokens),
                ] {
                    let step = maximum.map(|maximum| tokens as i64 - i64::from(maximum));
                    if let Some(step @ -1..=1) = step {
                        see(format!("{part} {step}"));
                    }
                }
            }
        }
    }
    let mut expected: Vec<String> =
        Reason::ALL.iter().map(|reason| format!("reason {}", reason.code())).collect();
    expected.extend(TokenClass::ALL.map(|class| format!("class {class}")));
    for step in -1..=1 {
        expected.extend(
            ["threshold", "prompt", "completion", "total"].map(|what| format!("{what} {step}")),
        );
        expected.extend([false, true].map(|ceiling| format!("budget {step} {ceiling}")));
    }
    for ceiling in [false, true] {
        expected.extend([false, true].map(|group| format!("decided {ceiling} {group}")));
    }
    expected.extend(
        [
            "out of range",
            "no class prompt_tokens",
            "no class completion_tokens",
            "above prompt_tokens",
            "above completion_tokens",
            "above searches",
            "unknown group",
            "maximum above cost",
            "maximum beyond u64",
            "disabled group",
            "sixteen excluded",
        ]
        .map(String::from),
    );
    for what in expected {
        let count = seen.get(&what).copied().unwrap_or(0);
        assert!(count >= 5, "{what}: {count} times");
    }
}
