//! Requests with classes, ceilings, groups and exclusions, from their file to the log and back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use program::*;
use serde_json::{Value, json};

const POLICY: &str = "
[groups]
cheap = [\"small\", \"tiny\"]
dear = [\"large\"]
";

const CATALOG: &str = "
[[model]]
name = \"large\"
provider = \"p\"
input_price_microunits_per_million_tokens = 3_000_000
output_price_microunits_per_million_tokens = 15_000_000
cache_read_price_microunits_per_million_tokens = 300_000
cache_write_price_microunits_per_million_tokens = 3_750_000
max_prompt_tokens = 200_000
quality_bps = 9_500
[[model.band]]
above_prompt_tokens = 100_000
input_price_microunits_per_million_tokens = 6_000_000

[[model]]
name = \"small\"
provider = \"q\"
input_price_microunits_per_million_tokens = 150_000
output_price_microunits_per_million_tokens = 600_000
max_total_tokens = 16_000
quality_bps = 8_500

[[model]]
name = \"tiny\"
provider = \"q\"
input_price_microunits_per_million_tokens = 50_000
output_price_microunits_per_million_tokens = 100_000
max_prompt_tokens = 4_000
quality_bps = 6_000
";

impl LogDirectory {
    /// Routes these requests under our policy with those groups, and with a default ceiling if there is one.
    fn route(&self, requests: &str, default_completion_tokens: Option<u32>) -> Ran {
        let file = |name: &str, text: &str| {
            let path = self.dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let policy = std::fs::read_to_string(input("policy.toml")).unwrap();
        let default = default_completion_tokens
            .map_or_else(String::new, |tokens| format!("max_completion_tokens = {tokens}\n"));
        let policy = policy.replace("[request]\n", &format!("[request]\n{default}"));
        let policy = policy
            .replace("business_value_microunits = 20_000", "business_value_microunits = 200_000");
        let policy = file(
            "policy.toml",
            &policy
                .replace("[[model]]\nname = \"*\"", &format!("{POLICY}\n[[model]]\nname = \"*\"")),
        );
        let (catalog, requests) = (file("catalog.toml", CATALOG), file("requests.jsonl", requests));
        let mut command = program();
        command.arg("route").arg("--policy").arg(policy).arg("--catalog").arg(catalog);
        run(command.arg("--requests").arg(requests).arg("--log").arg(&self.log).arg("--json"))
    }

    fn read(&self, arguments: &[&str]) -> String {
        let ran = run(program().arg(arguments[0]).arg(&self.log).args(&arguments[1..]));
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    /// The decisions of the log.
    fn decisions(&self) -> Vec<Value> {
        let lines = self.read(&["show", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn object(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// A request for `large`, with more fields.
fn request(more: &str) -> String {
    format!("{{\"input_tokens\": 1000, \"output_tokens\": 200{more}}}\n")
}

#[test]
fn without_a_ceiling_a_request_may_use_what_it_is_expected_to_use() {
    let place = LogDirectory::new();
    let routed = object(&place.route(&request(""), None));
    assert_eq!(routed["routed"]["with_ceiling"], 0);
    // 3,000 and 3,000.
    assert_eq!(routed["routed"]["reserved_microunits"], 6_000);
    let decision = &place.decisions()[0];
    assert_eq!(decision["selected_model"], "large");
    assert!(decision["request"]["ceiling"].is_null());
    assert!(!place.read(&["explain", "3"]).contains("may use"));
}

#[test]
fn the_maximum_cost_is_reserved_and_what_was_used_is_settled() {
    let place = LogDirectory::new();
    let more = ", \"cache_read_tokens\": 9000, \"max_completion_tokens\": 500, \"actual_output_tokens\": 400, \"budget_limit_microunits\": 90000";
    let routed = object(&place.route(&request(more), None));
    // All of the prompt may be written to a cache, all of the completion may come.
    assert_eq!(routed["routed"]["reserved_microunits"], 37_500 + 7_500);
    assert_eq!(routed["routed"]["committed_microunits"], 3_000 + 2_700 + 6_000);
    assert_eq!(routed["balances"][0]["reserved_microunits"], 0);
    let explained = place.read(&["explain", "3"]);
    for part in [
        "asked     large for 10,000 tokens in (1,000 input, 9,000 cache read) and 200\n            out",
        "may use   10,000 tokens in and 500 out",
        "costs     0.008700 expected, 0.045000 at most",
        "budget    0.045000 reserved, settled for 0.011700",
        " cache read   9,000     0.300000  0.002700",
        "rates of the band up to 100,000 prompt tokens; this prompt has 10,000",
        "0.045000 at most: 10,000 prompt tokens of class cache write at 3.750000, 500",
        "input rate             up to 6.000000 per million tokens *",
        "cache write rate",
        "* as high as in the next band",
        "prompt window          down to 10,000 tokens",
    ] {
        assert!(explained.contains(part), "{part}\n{explained}");
    }
    // Classes that the request does not use and that are not the dearest have no line.
    assert!(!explained.contains("audio") && !explained.contains("reasoning rate"), "{explained}");
    let json: Value = serde_json::from_str(&place.read(&["explain", "3", "--json"])).unwrap();
    assert_eq!(json["costs"][0]["maximum_cost_microunits"], 45_000);
    assert_eq!(json["record"]["decision"]["maximum_cost_microunits"], 45_000);
}

#[test]
fn a_refusal_says_what_a_request_may_cost_rather_than_what_it_is_expected_to_cost() {
    let place = LogDirectory::new();
    let more = ", \"max_completion_tokens\": 100000, \"budget_limit_microunits\": 9000000";
    let routed = place.route(&request(more), None);
    assert_eq!(routed.code, 0, "{}", routed.err);
    let explained = place.read(&["explain", "3"]);
    let part = "refused: it may cost 1.503750, and 1.000000 was available";
    assert!(explained.contains(part), "{explained}");
}

#[test]
fn the_default_ceiling_is_the_policys_and_what_it_changes_is_counted() {
    let place = LogDirectory::new();
    // The limit of a request is 20,000: `large` may cost 3,750 + 15 for each token that may come out.
    let two = request("") + &request(", \"max_completion_tokens\": 1000");
    let routed = object(&place.route(&two, Some(4_096)));
    assert_eq!(routed["routed"]["with_ceiling"], 2);
    let changed = json!({"to_another_model": 1, "to_none": 0});
    assert_eq!(routed["routed"]["changed_by_ceilings"], changed);
    let chosen: Vec<Value> =
        place.decisions().iter().map(|decision| decision["selected_model"].clone()).collect();
    assert_eq!(chosen, ["small", "large"]);
    let explained = place.read(&["explain", "3"]);
    assert!(
        explained.contains("large was asked for: cost up to 0.065190, at most 0.020000"),
        "{explained}"
    );
}

#[test]
fn no_request_goes_to_a_window_that_is_too_small_and_those_that_would_have_are_counted() {
    let place = LogDirectory::new();
    let cheap = ", \"group\": \"cheap\", \"minimum_quality_bps\": 0";
    let rows = [
        // 16,000 tokens fit `small`, one more does not.
        format!("{{\"input_tokens\": 15800, \"output_tokens\": 200{cheap}}}\n"),
        format!("{{\"input_tokens\": 15801, \"output_tokens\": 200{cheap}}}\n"),
        format!(
            "{{\"input_tokens\": 15800, \"output_tokens\": 200, \"max_completion_tokens\": 201{cheap}}}\n"
        ),
    ];
    let routed = object(&place.route(&rows.concat(), None));
    let changed = json!({"to_another_model": 0, "to_none": 2});
    assert_eq!(routed["routed"]["changed_by_windows"], changed);
    assert_eq!(routed["routed"]["rejections"][0]["reason"], "WindowConstraint");
    let decisions = place.decisions();
    assert_eq!(decisions[0]["selected_model"], "small");
    assert!(decisions[1]["selected_model"].is_null() && decisions[2]["selected_model"].is_null());
    let sequence = decisions[1]["sequence"].to_string();
    let explained = place.read(&["explain", &sequence]);
    for part in [
        "among     the models of cheap",
        "window",
        "16,000 total tokens",
        "total window",
        "at least 16,001 tokens",
    ] {
        assert!(explained.contains(part), "{part}\n{explained}");
    }
}

#[test]
fn candidates_are_those_of_the_group_without_the_excluded() {
    let place = LogDirectory::new();
    let rows = request(", \"group\": \"dear\"")
        + &request(
            ", \"group\": \"cheap\", \"minimum_quality_bps\": 0, \"excluded_models\": [\"small\", \"gone\"]",
        )
        + &request(", \"excluded_models\": \"large\"")
        + &request(", \"group\": \"dear\", \"excluded_models\": [\"large\"]");
    object(&place.route(&rows, None));
    let decisions = place.decisions();
    let chosen: Vec<&Value> =
        decisions.iter().map(|decision| &decision["selected_model"]).collect();
    assert_eq!(chosen, [&json!("large"), &json!("tiny"), &json!("small"), &Value::Null]);
    assert_eq!(decisions[1]["group"], "cheap");
    assert_eq!(decisions[1]["excluded_models"], json!(["small", "gone"]));
    assert_eq!(decisions[3]["decision"]["reason"], "NoEnabledModel");
    let exported = place.read(&["export", "--format", "csv"]);
    assert!(exported.contains(",cheap,small gone\n"), "{exported}");
    let replayed = place.read(&["replay"]);
    assert!(replayed.contains("every decision comes out as it was recorded"), "{replayed}");
}

#[test]
fn what_a_request_may_not_say_is_refused_before_anything_is_decided() {
    for (more, part) in [
        (", \"group\": \"none\"", "`group`: found `none`, `[groups]` of"),
        (", \"max_completion_tokens\": 199", "`max_completion_tokens`: found 199"),
        (", \"allowed_classes\": [\"output\"]", "`allowed_classes`: without `input`"),
        (", \"exclude\": [\"small\"]", "--columns exclude=excluded_models"),
        (", \"max_tokens\": 5", "--columns max_tokens=max_completion_tokens"),
    ] {
        let place = LogDirectory::new();
        let ran = place.route(&request(more), None);
        assert!(ran.code == 2 && ran.err.contains(part), "{part}: {}", ran.err);
        assert!(!place.log.exists());
    }
}

#[test]
fn groups_that_another_policy_lacks_are_named_with_their_decisions() {
    let place = LogDirectory::new();
    let rows = request(", \"group\": \"dear\"")
        + &request(", \"group\": \"cheap\", \"minimum_quality_bps\": 0")
        + &request(", \"group\": \"dear\"")
        + &request("");
    object(&place.route(&rows, None));
    let (policy, catalog) =
        (place.dir.path().join("policy.toml"), place.dir.path().join("catalog.toml"));
    let text = std::fs::read_to_string(&policy).unwrap();
    let other = place.dir.path().join("other.toml");
    std::fs::write(&other, text.replace("dear = [", "other = [")).unwrap();
    let page = place.dir.path().join("page.html");
    let replay = |policy: &std::path::Path, more: &[&str]| {
        let files = [policy, &catalog].map(|path| path.to_str().unwrap());
        place.read(&[&["replay", "--policy", files[0], "--catalog", files[1]], more].concat())
    };
    let object = |policy: &std::path::Path| -> Value {
        serde_json::from_str(&replay(policy, &["--json"])).unwrap()
    };
    assert_eq!(object(&policy)["missing_groups"], json!({}));
    assert_eq!(object(&other)["missing_groups"], json!({"dear": 2}));
    assert_eq!(object(&other)["total"]["newly_rejected"], 2);
    assert!(!replay(&policy, &[]).contains("no group"));
    let words = replay(&other, &[]);
    assert!(
        words.contains("         2 decisions rejected: no group dear in the policy\n"),
        "{words}"
    );
    replay(&other, &["--html", page.to_str().unwrap()]);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("2 decisions for group dear, which the policy lacks"));
}
