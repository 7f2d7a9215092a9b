//! Every kind of damage, and every command that reads a log: exit code 1, and the place in words and in JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::{Path, PathBuf};

use calybris_core::engine::{Engine, EngineOptions, UnixMillis};
use calybris_core::wal::Reader;
use program::*;
use serde_json::Value;

/// A log of three segments with three decisions each.
fn write_segments(log: &Path) -> [u64; 3] {
    for run_of in 0..3 {
        let mut routed = route(&input("catalog.toml"), &input("trace.csv"), log);
        let ran = run(if run_of > 0 { routed.arg("--append") } else { &mut routed });
        assert_eq!(ran.code, 0, "{}", ran.err);
        if run_of < 2 {
            let engine = Engine::open(log, &EngineOptions::default()).unwrap();
            engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap();
            engine.close().unwrap();
        }
    }
    Reader::segments(log).unwrap().try_into().unwrap()
}

fn segment_at(log: &Path, first: u64) -> PathBuf {
    log.join(format!("{first:020}.cwal"))
}

type Damage = fn(&Path, [u64; 3]);

/// What can be done to the segment in the middle.
const DAMAGES: [(&str, Damage); 6] = [
    ("a byte changed", |log, [_, middle, _]| {
        let file = segment_at(log, middle);
        let mut bytes = std::fs::read(&file).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }),
    ("removed", |log, [_, middle, _]| std::fs::remove_file(segment_at(log, middle)).unwrap()),
    ("emptied", |log, [_, middle, _]| std::fs::write(segment_at(log, middle), b"").unwrap()),
    ("cut short", |log, [_, middle, _]| {
        let file = segment_at(log, middle);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() * 2 / 3]).unwrap();
    }),
    ("replaced by its neighbour", |log, [first, middle, _]| {
        std::fs::copy(segment_at(log, first), segment_at(log, middle)).unwrap();
    }),
    ("a byte more", |log, [_, middle, _]| {
        let file = segment_at(log, middle);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(file, [bytes.as_slice(), b"x"].concat()).unwrap();
    }),
];

#[test]
fn every_command_answers_every_damage_with_a_verdict_and_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let segments = write_segments(&whole);
    let last_decision = Reader::open(&whole, None).unwrap().last().unwrap().unwrap().sequence() - 1;
    let last_decision = last_decision.to_string();
    let policy = input("policy.toml");
    let policy = policy.to_str().unwrap();
    for (name, damage) in DAMAGES {
        let log = dir.path().join(name);
        copy_log(&whole, &log);
        damage(&log, segments);
        for words in [
            vec!["verify"],
            vec!["verify", "--threads", "2"],
            vec!["anchor"],
            vec!["anchor", "--tree"],
            vec!["show"],
            vec!["show", "--kind", "all", "--tail", "0"],
            vec!["budget"],
            vec!["spend"],
            vec!["report"],
            vec!["replay"],
            vec!["replay", "--policy", policy],
            vec!["sweep", "--vary", "hard_risk_limit_bps=0..10000:5000"],
            vec!["export", "--format", "csv"],
            vec!["export", "--format", "jsonl"],
            vec!["prove", &last_decision],
            vec!["tenant list"],
            vec!["tenant open", "new", "1", "--reason", "x"],
            vec!["tenant top-up", "chat", "1", "--reason", "x"],
            vec!["tenant rules", "chat", "--soft-limit", "1", "--reason", "x"],
            vec!["tenant freeze", "chat", "--reason", "x", "--dry-run"],
            vec!["ticket list"],
            vec!["checkpoint"],
            vec!["retain", "--before", "2030-01-01"],
        ] {
            let (command, rest) = words.split_first().unwrap();
            let command = command.split(' ');
            let ran = run(program().args(command.clone()).arg(&log).args(rest));
            assert_eq!(ran.code, 1, "{name}, {words:?}: {}", ran.err);
            assert!(ran.err.contains("not intact: "), "{name}, {words:?}: {}", ran.err);
            let ran = run(program().args(command).arg(&log).args(rest).arg("--json"));
            assert_eq!(ran.code, 1, "{name}, {words:?}: {}", ran.err);
            check_place(&ran.out, segments, &format!("{name}, {words:?}"));
        }
        // One decision needs little of the log: it is explained as written, or the damage is in its way.
        for behind_checkpoint in [2, 4, 6] {
            let sequence = (segments[1] + behind_checkpoint).to_string();
            let ran = run(program().arg("explain").arg(&log).arg(&sequence).arg("--json"));
            assert!([0, 1].contains(&ran.code), "{name}, {sequence}: {}", ran.err);
            if ran.code == 1 {
                check_place(&ran.out, segments, &format!("{name}, explain {sequence}"));
            }
        }
        // Opening to write reads little of the middle; what was written is verified as a whole.
        let mut appended = route(&input("catalog.toml"), &input("trace.csv"), &log);
        let ran = run(appended.args(["--append", "--json"]));
        assert_eq!(ran.code, 1, "{name}: {}", ran.err);
        check_place(&ran.out, segments, name);
        assert!(!ran.err.contains("--append"), "{name}: it is no log to continue: {}", ran.err);
        let repaired = run(program().arg("repair").arg(&log));
        assert_eq!(repaired.code, 0, "{name}: {}", repaired.err);
        assert_eq!(verify(&log).code, 0, "{name}");
    }
}

fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The object about the failure is what was printed last.
fn check_place(out: &str, [_, middle, last]: [u64; 3], context: &str) {
    let last_line = out.trim_end().rfind('\n').map_or(0, |end| end + 1);
    let from = out.find("{\n  \"error\"").unwrap_or(last_line);
    let object: Value = serde_json::from_str(&out[from..]).unwrap();
    assert_eq!(object["intact"], false, "{context}");
    let place = &object["place"];
    let segment = place["segment"].as_u64().unwrap();
    assert!([middle, last].contains(&segment), "{context}: {place}");
    assert!(place["offset"].is_u64() && place["what"].is_string(), "{context}: {place}");
    let sequence = place["sequence"].as_u64().unwrap();
    assert!((middle..=last).contains(&sequence), "{context}: {place}");
}
