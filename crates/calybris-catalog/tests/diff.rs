//! What changed from one catalog to the next: bands, classes, fees, windows, retirements.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use calybris_catalog::{CatalogDiff, CatalogFile, Values};

fn list(fields: &str) -> CatalogFile {
    let text = format!(
        "{{\"a\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", \"output_cost_per_token\": 2e-06,
         {fields}}}}}"
    );
    CatalogFile::parse("p.json", text).unwrap()
}

/// The changes, in order: the field, and both values as texts.
fn changes(old: &str, new: &str) -> Vec<(String, String, String)> {
    let (old, new) = (list(old), list(new));
    let diff = CatalogDiff::between(&old, &new);
    let maximum = |tokens: &Option<u64>| {
        tokens.map_or_else(|| "none".to_owned(), |tokens| tokens.to_string())
    };
    let texts = |values: &Values| match values {
        Values::Price(old, new) => (old.to_string(), new.to_string()),
        Values::Number(old, new) => (maximum(old), maximum(new)),
        Values::Text(old, new) => (old.clone(), new.clone()),
        Values::Set(added, removed) => (removed.join(","), added.join(",")),
    };
    let change = |change: &calybris_catalog::Change<'_>| {
        let (old, new) = texts(&change.values);
        (change.field.to_string(), old, new)
    };
    diff.changes.iter().map(change).collect()
}

fn expected(changes: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    changes.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

#[test]
fn a_class_without_a_rate_of_its_own_changes_with_its_side_and_is_not_named() {
    let input = "\"input_cost_per_token\": 1e-06";
    assert_eq!(
        changes(input, "\"input_cost_per_token\": 4e-06"),
        expected(&[("input price", "1", "4")])
    );
    let read = format!("{input}, \"cache_read_input_token_cost\": 1e-07");
    assert_eq!(changes(input, &read), expected(&[("cache read price", "1", "0.1")]));
    assert_eq!(changes(&read, &read), expected(&[]));
}

#[test]
fn a_band_is_named_by_its_threshold_and_only_with_what_changed_in_it() {
    let flat = "\"input_cost_per_token\": 1e-06";
    let band = format!("{flat}, \"input_cost_per_token_above_200k_tokens\": 3e-06");
    assert_eq!(
        changes(flat, &band),
        expected(&[("input price above 200000 prompt tokens", "1", "3")])
    );
    let moved = format!("{flat}, \"input_cost_per_token_above_100k_tokens\": 3e-06");
    assert_eq!(
        changes(&band, &moved),
        expected(&[("input price above 100000 prompt tokens", "1", "3")])
    );
    let dearer = band.replace("1e-06", "2e-06");
    assert_eq!(changes(&band, &dearer), expected(&[("input price", "1", "2")]));
}

#[test]
fn a_change_is_named_once_and_not_again_in_each_longer_band() {
    let band = "\"output_cost_per_token_above_200k_tokens\": 4e-06, \"input_cost_per_token\":";
    assert_eq!(
        changes(&format!("{band} 1e-06"), &format!("{band} 3e-06")),
        expected(&[("input price", "1", "3")])
    );
}

#[test]
fn fees_windows_and_retirements_are_compared() {
    let old =
        "\"input_cost_per_token\": 1e-06, \"max_input_tokens\": 100, \"max_output_tokens\": 50,
        \"search_context_cost_per_query\": 0.01, \"deprecation_date\": \"2026-01-01\"";
    let new =
        "\"input_cost_per_token\": 1e-06, \"max_input_tokens\": 100, \"max_output_tokens\": 100,
        \"search_context_cost_per_query\": 0.02, \"web_search_billing_unit\": \"per_prompt\",
        \"input_cost_per_request\": 0.005";
    assert_eq!(
        changes(old, new),
        expected(&[
            ("fixed price", "0", "0.005"),
            ("search fee", "0.01", "0.02"),
            ("max completion tokens", "50", "none"),
            ("max prompt tokens", "100", "none"),
            ("max total tokens", "none", "100"),
            ("retirement", "2026-01-01", ""),
            ("search fee unit", "search", "request"),
        ])
    );
}

#[test]
fn a_service_tier_is_a_model_of_its_own() {
    let (old, new) = (
        list("\"input_cost_per_token\": 1e-06"),
        list("\"input_cost_per_token\": 1e-06, \"input_cost_per_token_batches\": 5e-07"),
    );
    let diff = CatalogDiff::between(&old, &new);
    assert!(diff.changes.is_empty());
    assert_eq!(diff.added.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["a@batch"]);
}
