//! Bad files: each is refused with its name, its place, what was found and what is allowed, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "test code")]

mod program;

use std::path::Path;

use program::*;

/// Runs `route` with one input replaced by `content`, and checks that the refusal is complete.
fn refused(replaced: &str, content: &str, parts: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join(format!("bad-{replaced}"));
    std::fs::write(&bad, content).unwrap();
    let log = dir.path().join("log");
    let pick = |name: &str| if name == replaced { bad.clone() } else { input(name) };
    let mut command = program();
    command.arg("route").arg("--policy").arg(pick("policy.toml"));
    command.arg("--catalog").arg(pick(if replaced == "prices.json" {
        replaced
    } else {
        "catalog.toml"
    }));
    command.arg("--requests").arg(pick("trace.csv")).arg("--log").arg(&log);
    if replaced == "key" {
        command.arg("--key-file").arg(&bad);
    }
    let ran = run(&mut command);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.starts_with(&format!("calybris: {}", bad.display())), "{}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "`{part}` is not in: {}", ran.err);
    }
    assert!(!log.exists(), "something was left behind");
}

fn with(name: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(input(name)).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, 1)
}

#[test]
fn policies() {
    let policy =
        |from, to, parts: &[&str]| refused("policy.toml", &with("policy.toml", from, to), parts);
    policy("= 9_500", "= 10_001", &[":4:", "hard_risk_limit_bps", "10001", "0 to 10,000"]);
    policy("= 9_500", "= \"high\"", &[":4:", "hard_risk_limit_bps", "\"high\"", "0 to 10,000"]);
    policy("= 9_500", "= -1", &[":4:", "-1", "0 to 10,000"]);
    policy("policy_epoch = 1\n", "", &["policy_epoch"]);
    policy("[tenants]", "[tenant]", &[":9:", "tenant"]);
    policy("chat = 1_000_000", "chat = -1", &[":10:", "chat = -1"]);
    policy("chat = 1_000_000", "", &["[tenants]"]);
    policy("chat = 1_000_000", "\"\" = 1", &[":10:1: ", "a name is empty"]);
    let long = format!("{} = 1", "n".repeat(129));
    policy("chat = 1_000_000", &long, &["[tenants]", "129"]);
    policy("tenant = \"chat\"", "tenant = \"chta\"", &["[request]", "`chta`", "chat"]);
    policy(
        "minimum_quality_bps = 5_000",
        "minimum_quality_bps = 5_000\nrequired_regions = [\"mars\"]",
        &["[request]", "`mars`", "us"],
    );
    policy("risk_bps = 500", "risk = 500", &[":17:", "risk"]);
    policy("name = \"*\"", "name = \"[\"", &[":22:", "pattern"]);
    policy("quality_bps = 8_500", "quality = 8_500", &[":23:", "quality"]);
    policy("[policy]", "[policy", &[":1:"]);
    refused("policy.toml", "", &["policy"]);
}

#[test]
fn catalogs() {
    let catalog =
        |from, to, parts: &[&str]| refused("catalog.toml", &with("catalog.toml", from, to), parts);
    catalog("provider = \"p\"", "vendor = \"p\"", &[":3:", "vendor"]);
    catalog("= 2_500_000", "= -2_500_000", &[":4:45: ", "-2500000"]);
    catalog("= 2_500_000", "= 2.5", &[":4:", "2.5"]);
    catalog("name = \"small\"", "name = \"large\"", &["`large` is listed twice"]);
    catalog("name = \"small\"", "", &["name"]);
    catalog("input_price_microunits_per_million_tokens = 150_000\n", "", &["input_price"]);
    refused("catalog.toml", "", &["holds no model"]);
    refused(
        "catalog.toml",
        "{\"name\": \"x\", \"version\": \"1\"}",
        &["holds no model", "2 entries"],
    );
    refused("catalog.toml", "[{\"name\": \"x\"}]", &["array"]);
}

#[test]
fn price_lists() {
    let prices =
        |from, to, parts: &[&str]| refused("prices.json", &with("prices.json", from, to), parts);
    prices(
        "2.5e-06",
        "-2.5e-06",
        &[":3:", "`large`", "`input_cost_per_token`", "`-2.5e-06`", "at least 0"],
    );
    prices("2.5e-06", "\"cheap\"", &[":3:", "`large`", "`cheap`", "decimal"]);
    prices("2.5e-06", "1e99", &[":3:", "`1e99`", "at most"]);
    prices("2.5e-06", "[1]", &[":3:", "`[1]`"]);
    prices("\"litellm_provider\": \"p\", ", "", &[":3:", "`litellm_provider`", "missing"]);
    prices("\"small\"", "\"large\"", &[":4:3: ", "`large` appears twice"]);
    prices("1e-05},", "1e-05}", &[":4:", "not a price list"]);
}

#[test]
fn requests() {
    let trace =
        |from, to, parts: &[&str]| refused("trace.csv", &with("trace.csv", from, to), parts);
    trace("396,109", "-396,109", &[":3:", "`input_tokens`", "`-396`", "0 to 4,294,967,295"]);
    trace("396,109", "396,many", &[":3:", "`output_tokens`", "`many`"]);
    trace("396,109", "396", &[":3:"]);
    trace(
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "TIMESTAMP,ContextTokens",
        &[":1:", "`output_tokens`"],
    );
    trace("TIMESTAMP,", "TIMESTAMP;", &[":1:", "commas", "ContextTokens"]);
    refused("trace.csv", "[{\"input_tokens\": 1}]", &["JSON array"]);
    trace("2023-11-16 18:15:50", "yesterday", &[":3:", "`time`", "yesterday"]);
    trace("GeneratedTokens", "Generated", &[":1:", "`Generated`", "output_tokens"]);
    refused("trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n", &["no request"]);
    refused("trace.csv", "", &["no request"]);
    refused("trace.csv", "{\"input_tokens\": 1}\n", &[":1:", "`output_tokens`", "missing"]);
}

#[test]
fn keys() {
    refused("key", "secret", &["64 hexadecimal digits"]);
    refused("key", &"0a".repeat(31), &["64 hexadecimal digits"]);
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_named() {
    let missing = Path::new("no-such-file.toml");
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&mut route(missing, &input("trace.csv"), &dir.path().join("log")));
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("calybris: no-such-file.toml: "), "{}", ran.err);
    let binary = dir.path().join("binary");
    std::fs::write(&binary, [0x7f, b'E', b'L', b'F', 0xff]).unwrap();
    let ran = run(&mut route(&binary, &input("trace.csv"), &dir.path().join("log")));
    assert!(ran.err.contains("1:5: the byte 0xff is not valid UTF-8"), "{}", ran.err);
}
