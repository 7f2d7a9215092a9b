//! What the engine promises about one call after another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use calybris_budget::BudgetError;
use calybris_engine::{Admission, Engine, EngineError, EngineOptions, Names, Record, Snapshot};
use calybris_kernel::{Action, BasisPoints, PolicySnapshot, Price, Reason};
use calybris_wal::{Key, WalError, WalOptions, WalWriter};
use world::*;

#[test]
fn a_settled_ticket_spends_what_it_cost_and_returns_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let outcome = engine.decide(&call("a", 1, 9_000)).unwrap();
    assert_eq!(outcome.decision.selected_model_id, Some(LARGE));
    let ticket = outcome.ticket.unwrap();
    assert_eq!((ticket.model_id(), ticket.reserved().get()), (LARGE, 2_000));
    assert_eq!(balances(&engine)["a"], (10_000, 8_000, 2_000, 0));
    let settlement = engine.settle(ticket, Microunits::new(1_500), UnixMillis::new(2)).unwrap();
    assert_eq!((settlement.committed.get(), settlement.returned.get()), (1_500, 500));
    assert_eq!(balances(&engine)["a"], (10_000, 8_500, 0, 1_500));
}

#[test]
fn an_abandoned_ticket_spends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    assert_eq!(engine.abandon(ticket, UnixMillis::new(2)).unwrap().returned.get(), 2_000);
    assert_eq!(balances(&engine)["a"], (10_000, 10_000, 0, 0));
}

#[test]
fn a_lack_of_budget_is_a_logged_answer_and_reserves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    // One microunit less than the call costs; then exactly as much.
    for (tenant, granted, admitted) in [("a", 1_999, false), ("b", 2_000, true)] {
        engine.ensure_tenant(tenant, Microunits::new(granted), UnixMillis::new(1)).unwrap();
        let outcome = engine.decide(&call(tenant, 1, 9_000)).unwrap();
        assert_eq!(outcome.decision.selected_model_id, Some(LARGE));
        assert_eq!(outcome.ticket.is_some(), admitted);
        let expected = match admitted {
            true => Admission::Reserved,
            false => Admission::Insufficient { available: Microunits::new(1_999) },
        };
        assert_eq!(outcome.admission, expected);
    }
    assert_eq!(balances(&engine)["a"], (1_999, 1_999, 0, 0));
    let logged = records(dir.path());
    let decided = logged.iter().filter(|(_, record)| matches!(record, Record::Decided(_)));
    assert_eq!(decided.count(), 2);
}

#[test]
fn a_rejection_is_logged_with_its_full_request_and_asks_no_budget() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let call = call("a", 7, 9_500);
    let outcome = engine.decide(&call).unwrap();
    assert_eq!(outcome.decision.action, Action::Reject);
    assert_eq!(outcome.decision.reason, Reason::QualityConstraint);
    assert_eq!(outcome.admission, Admission::NotAsked);
    let (_, record) = records(dir.path()).pop().unwrap();
    let Record::Decided(decided) = record else { panic!("{record:?}") };
    assert_eq!((decided.request, decided.decision), (call.request, outcome.decision));
    assert_eq!((&*decided.tenant, decided.time.get()), ("a", 1_007));
}

#[test]
fn a_free_model_gets_a_ticket_that_reserves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(1), UnixMillis::new(1)).unwrap();
    let free = |sequence| {
        let mut call = call("a", sequence, 0);
        call.request.budget_limit = Microunits::ZERO;
        engine.decide(&call).unwrap().ticket.unwrap()
    };
    let ticket = free(1);
    assert_eq!((ticket.model_id(), ticket.reserved().get()), (FREE, 0));
    let refused = engine.settle(ticket, Microunits::new(1), UnixMillis::new(2)).unwrap_err();
    let EngineError::Budget(BudgetError::Overrun { reserved, actual, .. }) = refused.error else {
        panic!("{}", refused.error)
    };
    assert_eq!((reserved.get(), actual.get()), (0, 1));
    engine.settle(refused.ticket, Microunits::new(0), UnixMillis::new(2)).unwrap();
    engine.abandon(free(2), UnixMillis::new(3)).unwrap();
    let _kept_open = free(3);
    drop(engine);
    let engine = open(dir.path());
    assert_eq!(engine.open_tickets().len(), 1);
    assert_eq!(balances(&engine)["a"], (1, 1, 0, 0));
}

#[test]
fn a_cost_above_the_reservation_gives_the_ticket_back_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    let before = (engine.head(), balances(&engine));
    let refused = engine.settle(ticket, Microunits::new(2_001), UnixMillis::new(2)).unwrap_err();
    assert!(matches!(
        refused.error,
        EngineError::Budget(BudgetError::Overrun { reserved, .. }) if reserved.get() == 2_000
    ));
    assert_eq!((engine.head(), balances(&engine)), before);
    engine.settle(refused.ticket, Microunits::new(2_000), UnixMillis::new(2)).unwrap();
    assert_eq!(balances(&engine)["a"], (10_000, 8_000, 0, 2_000));
}

#[test]
fn a_ticket_is_settled_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    let same = engine.ticket(ticket.decision_sequence()).unwrap();
    engine.settle(ticket, Microunits::new(100), UnixMillis::new(2)).unwrap();
    let head = engine.head();
    let refused = engine.settle(same, Microunits::new(100), UnixMillis::new(3)).unwrap_err();
    assert!(matches!(refused.error, EngineError::TicketNotOpen { .. }));
    let refused = engine.abandon(refused.ticket, UnixMillis::new(3)).unwrap_err();
    assert!(matches!(refused.error, EngineError::TicketNotOpen { .. }));
    assert_eq!(engine.head(), head);
    assert_eq!(balances(&engine)["a"], (10_000, 9_900, 0, 100));
}

#[test]
fn a_ticket_of_another_log_is_not_open_in_this_one() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let engines = dirs.each_ref().map(|dir| open(dir.path()));
    let tickets = engines.each_ref().map(|engine| {
        engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
        engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap()
    });
    let [own, foreign] = tickets;
    assert_eq!(own.decision_sequence(), foreign.decision_sequence());
    let [engine, _] = &engines;
    let before = (engine.head(), state(engine));
    let not_open = |error: &EngineError| matches!(error, EngineError::TicketNotOpen { .. });
    let refused = engine.settle(foreign, Microunits::new(100), UnixMillis::new(2)).unwrap_err();
    assert!(not_open(&refused.error), "{refused}");
    let refused = engine.abandon(refused.ticket, UnixMillis::new(2)).unwrap_err();
    assert!(not_open(&refused.error), "{refused}");
    let refused = engine.fall_back(refused.ticket, UnixMillis::new(2)).unwrap_err();
    assert!(not_open(&refused.error), "{refused}");
    let mut foreign = refused.ticket;
    assert!(not_open(
        &engine.extend(&mut foreign, Microunits::new(1), UnixMillis::new(2)).unwrap_err()
    ));
    assert_eq!((engine.head(), state(engine)), before);
    engines[1].settle(foreign, Microunits::new(100), UnixMillis::new(2)).unwrap();
    engine.settle(own, Microunits::new(100), UnixMillis::new(2)).unwrap();
}

#[test]
fn a_dropped_ticket_keeps_its_reservation_and_can_be_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let _dropped = engine.decide(&call("a", 1, 9_000)).unwrap().ticket;
    assert_eq!(balances(&engine)["a"], (10_000, 8_000, 2_000, 0));
    let [open] = engine.open_tickets().try_into().unwrap();
    assert_eq!((open.tenant.as_str(), open.model_id, open.reserved.get()), ("a", LARGE, 2_000));
    let ticket = engine.ticket(open.decision_sequence).unwrap();
    engine.settle(ticket, Microunits::new(2_000), UnixMillis::new(2)).unwrap();
    assert!(engine.open_tickets().is_empty());
}

#[test]
fn a_tenant_is_opened_once_and_an_unknown_one_is_refused_unlogged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let head = engine.head();
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(2)).unwrap();
    assert!(matches!(
        engine.ensure_tenant("a", Microunits::new(1), UnixMillis::new(2)),
        Err(EngineError::Budget(_))
    ));
    assert!(matches!(
        engine.ensure_tenant("", Microunits::new(1), UnixMillis::new(2)),
        Err(EngineError::Budget(_))
    ));
    assert!(matches!(
        engine.ensure_tenant("b", Microunits::MAX, UnixMillis::new(2)),
        Err(EngineError::Budget(_))
    ));
    let unknown = engine.decide(&call("b", 1, 0)).unwrap_err();
    assert_eq!(unknown.to_string(), "tenant `b` is not known: open it with a budget first");
    assert_eq!(engine.head(), head);
}

#[test]
fn a_correlation_id_has_at_most_64_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let id = "x".repeat(65);
    let mut call = call("a", 1, 9_000);
    call.correlation_id = &id[..64];
    let _ticket = engine.decide(&call).unwrap();
    let head = engine.head();
    call.correlation_id = &id;
    let refused = engine.decide(&call).unwrap_err();
    assert_eq!(refused.to_string(), "a correlation id has at most 64 bytes, found 65");
    assert_eq!(engine.head(), head);
    assert_eq!(balances(&engine)["a"].2, 2_000);
}

#[test]
fn an_installed_snapshot_decides_from_then_on_and_every_decision_names_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let strict = POLICY.with_policy_epoch(2).with_hard_risk_limit(BasisPoints::percent(1));
    let _first = engine.decide(&call("a", 1, 9_000)).unwrap();
    let installed_at = engine.install(snapshot_under(strict), UnixMillis::new(5)).unwrap();
    let second = engine.decide(&call("a", 2, 9_000)).unwrap();
    assert_eq!(second.decision.reason, Reason::RiskHardLimit);
    let under: Vec<u64> = records(dir.path())
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Decided(decided) => Some(decided.snapshot_sequence),
            _ => None,
        })
        .collect();
    assert_eq!(under, [1, installed_at]);
}

#[test]
fn a_snapshot_is_logged_again_only_if_it_differs_from_the_one_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let head = |policy| {
        let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
        let sequence = engine.install(snapshot_under(policy), UnixMillis::new(1)).unwrap();
        assert_eq!(engine.install(snapshot_under(policy), UnixMillis::new(2)).unwrap(), sequence);
        assert_eq!(engine.head().sequence, sequence);
        sequence
    };
    assert_eq!(head(POLICY), 1);
    assert_eq!(head(POLICY), 1);
    assert_eq!(head(POLICY.with_policy_epoch(2)), 2);
    assert_eq!(head(POLICY), 3);
}

#[test]
fn a_log_of_another_schema_key_or_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let key = |byte: u8| Key::new(&[byte; 32]).unwrap();
    let keyed = |byte| EngineOptions::default().key(key(byte));
    let engine = Engine::open(dir.path(), &keyed(1)).unwrap();
    let open = |options: &EngineOptions| Engine::open(dir.path(), options).unwrap_err();
    assert!(matches!(open(&keyed(1)), EngineError::Log(WalError::Locked { .. })));
    drop(engine);
    assert!(matches!(open(&keyed(2)), EngineError::Log(WalError::WrongKey { .. })));
    let unkeyed = EngineOptions::default();
    assert!(matches!(open(&unkeyed), EngineError::Log(WalError::KeyRequired { .. })));

    let foreign = tempfile::tempdir().unwrap();
    let log = WalWriter::open(foreign.path(), &WalOptions::new(42)).unwrap();
    log.append_bytes(b"not a record of ours").unwrap();
    log.close().unwrap();
    let before = std::fs::read(segment(foreign.path())).unwrap();
    let refused = Engine::open(foreign.path(), &unkeyed).unwrap_err();
    assert!(matches!(refused, EngineError::Log(WalError::SchemaMismatch { .. })), "{refused}");
    assert_eq!(std::fs::read(segment(foreign.path())).unwrap(), before);
}

#[test]
fn nothing_is_decided_before_a_snapshot_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    assert!(matches!(engine.decide(&call("a", 1, 0)), Err(EngineError::NoSnapshot)));
    engine.install(snapshot(), UnixMillis::new(2)).unwrap();
    let _ticket = engine.decide(&call("a", 1, 0)).unwrap();
    drop(engine);
    // The log is self-contained: reopened, it decides under what was installed.
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    let outcome = engine.decide(&call("a", 2, 9_000)).unwrap();
    assert_eq!(outcome.decision.selected_model_id, Some(LARGE));
}

#[test]
fn a_cost_that_no_budget_can_hold_is_refused_for_lack_of_budget() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    let dear = model(9, 0, 0)
        .with_price(Price::FREE.with_fixed_price(Microunits::new(u64::MAX - 1)))
        .with_quality(BasisPoints::WHOLE);
    let policy_snapshot = PolicySnapshot::new(POLICY, [dear]).unwrap();
    engine.install(Snapshot::new(policy_snapshot, Names::default()), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let mut call = call("a", 1, 0);
    call.request.business_value_microunits = i64::MAX;
    call.request.budget_limit = Microunits::MAX;
    // Such a cost outweighs every value, so the kernel rejects it already.
    assert_eq!(engine.decide(&call).unwrap().decision.reason, Reason::NonPositiveUtility);
    let dear = dear.with_price(Price::FREE.with_fixed_price(Microunits::new(5 << 60)));
    let policy_snapshot = PolicySnapshot::new(POLICY, [dear]).unwrap();
    engine.install(Snapshot::new(policy_snapshot, Names::default()), UnixMillis::new(1)).unwrap();
    call.request.confidence = BasisPoints::WHOLE;
    call.request.risk = BasisPoints::ZERO;
    let outcome = engine.decide(&call).unwrap();
    assert_eq!(outcome.decision.selected_model_id, Some(9));
    assert_eq!(outcome.admission, Admission::Insufficient { available: Microunits::new(10_000) });
}

#[test]
fn what_an_engine_prints_of_itself_shows_nothing_of_its_callers() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("secret-tenant", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let keyed = call("secret-tenant", 1, 9_000).with_request_key("secret-key");
    let _open = engine.decide(&keyed).unwrap();
    let printed = format!("{engine:?}");
    assert!(printed.starts_with("Engine { log: WalWriter"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
}
