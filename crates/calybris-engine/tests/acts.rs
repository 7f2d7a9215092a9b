//! What an administrator does, with its reason, and the same asked beforehand of a ledger.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use calybris_budget::{BudgetEvent, MAX_AMOUNT, OverrunPolicy, TenantRules};
use calybris_engine::{
    Act, Engine, EngineError, EngineOptions, Ledger, MAX_REASON_BYTES, Record, replay,
};
use calybris_wal::{RetentionAction, WalError};
use proptest::prelude::*;
use world::*;

const AT: UnixMillis = UnixMillis::new(9);

/// Makes the change of an event, as a caller does who has it as an act.
fn make(engine: &Engine, event: &BudgetEvent, act: Act<'_>) -> Result<(), EngineError> {
    match event {
        BudgetEvent::TenantOpened { tenant, granted } => {
            engine.ensure_tenant(tenant, *granted, act)
        }
        BudgetEvent::ChildOpened { tenant, parent, granted } => {
            engine.ensure_child(tenant, parent, *granted, act)
        }
        BudgetEvent::ToppedUp { tenant, amount } => engine.top_up(tenant, *amount, act),
        BudgetEvent::Reduced { tenant, amount } => engine.reduce(tenant, *amount, act),
        BudgetEvent::Refunded { tenant, amount } => engine.refund(tenant, *amount, act),
        BudgetEvent::Frozen { tenant } => engine.freeze(tenant, act),
        BudgetEvent::Unfrozen { tenant } => engine.unfreeze(tenant, act),
        BudgetEvent::RulesSet { tenant, rules } => engine.set_rules(tenant, *rules, act),
        other => panic!("{other:?} is no act"),
    }
}

fn every_act() -> Vec<BudgetEvent> {
    let (tenant, amount) = (|| "a".to_owned(), Microunits::new(100));
    vec![
        BudgetEvent::TenantOpened { tenant: tenant(), granted: Microunits::new(9_000) },
        BudgetEvent::ToppedUp { tenant: tenant(), amount },
        BudgetEvent::Reduced { tenant: tenant(), amount },
        BudgetEvent::Refunded { tenant: tenant(), amount },
        BudgetEvent::RulesSet { tenant: tenant(), rules: TenantRules::default() },
        BudgetEvent::Frozen { tenant: tenant() },
        BudgetEvent::Unfrozen { tenant: tenant() },
        BudgetEvent::ChildOpened {
            tenant: "a/b".to_owned(),
            parent: tenant(),
            granted: Microunits::new(70),
        },
    ]
}

/// Opens the tenant with the first of the acts and spends 1,500, so that the others can be made.
fn begun(engine: &Engine, opening: Act<'_>) {
    make(engine, &every_act()[0], opening).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    engine.settle(ticket, Microunits::new(1_500), AT).unwrap();
}

#[test]
fn the_reason_is_in_the_record_that_acts() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let reason = "r".repeat(MAX_REASON_BYTES);
    let act = Act::new(AT).with_reason(&reason);
    begun(&engine, act);
    for event in &every_act()[1..] {
        make(&engine, event, act).unwrap();
    }
    // Carried over and repaid in code alone.
    engine.carry_over("a", "a/b", Microunits::new(5), act).unwrap();
    let changes: Vec<_> = records(dir.path())
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::BudgetChanged { time, event, reason } => Some((time, event, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(changes.len(), every_act().len() + 1);
    for ((time, event, written), made) in changes.iter().zip(every_act()) {
        assert_eq!((*time, event, &**written), (AT, &made, &*reason));
    }
    assert_eq!(changes.last().unwrap().2, reason);
    let before = balances(&engine);
    drop(engine);
    assert_eq!(balances(&open(dir.path())), before);
    let report = replay(dir.path(), None, &Default::default(), |_| Ok(vec![]), |_| {}).unwrap();
    assert_eq!(report.decisions, 1);
}

#[test]
fn an_act_without_a_reason_is_the_record_that_it_was() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, empty) in [(&with, true), (&without, false)] {
        let engine = open(dir.path());
        let act = if empty { Act::new(AT).with_reason("") } else { AT.into() };
        begun(&engine, act);
        for event in &every_act()[1..] {
            make(&engine, event, act).unwrap();
        }
        engine.close().unwrap();
    }
    let payloads = |dir: &tempfile::TempDir| -> Vec<Vec<u8>> {
        records(dir.path()).iter().map(|(_, record)| payload(record)).collect()
    };
    assert_eq!(payloads(&with), payloads(&without));
    assert!(payloads(&with).iter().all(|payload| payload[0] < 7));
}

#[test]
fn a_reason_that_no_record_may_have_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    begun(&engine, AT.into());
    let before = (engine.head(), state(&engine));
    for reason in ["x".repeat(MAX_REASON_BYTES + 1), "two\nlines".to_owned(), "\u{7f}".to_owned()] {
        for event in every_act() {
            let refused = make(&engine, &event, Act::new(AT).with_reason(&reason)).unwrap_err();
            assert!(matches!(refused, EngineError::InvalidReason { .. }), "{refused}");
            assert_eq!((engine.head(), state(&engine)), before);
        }
    }
    engine.top_up("a", Microunits::new(1), Act::new(AT).with_reason("one line")).unwrap();
}

#[test]
fn a_log_is_kept_from_a_checkpoint_and_from_no_other_record() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let options = EngineOptions::default().checkpoint_every_records(0);
    let engine = Engine::open(&log, &options).unwrap();
    engine.install(snapshot(), AT).unwrap();
    begun(&engine, AT.into());
    let mut sequences = vec![];
    for day in [10, 20, 30] {
        engine.top_up("a", Microunits::new(1), UnixMillis::new(day)).unwrap();
        sequences.push(engine.checkpoint(UnixMillis::new(day)).unwrap());
    }
    engine.top_up("a", Microunits::new(1), UnixMillis::new(40)).unwrap();
    let listed = Ledger::read(&log, None).unwrap().checkpoints;
    let listed: Vec<_> = listed.iter().map(|found| (found.sequence, found.time.get())).collect();
    assert_eq!(listed, sequences.iter().copied().zip([10, 20, 30]).collect::<Vec<_>>());

    let before = (segments(&log), state(&engine));
    for sequence in (1..=engine.head().sequence).filter(|number| !sequences.contains(number)) {
        let refused = engine.retain_from(sequence, RetentionAction::Remove).unwrap_err();
        assert!(matches!(refused, EngineError::NotACheckpoint { .. }), "{refused}");
        assert_eq!((segments(&log), state(&engine)), before);
    }
    for sequence in [0, engine.head().sequence + 1] {
        let refused = engine.retain_from(sequence, RetentionAction::Remove).unwrap_err();
        assert!(matches!(refused, EngineError::Log(WalError::NoSuchRecord { .. })), "{refused}");
    }
    assert_eq!(engine.retain_from(sequences[1], RetentionAction::Remove).unwrap(), 2);
    assert_eq!(engine.retain_from(sequences[1], RetentionAction::Remove).unwrap(), 0);
    let gone = engine.retain_from(sequences[0], RetentionAction::Remove).unwrap_err();
    assert!(matches!(gone, EngineError::Log(WalError::Dropped { .. })), "{gone}");
    let ledger = Ledger::read(&log, None).unwrap();
    assert_eq!(ledger.checkpoints[0].sequence, sequences[1]);
    ledger.conservation.unwrap();
    drop(engine);
    assert_eq!(state(&Engine::open(&log, &options).unwrap()), before.1);
}

#[test]
fn a_ledger_says_whether_a_checkpoint_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let engine = Engine::open(&log, &EngineOptions::default()).unwrap();
    engine.ensure_tenant("a", Microunits::new(9_000), AT).unwrap();
    let check = |engine: &Engine| {
        let due = Ledger::read(&log, None).unwrap().checkpoint_is_due;
        let head = engine.head();
        let sequence = engine.checkpoint(AT).unwrap();
        assert_eq!(due, engine.head() != head, "{sequence}");
        assert!(!Ledger::read(&log, None).unwrap().checkpoint_is_due);
        assert_eq!(engine.checkpoint(AT).unwrap(), sequence);
        due
    };
    // Without a snapshot, with one behind the checkpoint, and with two.
    assert!(check(&engine) && !check(&engine));
    engine.install(snapshot(), AT).unwrap();
    assert!(!check(&engine));
    engine.install(snapshot_under(POLICY.with_policy_epoch(2)), AT).unwrap();
    assert!(check(&engine) && !check(&engine));
    engine.top_up("a", Microunits::new(1), AT).unwrap();
    assert!(check(&engine));
}

/// Amounts at which an answer changes, in a world of a few thousand.
fn amount() -> impl Strategy<Value = Microunits> {
    let edges = [0, 1, 99, 100, 500, 1_499, 1_500, 1_501, 7_400, 7_500, 7_501, 9_000, 9_001];
    let max = MAX_AMOUNT.get();
    prop_oneof![
        4 => prop::sample::select(edges.to_vec()),
        1 => prop::sample::select(vec![max - 9_001, max - 9_000, max, max + 1, u64::MAX]),
    ]
    .prop_map(Microunits::new)
}

fn event() -> impl Strategy<Value = BudgetEvent> {
    let name = prop::sample::select(vec!["a", "a/b", "a/b/c", "c", "", "unknown"]);
    let cap = prop_oneof![Just(None), amount().prop_map(Some)];
    let overrun = prop::sample::select(vec![
        OverrunPolicy::Reject,
        OverrunPolicy::DrawThenDebt,
        OverrunPolicy::CapAtReserved,
    ]);
    (0_u8..8, name.clone(), name, amount(), cap.clone(), cap, overrun).prop_map(
        |(kind, tenant, parent, amount, exposure_cap, soft_limit, overrun)| {
            let (tenant, parent) = (tenant.to_owned(), parent.to_owned());
            match kind {
                0 => BudgetEvent::TenantOpened { tenant, granted: amount },
                1 => BudgetEvent::ChildOpened { tenant, parent, granted: amount },
                2 => BudgetEvent::ToppedUp { tenant, amount },
                3 => BudgetEvent::Reduced { tenant, amount },
                4 => BudgetEvent::Refunded { tenant, amount },
                5 => BudgetEvent::Frozen { tenant },
                6 => BudgetEvent::Unfrozen { tenant },
                _ => {
                    let mut rules = TenantRules::default().with_overrun(overrun);
                    (rules.exposure_cap, rules.soft_limit) = (exposure_cap, soft_limit);
                    BudgetEvent::RulesSet { tenant, rules }
                }
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A ledger answers a change as an engine that makes it: the same accounts, or the same refusal.
    #[test]
    fn what_a_ledger_says_of_a_change_is_what_an_engine_makes_of_it(
        events in prop::collection::vec((event(), 0_u8..4), 1..12),
        debt in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        begun(&engine, AT.into());
        if debt {
            let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
            engine.set_rules("a", rules, AT).unwrap();
            let ticket = engine.decide(&call("a", 2, 9_000)).unwrap().ticket.unwrap();
            let kept = engine.decide(&call("a", 3, 9_000)).unwrap().ticket.unwrap();
            engine.settle(ticket, Microunits::new(8_000), AT).unwrap();
            engine.abandon(kept, AT).unwrap();
        }
        for (event, more) in events {
            if more == 0 {
                // A ticket that stays open.
                let _open = engine.decide(&call("a", 4, 7_000)).unwrap();
            }
            let ledger = Ledger::read(dir.path(), None).unwrap();
            let head = engine.head();
            match (ledger.after(event.clone()), make(&engine, &event, AT.into())) {
                (Ok(accounts), Ok(())) => {
                    prop_assert_eq!(accounts, Ledger::read(dir.path(), None).unwrap().accounts);
                }
                (Err(asked), Err(made)) => {
                    prop_assert_eq!(asked.to_string(), made.to_string());
                    prop_assert_eq!(engine.head(), head);
                }
                (asked, made) => prop_assert!(false, "{:?}: {:?} and {:?}", event, asked, made),
            }
        }
    }
}
