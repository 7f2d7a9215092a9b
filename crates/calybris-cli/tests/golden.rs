//! What every command prints, to the letter. With `CALYBRIS_BLESS=1` the files are written instead of compared.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod program;
mod recorded;
mod reports;

use std::path::{Path, PathBuf};

use program::log::*;
use program::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("txt")
}

/// A directory with a log and the inputs, from which commands are run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_log(&dir.path().join("log"));
        for name in
            ["catalog.toml", "catalog-later.toml", "prices.json", "policy.toml", "trace.csv"]
        {
            std::fs::copy(input(name), dir.path().join(name)).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn tree_head(&self) -> String {
        let ran = run(program().current_dir(self.path()).args(["anchor", "log", "--tree"]));
        ran.out.trim().to_owned()
    }

    /// What a command prints, with what differs from run to run taken out.
    fn printed(&self, line: &str) -> String {
        let mut command = program();
        command.current_dir(self.path()).env("COLUMNS", "100").args(line.split_whitespace());
        let ran = run(&mut command);
        let out: Vec<String> = ran.out.lines().map(|line| self.steady(line)).collect();
        let mut text = format!("$ calybris {line}\n{}\n", out.join("\n"));
        if !ran.err.is_empty() {
            text.push_str(&format!("--- standard error\n{}", self.steady(&ran.err)));
            text.push('\n');
        }
        text.push_str(&format!("--- exit code {}\n", ran.code));
        text
    }

    /// Paths, the program's own, and what a clock or chance made.
    fn steady(&self, line: &str) -> String {
        let line = line.replace(env!("CARGO_BIN_EXE_calybris"), "calybris");
        let line = line.replace(&self.path().display().to_string(), "DIR");
        match line.split_once(" requests in ") {
            Some((count, _)) => format!("{count} requests in (time): reserved, logged, settled"),
            None if line.starts_with("anchor   cwal1:") => "anchor   (anchor)".to_owned(),
            None => line.trim_end().to_owned(),
        }
    }

    /// Compares what the commands print with the golden file, or writes it.
    fn check(&self, name: &str, lines: &[&str]) {
        let printed: Vec<String> = lines.iter().map(|line| self.printed(line)).collect();
        let printed = printed.join("\n");
        for line in printed.lines() {
            let as_long_as_it_is = ["{", "cwal1", "calybris", ",", "\"", "decision,"];
            // A pipe gets whole names; a terminal gets what fits.
            let fits = line.chars().count() <= 140;
            assert!(fits || as_long_as_it_is.iter().any(|part| line.contains(part)), "{line}");
        }
        let file = golden(name);
        if std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1") {
            std::fs::write(&file, &printed).unwrap();
            return;
        }
        let known = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let differing = known.lines().zip(printed.lines()).find(|(known, found)| known != found);
        assert!(known == printed, "{}: first difference {differing:?}\n{printed}", file.display());
    }
}

#[test]
fn show() {
    Place::new().check(
        "show",
        &[
            "show log",
            "show log --tail 2",
            "show log --tenant lab",
            "show log --tenant nope",
            "show log --model nope --json",
            "show log --action substitute --tail 0",
            "show log --reason quality",
            "show log --reason 101",
            "show log --model middle",
            "show log --model grand --tail 2",
            "show log --model middle --kind all",
            "show log --correlation-id call-3",
            "show log --request-key none",
            "show log --outcome settled",
            "show log --outcome open",
            "show log --outcome unfunded --tail 1",
            "show log --outcome rejected --reason hard",
            "show log --outcome abandoned --json",
            "show log --kind checkpoint",
            "show log --since 2026-11-02T09:00:10Z --until 2026-11-02T09:00:16Z",
            "show log --from-sequence 6 --to-sequence 9",
            "show log --from-sequence 9 --to-sequence 6",
            "show log --since 2026-11-03 --until 2026-11-02",
            "show log --kind all",
            "show log --kind snapshot,budget --tail 3",
            "show log --kind all --tenant lab",
            "show log --json --tail 2",
            "show log --json --kind fellback",
        ],
    );
}

#[test]
fn explain() {
    let place = Place::new();
    place.check(
        "explain",
        &[
            &format!("explain log {EXECUTED}"),
            &format!("explain log {ABANDONED} --all"),
            &format!("explain log {REJECTED}"),
            &format!("explain log {UNFUNDED} --model slow"),
            &format!("explain log {FELL_BACK}"),
            &format!("explain log {OPEN} --model another"),
            &format!("explain log {RISKY}"),
        ],
    );
    place.check("explain-json", &[&format!("explain log {EXECUTED} --json")]);
}

#[test]
fn budget() {
    Place::new().check("budget", &["budget log", "budget log --json"]);
}

#[test]
fn spend() {
    Place::new().check(
        "spend",
        &[
            "spend log",
            "spend log --by tenant,model,day",
            "spend log --by month,provider --csv",
            "spend log --by model --since 2026-11-02T09:00:10Z --until 2026-11-03",
            "spend log --by day --json",
            "spend log --by day,model,day",
        ],
    );
}

#[test]
fn report() {
    let place = Place::new();
    let period = "report log --since 2026-11-02T09:00:10Z";
    place.check("report", &["report log --html page.html", "report log --json", period]);
    let page = std::fs::read_to_string(place.path().join("page.html")).unwrap();
    reports::compare("log.html", &page);
}

#[test]
fn verify_and_anchor() {
    Place::new()
        .check("verify", &["verify log", "verify log --json", "anchor log", "anchor log --json"]);
}

#[test]
fn prove_and_check() {
    let place = Place::new();
    place.check(
        "prove",
        &[
            "anchor log --tree",
            "prove log 5",
            "prove log 5 --output proof.json",
            "check proof.json",
            &format!("check proof.json --tree-head {}", place.tree_head()),
            &format!("check proof.json --tree-head {} --json", place.tree_head()),
            "check proof.json --tree-head cwal1-tree:07070707070707070707070707070707:19:0000000000000000000000000000000000000000000000000000000000000000",
            "prove log 6",
            "prove log 5 --tree-head cwal1-tree:07070707070707070707070707070707:19:0000000000000000000000000000000000000000000000000000000000000000",
        ],
    );
}

#[test]
fn export() {
    Place::new().check("export", &["export log --format jsonl", "export log --format csv"]);
}

#[test]
fn catalog() {
    Place::new().check(
        "catalog",
        &[
            "catalog check catalog.toml",
            "catalog check catalog.toml --policy policy.toml",
            "catalog check prices.json --policy policy.toml",
            "catalog check prices.json --json",
            "catalog diff catalog.toml catalog-later.toml",
            "catalog diff catalog.toml catalog-later.toml --policy policy.toml --top 1",
            "catalog diff catalog.toml prices.json --json",
            "catalog diff catalog.toml catalog.toml",
            "catalog price prices.json large --usage input=1000,cache_read=80000,output=500",
            "catalog price prices.json large --usage input=1001,output=7 --json",
            "catalog price prices.json larg --usage input=1",
        ],
    );
}

#[test]
fn repair() {
    let place = Place::new();
    let log = place.path().join("log");
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.check("repair-nothing", &["repair log"]);
    std::fs::write(segment(&log), bytes).unwrap();
    place.check("repair", &["verify log", "show log", "repair log", "verify log", "budget log"]);
}

#[test]
fn changes_by_hand() {
    let place = Place::new();
    let at = "--at 2026-11-02T10:00:00Z";
    let lines = [
        "tenant list log".to_owned(),
        "tenant list log --json".to_owned(),
        format!("tenant top-up log acme 1,500.25 --reason more-seats {at} --dry-run"),
        format!("tenant top-up log acme 1,500.25 --reason more-seats {at}"),
        format!("tenant refund log search 0.0001 --reason credit-note-17 {at}"),
        format!("tenant reduce log acme 9999 --reason fewer-seats {at}"),
        format!("tenant open log search/web 0.05 --parent search --reason own-key {at} --json"),
        format!("tenant open log web 12 --parent acme --reason own-key {at}"),
        format!("tenant freeze log lab --reason leaked {at}"),
        format!("tenant unfreeze log lab --reason new-key {at}"),
        format!(
            "tenant rules log lab --exposure-cap 0.5 --overrun draw-then-debt --reason trusted {at}"
        ),
        format!("tenant rules log lab --exposure-cap none --reason trusted {at} --json"),
        format!("tenant rules log lab --reason none-named {at}"),
        format!("tenant top-up log acm 1 --reason x {at}"),
        format!("tenant top-up log nobody 1 --reason x {at}"),
        format!("tenant top-up log acme 1,500 --reason x {at}"),
        format!("tenant top-up log acme 0 --reason x {at}"),
        "tenant list log".to_owned(),
        "show log --kind budget --tail 3".to_owned(),
        format!("ticket list log {at}"),
        format!("ticket list log {at} --json"),
        "retain log --before 2026-11-02T12:00:00Z".to_owned(),
        format!("checkpoint log {at} --dry-run"),
        format!("checkpoint log {at}"),
        format!("checkpoint log {at}"),
        "retain log --before 2026-11-02T09:59:59Z".to_owned(),
        "retain log --before 2026-11-02T10:00:00Z --archive old --dry-run".to_owned(),
        "retain log --before 2026-11-02T10:00:00Z --archive old".to_owned(),
        "retain log --before 2026-11-02T10:00:00Z --json".to_owned(),
        "budget log".to_owned(),
    ];
    place.check("by-hand", &lines.each_ref().map(String::as_str));
}

#[test]
fn route_and_demo() {
    Place::new().check(
        "route",
        &[
            "route --policy policy.toml --catalog catalog.toml --requests trace.csv --log new",
            "demo --dir demo",
            "explain demo/log 9",
        ],
    );
}

#[test]
fn refusals() {
    Place::new().check(
        "refusals",
        &[
            "explain log 0",
            "explain log 1",
            "explain log 2",
            "explain log 6",
            "explain log 8",
            "explain log 12",
            &format!("explain log {}", LAST + 1),
            "explain log 5 --model nobody",
            "explain nowhere 5",
            "explain nowhere 5 --json",
            "show nowhere",
            "show nowhere --json",
            "show log --since yesterday",
            "show log --reason spite",
            "budget nowhere",
            "spend nowhere",
            "spend log --since yesterday",
            "report nowhere --json",
            "report log --html policy.toml",
            "export nowhere --format csv",
            "export log --format csv --output policy.toml",
            "repair nowhere",
            "keygen policy.toml",
            "catalog check nowhere.toml",
            "catalog diff catalog.toml nowhere.toml",
            "man --output policy.toml",
        ],
    );
}

#[test]
fn help() {
    let place = Place::new();
    for command in [
        "",
        "demo",
        "route",
        "prove",
        "check",
        "show",
        "explain",
        "budget",
        "spend",
        "report",
        "verify",
        "anchor",
        "export",
        "repair",
        "tenant",
        "tenant list",
        "tenant open",
        "tenant top-up",
        "tenant reduce",
        "tenant refund",
        "tenant freeze",
        "tenant unfreeze",
        "tenant rules",
        "ticket",
        "ticket list",
        "checkpoint",
        "retain",
        "keygen",
        "catalog",
        "catalog check",
        "catalog diff",
        "catalog price",
        "completions",
        "man",
    ] {
        let name = format!("help {command}").trim_end().replace(' ', "-");
        place.check(&name, &[format!("{command} --help").trim_start()]);
        let text = std::fs::read_to_string(golden(&name)).unwrap();
        let refers = text.contains("Exit codes: as of");
        let group = ["", "catalog", "tenant", "ticket"].contains(&command);
        assert!(group || refers || text.contains("\n  3  "), "{name}: no exit code 3");
    }
}
