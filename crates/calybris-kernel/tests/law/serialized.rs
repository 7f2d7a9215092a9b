//! Serialized forms.

use super::*;

#[test]
fn data_survives_a_round_trip_and_a_missing_fixed_price_is_zero() {
    let json = serde_json::to_string(&MODEL).unwrap();
    assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), MODEL);
    let without = json.replace("\"fixed_price_microunits\":1000,", "");
    assert_ne!(without, json);
    let free = MODEL.with_price(Price::FREE);
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

/// Programs read these names; they carry their units because JSON numbers have no types.
#[test]
fn json_names_every_number_with_its_unit() {
    let written = |json: Result<String, serde_json::Error>| json.unwrap();
    assert_eq!(
        written(serde_json::to_string(&MODEL)),
        "{\"model_id\":1,\"provider_id\":5,\"quality_bps\":8000,\"risk_ceiling_bps\":5000,\"enabled\":true,\
         \"p95_latency_ms\":200,\"capabilities\":7,\"regions\":3,\
         \"price\":{\"fixed_price_microunits\":1000,\
         \"search_fee\":{\"amount_microunits\":0,\"per_request\":false},\
         \"bands\":[{\"above_prompt_tokens\":0,\"rates\":{\"input_microunits_per_million_tokens\":0,\
         \"cache_read_microunits_per_million_tokens\":0,\
         \"cache_write_microunits_per_million_tokens\":0,\
         \"cache_write_long_microunits_per_million_tokens\":0,\
         \"audio_input_microunits_per_million_tokens\":0,\
         \"output_microunits_per_million_tokens\":0,\
         \"reasoning_microunits_per_million_tokens\":0,\
         \"audio_output_microunits_per_million_tokens\":0}}]},\
         \"window\":{\"max_prompt_tokens\":null,\"max_completion_tokens\":null,\"max_total_tokens\":null}}"
    );
    assert_eq!(
        written(serde_json::to_string(&POLICY)),
        "{\"policy_epoch\":7,\"catalog_epoch\":11,\"hard_risk_limit_bps\":9000,\"minimum_confidence_bps\":1000,\
         \"risk_penalty_multiplier_bps\":0,\"latency_penalty_microunits_per_ms\":0}"
    );
    assert_eq!(
        written(serde_json::to_string(&REQUEST)),
        "{\"sequence\":42,\"requested_model_id\":1,\
         \"usage\":{\"input_tokens\":1000,\"cache_read_tokens\":0,\"cache_write_tokens\":0,\
         \"cache_write_long_tokens\":0,\"audio_input_tokens\":0,\"output_tokens\":500,\
         \"reasoning_tokens\":0,\"audio_output_tokens\":0,\"searches\":0},\
         \"business_value_microunits\":1000000,\"ceiling\":null,\"budget_limit_microunits\":10000,\"risk_bps\":100,\
         \"confidence_bps\":10000,\"minimum_quality_bps\":0,\"max_p95_latency_ms\":0,\
         \"required_capabilities\":0,\"allowed_providers\":[18446744073709551615,18446744073709551615,\
         18446744073709551615,18446744073709551615],\"required_regions\":0,\"group_id\":null,\"excluded_models\":[]}"
    );
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    assert_eq!(
        written(serde_json::to_string(&snapshot.explain(&REQUEST))),
        "{\"decision\":{\"sequence\":42,\"policy_epoch\":7,\"catalog_epoch\":11,\"action\":\"ExecuteRequested\",\
         \"reason\":\"RequestedModelMaximizesUtility\",\"requested_model_id\":1,\"selected_model_id\":1,\
         \"estimated_cost_microunits\":1000,\"maximum_cost_microunits\":1000,\"expected_utility_microunits\":799000,\
         \"runner_up_model_id\":null,\"runner_up_utility_microunits\":0,\"evaluated_models\":1,\
         \"eligible_models\":1},\"request_refusal\":null,\"models\":[{\"model_id\":1,\
         \"verdict\":{\"Eligible\":{\"utility_microunits\":799000,\"terms\":{\
         \"adjusted_value_microunits\":800000,\"risk_penalty_microunits\":0,\"cost_microunits\":1000,\
         \"latency_penalty_microunits\":0}}}}]}"
    );
    let refusal = |request: Request| written(serde_json::to_string(&refusal(MODEL, &request)));
    assert_eq!(
        refusal(REQUEST.with_minimum_quality(BasisPoints::percent(90))),
        "{\"Quality\":{\"quality_bps\":8000,\"minimum_bps\":9000}}"
    );
    assert_eq!(
        refusal(REQUEST.with_risk(BasisPoints::percent(60))),
        "{\"RiskCeiling\":{\"risk_bps\":6000,\"ceiling_bps\":5000}}"
    );
    assert_eq!(
        refusal(REQUEST.with_budget_limit(Microunits::new(999))),
        "{\"Budget\":{\"maximum_cost_microunits\":1000,\"limit_microunits\":999}}"
    );
    let before_models = |request: Request| {
        written(serde_json::to_string(&snapshot.explain(&request).request_refusal))
    };
    assert_eq!(
        before_models(REQUEST.with_risk(BasisPoints::new(10_001))),
        "{\"InvalidRequest\":{\"OutOfRange\":{\"field\":\"risk_bps\",\"found_bps\":10001,\"limit_bps\":10000}}}"
    );
    assert_eq!(
        before_models(REQUEST.with_risk(BasisPoints::percent(90))),
        "{\"RiskHardLimit\":{\"risk_bps\":9000,\"limit_bps\":9000}}"
    );
    assert_eq!(
        before_models(REQUEST.with_confidence(BasisPoints::ZERO)),
        "{\"ConfidenceHardLimit\":{\"confidence_bps\":0,\"minimum_bps\":1000}}"
    );
    assert_eq!(
        written(serde_json::to_string(&snapshot.margin(&REQUEST))),
        "{\"model_id\":1,\"lowest_quality_bps\":11,\"lowest_risk_ceiling_bps\":100,\
         \"highest_p95_latency_ms\":4294967295,\
         \"highest_rates\":{\"input_microunits_per_million_tokens\":9000000,\
         \"cache_read_microunits_per_million_tokens\":18446744073709551615,\
         \"cache_write_microunits_per_million_tokens\":18446744073709551615,\
         \"cache_write_long_microunits_per_million_tokens\":18446744073709551615,\
         \"audio_input_microunits_per_million_tokens\":18446744073709551615,\
         \"output_microunits_per_million_tokens\":18000000,\
         \"reasoning_microunits_per_million_tokens\":18446744073709551615,\
         \"audio_output_microunits_per_million_tokens\":18446744073709551615},\
         \"highest_fixed_price_microunits\":10000,\"highest_search_fee_microunits\":18446744073709551615,\
         \"lowest_window\":{\"max_prompt_tokens\":1000,\"max_completion_tokens\":500,\"max_total_tokens\":1500}}"
    );
    assert_eq!(
        written(serde_json::to_string(&snapshot.what_would_win(&REQUEST, 1))),
        "{\"model_id\":1,\"quality_bps\":8000,\"risk_ceiling_bps\":5000,\"p95_latency_ms\":200,\
         \"rates\":{\"input_microunits_per_million_tokens\":0,\
         \"cache_read_microunits_per_million_tokens\":0,\
         \"cache_write_microunits_per_million_tokens\":0,\
         \"cache_write_long_microunits_per_million_tokens\":0,\
         \"audio_input_microunits_per_million_tokens\":0,\
         \"output_microunits_per_million_tokens\":0,\
         \"reasoning_microunits_per_million_tokens\":0,\
         \"audio_output_microunits_per_million_tokens\":0},\"fixed_price_microunits\":1000,\"search_fee_microunits\":0,\
         \"window\":{\"max_prompt_tokens\":null,\"max_completion_tokens\":null,\"max_total_tokens\":null}}"
    );
    let mut best = [calybris_kernel::RankedModel::default(); 1];
    assert_eq!(snapshot.rank(&REQUEST, &mut best), 1);
    assert_eq!(
        written(serde_json::to_string(&best)),
        "[{\"model_id\":1,\"quality_bps\":8000,\"cost_microunits\":1000,\"maximum_cost_microunits\":1000,\"utility_microunits\":799000}]"
    );
}

#[test]
fn an_unknown_name_is_refused() {
    let error = serde_json::from_str::<Reason>("\"Whim\"").unwrap_err();
    assert!(error.to_string().starts_with("`Whim` is not a reason"), "{error}");
    let error = serde_json::from_str::<Action>("\"Wait\"").unwrap_err();
    assert!(error.to_string().starts_with("`Wait` is not an action"), "{error}");
}
