//! `calybris route` and `demo`: the main job.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use program::*;
use serde_json::Value;

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
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
        "most models are below the minimum quality",
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

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = program()
        .arg("demo")
        .arg("--dir")
        .arg(dir.path().join("demo"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
