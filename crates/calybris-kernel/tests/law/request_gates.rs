//! Gates 1 and 2, and invalid requests.

use calybris_kernel::{Ceiling, Group, TokenClass, TokenClassSet};

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

/// A request that is invalid for every reason there is; each step mends the first of them.
#[test]
fn an_invalid_request_is_refused_for_the_first_of_its_reasons() {
    let usage = Usage::new(5, 0)
        .with_cache_read_tokens(6)
        .with_reasoning_tokens(8)
        .with_audio_output_tokens(9)
        .with_searches(3);
    let above = BasisPoints::new(10_001);
    let mut request = REQUEST
        .with_risk(above)
        .with_confidence(above)
        .with_minimum_quality(above)
        .with_usage(usage)
        .with_ceiling(Ceiling::new(10, 16).with_searches(2).with_classes(TokenClassSet::EMPTY))
        .with_group_id(7);
    let snapshot = PolicySnapshot::with_groups(POLICY, [MODEL], [Group::new(6, [1])]).unwrap();
    let mut met = Vec::new();
    while let Some(Refusal::InvalidRequest(invalid)) = snapshot.explain(&request).request_refusal {
        met.push(invalid);
        assert!(met.len() < 20, "{met:?}");
        let decision = snapshot.prescribe(&request);
        assert_eq!((decision.reason, decision.evaluated_models), (Reason::InvalidRequest, 0));
        let ceiling = request.ceiling.as_mut().unwrap();
        match invalid {
            InvalidRequest::OutOfRange { field: "risk_bps", .. } => {
                request.risk = BasisPoints::ZERO;
            }
            InvalidRequest::OutOfRange { field: "confidence_bps", .. } => {
                request.confidence = BasisPoints::WHOLE;
            }
            InvalidRequest::OutOfRange { .. } => request.minimum_quality = BasisPoints::ZERO,
            InvalidRequest::NoClassAllowed { field: "prompt_tokens", .. } => {
                ceiling.classes = ceiling.classes.with(TokenClass::CacheWrite);
            }
            InvalidRequest::NoClassAllowed { .. } => {
                ceiling.classes = ceiling.classes.with(TokenClass::Output);
            }
            InvalidRequest::ClassNotAllowed { class, .. } => {
                ceiling.classes = ceiling.classes.with(class);
            }
            InvalidRequest::AboveCeiling { field: "prompt_tokens", .. } => {
                ceiling.prompt_tokens = 11;
            }
            InvalidRequest::AboveCeiling { field: "completion_tokens", .. } => {
                ceiling.completion_tokens = 17;
            }
            InvalidRequest::AboveCeiling { .. } => ceiling.searches = 3,
            InvalidRequest::UnknownGroup { .. } => request.group_id = Some(6),
        }
    }
    let out_of_range = |field| {
        let (found, limit) = (above, BasisPoints::WHOLE);
        InvalidRequest::OutOfRange { field, found, limit }
    };
    let not_allowed = |class, tokens| InvalidRequest::ClassNotAllowed { class, tokens };
    let beyond = |field, found, limit| InvalidRequest::AboveCeiling { field, found, limit };
    assert_eq!(
        met,
        [
            out_of_range("risk_bps"),
            out_of_range("confidence_bps"),
            out_of_range("minimum_quality_bps"),
            InvalidRequest::NoClassAllowed { field: "prompt_tokens", limit: 10 },
            InvalidRequest::NoClassAllowed { field: "completion_tokens", limit: 16 },
            not_allowed(TokenClass::Input, 5),
            not_allowed(TokenClass::CacheRead, 6),
            not_allowed(TokenClass::Reasoning, 8),
            not_allowed(TokenClass::AudioOutput, 9),
            beyond("prompt_tokens", 11, 10),
            beyond("completion_tokens", 17, 16),
            beyond("searches", 3, 2),
            InvalidRequest::UnknownGroup { group_id: 7 },
        ]
    );
    assert_eq!(snapshot.prescribe(&request).action, Action::ExecuteRequested);
}

#[test]
fn a_usage_at_its_ceiling_is_valid_and_a_prompt_beyond_u32_has_no_valid_ceiling() {
    let request = REQUEST.with_ceiling(Ceiling::new(1_000, 500));
    assert_eq!(decide_under(POLICY, &request).action, Action::ExecuteRequested);
    for below in [Ceiling::new(999, 500), Ceiling::new(1_000, 499)] {
        let decision = decide_under(POLICY, &REQUEST.with_ceiling(below));
        assert_eq!(decision.reason, Reason::InvalidRequest);
    }
    let usage = Usage::new(u32::MAX, 0).with_cache_read_tokens(1);
    let request = REQUEST.with_usage(usage).with_ceiling(Ceiling::new(u32::MAX, u32::MAX));
    assert_eq!(decide_under(POLICY, &request).reason, Reason::InvalidRequest);
    let request = request.with_usage(usage.with_cache_read_tokens(0));
    assert_eq!(decide_under(POLICY, &request).action, Action::ExecuteRequested);
}

#[test]
fn a_ceiling_without_tokens_on_a_side_needs_no_class_of_it() {
    let nothing = REQUEST.with_usage(Usage::new(0, 0));
    let empty = Ceiling::new(0, 0).with_classes(TokenClassSet::EMPTY);
    assert_eq!(decide_under(POLICY, &nothing.with_ceiling(empty)).action, Action::ExecuteRequested);
}
