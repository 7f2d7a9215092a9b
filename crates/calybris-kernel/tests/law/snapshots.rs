//! What makes a snapshot, and its canonical bytes.

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
        let message = format!("{field} of the policy is 10001 and may be at most 10000");
        assert_eq!(error.to_string(), message);
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

#[test]
fn snapshots_are_equal_if_policy_and_catalog_are_in_whatever_order() {
    let other = Model { model_id: 2, ..MODEL };
    let snapshot = |policy, models: [Model; 2]| PolicySnapshot::new(policy, models).unwrap();
    let one = snapshot(POLICY, [MODEL, other]);
    assert_eq!(one, snapshot(POLICY, [other, MODEL]));
    assert_ne!(one, snapshot(Policy { policy_epoch: 8, ..POLICY }, [MODEL, other]));
    assert_ne!(one, snapshot(POLICY, [MODEL, Model { fixed_price_microunits: 999, ..other }]));
}
