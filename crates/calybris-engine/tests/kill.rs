//! `kill -9` of a process with an engine in it, at random moments, with checkpoints every few records: nothing that was
//! acknowledged is missing, and the log opens to what an independent fold of it says.
//!
//! 24 moments unless the environment variable `CALYBRIS_KILL_ROUNDS` says how many, and another sequence of moments for
//! each `CALYBRIS_KILL_SEED`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code, and its other process speaks on stderr"
)]

mod world;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use calybris_budget::{OverrunPolicy, TenantRules};
use calybris_engine::{Engine, EngineOptions, Ledger, Record};
use world::*;

/// Where the process that is to be killed keeps its log. It is this test once more, and the variable tells it so.
const LOG: &str = "CALYBRIS_KILLED_LOG";

fn options() -> EngineOptions {
    EngineOptions::default().checkpoint_every_records(10).request_keys(5)
}

#[test]
fn a_killed_engine_loses_nothing_that_it_acknowledged() {
    if let Some(log) = std::env::var_os(LOG) {
        return work_until_killed(Path::new(&log));
    }
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |n| n.parse().unwrap());
    let rounds: u64 = number("CALYBRIS_KILL_ROUNDS", 24);
    let mut random: u64 = number("CALYBRIS_KILL_SEED", 1);
    let dir = tempfile::tempdir().unwrap();
    let mut begun_at_a_checkpoint = 0;
    for round in 0..rounds {
        // A linear congruential generator (Knuth, MMIX); its high bits are the random ones.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let log = dir.path().join(format!("log-{round}"));
        let acknowledged = run_and_kill(&log, (random >> 33) % 400);
        begun_at_a_checkpoint += u64::from(check(&log, &acknowledged));
    }
    assert!(begun_at_a_checkpoint * 2 > rounds, "{begun_at_a_checkpoint} of {rounds}");
}

/// Decides, settles, abandons, extends and falls back on three threads, and says each thing that was acknowledged: the
/// sequence of a decision, and that of its settlement.
fn work_until_killed(log: &Path) {
    let engine = Engine::open(log, &options()).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(1_000_000_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("b", "a", Microunits::new(500_000_000), UnixMillis::new(1)).unwrap();
    let overrun = OverrunPolicy::DrawThenDebt;
    engine
        .set_rules("b", TenantRules::default().with_overrun(overrun), UnixMillis::new(1))
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let engine = &engine;
            scope.spawn(move || {
                for step in 0.. {
                    let tenant = if step % 2 == 0 { "a" } else { "b" };
                    let key = format!("{thread}-{step}");
                    let request_key = if step % 4 == 0 { key.as_str() } else { "" };
                    let call = call(tenant, step, 7_000).with_request_key(request_key);
                    let mut ticket = engine.decide(&call).unwrap().ticket.unwrap();
                    let decision = ticket.decision_sequence();
                    eprintln!("decided {decision}");
                    if step % 3 == 0 {
                        let _reserved = engine
                            .extend(&mut ticket, Microunits::new(7), UnixMillis::new(2))
                            .unwrap();
                    }
                    if step % 5 == 0 {
                        ticket = engine.fall_back(ticket, UnixMillis::new(2)).unwrap().ticket;
                    }
                    let closed = match step % 7 {
                        0 => continue,
                        1 => engine.abandon(ticket, UnixMillis::new(3)).unwrap(),
                        2 if tenant == "b" => engine
                            .settle(ticket, Microunits::new(3_000), UnixMillis::new(3))
                            .unwrap(),
                        _ => {
                            engine.settle(ticket, Microunits::new(150), UnixMillis::new(3)).unwrap()
                        }
                    };
                    eprintln!("closed {decision} {}", closed.sequence);
                    if step % 11 == 0 {
                        engine.top_up("b", Microunits::new(5_000), UnixMillis::new(4)).unwrap();
                    }
                }
            });
        }
    });
}

/// Answers what was acknowledged before the process was killed, some time after it said so many things.
fn run_and_kill(log: &Path, after: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_engine_loses_nothing_that_it_acknowledged", "--nocapture"])
        .env(LOG, log)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut read = || {
        let mut line = String::new();
        let whole = lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n');
        acknowledged.extend(whole.then(|| line.trim_end().to_owned()));
        whole
    };
    for _ in 0..=after {
        assert!(read(), "it ended by itself");
    }
    child.kill().unwrap();
    while read() {}
    child.wait().unwrap();
    acknowledged
}

/// Checks all that must hold after a kill, and answers whether the log has a checkpoint.
fn check(log: &Path, acknowledged: &[String]) -> bool {
    let engine = Engine::open(log, &options()).unwrap();
    let records = records(log);
    let (expected, open) = fold(&records);
    assert_eq!(balances(&engine), expected);
    let tickets = engine.open_tickets().into_iter();
    let reserved: BTreeMap<u64, u64> =
        tickets.map(|ticket| (ticket.decision_sequence, ticket.reserved.get())).collect();
    assert_eq!(reserved, open);
    // A reader holds every checkpoint against the records before it.
    Ledger::read(log, None).unwrap().conservation.unwrap();
    let record = |sequence: usize| &records[sequence - 1].1;
    for line in acknowledged {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["decided", decision] => {
                assert!(matches!(record(decision.parse().unwrap()), Record::Decided(_)), "{line}");
            }
            ["closed", decision, sequence] => {
                let (Record::Settled { decision_sequence, .. }
                | Record::Abandoned { decision_sequence, .. }) = record(sequence.parse().unwrap())
                else {
                    panic!("{line}")
                };
                assert_eq!(decision_sequence.to_string(), decision);
            }
            _ => panic!("it said `{line}`"),
        }
    }
    for (at, (_, record)) in records.iter().enumerate() {
        if matches!(record, Record::Checkpoint(_)) {
            let behind = records.get(at + 1).map(|(_, record)| record);
            assert!(matches!(behind, Some(Record::SnapshotInstalled { .. })), "{behind:?}");
        }
    }
    // It goes on.
    let _open = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    engine.checkpoint(UnixMillis::new(9)).unwrap();
    let first_sequence = engine.recovery().first_sequence;
    drop(engine);
    Ledger::read(log, None).unwrap().conservation.unwrap();
    first_sequence > 1
}
