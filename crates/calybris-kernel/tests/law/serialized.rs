//! Serialized forms.

use calybris_kernel::{
    Ceiling, ExcludedModels, Group, Margin, Rates, SearchFee, TokenClass, TokenClassSet,
    WinningChanges,
};
use proptest::prelude::*;

use super::cases::Case;
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
fn an_unknown_field_is_refused_where_fields_may_be_left_out() {
    let request = REQUEST
        .with_usage(Usage::new(1, 1).with_cache_read_tokens(1))
        .with_ceiling(Ceiling::new(2, 1).with_searches(1))
        .with_group_id(3);
    let request = serde_json::to_string(&request).unwrap();
    for name in ["ceiling", "group_id", "excluded_models", "cache_read_tokens", "class_bits"] {
        let misspelled = request.replace(&format!("\"{name}\""), &format!("\"{name}s\""));
        let error = serde_json::from_str::<Request>(&misspelled).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unknown field `{name}s`")), "{error}");
    }
    let model = serde_json::to_string(&MODEL).unwrap();
    for name in ["window", "max_total_tokens", "fixed_price_microunits", "search_fee"] {
        let misspelled = model.replace(&format!("\"{name}\""), &format!("\"{name}s\""));
        let error = serde_json::from_str::<Model>(&misspelled).unwrap_err().to_string();
        assert!(error.starts_with(&format!("unknown field `{name}s`")), "{error}");
    }
}

#[test]
fn an_unknown_name_is_refused() {
    let error = serde_json::from_str::<Reason>("\"Whim\"").unwrap_err();
    assert!(error.to_string().starts_with("`Whim` is not a reason"), "{error}");
    let error = serde_json::from_str::<Action>("\"Wait\"").unwrap_err();
    assert!(error.to_string().starts_with("`Wait` is not an action"), "{error}");
}

fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(data: &T) -> T {
    serde_json::from_str(&serde_json::to_string(data).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn data_of_the_whole_law_survives_a_round_trip(seed: u64) {
        let case = Case::of_second_law(seed, 12, 3);
        let snapshot = case.snapshot();
        prop_assert_eq!(&round_trip(&case.models), &case.models);
        prop_assert_eq!(&round_trip(&case.groups), &case.groups);
        prop_assert_eq!(&round_trip(&case.requests), &case.requests);
        for request in &case.requests {
            let decision = snapshot.prescribe(request);
            prop_assert_eq!(round_trip::<Decision>(&decision), decision);
            let margin = snapshot.margin(request);
            prop_assert_eq!(round_trip::<Option<Margin>>(&margin), margin);
            for model in &case.models {
                let changes = snapshot.what_would_win(request, model.model_id);
                prop_assert_eq!(round_trip::<Option<WinningChanges>>(&changes), changes);
            }
        }
    }
}

#[test]
fn json_of_the_second_law_names_every_number_with_its_unit() {
    let ceiling = Ceiling::new(2_000, 4_096)
        .with_searches(3)
        .with_classes(TokenClassSet::ALL.without(TokenClass::AudioOutput));
    assert_eq!(
        serde_json::to_string(&ceiling).unwrap(),
        "{\"prompt_tokens\":2000,\"completion_tokens\":4096,\"searches\":3,\"class_bits\":127}"
    );
    let group = Group::new(3, [9, 4]);
    assert_eq!(serde_json::to_string(&group).unwrap(), "{\"group_id\":3,\"model_ids\":[9,4]}");
    let excluded = ExcludedModels::new(&[9, 4]).unwrap();
    assert_eq!(serde_json::to_string(&excluded).unwrap(), "[4,9]");
    let fee = SearchFee::per_request(Microunits::new(35_000));
    assert_eq!(
        serde_json::to_string(&fee).unwrap(),
        "{\"amount_microunits\":35000,\"per_request\":true}"
    );
    assert_eq!(serde_json::to_string(&TokenClass::CacheWriteLong).unwrap(), "\"cache_write_long\"");
    let of =
        |model: Model, request: Request| serde_json::to_string(&refusal(model, &request)).unwrap();
    assert_eq!(
        of(MODEL.with_window(Window::UNKNOWN.with_max_total_tokens(1_499)), REQUEST),
        "{\"Window\":{\"part\":\"total\",\"tokens\":1500,\"maximum\":1499}}"
    );
    let invalid = |request: Request| {
        let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
        serde_json::to_string(&snapshot.explain(&request).request_refusal).unwrap()
    };
    assert_eq!(
        invalid(REQUEST.with_ceiling(Ceiling::new(999, 500))),
        "{\"InvalidRequest\":{\"AboveCeiling\":{\"field\":\"prompt_tokens\",\"found\":1000,\"limit\":999}}}"
    );
    assert_eq!(
        invalid(REQUEST.with_ceiling(ceiling.with_classes(TokenClassSet::PROMPT))),
        "{\"InvalidRequest\":{\"NoClassAllowed\":{\"field\":\"completion_tokens\",\"limit\":4096}}}"
    );
    let without_output = TokenClassSet::ALL.without(TokenClass::Output);
    assert_eq!(
        invalid(REQUEST.with_ceiling(ceiling.with_classes(without_output))),
        "{\"InvalidRequest\":{\"ClassNotAllowed\":{\"class\":\"output\",\"tokens\":500}}}"
    );
    assert_eq!(
        invalid(REQUEST.with_group_id(4)),
        "{\"InvalidRequest\":{\"UnknownGroup\":{\"group_id\":4}}}"
    );
}

/// What is absent is the neutral value, as in the builders.
#[test]
fn json_may_leave_out_what_is_not_used() {
    let usage: Usage = serde_json::from_str("{\"input_tokens\":7}").unwrap();
    assert_eq!(usage, Usage::new(7, 0));
    let ceiling: Ceiling =
        serde_json::from_str("{\"prompt_tokens\":7,\"completion_tokens\":8}").unwrap();
    assert_eq!(ceiling, Ceiling::new(7, 8));
    let window: Window = serde_json::from_str("{\"max_total_tokens\":9}").unwrap();
    assert_eq!(window, Window::UNKNOWN.with_max_total_tokens(9));
    let mut json = serde_json::to_value(REQUEST).unwrap();
    let fields = json.as_object_mut().unwrap();
    for absent in ["ceiling", "group_id", "excluded_models"] {
        assert!(fields.remove(absent).is_some(), "{absent}");
    }
    assert_eq!(serde_json::from_value::<Request>(json).unwrap(), REQUEST);
    let mut json = serde_json::to_value(MODEL).unwrap();
    assert!(json.as_object_mut().unwrap().remove("window").is_some());
    assert!(json["price"].as_object_mut().unwrap().remove("search_fee").is_some());
    assert_eq!(serde_json::from_value::<Model>(json).unwrap(), MODEL);
}

/// Prices that no constructor makes are not read either.
#[test]
fn a_malformed_price_is_refused() {
    let rates = |rate: u64| Rates::plain(Microunits::new(rate), Microunits::new(rate));
    let read = |bands: &[(u32, u64)]| {
        let bands: Vec<_> = bands
            .iter()
            .map(|&(above, rate)| {
                serde_json::json!({"above_prompt_tokens": above, "rates": rates(rate)})
            })
            .collect();
        serde_json::from_value::<Price>(serde_json::json!({ "bands": bands }))
            .map_err(|error| error.to_string())
    };
    let price = Price::new(rates(5)).with_band(9, rates(5)).unwrap();
    assert_eq!(read(&[(0, 5), (9, 5)]), Ok(price));
    for (bands, message) in [
        (&[][..], "a price has at least one band"),
        (&[(1, 5)], "the first band of a price begins at 0 prompt tokens, not above 1"),
        (
            &[(0, 5), (9, 5), (9, 5)],
            "a band above 9 prompt tokens cannot follow one above 9: thresholds ascend",
        ),
        (
            &[(0, 5), (9, 4)],
            "the rate of input falls from 5 to 4 microunits per million tokens above 9 prompt tokens; \
             rates may only rise",
        ),
        (&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)], "a price has at most 4 bands"),
    ] {
        assert_eq!(read(bands), Err(message.to_owned()));
    }
    let ids: Vec<u32> = (0..17).collect();
    let error = serde_json::from_value::<ExcludedModels>(serde_json::json!(ids)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "17 model ids are to be excluded, and at most 16 different ones may be"
    );
}
