//! `show --follow`: a reader that stays, beside a writer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use calybris_core::engine::{Engine, EngineOptions, Microunits, UnixMillis};
#[cfg(unix)]
use calybris_core::wal::RetentionAction;
use program::*;
use serde_json::Value;

/// A `show --follow` under way. It is ended when the test is.
struct Following {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Following {
    fn new(log: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command.arg("show").arg(log).arg("--follow").args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Some(BufReader::new(child.stdout.take().unwrap()).lines());
        Self { child, lines }
    }

    /// The next line; waits until there is one.
    fn line(&mut self) -> String {
        self.lines.as_mut().unwrap().next().unwrap().unwrap()
    }

    /// The sequence of the record on the next line.
    fn sequence(&mut self) -> u64 {
        let line: Value = serde_json::from_str(&self.line()).unwrap();
        line["sequence"].as_u64().unwrap()
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let mut kill = std::process::Command::new("kill");
        kill.arg(format!("-{name}")).arg(self.child.id().to_string());
        assert_eq!(run(&mut kill).code, 0);
    }

    /// Ends it, and answers what it said on standard error.
    fn end(&mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of_three_decisions(log: &Path) {
    assert_eq!(run(&mut route(&input("catalog.toml"), &input("trace.csv"), log)).code, 0);
}

fn writer(log: &Path) -> Engine {
    Engine::open(log, &EngineOptions::default()).unwrap()
}

/// Appends a record: the tenant is opened.
fn open_tenant(engine: &Engine, tenant: &str) {
    engine.ensure_tenant(tenant, Microunits::new(1), UnixMillis::new(1_793_610_000_000)).unwrap();
}

#[test]
fn what_is_appended_is_shown_behind_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    log_of_three_decisions(&log);
    let engine = writer(&log);
    let last = engine.head().sequence;
    let mut following = Following::new(&log, &["--json"]);
    for sequence in 1..=last {
        assert_eq!(following.sequence(), sequence);
    }
    for more in 1..=3 {
        open_tenant(&engine, &format!("later-{more}"));
        let line: Value = serde_json::from_str(&following.line()).unwrap();
        assert_eq!(line["sequence"], last + more);
        assert!(line.to_string().contains(&format!("later-{more}")), "{line}");
    }
    assert_eq!(following.end(), "");
}

#[test]
fn the_last_ones_are_shown_first_and_then_all() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    log_of_three_decisions(&log);
    let engine = writer(&log);
    let last = engine.head().sequence;
    let mut following = Following::new(&log, &["--tail", "2"]);
    assert!(following.line().contains("time (UTC)"));
    for sequence in [last - 1, last] {
        assert!(following.line().trim_start().starts_with(&format!("{sequence} ")));
    }
    for more in 1..=3 {
        open_tenant(&engine, &format!("later-{more}"));
        let line = following.line();
        assert!(line.contains(&format!("`later-{more}` opened")), "{line}");
    }
    let alone = run(program().arg("show").arg(&log).args(["--kind", "all", "--tail", "2"]));
    let shown: Vec<&str> = alone.out.lines().filter(|line| line.contains("later-")).collect();
    assert_eq!(shown.len(), 2, "{}", alone.out);
}

#[cfg(unix)]
#[test]
fn a_reader_that_stays_goes_on_behind_records_that_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    log_of_three_decisions(&log);
    let engine = writer(&log);
    let last = engine.head().sequence;
    let mut following = Following::new(&log, &["--json", "--tail", "1"]);
    assert_eq!(following.sequence(), last);
    let first = engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap();
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    open_tenant(&engine, "later");
    let end = engine.head().sequence;
    for sequence in first..=end {
        assert_eq!(following.sequence(), sequence);
    }
    // It is held up while what it has not read is dropped.
    following.signal("STOP");
    let mut checkpoints = Vec::new();
    for more in 0..2 {
        open_tenant(&engine, &format!("more-{more}"));
        checkpoints.push(engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap());
    }
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    open_tenant(&engine, "last");
    following.signal("CONT");
    // It has its segment open, and misses the one behind that.
    for sequence in (end + 1..checkpoints[0]).chain(checkpoints[1]..=engine.head().sequence) {
        assert_eq!(following.sequence(), sequence);
    }
    let missed = format!("records {} to {}", checkpoints[0], checkpoints[1] - 1);
    let said = following.end();
    assert_eq!(
        said,
        format!("calybris: {missed} were dropped from the log before they were read\n")
    );
}

#[test]
fn a_reader_that_leaves_ends_it_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    log_of_three_decisions(&log);
    let engine = writer(&log);
    let mut following = Following::new(&log, &["--json", "--tail", "1"]);
    following.line();
    // The pipe is closed; the next record finds that out.
    drop(following.lines.take());
    open_tenant(&engine, "later");
    let ended = following.child.wait().unwrap();
    let mut said = String::new();
    following.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((ended.code(), said.as_str()), (Some(0), ""));
}
