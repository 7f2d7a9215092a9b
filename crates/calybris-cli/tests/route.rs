//! `calybris route` and `demo`: the main job.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use program::*;
use serde_json::Value;

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn requests_may_come_from_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    for (number, path) in ["-", "/dev/stdin"].into_iter().enumerate() {
        let log = dir.path().join(number.to_string());
        let mut command = route(&input("catalog.toml"), Path::new(path), &log);
        command.stdin(Stdio::from(std::fs::File::open(input("requests.jsonl")).unwrap()));
        assert_eq!(json(&run(command.arg("--json")))["routed"]["decisions"], 3);
        let log = log.with_extension("piped");
        let mut command = route(&input("catalog.toml"), Path::new(path), &log);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).arg("--json");
        let mut child = command.spawn().unwrap();
        let text = std::fs::read(input("trace.csv")).unwrap();
        child.stdin.take().unwrap().write_all(&text).unwrap();
        let output = child.wait_with_output().unwrap();
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["routed"]["decisions"], 3);
    }
}

#[test]
fn every_form_of_catalog_and_requests_gives_the_same_decisions() {
    let mut seen = Vec::new();
    for catalog in ["catalog.toml", "prices.json"] {
        for requests in ["trace.csv", "requests.jsonl"] {
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join("log");
            let ran = run(route(&input(catalog), &input(requests), &log).arg("--json"));
            let object = json(&ran);
            assert_eq!(object["routed"]["decisions"], 3);
            assert_eq!(object["catalog"]["models"], 2);
            assert_eq!(object["records"], 2 + 3 + 3);
            // `small` wins: 374 * 0.15 + 44 * 0.6 dollars per million, each part rounded up, and so on.
            assert_eq!(
                object["routed"]["committed_microunits"],
                (57 + 27) + (60 + 66) + (132 + 33)
            );
            seen.push((object["routed"].clone(), object["catalog"]["digest"].clone()));
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_refusal_by_a_freeze_or_a_cap_is_not_told_as_lack_of_money() {
    let LogDirectory { dir: _dir, log } = LogDirectory::new();
    let again = || {
        let mut command = route(&input("catalog.toml"), &input("trace.csv"), &log);
        command.arg("--append");
        command
    };
    assert_eq!(run(&mut route(&input("catalog.toml"), &input("trace.csv"), &log)).code, 0);
    for (verb, key, said, advice) in [
        (&["freeze", "--reason", "leak"][..], "frozen", "the tenant is frozen", "tenant unfreeze"),
        (&["unfreeze", "--reason", "mended"], "", "", ""),
        (
            &["rules", "--exposure-cap", "0.00001", "--reason", "care"],
            "over_cap",
            "exceed its cap",
            "tenant rules",
        ),
    ] {
        let (verb, more) = verb.split_first().unwrap();
        let changed = run(program().args(["tenant", verb]).arg(&log).arg("chat").args(more));
        assert_eq!(changed.code, 0, "{}", changed.err);
        if key.is_empty() {
            continue;
        }
        let routed = run(&mut again());
        assert!(routed.out.contains(said) && routed.out.contains(advice), "{}", routed.out);
        assert!(!routed.out.contains("lack of money"), "{}", routed.out);
        let routed = &json(&run(again().arg("--json")))["routed"];
        assert_eq!((&routed[key], &routed["insufficient_budget"]), (&3.into(), &0.into()));
        assert_eq!(routed["tenants"]["chat"]["refused_by_budget"], 3);
    }
}

#[test]
fn a_log_is_never_overwritten_and_is_continued_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let route = || route(&input("catalog.toml"), &input("trace.csv"), &log);
    assert_eq!(run(&mut route()).code, 0);
    let before = std::fs::read(segment(&log)).unwrap();
    let again = run(&mut route());
    assert_eq!(again.code, 2);
    assert!(again.err.contains("never overwritten"), "{}", again.err);
    assert_eq!(std::fs::read(segment(&log)).unwrap(), before);
    let continued = json(&run(route().args(["--append", "--json"])));
    assert_eq!(continued["found"]["records"], 8);
    assert_eq!(continued["records"], 8 + 6);
    let spent = 1_000_000 - continued["balances"][0]["available_microunits"].as_u64().unwrap();
    assert_eq!(spent, 2 * 375);
    assert!(std::fs::read(segment(&log)).unwrap().starts_with(&before));
}

#[test]
fn what_was_really_generated_decides_what_is_spent() {
    let dir = tempfile::tempdir().unwrap();
    let requests = dir.path().join("r.csv");
    std::fs::write(&requests, "input_tokens,output_tokens,actual_output_tokens\n1000,500,100\n")
        .unwrap();
    let ran = run(route(&input("catalog.toml"), &requests, &dir.path().join("log")).arg("--json"));
    let object = json(&ran);
    assert_eq!(object["routed"]["reserved_microunits"], 150 + 300);
    assert_eq!(object["routed"]["committed_microunits"], 150 + 60);
}

#[test]
fn a_keyed_log_needs_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let (log, key, other) = (dir.path().join("log"), dir.path().join("k"), dir.path().join("o"));
    std::fs::write(&key, "0a".repeat(32)).unwrap();
    std::fs::write(&other, "0b".repeat(32)).unwrap();
    let routed =
        run(route(&input("catalog.toml"), &input("trace.csv"), &log).arg("--key-file").arg(&key));
    assert_eq!(routed.code, 0, "{}", routed.err);
    assert_eq!(verify(&log).code, 2);
    let with = |key| run(program().arg("verify").arg(&log).arg("--key-file").arg(key));
    assert_eq!(with(&other).code, 2);
    let verified = with(&key);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert!(verified.out.contains("made by a holder of the key"));
}

#[test]
fn the_demo_shows_every_kind_of_outcome_and_its_own_commands_work() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let ran = run(program().arg("demo").arg("--dir").arg(&demo));
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in [
        "40 models of 14 providers",
        "the requested model was best",
        "another model was better",
        "quality turned away the most models",
        "the tenant's budget did not suffice",
        "outside the catalog",
        "verified from the disk",
        "What to try next",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    let log = demo.join("log");
    let anchored = run(program().arg("verify").arg(&log).arg("--anchor").arg(demo.join("anchor")));
    assert_eq!(anchored.code, 0, "{}", anchored.err);
    let again = run(program()
        .arg("route")
        .args(["--policy".into(), demo.join("policy.toml")])
        .args(["--catalog".into(), demo.join("catalog.toml")])
        .args(["--requests".into(), demo.join("requests.csv")])
        .args(["--log".into(), demo.join("log-2")])
        .arg("--json"));
    let object = json(&again);
    assert_eq!(object["routed"]["decisions"], 300);
    // Bundled or read from files, the same requests give the same decisions and spend the same.
    let bundled = ran.out.lines().filter(|line| line.contains("research")).collect::<String>();
    let spent = object["routed"]["tenants"]["research"]["committed_microunits"].as_u64().unwrap();
    let spent = format!("{}.{:06}", spent / 1_000_000, spent % 1_000_000);
    assert!(bundled.contains(&spent), "{bundled} {spent}");
    assert_eq!(run(program().arg("demo").arg("--dir").arg(&demo)).code, 2);
}

/// What a new user is told to type works, in that order, and the changed byte is caught.
#[cfg(unix)]
/// So what the demo prints is the same on every day.
#[test]
fn every_time_in_the_demo_is_of_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    assert_eq!(run(program().arg("demo").arg("--dir").arg(&demo)).code, 0);
    let ran = run(program().arg("export").arg(demo.join("log")).args(["--format", "jsonl"]));
    let requests = std::fs::read_to_string(demo.join("requests.csv")).unwrap();
    let dated: Vec<&str> =
        requests.lines().skip(1).map(|line| line.split_once(',').unwrap().0).collect();
    for line in ran.out.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let time = record["time"].as_str().unwrap();
        match record["kind"].as_str().unwrap() {
            "snapshot" | "budget" => assert_eq!(time, "2026-11-01T09:00:01.206Z", "{line}"),
            _ => assert!(dated.contains(&time), "{line}"),
        }
    }
}

#[test]
fn every_command_that_the_demo_prints_works() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(program().current_dir(dir.path()).args(["demo", "--dir", "my demo"]));
    let (_, next) = ran.out.split_once("What to try next.").unwrap();
    let commands = next.replace("\\\n", " ");
    let commands: Vec<&str> = commands.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.len() >= 9, "{next}");
    for command in &commands {
        let mut shell = std::process::Command::new("sh");
        let ran = run(shell.current_dir(dir.path()).arg("-c").arg(command));
        let caught = command.contains("verify") && command.contains("log-changed");
        assert_eq!(ran.code, i32::from(caught), "{command}\n{}\n{}", ran.out, ran.err);
        assert!(!caught || ran.err.contains("the frame's hash does not match"), "{}", ran.err);
    }
    let page = std::fs::read_to_string(dir.path().join("my demo/report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = program()
        .arg("demo")
        .arg("--dir")
        .arg(dir.path().join("demo"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn append_continues_a_log_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("mistyped");
    let ran = run(route(&input("catalog.toml"), &input("trace.csv"), &log).arg("--append"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no log to append to"), "{}", ran.err);
    assert!(!log.exists());
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join("notes.txt"), "mine").unwrap();
    let ran = run(route(&input("catalog.toml"), &input("trace.csv"), &log).arg("--append"));
    assert_eq!(ran.code, 2);
    assert_eq!(std::fs::read_dir(&log).unwrap().count(), 1);
}

#[test]
fn another_grant_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    assert_eq!(run(&mut route(&input("catalog.toml"), &input("trace.csv"), &log)).code, 0);
    let before = std::fs::read(segment(&log)).unwrap();
    let policy = dir.path().join("policy.toml");
    let text = std::fs::read_to_string(input("policy.toml")).unwrap();
    let text = text.replace("chat = 1_000_000", "aaa = 5\nchat = 2_000_000");
    std::fs::write(
        &policy,
        text.replace("hard_risk_limit_bps = 9_500", "hard_risk_limit_bps = 9_400"),
    )
    .unwrap();
    let mut command = program();
    command.arg("route").arg("--policy").arg(&policy).arg("--catalog").arg(input("catalog.toml"));
    command.arg("--requests").arg(input("trace.csv")).arg("--log").arg(&log).arg("--append");
    let ran = run(&mut command);
    assert_eq!(ran.code, 2);
    for part in ["policy.toml", "`chat`", "found 2000000", "grants 1000000"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert_eq!(std::fs::read(segment(&log)).unwrap(), before);
}

#[test]
fn a_failure_is_json_too_when_json_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let ran =
        run(route(Path::new("missing"), &input("trace.csv"), &dir.path().join("l")).arg("--json"));
    assert_eq!(ran.code, 2);
    let object: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(object["error"].as_str().unwrap().starts_with("missing: "));
    assert_eq!(object["intact"], Value::Null);
}

#[test]
fn every_line_of_the_demo_fits_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(program().current_dir(dir.path()).args(["demo", "--dir", "my demo"]));
    let log = Path::new("my demo/log").display().to_string();
    for line in ran.out.lines() {
        // A path is as long as it is, and so is an anchor.
        let own = line.contains(&log) || line.contains("anchor") || line.contains("calybris");
        assert!(own || line.len() <= 80, "{line}");
    }
    assert!(ran.out.contains("'my demo/log'"), "{}", ran.out);
}

/// A file that may not grow is a disk that is full. The log was begun, so the exit code is 3, and what it holds is
/// whole: it verifies, goes on, and its budgets add up.
#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let requests = dir.path().join("requests.csv");
    let rows = "100,20\n".repeat(2_000);
    std::fs::write(&requests, format!("input_tokens,output_tokens\n{rows}")).unwrap();
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg("trap '' XFSZ; ulimit -f 64; exec \"$@\"").arg("sh");
    let route = route(&input("catalog.toml"), &requests, &log);
    command.arg(route.get_program()).args(route.get_args());
    let ran = run(&mut command);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let counted = ran.err.split_once(" of 2000 requests are decided in the log").unwrap().0;
    let counted: u64 = counted.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(verify(&log).code, 0);
    let again = run(route_again(&log).args(["--append", "--json"]));
    let object = json(&again);
    let found = object["found"]["decisions"].as_u64().unwrap();
    assert!(found > 10 && found < 2_000, "{found}");
    assert_eq!(counted, found, "what is said is what the log holds");
    let balance = &object["balances"][0];
    assert_eq!(balance["reserved_microunits"], 0);
    // Each of these requests costs 250 + 200 microunits, but for one that the failure left open.
    let spent = balance["committed_microunits"].as_u64().unwrap() - 375;
    assert!(spent == found * 450 || spent == (found - 1) * 450, "{spent} {found}");
}

/// Standard output fails after the first decision is in the log, and that is what is said.
#[test]
fn a_run_that_stops_says_what_the_log_holds() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), &log);
    let output = command.arg("--each").stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("1 of 3 requests are decided in the log"), "{err}");
    let shown = run(program().arg("show").arg(&log).args(["--tail", "0", "--json"]));
    assert_eq!(shown.out.lines().count(), 1);
}

#[cfg(unix)]
fn route_again(log: &Path) -> std::process::Command {
    route(&input("catalog.toml"), &input("trace.csv"), log)
}

#[test]
fn an_exit_code_survives_a_closed_standard_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return };
    let status = program().args(["verify", "no-such-log"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn the_demo_explains_and_proves_a_decision_that_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let printed = run(program().arg("demo").arg("--dir").arg(&demo));
    assert_eq!(printed.code, 0, "{}", printed.err);
    let typed = |command: &str| -> Vec<String> {
        let mut lines = printed.out.lines();
        let line = lines.find(|line| line.split_whitespace().nth(1) == Some(command)).unwrap();
        let words = line.split_whitespace().skip(1).take_while(|word| *word != ">");
        words.map(str::to_owned).collect()
    };
    let shown = run(program().args(typed("show")));
    let explain = typed("explain");
    let decision = explain.last().unwrap();
    let shows = |line: &str| line.split_whitespace().next() == Some(decision.as_str());
    assert!(shown.out.lines().any(shows), "{decision} {}", shown.out);
    assert_eq!(run(program().args(&explain)).code, 0);
    std::fs::write(demo.join("tree-head"), run(program().args(typed("anchor"))).out).unwrap();
    for command in ["prove", "check"] {
        let ran = run(program().args(typed(command)));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

#[test]
fn a_changed_policy_under_the_same_epoch_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (log, policy) = (dir.path().join("log"), dir.path().join("policy.toml"));
    let text = std::fs::read_to_string(input("policy.toml")).unwrap();
    let routed = |text: &str, append: bool| {
        std::fs::write(&policy, text).unwrap();
        let mut command = program();
        command.arg("route").arg("--policy").arg(&policy);
        command.arg("--catalog").arg(input("catalog.toml"));
        command.arg("--requests").arg(input("trace.csv")).arg("--log").arg(&log);
        let ran = run(if append { command.arg("--append") } else { &mut command });
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    assert!(!routed(&text, false).contains("new snapshot installed"));
    assert!(!routed(&text, true).contains("new snapshot installed"));
    let number = "hard_risk_limit_bps = ";
    let at = text.find(number).unwrap() + number.len();
    let end = at + text[at..].find('\n').unwrap();
    let changed = format!("{}8888{}", &text[..at], &text[end..]);
    let out = routed(&changed, true);
    assert!(out.contains("; policy_epoch not raised\n"), "{out}");
    // Back again, with the epoch raised.
    let epoch = "policy_epoch = ";
    let raised = text.replacen(epoch, "policy_epoch = 9", 1);
    assert_ne!(raised, text);
    let out = routed(&raised, true);
    assert!(out.contains("new snapshot installed, record") && !out.contains("not raised"), "{out}");
    // Groups are a part of the policy: a new one, and one with other models.
    for patterns in ["*", "small"] {
        let out = routed(&format!("{raised}\n[groups]\nsome = [\"{patterns}\"]\n"), true);
        assert!(out.contains("; policy_epoch not raised\n"), "{patterns}: {out}");
        assert!(!out.contains("catalog_epoch"), "{patterns}: {out}");
    }
}

#[test]
fn a_directory_that_is_made_is_never_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let mut routed = route(&input("catalog.toml"), &input("trace.csv"), Path::new("-"));
    let mut demo = program();
    for command in [&mut routed, demo.args(["demo", "--dir", "-"])] {
        let refused = run(command.current_dir(dir.path()));
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("-: a log is a directory"), "{}", refused.err);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let mut named = route(&input("catalog.toml"), &input("trace.csv"), Path::new("./-"));
    assert_eq!(run(named.current_dir(dir.path())).code, 0);
}
