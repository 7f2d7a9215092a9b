//! `calybris replay` and `sweep`: what a log says twice is the same, and what another policy says adds up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;
mod recorded;

use std::path::{Path, PathBuf};

use calybris_core::kernel::Microunits;
use program::*;
use recorded::*;
use serde_json::Value;

/// A directory with the log and the proposed policy.
fn world() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (log, policy) = (dir.path().join("log"), dir.path().join("new.toml"));
    write_log(&log, |_, _| {});
    std::fs::write(&policy, PROPOSED).unwrap();
    (dir, log, policy)
}

fn replay(log: &Path, more: &[&str]) -> Ran {
    run(program().arg("replay").arg(log).args(more))
}

fn sweep(log: &Path, range: &str, more: &[&str]) -> Ran {
    run(program().arg("sweep").arg(log).args(["--vary", range]).args(more))
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_routed_log_comes_out_again_and_its_own_policy_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    assert_eq!(run(program().arg("demo").arg("--dir").arg(&demo)).code, 0);
    let log = demo.join("log");
    assert_eq!(json(&replay(&log, &["--json"]))["decisions"], 300);
    let (policy, catalog) = (demo.join("policy.toml"), demo.join("catalog.toml"));
    for more in [vec![], vec!["--catalog", text(&catalog)]] {
        let arguments = [vec!["--json", "--policy", text(&policy)], more].concat();
        let object = json(&replay(&log, &arguments));
        let total = &object["total"];
        assert!(total["decisions"].as_u64().unwrap() > 200);
        for zero in ["changed", "repriced", "cost_delta_microunits", "utility_delta_microunits"] {
            assert_eq!(total[zero], 0, "{zero} {arguments:?}");
        }
        assert_eq!(object["largest"], Value::Array(vec![]));
        assert_eq!(object["proposal"]["gone_models"], Value::Array(vec![]));
    }
}

#[test]
fn the_totals_are_those_of_the_records() {
    let (_dir, log, policy) = world();
    let object = json(&replay(&log, &["--json", "--policy", text(&policy)]));
    let (tenants, unfunded) = sums(&log, PROPOSED_POLICY);
    assert!(unfunded > 0 && tenants.values().all(|sums| sums.changed > 0));
    assert_eq!(object["unfunded_left_out"], unfunded);
    let (mut decisions, mut changed, mut cost) = (0, 0, 0);
    for (tenant, sums) in &tenants {
        let found = &object["tenants"][tenant];
        let number = |value: &Value| value.as_i64().unwrap();
        let found = Sums {
            decisions: found["decisions"].as_u64().unwrap(),
            changed: found["changed"].as_u64().unwrap(),
            recorded_cost_microunits: found["recorded"]["estimated_cost_microunits"]
                .as_u64()
                .unwrap(),
            proposed_cost_microunits: found["proposed"]["estimated_cost_microunits"]
                .as_u64()
                .unwrap(),
            newly_rejected: found["newly_rejected"].as_u64().unwrap(),
            proposed_utility_microunits: number(&found["proposed"]["expected_utility_microunits"]),
        };
        assert_eq!(&found, sums, "{tenant}");
        decisions += sums.decisions;
        changed += sums.changed;
        cost += sums.proposed_cost_microunits;
    }
    let total = &object["total"];
    assert_eq!((&total["decisions"], &total["changed"]), (&decisions.into(), &changed.into()));
    assert_eq!(total["proposed"]["estimated_cost_microunits"], cost);
    let counted = |list: &str, of: &str| -> u64 {
        object[list].as_array().unwrap().iter().map(|item| item[of].as_u64().unwrap()).sum()
    };
    assert_eq!(counted("flows", "decisions"), decisions);
    assert_eq!(counted("series", "decisions"), decisions);
    assert_eq!(counted("series", "proposed_cost_microunits"), cost);
    assert_eq!(counted("rejections", "newly_rejected"), total["newly_rejected"].as_u64().unwrap());
    // Row by row, and what leaves one reason comes to another.
    let mut net = 0;
    for rejection in object["rejections"].as_array().unwrap() {
        let of = |name: &str| rejection[name].as_i64().unwrap();
        let moved = of("net_from_other_reasons");
        let before = of("recorded") + of("newly_rejected") - of("newly_accepted");
        assert_eq!(before + moved, of("proposed"), "{rejection}");
        net += moved;
    }
    assert_eq!(net, 0);
}

#[test]
fn a_change_is_explained_by_what_both_sides_say_of_it() {
    let (_dir, log, policy) = world();
    let object = json(&replay(&log, &["--json", "--policy", text(&policy)]));
    let largest = object["largest"].as_array().unwrap();
    assert_eq!(largest.len(), 20);
    let size = |change: &Value| change["cost_delta_microunits"].as_i64().unwrap().unsigned_abs();
    assert!(largest.windows(2).all(|pair| size(&pair[0]) >= size(&pair[1])));
    for change in largest {
        assert!(!change["why"].as_array().unwrap().is_empty(), "{change}");
        for side in ["recorded", "proposed"] {
            let side = &change[side];
            if side.is_null() {
                continue;
            }
            let term = |name: &str| side[name].as_i64().unwrap();
            let deductions = term("risk_penalty_microunits")
                + term("cost_microunits")
                + term("latency_penalty_microunits");
            let utility = term("adjusted_value_microunits") - deductions;
            assert_eq!(term("utility_microunits"), utility);
        }
    }
}

#[test]
fn threads_change_nothing() {
    let (_dir, log, policy) = world();
    let with = |threads| replay(&log, &["--json", "--policy", text(&policy), "--threads", threads]);
    assert_eq!(json(&with("1")), json(&with("3")));
}

#[test]
fn a_changed_byte_is_no_log_to_replay() {
    let (_dir, log, policy) = world();
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(segment(&log), bytes).unwrap();
    let range = "hard_risk_limit_bps=0..10000:1000";
    for ran in
        [replay(&log, &[]), replay(&log, &["--policy", text(&policy)]), sweep(&log, range, &[])]
    {
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(ran.err.contains("not intact") && ran.err.contains("record"), "{}", ran.err);
    }
}

#[test]
fn a_decision_that_the_kernel_would_not_make_is_found_in_an_authentic_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    write_log(&log, |number, decided| {
        if number == 150 {
            decided.decision.estimated_cost =
                Microunits::new(decided.decision.estimated_cost.get() + 1);
        }
    });
    assert_eq!(verify(&log).code, 0);
    let ran = replay(&log, &["--json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("decision 152 does not come out as recorded"), "{}", ran.err);
    let object: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&object["intact"], &object["place"]["sequence"]), (&false.into(), &152.into()));
}

#[test]
fn a_page_loads_nothing_runs_nothing_and_shows_hostile_names_as_text() {
    let (dir, log, policy) = world();
    let page = dir.path().join("page.html");
    let ran = replay(&log, &["--policy", text(&policy), "--html", text(&page)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let html = std::fs::read_to_string(&page).unwrap();
    for part in
        ["&lt;img src=x onerror=&#39;alert(1)&#39;&gt;", "&lt;b&gt;cheap&lt;", "not a forecast"]
    {
        assert!(html.contains(part), "{part}");
    }
    // The names stand in tables, charts, labels and sentences; nowhere are they markup.
    for hostile in
        ["<img", "<b>cheap", "<script", "http:", "https:", "javascript:", "url(", "@import", "src="]
    {
        let found = html.replace("&lt;img src=x", "");
        assert!(!found.contains(hostile), "{hostile}");
    }
    let again = replay(&log, &["--policy", text(&policy), "--html", text(&page)]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), html);
}

#[test]
fn all_charts_of_a_sweep_stand_above_one_axis() {
    let (dir, log, _) = world();
    let page = dir.path().join("page.html");
    let ran = sweep(&log, "hard_risk_limit_bps=0..10000:1000", &["--html", text(&page)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let html = std::fs::read_to_string(&page).unwrap();
    let count = |part: &str| html.matches(part).count();
    assert_eq!((count("class=\"x\""), count("role=\"img\""), count("class=\"y\"")), (1, 3, 3));
    // Each value is shown wherever the pointer is above it: once, for all charts.
    assert_eq!(count("class=\"hit\""), 11);
    for tick in ["0", "2,000", "4,000", "6,000", "8,000", "10,000"] {
        assert!(html.contains(&format!("%\">{tick}</span>")), "{tick}");
    }
}

#[test]
fn a_page_links_its_sections_and_its_tables_have_totals() {
    let (dir, log, policy) = world();
    let page = dir.path().join("page.html");
    let ran = replay(&log, &["--policy", text(&policy), "--html", text(&page)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let html = std::fs::read_to_string(&page).unwrap();
    for id in ["proposed", "flow", "cost", "rejections", "tenants", "models", "largest"] {
        assert!(html.contains(&format!("<a href=\"#{id}\">")), "{id}");
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert_eq!(html.matches("<tfoot>").count(), 5);
    // The numbers of the chart, with their time.
    assert!(html.contains("time (UTC) on 2023-11-14") && html.contains("22:14"), "{html}");
}

#[test]
fn only_a_page_is_overwritten() {
    let (_dir, log, policy) = world();
    let ran = replay(&log, &["--policy", text(&policy), "--html", text(&policy)]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("only such a page is overwritten"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), PROPOSED);
}

#[test]
fn a_catalog_is_matched_by_name_whatever_its_order() {
    let (dir, log, policy) = world();
    let catalog = dir.path().join("catalog.toml");
    std::fs::write(&catalog, catalog_file()).unwrap();
    let with = |catalog: &Path| {
        let arguments = ["--json", "--policy", text(&policy), "--catalog", text(catalog)];
        json(&replay(&log, &arguments))
    };
    let matched = with(&catalog);
    let alone = json(&replay(&log, &["--json", "--policy", text(&policy)]));
    for same in ["total", "tenants", "models", "flows", "rejections", "series"] {
        assert_eq!(matched[same], alone[same], "{same}");
    }
    let proposal = &matched["proposal"];
    assert_eq!(proposal["kept_models"], 5);
    assert_eq!(proposal["new_models"][0], "aaa-first");
    assert_eq!(proposal["new_providers"][0], "newcomer");

    // Without `large` and `vision`, and with `quick` from another provider, which makes it another model.
    let text_of_catalog = catalog_file()
        .replace("name = \"large\"", "name = \"larger\"")
        .replace(", \"vision\"", "")
        .replace(
            "name = \"quick\"\nprovider = \"south\"",
            "name = \"quick\"\nprovider = \"north\"",
        );
    std::fs::write(&catalog, text_of_catalog).unwrap();
    let other = with(&catalog);
    let proposal = &other["proposal"];
    assert_eq!(proposal["gone_models"], serde_json::json!(["large", "quick"]));
    assert_eq!(proposal["new_models"], serde_json::json!(["aaa-first", "larger", "quick"]));
    assert_eq!(proposal["gone_names"], serde_json::json!(["capability vision"]));
    let models: Vec<&str> =
        other["models"].as_array().unwrap().iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert!(models.contains(&"quick (north)") && models.contains(&"quick (south)"), "{models:?}");
    assert_ne!(other["total"], alone["total"]);
}

#[test]
fn each_value_of_a_range_is_a_replay_under_that_value() {
    let (dir, log, _) = world();
    let range = "latency_penalty_microunits_per_ms=0..6:1";
    let object = json(&sweep(&log, range, &["--json"]));
    let points = object["points"].as_array().unwrap();
    assert_eq!(points.len(), 7);
    assert_eq!(object["recorded_values"], serde_json::json!([1]));
    for point in points {
        let recorded = point["value"] == 1;
        assert_eq!(point["is_recorded_value"], recorded);
        assert_eq!(point["shift"]["changed"] == 0, recorded, "{point}");
    }
    let base = dir.path().join("base.toml");
    std::fs::write(&base, PROPOSED.replace("per_ms = 6", "per_ms = 0")).unwrap();
    let object = json(&sweep(&log, range, &["--json", "--policy", text(&base), "--threads", "2"]));
    for (value, point) in (0..).zip(object["points"].as_array().unwrap()) {
        let policy = PROPOSED_POLICY.with_latency_penalty_per_ms(Microunits::new(value));
        let (tenants, unfunded) = sums(&log, policy);
        let shift = &point["shift"];
        let sum = |of: fn(&Sums) -> u64| tenants.values().map(of).sum::<u64>();
        assert_eq!(shift["changed"], sum(|sums| sums.changed), "{value}");
        assert_eq!(shift["newly_rejected"], sum(|sums| sums.newly_rejected), "{value}");
        assert_eq!(
            shift["proposed"]["estimated_cost_microunits"],
            sum(|sums| sums.proposed_cost_microunits)
        );
        assert_eq!(object["unfunded_left_out"], unfunded);
    }
}

#[test]
fn a_legend_is_printed_where_a_row_is_marked() {
    let (_dir, log, _) = world();
    let legend = "* the value in the log";
    for (range, marked) in
        [("hard_risk_limit_bps=0..10000:500", true), ("hard_risk_limit_bps=1..2:1", false)]
    {
        let out = sweep(&log, range, &[]).out;
        assert_eq!(out.contains(legend), marked, "{out}");
        assert_eq!(out.lines().any(|line| line.split_whitespace().nth(1) == Some("*")), marked);
    }
}

#[test]
fn a_bad_range_or_file_is_refused_before_the_log_is_read() {
    let (_dir, log, policy) = world();
    for (range, part) in [
        ("hard_limit=0..1:1", "the numbers are: hard_risk_limit_bps, minimum_confidence_bps"),
        ("hard_risk_limit_bps=0..10000:1", "10001 values, at most 100 are allowed"),
        ("hard_risk_limit_bps=0..10000:0", "the step is 0"),
        ("hard_risk_limit_bps=0..10000", "key=from..to:step"),
    ] {
        let ran = sweep(&log, range, &[]);
        assert_eq!(ran.code, 2, "{range}");
        assert!(ran.err.contains(part), "{range}: {}", ran.err);
    }
    let missing = replay(&log, &["--policy", "no-such-file.toml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("no-such-file.toml"), "{}", missing.err);
    // What belongs to a proposal is refused without one.
    for alone in [["--html", "page.html"], ["--catalog", "c.toml"]] {
        let ran = replay(&log, &alone);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("--policy"), "{}", ran.err);
    }
    let nothing = replay(Path::new("no-such-log"), &["--policy", text(&policy)]);
    assert_eq!(nothing.code, 2);
}

#[test]
fn a_keyed_log_is_replayed_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let (log, key) = (dir.path().join("log"), dir.path().join("k"));
    std::fs::write(&key, "0a".repeat(32)).unwrap();
    let routed =
        run(route(&input("catalog.toml"), &input("trace.csv"), &log).arg("--key-file").arg(&key));
    assert_eq!(routed.code, 0, "{}", routed.err);
    assert_eq!(replay(&log, &[]).code, 2);
    let with = ["--key-file", text(&key)];
    assert_eq!(replay(&log, &with).code, 0);
    assert_eq!(sweep(&log, "hard_risk_limit_bps=1..2:1", &with).code, 0);
}

#[test]
fn a_log_with_nothing_to_compare_is_said_to_have_nothing() {
    let (dir, _, policy) = world();
    let page = dir.path().join("page.html");
    let no_money = |_: u64, decided: &mut calybris_core::engine::Decided<'_>| {
        if decided.decision.selected_model_id.is_some() {
            decided.admission =
                calybris_core::engine::Admission::Insufficient { available: Microunits::new(0) };
        }
    };
    for (name, decisions) in [("none", 0), ("one", 1), ("few", 3)] {
        let log = dir.path().join(name);
        write_decisions(&log, decisions, no_money);
        assert_eq!(json(&replay(&log, &["--json"]))["decisions"], decisions);
        let arguments = ["--policy", text(&policy), "--html", text(&page)];
        assert_eq!(replay(&log, &arguments).code, 0);
        assert!(std::fs::read_to_string(&page).unwrap().ends_with("</html>\n"));
        let object = json(&replay(&log, &[&arguments[..], &["--json"]].concat()));
        let unfunded = object["unfunded_left_out"].as_u64().unwrap();
        assert_eq!(object["total"]["decisions"].as_u64().unwrap() + unfunded, decisions);
        let html = ["--html", text(&page)];
        assert_eq!(sweep(&log, "hard_risk_limit_bps=0..10000:5000", &html).code, 0);
    }
}

#[test]
fn whatever_a_budget_refused_with_the_decision_is_left_out() {
    let (dir, _, policy) = world();
    let frozen = |_: u64, decided: &mut calybris_core::engine::Decided<'_>| {
        if let calybris_core::engine::Admission::Insufficient { .. } = decided.admission {
            decided.admission = calybris_core::engine::Admission::Frozen;
        }
    };
    let [poor, stopped] = ["poor", "stopped"].map(|name| dir.path().join(name));
    write_log(&poor, |_, _| {});
    write_log(&stopped, frozen);
    let left_out = |log: &Path| {
        let compared = json(&replay(log, &["--policy", text(&policy), "--json"]));
        let swept = json(&sweep(log, "hard_risk_limit_bps=0..10000:5000", &["--json"]));
        [compared, swept].map(|object| object["unfunded_left_out"].as_u64().unwrap())
    };
    assert!(left_out(&poor)[0] > 0);
    assert_eq!(left_out(&poor), left_out(&stopped));
}
