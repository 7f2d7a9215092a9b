//! A folder of bad files: each is refused, under its own name and with a message of its own. And bad logs and proofs, made
//! from good ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use program::log::*;
use program::*;

/// What is done with a file, by the first word of its name.
fn command_for(kind: &str, file: &Path, log: &Path) -> Vec<PathBuf> {
    let words = |words: &[&str]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
    let (file, log) = (vec![file.to_path_buf()], vec![log.to_path_buf()]);
    match kind {
        "anchor" => [words(&["verify"]), log, words(&["--anchor"]), file].concat(),
        "tree" => [words(&["prove"]), log, words(&["5", "--tree-head"]), file].concat(),
        "proof" => [words(&["check"]), file].concat(),
        "key" => [words(&["show"]), log, words(&["--key-file"]), file].concat(),
        "catalog" | "prices" => [words(&["catalog", "check"]), file].concat(),
        "policy" => {
            let catalog = vec![input("catalog.toml")];
            [words(&["catalog", "check"]), catalog, words(&["--policy"]), file].concat()
        }
        other => panic!("no command is known for `{other}`"),
    }
}

#[test]
fn every_bad_file_gets_a_message_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    write_log(&log);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut messages: BTreeMap<String, String> = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let kind = name.split('-').next().unwrap().to_owned();
        let ran = run(program().args(command_for(&kind, &file, &log)));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}: {}", ran.err);
        let place = format!("calybris: {}", file.display());
        let message = ran.err.strip_prefix(&place);
        let message = message.unwrap_or_else(|| panic!("{name} is not named: {}", ran.err));
        assert!(message.trim().len() > 10, "{name}: {message}");
        assert!(!message.contains("panicked"), "{name}: {message}");
        kinds.insert(kind.clone());
        let other = messages.insert(message.to_owned(), name.clone());
        assert_eq!(other, None, "as for {name}: {message}");
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

/// The log with one thing done to it.
fn damaged(dir: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let log = dir.join("log");
    write_log(&log);
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    damage(&mut bytes);
    std::fs::write(segment(&log), bytes).unwrap();
    log
}

#[test]
fn every_command_that_reads_a_damaged_log_says_where_and_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let log = damaged(dir.path(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let last = LAST.to_string();
    for words in [
        vec!["verify"],
        vec!["anchor"],
        vec!["anchor", "--tree"],
        vec!["show"],
        vec!["show", "--kind", "all"],
        vec!["budget"],
        vec!["spend"],
        vec!["spend", "--csv"],
        vec!["report"],
        vec!["export", "--format", "csv"],
        vec!["export", "--format", "jsonl"],
        vec!["prove", &last],
    ] {
        let (command, rest) = words.split_first().unwrap();
        let ran = run(program().arg(command).arg(&log).args(rest));
        assert_eq!(ran.code, 1, "{words:?}: {}", ran.err);
        for part in ["not intact", "is corrupt at byte", "record 10 is expected"] {
            assert!(ran.err.contains(part), "{words:?}: {}", ran.err);
        }
    }
}

#[test]
fn what_stands_before_a_damage_is_shown_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let log = damaged(dir.path(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let shown = run(program().arg("show").arg(&log));
    assert!(shown.out.contains(" fast ") && !shown.out.contains("unfunded"));
    let csv = run(program().arg("export").arg(&log).args(["--format", "csv"]));
    assert_eq!(csv.out.lines().count(), 1 + 3, "{}", csv.out);
    let lines = run(program().arg("export").arg(&log).args(["--format", "jsonl"]));
    assert_eq!(lines.out.lines().count(), 9);
}

#[test]
fn a_keyed_log_is_read_with_its_key_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let (log, key) = (dir.path().join("log"), dir.path().join("log.key"));
    let made = run(program().arg("keygen").arg(&key));
    assert_eq!(made.code, 0, "{}", made.err);
    let secret = std::fs::read_to_string(&key).unwrap();
    assert!(!made.out.contains(secret.trim()));
    let mut routed = route(&input("catalog.toml"), &input("trace.csv"), &log);
    assert_eq!(run(routed.arg("--key-file").arg(&key)).code, 0);
    for words in [
        vec!["verify"],
        vec!["anchor"],
        vec!["show"],
        vec!["explain", "3"],
        vec!["budget"],
        vec!["spend"],
        vec!["spend", "--csv"],
        vec!["report"],
        vec!["export", "--format", "csv"],
        vec!["prove", "3"],
        vec!["repair"],
        vec!["ticket list"],
        vec!["tenant list"],
        vec!["tenant top-up", "chat", "1", "--reason", "more"],
        vec!["checkpoint", "--at", "2024-01-01"],
        vec!["retain", "--before", "2030-01-01"],
    ] {
        let (command, rest) = words.split_first().unwrap();
        let command = command.split(' ');
        let ran = run(program().args(command.clone()).arg(&log).args(rest));
        assert_eq!(ran.code, 2, "{words:?} {}", ran.out);
        assert!(ran.err.contains("is keyed and no key was supplied"), "{}", ran.err);
        let ran = run(program().args(command).arg(&log).args(rest).arg("--key-file").arg(&key));
        assert_eq!(ran.code, 0, "{words:?} {}", ran.err);
    }
}

#[cfg(unix)]
#[test]
fn a_key_is_its_owners_alone_and_each_is_another() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<String> = ["a", "b"]
        .iter()
        .map(|name| {
            let file = dir.path().join(name);
            assert_eq!(run(program().arg("keygen").arg(&file)).code, 0);
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            let again = run(program().arg("keygen").arg(&file));
            assert_eq!(again.code, 2, "{}", again.out);
            std::fs::read_to_string(file).unwrap()
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
    assert!(keys.iter().all(|key| key.trim().len() == 64));
}

#[test]
fn a_proof_is_checked_without_the_log_and_no_altered_one_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (log, proof) = (dir.path().join("log"), dir.path().join("proof.json"));
    write_log(&log);
    let head = run(program().arg("anchor").arg(&log).arg("--tree")).out;
    let made = run(program().arg("prove").arg(&log).arg("5").arg("--output").arg(&proof));
    assert_eq!(made.code, 0, "{}", made.err);
    let tree_head = dir.path().join("tree-head.txt");
    std::fs::write(&tree_head, &head).unwrap();
    // For the same tree head the same proof, whether it was named or not.
    let named = run(program().arg("prove").arg(&log).arg("5").arg("--tree-head").arg(&tree_head));
    assert_eq!(named.out, std::fs::read_to_string(&proof).unwrap());
    std::fs::remove_dir_all(&log).unwrap();
    let check = |head: &str| run(program().arg("check").arg(&proof).args(["--tree-head", head]));
    let checked = check(head.trim());
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("proven, decision 5"), "{}", checked.out);
    assert_eq!(run(program().arg("check").arg(&proof)).code, 2);
    let other = head.trim().replace(":19:", ":18:");
    // For another size it proves nothing, but is no forgery either.
    assert_eq!(check(&other).code, 2);
    let forged = head.trim().replace(['a', 'b'], "c");
    assert_ne!(forged, head.trim());
    assert_eq!(check(&forged.replace("cwcl", "cwal")).code, 1);
    let text = std::fs::read_to_string(&proof).unwrap();
    // One hexadecimal digit in each line that has a long row of them.
    for (number, line) in text.lines().enumerate() {
        let Some(at) = line.find("0f").or_else(|| line.find("a1")).filter(|_| line.len() > 60)
        else {
            continue;
        };
        let mut altered = line.to_owned();
        altered.replace_range(at..=at, if line[at..].starts_with('0') { "1" } else { "b" });
        std::fs::write(&proof, text.replace(line, &altered)).unwrap();
        let ran = check(head.trim());
        assert_eq!(ran.code, 1, "line {number}: {}", ran.out);
        assert!(ran.err.contains("not proven"), "{}", ran.err);
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_for_any_command() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    assert_eq!(run(program().arg("demo").arg("--dir").arg(&demo)).code, 0);
    let log = demo.join("log");
    for words in [
        vec!["show", "--tail", "0"],
        vec!["show", "--kind", "all", "--tail", "0"],
        vec!["show", "--json"],
        vec!["explain", "9", "--all"],
        vec!["budget"],
        vec!["spend"],
        vec!["spend", "--csv"],
        vec!["report"],
        vec!["export", "--format", "csv"],
        vec!["export", "--format", "jsonl"],
        vec!["prove", "9"],
    ] {
        let (command, rest) = words.split_first().unwrap();
        let mut command = {
            let mut made = program();
            made.arg(command).arg(&log).args(rest);
            made
        };
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
    }
}

#[test]
fn following_a_log_shows_what_is_appended() {
    use std::io::{BufRead as _, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let routed = || route(&input("catalog.toml"), &input("trace.csv"), &log);
    assert_eq!(run(&mut routed()).code, 0);
    let mut child = program()
        .arg("show")
        .arg(&log)
        .args(["--follow", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().take(8).count(), 8);
    assert_eq!(run(routed().arg("--append")).code, 0);
    let appended: Vec<String> = lines.by_ref().take(6).collect();
    assert!(appended[0].contains("\"kind\":\"decision\""), "{}", appended[0]);
    child.kill().unwrap();
    child.wait().unwrap();
}
