//! What a command writes: a file is whole or not there, `-` is standard output, and what cannot be written is said.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::*;
use serde_json::Value;

/// A directory with the demo in `demo`, and what its policy would have changed in `page.html`.
fn world() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(typed(dir.path(), "demo --dir demo").code, 0);
    let replayed = typed(dir.path(), &format!("{REPLAY} --html page.html"));
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    dir
}

const REPLAY: &str = "replay demo/log --policy demo/policy-strict.toml";
const REPORT: &str = "report demo/log";
const SWEEP: &str = "sweep demo/log --vary hard_risk_limit_bps=0..10000:1000";

fn command(dir: &Path, line: &str) -> Command {
    let mut command = program();
    command.current_dir(dir).args(line.split_whitespace());
    command
}

fn typed(dir: &Path, line: &str) -> Ran {
    run(&mut command(dir, line))
}

/// Runs a command for which the disk is full once a file has so many blocks of 512 bytes.
fn on_a_full_disk(dir: &Path, blocks: u32, line: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    let limited = command(dir, line);
    shell.current_dir(dir).arg(limited.get_program()).args(limited.get_args());
    run(&mut shell)
}

/// Every file below a directory, and what is in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn on_a_full_disk_the_page_that_was_there_stays_and_the_report_comes() {
    let dir = world();
    let before = files(dir.path());
    assert!(before[&dir.path().join("page.html")].len() > 4_096);
    for line in [REPLAY, SWEEP, REPORT] {
        for page in ["page.html", "new.html"] {
            let ran = on_a_full_disk(dir.path(), 8, &format!("{line} --html {page}"));
            assert_eq!(ran.code, 3, "{line}: {}", ran.err);
            let said = format!("calybris: {page}: cannot be written: ");
            assert!(ran.err.starts_with(&said) && !ran.err.contains(".part"), "{}", ran.err);
            assert_eq!(
                ran.out,
                typed(dir.path(), line).out,
                "the report, without a line on its page"
            );
            let ran = on_a_full_disk(dir.path(), 8, &format!("{line} --html {page} --json"));
            assert_eq!(ran.code, 3);
            let mut object: Value = serde_json::from_str(&ran.out).unwrap();
            let error = object.as_object_mut().unwrap().remove("error").unwrap();
            assert!(error.as_str().unwrap().starts_with(page), "{error}");
            let whole = typed(dir.path(), &format!("{line} --json")).out;
            assert_eq!(object, serde_json::from_str::<Value>(&whole).unwrap());
            assert_eq!(files(dir.path()), before, "{line}: nothing was replaced, nothing is left");
        }
    }
}

#[test]
fn on_a_full_disk_no_part_of_a_file_is_left() {
    let dir = world();
    let head = typed(dir.path(), "anchor demo/log --tree").out;
    let before = files(dir.path());
    for (blocks, line, code) in [
        (8, "export demo/log --format jsonl --output new", 3),
        (8, "export demo/log --format csv --output new", 3),
        (8, "prove demo/log 9 --output new", 3),
        (8, "demo --dir new", 3),
        (0, "keygen new", 2),
    ] {
        let ran = on_a_full_disk(dir.path(), blocks, line);
        assert_eq!(ran.code, code, "{line}: {}", ran.err);
        assert!(ran.err.starts_with("calybris: new"), "{line}: {}", ran.err);
        assert_eq!(files(dir.path()), before, "{line}");
        // With space it works, under the same name.
        assert_eq!(typed(dir.path(), line).code, 0, "{line}");
        let new = dir.path().join("new");
        if new.is_dir() { fs::remove_dir_all(new).unwrap() } else { fs::remove_file(new).unwrap() }
    }
    assert_eq!(typed(dir.path(), "anchor demo/log --tree").out, head);
}

#[test]
fn on_a_full_disk_a_manual_page_is_the_earlier_one_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(typed(dir.path(), "man --output new").code, 0);
    let whole = files(&dir.path().join("new"));
    assert!(whole.len() > 15);
    fs::rename(dir.path().join("new"), dir.path().join("man")).unwrap();
    for file in whole.keys() {
        let file = dir.path().join("man").join(file.file_name().unwrap());
        fs::write(file, "an earlier page").unwrap();
    }
    let ran = on_a_full_disk(dir.path(), 4, "man --output man");
    assert_eq!(ran.code, 3, "{}", ran.err);
    let left = files(&dir.path().join("man"));
    assert_eq!(left.len(), whole.len());
    let new = |file: &PathBuf| &whole[&dir.path().join("new").join(file.file_name().unwrap())];
    let replaced = left.iter().filter(|(file, content)| *content == new(file)).count();
    let kept = left.values().filter(|content| *content == b"an earlier page").count();
    assert!(replaced > 0 && kept > 0 && replaced + kept == whole.len(), "{replaced} {kept}");
}

#[test]
fn an_export_of_a_damaged_log_is_a_file_with_what_stands_before_the_damage() {
    let dir = world();
    let log = dir.path().join("demo/log");
    let mut bytes = fs::read(segment(&log)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment(&log), bytes).unwrap();
    let to_file = typed(dir.path(), "export demo/log --format jsonl --output lines");
    let to_stdout = typed(dir.path(), "export demo/log --format jsonl");
    assert_eq!((to_file.code, to_stdout.code), (1, 1));
    assert!(to_stdout.out.lines().count() > 100);
    assert_eq!(fs::read_to_string(dir.path().join("lines")).unwrap(), to_stdout.out);
}

#[test]
fn a_dash_is_standard_output_wherever_a_file_is_written() {
    let dir = world();
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    let before = files(dir.path());
    for (line, without) in [
        ("export demo/log --format csv --output -", "export demo/log --format csv"),
        ("export demo/log --format jsonl --output -", "export demo/log --format jsonl"),
        ("prove demo/log 9 --output -", "prove demo/log 9"),
        ("man --output -", "man"),
    ] {
        let ran = typed(dir.path(), line);
        assert_eq!((ran.code, ran.out), (0, typed(dir.path(), without).out), "{line}");
    }
    let ran = typed(dir.path(), &format!("{REPLAY} --html -"));
    assert_eq!((ran.code, ran.out), (0, page));
    for line in [SWEEP, REPORT] {
        let ran = typed(dir.path(), &format!("{line} --html -"));
        assert!(ran.out.starts_with("<!DOCTYPE html>") && ran.out.ends_with("</html>\n"), "{line}");
    }
    // Two things in one stream are neither.
    for line in [REPLAY, SWEEP, REPORT] {
        let ran = typed(dir.path(), &format!("{line} --html - --json"));
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.err.contains("both ask for standard output"), "{}", ran.err);
    }
    let ran = typed(dir.path(), "keygen -");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("never printed"), "{}", ran.err);
    assert_eq!(files(dir.path()), before, "no file has the name `-`");
}

#[test]
fn a_file_has_the_permissions_that_its_reader_expects() {
    let dir = world();
    let mode =
        |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    let under = |umask: &str, line: &str| {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("umask {umask}; exec \"$@\"")).arg("sh");
        let asked = command(dir.path(), line);
        let ran =
            run(shell.current_dir(dir.path()).arg(asked.get_program()).args(asked.get_args()));
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
    };
    under("022", "export demo/log --format csv --output usual.csv");
    under("077", "export demo/log --format csv --output private.csv");
    under("000", "keygen open.key");
    assert_eq!((mode("usual.csv"), mode("private.csv"), mode("open.key")), (0o644, 0o600, 0o600));
    // A page that is written again stays as open as it was made, and a link to it stays a link.
    fs::set_permissions(dir.path().join("page.html"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("page.html", dir.path().join("link.html")).unwrap();
    under("000", &format!("{SWEEP} --html link.html"));
    assert_eq!(mode("page.html"), 0o640);
    assert!(fs::symlink_metadata(dir.path().join("link.html")).unwrap().is_symlink());
    assert!(
        fs::read_to_string(dir.path().join("page.html")).unwrap().contains("hard_risk_limit_bps")
    );
}

#[test]
fn what_cannot_be_written_is_refused_before_the_log_is_read() {
    let dir = world();
    fs::write(dir.path().join("demo/log").join("00000000000000000001.cwal"), "no log").unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    let before = files(&dir.path().join("demo"));
    for (name, part) in [
        ("nowhere/new", "there is no such file or directory: check the path"),
        ("demo", "is a directory"),
        ("/dev/null", "is not a regular file"),
        ("link", ""),
    ] {
        let ran = typed(dir.path(), &format!("{REPLAY} --html {name}"));
        assert_eq!(ran.code, 2, "{name}");
        let said = ran.err.starts_with(&format!("calybris: {name}: ")) && ran.err.contains(part);
        assert!(said, "{}", ran.err);
    }
    for name in ["demo", "/dev/null", "link", "page.html"] {
        for line in ["export demo/log --format csv", "prove demo/log 9"] {
            let ran = typed(dir.path(), &format!("{line} --output {name}"));
            assert_eq!(ran.code, 2, "{line} {name}");
        }
        assert_eq!(typed(dir.path(), &format!("keygen {name}")).code, 2, "{name}");
    }
    assert_eq!(files(&dir.path().join("demo")), before);
}

/// Every command, with what it needs to succeed. `N` is another number each time.
const COMMANDS: [&str; 25] = [
    "demo --dir demo-N",
    "route --policy demo/policy.toml --catalog demo/catalog.toml --requests demo/requests.csv --log log-N",
    "show demo/log",
    "show demo/log --kind all --tail 0",
    "show demo/log --json --tail 0",
    "explain demo/log 9",
    "explain demo/log 9 --json",
    "budget demo/log",
    "verify demo/log",
    "anchor demo/log",
    "anchor demo/log --tree",
    "prove demo/log 9",
    REPLAY,
    SWEEP,
    "replay demo/log",
    "export demo/log --format csv",
    "export demo/log --format jsonl",
    "repair demo/log",
    "keygen key-N",
    "catalog check demo/catalog.toml",
    "catalog diff demo/catalog.toml demo/catalog.toml",
    "completions bash",
    "man",
    "route --help",
    "--version",
];

#[test]
fn a_full_standard_output_is_said_and_exits_with_3() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let dir = world();
    for (number, line) in COMMANDS.iter().enumerate() {
        let mut command = command(dir.path(), &line.replace('N', &number.to_string()));
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{line}: {err}");
        assert!(err.starts_with("calybris: ") && err.contains("standard output"), "{line}: {err}");
        let writes_a_log = ["route --policy", "demo "].iter().any(|begin| line.starts_with(begin));
        assert_eq!(writes_a_log, err.contains("the log is in "), "{line}: {err}");
        assert_eq!(writes_a_log, err.contains(" anchor "), "{line}: {err}");
    }
    // A verdict stays one.
    let mut command = command(dir.path(), "verify demo --json");
    assert_eq!(command.stdout(full).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_closed_standard_output_is_no_failure_of_any_command() {
    let dir = world();
    for (number, line) in COMMANDS.iter().enumerate() {
        let mut command = command(dir.path(), &line.replace('N', &number.to_string()));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{line}");
    }
}
