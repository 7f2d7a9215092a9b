//! Serialized forms.

use super::*;

#[test]
fn data_survives_a_round_trip_and_a_missing_fixed_price_is_zero() {
    let json = serde_json::to_string(&MODEL).unwrap();
    assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), MODEL);
    let without = json.replace(",\"fixed_price_microunits\":1000", "");
    assert_ne!(without, json);
    let free = MODEL.with_fixed_price(Microunits::ZERO);
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
