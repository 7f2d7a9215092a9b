//! What holds between processes: the lock, and what a process that is killed leaves behind.
//!
//! A test starts its own program again, with an environment variable that makes it the child.
//! `CALYBRIS_KILL_ROUNDS` says how often the child is killed; 60 times unless told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use calybris_wal::{Durability, Reader, VerifyOptions, WalError, WalOptions, WalWriter, verify};
use logs::options;

const CHILD: &str = "CALYBRIS_WAL_CHILD";

/// Starts the child test of this name, in the log at `path`, under another home directory.
fn start(test: &str, path: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, path)
        .env("HOME", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

fn child_path() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Tells the parent, in a line of its own.
fn tell(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\ntell {word}").unwrap();
    out.flush().unwrap();
}

fn told(line: &str) -> Option<&str> {
    line.strip_prefix("tell ")
}

#[test]
fn child_that_holds_the_lock() {
    let Some(path) = child_path() else { return };
    let writer = WalWriter::open(path, &options()).unwrap();
    writer.append("from the child").unwrap();
    tell("open");
    // Holds the log until it is killed.
    loop {
        std::thread::park();
    }
}

#[test]
fn a_log_has_one_writer_among_all_processes() {
    if child_path().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut child, lines) = start("child_that_holds_the_lock", directory.path());
    assert!(lines.into_iter().any(|line| told(&line) == Some("open")));
    let refused = || WalWriter::open(directory.path(), &options());
    assert!(matches!(refused(), Err(WalError::Locked { .. })));
    if cfg!(unix) {
        // Not even without the lock: the segment is locked as well.
        std::fs::remove_file(directory.path().join("LOCK")).unwrap();
        assert!(matches!(refused(), Err(WalError::Locked { .. })));
    }
    assert_eq!(verify(directory.path(), &VerifyOptions::default()).unwrap().records, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let writer = WalWriter::open(directory.path(), &options()).unwrap();
    assert_eq!(writer.open_report().sequence, 1);
}

fn small(durability: Durability) -> WalOptions {
    options().segment_bytes(4096).durability(durability)
}

#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = child_path() else { return };
    let synced = path.ends_with("synced");
    let durability = if synced { Durability::Synced } else { Durability::Os };
    let writer = WalWriter::open(path, &small(durability)).unwrap();
    loop {
        let next = writer.head().sequence + 1;
        let length = usize::try_from(next % 97).unwrap();
        let receipt = writer.append(&(next, vec![7_u8; length])).unwrap();
        tell(&receipt.sequence.to_string());
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    if child_path().is_some() {
        return;
    }
    let rounds = std::env::var("CALYBRIS_KILL_ROUNDS").map_or(60, |text| text.parse().unwrap());
    for name in ["os", "synced"] {
        let mut directory = tempfile::tempdir().unwrap();
        for round in 0..rounds / 2 {
            // Each round reads all that those before it wrote: a new log keeps that short.
            if round % ROUNDS_PER_LOG == 0 {
                directory = tempfile::tempdir().unwrap();
            }
            kill_and_check(&directory.path().join(name), round);
        }
    }
    eprintln!("killed and checked {} times", rounds / 2 * 2);
}

/// How many children write one log, one after the other.
const ROUNDS_PER_LOG: usize = 30;

/// Kills a child after it has acknowledged some records, and expects to find those it did.
fn kill_and_check(path: &Path, round: usize) {
    let (mut child, lines) = start("child_that_appends_until_it_is_killed", path);
    let mut lines = lines.filter_map(|line| told(&line).map(str::to_owned));
    let mut acknowledged: u64 = lines.nth(round * 7 % 41).unwrap().parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged = lines.last().map_or(acknowledged, |word| word.parse().unwrap());
    let mut found = 0;
    for record in Reader::open(path, None).unwrap() {
        found += 1;
        let (number, _): (u64, Vec<u8>) = record.unwrap().decode().unwrap();
        assert_eq!(number, found);
    }
    assert!(found >= acknowledged, "round {round}: {found} of {acknowledged}");
    let writer = WalWriter::open(path, &small(Durability::Os)).unwrap();
    assert_eq!(writer.open_report().sequence, found);
}
