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

/// Each of the two files of a changed key leads to the same advice, which names the file that has both.
#[test]
fn a_log_that_changed_its_key_is_read_with_what_the_advice_makes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(typed(dir, "keygen old.key").code, 0);
    assert_eq!(route_with(dir, "--key-file old.key").code, 0);
    assert_eq!(typed(dir, "keygen both.key --replaces old.key").code, 0);
    assert_eq!(route_with(dir, "--append --key-file both.key").code, 0);
    let both = std::fs::read_to_string(dir.join("both.key")).unwrap();
    std::fs::write(dir.join("new.key"), both.lines().next().unwrap()).unwrap();
    let with_the_new = typed(dir, "verify log --key-file new.key");
    let with_the_old = route_with(dir, "--append --key-file old.key");
    for ran in [with_the_new, with_the_old] {
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(" keygen NEW --replaces OLD` writes it"), "{}", ran.err);
    }
    assert_eq!(typed(dir, "verify log --key-file both.key").code, 0);
}

#[test]
fn hints_name_the_program_as_it_was_called() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let program = env!("CARGO_BIN_EXE_calybris");
    assert_eq!(route_with(dir, "").code, 0);
    for (line, typed_next) in [
        ("verify nowhere", "demo`"),
        ("show log --from-sequence 1 --key-file log/LOCK", "keygen FILE`"),
        ("explain log 99", "show log --tail 10`"),
        ("verify log --anchor nowhere", "anchor` prints"),
    ] {
        let ran = typed(dir, line);
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.err.contains(&format!("`{program} {typed_next}")), "{line}: {}", ran.err);
    }
    let ran = typed(dir, "prove log 5 --output proof.json");
    assert!(ran.out.contains(&format!("  {program} check proof.json ")), "{}", ran.out);
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("folder")).unwrap();
    std::fs::write(dir.join("file"), "").unwrap();
    for (name, words) in [
        ("nowhere.toml", "nowhere.toml: there is no such file or directory: check the path"),
        ("folder", "folder: is a directory: name a file"),
        ("file/more", "file/more: a file stands in the path where a directory is expected"),
    ] {
        for line in [
            format!("catalog check {name}"),
            format!("route --policy {name} --catalog c --requests r --log l"),
        ] {
            let ran = typed(dir, &line);
            assert_eq!(ran.code, 2, "{line}");
            assert!(ran.err.contains(words) && !ran.err.contains("os error"), "{}", ran.err);
        }
    }
}

#[test]
fn a_tenant_without_a_line_in_the_policy_file_is_told_which_line_to_add() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
    let policy_file = dir.join("own.toml");
    std::fs::write(&policy_file, &policy).unwrap();
    let header = "tenant,requested_model,input_tokens,output_tokens";
    for (tenant, line) in [("mobile", "mobile = MICROUNITS"), ("a b", "\"a b\" = MICROUNITS")] {
        let requests = dir.join("requests.csv");
        std::fs::write(&requests, format!("{header}\n{tenant},small,10,20\n")).unwrap();
        let mut command = program();
        command.arg("route").arg("--policy").arg(&policy_file).arg("--requests").arg(&requests);
        command.arg("--catalog").arg(input("catalog.toml")).arg("--log").arg(dir.join("log"));
        let ran = run(&mut command);
        assert_eq!(ran.code, 2, "{}", ran.err);
        let named = ran.err.contains(&format!("add `{line}` there"));
        assert!(named && ran.err.contains("`[tenants]` of ") && ran.err.contains("own.toml"));
        let added = line.replace("MICROUNITS", "1_000_000");
        let more = policy.replacen("[tenants]\n", &format!("[tenants]\n{added}\n"), 1);
        std::fs::write(&policy_file, more).unwrap();
        assert_eq!(run(&mut command).code, 0);
        std::fs::remove_dir_all(dir.join("log")).unwrap();
        std::fs::write(&policy_file, &policy).unwrap();
    }
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
        "adds to a grant; if you route into the log again, write the new grant under [tenants]";
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
    let more = "tenant top-up log chat 0.999999 --reason more";
    assert_eq!(typed(dir, more).code, 0);
    let topped_up = ran("chat = 1_000_000", "log", &["--append"]);
    assert_eq!(topped_up.code, 0, "{}", topped_up.err);
    assert!(!words(&topped_up.out).contains(advice), "{}", topped_up.out);
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
