//! `calybris prove` and `check`: what is printed to be typed next works, and a wrong tree head is told from a bad proof.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::Path;

use program::*;

/// A log that is routed into `log` in `dir`, with a key if one is named.
fn routed(dir: &Path, key: Option<&str>) {
    if let Some(key) = key {
        assert_eq!(ran(dir, &["keygen", key]).code, 0);
    }
    let mut route = route(&input("catalog.toml"), &input("trace.csv"), Path::new("log"));
    route.current_dir(dir);
    if let Some(key) = key {
        route.args(["--key-file", key]);
    }
    let routed = run(&mut route);
    assert_eq!(routed.code, 0, "{}", routed.err);
}

fn ran(dir: &Path, arguments: &[&str]) -> Ran {
    run(program().current_dir(dir).args(arguments))
}

/// The lines that are printed to be typed, run as they are; `HEAD` is the tree head's file.
fn typed(dir: &Path, printed: &str) -> Vec<i32> {
    let lines = printed
        .lines()
        .filter_map(|line| line.strip_prefix(concat!("  ", env!("CARGO_BIN_EXE_calybris"), " ")));
    let commands = lines.map(|line| line.replace("HEAD", "head.txt"));
    let codes = commands.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        ran(dir, &words).code
    });
    codes.collect()
}

#[test]
fn the_next_commands_name_the_key_of_a_keyed_log() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    routed(dir, Some("log.key"));
    let with = ["--key-file", "log.key"];
    let head = ran(dir, &[["anchor", "log", "--tree"].as_slice(), &with].concat());
    std::fs::write(dir.join("head.txt"), head.out).unwrap();
    let prove = ["prove", "log", "3", "--output", "proof.json"];
    let proven = ran(dir, &[prove.as_slice(), &with].concat());
    assert_eq!(typed(dir, &proven.out), [0], "{}", proven.out);
    assert!(
        proven.out.contains("a key that was shown to somebody is no longer secret"),
        "{}",
        proven.out
    );
    let segment = segment(&dir.join("log"));
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let repaired = ran(dir, &[["repair", "log"].as_slice(), &with].concat());
    assert_eq!(typed(dir, &repaired.out), [0, 0], "{}", repaired.out);
}

#[test]
fn a_log_without_a_key_is_followed_by_commands_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    routed(dir, None);
    std::fs::write(dir.join("head.txt"), ran(dir, &["anchor", "log", "--tree"]).out).unwrap();
    let proven = ran(dir, &["prove", "log", "3", "--output", "proof.json"]);
    assert_eq!(typed(dir, &proven.out), [0], "{}", proven.out);
    assert!(!proven.out.contains("key"), "{}", proven.out);
}

#[test]
fn a_proof_that_this_tree_head_cannot_check_is_not_called_unproven() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    routed(dir, None);
    let early = ran(dir, &["anchor", "log", "--tree"]).out;
    let early = early.trim();
    let mut more = route(&input("catalog.toml"), &input("trace.csv"), Path::new("log"));
    assert_eq!(run(more.current_dir(dir).arg("--append")).code, 0);
    let late = ran(dir, &["anchor", "log", "--tree"]).out;
    let late = late.trim();
    assert_eq!(ran(dir, &["prove", "log", "3", "--output", "proof.json"]).code, 0);
    let check = |head: &str| ran(dir, &["check", "proof.json", "--tree-head", head]);
    assert_eq!(check(late).code, 0);
    let other = check(early);
    assert_eq!(other.code, 2, "{}", other.err);
    for part in
        ["cannot be checked with this tree head", "ask for `calybris prove DIR 3 --tree-head"]
    {
        assert!(other.err.contains(part), "{}", other.err);
    }
    // A tree head of the same size with another root is no misunderstanding.
    let forged = format!("{}{}", late.strip_suffix(&late[late.len() - 4..]).unwrap(), "ffff");
    assert_eq!(check(&forged).code, 1);
    let proof = std::fs::read_to_string(dir.join("proof.json")).unwrap();
    let newer = proof.replacen("\"version\": 1", "\"version\": 2, \"more\": true", 1);
    std::fs::write(dir.join("proof.json"), newer).unwrap();
    let newer = check(late);
    assert_eq!(newer.code, 2, "{}", newer.err);
    assert!(newer.err.contains("its version is 2, this program knows 1"), "{}", newer.err);
}

#[test]
fn a_tree_head_that_does_not_reach_the_decision_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    routed(dir, None);
    let early = ran(dir, &["anchor", "log", "--tree"]).out;
    let before = std::fs::read(segment(&dir.join("log"))).unwrap();
    let mut more = route(&input("catalog.toml"), &input("trace.csv"), Path::new("log"));
    assert_eq!(run(more.current_dir(dir).arg("--append")).code, 0);
    let late = ran(dir, &["anchor", "log", "--tree"]).out;
    let refused = ran(dir, &["prove", "log", "9", "--tree-head", early.trim()]);
    assert_eq!(refused.code, 2);
    let what = "the tree head is over 8 records, and decision 9 came later";
    assert!(refused.err.contains(what), "{}", refused.err);
    std::fs::write(segment(&dir.join("log")), before).unwrap();
    let cut = ran(dir, &["prove", "log", "3", "--tree-head", late.trim()]);
    assert_eq!(cut.code, 1, "{}", cut.err);
    let what = "records, and the log has 8";
    assert!(cut.err.contains(what), "{}", cut.err);
    let root = ran(dir, &["prove", "log", "3", "--tree-head", "9f2c"]);
    assert_eq!(root.code, 2);
    assert!(root.err.contains(" anchor --tree` prints"), "{}", root.err);
}
