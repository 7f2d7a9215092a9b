//! A decision reserves what it costs at most, a fallback its own maximum, and all of it is recorded and replayed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use std::sync::Arc;

use calybris_budget::BudgetError;
use calybris_engine::{
    Admission, Comparison, Engine, EngineError, EngineOptions, Ledger, LoggedSnapshot, Names,
    Record, RecordedDecision, ReplayOptions, SCHEMA_ID, Snapshot, WhatIf, replay,
};
use calybris_kernel::{
    Action, Ceiling, Decision, ExcludedModels, Group, PolicySnapshot, Reason, Request,
    SnapshotError, Usage,
};
use calybris_wal::{RetentionAction, WalOptions, WalWriter};
use proptest::prelude::*;
use world::*;

/// What LARGE is expected to cost, and what it costs at most.
const EXPECTED: u64 = 2_100;
const MAXIMUM: u64 = 2_350;

fn engine_with(dir: &std::path::Path, granted: u64) -> Engine {
    let engine = open_with(dir, snapshot_by_class());
    engine.ensure_tenant("a", Microunits::new(granted), UnixMillis::new(1)).unwrap();
    engine
}

/// The state survives a restart and is what the records say; the money adds up; every answer comes out again.
fn assert_survives(dir: &std::path::Path, engine: Engine) {
    let before = state(&engine);
    assert_eq!(balances(&engine), fold(&records(dir)).0);
    drop(engine);
    Ledger::read(dir, None).unwrap().conservation.unwrap();
    replay(dir, None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {}).unwrap();
    assert_eq!(state(&open_with(dir, snapshot_by_class())), before);
}

#[test]
fn a_decision_reserves_its_maximum_cost_and_a_settlement_returns_what_was_not_used() {
    for cost in [0, EXPECTED - 1, EXPECTED, EXPECTED + 1, MAXIMUM - 1, MAXIMUM] {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_with(dir.path(), 10_000);
        let outcome = engine.decide(&call_by_class("a", 1, 9_000)).unwrap();
        let decision = outcome.decision;
        assert_eq!(decision.selected_model_id, Some(LARGE));
        assert_eq!(
            (decision.estimated_cost.get(), decision.maximum_cost.get()),
            (EXPECTED, MAXIMUM)
        );
        let ticket = outcome.ticket.unwrap();
        assert_eq!(ticket.reserved().get(), MAXIMUM);
        assert_eq!(balances(&engine)["a"], (10_000, 10_000 - MAXIMUM, MAXIMUM, 0));
        let settlement = engine.settle(ticket, Microunits::new(cost), UnixMillis::new(2)).unwrap();
        assert_eq!(settlement.returned.get(), MAXIMUM - cost);
        assert_eq!(balances(&engine)["a"], (10_000, 10_000 - cost, 0, cost));
        assert_survives(dir.path(), engine);
    }
}

#[test]
fn a_cost_above_the_maximum_is_refused_as_an_overrun() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 10_000);
    let ticket = engine.decide(&call_by_class("a", 1, 9_000)).unwrap().ticket.unwrap();
    let cost = Microunits::new(MAXIMUM + 1);
    let refused = engine.settle(ticket, cost, UnixMillis::new(2)).unwrap_err();
    let EngineError::Budget(BudgetError::Overrun { reserved, actual, .. }) = refused.error else {
        panic!("{}", refused.error)
    };
    assert_eq!((reserved.get(), actual), (MAXIMUM, cost));
    engine.abandon(refused.ticket, UnixMillis::new(3)).unwrap();
    assert_eq!(balances(&engine)["a"], (10_000, 10_000, 0, 0));
    assert_survives(dir.path(), engine);
}

#[test]
fn a_call_is_insufficient_by_its_maximum_cost_though_what_it_is_expected_to_cost_would_fit() {
    for (granted, admitted) in [(EXPECTED, false), (MAXIMUM - 1, false), (MAXIMUM, true)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_with(dir.path(), granted);
        let outcome = engine.decide(&call_by_class("a", 1, 9_000)).unwrap();
        assert_eq!(outcome.decision.selected_model_id, Some(LARGE));
        let insufficient = Admission::Insufficient { available: Microunits::new(granted) };
        let expected = if admitted { Admission::Reserved } else { insufficient };
        assert_eq!((outcome.admission, outcome.ticket.is_some()), (expected, admitted));
        assert_eq!(balances(&engine)["a"].1, if admitted { 0 } else { granted });
        let (_, record) = records(dir.path()).pop().unwrap();
        let Record::Decided(decided) = record else { panic!("{record:?}") };
        assert_eq!(decided.reserved().get(), if admitted { MAXIMUM } else { 0 });
        assert_survives(dir.path(), engine);
    }
}

#[test]
fn a_ticket_that_falls_back_on_a_dearer_model_reserves_that_models_maximum() {
    // SMALL wins at a quality of 7,000, for at most 210. LARGE comes next.
    for (granted, affordable) in [(MAXIMUM - 1, false), (MAXIMUM, true), (10_000, true)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_with(dir.path(), granted);
        let ticket = engine.decide(&call_by_class("a", 1, 7_000)).unwrap().ticket.unwrap();
        assert_eq!((ticket.model_id(), ticket.reserved().get()), (SMALL, 210));
        let fell_back = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
        let reserved = if affordable { MAXIMUM } else { 210 };
        assert_eq!(fell_back.ticket.reserved().get(), reserved);
        assert_eq!(balances(&engine)["a"], (granted, granted - reserved, reserved, 0));
        let (_, record) = records(dir.path()).pop().unwrap();
        let Record::FellBack { fallback, .. } = record else { panic!("{record:?}") };
        assert_eq!(fallback, fell_back.fallback);
        let costs =
            fallback.map(|to| (to.model_id, to.estimated_cost.get(), to.maximum_cost.get()));
        assert_eq!(costs, affordable.then_some((LARGE, EXPECTED, MAXIMUM)));
        assert_survives(dir.path(), engine);
    }
}

#[test]
fn a_ticket_that_falls_back_on_a_cheaper_model_gives_back_what_its_maximum_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 10_000);
    // Quality is worth more than cost.
    let mut call = call_by_class("a", 1, 7_000);
    call.request.business_value_microunits = 1_000_000;
    let ticket = engine.decide(&call).unwrap().ticket.unwrap();
    assert_eq!((ticket.model_id(), ticket.reserved().get()), (LARGE, MAXIMUM));
    let fell_back = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
    assert_eq!(fell_back.fallback.unwrap().model_id, SMALL);
    assert_eq!(balances(&engine)["a"], (10_000, 9_790, 210, 0));
    assert_survives(dir.path(), engine);
}

#[test]
fn a_fallback_of_another_maximum_is_caught_by_a_replay_and_moves_the_money_that_it_says() {
    for maximum in [EXPECTED, MAXIMUM - 1, MAXIMUM + 1] {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_with(dir.path(), 10_000);
        let ticket = engine.decide(&call_by_class("a", 1, 7_000)).unwrap().ticket.unwrap();
        let _open = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
        drop(engine);
        let forged = tempfile::tempdir().unwrap();
        let log = WalWriter::open(forged.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
        for (_, mut record) in records(dir.path()) {
            if let Record::FellBack { fallback: Some(fallback), .. } = &mut record {
                fallback.maximum_cost = Microunits::new(maximum);
            }
            log.append(&record).unwrap();
        }
        log.close().unwrap();
        let ledger = Ledger::read(forged.path(), None).unwrap();
        assert_eq!(ledger.open_tickets[0].reserved.get(), maximum);
        let found = replay(forged.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
        let EngineError::Contradiction { sequence: 4, contradiction } = found.unwrap_err() else {
            panic!("{maximum}")
        };
        assert!(contradiction.contains("the rank has"), "{contradiction}");
    }
}

#[test]
fn a_ticket_that_passed_over_a_model_which_its_maximum_could_pay_is_caught_by_a_replay() {
    // Another model like LARGE: its maximum is what the ticket has reserved, and above what LARGE is expected to cost.
    let by_class = snapshot_by_class();
    let mut models: Vec<_> = by_class.policy_snapshot().models().collect();
    models.push(models[0].with_model_id(8));
    let kernel = PolicySnapshot::with_groups(POLICY, models, by_class.policy_snapshot().groups());
    let dir = tempfile::tempdir().unwrap();
    let engine = open_with(dir.path(), Snapshot::new(kernel.unwrap(), by_class.names().clone()));
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let mut call = call_by_class("a", 1, 9_000);
    call.request.group_id = None;
    let ticket = engine.decide(&call).unwrap().ticket.unwrap();
    assert_eq!((ticket.model_id(), ticket.reserved().get()), (LARGE, MAXIMUM));
    drop(engine);
    let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    let stays = Record::FellBack {
        time: UnixMillis::new(2),
        decision_sequence: 3,
        snapshot_sequence: 1,
        failed_model_id: LARGE,
        fallback: None,
    };
    log.append(&stays).unwrap();
    log.close().unwrap();
    let found = replay(dir.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
    let why = found.unwrap_err().to_string();
    assert!(
        why.contains("model 8 is the next in the rank and costs at most 2350 of the 2350"),
        "{why}"
    );
}

#[test]
fn a_decision_cannot_hide_from_replay_in_a_version_that_it_does_not_need() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 10_000);
    let _open = engine.decide(&call("a", 1, 9_000)).unwrap();
    drop(engine);
    let (_, Record::Decided(plain)) = records(dir.path()).pop().unwrap() else { panic!() };
    let mut grouped = plain.clone();
    grouped.request.group_id = Some(0);
    let [first, second] = [plain, grouped].map(|decided| payload(&Record::Decided(decided)));
    // Behind the request the one goes on with the decision and the other with flags.
    let request_end = 1 + first[1..]
        .iter()
        .zip(&second[1..])
        .take_while(|(first, second)| first == second)
        .count();
    let admission = first.len() - 1;
    assert_eq!(second.len(), first.len() + 3);
    let spelled = [
        &[8],
        &first[1..request_end],
        &[0],
        &first[request_end..admission],
        &[0],
        &first[admission..],
    ]
    .concat();
    let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    log.append_bytes(&spelled).unwrap();
    log.close().unwrap();
    let found = replay(dir.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
    match found.unwrap_err() {
        EngineError::InvalidRecord {
            sequence: 4, record: "a decision", field: "flags", ..
        } => {}
        other => panic!("{other}"),
    }
    assert!(Ledger::read(dir.path(), None).is_err());
}

#[test]
fn a_key_is_of_the_whole_request_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_with(dir.path(), 100_000);
    let call = call_by_class("a", 1, 9_000).with_request_key("key");
    let first = engine.decide(&call).unwrap();
    let other_requests: [fn(&mut Request); 6] = [
        |request| request.usage.cache_write_tokens -= 1,
        |request| request.ceiling = Some(Ceiling::new(100, 111)),
        |request| request.ceiling = None,
        |request| request.group_id = Some(1),
        |request| request.excluded_models = ExcludedModels::NONE,
        |request| request.usage.searches = 1,
    ];
    for checkpoint in [false, true] {
        for alter in other_requests {
            let mut other = call;
            alter(&mut other.request);
            let refused = engine.decide(&other).unwrap_err();
            assert!(matches!(refused, EngineError::RequestKeyReused { .. }), "{refused}");
        }
        let again = engine.decide(&call).unwrap();
        assert_eq!((again.decision, again.repeated), (first.decision, true));
        if checkpoint {
            engine.checkpoint(UnixMillis::new(9)).unwrap();
        }
        drop(engine);
        engine = open_with(dir.path(), snapshot_by_class());
        assert_eq!(engine.decide(&call).unwrap().decision_sequence, first.decision_sequence);
    }
}

#[test]
fn a_checkpoint_carries_tickets_and_groups_and_is_what_the_records_before_it_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 100_000);
    let ticket = engine.decide(&call_by_class("a", 1, 7_000)).unwrap().ticket.unwrap();
    let _open = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
    engine.checkpoint(UnixMillis::new(3)).unwrap();
    let before = state(&engine);
    drop(engine);
    // The ledger compares the checkpoint with the records before it.
    Ledger::read(dir.path(), None).unwrap().conservation.unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    assert_eq!(engine.recovery().first_sequence, 5);
    assert_eq!(state(&engine), before);
    // The request of the ticket ranks as before: SMALL and LARGE are of its group, and both were tried.
    let [open] = engine.open_tickets().try_into().unwrap();
    let ticket = engine.ticket(open.decision_sequence).unwrap();
    assert_eq!(engine.fall_back(ticket, UnixMillis::new(4)).unwrap().fallback, None);
    // So does a new call to the group of the snapshot in force.
    let outcome = engine.decide(&call_by_class("a", 2, 0)).unwrap();
    assert_eq!(outcome.decision.evaluated_models, 2);
}

#[test]
fn a_log_whose_beginning_was_dropped_has_the_ceilings_and_groups_of_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 100_000);
    let keyed = call_by_class("a", 1, 7_000).with_request_key("k");
    let ticket = engine.decide(&keyed).unwrap().ticket.unwrap();
    engine.checkpoint(UnixMillis::new(2)).unwrap();
    assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 1);
    // From SMALL on to LARGE.
    assert_eq!(ticket.reserved().get(), 210);
    let fell_back = engine.fall_back(ticket, UnixMillis::new(3)).unwrap();
    assert_eq!(fell_back.ticket.reserved().get(), MAXIMUM);
    assert!(engine.decide(&keyed).unwrap().repeated);
    let mut other = keyed;
    other.request.ceiling = Some(Ceiling::new(100, 111));
    let reused = engine.decide(&other).unwrap_err();
    assert!(matches!(reused, EngineError::RequestKeyReused { .. }), "{reused}");
    let _open = engine.decide(&call_by_class("a", 2, 9_000)).unwrap();
    let before = state(&engine);
    drop(engine);
    let ledger = Ledger::read(dir.path(), None).unwrap();
    assert_eq!(ledger.conservation.unwrap().reserved_microunits, u128::from(2 * MAXIMUM));
    let report = replay(dir.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
    assert_eq!(report.unwrap().decisions, 1);
    assert_eq!(state(&open_with(dir.path(), snapshot_by_class())), before);
}

#[test]
fn a_request_that_contradicts_itself_or_its_snapshot_is_rejected_and_logged_as_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 10_000);
    let invalid: [Request; 3] = [
        request_by_class(1, 9_000).with_group_id(7),
        request_by_class(2, 9_000).with_ceiling(Ceiling::new(99, 110)),
        request_by_class(3, 9_000).with_usage(Usage::new(100, 100).with_searches(1)),
    ];
    for request in invalid {
        let mut call = call_by_class("a", request.sequence, 9_000);
        call.request = request;
        let outcome = engine.decide(&call).unwrap();
        assert_eq!(outcome.decision.reason, Reason::InvalidRequest);
        assert_eq!(
            (outcome.decision.evaluated_models, outcome.admission),
            (0, Admission::NotAsked)
        );
        let recorded = RecordedDecision::find(dir.path(), None, outcome.decision_sequence).unwrap();
        assert_eq!(recorded.decided.request, request);
        recorded.replay().unwrap();
    }
    assert_survives(dir.path(), engine);
}

#[test]
fn a_plain_request_is_judged_by_windows_and_prices_of_its_snapshot_in_a_record_of_the_first_version()
 {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 1_000_000);
    let mut too_long = call("a", 1, 9_000);
    too_long.request.usage = Usage::new(100_001, 1);
    let outcome = engine.decide(&too_long).unwrap();
    // Two models are below the quality, one has too small a window.
    assert_eq!(outcome.decision.reason, Reason::QualityConstraint);
    too_long.request.minimum_quality = calybris_kernel::BasisPoints::ZERO;
    too_long.request.group_id = Some(0);
    too_long.request.excluded_models = ExcludedModels::new(&[SMALL]).unwrap();
    assert_eq!(engine.decide(&too_long).unwrap().decision.reason, Reason::WindowConstraint);
    let plain = engine.decide(&call("a", 2, 9_000)).unwrap();
    assert_eq!(plain.decision.maximum_cost, plain.decision.estimated_cost);
    let payloads: Vec<u8> =
        records(dir.path()).iter().map(|(_, record)| payload(record)[0]).collect();
    assert_eq!(payloads, [7, 1, 2, 8, 2]);
    assert_survives(dir.path(), engine);
}

/// A log of these requests under the snapshot by class.
fn log_of(requests: &[Request]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_with(dir.path(), 1_000_000);
    for request in requests {
        let mut call = call_by_class("a", request.sequence, 0);
        call.request = *request;
        drop(engine.decide(&call).unwrap());
    }
    dir
}

/// What is decided in place of the recorded decisions, and what comes of it.
fn proposed(log: &std::path::Path, snapshot: &Arc<Snapshot>) -> (Vec<Decision>, WhatIf) {
    let mut comparison = Comparison::new(10);
    let mut decisions = Vec::new();
    let report = replay(
        log,
        None,
        &ReplayOptions::default(),
        |_| Ok(vec![Arc::clone(snapshot)]),
        |replayed| {
            let (recorded, decision) = (replayed.snapshot, replayed.proposed[0]);
            comparison.add(replayed.sequence, &replayed.decided, recorded, snapshot, &decision);
            decisions.push(decision);
        },
    );
    assert_eq!(report.unwrap().decisions, decisions.len() as u64);
    (decisions, comparison.finish().unwrap())
}

/// The same catalog with other groups: their ids, names and models.
fn regrouped(groups: &[(u8, &str, &[u32])]) -> Arc<Snapshot> {
    let by_class = snapshot_by_class();
    let models: Vec<_> = by_class.policy_snapshot().models().collect();
    let policy = POLICY.with_policy_epoch(2);
    let list = groups.iter().map(|(id, _, models)| Group::new(*id, *models));
    let kernel = PolicySnapshot::with_groups(policy, models, list.collect::<Vec<_>>()).unwrap();
    let named = groups.iter().filter(|(_, name, _)| !name.is_empty());
    let names = named.map(|(id, name, _)| (*id, (*name).to_owned())).collect();
    Arc::new(Snapshot::new(kernel, Names { groups: names, ..by_class.names().clone() }))
}

#[test]
fn a_proposal_gives_a_request_the_group_of_the_same_name() {
    let plain = |sequence| request(sequence, 0);
    let requests = [
        plain(1).with_group_id(0),
        plain(2).with_group_id(1),
        plain(3),
        plain(4).with_group_id(1).with_excluded_models(ExcludedModels::new(&[FREE]).unwrap()),
        // It has no such group, and there it is another's.
        plain(5).with_group_id(2),
    ];
    let log = log_of(&requests);
    // The ids are exchanged, and a third group has the id that was unknown.
    let snapshot =
        regrouped(&[(1, "paid", &[LARGE]), (0, "cheap", &[FREE, SMALL]), (2, "free", &[FREE])]);
    let (decisions, what_if) = proposed(log.path(), &snapshot);
    let kernel = snapshot.policy_snapshot();
    let expected = [
        kernel.prescribe(&plain(1).with_group_id(1)),
        kernel.prescribe(&plain(2).with_group_id(0)),
        kernel.prescribe(&plain(3)),
        kernel.prescribe(&requests[3].with_group_id(0)),
        kernel.prescribe(&plain(5).with_group_id(200)),
    ];
    assert_eq!(decisions, expected);
    assert_eq!(decisions[0].selected_model_id, Some(LARGE));
    assert_eq!(decisions[1].selected_model_id, Some(SMALL));
    assert_eq!(decisions[4].reason, Reason::InvalidRequest);
    assert_eq!(what_if.missing_groups, [("group 2".to_owned(), 1)]);
}

#[test]
fn a_proposal_without_the_group_of_a_request_rejects_it_as_invalid_and_says_which_are_missing() {
    let requests = [
        request(1, 0).with_group_id(0),
        request(2, 0).with_group_id(0),
        request(3, 0).with_group_id(1),
        request(4, 0),
    ];
    let log = log_of(&requests);
    // An id that was used stands for another group.
    let snapshot = regrouped(&[(0, "cheap", &[SMALL, FREE])]);
    let (decisions, what_if) = proposed(log.path(), &snapshot);
    let rejected: Vec<bool> =
        decisions.iter().map(|decision| decision.action == Action::Reject).collect();
    assert_eq!(rejected, [true, true, false, false]);
    assert_eq!(decisions[0].reason, Reason::InvalidRequest);
    assert_eq!((decisions[0].policy_epoch, decisions[0].evaluated_models), (2, 0));
    assert_eq!(what_if.missing_groups, [("paid".to_owned(), 2)]);
    assert_eq!((what_if.total.newly_rejected, what_if.total.decisions), (2, 4));
}

#[test]
fn a_group_without_a_name_is_the_one_with_the_same_id() {
    let nameless = regrouped(&[(3, "", &[SMALL])]);
    let other = regrouped(&[(3, "", &[LARGE]), (4, "paid", &[SMALL])]);
    let asked = request(1, 0).with_group_id(3);
    assert_eq!(other.renumber(&asked, &nameless), Some(asked));
    assert_eq!(other.renumber(&request(1, 0).with_group_id(4), &nameless), None);
    assert_eq!(snapshot().renumber(&asked, &nameless), None);
    assert_eq!(snapshot().renumber(&request(1, 0), &nameless), Some(request(1, 0)));
    // A name alone is no group.
    let kernel = snapshot().policy_snapshot().clone();
    let only_named = Snapshot::new(kernel, snapshot_by_class().names().clone());
    assert_eq!(only_named.renumber(&request(1, 0).with_group_id(0), &snapshot_by_class()), None);
}

#[test]
fn a_logged_group_of_unknown_models_is_no_snapshot() {
    let by_class = snapshot_by_class();
    let kernel = by_class.policy_snapshot();
    let logged = |groups: Vec<Group>| LoggedSnapshot {
        digest: by_class.digest(),
        policy: POLICY,
        models: kernel.models().collect(),
        groups: groups.into(),
        names: std::borrow::Cow::Borrowed(by_class.names()),
    };
    assert!(logged(kernel.groups().to_vec()).restore(9).is_ok());
    match logged(vec![Group::new(0, [LARGE, 50])]).restore(9).unwrap_err() {
        EngineError::InvalidSnapshot { sequence: 9, source } => {
            assert_eq!(source, SnapshotError::UnknownModelInGroup { group_id: 0, model_id: 50 });
        }
        other => panic!("{other}"),
    }
    // Groups are part of the digest.
    let fewer = logged(kernel.groups()[..1].to_vec()).restore(9).unwrap_err();
    assert!(matches!(fewer, EngineError::Contradiction { sequence: 9, .. }), "{fewer}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked, every prefix of the log adds up, the answers come out again, and the state survives.
    #[test]
    fn whatever_is_asked_is_reserved_recorded_and_replayed(
        steps in prop::collection::vec((0..4_u8, 0..300_u32, 0..300_u32, 0..4_u32, any::<u8>(), 0..4_u8), 1..12),
        granted in 0..20_000_u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_with(dir.path(), granted);
        for (sequence, (what, prompt, completion, searches, group, becomes)) in (1..).zip(steps) {
            let quality = [0, 4_000, 7_000, 9_000][usize::from(what)];
            let mut call = call_by_class("a", sequence, quality);
            call.request.ceiling = (prompt > 20).then(|| Ceiling::new(prompt, completion).with_searches(searches));
            call.request.group_id = [None, Some(0), Some(1), Some(9)][usize::from(group % 4)];
            let outcome = engine.decide(&call).unwrap();
            prop_assert!(outcome.decision.check().is_ok());
            let Some(ticket) = outcome.ticket else { continue };
            prop_assert_eq!(ticket.reserved(), outcome.decision.maximum_cost);
            match becomes {
                0 => {}
                1 => drop(engine.settle(ticket, outcome.decision.estimated_cost, UnixMillis::new(3)).unwrap()),
                2 => drop(engine.abandon(ticket, UnixMillis::new(3)).unwrap()),
                _ => {
                    let fell_back = engine.fall_back(ticket, UnixMillis::new(3)).unwrap();
                    if let Some(fallback) = fell_back.fallback {
                        prop_assert!(fallback.estimated_cost <= fallback.maximum_cost);
                        prop_assert_eq!(fell_back.ticket.reserved(), fallback.maximum_cost);
                    }
                }
            }
        }
        assert_survives(dir.path(), engine);
    }
}
