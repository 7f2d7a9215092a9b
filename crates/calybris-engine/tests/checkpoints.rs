//! A log that begins at a checkpoint leads to what the whole log leads to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::path::Path;
use std::sync::Arc;

use calybris_budget::{BudgetEvent, OverrunPolicy, TenantRules};
use calybris_engine::{
    Checkpoint, DecisionProof, Engine, EngineError, EngineOptions, History, Ledger, LoggedTicket,
    Record, SCHEMA_ID,
};
use calybris_wal::{Reader, RetentionAction, WalError, WalOptions, WalWriter};
use proptest::prelude::*;
use world::*;

/// The same records without the checkpoints, as a log of one segment; decisions name the installation again.
fn without_checkpoints(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let log = WalWriter::open(copy.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    let mut moved = std::collections::HashMap::new();
    let mut in_force = 0;
    let mut decided = std::collections::HashMap::new();
    for (sequence, mut record) in records(dir) {
        match &mut record {
            Record::Checkpoint(_) => {
                moved.insert(sequence, in_force);
                continue;
            }
            Record::Decided(decision) => {
                decision.snapshot_sequence = moved[&decision.snapshot_sequence];
            }
            Record::Settled { decision_sequence, .. }
            | Record::Abandoned { decision_sequence, .. } => {
                *decision_sequence = decided[&*decision_sequence];
            }
            Record::FellBack { decision_sequence, snapshot_sequence, .. } => {
                *decision_sequence = decided[&*decision_sequence];
                *snapshot_sequence = moved[&*snapshot_sequence];
            }
            Record::BudgetChanged {
                event:
                    BudgetEvent::Extended { reservation, .. }
                    | BudgetEvent::Overdrawn { reservation, .. },
                ..
            } => *reservation = decided[&reservation.as_u64()].into(),
            _ => {}
        }
        let now = log.append(&record).unwrap().sequence;
        match record {
            Record::SnapshotInstalled { .. } => {
                moved.insert(sequence, now);
                in_force = now;
            }
            Record::Decided(_) => {
                decided.insert(sequence, now);
            }
            _ => {}
        }
    }
    log.close().unwrap();
    copy
}

fn tickets(engine: &Engine) -> Vec<(String, u32, Vec<u32>, u64)> {
    let open = engine.open_tickets().into_iter();
    open.map(|open| (open.tenant, open.model_id, open.failed_model_ids, open.reserved.get()))
        .collect()
}

#[test]
fn a_checkpoint_begins_a_segment_and_recovery_begins_there() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 7_000)).unwrap().ticket.unwrap();
    let _moved = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
    assert_eq!(engine.checkpoint(UnixMillis::new(3)).unwrap(), 5);
    // Nothing was logged since, but the snapshot, which decisions name instead of the checkpoint.
    assert_eq!(engine.checkpoint(UnixMillis::new(4)).unwrap(), 5);
    assert_eq!(engine.head().sequence, 6);
    assert_eq!(Reader::segments(dir.path()).unwrap(), [1, 5]);
    let _later = engine.decide(&call("a", 2, 9_000)).unwrap();
    let (_, last) = records(dir.path()).pop().unwrap();
    assert!(matches!(last, Record::Decided(decided) if decided.snapshot_sequence == 6));
    let before = state(&engine);
    drop(engine);

    let engine = open(dir.path());
    let recovery = engine.recovery();
    assert_eq!((recovery.first_sequence, recovery.records, recovery.decisions), (5, 3, 2));
    assert_eq!(state(&engine), before);
    // The snapshot in force is the one given, so nothing is logged.
    assert_eq!(engine.install(snapshot(), UnixMillis::new(5)).unwrap(), 6);
    // What the ticket has tried is known: nothing is left.
    let ticket = engine.ticket(3).unwrap();
    assert_eq!(engine.fall_back(ticket, UnixMillis::new(6)).unwrap().fallback, None);
    drop(engine);
    Ledger::read(dir.path(), None).unwrap().conservation.unwrap();
}

#[test]
fn a_checkpoint_straight_after_the_first_installation_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    assert_eq!(engine.head().sequence, 1);
    assert_eq!(engine.checkpoint(UnixMillis::new(2)).unwrap(), 2);
    assert_eq!((engine.checkpoint(UnixMillis::new(3)).unwrap(), engine.head().sequence), (2, 3));
    drop(engine);
    assert_eq!(open(dir.path()).recovery().first_sequence, 2);

    // An engine that has nothing in force yet.
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.ensure_tenant("a", Microunits::new(1), UnixMillis::new(1)).unwrap();
    assert_eq!(
        (
            engine.checkpoint(UnixMillis::new(2)).unwrap(),
            engine.checkpoint(UnixMillis::new(3)).unwrap()
        ),
        (2, 2)
    );
}

#[test]
fn opening_finishes_a_checkpoint_that_a_crash_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("another", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.checkpoint(UnixMillis::new(77)).unwrap();
    drop(engine);
    // The crash came between the checkpoint and the snapshot behind it.
    let copy = tempfile::tempdir().unwrap();
    let log = WalWriter::open(copy.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    let whole = records(dir.path());
    for (_, record) in &whole[..4] {
        if matches!(record, Record::Checkpoint(_)) {
            log.rotate().unwrap();
        }
        log.append(record).unwrap();
    }
    log.close().unwrap();
    let engine = Engine::open(copy.path(), &EngineOptions::default()).unwrap();
    assert_eq!((engine.recovery().first_sequence, engine.recovery().records), (4, 1));
    // It is the record that would stand there without the crash.
    assert_eq!(records(copy.path()), whole);
    assert_eq!((engine.checkpoint(UnixMillis::new(78)).unwrap(), engine.head().sequence), (4, 5));
    // No decision names the checkpoint, so that no proof shows what others have.
    let outcome = engine.decide(&call("a", 1, 9_000)).unwrap();
    let proof = DecisionProof::of(copy.path(), None, outcome.decision_sequence).unwrap();
    let shown = proof.check(&proof.head(), None).unwrap();
    assert_eq!(shown.decided.snapshot_sequence, 5);
    drop(engine);
    let head = Engine::open(copy.path(), &EngineOptions::default()).unwrap().head();
    assert_eq!(head.sequence, outcome.decision_sequence);
    Ledger::read(copy.path(), None).unwrap().conservation.unwrap();
}

#[test]
fn a_state_too_large_for_a_checkpoint_is_told_and_leaves_the_log_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    // A log whose records are just long enough for the state of a few open tickets.
    let options = WalOptions::new(SCHEMA_ID).max_record_bytes(700);
    WalWriter::open(dir.path(), &options).unwrap().close().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(20);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    assert!(engine.checkpoint_failure().is_none());
    let too_large = |error: &EngineError| {
        matches!(error, EngineError::Log(WalError::RecordTooLarge { limit: 700 }))
    };
    let tickets: Vec<_> = (0..30)
        .map(|sequence| engine.decide(&call("a", sequence, 9_000)).unwrap().ticket.unwrap())
        .collect();
    // Nobody who decided was told, and yet it is known; and the next tries only after as many records.
    let failure = engine.checkpoint_failure().unwrap();
    assert!(too_large(&failure));
    let _open = engine.decide(&call("a", 30, 9_000)).unwrap();
    assert!(Arc::ptr_eq(&engine.checkpoint_failure().unwrap(), &failure));
    let before = (engine.head(), state(&engine));
    assert!(too_large(&engine.checkpoint(UnixMillis::new(2)).unwrap_err()));
    assert_eq!((engine.head(), state(&engine)), before);
    assert_eq!(Reader::segments(dir.path()).unwrap(), [1]);
    // Once there is less to say, the next that is due is written.
    for ticket in tickets {
        engine.abandon(ticket, UnixMillis::new(3)).unwrap();
    }
    assert!(engine.checkpoint_failure().is_none());
    assert_eq!(Reader::segments(dir.path()).unwrap().len(), 2);
}

#[test]
fn checkpoints_come_by_themselves_after_so_many_records() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(10);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    for sequence in 1..=50 {
        let ticket = engine.decide(&call("a", sequence, 9_000)).unwrap().ticket.unwrap();
        if sequence % 2 == 0 {
            engine.settle(ticket, Microunits::new(1), UnixMillis::new(2)).unwrap();
        }
    }
    let before = state(&engine);
    drop(engine);
    let checkpoints: Vec<u64> = records(dir.path())
        .into_iter()
        .filter_map(|(sequence, record)| {
            matches!(record, Record::Checkpoint(_)).then_some(sequence)
        })
        .collect();
    assert_eq!(checkpoints, [11, 23, 35, 47, 59, 71, 83]);
    assert_eq!(Reader::segments(dir.path()).unwrap()[1..], checkpoints);
    assert_eq!(Ledger::read(dir.path(), None).unwrap().decisions, 50);
    let engine = Engine::open(dir.path(), &options).unwrap();
    assert_eq!(engine.recovery().first_sequence, 83);
    assert_eq!(state(&engine), before);
}

#[test]
fn no_checkpoint_comes_by_itself_if_none_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(0);
    for round in 0..2 {
        let engine = Engine::open(dir.path(), &options).unwrap();
        if round == 0 {
            engine.install(snapshot(), UnixMillis::new(0)).unwrap();
            engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
        } else {
            // One that is asked for brings no others after it.
            engine.checkpoint(UnixMillis::new(2)).unwrap();
        }
        for sequence in 1..=20 {
            drop(engine.decide(&call("a", 20 * round + sequence, 9_000)).unwrap());
        }
    }
    let checkpoints = records(dir.path());
    let checkpoints =
        checkpoints.iter().filter(|(_, record)| matches!(record, Record::Checkpoint(_)));
    assert_eq!(checkpoints.count(), 1);
}

#[test]
fn what_stands_before_a_checkpoint_can_be_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let _open = engine.decide(&call("a", 1, 9_000)).unwrap();
    assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 0);
    engine.checkpoint(UnixMillis::new(2)).unwrap();
    let _other = engine.decide(&call("a", 2, 9_000)).unwrap();
    engine.checkpoint(UnixMillis::new(3)).unwrap();
    assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 2);
    let before = state(&engine);
    drop(engine);
    let ledger = Ledger::read(dir.path(), None).unwrap();
    assert_eq!((ledger.records, ledger.decisions, ledger.last_sequence), (2, 2, 8));
    assert_eq!(ledger.conservation.unwrap().reserved_microunits, 4_000);
    let engine = open(dir.path());
    assert_eq!(state(&engine), before);
    assert_eq!(engine.decide(&call("a", 3, 9_000)).unwrap().decision_sequence, 9);
}

/// The segments of a log that are there, by the sequences in their names.
fn segments(dir: &Path) -> Vec<u64> {
    Reader::segments(dir).unwrap()
}

#[test]
fn a_log_whose_retention_was_cut_short_begins_with_its_first_checkpoint() {
    // Which of the two segments before the last checkpoint are left: the removals reach the disk in any order.
    for left in [&[0][..], &[1], &[0, 1]] {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
        let _open = engine.decide(&call("a", 1, 9_000)).unwrap();
        // A rotation of the log's own: the segment behind it begins with no checkpoint.
        drop(engine);
        WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap().rotate().unwrap();
        let engine = open(dir.path());
        engine.top_up("a", Microunits::new(500), UnixMillis::new(2)).unwrap();
        engine.checkpoint(UnixMillis::new(3)).unwrap();
        let _other = engine.decide(&call("a", 2, 9_000)).unwrap();
        let names = segments(dir.path());
        let [first, second, checkpoint] = names[..] else { panic!("{names:?}") };
        let name = |segment: u64| dir.path().join(format!("{segment:020}.cwal"));
        let whole = [first, second].map(|segment| std::fs::read(name(segment)).unwrap());
        assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 2);
        let before = state(&engine);
        drop(engine);
        for &number in left {
            std::fs::write(name([first, second][number]), &whole[number]).unwrap();
        }
        let ledger = Ledger::read(dir.path(), None).unwrap();
        // With nothing missing the log is read from its first record on.
        let records = if left.len() == 2 { checkpoint + 2 } else { 3 };
        assert_eq!((ledger.records, ledger.last_sequence), (records, checkpoint + 2), "{left:?}");
        assert!(ledger.conservation.is_ok(), "{left:?}");
        let mut history = History::open(dir.path(), None).unwrap();
        let begins = history.next().unwrap().unwrap().sequence;
        assert_eq!(begins, if left.len() == 2 { 1 } else { checkpoint });

        let engine = open(dir.path());
        assert_eq!(state(&engine), before);
        drop(engine);
        assert_eq!(segments(dir.path()), [checkpoint], "opening finishes it");
        assert_eq!(Ledger::read(dir.path(), None).unwrap().last_sequence, checkpoint + 2);
    }
}

#[test]
fn a_checkpoint_that_says_otherwise_than_the_records_before_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let keyed = call("a", 1, 9_000).with_request_key("key");
    let _open = engine.decide(&keyed).unwrap();
    engine.checkpoint(UnixMillis::new(2)).unwrap();
    engine.top_up("a", Microunits::new(1), UnixMillis::new(3)).unwrap();
    engine.checkpoint(UnixMillis::new(4)).unwrap();
    drop(engine);
    let all: Vec<Record<'static>> =
        records(dir.path()).into_iter().map(|(_, record)| record).collect();
    let (Record::Checkpoint(first), Record::Checkpoint(last)) = (&all[3], &all[6]) else {
        panic!("{all:?}")
    };
    let mut tampered = Vec::new();
    for part in ["snapshot", "budget", "tickets", "key", "number"] {
        let mut checkpoint = last.clone();
        match part {
            "snapshot" => checkpoint.snapshot = None,
            "budget" => checkpoint.budget = first.budget.clone(),
            "tickets" => checkpoint.tickets.to_mut()[0].model_id = SMALL,
            "key" => checkpoint.keyed_decisions.to_mut()[0].decision_sequence = 2,
            _ => checkpoint.decisions += 1,
        }
        tampered.push((part, checkpoint));
    }
    tampered.push(("", last.clone()));
    for (part, checkpoint) in tampered {
        let copy = tempfile::tempdir().unwrap();
        let log = WalWriter::open(copy.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
        for record in &all[..6] {
            log.append(record).unwrap();
        }
        log.append(&Record::Checkpoint(checkpoint)).unwrap();
        log.close().unwrap();
        let read = Ledger::read(copy.path(), None);
        if part.is_empty() {
            read.unwrap().conservation.unwrap();
            continue;
        }
        let refused = read.unwrap_err();
        assert!(matches!(refused, EngineError::Contradiction { sequence: 7, .. }), "{refused}");
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[test]
fn a_log_that_begins_with_a_reservation_without_a_ticket_or_the_reverse_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let _open = engine.decide(&call("a", 1, 9_000)).unwrap();
    engine.checkpoint(UnixMillis::new(2)).unwrap();
    drop(engine);
    let mut checkpoints = records(dir.path()).into_iter().filter_map(|(_, record)| match record {
        Record::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    let honest = checkpoints.next_back().unwrap();
    let ticket =
        |decision_sequence| LoggedTicket { decision_sequence, ..honest.tickets[0].clone() };
    for (tickets, contradiction) in [
        (honest.tickets.to_vec(), None),
        (
            Vec::new(),
            Some("record 4 contradicts the log before it: its reservation 3 has no ticket"),
        ),
        (
            vec![ticket(1), ticket(3)],
            Some("record 4 contradicts the log before it: its ticket 1 has no reservation"),
        ),
        (
            vec![ticket(3), ticket(4)],
            Some("record 4 contradicts the log before it: its ticket 4 cannot be"),
        ),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let log = WalWriter::open(copy.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
        for (_, record) in records(dir.path()).into_iter().take(3) {
            log.append(&record).unwrap();
        }
        log.rotate().unwrap();
        let checkpoint = Checkpoint { tickets: tickets.into(), ..honest.clone() };
        let first = log.append(&Record::Checkpoint(checkpoint)).unwrap().sequence;
        // With nothing before it to compare it with, a reader takes it as it is, as the engine does.
        log.retain_from(first, RetentionAction::Remove).unwrap();
        log.close().unwrap();
        let read = Ledger::read(copy.path(), None);
        let opened = Engine::open(copy.path(), &EngineOptions::default());
        if let Some(words) = contradiction {
            assert_eq!(opened.unwrap_err().to_string(), words);
            assert_eq!(read.unwrap_err().to_string(), words);
        } else {
            assert_eq!(opened.unwrap().account("a").unwrap().reserved.get(), 2_000);
            assert_eq!(read.unwrap().open_tickets.len(), 1);
        }
    }
}

#[test]
fn a_log_whose_beginning_is_gone_without_a_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    drop(engine);
    let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    log.rotate().unwrap();
    let abandoned = Record::Abandoned { time: UnixMillis::new(0), decision_sequence: 1 };
    log.append(&abandoned).unwrap();
    log.retain_from(3, RetentionAction::Remove).unwrap();
    drop(log);
    let refused = Ledger::read(dir.path(), None).unwrap_err();
    assert!(refused.to_string().contains("the records before it are gone"), "{refused}");
    let refused = Engine::open(dir.path(), &EngineOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("the records before it are gone"), "{refused}");
}

#[test]
fn calls_go_on_while_others_write_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(7);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    let soft = TenantRules::default()
        .with_soft_limit(Microunits::new(3_000))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let engine = &engine;
            scope.spawn(move || {
                for step in 0..40_u64 {
                    let key = format!("{}", (thread + step) % 20);
                    let request_key = if step % 3 == 0 { key.as_str() } else { "" };
                    let sequence = if request_key.is_empty() { step } else { 0 };
                    let call = call("a", sequence, 7_000).with_request_key(request_key);
                    match (engine.decide(&call).unwrap().ticket, step % 5) {
                        (Some(ticket), 0) => {
                            drop(engine.settle(ticket, Microunits::new(300), UnixMillis::new(2)));
                        }
                        (Some(mut ticket), 1) => {
                            drop(engine.extend(
                                &mut ticket,
                                Microunits::new(5),
                                UnixMillis::new(2),
                            ));
                        }
                        (Some(ticket), 2) => drop(engine.fall_back(ticket, UnixMillis::new(2))),
                        (Some(ticket), 3) => drop(engine.abandon(ticket, UnixMillis::new(2))),
                        _ => {}
                    }
                    match (thread, step % 10) {
                        (0, 3) => {
                            engine.top_up("a", Microunits::new(10), UnixMillis::new(3)).unwrap();
                        }
                        (1, 3) => drop(engine.reduce("a", Microunits::new(10), UnixMillis::new(3))),
                        (2, 3) => engine.set_rules("a", soft, UnixMillis::new(3)).unwrap(),
                        (3, 3) => drop(engine.checkpoint(UnixMillis::new(3)).unwrap()),
                        _ => {}
                    }
                }
            });
        }
    });
    let before = state(&engine);
    drop(engine);
    // Reading the whole log checks each checkpoint against the records before it.
    Ledger::read(dir.path(), None).unwrap().conservation.unwrap();
    let written = records(dir.path()).into_iter();
    let written = written.filter(|(_, record)| matches!(record, Record::Checkpoint(_))).count();
    assert!(written > 20, "{written}");
    assert_eq!(state(&Engine::open(dir.path(), &options).unwrap()), before);
}

#[test]
fn a_warning_stands_in_the_log_on_the_side_of_the_rules_that_gave_it() {
    let dir = tempfile::tempdir().unwrap();
    let at_once = TenantRules::default().with_soft_limit(Microunits::new(1));
    beside_three_callers(dir.path(), |engine| {
        for _ in 0..40 {
            engine.set_rules("a", at_once, UnixMillis::new(2)).unwrap();
            engine.checkpoint(UnixMillis::new(3)).unwrap();
        }
    });
    // A checkpoint says whether the tenant was warned.
    Ledger::read(dir.path(), None).unwrap().conservation.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// For any history: recovery from the last checkpoint, from the whole log, and from the same log without
    /// checkpoints all lead to the state that the live engine had.
    #[test]
    fn recovery_with_and_without_checkpoints_is_the_same(
        steps in prop::collection::vec((0_u8..18, any::<prop::sample::Index>(), 0_u64..=2_500), 1..50),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = EngineOptions::default().request_keys(3);
        let mut engine = Engine::open(dir.path(), &options).unwrap();
        engine.install(snapshot(), UnixMillis::new(0)).unwrap();
        engine.ensure_tenant("a", Microunits::new(6_000), UnixMillis::new(1)).unwrap();
        engine.ensure_child("b", "a", Microunits::new(4_000), UnixMillis::new(1)).unwrap();
        for (sequence, (kind, which, amount)) in (1_u64..).zip(steps) {
            let open_tickets = engine.open_tickets();
            let chosen = (!open_tickets.is_empty()).then(|| which.get(&open_tickets).decision_sequence);
            let ticket = chosen.and_then(|chosen| engine.ticket(chosen));
            let tenant = if amount % 2 == 0 { "a" } else { "b" };
            match (kind, ticket) {
                (0..=2, _) => {
                    let quality = [9_000, 7_000, 0][usize::from(kind)];
                    let _kept_open = engine.decide(&call(tenant, sequence, quality)).unwrap();
                }
                (3, _) => {
                    let key = format!("{}", amount % 5);
                    let call = call(tenant, 0, 7_000).with_request_key(&key);
                    let _either = engine.decide(&call);
                }
                (4, Some(ticket)) => drop(engine.settle(ticket, Microunits::new(amount), UnixMillis::new(1))),
                (5, Some(ticket)) => drop(engine.abandon(ticket, UnixMillis::new(1))),
                (6, Some(mut ticket)) => drop(engine.extend(&mut ticket, Microunits::new(amount), UnixMillis::new(1))),
                (7, Some(ticket)) => drop(engine.fall_back(ticket, UnixMillis::new(1))),
                (8, _) => drop(engine.top_up(tenant, Microunits::new(amount), UnixMillis::new(1))),
                (9, _) => drop(engine.reduce(tenant, Microunits::new(amount), UnixMillis::new(1))),
                (10, _) => drop(engine.refund(tenant, Microunits::new(amount), UnixMillis::new(1))),
                (11, _) => {
                    let frozen = if amount % 3 == 0 { engine.freeze(tenant, UnixMillis::new(1)) } else { engine.unfreeze(tenant, UnixMillis::new(1)) };
                    frozen.unwrap();
                }
                (12, _) => {
                    let overrun = [
                        OverrunPolicy::Reject,
                        OverrunPolicy::DrawThenDebt,
                        OverrunPolicy::CapAtReserved,
                    ][usize::try_from(amount % 3).unwrap()];
                    let rules = TenantRules::default()
                        .with_soft_limit(Microunits::new(amount))
                        .with_overrun(overrun);
                    engine.set_rules(tenant, rules, UnixMillis::new(1)).unwrap();
                }
                (13, _) => {
                    let policy = POLICY
.with_policy_epoch(amount % 3);
                    engine.install(snapshot_under(policy), UnixMillis::new(1)).unwrap();
                }
                (16, _) => {
 engine.repay(tenant, Microunits::new(amount), UnixMillis::new(1)).unwrap();
 }
                (17, _) => {
                    let to = if tenant == "a" { "b" } else { "a" };
                    engine.carry_over(tenant, to, Microunits::new(amount), UnixMillis::new(1)).unwrap();
                }
                (14, _) => drop(engine.checkpoint(UnixMillis::new(1)).unwrap()),
                (15, _) => {
                    drop(engine);
                    engine = Engine::open(dir.path(), &options).unwrap();
                }
                _ => {}
            }
        }
        let (live, live_tickets) = (state(&engine), tickets(&engine));
        prop_assert_eq!(&balances(&engine), &fold(&records(dir.path())).0);
        let (accounts, decisions) = (engine.accounts(), Ledger::read(dir.path(), None).unwrap().decisions);
        drop(engine);
        let ledger = Ledger::read(dir.path(), None).unwrap();
        prop_assert!(ledger.conservation.is_ok(), "{:?}", ledger.conservation);
        let engine = Engine::open(dir.path(), &options).unwrap();
        prop_assert_eq!(&state(&engine), &live);
        prop_assert_eq!(engine.recovery().decisions, decisions);
        let copy = without_checkpoints(dir.path());
        let whole = Engine::open(copy.path(), &options).unwrap();
        prop_assert_eq!(whole.recovery().first_sequence, 1);
        prop_assert_eq!((whole.accounts(), tickets(&whole)), (accounts, live_tickets));
        // The rules, the freezes and the warnings are the same as well: what is asked next is answered alike.
        let both = [&engine, &whole];
        for sequence in 0..3 {
            let [one, other] = both.map(|engine| {
                let keyed = call("b", 0, 7_000).with_request_key("0");
                let keyed = engine.decide(&keyed).map(|outcome| outcome.admission).ok();
                let asked = engine.decide(&call("b", 1_000 + sequence, 7_000)).unwrap();
                (keyed, asked.admission, engine.take_warnings())
            });
            prop_assert_eq!(one, other);
        }
    }
}
