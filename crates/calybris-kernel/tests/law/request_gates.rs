//! Gates 1 and 2, and invalid requests.

use super::*;

#[test]
fn risk_at_the_hard_limit_is_rejected_and_below_it_is_not() {
    for (risk_bps, reason) in [
        (4_999, Reason::RequestedModelMaximizesUtility),
        (5_000, Reason::RiskHardLimit),
        (5_001, Reason::RiskHardLimit),
    ] {
        let policy = POLICY.with_hard_risk_limit(BasisPoints::percent(50));
        let decision = decide_under(policy, &REQUEST.with_risk(BasisPoints::new(risk_bps)));
        assert_eq!(decision.reason, reason, "{risk_bps}");
    }
}

#[test]
fn confidence_below_the_minimum_is_rejected_and_at_it_is_not() {
    for (confidence_bps, reason) in [
        (4_999, Reason::ConfidenceHardLimit),
        (5_000, Reason::RequestedModelMaximizesUtility),
        (5_001, Reason::RequestedModelMaximizesUtility),
    ] {
        let policy = POLICY.with_minimum_confidence(BasisPoints::percent(50));
        let decision =
            decide_under(policy, &REQUEST.with_confidence(BasisPoints::new(confidence_bps)));
        assert_eq!(decision.reason, reason, "{confidence_bps}");
    }
}

#[test]
fn risk_is_judged_before_confidence_and_no_model_is_looked_at() {
    let request = REQUEST.with_risk(BasisPoints::percent(90)).with_confidence(BasisPoints::ZERO);
    let decision = decide_under(POLICY, &request);
    assert_eq!(decision.reason, Reason::RiskHardLimit);
    assert_eq!((decision.evaluated_models, decision.eligible_models), (0, 0));
}

#[test]
fn a_bps_above_one_whole_is_an_invalid_request_before_any_gate() {
    let risky = REQUEST.with_risk(BasisPoints::percent(95)).with_confidence(BasisPoints::ZERO);
    for request in [
        risky.with_risk(BasisPoints::new(10_001)),
        risky.with_confidence(BasisPoints::new(10_001)),
        risky.with_minimum_quality(BasisPoints::new(10_001)),
        risky.with_minimum_quality(BasisPoints::new(u16::MAX)),
    ] {
        let decision = decide_under(POLICY, &request);
        assert_eq!(decision.action, Action::Reject);
        assert_eq!(decision.reason, Reason::InvalidRequest);
        assert_eq!(decision.evaluated_models, 0);
    }
    let whole =
        REQUEST.with_confidence(BasisPoints::WHOLE).with_minimum_quality(BasisPoints::WHOLE);
    assert_eq!(decide_under(POLICY, &whole).reason, Reason::QualityConstraint);
}

#[test]
fn explain_names_the_field_of_an_invalid_request_and_no_model() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let explanation = snapshot.explain(&REQUEST.with_confidence(BasisPoints::new(10_001)));
    let expected = Refusal::InvalidRequest(InvalidRequest::OutOfRange {
        field: "confidence_bps",
        found: BasisPoints::new(10_001),
        limit: BasisPoints::WHOLE,
    });
    assert_eq!(explanation.request_refusal, Some(expected));
    assert_eq!(expected.gate(), None);
    assert!(explanation.models.is_empty());

    let explanation = snapshot.explain(&REQUEST.with_risk(BasisPoints::new(9_001)));
    let expected =
        Refusal::RiskHardLimit { risk: BasisPoints::new(9_001), limit: BasisPoints::percent(90) };
    assert_eq!(explanation.request_refusal, Some(expected));
}
