//! Requests for models that the catalog does not list: the log says which were asked for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use calybris_catalog::{CatalogFile, Numbering, PolicyFile};
use calybris_core::engine::{Engine, EngineOptions, RecordedDecision, UnixMillis};
use calybris_core::kernel::Action;
use calybris_core::wal::RetentionAction;
use program::*;
use serde_json::Value;

impl LogDirectory {
    fn route(&self, rows: &str, options: &[&str]) -> Ran {
        let requests = self.dir.path().join("requests.csv");
        let text = format!("request_key,requested_model,input_tokens,output_tokens\n{rows}");
        std::fs::write(&requests, text).unwrap();
        run(route(&input("catalog.toml"), &requests, &self.log).args(options))
    }

    fn read(&self, arguments: &[&str]) -> String {
        let ran = run(program().arg(arguments[0]).arg(&self.log).args(&arguments[1..]));
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    /// The models that were asked for, in the order of the log.
    fn asked(&self) -> Vec<String> {
        let lines = self.read(&["show", "--json"]);
        let asked = lines.lines().map(|line| {
            let decision: Value = serde_json::from_str(line).unwrap();
            decision["requested_model"].as_str().unwrap().to_owned()
        });
        asked.collect()
    }
}

#[test]
fn a_log_names_the_models_that_were_asked_for_and_not_listed() {
    let place = LogDirectory::new();
    let routed = place.route(",gone-2,374,44\n,large,396,109\n,gone-1,879,55\n,gone-2,1,1\n", &[]);
    assert_eq!(routed.code, 0, "{}", routed.err);
    assert!(routed.out.contains("3 requests asked for a model outside the catalog"));
    assert!(routed.out.contains("catalog  2 models of 2 providers"), "{}", routed.out);
    assert_eq!(place.asked(), ["gone-2", "large", "gone-1", "gone-2"]);
    let shown = place.read(&["show"]);
    assert_eq!(shown.lines().filter(|line| line.contains(" gone-2 ")).count(), 2, "{shown}");
    let records = place.read(&["show", "--kind", "decision"]);
    assert!(records.contains("asked for gone-1 (not in the catalog), 879 tokens in"), "{records}");
    let explained = place.read(&["explain", "3"]);
    assert!(explained.contains("gone-2 (not in the catalog) for 374 tokens in"), "{explained}");
    let report = place.read(&["report"]);
    let rows: Vec<Vec<&str>> =
        report.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["gone-2", "2", "50.0%"]), "{report}");
    assert!(rows.contains(&vec!["gone-1", "1", "25.0%"]), "{report}");
    let report: Value = serde_json::from_str(&place.read(&["report", "--json"])).unwrap();
    let unlisted = serde_json::json!([
        {"model": "gone-2", "decisions": 2}, {"model": "gone-1", "decisions": 1}
    ]);
    assert_eq!(report["requested_unlisted"], unlisted);
    let page = place.read(&["report", "--html", "-"]);
    assert!(page.contains("Requested models outside the catalog"));
    let exported = place.read(&["export", "--format", "csv"]);
    assert_eq!(exported.lines().filter(|line| line.contains(",gone-2,")).count(), 2, "{exported}");
    let substitutions = place.route(",gone-3,1,1\n", &["--append", "--json"]);
    let summary: Value = serde_json::from_str(&substitutions.out).unwrap();
    assert_eq!(summary["routed"]["substitutions"][0]["requested"], "gone-3");
    assert_eq!(summary["catalog"]["models"], 2);
    let replaced = &summary["found"]["replaced_snapshot"];
    assert_eq!(replaced["catalog_epoch_not_raised"], false, "{replaced}");
}

#[test]
fn the_names_stay_behind_a_checkpoint_and_when_a_log_goes_on() {
    let place = LogDirectory::new();
    assert_eq!(place.route(",gone-1,374,44\n", &[]).code, 0);
    let engine = Engine::open(&place.log, &EngineOptions::default()).unwrap();
    engine.checkpoint(UnixMillis::new(1_793_610_000_000)).unwrap();
    engine.close().unwrap();
    assert_eq!(place.route(",gone-1,374,44\n,gone-2,374,44\n", &["--append"]).code, 0);
    assert_eq!(place.asked(), ["gone-1", "gone-1", "gone-2"]);
    // The records that named them first are gone: the checkpoint has the names.
    let engine = Engine::open(&place.log, &EngineOptions::default()).unwrap();
    engine.retain_from_checkpoint(RetentionAction::Remove).unwrap();
    engine.close().unwrap();
    assert_eq!(place.asked(), ["gone-1", "gone-2"]);
}

#[test]
fn a_keyed_call_for_an_unlisted_model_is_the_same_call_in_every_file() {
    let place = LogDirectory::new();
    assert_eq!(place.route("a,gone-1,374,44\n", &[]).code, 0);
    let between = place.route("b,gone-0,374,44\nc,gone-9,1,1\n", &["--append"]);
    assert_eq!(between.code, 0, "{}", between.err);
    let again = place.route("d,gone-5,1,1\na,gone-1,374,44\n", &["--append", "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let summary: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(summary["routed"]["repeated"], 1);
    let other = place.route("a,gone-2,374,44\n", &["--append"]);
    assert_eq!(other.code, 3, "{}", other.out);
    assert!(other.err.contains("used for another request"), "{}", other.err);
}

#[test]
fn a_replay_under_a_catalog_that_lists_the_model_gives_it_to_those_who_asked() {
    let place = LogDirectory::new();
    assert_eq!(place.route(",gone-1,374,44\n,gone-2,374,44\n", &[]).code, 0);
    let model = "\n[[model]]\nname = \"gone-1\"\nprovider = \"q\"\nquality_bps = 9_500\n\
        input_price_microunits_per_million_tokens = 100\n\
        output_price_microunits_per_million_tokens = 100\n";
    let catalog = std::fs::read_to_string(input("catalog.toml")).unwrap() + model;
    let policy = std::fs::read(input("policy.toml")).unwrap();
    let policy = PolicyFile::parse("policy.toml", policy).unwrap();
    for (sequence, action) in [(3, Action::ExecuteRequested), (5, Action::Substitute)] {
        let recorded = RecordedDecision::find(&place.log, None, sequence).unwrap();
        assert_eq!(recorded.decided.decision.action, Action::Substitute);
        let file = CatalogFile::parse("catalog.toml", catalog.as_str()).unwrap();
        let numbering = Numbering::of(&recorded.snapshot);
        let proposed = file.join_numbered(&policy, &numbering).unwrap().snapshot;
        let decision = proposed.policy_snapshot().prescribe(&recorded.decided.request);
        let chosen = decision.selected_model_id.unwrap();
        assert_eq!(
            (decision.action, proposed.names().models[&chosen].as_str()),
            (action, "gone-1")
        );
    }
}
