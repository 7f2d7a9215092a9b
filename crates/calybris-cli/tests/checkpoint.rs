//! A log with checkpoints, and one whose beginning was dropped behind one, are read like any other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::Path;

use calybris_core::engine::{Decided, Engine, EngineOptions, Record, SCHEMA_ID, UnixMillis};
use calybris_core::wal::{Reader, RetentionAction, WalOptions, WalWriter};
use program::*;
use serde_json::Value;

/// Three decisions, a checkpoint, three decisions more: the answer is the checkpoint's sequence.
fn log_with_checkpoint(log: &Path) -> u64 {
    let routed = || route(&input("catalog.toml"), &input("trace.csv"), log);
    assert_eq!(run(&mut routed()).code, 0);
    let engine = Engine::open(log, &EngineOptions::default()).unwrap();
    let sequence = engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap();
    engine.close().unwrap();
    assert_eq!(run(routed().arg("--append")).code, 0);
    sequence
}

#[test]
fn a_checkpoint_is_shown_and_what_is_decided_after_it_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let sequence = log_with_checkpoint(&log);
    let shown = run(program().arg("show").arg(&log).args(["--kind", "checkpoint"]));
    assert!(shown.out.contains("after 3 decisions: every budget, 0 tickets open"), "{}", shown.out);
    let lines = run(program().arg("show").arg(&log).args(["--kind", "checkpoint", "--json"]));
    let object: Value = serde_json::from_str(&lines.out).unwrap();
    assert_eq!(object["sequence"], sequence);
    assert_eq!(object["snapshot"]["digest"].as_str().unwrap().len(), 64);
    let decisions = run(program().arg("show").arg(&log));
    assert_eq!(decisions.out.lines().filter(|line| line.contains("settled")).count(), 6);
    // The checkpoint, the snapshot installed once more, the decision.
    let (again, after) = (sequence + 1, sequence + 2);
    let explained = run(program().arg("explain").arg(&log).arg(after.to_string()));
    assert_eq!(explained.code, 0, "{}", explained.err);
    assert!(explained.out.contains(&format!("record {again},")), "{}", explained.out);
    assert!(explained.out.contains("small"), "{}", explained.out);
    let refused = run(program().arg("explain").arg(&log).arg(sequence.to_string()));
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("it is a checkpoint"), "{}", refused.err);
    for command in ["budget", "verify"] {
        assert_eq!(run(program().arg(command).arg(&log)).code, 0, "{command}");
    }
    let proof = dir.path().join("proof.json");
    let made =
        run(program().arg("prove").arg(&log).arg(after.to_string()).arg("--output").arg(&proof));
    assert_eq!(made.code, 0, "{}", made.err);
    let head = run(program().arg("anchor").arg(&log).arg("--tree")).out;
    let checked = run(program().arg("check").arg(&proof).args(["--tree-head", head.trim()]));
    assert_eq!(checked.code, 0, "{}", checked.err);
}

#[test]
fn a_log_whose_beginning_was_dropped_is_read_from_its_checkpoint_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let sequence = log_with_checkpoint(&log);
    let whole = run(program().arg("budget").arg(&log).arg("--json")).out;
    let engine = Engine::open(&log, &EngineOptions::default()).unwrap();
    assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 1);
    engine.close().unwrap();
    let shown = run(program().arg("show").arg(&log));
    assert_eq!(shown.code, 0, "{}", shown.err);
    // By name, though the record that installed the names is gone: the checkpoint has them.
    assert_eq!(shown.out.lines().filter(|line| line.contains("small")).count(), 3, "{}", shown.out);
    let explained = run(program().arg("explain").arg(&log).arg((sequence + 2).to_string()));
    assert_eq!(explained.code, 0, "{}", explained.err);
    let dropped = run(program().arg("explain").arg(&log).arg("3"));
    assert_eq!(dropped.code, 2);
    assert!(dropped.err.contains("was dropped"), "{}", dropped.err);
    let budget = |text: &str| -> Value {
        let object: Value = serde_json::from_str(text).unwrap();
        object["accounts"].clone()
    };
    let rest = run(program().arg("budget").arg(&log).arg("--json"));
    assert_eq!(rest.code, 0, "{}", rest.err);
    assert_eq!(budget(&rest.out), budget(&whole));
    let csv = run(program().arg("export").arg(&log).args(["--format", "csv"]));
    assert_eq!(csv.out.lines().count(), 1 + 3, "{}", csv.out);
}

#[test]
fn every_reading_command_says_where_the_log_begins() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let sequence = log_with_checkpoint(&log);
    let after = (sequence + 2).to_string();
    let anchor = run(program().arg("anchor").arg(&log)).out;
    let policy = input("policy.toml");
    let policy = policy.to_str().unwrap();
    let commands: [&[&str]; 10] = [
        &["verify"],
        &["verify", "--anchor", anchor.trim()],
        &["budget"],
        &["replay"],
        &["replay", "--policy", policy],
        &["sweep", "--vary", "hard_risk_limit_bps=1..2:1"],
        &["show"],
        &["explain", &after],
        &["spend", "--by", "model"],
        &["report"],
    ];
    let ran = |arguments: &[&str], json: bool| {
        let mut command = program();
        command.arg(arguments[0]).arg(&log).args(&arguments[1..]);
        let ran = run(if json { command.arg("--json") } else { &mut command });
        assert_eq!(ran.code, 0, "{arguments:?} {}", ran.err);
        ran.out
    };
    let begins = format!("begins at record {sequence}; 1 to {} were dropped", sequence - 1);
    let not_there = format!("begins at record {sequence}; 1 to {} are not there", sequence - 1);
    for arguments in commands {
        assert!(!ran(arguments, false).contains("begins at record"), "{arguments:?}");
    }
    let engine = Engine::open(&log, &EngineOptions::default()).unwrap();
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    engine.close().unwrap();
    for arguments in commands {
        let words = ran(arguments, false);
        // Who does not read the log to its end cannot know why they are gone.
        let reads_all = !matches!(arguments[0], "show" | "explain");
        let says = if reads_all { &begins } else { &not_there };
        assert!(words.contains(says), "{arguments:?} {words}");
        if arguments[0] != "show" {
            let object: Value = serde_json::from_str(&ran(arguments, true)).unwrap();
            assert_eq!(object["first_sequence"], sequence, "{arguments:?}");
        }
    }
    let page = dir.path().join("page.html");
    let to_page = ["--html", page.to_str().unwrap()];
    for arguments in [commands[4], commands[5], commands[9]] {
        ran(&[arguments, to_page.as_slice()].concat(), false);
        assert!(std::fs::read_to_string(&page).unwrap().contains(&begins), "{arguments:?}");
    }
    let words = ran(commands[1], false);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    for claim in [
        format!("everything from record {sequence} up to the anchor, unchanged"),
        format!("balances before record {sequence} are taken from the checkpoint"),
    ] {
        assert!(words.contains(&claim), "{words}");
    }
}

/// Copies a log that ends with a checkpoint and the snapshot behind it, and writes in place of that snapshot a decision that
/// names the checkpoint: it is the engine that never does so, and not the format.
fn with_a_decision_under_the_checkpoint(log: &Path, copy: &Path) {
    let records = Reader::open(log, None).unwrap().map(Result::unwrap);
    let mut records: Vec<Record<'static>> = records
        .map(|record| Record::decode(record.sequence(), record.payload()).unwrap())
        .collect();
    records.pop();
    let decided = records.iter().find_map(|record| match record {
        Record::Decided(decided) => Some(decided.clone()),
        _ => None,
    });
    let snapshot_sequence = u64::try_from(records.len()).unwrap();
    records.push(Record::Decided(Decided { snapshot_sequence, ..decided.unwrap() }));
    let options = WalOptions::new(SCHEMA_ID).max_record_bytes(64 << 20);
    let writer = WalWriter::open(copy, &options).unwrap();
    for record in &records {
        writer.append(record).unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn a_proof_that_shows_every_balance_has_to_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (log, other) = (dir.path().join("log"), dir.path().join("other"));
    let routed = |log: &Path| route(&input("catalog.toml"), &input("trace.csv"), log);
    assert_eq!(run(&mut routed(&log)).code, 0);
    let engine = Engine::open(&log, &EngineOptions::default()).unwrap();
    let sequence = engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap();
    engine.close().unwrap();
    with_a_decision_under_the_checkpoint(&log, &other);
    assert_eq!(run(routed(&log).arg("--append")).code, 0);
    for (log, leaks) in [(&log, false), (&other, true)] {
        let decision = sequence + if leaks { 1 } else { 2 };
        let prove = || {
            let mut command = program();
            command.arg("prove").arg(log).arg(decision.to_string());
            command
        };
        let ran = run(&mut prove());
        assert_eq!(ran.code, if leaks { 2 } else { 0 }, "{}", ran.err);
        if leaks {
            let what =
                format!("only in the checkpoint at record {sequence}, so its proof shows every");
            assert!(ran.err.contains(&what), "{}", ran.err);
            assert!(ran.err.contains("--with-balances"), "{}", ran.err);
            assert_eq!(run(prove().arg("--with-balances")).code, 0);
        }
    }
}
