//! Groups and exclusions.

use calybris_kernel::{ExcludedModels, Group};

use super::*;

/// Models 0 to `count - 1`; the higher its id, the better a model is.
fn models(count: u32) -> Vec<Model> {
    let quality = |id: u32| BasisPoints::new(8_000 + id as u16);
    (0..count).map(|id| MODEL.with_model_id(id).with_quality(quality(id))).collect()
}

fn decide_in(models: &[Model], groups: Vec<Group>, request: &Request) -> Decision {
    PolicySnapshot::with_groups(POLICY, models, groups).unwrap().prescribe(request)
}

fn excluding(model_ids: &[u32]) -> Request {
    REQUEST.with_excluded_models(ExcludedModels::new(model_ids).unwrap())
}

#[test]
fn only_the_models_of_the_group_are_candidates() {
    // Positions about the ends of the words of a bit set.
    let ids = [0, 1, 62, 63, 64, 65, 127, 128, 129];
    for &best in &ids {
        let members: Vec<u32> = ids.into_iter().filter(|&id| id <= best).collect();
        let count = members.len() as u32;
        let groups = vec![Group::new(3, members), Group::new(0, [129])];
        let decision = decide_in(&models(130), groups, &REQUEST.with_group_id(3));
        assert_eq!(decision.selected_model_id, Some(best));
        assert_eq!((decision.evaluated_models, decision.eligible_models), (count, count));
    }
}

#[test]
fn excluded_models_count_as_absent() {
    let decision = decide(&models(130), &excluding(&[129, 64, 128]));
    assert_eq!((decision.selected_model_id, decision.runner_up_model_id), (Some(127), Some(126)));
    assert_eq!((decision.evaluated_models, decision.eligible_models), (127, 127));
    // Ids that the catalog does not have exclude nothing, in a group or without.
    let decision = decide(&models(130), &excluding(&[130, u32::MAX]));
    assert_eq!((decision.selected_model_id, decision.evaluated_models), (Some(129), 130));
    let request = excluding(&[5, 9, 77, 1_000]).with_group_id(1);
    let decision = decide_in(&models(130), vec![Group::new(1, [5, 6, 9])], &request);
    assert_eq!((decision.selected_model_id, decision.evaluated_models), (Some(6), 1));
}

#[test]
fn sixteen_models_can_be_excluded_and_seventeen_cannot() {
    let ids: Vec<u32> = (84..101).collect();
    let decision = decide(&models(100), &excluding(&ids[..16]));
    assert_eq!((decision.selected_model_id, decision.evaluated_models), (Some(83), 84));
    let error = ExcludedModels::new(&ids).unwrap_err();
    assert_eq!(error.found, 17);
    // Doubled ids are excluded once, in whatever order they are given.
    let doubled: Vec<u32> = ids[..16].iter().rev().chain(&ids[..16]).copied().collect();
    assert_eq!(ExcludedModels::new(&doubled), ExcludedModels::new(&ids[..16]));
    assert_eq!(ExcludedModels::new(&doubled).unwrap().model_ids(), &ids[..16]);
    assert_eq!(ExcludedModels::new(&[0, 0]).unwrap().model_ids(), [0]);
    assert_eq!(ExcludedModels::new(&[]), Ok(ExcludedModels::NONE));
}

#[test]
fn a_group_without_enabled_models_has_no_enabled_model() {
    let mut models = models(20);
    models[7].enabled = false;
    let groups = || vec![Group::new(0, []), Group::new(1, [7]), Group::new(2, [7, 8])];
    for (group_id, evaluated) in [(0, 0), (1, 1)] {
        let decision = decide_in(&models, groups(), &REQUEST.with_group_id(group_id));
        assert_eq!(decision.reason, Reason::NoEnabledModel);
        assert_eq!((decision.evaluated_models, decision.eligible_models), (evaluated, 0));
    }
    // Disabled candidates are evaluated, and excluding the others leaves none that is enabled.
    let decision = decide_in(&models, groups(), &REQUEST.with_group_id(2));
    assert_eq!((decision.evaluated_models, decision.eligible_models), (2, 1));
    let decision = decide_in(&models, groups(), &excluding(&[8]).with_group_id(2));
    assert_eq!((decision.reason, decision.evaluated_models), (Reason::NoEnabledModel, 1));
}

#[test]
fn only_candidates_decide_why_a_request_is_rejected() {
    let mut models = models(10);
    for model in &mut models[2..] {
        model.capabilities = CapabilitySet::EMPTY;
    }
    let request = REQUEST
        .with_required_capabilities(CapabilitySet::from_bits(1))
        .with_budget_limit(Microunits::ZERO);
    assert_eq!(decide(&models, &request).reason, Reason::CapabilityConstraint);
    let groups = vec![Group::new(0, [0, 1])];
    let decision = decide_in(&models, groups, &request.with_group_id(0));
    assert_eq!(decision.reason, Reason::BudgetConstraint);
}

#[test]
fn an_unknown_group_is_an_invalid_request_before_every_gate() {
    let request = REQUEST.with_group_id(2).with_risk(BasisPoints::percent(95));
    for groups in [vec![], vec![Group::new(1, [1]), Group::new(3, [1])]] {
        let snapshot = PolicySnapshot::with_groups(POLICY, [MODEL], groups).unwrap();
        let decision = snapshot.prescribe(&request);
        assert_eq!(decision.reason, Reason::InvalidRequest);
        assert_eq!(decision.evaluated_models, 0);
        let refusal = Refusal::InvalidRequest(InvalidRequest::UnknownGroup { group_id: 2 });
        assert_eq!(snapshot.explain(&request).request_refusal, Some(refusal));
        assert_eq!(snapshot.rank(&request, &mut [Default::default(); 2]), 0);
        assert_eq!(snapshot.margin(&request), None);
    }
}

#[test]
fn a_snapshot_may_have_all_256_groups() {
    let groups: Vec<Group> = (0..=u8::MAX).map(|id| Group::new(id, [u32::from(id)])).collect();
    let snapshot = PolicySnapshot::with_groups(POLICY, models(256), groups).unwrap();
    for id in 0..=u8::MAX {
        let decision = snapshot.prescribe(&REQUEST.with_group_id(id));
        assert_eq!(decision.selected_model_id, Some(id.into()));
    }
}

#[test]
fn a_group_is_refused_if_its_id_stands_twice_or_the_catalog_lacks_a_model_of_it() {
    let error = |groups: Vec<Group>| PolicySnapshot::with_groups(POLICY, models(3), groups).err();
    let twice = vec![Group::new(4, [0]), Group::new(2, [1]), Group::new(4, [0])];
    assert_eq!(error(twice), Some(SnapshotError::DuplicateGroupId { group_id: 4 }));
    let unknown = vec![Group::new(9, [8]), Group::new(4, [0, 7, 3, 2]), Group::new(1, [2])];
    let expected = SnapshotError::UnknownModelInGroup { group_id: 4, model_id: 3 };
    assert_eq!(error(unknown), Some(expected));
    // A model may be in a group twice, and is one candidate.
    let snapshot = PolicySnapshot::with_groups(POLICY, models(3), [Group::new(0, [2, 1, 2])]);
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.groups(), [Group::new(0, [1, 2])]);
    assert_eq!(snapshot.prescribe(&REQUEST.with_group_id(0)).evaluated_models, 2);
}

#[test]
fn explain_has_a_verdict_on_each_candidate_and_on_no_other_model() {
    let groups = [Group::new(0, [1, 3, 5])];
    let snapshot = PolicySnapshot::with_groups(POLICY, models(9), groups).unwrap();
    let explanation = snapshot.explain(&excluding(&[3]).with_group_id(0));
    let ids: Vec<u32> = explanation.models.iter().map(|verdict| verdict.model_id).collect();
    assert_eq!(ids, [1, 5]);
    assert!(explanation.model(5).is_some() && explanation.model(3).is_none());
}
