//! A log whose key was replaced: it goes on, and one file reads all of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

#[cfg(unix)]
use std::io::Write as _;
use std::path::Path;
#[cfg(unix)]
use std::process::Stdio;

use program::*;
use serde_json::Value;

fn keygen(file: &Path, options: &[&Path]) -> Ran {
    run(program().arg("keygen").arg(file).args(options))
}

fn with_key(arguments: &[&str], log: &Path, key: &Path) -> Ran {
    let (command, rest) = arguments.split_first().unwrap();
    run(program().arg(command).arg(log).args(rest).arg("--key-file").arg(key))
}

#[test]
fn a_log_goes_on_under_a_new_key_and_one_file_reads_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (log, old, new) = (path("log"), path("old.key"), path("new.key"));
    assert_eq!(keygen(&old, &[]).code, 0);
    let made = keygen(&new, &[Path::new("--replaces"), &old]);
    assert_eq!(made.code, 0, "{}", made.err);
    let lines = |file: &Path| std::fs::read_to_string(file).unwrap();
    assert!(lines(&new).ends_with(&lines(&old)) && lines(&new).lines().count() == 2);
    assert!(!lines(&new).lines().any(|secret| made.out.contains(secret)));

    let routed = |key: &Path, options: &[&str]| {
        let mut command = route(&input("catalog.toml"), &input("trace.csv"), &log);
        run(command.args(options).arg("--key-file").arg(key))
    };
    assert_eq!(routed(&old, &[]).code, 0);
    let stranger = path("stranger.key");
    keygen(&stranger, &[]);
    assert_eq!(routed(&stranger, &["--append"]).code, 2);
    let again = routed(&new, &["--append"]);
    assert_eq!(again.code, 0, "{}", again.err);

    let verified = with_key(&["verify"], &log, &new);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert!(verified.out.contains("in 2 segments"), "{}", verified.out);
    // The old key alone cannot read what the new one wrote: that is no verdict.
    assert_eq!(with_key(&["verify"], &log, &old).code, 2);
    let shown = with_key(&["show", "--json"], &log, &new);
    let decisions: Vec<Value> =
        shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(decisions.len(), 6);
    for command in ["budget", "spend", "report", "replay", "anchor"] {
        let ran = with_key(&[command], &log, &new);
        assert_eq!(ran.code, 0, "{command} {}", ran.err);
    }

    // The policy stands before the change, so no decision can be checked without the old key.
    let newest = path("newest.key");
    std::fs::write(&newest, lines(&new).lines().next().unwrap()).unwrap();
    let head = with_key(&["anchor", "--tree"], &log, &new).out;
    for decision in [&decisions[0], &decisions[5]] {
        let sequence = decision["sequence"].to_string();
        assert_eq!(with_key(&["explain", &sequence], &log, &new).code, 0);
        let proof = path(&format!("{sequence}.json"));
        let proven = ["prove", &sequence, "--output", proof.to_str().unwrap()];
        assert_eq!(with_key(&proven, &log, &new).code, 0);
        let checked = |key| with_key(&["check", "--tree-head", head.trim()], &proof, key);
        assert_eq!(checked(&new).code, 0, "{}", checked(&new).err);
        for part_of_it in [&stranger, &newest] {
            let wrong = checked(part_of_it);
            assert_eq!(wrong.code, 2, "{}", wrong.err);
            assert!(wrong.err.contains("the key file holds"), "{}", wrong.err);
        }
    }
}

#[test]
fn a_file_that_is_no_key_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::write(&old, "no key").unwrap();
    let ran = keygen(&new, &[Path::new("--replaces"), &old]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("hexadecimal") && !new.exists(), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_key_that_can_be_read_only_once_is_replaced_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    assert_eq!(keygen(&old, &[]).code, 0);
    let secret = std::fs::read(&old).unwrap();
    // As with `gpg --decrypt old.gpg | calybris keygen new --replaces /dev/stdin`.
    let mut command = program();
    command.arg("keygen").arg(&new).args(["--replaces", "/dev/stdin"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&secret).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read(&new).unwrap().ends_with(&secret));
}
