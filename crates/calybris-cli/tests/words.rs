//! Errors say what to type next, and what is typed then works.
#![allow(clippy::unwrap_used, reason = "test code")]

mod program;

use std::path::Path;

use program::*;

/// The file that is named for a reader to fill in.
const FILE: &str = "--key-file FILE";

fn typed(dir: &Path, line: &str) -> Ran {
    run(program().current_dir(dir).args(line.split_whitespace()))
}

fn route_with(dir: &Path, more: &str) -> Ran {
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), Path::new("log"));
    run(command.current_dir(dir).args(more.split_whitespace()))
}

#[test]
fn a_key_that_is_missing_or_another_is_asked_for_by_its_option_and_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = typed(dir, "keygen log.key").out;
    let id = made.split("id ").nth(1).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(typed(dir, "keygen other.key").code, 0);
    assert_eq!(route_with(dir, "--key-file log.key").code, 0);
    for command in
        ["show log", "verify log", "budget log", "explain log 3", "replay log", "spend log"]
    {
        let without = typed(dir, command);
        assert_eq!(without.code, 2, "{command}");
        assert!(without.err.contains(FILE), "{command}: {}", without.err);
        let another = typed(dir, &format!("{command} --key-file other.key"));
        assert_eq!(another.code, 2, "{command}");
        let named = another.err.contains(FILE) && another.err.contains(&id);
        assert!(named, "{command}: {}", another.err);
        let right = typed(dir, &format!("{command} --key-file log.key"));
        assert_eq!(right.code, 0, "{command}: {}", right.err);
    }
    assert_eq!(typed(dir, "keygen new.key --replaces log.key").code, 0);
    assert_eq!(route_with(dir, "--append --key-file new.key").code, 0);
    let replaced = route_with(dir, "--append --key-file log.key");
    assert_eq!(replaced.code, 2);
    assert!(replaced.err.contains(FILE), "{}", replaced.err);
    assert_eq!(route_with(dir, "--append --key-file new.key").code, 0);
}

#[test]
fn a_tenant_without_money_is_told_where_a_grant_stands() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
    let poor = policy.replace("chat = 1_000_000", "chat = 1");
    assert_ne!(policy, poor);
    let ran = |grant: &str, log: &str, more: &[&str]| {
        std::fs::write(dir.join("own.toml"), policy.replace("chat = 1_000_000", grant)).unwrap();
        let mut command = program();
        command.arg("route").args(["--policy", "own.toml", "--log", log]).args(more);
        command.arg("--catalog").arg(input("catalog.toml"));
        run(command.arg("--requests").arg(input("trace.csv")).current_dir(dir))
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let dry = ran("chat = 1", "log", &[]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    let advice =
        "raise the tenant's line under [tenants] in the policy file and route into a new log";
    assert!(words(&dry.out).contains(advice), "{}", dry.out);
    let shown = typed(dir, "show log --outcome unfunded --json").out;
    let first = shown.lines().next().unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    let explained = typed(dir, &format!("explain log {}", first["sequence"])).out;
    assert!(words(&explained).contains(advice), "{explained}");
    // A log keeps its grants, and says both ways on.
    let other = ran("chat = 1_000_000", "log", &["--append"]);
    assert_eq!(other.code, 2);
    assert!(other.err.contains("write 1 here too, or route into a new log"), "{}", other.err);
    let funded = ran("chat = 1_000_000", "new", &[]);
    assert_eq!(funded.code, 0);
    assert!(!words(&funded.out).contains(advice), "{}", funded.out);
}

#[test]
fn a_number_is_refused_in_words_that_people_use() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "explain log x",
        "prove log 1.5",
        "show log --tail all",
        "show log --from-sequence 99999999999999999999",
        "verify log --threads 0",
        "budget log --top ten",
        "replay log --threads -",
        "catalog diff a b --top x",
    ] {
        let ran = typed(dir.path(), line);
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.err.contains("number"), "{line}: {}", ran.err);
        for word in ["digit found in string", "target type", "non-zero", "u64", "usize"] {
            assert!(!ran.err.contains(word), "{line}: {}", ran.err);
        }
    }
}

#[test]
fn a_writer_at_work_is_named_as_what_to_wait_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(route_with(dir, "").code, 0);
    let options = calybris_core::engine::EngineOptions::default();
    let engine = calybris_core::engine::Engine::open(dir.join("log"), &options).unwrap();
    let refused = route_with(dir, "--append");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("wait until the other process"), "{}", refused.err);
    assert!(refused.err.contains("fuser log/LOCK"), "{}", refused.err);
    drop(engine);
    assert_eq!(route_with(dir, "--append").code, 0);
}
