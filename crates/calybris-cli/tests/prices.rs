//! `catalog price`: what a call costs, and what each line of a file costs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use program::*;
use serde_json::{Value, json};

const LIST: &str = r#"{
  "large": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
    "cache_read_input_token_cost": 3e-07, "input_cost_per_token_above_200k_tokens": 6e-06,
    "output_cost_per_token_above_200k_tokens": 2.25e-05, "cache_read_input_token_cost_above_200k_tokens": 6e-07,
    "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 7.5e-06,
    "input_cost_per_image": 0.01},
  "small": {"mode": "responses", "litellm_provider": "q", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07},
  "embed": {"mode": "embedding", "litellm_provider": "p", "input_cost_per_token": 1e-07, "output_cost_per_token": 0},
  "paint": {"mode": "image_generation", "litellm_provider": "p", "output_cost_per_image": 0.01}
}"#;

struct Place {
    dir: tempfile::TempDir,
    list: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("prices.json");
        std::fs::write(&list, LIST).unwrap();
        Self { dir, list }
    }

    fn price(&self, arguments: &[&str]) -> Ran {
        run(program().args(["catalog", "price"]).arg(&self.list).args(arguments))
    }

    fn price_lines(&self, lines: &[u8]) -> Ran {
        let file = self.dir.path().join("usage.jsonl");
        std::fs::write(&file, lines).unwrap();
        self.price(&["--usage-file", file.to_str().unwrap(), "--json"])
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_call_is_priced_class_by_class_in_its_band() {
    let place = Place::new();
    let usage = ["large", "--usage", "input=1000,cache_read=80000,output=500"];
    let ran = place.price(&usage);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for part in [
        "large of p",
        " cache read  80,000     0.300000  0.024000",
        " total                            0.034500",
        "rates of the band up to 200,000 prompt tokens; this prompt has 81,000",
        "note: it has prices for images, which are not modelled",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    let object = |usage: &str| -> Value {
        serde_json::from_str(&place.price(&["large", "--usage", usage, "--json"]).out).unwrap()
    };
    let at = object("input=1000,cache_read=199000,output=500");
    let above = object("input=1001,cache_read=199000,output=500");
    assert_eq!(
        (&at["cost_microunits"], &at["band"]["above_prompt_tokens"]),
        (&json!(70_200), &json!(0))
    );
    assert_eq!(above["cost_microunits"], 6_006 + 119_400 + 11_250);
    assert_eq!(above["band"], json!({"above_prompt_tokens": 200_000, "up_to_prompt_tokens": null}));
    let class = json!({"class": "cache_read", "tokens": 199_000, "rate_microunits_per_million_tokens": 600_000});
    assert_eq!((&above["classes"][1], &above["notes"]), (&class, &json!(["images"])));
    // Whatever has prices per token is priced, also what no request would be sent to.
    assert!(place.price(&["embed", "--usage", "input=20000"]).out.contains(" 0.002000\n"));
    let batch = place.price(&["large@batch", "--usage", "input=1000,output=500", "--json"]);
    let batch: Value = serde_json::from_str(&batch.out).unwrap();
    assert_eq!(batch["cost_microunits"], 1_500 + 3_750);
}

#[test]
fn what_cannot_be_priced_is_told_with_what_there_is() {
    let place = Place::new();
    let ran = place.price(&["LARGE", "--usage", "input=1"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("has no model `LARGE` with prices; it has `large`, `large@batch`"),
        "{}",
        ran.err
    );
    let ran = place.price(&["paint", "--usage", "input=1"]);
    assert!(ran.code == 2 && ran.err.contains("has no model `paint` with prices\n"), "{}", ran.err);
    let twice = place.price(&["large", "--usage", "input=1,input=2"]);
    assert!(twice.code == 2 && twice.err.contains("`input` appears twice"), "{}", twice.err);
    assert_eq!(place.price(&["large"]).code, 2);
    assert_eq!(place.price(&["large", "--usage", "input=1", "--usage-file", "-"]).code, 2);
    let nowhere = place.price(&["--usage-file", "nowhere.jsonl", "--json"]);
    assert!(nowhere.code == 2 && nowhere.err.contains("nowhere.jsonl"), "{}", nowhere.err);
}

#[test]
fn every_line_of_a_usage_file_has_one_line_of_output_in_order() {
    let place = Place::new();
    let good = "{\"model\": \"small\", \"usage\": {\"input\": 1000, \"output\": 10}}\n\
                {\"model\": \"large\", \"usage\": {}}\n\
                {\"model\": \"nobody\", \"usage\": {\"input\": 1}}\n";
    let ran = place.price_lines(good.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let expected = [
        json!({"model": "small", "cost_microunits": 156}),
        json!({"model": "large", "cost_microunits": 0}),
        json!({"model": "nobody", "error": "the catalog has no model `nobody` with prices"}),
    ];
    assert_eq!(lines(&ran.out), expected);

    let bad = format!("{good}\n{{\"model\": \"small\", \"usage\": {{\"input\": -1}}}}\n{good}");
    let ran = place.price_lines(bad.as_bytes());
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("some lines cannot be read, the first is line 4"), "{}", ran.err);
    let priced = lines(&ran.out);
    assert_eq!((&priced[..3], &priced[5..]), (&expected[..], &expected[..]));
    assert_eq!(priced[3], json!({"line": 4, "error": "an empty line"}));
    let error = priced[4]["error"].as_str().unwrap();
    assert!(priced[4]["line"] == 5 && error.contains("found `-1`"), "{error}");
    assert_eq!(place.price_lines(b"").out, "");
}

#[test]
fn the_lines_may_come_from_a_pipe_and_the_list_may_be_our_own() {
    let mut child = program()
        .args(["catalog", "price"])
        .arg(input("catalog.toml"))
        .args(["--usage-file", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..20_000 {
            pipe.write_all(b"{\"model\":\"large\",\"usage\":{\"input\":1000}}\n").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let priced = lines(&text);
    assert_eq!(priced.len(), 20_000);
    assert!(priced.iter().all(|line| *line == priced[0]) && priced[0]["cost_microunits"].is_u64());
}

#[test]
fn a_new_list_is_compared_class_by_class_and_group_by_group() {
    let place = Place::new();
    let later = LIST
        .replace("\"cache_read_input_token_cost\": 3e-07", "\"cache_read_input_token_cost\": 6e-07")
        .replace("\"small\": {", "\"small\": {\"max_input_tokens\": 8000, ")
        .replace("\"paint\": {\"mode\": \"image_generation\"", "\"medium\": {\"mode\": \"chat\", \"input_cost_per_token\": 1e-06, \"output_cost_per_token\": 2e-06")
        .replace("above_200k_tokens\": 2.25e-05", "above_200k_tokens\": 3e-05");
    let (file, policy) =
        (place.dir.path().join("later.json"), place.dir.path().join("policy.toml"));
    std::fs::write(&file, later).unwrap();
    let rules = std::fs::read_to_string(input("policy.toml")).unwrap();
    std::fs::write(&policy, format!("{rules}\n[groups]\nmost = [\"[lm]*\"]\n")).unwrap();
    let ran = run(program()
        .args(["catalog", "diff"])
        .arg(&place.list)
        .arg(&file)
        .arg("--policy")
        .arg(&policy));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for part in [
        "cache read price",
        "output price above 200000 prompt tokens",
        "max prompt tokens",
        " most   1: medium",
        "1 added",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    let diff = |with: &[&str]| -> Value {
        let mut command = program();
        command.args(["catalog", "diff", "--json"]).arg(&place.list).arg(&file).args(with);
        serde_json::from_str(&run(&mut command).out).unwrap()
    };
    let with = diff(&["--policy", policy.to_str().unwrap()]);
    assert_eq!(
        with["changed_groups"],
        json!([{"group": "most", "added": ["medium"], "removed": []}])
    );
    assert_eq!(diff(&[])["changed_groups"], json!([]));
}

#[test]
fn a_run_names_what_is_noted_of_the_chosen_models_and_who_was_retired_that_day() {
    let place = Place::new();
    let list = LIST.replace("\"large\": {", "\"large\": {\"deprecation_date\": \"2026-11-03\", ");
    std::fs::write(&place.list, list).unwrap();
    let requests = place.dir.path().join("requests.csv");
    let rows = "2026-11-02T23:59:59.999Z,1,1\n2026-11-03T00:00:00Z,1,1\n";
    std::fs::write(&requests, format!("time,input_tokens,output_tokens\n{rows}")).unwrap();
    let routed = |log: &str, more: &[&str]| {
        let log = place.dir.path().join(log);
        let ran = run(route(&place.list, &requests, &log).args(more));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let words = routed("words", &[]);
    for part in [
        "note     large has prices for images, which are not modelled",
        "retired  1 request went to models after their retirement: large",
    ] {
        assert!(words.contains(part), "{part}\n{words}");
    }
    let object: Value = serde_json::from_str(&routed("json", &["--json"])).unwrap();
    assert_eq!(object["routed"]["retired"], json!({"large": 1}));
    assert_eq!(object["notes_on_chosen_models"], json!({"images": ["large"]}));
    let check = |day: &str| -> Value {
        let mut command = program();
        command.args(["catalog", "check", "--json", "--at", day]).arg(&place.list);
        serde_json::from_str(&run(&mut command).out).unwrap()
    };
    assert_eq!(check("2026-11-02")["retired_models"], json!([]));
    assert_eq!(check("2026-11-03")["retired_models"], json!(["large", "large@batch"]));
}
