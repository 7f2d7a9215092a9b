//! Ranking, margins and winning changes agree with the oracle on changed catalogs.

use crate::cases::{Case, MODEL, POLICY, REQUEST, flat_price};
use crate::oracle;
use calybris_kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, RankedModel, Request, TokenClass,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rank_is_the_head_of_the_order_of_preference(
        seed: u64,
        places in prop_oneof![0_usize..20, 60_usize..150],
    ) {
        let case = Case::generate(seed, 400, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let decision = snapshot.prescribe(request);
            let mut expected = Vec::new();
            if decision.evaluated_models > 0 {
                expected = oracle::ranking(&case.policy, &case.models, request);
                expected.truncate(places);
            }
            // The previous contents of the places are ignored, however good they look.
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
            }
            prop_assert!(best[found..].iter().all(|place| *place == untouched));
            if places > 0 {
                prop_assert_eq!(best.first().filter(|_| found > 0).map(|ranked| ranked.model_id), decision.selected_model_id);
            }
        }
    }

    #[test]
    fn a_winner_wins_up_to_its_margin_and_not_beyond(seed: u64) {
        let case = Case::generate(seed, 60, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let selected = snapshot.prescribe(request).selected_model_id;
            let margin = snapshot.margin(request);
            prop_assert_eq!(margin.map(|margin| margin.model_id), selected);
            let Some(margin) = margin else { continue };
            let model = *snapshot.model(margin.model_id).unwrap();
            let wins = |changed: Model| selects(&case.policy, &case.models, request, changed);

            let bps = margin.lowest_quality.get();
            prop_assert!(wins(with_quality(model, bps)));
            prop_assert!(bps == 0 || !wins(with_quality(model, bps - 1)));
            let bps = margin.lowest_risk_ceiling.get();
            prop_assert!(wins(with_ceiling(model, bps)));
            prop_assert!(bps == 0 || !wins(with_ceiling(model, bps - 1)));
            let latency = margin.highest_p95_latency_ms;
            prop_assert!(wins(with_latency(model, latency)));
            prop_assert!(latency == u32::MAX || !wins(with_latency(model, latency + 1)));
            for (price, with) in [
                (margin.highest_rates.input.get(), with_input_price as fn(Model, u64) -> Model),
                (margin.highest_rates.output.get(), with_output_price),
                (margin.highest_fixed_price.get(), with_fixed_price),
            ] {
                prop_assert!(wins(with(model, price)));
                prop_assert!(price == u64::MAX || !wins(with(model, price + 1)));
            }
        }
    }

    #[test]
    fn a_winning_change_wins_and_no_smaller_one_does(seed: u64, which: prop::sample::Index) {
        let case = Case::generate(seed, 60, 4);
        if case.models.is_empty() {
            return Ok(());
        }
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        let model = *which.get(&case.models);
        for request in &case.requests {
            let changes = snapshot.what_would_win(request, model.model_id).unwrap();
            let wins = |changed: Model| selects(&case.policy, &case.models, request, changed);

            match changes.quality.map(BasisPoints::get) {
                Some(bps) => {
                    prop_assert!(wins(with_quality(model, bps)));
                    prop_assert!(bps == model.quality.get() || !wins(with_quality(model, bps - 1)));
                }
                None => prop_assert!(!wins(with_quality(model, 10_000))),
            }
            match changes.risk_ceiling.map(BasisPoints::get) {
                Some(bps) => {
                    prop_assert!(wins(with_ceiling(model, bps)));
                    prop_assert!(bps == model.risk_ceiling.get() || !wins(with_ceiling(model, bps - 1)));
                }
                None => prop_assert!(!wins(with_ceiling(model, 10_000))),
            }
            match changes.p95_latency_ms {
                Some(latency) => {
                    prop_assert!(wins(with_latency(model, latency)));
                    prop_assert!(latency == model.p95_latency_ms || !wins(with_latency(model, latency + 1)));
                }
                None => prop_assert!(!wins(with_latency(model, 0))),
            }
            for (change, present, with) in [
                (
                    changes.rates.of(TokenClass::Input).map(Microunits::get),
                    flat_price(&model).0,
                    with_input_price as fn(Model, u64) -> Model,
                ),
                (
                    changes.rates.of(TokenClass::Output).map(Microunits::get),
                    flat_price(&model).1,
                    with_output_price,
                ),
                (changes.fixed_price.map(Microunits::get), model.price.fixed_price().get(), with_fixed_price),
            ] {
                match change {
                    Some(price) => {
                        prop_assert!(wins(with(model, price)));
                        prop_assert!(price == present || !wins(with(model, price + 1)));
                    }
                    None => prop_assert!(!wins(with(model, 0))),
                }
            }
        }
    }
}

/// Whether the oracle selects a model once it is changed.
fn selects(policy: &Policy, models: &[Model], request: &Request, changed: Model) -> bool {
    let models: Vec<Model> = models
        .iter()
        .map(|model| if model.model_id == changed.model_id { changed } else { *model })
        .collect();
    oracle::decide(policy, &models, request).selected_model_id == Some(changed.model_id)
}

fn with_quality(model: Model, quality_bps: u16) -> Model {
    model.with_quality(BasisPoints::new(quality_bps))
}

fn with_ceiling(model: Model, risk_ceiling_bps: u16) -> Model {
    model.with_risk_ceiling(BasisPoints::new(risk_ceiling_bps))
}

fn with_latency(model: Model, p95_latency_ms: u32) -> Model {
    model.with_p95_latency_ms(p95_latency_ms)
}

fn with_input_price(model: Model, price: u64) -> Model {
    {
        let (_, output, fixed) = flat_price(&model);
        model.with_price(crate::price(price, output, fixed))
    }
}

fn with_output_price(model: Model, price: u64) -> Model {
    {
        let (input, _, fixed) = flat_price(&model);
        model.with_price(crate::price(input, price, fixed))
    }
}

fn with_fixed_price(model: Model, price: u64) -> Model {
    model.with_price(model.price.with_fixed_price(Microunits::new(price)))
}

#[test]
fn the_selected_model_needs_no_change() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let changes = snapshot.what_would_win(&REQUEST, MODEL.model_id).unwrap();
    assert_eq!(changes.quality, Some(MODEL.quality));
    assert_eq!(changes.risk_ceiling, Some(MODEL.risk_ceiling));
    assert_eq!(changes.p95_latency_ms, Some(MODEL.p95_latency_ms));
    assert_eq!(changes.fixed_price, Some(MODEL.price.fixed_price()));
}

#[test]
fn a_rejected_request_has_no_margin_and_an_unknown_model_no_changes() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let rejected = REQUEST.with_risk(BasisPoints::percent(95));
    assert_eq!(snapshot.margin(&rejected), None);
    assert_eq!(snapshot.what_would_win(&REQUEST, 77), None);
    let changes = snapshot.what_would_win(&rejected, MODEL.model_id).unwrap();
    assert_eq!(changes.quality, None);
    assert_eq!(snapshot.rank(&rejected, &mut [RankedModel::default(); 3]), 0);
}
