//! `kill -9` in the middle of `route`: what was logged is kept, and the log opens, verifies and goes on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::fmt::Write as _;
use std::process::Stdio;

use calybris_core::engine::{Admission, Record};
use calybris_core::wal::Reader;
use program::*;

#[test]
fn a_killed_run_leaves_a_log_whose_budgets_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let requests = dir.path().join("requests.csv");
    let mut text = "input_tokens,output_tokens\n".to_owned();
    (0..20_000).for_each(|n| writeln!(text, "{},{}", 100 + n % 300, 20 + n % 50).unwrap());
    std::fs::write(&requests, text).unwrap();
    let mut killed = 0;
    for round in 0..20 {
        let log = dir.path().join(format!("log-{round}"));
        let mut child = route(&input("catalog.toml"), &requests, &log)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Not after a time, but when the log has grown to some size, another one each round.
        let size = 600 + round * 9_973;
        let grown = || std::fs::metadata(segment(&log)).is_ok_and(|file| file.len() >= size);
        while !grown() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let verified = verify(&log);
        assert_eq!(verified.code, 0, "{}", verified.err);
        let (spent, decisions) = spent_and_decisions(&log);
        let again =
            run(route(&input("catalog.toml"), &input("trace.csv"), &log)
                .args(["--append", "--json"]));
        assert_eq!(again.code, 0, "{}", again.err);
        let object: serde_json::Value = serde_json::from_str(&again.out).unwrap();
        assert_eq!(object["found"]["decisions"], decisions);
        let available = object["balances"][0]["available_microunits"].as_u64().unwrap();
        assert_eq!(
            1_000_000 - available,
            spent + object["routed"]["committed_microunits"].as_u64().unwrap()
        );
    }
    assert!(killed >= 10, "only {killed} runs were killed before they ended");
}

/// Added up from the records alone. What is still reserved goes back when the log is continued.
fn spent_and_decisions(log: &std::path::Path) -> (u64, u64) {
    let (mut spent, mut decisions) = (0, 0);
    for entry in Reader::open(log, None).unwrap() {
        match entry.unwrap().decode::<Record<'static>>().unwrap() {
            Record::Decided(decided) => {
                assert_eq!(decided.admission, Admission::Reserved);
                decisions += 1;
            }
            Record::Settled { actual_cost_microunits, .. } => spent += actual_cost_microunits,
            _ => {}
        }
    }
    (spent, decisions)
}
