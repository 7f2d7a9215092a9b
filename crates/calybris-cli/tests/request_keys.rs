//! Request keys in a requests file: a call is decided once and charged once, however often and in whichever file it stands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod program;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use calybris_core::engine::{Call, Decided, Engine, EngineOptions, Record, UnixMillis};
use calybris_core::wal::Reader;
use program::*;
use serde_json::Value;

impl LogDirectory {
    fn route(&self, text: &str, options: &[&str]) -> Ran {
        self.route_under("catalog.toml", text, options)
    }

    fn route_under(&self, catalog: &str, text: &str, options: &[&str]) -> Ran {
        let requests = self.dir.path().join("requests");
        std::fs::write(&requests, text).unwrap();
        run(route(&input(catalog), &requests, &self.log).args(options))
    }

    fn decided(&self, sequence: u64) -> Decided<'static> {
        let record = Reader::open_at(&self.log, None, sequence).unwrap().next().unwrap().unwrap();
        let record = Record::decode(sequence, record.payload()).unwrap();
        let Record::Decided(decided) = record else { panic!("no decision") };
        decided
    }

    /// Decides the same request as that decision under a key, as a run does that is killed before it settles.
    fn leave_open(&self, like: &Decided<'_>, request_key: &str) -> u64 {
        let engine = Engine::open(&self.log, &EngineOptions::default()).unwrap();
        let call =
            Call::new(&like.tenant, UnixMillis::new(1), like.request).with_request_key(request_key);
        let outcome = engine.decide(&call).unwrap();
        assert!(outcome.ticket.is_some());
        engine.close().unwrap();
        outcome.decision_sequence
    }
}

/// The lines of `--each`, and the summary.
fn each(ran: &Ran) -> (Vec<Value>, Value) {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut lines: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    (lines, summary)
}

const EACH: [&str; 2] = ["--each", "--json"];
const AGAIN: [&str; 3] = ["--append", "--each", "--json"];

const TWO: &str = "request_key,input_tokens,output_tokens\na,374,44\nb,396,109\n";

#[test]
fn a_file_that_is_routed_again_is_charged_once() {
    let place = LogDirectory::new();
    let (first, before) = each(&place.route(TWO, &EACH));
    let bytes = std::fs::read(segment(&place.log)).unwrap();
    let (again, after) = each(&place.route(TWO, &AGAIN));
    assert_eq!(after["balances"], before["balances"]);
    assert_eq!(
        (&after["routed"]["repeated"], &after["routed"]["decisions"]),
        (&2.into(), &0.into())
    );
    assert_eq!(after["routed"]["committed_microunits"], 0);
    assert_eq!(after["records"], before["records"]);
    assert!(std::fs::read(segment(&place.log)).unwrap().starts_with(&bytes));
    for (first, again) in first.iter().zip(&again) {
        for same in ["decision_sequence", "request_key", "action", "reason", "model", "admission"] {
            assert_eq!(first[same], again[same]);
        }
        assert_eq!((&first["repeated"], &again["repeated"]), (&false.into(), &true.into()));
        assert_eq!(again["settled_sequence"], Value::Null);
    }
    let shown = run(program().arg("show").arg(&place.log).args(["--request-key", "b", "--json"]));
    let shown: Value = serde_json::from_str(shown.out.trim()).unwrap();
    assert_eq!(shown["sequence"], first[1]["decision_sequence"]);
}

#[test]
fn a_key_is_known_in_another_file_of_another_form_and_new_ones_are_decided() {
    let place = LogDirectory::new();
    let (first, _) = each(&place.route(TWO, &EACH));
    let rest = "{\"input_tokens\": 879, \"output_tokens\": 55, \"request_key\": \"c\"}\n\
                {\"input_tokens\": 396, \"output_tokens\": 109, \"request_key\": \"b\"}\n\
                {\"input_tokens\": 396, \"output_tokens\": 109}\n";
    let (again, summary) = each(&place.route(rest, &AGAIN));
    let repeated: Vec<&Value> = again.iter().map(|line| &line["repeated"]).collect();
    assert_eq!(repeated, [&Value::from(false), &true.into(), &false.into()]);
    assert_eq!(again[1]["decision_sequence"], first[1]["decision_sequence"]);
    assert_eq!(summary["routed"]["decisions"], 2);
    let shown = place.route(TWO, &["--append"]);
    assert!(shown.out.contains("answered again under its request key"), "{}", shown.out);
}

#[test]
fn a_key_that_stands_twice_is_decided_once_for_each_tenant() {
    let place = LogDirectory::new();
    let text = std::fs::read_to_string(input("policy.toml")).unwrap();
    let policy = place.dir.path().join("policy.toml");
    std::fs::write(&policy, text.replace("chat = 1_000_000", "chat = 1_000\nlab = 1_000")).unwrap();
    let requests = place.dir.path().join("requests.csv");
    let rows = "k,chat,374,44\nk,lab,374,44\nk,chat,374,44\n";
    std::fs::write(&requests, format!("request_key,tenant,input_tokens,output_tokens\n{rows}"))
        .unwrap();
    let mut command = program();
    command.arg("route").arg("--policy").arg(&policy);
    command.arg("--catalog").arg(input("catalog.toml")).arg("--requests").arg(&requests);
    let (lines, summary) = each(&run(command.arg("--log").arg(&place.log).args(EACH)));
    assert_eq!(lines[0]["decision_sequence"], lines[2]["decision_sequence"]);
    assert_ne!(lines[0]["decision_sequence"], lines[1]["decision_sequence"]);
    assert_eq!(
        (&summary["routed"]["decisions"], &summary["routed"]["repeated"]),
        (&2.into(), &1.into())
    );
    for balance in summary["balances"].as_array().unwrap() {
        assert_eq!(balance["committed_microunits"], 57 + 27);
    }
}

#[test]
fn a_key_that_the_log_has_for_another_request_stops_at_its_line() {
    let place = LogDirectory::new();
    each(&place.route(TWO, &EACH));
    let text = "request_key,input_tokens,output_tokens\nc,1,1\na,375,44\nd,1,1\n";
    let ran = place.route(text, &["--append"]);
    assert_eq!(ran.code, 3);
    for part in
        ["requests:3:1: `request_key`: found `a`", "tenant `chat`", "decision 3", "1 of 3 requests"]
    {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert_eq!(verify(&place.log).code, 0);
}

#[test]
fn a_key_for_two_requests_of_a_file_is_found_before_the_first_is_decided() {
    let place = LogDirectory::new();
    let ran = place.route(&format!("{TWO}a,375,44\nc,1,1\n"), &[]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    for part in
        ["requests:4:1: `request_key`: found `a`", "tenant `chat`", "request 1 of this file"]
    {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(!place.log.exists());
}

#[test]
fn what_a_killed_run_had_begun_is_settled_when_its_request_comes_again() {
    let place = LogDirectory::new();
    each(&place.route(TWO, &EACH));
    let like = place.decided(3);
    let open = place.leave_open(&like, "c");
    place.leave_open(&like, "never-again");
    // The prices have changed since; what is settled is what was decided.
    let row = "request_key,input_tokens,output_tokens\nc,374,44\n";
    let (lines, summary) = each(&place.route_under("catalog-later.toml", row, &AGAIN));
    assert_eq!(
        (&lines[0]["decision_sequence"], &lines[0]["repeated"]),
        (&open.into(), &true.into())
    );
    assert_eq!(lines[0]["actual_cost_microunits"], 57 + 27);
    assert_eq!(summary["found"]["abandoned_tickets"], 1);
    let balance = &summary["balances"][0];
    assert_eq!(balance["reserved_microunits"], 0);
    assert_eq!(balance["committed_microunits"], 2 * (57 + 27) + (60 + 66));
}

#[test]
fn without_keys_in_the_file_all_that_was_left_open_goes_back() {
    let place = LogDirectory::new();
    each(&place.route(TWO, &EACH));
    place.leave_open(&place.decided(3), "c");
    let row = "input_tokens,output_tokens\n374,44\n";
    let (_, summary) = each(&place.route(row, &AGAIN));
    assert_eq!(summary["found"]["abandoned_tickets"], 1);
    assert_eq!(summary["balances"][0]["reserved_microunits"], 0);
}

/// Killed anywhere and started again with the same file until it comes to its end: the money is that of one run.
#[test]
fn a_killed_run_that_is_made_again_comes_to_what_one_run_comes_to() {
    const REQUESTS: u64 = 400;
    let mut text = "request_key,input_tokens,output_tokens\n".to_owned();
    for n in 0..REQUESTS {
        writeln!(text, "key-{n},{},{}", 100 + n % 300, 20 + n % 50).unwrap();
    }
    let whole = LogDirectory::new();
    let (_, whole) = each(&whole.route(&text, &EACH));
    let killed = LogDirectory::new();
    let requests = killed.dir.path().join("requests");
    std::fs::write(&requests, &text).unwrap();
    for after in [3, 90, 170] {
        route_and_kill(&requests, &killed.log, after);
    }
    let (lines, summary) = each(&killed.route(&text, &AGAIN));
    assert_eq!(summary["balances"], whole["balances"]);
    let decisions: std::collections::BTreeSet<u64> =
        lines.iter().map(|line| line["decision_sequence"].as_u64().unwrap()).collect();
    assert_eq!(decisions.len(), lines.len());
    let budget = run(program().arg("budget").arg(&killed.log).arg("--json"));
    let budget: Value = serde_json::from_str(&budget.out).unwrap();
    assert_eq!(budget["decisions"], REQUESTS);
}

fn route_and_kill(requests: &Path, log: &Path, after: usize) {
    let mut command = route(&input("catalog.toml"), requests, log);
    if log.exists() {
        command.arg("--append");
    }
    let mut child =
        command.arg("--each").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(after).count(), after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_file_with_more_keys_than_a_log_remembers_is_refused_before_it_is_begun() {
    let place = LogDirectory::new();
    let rows: String = (0..=65_536).map(|n| format!("{n},1,1\n")).collect();
    let ran = place.route(&format!("request_key,input_tokens,output_tokens\n{rows}"), &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("65537") && ran.err.contains("in parts"), "{}", ran.err);
    assert!(!place.log.exists());
}

/// Our policy with those groups.
fn with_groups(groups: &str) -> String {
    let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
    policy.replace("[request]\n", &format!("[groups]\n{groups}[request]\n"))
}

#[test]
fn a_log_that_is_continued_keeps_its_numbers_so_a_key_stands_for_the_same_names() {
    let place = LogDirectory::new();
    let (policy, catalog) = (place.dir.path().join("p.toml"), place.dir.path().join("c.toml"));
    let requests = place.dir.path().join("r.csv");
    let listed = std::fs::read_to_string(input("catalog.toml")).unwrap();
    let with = |name: &str, provider: &str| {
        let large = &listed[..listed.find("\n[[model]]\nname = \"small\"").unwrap()];
        let other = large.replace("\"large\"", &format!("\"{name}\""));
        format!("{}\n{listed}", other.replace("\"p\"", &format!("\"{provider}\"")))
    };
    let route = |groups: &str, models: &str, rows: &str, options: &[&str]| {
        std::fs::write(&policy, with_groups(groups)).unwrap();
        std::fs::write(&catalog, models).unwrap();
        let header =
            "request_key,group,requested_model,allowed_providers,input_tokens,output_tokens";
        std::fs::write(&requests, format!("{header}\n{rows}\n")).unwrap();
        let mut command = program();
        command.arg("route").arg("--policy").arg(&policy).arg("--catalog").arg(&catalog);
        command.arg("--requests").arg(&requests).arg("--log").arg(&place.log);
        run(command.args(options))
    };
    let first = "eu = [\"*\"]\nus = [\"*\"]\n";
    let rows = "k1,eu,large,,10,10\nk2,,large,p,10,10\nk3,us,small,,10,10";
    each(&route(first, &listed, rows, &EACH));
    // Numbered afresh, `asia` would have the number of `eu`, `another` that of `large`, and `a` that of `p`.
    let second = "asia = [\"*\"]\neu = [\"*\"]\n";
    for (groups, models, reused) in [
        (second, listed.clone(), "k1,asia,large,,10,10"),
        (first, with("another", "p"), "k1,eu,another,,10,10"),
        (first, with("new", "a"), "k2,,large,a,10,10"),
    ] {
        let ran = route(groups, &models, reused, &AGAIN);
        let is_refused = ran.code == 3 && ran.err.contains("used for another request");
        assert!(is_refused, "{reused}: {}{}", ran.out, ran.err);
    }
    let more = with("another", "a");
    let (lines, _) = each(&route(second, &more, "k1,eu,large,,10,10\nk2,,large,p,10,10", &AGAIN));
    assert_eq!([&lines[0]["repeated"], &lines[1]["repeated"]], [true, true]);
    // Names that only the log has are unknown to requests.
    let ran = route(second, &more, "k3,us,small,,10,10", &AGAIN);
    assert!(ran.code == 2 && ran.err.contains("`group`: found `us`"), "{}", ran.err);
    assert!(ran.err.contains("has asia, eu"), "{}", ran.err);
    // Also after further catalogs: the number of `us` is given to no other group, and `us` gets it back.
    let ran = route(second, &listed, "k4,,large,a,10,10", &AGAIN);
    assert!(ran.code == 2 && ran.err.contains("found `a`, the catalog has p, q"), "{}", ran.err);
    let (lines, _) = each(&route(first, &listed, "k3,us,small,,10,10", &AGAIN));
    assert_eq!(lines[0]["repeated"], true);
    let replayed = run(program().arg("replay").arg(&place.log));
    assert_eq!(replayed.code, 0, "{}", replayed.err);
}
