//! `kill -9` in the middle of `route`, at random moments: nothing that was acknowledged is missing, the budgets are what an
//! independent fold of the log says, and the log opens, verifies and goes on.
//!
//! 40 moments unless the environment variable `CALYBRIS_KILL_ROUNDS` says how many, and another sequence of moments for
//! each `CALYBRIS_KILL_SEED`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod program;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use calybris_core::budget::BudgetEvent;
use calybris_core::engine::{Admission, Record};
use calybris_core::wal::Reader;
use program::*;
use serde_json::Value;

/// Requests of a run: so many that it never ends before it is killed.
const REQUESTS: u64 = 4_000;

fn number_from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_killed_run_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let requests = dir.path().join("requests.csv");
    let mut text = "input_tokens,output_tokens\n".to_owned();
    (0..REQUESTS).for_each(|n| writeln!(text, "{},{}", 100 + n % 300, 20 + n % 50).unwrap());
    std::fs::write(&requests, text).unwrap();
    let rounds = number_from_environment("CALYBRIS_KILL_ROUNDS", 40);
    let mut random = number_from_environment("CALYBRIS_KILL_SEED", 1);
    let mut killed = 0;
    for round in 0..rounds {
        // A linear congruential generator (Knuth, MMIX); its high bits are the random ones.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = (random >> 33) % (REQUESTS / 2);
        let log = dir.path().join(format!("log-{round}"));
        let (acknowledged, ended) = run_and_kill(&requests, &log, after);
        killed += u64::from(!ended);
        check(&log, &acknowledged);
        std::fs::remove_dir_all(&log).unwrap();
    }
    assert!(
        killed * 10 >= rounds * 9,
        "only {killed} of {rounds} runs were killed before they ended"
    );
}

/// Routes, kills when so many decisions were acknowledged, and answers all that were, and whether the run had ended.
///
/// The run goes on while its lines are read, so the moment is not that of a line: it falls anywhere in the work of one of
/// the next some hundred decisions. With 0 it falls in the start.
fn run_and_kill(requests: &Path, log: &Path, after: u64) -> (Vec<Value>, bool) {
    let mut command = route(&input("catalog.toml"), requests, log);
    let mut child =
        command.arg("--each").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    let mut read = |acknowledged: &mut Vec<Value>| {
        line.clear();
        let whole = lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n');
        // The summary, if the run came to it, is no JSON.
        let parsed = whole.then(|| serde_json::from_str(&line).ok()).flatten();
        acknowledged.extend(parsed);
        whole
    };
    if after == 0 {
        while !segment(log).exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }
    for _ in 0..after {
        read(&mut acknowledged);
    }
    child.kill().unwrap();
    while read(&mut acknowledged) {}
    (acknowledged, child.wait().unwrap().success())
}

/// The whole of what must hold after a kill.
fn check(log: &Path, acknowledged: &[Value]) {
    let verified = verify(log);
    if acknowledged.is_empty() && verified.code == 2 {
        // Killed before the log held its first record: it says so, and a new run begins it.
        assert!(verified.err.contains("holds no record"), "{}", verified.err);
        return;
    }
    assert_eq!(verified.code, 0, "{}", verified.err);
    let fold = Fold::of(log);
    for line in acknowledged {
        let decision = line["decision_sequence"].as_u64().unwrap();
        assert!(fold.decisions.contains_key(&decision), "decision {decision} is missing");
        let settled = line["settled_sequence"].as_u64().unwrap();
        let cost = line["actual_cost_microunits"].as_u64().unwrap();
        assert_eq!(fold.settled.get(&decision), Some(&(settled, cost)), "decision {decision}");
    }
    let budget = run(program().arg("budget").arg(log).arg("--json"));
    assert_eq!(budget.code, 0, "{}", budget.err);
    let budget: Value = serde_json::from_str(&budget.out).unwrap();
    let total = |name: &str| budget["total"][name].as_u64().unwrap();
    assert_eq!(total("committed_microunits"), fold.committed());
    assert_eq!(total("reserved_microunits"), fold.reserved());
    let spent_or_held = fold.committed() + fold.reserved();
    assert_eq!(total("available_microunits"), fold.granted - spent_or_held);
    goes_on(log, &fold);
}

/// The log is continued: what was held goes back, and what was spent stays spent.
fn goes_on(log: &Path, fold: &Fold) {
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), log);
    let again = run(command.args(["--append", "--json"]));
    assert_eq!(again.code, 0, "{}", again.err);
    let object: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(object["found"]["decisions"], fold.decisions.len());
    assert_eq!(object["found"]["abandoned_microunits"], fold.reserved());
    let balance = &object["balances"][0];
    assert_eq!(balance["reserved_microunits"], 0);
    let spent_now = object["routed"]["committed_microunits"].as_u64().unwrap();
    assert_eq!(balance["committed_microunits"], fold.committed() + spent_now);
}

/// Added up from the records alone, by nothing of the engine or the budget.
#[derive(Default)]
struct Fold {
    granted: u64,
    /// Decision to what it reserved.
    decisions: BTreeMap<u64, u64>,
    /// Decision to the sequence of its settlement and the cost.
    settled: BTreeMap<u64, (u64, u64)>,
}

impl Fold {
    fn of(log: &Path) -> Self {
        let mut fold = Self::default();
        for entry in Reader::open(log, None).unwrap() {
            let entry = entry.unwrap();
            let sequence = entry.sequence();
            match Record::decode(sequence, entry.payload()).unwrap() {
                Record::BudgetChanged { event, .. } => {
                    let BudgetEvent::TenantOpened { granted: granted_microunits, .. } = event
                    else {
                        panic!("a run only opens tenants, found {event:?}");
                    };
                    fold.granted += granted_microunits.get();
                }
                Record::Decided(decided) => {
                    assert_eq!(decided.admission, Admission::Reserved);
                    fold.decisions.insert(sequence, decided.decision.estimated_cost.get());
                }
                Record::Settled { decision_sequence, actual_cost, .. } => {
                    let actual_cost_microunits = actual_cost.get();
                    let known =
                        fold.settled.insert(decision_sequence, (sequence, actual_cost_microunits));
                    assert_eq!(known, None, "decision {decision_sequence} is settled twice");
                    assert!(actual_cost_microunits <= fold.decisions[&decision_sequence]);
                }
                Record::SnapshotInstalled { .. } | Record::Checkpoint(_) => {}
                other => panic!("a run that was killed has no {other:?}"),
            }
        }
        fold
    }

    fn committed(&self) -> u64 {
        self.settled.values().map(|(_, cost)| cost).sum()
    }

    fn reserved(&self) -> u64 {
        let open =
            self.decisions.iter().filter(|(decision, _)| !self.settled.contains_key(decision));
        open.map(|(_, reserved)| reserved).sum()
    }
}
