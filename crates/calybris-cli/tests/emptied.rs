//! A log whose segments were emptied or removed: an anchor makes it a verdict, and nothing begins it anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use program::*;
use serde_json::Value;

fn routed(log: &Path) -> Ran {
    run(&mut route(&input("catalog.toml"), &input("trace.csv"), log))
}

fn appended(log: &Path, more: &[&str]) -> Ran {
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), log);
    run(command.arg("--append").args(more))
}

/// Names and contents of all files; `None` without a directory.
fn contents(dir: &Path) -> Option<BTreeMap<PathBuf, Vec<u8>>> {
    let entries = dir.read_dir().ok()?.map(|entry| entry.unwrap().path());
    Some(entries.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect())
}

/// `FORMAT.md`: the header of a segment.
const HEADER_BYTES: usize = 144;

type Leave = fn(&Path);

/// What somebody leaves of a log who takes its records away.
const LEFT: [(&str, Leave); 8] = [
    ("a header and a part of a record", |log| {
        let bytes = std::fs::read(segment(log)).unwrap();
        std::fs::write(segment(log), &bytes[..HEADER_BYTES + 30]).unwrap();
    }),
    ("a header", |log| {
        let bytes = std::fs::read(segment(log)).unwrap();
        std::fs::write(segment(log), &bytes[..HEADER_BYTES]).unwrap();
    }),
    ("half a header", |log| {
        let bytes = std::fs::read(segment(log)).unwrap();
        std::fs::write(segment(log), &bytes[..60]).unwrap();
    }),
    ("an empty segment", |log| std::fs::write(segment(log), b"").unwrap()),
    ("the lock", |log| std::fs::remove_file(segment(log)).unwrap()),
    ("what was set aside", |log| {
        std::fs::rename(segment(log), log.join("00000000000000000001-128-1.torn")).unwrap();
    }),
    ("an empty directory", |log| {
        std::fs::remove_dir_all(log).unwrap();
        std::fs::create_dir(log).unwrap();
    }),
    ("nothing", |log| std::fs::remove_dir_all(log).unwrap()),
];

#[test]
fn an_anchor_makes_a_verdict_of_whatever_is_left_of_a_log() {
    for (left, leave) in LEFT {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(routed(&log).code, 0);
        let anchor = run(program().arg("anchor").arg(&log)).out.trim().to_owned();
        let tree_head = run(program().args(["anchor", "--tree"]).arg(&log)).out.trim().to_owned();
        leave(&log);
        let before = contents(&log);

        // Without an anchor nothing can be said.
        for words in [
            vec!["verify"],
            vec!["anchor"],
            vec!["budget"],
            vec!["spend"],
            vec!["report"],
            vec!["replay"],
            vec!["sweep", "--vary", "hard_risk_limit_bps=0..10000:5000"],
        ] {
            let (command, rest) = words.split_first().unwrap();
            let ran = run(program().arg(command).arg(&log).args(rest));
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{left}, {words:?}: {}", ran.err);
        }
        let judged = run(program().arg("verify").arg(&log).args(["--anchor", &anchor, "--json"]));
        assert_eq!(judged.code, 1, "{left}: {}", judged.err);
        assert!(
            judged.err.contains("not intact") && judged.err.contains(&anchor),
            "{}",
            judged.err
        );
        let object: Value = serde_json::from_str(&judged.out).unwrap();
        assert_eq!((&object["intact"], &object["place"]["sequence"]), (&false.into(), &1.into()));
        let unproven = run(program().arg("prove").arg(&log).args(["3", "--tree-head", &tree_head]));
        assert_eq!(unproven.code, 1, "{left}: {}", unproven.err);
        assert!(unproven.err.contains("the tree head is over 8 records"), "{}", unproven.err);

        let refused = appended(&log, &["--anchor", &anchor]);
        assert_eq!(refused.code, 1, "{left}: {}", refused.err);
        assert!(refused.err.contains("not intact"), "{left}: {}", refused.err);
        let refused = appended(&log, &[]);
        assert_eq!(refused.code, 2, "{left}: {}", refused.err);
        assert_eq!(contents(&log), before, "{left}: nothing was written");

        // Begun anew only where no trace of a log is.
        let begun = routed(&log);
        let traceless = ["an empty directory", "nothing"].contains(&left);
        assert_eq!(begun.code, if traceless { 0 } else { 2 }, "{left}: {}", begun.err);
        assert!(traceless || contents(&log) == before, "{left}: nothing was written");
    }
}

#[test]
fn a_mistyped_path_is_understood_with_an_anchor_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("demo/log");
    assert_eq!(routed(&log).code, 0);
    let anchor = run(program().arg("anchor").arg(&log)).out.trim().to_owned();
    let asked = |path: &str| {
        run(program().arg("verify").arg(dir.path().join(path)).args(["--anchor", &anchor]))
    };
    let above = asked("demo");
    assert_eq!(above.code, 1);
    assert!(above.err.contains(&format!("there is a log in `{}`", log.display())), "{}", above.err);
    let mistyped = asked("dmeo/log");
    assert_eq!(mistyped.code, 1);
    assert!(mistyped.err.contains("if the path is right, the log was removed"), "{}", mistyped.err);
}

#[test]
fn a_log_goes_on_only_from_its_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    assert_eq!(routed(&log).code, 0);
    let anchor = run(program().arg("anchor").arg(&log)).out.trim().to_owned();
    let shorter = std::fs::read(segment(&log)).unwrap();
    assert_eq!(appended(&log, &["--anchor", &anchor]).code, 0);
    let later = run(program().arg("anchor").arg(&log)).out.trim().to_owned();
    assert_eq!(appended(&log, &["--anchor", &anchor]).code, 0);
    // Cut back to where it was after the first run: by itself such a log is intact.
    std::fs::write(segment(&log), &shorter).unwrap();
    let refused = appended(&log, &["--anchor", &later]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("ends at record 8"), "{}", refused.err);
    assert_eq!(std::fs::read(segment(&log)).unwrap(), shorter);
    // An anchor is of a log that is continued.
    let mut begins = route(&input("catalog.toml"), &input("trace.csv"), &dir.path().join("new"));
    assert_eq!(run(begins.args(["--anchor", &anchor])).code, 2);
}

/// With `--append` and without: what is said to try next is never refused in its turn.
#[test]
fn every_directory_without_a_log_gets_one_true_answer() {
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, files: &[&str]| {
        let made = dir.path().join(name);
        std::fs::create_dir(&made).unwrap();
        // The lock file is empty until a log has begun.
        let text = |file: &str| if file == "LOCK" { "" } else { "mine" };
        files.iter().for_each(|file| std::fs::write(made.join(file), text(file)).unwrap());
        made
    };
    for made in [with("empty", &[]), with("lock", &["LOCK"])] {
        let refused = appended(&made, &[]);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("leave out --append to begin one"), "{}", refused.err);
        assert_eq!(routed(&made).code, 0);
    }
    let torn = "00000000000000000001-128-1.torn";
    for (made, said) in [
        (
            with("foreign", &["LOCK", "notes.txt", "zz"]),
            "holds `notes.txt` and no log: name another",
        ),
        (with("torn", &["LOCK", "notes.txt", torn]), "which was set aside from a log"),
    ] {
        let before = contents(&made);
        let (appending, beginning) = (appended(&made, &[]), routed(&made));
        assert_eq!((appending.code, beginning.code), (2, 2));
        assert_eq!(appending.err, beginning.err);
        assert!(beginning.err.contains(said) && !beginning.err.contains("--append"));
        assert_eq!(contents(&made), before);
    }
}

#[test]
fn a_log_whose_segments_were_removed_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    assert_eq!(routed(&log).code, 0);
    std::fs::remove_file(segment(&log)).unwrap();
    let before = contents(&log);
    for refused in [routed(&log), appended(&log, &[])] {
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("its segments are gone"), "{}", refused.err);
    }
    assert_eq!(contents(&log), before);
}

/// A disk that is full before the first record: what is said to do next works.
#[cfg(unix)]
#[test]
fn a_run_that_wrote_no_record_says_how_to_begin_again() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(program().current_dir(dir.path()).args(["demo", "--dir", "demo"])).code, 0);
    // In blocks of 512 bytes: not even the header, the header alone.
    for (blocks, said) in [
        (0, "cannot write"),
        (2, "0 of 300 requests are decided, and the log holds no record: remove the directory log"),
    ] {
        let log = dir.path().join("log");
        let routed = |limit: &str, more: &[&str]| {
            let mut shell = std::process::Command::new("sh");
            shell.current_dir(dir.path()).arg("-c");
            shell.arg(format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"")).arg("sh");
            shell.arg(program().get_program()).args(["route", "--policy", "demo/policy.toml"]);
            shell.args(["--catalog", "demo/catalog.toml", "--requests", "demo/requests.csv"]);
            run(shell.args(["--log", "log"]).args(more))
        };
        let ran = routed(&blocks.to_string(), &[]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
        assert!(ran.err.contains("type the same command again, without --append"), "{}", ran.err);
        assert!(!ran.err.contains("os error") && !ran.err.contains("continue"), "{}", ran.err);
        let again = [routed("unlimited", &[]), routed("unlimited", &["--append"])];
        for ran in &again {
            assert_eq!(ran.code, 2, "{}", ran.err);
            assert!(ran.err.contains("remove the directory and begin again"), "{}", ran.err);
        }
        assert_eq!(again[0].err, again[1].err);
        std::fs::remove_dir_all(&log).unwrap();
        assert_eq!(routed("unlimited", &[]).code, 0);
        std::fs::remove_dir_all(&log).unwrap();
    }
}
