//! What the administrator of a budget may do, and that the log says so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use calybris_budget::{BudgetError, BudgetEvent, OverrunPolicy, TenantRules};
use calybris_engine::{Admission, Engine, EngineError, EngineOptions, Ledger, Record};
use calybris_wal::{WalError, WalOptions, WalWriter};
use world::*;

fn events(dir: &std::path::Path) -> Vec<BudgetEvent> {
    let changed = |(_, record)| match record {
        Record::BudgetChanged { event, .. } => Some(event),
        _ => None,
    };
    records(dir).into_iter().filter_map(changed).collect()
}

/// Reopened, and read from outside, the engine is what it was.
fn assert_survives(dir: &std::path::Path, engine: Engine) {
    let before = state(&engine);
    assert_eq!(balances(&engine), fold(&records(dir)).0);
    drop(engine);
    Ledger::read(dir, None).unwrap().conservation.unwrap();
    assert_eq!(state(&open(dir)), before);
}

fn rules(overrun: OverrunPolicy) -> TenantRules {
    TenantRules::default().with_overrun(overrun)
}

#[test]
fn a_grant_is_raised_lowered_and_refunded() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    engine.settle(ticket, Microunits::new(2_000), UnixMillis::new(2)).unwrap();
    engine.top_up("a", Microunits::new(500), UnixMillis::new(3)).unwrap();
    engine.reduce("a", Microunits::new(8_500), UnixMillis::new(4)).unwrap();
    assert_eq!(balances(&engine)["a"], (2_000, 0, 0, 2_000));
    engine.refund("a", Microunits::new(1_999), UnixMillis::new(5)).unwrap();
    assert_eq!(balances(&engine)["a"], (2_000, 1_999, 0, 1));
    let head = engine.head();
    for refused in [
        engine.reduce("a", Microunits::new(2_000), UnixMillis::new(6)),
        engine.refund("a", Microunits::new(2), UnixMillis::new(6)),
        engine.top_up("a", Microunits::MAX, UnixMillis::new(6)),
        engine.top_up("a", Microunits::new(calybris_budget::MAX_AMOUNT.get()), UnixMillis::new(6)),
    ] {
        assert!(matches!(refused, Err(EngineError::Budget(_))), "{refused:?}");
    }
    for unknown in [
        engine.top_up("b", Microunits::new(1), UnixMillis::new(6)),
        engine.reduce("b", Microunits::new(1), UnixMillis::new(6)),
        engine.refund("b", Microunits::new(1), UnixMillis::new(6)),
        engine.freeze("b", UnixMillis::new(6)),
        engine.set_rules("b", TenantRules::default(), UnixMillis::new(6)),
        engine.ensure_child("c", "b", Microunits::new(1), UnixMillis::new(6)),
    ] {
        assert!(matches!(unknown, Err(EngineError::UnknownTenant { .. })), "{unknown:?}");
    }
    assert_eq!((engine.head(), balances(&engine)["a"]), (head, (2_000, 1_999, 0, 1)));
    assert_survives(dir.path(), engine);
}

#[test]
fn an_amount_of_nothing_changes_nothing_and_is_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("b", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let before = (engine.head(), state(&engine));
    engine.top_up("a", Microunits::new(0), UnixMillis::new(2)).unwrap();
    engine.reduce("a", Microunits::new(0), UnixMillis::new(2)).unwrap();
    engine.refund("a", Microunits::new(0), UnixMillis::new(2)).unwrap();
    assert_eq!(engine.repay("a", Microunits::new(0), UnixMillis::new(2)).unwrap().get(), 0);
    assert_eq!(
        engine.carry_over("a", "b", Microunits::new(0), UnixMillis::new(2)).unwrap().get(),
        0
    );
    assert_eq!((engine.head(), state(&engine)), before);
    // And yet it is asked of a tenant.
    assert!(matches!(
        engine.reduce("c", Microunits::new(0), UnixMillis::new(2)),
        Err(EngineError::UnknownTenant { .. })
    ));
    assert!(matches!(
        engine.top_up("c", Microunits::new(0), UnixMillis::new(2)),
        Err(EngineError::UnknownTenant { .. })
    ));
}

#[test]
fn what_is_carried_over_to_the_same_tenant_pays_its_debt_and_the_log_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.set_rules("a", rules(OverrunPolicy::DrawThenDebt), UnixMillis::new(1)).unwrap();
    let [first, second] =
        [1, 2].map(|n| engine.decide(&call("a", n, 9_000)).unwrap().ticket.unwrap());
    engine.settle(first, Microunits::new(8_100), UnixMillis::new(2)).unwrap();
    assert_eq!(engine.account("a").unwrap().debt.get(), 100);
    engine.abandon(second, UnixMillis::new(3)).unwrap();
    assert_eq!(
        engine.carry_over("a", "a", Microunits::MAX, UnixMillis::new(4)).unwrap().get(),
        1_900
    );
    let account = engine.account("a").unwrap();
    assert_eq!((account.available.get(), account.debt.get()), (1_900, 0));
    assert_survives(dir.path(), engine);
}

#[test]
fn rules_that_no_budget_takes_are_refused_unlogged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let before = (engine.head(), state(&engine));
    let too_much = Microunits::MAX;
    for rules in [
        TenantRules::default().with_exposure_cap(too_much),
        TenantRules::default().with_soft_limit(too_much),
    ] {
        let refused = engine.set_rules("a", rules, UnixMillis::new(2)).unwrap_err();
        let too_large = matches!(refused, EngineError::Budget(BudgetError::AmountTooLarge { .. }));
        assert!(too_large, "{refused}");
    }
    assert_eq!((engine.head(), state(&engine)), before);
}

#[test]
fn a_child_spends_its_own_budget_and_that_of_every_tenant_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("org", Microunits::new(3_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("team", "org", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("key", "team", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let head = engine.head();
    engine.ensure_child("key", "team", Microunits::new(10_000), UnixMillis::new(2)).unwrap();
    assert!(matches!(
        engine.ensure_child("key", "org", Microunits::new(10_000), UnixMillis::new(2)),
        Err(EngineError::Budget(_))
    ));
    assert!(matches!(
        engine.ensure_tenant("key", Microunits::new(10_000), UnixMillis::new(2)),
        Err(EngineError::Budget(_))
    ));
    assert_eq!(engine.head(), head);
    let _open = engine.decide(&call("key", 1, 9_000)).unwrap();
    for tenant in ["org", "team", "key"] {
        assert_eq!(balances(&engine)[tenant].2, 2_000);
    }
    let refused = engine.decide(&call("key", 2, 9_000)).unwrap();
    assert_eq!(refused.admission, Admission::Insufficient { available: Microunits::new(1_000) });
    assert_survives(dir.path(), engine);
}

#[test]
fn a_tenant_with_open_tickets_gets_no_first_child_and_the_log_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("org", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("org", 1, 9_000)).unwrap().ticket.unwrap();
    let head = engine.head();
    let refused =
        engine.ensure_child("team", "org", Microunits::new(10), UnixMillis::new(2)).unwrap_err();
    assert!(matches!(refused, EngineError::Budget(BudgetError::ParentInUse { .. })), "{refused}");
    assert_eq!(engine.head(), head);
    engine.settle(ticket, Microunits::new(1), UnixMillis::new(3)).unwrap();
    engine.ensure_child("team", "org", Microunits::new(10), UnixMillis::new(4)).unwrap();
    assert_survives(dir.path(), engine);
}

#[test]
fn what_the_rules_refuse_is_a_logged_answer() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let cap = TenantRules::default().with_exposure_cap(Microunits::new(3_999));
    engine.set_rules("a", cap, UnixMillis::new(1)).unwrap();
    let first = engine.decide(&call("a", 1, 9_000)).unwrap();
    let second = engine.decide(&call("a", 2, 9_000)).unwrap();
    let exposed =
        Admission::Exposed { reserved: Microunits::new(2_000), cap: Microunits::new(3_999) };
    assert_eq!((second.admission, second.ticket.is_none()), (exposed, true));

    engine.freeze("a", UnixMillis::new(2)).unwrap();
    let head = engine.head();
    engine.freeze("a", UnixMillis::new(2)).unwrap();
    assert_eq!(engine.head(), head);
    // A free model is refused as well.
    for quality in [9_000, 4_000] {
        let mut call = call("a", 3, quality);
        call.request.budget_limit =
            Microunits::new(call.request.budget_limit.get() * u64::from(quality == 9_000));
        let frozen = engine.decide(&call).unwrap();
        assert_eq!((frozen.admission, frozen.ticket.is_none()), (Admission::Frozen, true));
    }
    engine.unfreeze("a", UnixMillis::new(3)).unwrap();

    engine.set_rules("a", rules(OverrunPolicy::DrawThenDebt), UnixMillis::new(3)).unwrap();
    engine.settle(first.ticket.unwrap(), Microunits::new(10_001), UnixMillis::new(4)).unwrap();
    let in_debt = engine.decide(&call("a", 4, 9_000)).unwrap();
    assert_eq!(in_debt.admission, Admission::InDebt { debt: Microunits::new(1) });
    engine.top_up("a", Microunits::new(2_001), UnixMillis::new(5)).unwrap();
    let _open = engine.decide(&call("a", 5, 9_000)).unwrap().ticket.unwrap();

    let admissions: Vec<Admission> = records(dir.path())
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Decided(decided) => Some(decided.admission),
            _ => None,
        })
        .collect();
    let reserved = Admission::Reserved;
    let in_debt = Admission::InDebt { debt: Microunits::new(1) };
    let frozen = Admission::Frozen;
    assert_eq!(admissions, [reserved, exposed, frozen, frozen, in_debt, reserved]);
    assert_survives(dir.path(), engine);
}

#[test]
fn a_cost_above_the_reservation_is_met_as_the_rules_say() {
    for (overrun, quality, spent, uncharged, debt) in [
        (OverrunPolicy::DrawThenDebt, 9_000, 11_000, 0, 1_000),
        (OverrunPolicy::CapAtReserved, 9_000, 2_000, 9_000, 0),
        // The free model that was not.
        (OverrunPolicy::DrawThenDebt, 0, 11_000, 0, 1_000),
        (OverrunPolicy::CapAtReserved, 0, 0, 11_000, 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
        let mut call = call("a", 1, quality);
        call.request.budget_limit =
            Microunits::new(call.request.budget_limit.get() * u64::from(quality > 0));
        let ticket = engine.decide(&call).unwrap().ticket.unwrap();
        engine.set_rules("a", rules(overrun), UnixMillis::new(2)).unwrap();
        let settlement =
            engine.settle(ticket, Microunits::new(11_000), UnixMillis::new(3)).unwrap();
        assert_eq!(settlement.committed.get(), spent);
        assert_eq!((settlement.returned.get(), settlement.uncharged.get()), (0, uncharged));
        let account = engine.account("a").unwrap();
        assert_eq!((account.committed.get(), account.debt.get()), (spent, debt));
        // The log has the true cost, also where not all of it was charged.
        let (_, last) = records(dir.path()).pop().unwrap();
        let actual_cost_microunits = match last {
            Record::Settled { actual_cost, .. } => actual_cost.get(),
            other => panic!("{other:?}"),
        };
        assert_eq!(actual_cost_microunits, 11_000);
        let overdrawn = matches!(
            events(dir.path()).last(),
            Some(BudgetEvent::Overdrawn { drawn: drawn_microunits, .. }) if drawn_microunits.len() == 1
        );
        assert_eq!(overdrawn, overrun == OverrunPolicy::DrawThenDebt);
        assert_survives(dir.path(), engine);
    }
}

#[test]
fn no_call_of_a_frozen_tenant_is_admitted_behind_the_record_that_froze_it() {
    let dir = tempfile::tempdir().unwrap();
    beside_three_callers(dir.path(), |engine| {
        for _ in 0..20 {
            engine.freeze("a", UnixMillis::new(2)).unwrap();
            engine.unfreeze("a", UnixMillis::new(2)).unwrap();
        }
    });
    let mut frozen = false;
    for (sequence, record) in records(dir.path()) {
        match record {
            Record::BudgetChanged { event: BudgetEvent::Frozen { .. }, .. } => frozen = true,
            Record::BudgetChanged { event: BudgetEvent::Unfrozen { .. }, .. } => frozen = false,
            Record::Decided(decided) => {
                assert_eq!(decided.admission == Admission::Frozen, frozen, "record {sequence}");
            }
            _ => {}
        }
    }
}

#[test]
fn debt_is_repaid_with_what_is_available_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(4_000), UnixMillis::new(1)).unwrap();
    engine.set_rules("a", rules(OverrunPolicy::DrawThenDebt), UnixMillis::new(1)).unwrap();
    let first = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    let second = engine.decide(&call("a", 2, 9_000)).unwrap().ticket.unwrap();
    let head = engine.head();
    assert_eq!(engine.repay("a", Microunits::new(10), UnixMillis::new(2)).unwrap().get(), 0);
    assert_eq!(engine.head(), head);
    engine.settle(first, Microunits::new(5_000), UnixMillis::new(2)).unwrap();
    assert_eq!(engine.account("a").unwrap().debt.get(), 3_000);
    assert_eq!(engine.repay("a", Microunits::new(10), UnixMillis::new(3)).unwrap().get(), 0);
    engine.abandon(second, UnixMillis::new(3)).unwrap();
    assert_eq!(engine.repay("a", Microunits::new(10), UnixMillis::new(4)).unwrap().get(), 10);
    assert_eq!(engine.repay("a", Microunits::MAX, UnixMillis::new(5)).unwrap().get(), 1_990);
    let account = engine.account("a").unwrap();
    assert_eq!((account.debt.get(), account.available.get()), (1_000, 0));
    engine.top_up("a", Microunits::new(3_000), UnixMillis::new(6)).unwrap();
    let _admitted = engine.decide(&call("a", 3, 9_000)).unwrap().ticket.unwrap();
    assert_survives(dir.path(), engine);
}

#[test]
fn what_is_left_of_a_period_is_carried_over_and_a_late_ticket_is_settled_in_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("november", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let late = engine.decide(&call("november", 1, 9_000)).unwrap().ticket.unwrap();
    engine.freeze("november", UnixMillis::new(2)).unwrap();
    engine.ensure_tenant("december", Microunits::new(100), UnixMillis::new(2)).unwrap();
    assert_eq!(
        engine
            .carry_over("november", "december", Microunits::new(5_000), UnixMillis::new(3))
            .unwrap(),
        Microunits::new(5_000)
    );
    assert_eq!(
        engine.carry_over("november", "december", Microunits::MAX, UnixMillis::new(3)).unwrap(),
        Microunits::new(3_000)
    );
    let head = engine.head();
    assert_eq!(
        engine.carry_over("november", "december", Microunits::MAX, UnixMillis::new(3)).unwrap(),
        Microunits::ZERO
    );
    assert_eq!(engine.head(), head);
    engine.settle(late, Microunits::new(1_500), UnixMillis::new(4)).unwrap();
    assert_eq!(balances(&engine)["november"], (2_000, 500, 0, 1_500));
    assert_eq!(balances(&engine)["december"], (8_100, 8_100, 0, 0));
    engine
        .ensure_tenant(
            "full",
            Microunits::new(calybris_budget::MAX_AMOUNT.get()),
            UnixMillis::new(5),
        )
        .unwrap();
    assert!(engine.carry_over("november", "full", Microunits::new(1), UnixMillis::new(5)).is_err());
    assert_survives(dir.path(), engine);
}

#[test]
fn a_soft_limit_warns_once_and_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let soft = TenantRules::default().with_soft_limit(Microunits::new(4_000));
    engine.set_rules("a", soft, UnixMillis::new(1)).unwrap();
    let mut first = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    assert!(engine.take_warnings().is_empty());
    assert_eq!(
        engine.extend(&mut first, Microunits::new(2_000), UnixMillis::new(2)).unwrap(),
        Admission::Reserved
    );
    let [warning] = engine.take_warnings().try_into().unwrap();
    assert_eq!((warning.tenant.as_str(), warning.soft_limit.get()), ("a", 4_000));
    let _second = engine.decide(&call("a", 2, 9_000)).unwrap();
    assert!(engine.take_warnings().is_empty());
    let warned = BudgetEvent::SoftLimitReached { tenant: "a".to_owned() };
    assert_eq!(events(dir.path()).iter().filter(|event| **event == warned).count(), 1);
    // Who was warned before a restart is not warned again after it.
    drop(engine);
    let engine = open(dir.path());
    let _third = engine.decide(&call("a", 3, 9_000)).unwrap();
    assert!(engine.take_warnings().is_empty());
    // Nobody asks for a while: what is kept for them does not grow with that.
    for sequence in 4..=7 {
        engine.set_rules("a", soft, UnixMillis::new(4)).unwrap();
        let ticket = engine.decide(&call("a", sequence, 7_000)).unwrap().ticket.unwrap();
        engine.abandon(ticket, UnixMillis::new(4)).unwrap();
    }
    assert_eq!(events(dir.path()).iter().filter(|event| **event == warned).count(), 5);
    assert_eq!(engine.take_warnings().len(), 1);
    assert!(engine.take_warnings().is_empty());
    assert_survives(dir.path(), engine);
}

#[test]
fn an_extended_ticket_has_more_reserved_and_a_refused_one_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let mut ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    assert_eq!(
        engine.extend(&mut ticket, Microunits::new(8_000), UnixMillis::new(2)).unwrap(),
        Admission::Reserved
    );
    assert_eq!(ticket.reserved().get(), 10_000);
    let head = engine.head();
    let insufficient = Admission::Insufficient { available: Microunits::new(0) };
    assert_eq!(
        engine.extend(&mut ticket, Microunits::new(1), UnixMillis::new(3)).unwrap(),
        insufficient
    );
    assert_eq!(
        engine.extend(&mut ticket, Microunits::MAX, UnixMillis::new(3)).unwrap(),
        insufficient
    );
    assert!(matches!(
        engine.extend(&mut ticket, Microunits::new(0), UnixMillis::new(3)),
        Err(EngineError::Budget(_))
    ));
    assert_eq!((engine.head(), ticket.reserved().get()), (head, 10_000));
    let mut same = engine.ticket(ticket.decision_sequence()).unwrap();
    engine.settle(ticket, Microunits::new(9_999), UnixMillis::new(4)).unwrap();
    let refused = engine.extend(&mut same, Microunits::new(1), UnixMillis::new(5)).unwrap_err();
    assert!(matches!(refused, EngineError::TicketNotOpen { .. }), "{refused}");
    assert_survives(dir.path(), engine);
}

#[test]
fn a_change_that_cannot_be_logged_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A log whose records are just long enough for a decision, but for nothing that names a long tenant twice.
    let options = WalOptions::new(calybris_engine::SCHEMA_ID).max_record_bytes(100);
    WalWriter::open(dir.path(), &options).unwrap().close().unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    let long = "t".repeat(91);
    engine.ensure_tenant(&long, Microunits::new(60), UnixMillis::new(1)).unwrap();
    let before = (engine.head(), state(&engine));
    for refused in [
        engine.top_up(&long, Microunits::new(1 << 60), UnixMillis::new(2)),
        engine.set_rules(
            &long,
            TenantRules::default()
                .with_exposure_cap(Microunits::new(1 << 60))
                .with_soft_limit(Microunits::new(1 << 60))
                .with_overrun(OverrunPolicy::DrawThenDebt),
            UnixMillis::new(2),
        ),
        engine.ensure_child("child", &long, Microunits::new(1), UnixMillis::new(2)),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, EngineError::Log(WalError::RecordTooLarge { .. })), "{refused}");
    }
    assert!(engine.reduce(&long, Microunits::new(60), UnixMillis::new(1 << 60)).is_err());
    assert_eq!((engine.head(), state(&engine)), before);
}
