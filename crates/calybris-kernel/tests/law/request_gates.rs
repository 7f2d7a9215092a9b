//! Gates 1 and 2, and invalid requests.

use super::*;

#[test]
fn risk_at_the_hard_limit_is_rejected_and_below_it_is_not() {
    for (risk_bps, reason) in [
        (4_999, Reason::RequestedModelMaximizesUtility),
        (5_000, Reason::RiskHardLimit),
        (5_001, Reason::RiskHardLimit),
    ] {
        let policy = Policy { hard_risk_limit_bps: 5_000, ..POLICY };
        let decision = decide_under(policy, &Request { risk_bps, ..REQUEST });
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
        let policy = Policy { minimum_confidence_bps: 5_000, ..POLICY };
        let decision = decide_under(policy, &Request { confidence_bps, ..REQUEST });
        assert_eq!(decision.reason, reason, "{confidence_bps}");
    }
}

#[test]
fn risk_is_judged_before_confidence_and_no_model_is_looked_at() {
    let request = Request { risk_bps: 9_000, confidence_bps: 0, ..REQUEST };
    let decision = decide_under(POLICY, &request);
    assert_eq!(decision.reason, Reason::RiskHardLimit);
    assert_eq!((decision.evaluated_models, decision.eligible_models), (0, 0));
}

#[test]
fn a_bps_above_one_whole_is_an_invalid_request_before_any_gate() {
    let risky = Request { risk_bps: 9_500, confidence_bps: 0, ..REQUEST };
    for request in [
        Request { risk_bps: 10_001, ..risky },
        Request { confidence_bps: 10_001, ..risky },
        Request { minimum_quality_bps: 10_001, ..risky },
        Request { minimum_quality_bps: u16::MAX, ..risky },
    ] {
        let decision = decide_under(POLICY, &request);
        assert_eq!(decision.action, Action::Reject);
        assert_eq!(decision.reason, Reason::InvalidRequest);
        assert_eq!(decision.evaluated_models, 0);
    }
    let whole = Request { confidence_bps: 10_000, minimum_quality_bps: 10_000, ..REQUEST };
    assert_eq!(decide_under(POLICY, &whole).reason, Reason::QualityConstraint);
}

#[test]
fn explain_names_the_field_of_an_invalid_request_and_no_model() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let explanation = snapshot.explain(&Request { confidence_bps: 10_001, ..REQUEST });
    let expected =
        Refusal::InvalidRequest { field: "confidence_bps", found_bps: 10_001, limit_bps: 10_000 };
    assert_eq!(explanation.request_refusal, Some(expected));
    assert_eq!(expected.gate(), None);
    assert!(explanation.models.is_empty());

    let explanation = snapshot.explain(&Request { risk_bps: 9_001, ..REQUEST });
    let expected = Refusal::RiskHardLimit { risk_bps: 9_001, limit_bps: 9_000 };
    assert_eq!(explanation.request_refusal, Some(expected));
}
