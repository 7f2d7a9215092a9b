//! The door to the terminal: no text of a file, a log or an argument reaches it as a command, whatever command prints it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::{Path, PathBuf};

use program::*;
use serde_json::Value;

/// Clears a screen, sets a title, turns a line around, begins a new one.
const HOSTILE: &str =
    "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\u{2028}\u{7f}\ny\tz";

/// How a row shows it: within its line.
const SHOWN: &str =
    "x\\u001b[2J\\u001b]0;t\\u0007\\u009b31m\\u202e\\u2066\\u200f\\u2028\\u007f\\u000ay\\u0009z";

struct Place(tempfile::TempDir);

impl Place {
    /// Inputs in which everything that has a name has the hostile one.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        // A JSON string is one of TOML, too, but for DEL.
        let name = |prefix: &str| {
            serde_json::to_string(&format!("{prefix}{HOSTILE}"))
                .unwrap()
                .replace('\u{7f}', "\\u007f")
        };
        let model = |prefix: &str, price: u64| {
            format!(
                "[[model]]\nname = {}\nprovider = {}\ninput_price_microunits_per_million_tokens = {price}\n\
                 output_price_microunits_per_million_tokens = {price}\nquality_bps = 9_000\nrisk_ceiling_bps = 9_000\n\
                 p95_latency_ms = 100\n",
                name(prefix),
                name("p")
            )
        };
        let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
        let limits = policy.split_once("[policy]").unwrap().1.split("\n[").next().unwrap();
        let policy = format!("[policy]{limits}\n[tenants]\n{} = 1_000\n", name("t"));
        place.write("policy.toml", &policy);
        place.write("catalog.toml", &(model("a", 1_000) + &model("b", 2_000_000)));
        let row = |correlation_id: &str, model: &str| {
            format!(
                "{{\"tenant\":{},\"requested_model\":{},\"correlation_id\":{correlation_id},\"input_tokens\":900,\
                 \"output_tokens\":100,\"business_value_microunits\":100000,\"budget_limit_microunits\":100000,\
                 \"risk_bps\":0,\"confidence_bps\":10000,\"minimum_quality_bps\":0}}\n",
                name("t"),
                name(model)
            )
        };
        place.write(
            "requests.jsonl",
            &(row(&name("c"), "b") + &row("\"=HYPERLINK(\\\"x\\\")\"", "a")),
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(program().current_dir(self.0.path()).args(arguments))
    }

    fn route(&self) {
        let ran = self.run(&[
            "route",
            "--policy",
            "policy.toml",
            "--catalog",
            "catalog.toml",
            "--requests",
            "requests.jsonl",
            "--log",
            "log",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(
            ran.out.contains(&format!("a{SHOWN}")) && ran.out.contains(&format!("t{SHOWN}")),
            "{}",
            ran.out
        );
        check(&ran, "route");
    }
}

/// Nothing of the hostile text is left but what it looks like.
fn check(ran: &Ran, what: &str) {
    for text in [&ran.out, &ran.err] {
        let obeyed = |letter: &char| {
            let program_s_own = ['\n', '\t'].contains(letter);
            (letter.is_control() && !program_s_own)
                || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let found: Vec<char> = text.chars().filter(obeyed).collect();
        assert!(found.is_empty(), "{what}: {found:?}\n{text}");
        assert!(
            !text.lines().any(|line| line.starts_with("y\tz")),
            "{what}: a forged line\n{text}"
        );
    }
}

#[test]
fn no_command_lets_a_text_that_it_read_reach_the_terminal_as_a_command() {
    let place = Place::new();
    place.route();
    let shown = place.run(&["show", "log", "--json"]).out;
    let first: Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    let sequence = first["sequence"].to_string();
    for arguments in [
        &["show", "log"][..],
        &["show", "log", "--json"],
        &["show", "log", "--kind", "all"],
        &["show", "log", "--kind", "all", "--json"],
        &["explain", "log", &sequence],
        &["explain", "log", &sequence, "--all"],
        &["explain", "log", &sequence, "--json"],
        &["budget", "log"],
        &["budget", "log", "--json"],
        &["replay", "log", "--policy", "policy.toml"],
        &["replay", "log", "--policy", "policy.toml", "--json"],
        &["replay", "log", "--policy", "policy.toml", "--html", "-"],
        &["sweep", "log", "--vary", "minimum_confidence_bps=1..2:1"],
        &["export", "log", "--format", "csv"],
        &["export", "log", "--format", "jsonl"],
        &["prove", "log", &sequence],
        &["tenant", "list", "log"],
        &["tenant", "list", "log", "--json"],
        &["tenant", "top-up", "log", &format!("t{HOSTILE}"), "1", "--reason", "\u{202e}x\u{2066}"],
        &["tenant", "freeze", "log", &format!("t{HOSTILE}"), "--reason", "\u{2028}", "--json"],
        &[
            "tenant",
            "open",
            "log",
            "u",
            "0",
            "--parent",
            &format!("t{HOSTILE}"),
            "--reason",
            "x",
            "--dry-run",
        ],
        &["ticket", "list", "log"],
        &["show", "log", "--kind", "budget"],
        &["catalog", "check", "catalog.toml"],
        &["catalog", "check", "catalog.toml", "--json"],
        &["catalog", "diff", "catalog.toml", "catalog.toml"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?} {}", ran.err);
        check(&ran, &format!("{arguments:?}"));
    }
}

#[test]
fn no_error_lets_an_argument_reach_the_terminal_as_a_command() {
    let place = Place::new();
    place.route();
    for arguments in [
        &[HOSTILE][..],
        &["show", HOSTILE],
        &["show", HOSTILE, "--json"],
        &["show", "log", "--kind", HOSTILE],
        &["show", "log", HOSTILE],
        &["show", "log", "--since", HOSTILE],
        &["show", "log", "--reason", HOSTILE],
        &["explain", "log", HOSTILE],
        &["explain", "log", "3", "--model", HOSTILE],
        &["verify", "log", "--anchor", HOSTILE],
        &["verify", "log", "--key-file", HOSTILE],
        &["check", HOSTILE],
        &["catalog", "check", HOSTILE],
        &["replay", "log", "--policy", HOSTILE],
        &["tenant", "top-up", "log", HOSTILE, "1", "--reason", "x"],
        &["tenant", "freeze", "log", &format!("t{HOSTILE}"), "--reason", HOSTILE],
        &["tenant", "top-up", "log", "x", HOSTILE, "--reason", "x"],
        &["tenant", "open", "log", "x", "1", "--parent", HOSTILE, "--reason", "x"],
        &["tenant", "list", HOSTILE],
        &["retain", "log", "--before", HOSTILE],
        &["sweep", "log", "--vary", HOSTILE],
        &[&format!("--{HOSTILE}")],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?} {}", ran.err);
        assert!(!ran.err.is_empty());
        let lines = format!("{arguments:?}");
        for text in [&ran.out, &ran.err] {
            let control = |letter: &char| letter.is_control() && !['\n', '\t'].contains(letter);
            let turned = |letter: &char| ('\u{2028}'..='\u{202e}').contains(letter);
            assert!(
                !text.chars().any(|letter| control(&letter) || turned(&letter)),
                "{lines}\n{text}"
            );
        }
    }
}

#[test]
fn json_lines_are_exact_and_csv_is_guarded() {
    let place = Place::new();
    place.route();
    let lines = place.run(&["export", "log", "--format", "jsonl"]).out;
    let decisions: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["kind"] == "decision")
        .collect();
    assert_eq!(decisions[0]["tenant"], format!("t{HOSTILE}"));
    assert_eq!(decisions[0]["correlation_id"], format!("c{HOSTILE}"));
    let csv = place.run(&["export", "log", "--format", "csv"]).out;
    assert!(csv.contains(&format!("t{SHOWN}")), "{csv}");
    assert!(csv.contains(",\"'=HYPERLINK(\"\"x\"\")\","), "{csv}");
    assert_eq!(place.run(&["export", "log", "--format", "csv", "--output", "a.csv"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path("a.csv")).unwrap(), csv);
    assert_eq!(csv.lines().count(), 3);
}

/// A pipe gets all of a name, however long.
#[test]
fn a_pipe_gets_whole_names_and_numbers() {
    let place = Place::new();
    let (tenant, model) = ("t".repeat(60), "seller/".repeat(10) + "m");
    let replace = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        let hostile = serde_json::to_string(&format!("{from}{HOSTILE}"))
            .unwrap()
            .replace('\u{7f}', "\\u007f");
        assert!(text.contains(&hostile), "{name}");
        place.write(name, &text.replace(&hostile, &format!("\"{to}\"")));
    };
    replace("policy.toml", "t", &tenant);
    replace("requests.jsonl", "t", &tenant);
    replace("requests.jsonl", "a", &model);
    replace("catalog.toml", "a", &model);
    let ran = place.run(&[
        "route",
        "--policy",
        "policy.toml",
        "--catalog",
        "catalog.toml",
        "--requests",
        "requests.jsonl",
        "--log",
        "log",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for arguments in [&["show", "log"][..], &["show", "log", "--kind", "all"], &["budget", "log"]] {
        let out = place.run(arguments).out;
        assert!(out.contains(&tenant), "{arguments:?} {out}");
        assert!(arguments[0] == "budget" || out.contains(&model), "{arguments:?} {out}");
    }
    let _: &Path = place.0.path();
}
