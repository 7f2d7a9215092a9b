//! The same call under the same key is decided once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};

use calybris_engine::{Call, Engine, EngineError, EngineOptions, Outcome, Record};
use calybris_wal::Durability;
use world::*;

fn keyed<'a>(tenant: &'a str, request_key: &'a str, sequence: u64, quality: u16) -> Call<'a> {
    call(tenant, sequence, quality).with_request_key(request_key)
}

fn assert_same(outcome: &Outcome, again: &Outcome) {
    assert_eq!(again.decision_sequence, outcome.decision_sequence);
    assert_eq!((again.decision, again.admission), (outcome.decision, outcome.admission));
    assert!(again.repeated);
}

#[test]
fn a_call_made_again_gets_the_same_answer_and_logs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(2_000), UnixMillis::new(1)).unwrap();
    // Admitted, refused by the budget, rejected by the kernel.
    for (key, quality) in [("one", 9_000), ("two", 9_000), ("three", 9_500)] {
        let outcome = engine.decide(&keyed("a", key, 1, quality)).unwrap();
        assert!(!outcome.repeated);
        let head = engine.head();
        let mut later = keyed("a", key, 1, quality);
        later.time = UnixMillis::new(later.time.get() + 5_000);
        later.correlation_id = "another trace";
        let again = engine.decide(&later).unwrap();
        assert_same(&outcome, &again);
        assert_eq!(again.ticket.is_some(), outcome.ticket.is_some());
        assert_eq!((engine.head(), balances(&engine)["a"].2), (head, 2_000));
    }
    assert_eq!(engine.open_tickets().len(), 1);
}

#[test]
fn after_a_restart_a_key_still_answers_and_its_ticket_is_given_as_long_as_it_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let outcome = engine.decide(&keyed("a", "key", 1, 7_000)).unwrap();
    for checkpoint in [false, true] {
        if checkpoint {
            engine.checkpoint(UnixMillis::new(9)).unwrap();
        }
        drop(engine);
        engine = open(dir.path());
        let again = engine.decide(&keyed("a", "key", 1, 7_000)).unwrap();
        assert_same(&outcome, &again);
        assert_eq!(again.ticket.unwrap().reserved().get(), 200);
    }
    // The ticket moves on, the answer stays.
    let ticket = engine.ticket(outcome.decision_sequence).unwrap();
    let moved = engine.fall_back(ticket, UnixMillis::new(2)).unwrap().ticket;
    let again = engine.decide(&keyed("a", "key", 1, 7_000)).unwrap();
    assert_eq!(again.decision.selected_model_id, Some(SMALL));
    assert_eq!(again.ticket.unwrap().model_id(), LARGE);
    engine.settle(moved, Microunits::new(1), UnixMillis::new(3)).unwrap();
    let again = engine.decide(&keyed("a", "key", 1, 7_000)).unwrap();
    assert_same(&outcome, &again);
    assert!(again.ticket.is_none());
}

#[test]
fn a_key_is_refused_for_another_call() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("b", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let first = engine.decide(&keyed("a", "key", 1, 9_000)).unwrap();
    let before = (engine.head(), state(&engine));
    let refused = engine.decide(&keyed("a", "key", 2, 9_000)).unwrap_err();
    let words = format!(
        "request key `key` was used for another call, decided at sequence {}",
        first.decision_sequence
    );
    assert_eq!(refused.to_string(), words);
    assert_eq!((engine.head(), state(&engine)), before);
}

#[test]
fn two_tenants_may_use_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("b", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let of_a = engine.decide(&keyed("a", "key", 1, 9_000)).unwrap();
    let of_b = engine.decide(&keyed("b", "key", 2, 7_000)).unwrap();
    assert_ne!(of_a.decision_sequence, of_b.decision_sequence);
    for checkpoint in [false, true] {
        assert_same(&of_a, &engine.decide(&keyed("a", "key", 1, 9_000)).unwrap());
        assert_same(&of_b, &engine.decide(&keyed("b", "key", 2, 7_000)).unwrap());
        if checkpoint {
            engine.checkpoint(UnixMillis::new(9)).unwrap();
        }
        drop(engine);
        engine = open(dir.path());
    }
}

#[test]
fn a_call_that_failed_leaves_its_key_free() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    assert!(engine.decide(&keyed("a", "key", 1, 9_000)).is_err());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let _open = engine.decide(&keyed("a", "key", 2, 9_000)).unwrap().ticket.unwrap();
}

#[test]
fn a_request_key_has_at_most_64_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let key = "x".repeat(65);
    let _open = engine.decide(&keyed("a", &key[..64], 1, 9_000)).unwrap();
    let head = engine.head();
    let refused = engine.decide(&keyed("a", &key, 2, 9_000)).unwrap_err();
    assert_eq!(refused.to_string(), "a request key has at most 64 bytes, found 65");
    assert_eq!(engine.head(), head);
}

#[test]
fn as_many_keys_are_remembered_as_was_asked_for_with_and_without_a_restart() {
    for window in [0_usize, 1, 3] {
        for restart in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let options = EngineOptions::default().request_keys(window);
            let mut engine = Engine::open(dir.path(), &options).unwrap();
            engine.install(snapshot(), UnixMillis::new(0)).unwrap();
            engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
            let keys = ["a", "b", "c", "d", "e"];
            for key in keys {
                let _open = engine.decide(&keyed("a", key, 1, 9_000)).unwrap();
            }
            if restart {
                drop(engine);
                engine = Engine::open(dir.path(), &options).unwrap();
            }
            let head = engine.head().sequence;
            // Newest first: a forgotten key that is used again becomes the newest, and pushes another out.
            for (age, key) in keys.iter().rev().enumerate() {
                let again = engine.decide(&keyed("a", key, 1, 9_000)).unwrap();
                assert_eq!(again.decision_sequence <= head, age < window, "{key} of {window}");
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().request_keys(calybris_engine::MAX_REQUEST_KEYS + 1);
    let refused = Engine::open(dir.path(), &options).unwrap_err();
    assert!(matches!(refused, EngineError::TooManyRequestKeys { found: 65_537, limit: 65_536 }));
}

#[test]
fn of_many_callers_with_one_key_one_decides_and_all_get_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    // A decision waits for the disk, so that the others ask while it is under way.
    let options = EngineOptions::default().durability(Durability::Synced);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000), UnixMillis::new(1)).unwrap();
    for round in 1..=20 {
        let start = Barrier::new(4);
        let sequences = Mutex::new(BTreeSet::new());
        let key = format!("round {round}");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    let outcome = engine.decide(&keyed("a", &key, round, 9_000)).unwrap();
                    assert!(outcome.ticket.is_some());
                    sequences.lock().unwrap().insert(outcome.decision_sequence);
                });
            }
        });
        assert_eq!(sequences.into_inner().unwrap().len(), 1);
    }
    let decided = records(dir.path()).into_iter();
    assert_eq!(decided.filter(|(_, record)| matches!(record, Record::Decided(_))).count(), 20);
}
