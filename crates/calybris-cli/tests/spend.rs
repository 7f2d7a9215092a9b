//! `calybris spend` and `report`: rows add up to the ledger, time is that of the settlement, and pages stay harmless.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use calybris_core::engine::{Call, Engine, EngineOptions, Names, Snapshot, UnixMillis};
use calybris_core::kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet, Request,
};
use calybris_core::wal::RetentionAction;
use program::*;
use serde_json::Value;

const HOSTILE: &str = "<img src=x onerror='alert(1)'>";

/// The beginning of 1 November 2026, UTC.
const MIDNIGHT_MS: u64 = 1_793_491_200_000;

fn snapshot() -> Snapshot {
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50));
    let model = |model_id, quality_bps, price| {
        Model::new(model_id, 0, BasisPoints::new(quality_bps))
            .with_risk_ceiling(BasisPoints::percent(90))
            .with_p95_latency_ms(100)
            .with_regions(RegionSet::EMPTY)
            .with_price(Price::per_million_tokens(Microunits::new(price), Microunits::new(price)))
    };
    let models = vec![model(1, 9_000, 10_000_000), model(2, 5_000, 1_000_000)];
    let names = Names {
        models: [(1, HOSTILE.to_owned()), (2, "small, \"cheap\"".to_owned())].into(),
        providers: [(0, "north & south".to_owned())].into(),
        ..Names::default()
    };
    Snapshot::new(PolicySnapshot::new(policy, models).unwrap(), names)
}

/// A call for 2,000 microunits of the first model, or for 200 of the second.
fn call(tenant: &str, sequence: u64, good: bool, time_unix_ms: u64) -> Call<'_> {
    let request = Request::new(sequence, 1, 100, 100)
        .with_business_value_microunits(10_000)
        .with_budget_limit(Microunits::new(if good { 1_000_000 } else { 1_000 }))
        .with_confidence(BasisPoints::percent(90))
        .with_minimum_quality(BasisPoints::new(if good { 9_000 } else { 0 }));
    Call::new(tenant, UnixMillis::new(time_unix_ms), request)
}

fn engine(dir: &Path) -> Engine {
    let engine = Engine::open(dir, &EngineOptions::default()).unwrap();
    engine.install(snapshot(), UnixMillis::new(MIDNIGHT_MS - 10_000)).unwrap();
    engine
}

/// A log over three days with calls of two tenants, one below the other: settled on the day after the decision, refunded on
/// the day after that, abandoned, refused for lack of money, and open.
fn write(dir: &Path) -> Engine {
    let engine = engine(dir);
    engine
        .ensure_tenant("a", Microunits::new(50_000), UnixMillis::new(MIDNIGHT_MS - 9_000))
        .unwrap();
    engine
        .ensure_child(HOSTILE, "a", Microunits::new(3_000), UnixMillis::new(MIDNIGHT_MS - 9_000))
        .unwrap();
    let decide = |tenant, sequence, good, time| {
        engine.decide(&call(tenant, sequence, good, time)).unwrap().ticket
    };
    let late = decide("a", 1, true, MIDNIGHT_MS - 100).unwrap();
    engine.settle(late, Microunits::new(1_500), UnixMillis::new(MIDNIGHT_MS + 900)).unwrap();
    let below = decide(HOSTILE, 2, true, MIDNIGHT_MS + 1_000).unwrap();
    engine.settle(below, Microunits::new(1_900), UnixMillis::new(MIDNIGHT_MS + 2_000)).unwrap();
    assert!(decide(HOSTILE, 3, true, MIDNIGHT_MS + 3_000).is_none());
    assert!(decide(HOSTILE, 4, true, MIDNIGHT_MS + 4_000).is_none());
    let given_up = decide("a", 5, false, MIDNIGHT_MS + 5_000).unwrap();
    engine.abandon(given_up, UnixMillis::new(MIDNIGHT_MS + 6_000)).unwrap();
    let open = decide("a", 6, false, MIDNIGHT_MS + 7_000).unwrap();
    assert_eq!(open.reserved().get(), 200);
    engine.refund("a", Microunits::new(400), UnixMillis::new(MIDNIGHT_MS + 86_400_000)).unwrap();
    engine
}

fn json(line: &[&str], log: &Path) -> Value {
    let ran = run(program().arg(line[0]).arg(log).args(&line[1..]).arg("--json"));
    assert_eq!(ran.code, 0, "{line:?} {}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// Every non-empty selection of the columns.
fn groupings() -> Vec<String> {
    let columns = ["day", "tenant", "month", "model", "provider"];
    let selection = |bits: u32| {
        let chosen = columns.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, column)| *column).collect::<Vec<_>>().join(",")
    };
    (1..1 << columns.len()).map(selection).collect()
}

/// The rows of every grouping add up to the total, which is what `budget` says is committed.
fn assert_adds_up(log: &Path, more: &[&str]) {
    let budget = json(&[&["budget"], more].concat(), log);
    let committed = budget["total"]["committed_microunits"].as_i64().unwrap();
    let reserved = budget["total"]["reserved_microunits"].as_i64().unwrap();
    for by in groupings() {
        let found = json(&[&["spend", "--by", &by], more].concat(), log);
        let rows = found["rows"].as_array().unwrap();
        let sum = |name: &str| rows.iter().map(|row| row[name].as_i64().unwrap()).sum::<i64>();
        assert_eq!(
            (sum("spent_microunits"), sum("open_microunits")),
            (committed, reserved),
            "{by}"
        );
        for (name, total) in found["total"].as_object().unwrap() {
            assert_eq!(sum(name), total.as_i64().unwrap(), "{by} {name}");
        }
        let names: BTreeSet<String> = rows
            .iter()
            .map(|row| by.split(',').map(|column| row[column].to_string()).collect())
            .collect();
        assert_eq!(names.len(), rows.len(), "{by}: a group has one row");
    }
    let report = json(&[&["report"], more].concat(), log);
    for list in ["tenants", "models", "days"] {
        let rows = report[list].as_array().unwrap();
        let spent: i64 = rows.iter().map(|row| row["spent_microunits"].as_i64().unwrap()).sum();
        assert_eq!(spent, committed, "{list}");
    }
    assert_eq!(report["total"]["spent_microunits"], committed);
}

#[test]
fn the_rows_of_any_grouping_add_up_to_what_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, routed, keyed, kept, every_kind] =
        ["ours", "routed", "keyed", "kept", "every"].map(|name| dir.path().join(name));
    write(&ours).close().unwrap();
    assert_adds_up(&ours, &[]);
    log::write_log(&every_kind);
    assert_adds_up(&every_kind, &[]);
    assert_eq!(run(&mut route(&input("catalog.toml"), &input("trace.csv"), &routed)).code, 0);
    assert_adds_up(&routed, &[]);

    let key = dir.path().join("k");
    std::fs::write(&key, "0a".repeat(32)).unwrap();
    let key = key.to_str().unwrap();
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), &keyed);
    assert_eq!(run(command.args(["--key-file", key])).code, 0);
    assert_eq!(run(program().arg("spend").arg(&keyed)).code, 2);
    assert_adds_up(&keyed, &["--key-file", key]);

    let engine = write(&kept);
    engine.checkpoint(UnixMillis::new(MIDNIGHT_MS + 86_400_001)).unwrap();
    assert_adds_up(&kept, &[]);
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    let ticket = engine.decide(&call("a", 9, false, MIDNIGHT_MS + 86_400_002)).unwrap().ticket;
    engine
        .settle(ticket.unwrap(), Microunits::new(150), UnixMillis::new(MIDNIGHT_MS + 86_400_003))
        .unwrap();
    engine.close().unwrap();
    assert_adds_up(&kept, &[]);
}

#[test]
fn money_is_spent_on_the_day_of_the_settlement_and_given_back_on_that_of_the_refund() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).close().unwrap();
    let by_day = json(&["spend", "--by", "day"], dir.path());
    let told: Vec<_> = by_day["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            let day = row["day"].as_str().unwrap().to_owned();
            (
                day,
                number("calls"),
                number("settled_microunits"),
                number("refunded_microunits"),
                number("open_microunits"),
            )
        })
        .collect();
    let day = |text: &str| text.to_owned();
    // The first call was decided on 31 October, and nothing was spent then.
    assert_eq!(told, [(day("2026-11-01"), 2, 3_400, 0, 200), (day("2026-11-02"), 0, 0, 400, 0)]);
    let days = json(&["report"], dir.path())["days"].clone();
    assert_eq!(days[0]["day"], "2026-10-31");
    assert_eq!((&days[0]["decisions"], &days[0]["spent_microunits"]), (&1.into(), &0.into()));
    // A tenant's row is its own: that of `a` has nothing of the one below it.
    let by_tenant = json(&["spend"], dir.path())["rows"].clone();
    let spent: BTreeMap<&str, i64> = by_tenant
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["tenant"].as_str().unwrap(), row["spent_microunits"].as_i64().unwrap()))
        .collect();
    assert_eq!(spent, BTreeMap::from([("a", 1_100), (HOSTILE, 1_900)]));
    // A refund names no model.
    let by_model = json(&["spend", "--by", "model"], dir.path())["rows"].clone();
    let unknown = by_model.as_array().unwrap().last().unwrap();
    assert_eq!((&unknown["model"], &unknown["spent_microunits"]), (&Value::Null, &(-400).into()));
}

#[test]
fn two_periods_that_meet_add_up_to_both() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).close().unwrap();
    let whole = json(&["spend"], dir.path())["total"].clone();
    for at in ["2026-11-01", "2026-11-01T00:00:00.900Z", "2026-11-01T00:00:02Z", "2026-11-02"] {
        let before = json(&["spend", "--until", at], dir.path())["total"].clone();
        let after = json(&["spend", "--since", at], dir.path())["total"].clone();
        for (name, all) in whole.as_object().unwrap() {
            let sum = before[name].as_i64().unwrap() + after[name].as_i64().unwrap();
            assert_eq!(sum, all.as_i64().unwrap(), "{at} {name}");
        }
        let report = json(&["report", "--since", at], dir.path());
        assert_eq!(report["total"]["spent_microunits"], after["spent_microunits"], "{at}");
    }
}

#[test]
fn a_log_without_its_beginning_says_what_it_no_longer_knows() {
    let dir = tempfile::tempdir().unwrap();
    let engine = write(dir.path());
    let first = engine.checkpoint(UnixMillis::new(MIDNIGHT_MS + 90_000_000)).unwrap();
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    let open = engine.open_tickets()[0].decision_sequence;
    engine
        .settle(
            engine.ticket(open).unwrap(),
            Microunits::new(170),
            UnixMillis::new(MIDNIGHT_MS + 90_000_001),
        )
        .unwrap();
    engine.close().unwrap();
    let found = json(&["spend", "--by", "day,model"], dir.path());
    let rows = found["rows"].as_array().unwrap();
    // The day of the settlement is known; the record that named the model was dropped.
    assert_eq!((rows[0]["day"].as_str(), &rows[0]["model"]), (Some("2026-11-02"), &Value::Null));
    assert_eq!(rows[0]["settled_microunits"], 170);
    assert_eq!((&rows[1]["day"], &rows[1]["model"]), (&Value::Null, &Value::Null));
    assert_eq!(rows[1]["brought_forward_microunits"], 3_000);
    let words = run(program().arg("spend").arg(dir.path()).args(["--by", "day"])).out;
    assert!(words.contains(&format!("begins at record {first}")), "{words}");
    assert!(words.contains("(unknown)") && words.contains("brought forward"), "{words}");
    // At an unknown time it belongs to no period, and that is said.
    let since = ["--since", "2026-10-01"];
    let bounded = json(&["spend", since[0], since[1]], dir.path());
    assert_eq!(bounded["total"]["spent_microunits"], 170);
    assert_eq!(bounded["left_out_brought_forward_microunits"], 3_000);
    for command in ["spend", "report"] {
        let words = run(program().arg(command).arg(dir.path()).args(since)).out;
        assert!(words.contains("0.003000 spent before record"), "{words}");
    }
}

#[test]
fn csv_is_read_back_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).close().unwrap();
    let ran = run(program().arg("spend").arg(dir.path()).args(["--by", "model,tenant", "--csv"]));
    let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
    assert_eq!(
        reader.headers().unwrap().iter().take(3).collect::<Vec<_>>(),
        ["model", "tenant", "calls"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(
        rows.iter().any(|row| &row[0] == HOSTILE && &row[1] == HOSTILE && &row[6] == "1900"),
        "{rows:?}"
    );
    assert!(rows.iter().any(|row| &row[0] == "small, \"cheap\""), "{rows:?}");
}

#[test]
fn who_ran_dry_is_told_with_the_first_decision_that_could_not_be_paid() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).close().unwrap();
    let report = json(&["report"], dir.path());
    let dry = report["ran_dry"].as_array().unwrap();
    assert_eq!(dry.len(), 1);
    assert_eq!(dry[0]["tenant"], HOSTILE);
    assert_eq!(dry[0]["first_time"], "2026-11-01T00:00:03.000Z");
    // 3,000 less 1,900, and 2,000 were needed, twice.
    assert_eq!(
        (&dry[0]["available_microunits"], &dry[0]["needed_microunits"]),
        (&1_100.into(), &2_000.into())
    );
    assert_eq!((&dry[0]["decisions"], &dry[0]["missed_microunits"]), (&2.into(), &4_000.into()));
    let total = &report["total"];
    assert_eq!(
        (&total["unfunded"], &total["abandoned"], &total["decisions"]),
        (&2.into(), &1.into(), &6.into())
    );
    // The numbers are those that `explain` takes.
    for sequence in [&dry[0]["first_sequence"], &report["largest"][0]["decision_sequence"]] {
        let explained = run(program().arg("explain").arg(dir.path()).arg(sequence.to_string()));
        assert_eq!(explained.code, 0, "{}", explained.err);
    }
    let costs: Vec<i64> = report["largest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|large| large["charged_microunits"].as_i64().unwrap())
        .collect();
    assert_eq!(costs, [1_900, 1_500]);
}

fn html(log: &Path, file: &Path) -> String {
    let ran = run(program().arg("report").arg(log).arg("--html").arg(file));
    assert_eq!(ran.code, 0, "{}", ran.err);
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_page_of_a_log_loads_nothing_runs_nothing_and_shows_hostile_names_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join(HOSTILE.replace('/', ""));
    write(&log).close().unwrap();
    let file = dir.path().join("page.html");
    let page = html(&log, &file);
    assert!(page.contains("&lt;img src=x onerror=&#39;alert(1)&#39;&gt;"), "{page}");
    let found = page.replace("&lt;img src=x", "");
    for hostile in ["<img", "<script", "http:", "https:", "javascript:", "url(", "@import", "src="]
    {
        assert!(!found.contains(hostile), "{hostile}");
    }
    // What is escaped is escaped once.
    assert!(page.contains("small, &quot;cheap&quot;") && page.contains("north &amp; south"));
    assert!(
        !page.contains("&amp;lt;") && !page.contains("&amp;amp;") && !page.contains("&amp;quot;")
    );
    assert_eq!(html(&log, &file), page);
    // Every link of the contents has its section, every drawing its name, and no id stands twice.
    let values = |name: &str| -> Vec<String> {
        let begin = format!(" {name}=\"");
        let rest = page.split(&begin).skip(1);
        rest.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
    };
    let all = values("id");
    let ids: BTreeSet<&String> = all.iter().collect();
    assert_eq!(ids.len(), all.len());
    let links = values("href");
    assert!(links.len() >= 6, "{links:?}");
    assert!(links.iter().all(|link| ids.contains(&link[1..].to_owned())), "{links:?}");
    let labels = values("aria-labelledby");
    assert_eq!(labels.len(), 3);
    assert!(
        labels.iter().flat_map(|label| label.split(' ')).all(|id| ids.contains(&id.to_owned()))
    );
}

#[test]
fn a_page_is_no_larger_for_more_tenants_days_and_models() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("log"), dir.path().join("page.html"));
    let engine = engine(&log);
    for number in 0..600_u64 {
        let tenant = format!("tenant-{number}");
        let time = MIDNIGHT_MS + number * 43_200_000;
        engine.ensure_tenant(&tenant, Microunits::new(10_000), UnixMillis::new(time)).unwrap();
        let ticket = engine.decide(&call(&tenant, number, true, time)).unwrap().ticket.unwrap();
        engine.settle(ticket, Microunits::new(1_000 + number), UnixMillis::new(time + 1)).unwrap();
    }
    engine.close().unwrap();
    let page = html(&log, &file);
    assert!(page.len() < 200_000, "{}", page.len());
    assert!(
        page.contains("and 560 more") && page.contains("and 260 earlier days"),
        "{}",
        page.len()
    );
    let report = json(&["report"], &log);
    assert_eq!(report["tenants"].as_array().unwrap().len(), 600);
    assert!(report["series"].as_array().unwrap().len() <= 96);
}

#[test]
fn a_log_in_which_nothing_was_decided_adds_up_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    engine(&log).close().unwrap();
    assert_adds_up(&log, &[]);
    let page = html(&log, &dir.path().join("page.html"));
    assert!(page.ends_with("</html>\n") && page.contains("0 decisions"), "{page}");
}

#[test]
fn a_damaged_log_is_neither_summed_up_nor_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file): (PathBuf, PathBuf) = (dir.path().join("log"), dir.path().join("page.html"));
    write(&log).close().unwrap();
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(segment(&log), bytes).unwrap();
    for line in
        [vec!["spend"], vec!["spend", "--csv"], vec!["report", "--html", file.to_str().unwrap()]]
    {
        let ran = run(program().arg(line[0]).arg(&log).args(&line[1..]));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{line:?}");
        assert!(ran.err.contains("not intact"), "{}", ran.err);
    }
    assert!(!file.exists());
}
