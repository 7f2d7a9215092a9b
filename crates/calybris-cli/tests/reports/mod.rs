//! What `replay` and `sweep` print and write, word for word. `CALYBRIS_BLESS=1` rewrites the golden files.

use std::path::Path;

use crate::program::*;
use crate::recorded::*;

pub(crate) fn compare(name: &str, found: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report").join(name);
    if std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    for (number, (expected, found)) in (1..).zip(expected.lines().zip(found.lines())) {
        assert_eq!(expected, found, "{name}, line {number}");
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{name}");
}

/// Runs the program in a directory with the log, the proposed policy and the catalog; compares all that comes out.
fn check(name: &str, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    write_log(&dir.path().join("log"), |_, _| {});
    std::fs::write(dir.path().join("new.toml"), PROPOSED).unwrap();
    std::fs::write(dir.path().join("catalog.toml"), catalog_file()).unwrap();
    let ran = run(program().current_dir(dir.path()).args(arguments));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    // How long it took is the only thing that differs from run to run.
    let timed = |line: &&str| line.contains(" per second") || line.contains("\"elapsed_us\"");
    let lines: Vec<&str> = ran.out.lines().filter(|line| !timed(line)).collect();
    compare(name, &(lines.join("\n") + "\n"));
    // Help is as wide as its terminal, and here is none.
    let is_free = name.ends_with(".json") || name.starts_with("help");
    // A pipe gets whole names, which a terminal of 80 columns would cut.
    for line in ran.out.lines().filter(|_| !is_free) {
        assert!(line.contains("cwal1:") || line.chars().count() <= 100, "{line}");
    }
    if let Ok(page) = std::fs::read_to_string(dir.path().join("page.html")) {
        compare(&name.replace(".txt", ".html"), &page);
    }
}

#[test]
fn a_log_that_comes_out_again() {
    check("replay.txt", &["replay", "log"]);
    check("replay.json", &["replay", "log", "--json", "--threads", "2"]);
}

#[test]
fn another_policy() {
    check("policy.txt", &["replay", "log", "--policy", "new.toml", "--html", "page.html"]);
    check("policy.json", &["replay", "log", "--policy", "new.toml", "--json"]);
}

#[test]
fn another_catalog() {
    let arguments = ["replay", "log", "--policy", "new.toml", "--catalog", "catalog.toml"];
    check("catalog.txt", &arguments);
}

#[test]
fn a_range() {
    let range = ["--vary", "latency_penalty_microunits_per_ms=0..6:1"];
    check("sweep.txt", &[&["sweep", "log", "--html", "page.html"], range.as_slice()].concat());
    check("sweep.json", &[&["sweep", "log", "--json"], range.as_slice()].concat());
}

#[test]
fn help_of_replay_and_sweep() {
    check("help-replay.txt", &["replay", "--help"]);
    check("help-sweep.txt", &["sweep", "--help"]);
}
