//! What a crash leaves, at any byte, is what the log says: no acknowledged step missing, nothing overspent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use calybris_budget::{BudgetEvent, OverrunPolicy, TenantRules};
use calybris_engine::{
    Act, Admission, Call, Decided, Engine, EngineError, EngineOptions, Ledger, Record, SCHEMA_ID,
    Snapshot,
};
use calybris_wal::{Durability, WalError, WalOptions, WalWriter};
use proptest::prelude::*;
use world::*;

/// A snapshot, and a call by tenant, sequence and least quality: of plain tokens, or of all that a request can say.
type World = (fn() -> Snapshot, AnyCall);
type AnyCall = fn(&str, u64, u16) -> Call<'_>;

const WORLDS: [World; 2] = [(snapshot, call), (snapshot_by_class, call_by_class)];

/// Runs a mixed load: rejections, refusals, settled, abandoned, extended, moved, overdrawn and forgotten tickets of three
/// tenants, whose administrator tops up, reduces and refunds meanwhile.
fn load(engine: &Engine, call: AnyCall) {
    engine.ensure_tenant("a", Microunits::new(9_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("b", Microunits::new(2_500), UnixMillis::new(2)).unwrap();
    engine.ensure_child("c", "a", Microunits::new(3_000), UnixMillis::new(2)).unwrap();
    let rules = TenantRules::default()
        .with_soft_limit(Microunits::new(2_000))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    engine.set_rules("c", rules, UnixMillis::new(3)).unwrap();
    for sequence in 1..=14 {
        let tenant = ["a", "b", "c"][usize::try_from(sequence % 3).unwrap()];
        let quality = [9_000, 7_000, 9_500][usize::try_from(sequence / 3 % 3).unwrap()];
        let Some(mut ticket) = engine.decide(&call(tenant, sequence, quality)).unwrap().ticket
        else {
            continue;
        };
        let reserved = ticket.reserved().get();
        match sequence % 7 {
            0 => {}
            1 => assert_eq!(
                engine.abandon(ticket, UnixMillis::new(50)).unwrap().returned.get(),
                reserved
            ),
            2 => drop(engine.settle(ticket, Microunits::new(reserved + 900), UnixMillis::new(60))),
            3 => {
                assert_eq!(
                    engine.extend(&mut ticket, Microunits::new(100), UnixMillis::new(60)).unwrap(),
                    Admission::Reserved
                );
            }
            4 => drop(engine.fall_back(ticket, UnixMillis::new(60)).unwrap()),
            _ => {
                assert_eq!(
                    engine
                        .settle(ticket, Microunits::new(reserved - 1), UnixMillis::new(60))
                        .unwrap()
                        .returned
                        .get(),
                    1
                );
            }
        }
    }
    let act = Act::new(UnixMillis::new(70)).with_reason("more seats");
    engine.top_up("c", Microunits::new(50), act).unwrap();
    engine.reduce("a", Microunits::new(60), act).unwrap();
    engine.refund("a", Microunits::new(1), UnixMillis::new(70)).unwrap();
    engine.freeze("b", act).unwrap();
}

fn reserved(engine: &Engine) -> BTreeMap<u64, u64> {
    let tickets = engine.open_tickets().into_iter();
    tickets.map(|ticket| (ticket.decision_sequence, ticket.reserved.get())).collect()
}

#[test]
fn a_log_cut_at_any_byte_reopens_to_what_its_whole_records_say() {
    // Every fourth byte finds every record, and so does every sixteenth.
    WORLDS.into_iter().zip([4, 16]).for_each(|(world, step)| cut_at_every(step, world));
}

fn cut_at_every(step: usize, (snapshot, call): World) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open_with(dir.path(), snapshot());
    load(&engine, call);
    // A crash, not a close: the log ends where the last append left it.
    let whole = records(dir.path());
    let segment = segment(dir.path());
    let bytes = std::fs::read(&segment).unwrap();
    let name = segment.file_name().unwrap();
    drop(engine);
    let mut recovered = Vec::new();
    // The last record is cut at each of its bytes.
    for length in
        (0..=bytes.len()).filter(|length| length % step == 0 || length + 200 > bytes.len())
    {
        let cut = tempfile::tempdir().unwrap();
        std::fs::write(cut.path().join(name), &bytes[..length]).unwrap();
        let engine = open_with(cut.path(), snapshot());
        let count = usize::try_from(engine.recovery().records).unwrap();
        let (expected, open) = fold(&whole[..count]);
        assert_eq!(balances(&engine), expected, "cut at {length}");
        assert_eq!(reserved(&engine), open, "cut at {length}");
        recovered.push(count);
    }
    // Each record comes back with its last byte and not before.
    assert!(recovered.is_sorted());
    assert_eq!(recovered.last(), Some(&whole.len()));
    let distinct: std::collections::BTreeSet<usize> = recovered.into_iter().collect();
    assert_eq!(distinct.len(), whole.len() + 1);
}

#[test]
fn a_log_with_checkpoints_cut_anywhere_reopens_to_what_its_whole_records_say() {
    WORLDS.into_iter().for_each(cut_between_checkpoints);
}

fn cut_between_checkpoints((snapshot, call): World) {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(9);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    load(&engine, call);
    let whole = records(dir.path());
    let segments = segments(dir.path());
    drop(engine);
    assert!(segments.len() > 3);
    // A crash tears only the segment that is written to; those before it are sealed.
    for (last, segment) in segments.iter().enumerate() {
        let bytes = std::fs::read(segment).unwrap();
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1, bytes.len()]) {
            let cut = tempfile::tempdir().unwrap();
            for before in &segments[..last] {
                std::fs::copy(before, cut.path().join(before.file_name().unwrap())).unwrap();
            }
            std::fs::write(cut.path().join(segment.file_name().unwrap()), &bytes[..length])
                .unwrap();
            let engine = Engine::open(cut.path(), &options).unwrap();
            let kept = engine.head().sequence;
            let (expected, open) = fold(&whole[..usize::try_from(kept).unwrap()]);
            assert_eq!(balances(&engine), expected, "segment {last} cut at {length}");
            assert_eq!(reserved(&engine), open, "segment {last} cut at {length}");
            let first = engine.recovery().first_sequence;
            let begins = kept == 0
                || first == 1
                || matches!(&whole[usize::try_from(first - 1).unwrap()].1, Record::Checkpoint(_));
            assert!(begins, "recovery began at {first}");
            if kept > 0 {
                Ledger::read(cut.path(), None).unwrap().conservation.unwrap();
            }
        }
    }
}

#[test]
fn every_open_ticket_can_be_settled_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    load(&engine, call);
    let (before, tickets) = (balances(&engine), engine.open_tickets());
    assert!(!tickets.is_empty());
    drop(engine);
    let engine = open(dir.path());
    assert_eq!((balances(&engine), engine.open_tickets()), (before, tickets.clone()));
    let reserved: u128 = tickets.iter().map(|ticket| u128::from(ticket.reserved.get())).sum();
    assert_eq!(engine.recovery().reserved_microunits, reserved);
    for open in tickets {
        let ticket = engine.ticket(open.decision_sequence).unwrap();
        engine.settle(ticket, Microunits::new(open.reserved.get()), UnixMillis::new(99)).unwrap();
    }
    let (expected, open) = fold(&records(dir.path()));
    assert!(open.is_empty());
    assert_eq!(balances(&engine), expected);
}

#[test]
fn many_threads_never_overspend_and_the_log_replays_to_the_live_balances() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    // Less than five calls in a row cost, so that somebody is refused in each round, however the threads run.
    engine.ensure_tenant("a", Microunits::new(4_500), UnixMillis::new(1)).unwrap();
    let start = Barrier::new(4);
    let refused = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (engine, start, refused) = (&engine, &start, &refused);
            scope.spawn(move || {
                start.wait();
                let mut kept = Vec::new();
                for step in 0..100 {
                    let sequence = thread * 100 + step;
                    let quality = if step % 2 == 0 { 9_000 } else { 7_000 };
                    let outcome = engine.decide(&call("a", sequence, quality)).unwrap();
                    refused.fetch_add(u64::from(outcome.ticket.is_none()), Ordering::Relaxed);
                    kept.extend(outcome.ticket);
                    if step % 5 == 4 {
                        for ticket in kept.drain(..) {
                            if step % 10 == 4 {
                                engine
                                    .settle(ticket, Microunits::new(1), UnixMillis::new(2))
                                    .unwrap();
                            } else {
                                engine.abandon(ticket, UnixMillis::new(2)).unwrap();
                            }
                        }
                    }
                }
            });
        }
    });
    let refused = refused.into_inner();
    assert!((80..400).contains(&refused), "the budget was to bind in each round: {refused}");
    // `fold` checks every prefix: at no point may the log have spent what was not there.
    let (expected, open) = fold(&records(dir.path()));
    assert_eq!(balances(&engine), expected);
    assert_eq!(reserved(&engine), open);
    drop(engine);
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    assert_eq!(balances(&engine), expected);
}

#[test]
fn of_many_callers_with_the_same_ticket_one_settles_it() {
    let dir = tempfile::tempdir().unwrap();
    // A settlement waits for the disk, so that the others ask for the ticket while it is out.
    let options = EngineOptions::default().durability(Durability::Synced);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    for round in 1..=50 {
        let ticket = engine.decide(&call("a", round, 9_000)).unwrap().ticket.unwrap();
        let sequence = ticket.decision_sequence();
        let start = Barrier::new(4);
        let settled = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for caller in 0..4 {
                let (engine, start, settled) = (&engine, &start, &settled);
                let ticket = engine.ticket(sequence).unwrap();
                scope.spawn(move || {
                    start.wait();
                    // The first asks for more than is reserved: it must not stand in the way of the others.
                    let cost = if caller == 0 { 2_001 } else { 100 };
                    let done =
                        engine.settle(ticket, Microunits::new(cost), UnixMillis::new(2)).is_ok();
                    settled.fetch_add(u64::from(done), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(settled.into_inner(), 1);
    }
    assert_eq!(balances(&engine)["a"], (1_000_000, 995_000, 0, 5_000));
    assert_eq!(fold(&records(dir.path())).0, balances(&engine));
}

#[test]
fn of_many_callers_that_open_a_tenant_or_install_a_snapshot_one_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let strict = POLICY.with_policy_epoch(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for name in ["a", "b", "c"] {
                    engine
                        .ensure_tenant(name, Microunits::new(500_000), UnixMillis::new(1))
                        .unwrap();
                    engine.install(snapshot_under(strict), UnixMillis::new(1)).unwrap();
                    let _open = engine.decide(&call(name, 1, 9_000)).unwrap().ticket;
                }
            });
        }
    });
    // Two snapshots, three tenants, twelve decisions; and reopening finds every decision's snapshot before it.
    assert_eq!(engine.head().sequence, 2 + 3 + 12);
    let before = balances(&engine);
    drop(engine);
    assert_eq!(balances(&open(dir.path())), before);
}

#[test]
fn a_decision_that_cannot_be_logged_reserves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A log whose records are just long enough for all but a decision with a long correlation id.
    let options = WalOptions::new(SCHEMA_ID).max_record_bytes(150);
    WalWriter::open(dir.path(), &options).unwrap().close().unwrap();
    let engine = open(dir.path());
    let tenant = "t".repeat(100);
    engine.ensure_tenant(&tenant, Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let id = "x".repeat(64);
    let mut long = call(&tenant, 1, 9_000);
    long.correlation_id = &id;
    let before = (engine.head(), balances(&engine));
    let refused = engine.decide(&long).unwrap_err();
    assert!(matches!(refused, EngineError::Log(WalError::RecordTooLarge { .. })), "{refused}");
    assert_eq!((engine.head(), balances(&engine)), before);
    assert!(engine.open_tickets().is_empty());
    let ticket = engine.decide(&call("a", 2, 9_000)).unwrap().ticket.unwrap();
    engine.settle(ticket, Microunits::new(2_000), UnixMillis::new(3)).unwrap();
}

#[test]
fn when_the_log_takes_nothing_more_nothing_is_decided_and_nothing_is_spent() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir.path().join("log"));
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("debt", Microunits::new(4_000), UnixMillis::new(1)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    for tenant in ["a", "debt"] {
        engine.set_rules(tenant, rules, UnixMillis::new(1)).unwrap();
    }
    let open_ticket =
        |tenant, quality| engine.decide(&call(tenant, 1, quality)).unwrap().ticket.unwrap();
    let spent = open_ticket("a", 9_000);
    let (mut large, small) = (open_ticket("a", 9_000), open_ticket("a", 7_000));
    let (indebted, left) = (open_ticket("debt", 9_000), open_ticket("debt", 7_000));
    engine.settle(spent, Microunits::new(1_000), UnixMillis::new(2)).unwrap();
    // In debt, and yet with more available than is owed.
    engine.settle(indebted, Microunits::new(3_900), UnixMillis::new(2)).unwrap();
    engine.abandon(left, UnixMillis::new(2)).unwrap();
    let before = (engine.head(), state(&engine));

    // There is no room for a new segment any more.
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    let refused = engine.checkpoint(UnixMillis::new(3)).unwrap_err();
    assert!(matches!(refused, EngineError::Log(WalError::Io { .. })), "{refused}");
    let poisoned =
        |error: &EngineError| matches!(error, EngineError::Log(WalError::Poisoned { .. }));
    let unchanged = |what: &str| {
        assert_eq!((engine.head(), state(&engine)), before, "{what}");
    };
    for request_key in ["", "key", "key"] {
        let call = call("a", 9, 9_000).with_request_key(request_key);
        assert!(poisoned(&engine.decide(&call).unwrap_err()));
        unchanged("decide");
    }
    // Below, at and above the reservation, and more than anybody has.
    for cost in [0, 2_000, 2_001, 1_000_000] {
        let refused = engine.settle(large, Microunits::new(cost), UnixMillis::new(4)).unwrap_err();
        assert!(poisoned(&refused.error), "{refused}");
        large = refused.ticket;
        unchanged("settle");
    }
    let refused = engine.abandon(large, UnixMillis::new(4)).unwrap_err();
    assert!(poisoned(&refused.error));
    unchanged("abandon");
    large = refused.ticket;
    assert!(poisoned(
        &engine.extend(&mut large, Microunits::new(10), UnixMillis::new(4)).unwrap_err()
    ));
    assert_eq!(large.reserved().get(), 2_000);
    unchanged("extend");
    // To a cheaper model, and to a dearer one.
    for ticket in [large, small] {
        let (model_id, reserved) = (ticket.model_id(), ticket.reserved().get());
        let refused = engine.fall_back(ticket, UnixMillis::new(4)).unwrap_err();
        assert!(poisoned(&refused.error));
        assert_eq!(
            (refused.ticket.model_id(), refused.ticket.reserved().get()),
            (model_id, reserved)
        );
        unchanged("fall back");
    }
    for refused in [
        engine.ensure_tenant("b", Microunits::new(1), UnixMillis::new(5)),
        engine.ensure_child("c", "debt", Microunits::new(1), UnixMillis::new(5)),
        engine.top_up("debt", Microunits::new(1), UnixMillis::new(5)),
        engine.reduce("a", Microunits::new(1), UnixMillis::new(5)),
        engine.reduce("debt", Microunits::new(100), UnixMillis::new(5)),
        engine.repay("debt", Microunits::new(100), UnixMillis::new(5)).map(drop),
        engine.carry_over("debt", "a", Microunits::new(100), UnixMillis::new(5)).map(drop),
        engine.refund("a", Microunits::new(1), UnixMillis::new(5)),
        engine.set_rules("a", TenantRules::default(), UnixMillis::new(5)),
        engine.freeze("a", UnixMillis::new(5)),
        engine.install(snapshot_under(POLICY.with_policy_epoch(2)), UnixMillis::new(5)).map(drop),
    ] {
        assert!(refused.as_ref().is_err_and(&poisoned), "{refused:?}");
        unchanged("admin");
    }
}

#[test]
fn an_authentic_record_that_contradicts_the_log_is_not_replayed() {
    let settled = |decision_sequence, actual_cost_microunits| Record::Settled {
        time: UnixMillis::new(0),
        decision_sequence,
        actual_cost: Microunits::new(actual_cost_microunits),
    };
    let decided = |snapshot_sequence, tenant: &'static str, quality, admission| {
        let request = request(9, quality);
        Record::Decided(Decided {
            time: UnixMillis::new(0),
            tenant: tenant.into(),
            correlation_id: "".into(),
            request_key: "".into(),
            snapshot_sequence,
            request,
            decision: snapshot().policy_snapshot().prescribe(&request),
            admission,
        })
    };
    let event = BudgetEvent::TenantOpened { tenant: "a".into(), granted: Microunits::new(10_000) };
    let opened = Record::BudgetChanged { time: UnixMillis::new(0), event, reason: "".into() };
    for (record, words) in [
        (settled(99, 0), "decision 99 has no open ticket"),
        (settled(3, 2_001), "2001"),
        (
            Record::Abandoned { time: UnixMillis::new(0), decision_sequence: 2 },
            "decision 2 has no open ticket",
        ),
        (opened, "tenant `a` is open already"),
        (decided(2, "a", 9_000, Admission::Reserved), "record 2 installed no snapshot"),
        (decided(1, "b", 9_500, Admission::NotAsked), "tenant `b` was not opened"),
        (decided(1, "a", 9_000, Admission::NotAsked), "does not fit"),
        (decided(1, "a", 9_500, Admission::Reserved), "does not fit"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
        let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
        assert_eq!(ticket.decision_sequence(), 3);
        drop(engine);
        let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
        log.append(&record).unwrap();
        log.close().unwrap();
        let refused = Engine::open(dir.path(), &EngineOptions::default()).unwrap_err();
        assert!(matches!(refused, EngineError::Contradiction { sequence: 4, .. }), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any sequence of steps, with restarts in between, leaves the balances that the log's own fold gives.
    #[test]
    fn any_history_replays_to_its_own_balances(
        steps in prop::collection::vec((0_u8..6, any::<prop::sample::Index>(), 0_u64..=2_500), 1..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(6_000), UnixMillis::new(1)).unwrap();
        for (sequence, (kind, which, amount)) in (1..).zip(steps) {
            let open_tickets = engine.open_tickets();
            let chosen = (!open_tickets.is_empty()).then(|| which.get(&open_tickets).decision_sequence);
            match (kind, chosen) {
                (0 | 1, _) => {
                    let _kept_open = engine.decide(&call("a", sequence, 9_000)).unwrap();
                }
                (2, _) => {
                    let _kept_open = engine.decide(&call("a", sequence, 7_000)).unwrap();
                }
                (3, Some(chosen)) => {
                    let ticket = engine.ticket(chosen).unwrap();
                    let fits = amount <= ticket.reserved().get();
                    prop_assert_eq!(engine.settle(ticket, Microunits::new(amount), UnixMillis::new(1)).is_ok(), fits);
                }
                (4, Some(chosen)) => {
                    engine.abandon(engine.ticket(chosen).unwrap(), UnixMillis::new(1)).unwrap();
                }
                (5, _) => {
                    drop(engine);
                    engine = open(dir.path());
                }
                _ => {}
            }
            let (expected, open) = fold(&records(dir.path()));
            prop_assert_eq!(balances(&engine), expected);
            prop_assert_eq!(reserved(&engine), open);
        }
    }
}
