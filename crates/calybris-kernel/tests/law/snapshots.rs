//! What makes a snapshot, and its canonical bytes.

use super::*;

#[test]
fn a_duplicate_id_is_refused_by_name() {
    let models = [MODEL.with_model_id(9), MODEL, MODEL.with_quality(BasisPoints::new(1))];
    let error = PolicySnapshot::new(POLICY, models).unwrap_err();
    assert_eq!(error, SnapshotError::DuplicateModelId { model_id: 1 });
    assert_eq!(error.to_string(), "model id `1` stands more than once in the catalog");
}

#[test]
fn a_bps_above_one_whole_is_refused_by_model_and_field() {
    let at_the_limit = MODEL.with_quality(BasisPoints::WHOLE).with_risk_ceiling(BasisPoints::WHOLE);
    assert!(PolicySnapshot::new(POLICY, [at_the_limit]).is_ok());
    for (model, field) in [
        (MODEL.with_model_id(3).with_quality(BasisPoints::new(10_001)), "quality_bps"),
        (MODEL.with_model_id(3).with_risk_ceiling(BasisPoints::new(10_001)), "risk_ceiling_bps"),
    ] {
        let error = PolicySnapshot::new(POLICY, [MODEL, model]).unwrap_err();
        let expected =
            SnapshotError::ModelOutOfRange { model_id: 3, field, found: BasisPoints::new(10_001) };
        assert_eq!(error, expected);
        let message = format!("{field} of model `3` is 10001 and may be at most 10000");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_policy_bps_above_one_whole_is_refused_by_field_but_the_multiplier_may_exceed_it() {
    for (policy, field) in [
        (POLICY.with_hard_risk_limit(BasisPoints::new(10_001)), "hard_risk_limit_bps"),
        (POLICY.with_minimum_confidence(BasisPoints::new(10_001)), "minimum_confidence_bps"),
    ] {
        let error = PolicySnapshot::new(policy, [MODEL]).unwrap_err();
        assert_eq!(
            error,
            SnapshotError::PolicyOutOfRange { field, found: BasisPoints::new(10_001) }
        );
        let message = format!("{field} of the policy is 10001 and may be at most 10000");
        assert_eq!(error.to_string(), message);
    }
    let policy = POLICY
        .with_hard_risk_limit(BasisPoints::WHOLE)
        .with_minimum_confidence(BasisPoints::WHOLE)
        .with_risk_penalty_multiplier(BasisPoints::new(u16::MAX));
    assert!(PolicySnapshot::new(policy, [MODEL]).is_ok());
}

#[test]
fn models_are_found_by_id_and_listed_in_order() {
    let models = [5, 0, u32::MAX].map(|model_id| MODEL.with_model_id(model_id));
    let snapshot = PolicySnapshot::new(POLICY, models).unwrap();
    let ids: Vec<u32> = snapshot.models().map(|model| model.model_id).collect();
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
        POLICY.with_policy_epoch(8),
        POLICY.with_catalog_epoch(12),
        POLICY.with_hard_risk_limit(BasisPoints::new(9_001)),
        POLICY.with_minimum_confidence(BasisPoints::new(1_001)),
        POLICY.with_risk_penalty_multiplier(BasisPoints::new(1)),
        POLICY.with_latency_penalty_per_ms(Microunits::new(1)),
    ] {
        forms.push(bytes(policy, MODEL));
    }
    for model in [
        MODEL.with_model_id(2),
        MODEL.with_provider_id(6),
        MODEL.with_quality(BasisPoints::new(8_001)),
        MODEL.with_risk_ceiling(BasisPoints::new(5_001)),
        MODEL.with_enabled(false),
        MODEL.with_p95_latency_ms(201),
        MODEL.with_capabilities(CapabilitySet::from_bits(0)),
        MODEL.with_regions(RegionSet::from_bits(0)),
        MODEL.with_price(price(1, 0, 1_000)),
        MODEL.with_price(price(0, 1, 1_000)),
        MODEL.with_price(price(0, 0, 1_001)),
    ] {
        forms.push(bytes(POLICY, model));
    }
    assert!(forms.iter().all(|form| form.len() == 62 + 54));
    let count = forms.len();
    forms.sort();
    forms.dedup();
    assert_eq!(forms.len(), count);
}

#[test]
fn snapshots_are_equal_if_policy_and_catalog_are_in_whatever_order() {
    let other = MODEL.with_model_id(2);
    let snapshot = |policy, models: [Model; 2]| PolicySnapshot::new(policy, models).unwrap();
    let one = snapshot(POLICY, [MODEL, other]);
    assert_eq!(one, snapshot(POLICY, [other, MODEL]));
    assert_ne!(one, snapshot(POLICY.with_policy_epoch(8), [MODEL, other]));
    assert_ne!(one, snapshot(POLICY, [MODEL, other.with_price(price(0, 0, 999))]));
}
