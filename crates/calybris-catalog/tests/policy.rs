//! What a policy file does to a catalog: service tiers, windows, silent and free rows, groups.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use calybris_catalog::{Catalog, CatalogFile, PolicyFile};
use calybris_kernel::Window;

fn policy(rest: &str) -> Result<PolicyFile, String> {
    let text = format!(
        "[policy]\npolicy_epoch = 1\ncatalog_epoch = 1\nhard_risk_limit_bps = 9_500\n\
         minimum_confidence_bps = 5_000\nrisk_penalty_multiplier_bps = 2_500\n\
         latency_penalty_microunits_per_ms = 1\n[tenants]\nt = 1\n{rest}\n[[model]]\nname = \"*\"\n\
         set = {{ quality_bps = 5_000, risk_ceiling_bps = 9_000, p95_latency_ms = 500 }}\n"
    );
    PolicyFile::parse("policy.toml", text).map_err(|error| error.to_string())
}

/// Three models: `a` with a tier for batches, `b` that costs nothing, `p/c@2024` with a tier for batches.
fn list() -> CatalogFile {
    let entry = |name: &str, input: &str, more: &str| {
        format!(
            "\"{name}\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", \"input_cost_per_token\": {input},
             \"output_cost_per_token\": 0{more}}}"
        )
    };
    let batch = ", \"input_cost_per_token_batches\": 5e-07";
    let window = ", \"max_input_tokens\": 1000, \"max_output_tokens\": 500";
    let whole = ", \"max_input_tokens\": 1000, \"max_output_tokens\": 1000";
    let entries = [
        entry("a", "1e-06", &format!("{batch}{window}")),
        entry("b", "0", whole),
        entry("p/c@2024", "1e-06", batch),
    ];
    CatalogFile::parse("p.json", format!("{{{}}}", entries.join(","))).unwrap()
}

fn join(rest: &str) -> Catalog {
    list().join(&policy(rest).unwrap()).unwrap()
}

fn enabled(catalog: &Catalog) -> Vec<&str> {
    catalog.listed.enabled().map(|model| model.name.as_str()).collect()
}

fn rule(name: &str, set: &str) -> String {
    format!("[[model]]\nname = \"{name}\"\nset = {{ {set} }}\n")
}

#[test]
fn a_rule_enables_a_service_tier_only_if_its_pattern_names_the_tier() {
    assert_eq!(enabled(&join("")), ["a", "b", "p/c@2024"]);
    for (pattern, expected) in [
        ("*", &["a", "b", "p/c@2024"][..]),
        ("*@2024*", &["a", "b", "p/c@2024"]),
        ("*@batch", &["a", "a@batch", "b", "p/c@2024", "p/c@2024@batch"]),
        ("a@*", &["a", "a@batch", "b", "p/c@2024"]),
        ("*@flex", &["a", "b", "p/c@2024"]),
    ] {
        let catalog = join(&rule(pattern, "enabled = true"));
        assert_eq!(enabled(&catalog), expected, "{pattern}");
        let models = || catalog.snapshot.policy_snapshot().models();
        assert_eq!(models().filter(|model| model.enabled).count(), expected.len());
        assert_eq!(models().len(), 5);
    }
    // Every rule may disable a tier, and the last that says something counts.
    let twice = rule("*@batch", "enabled = true") + &rule("a*", "enabled = false");
    assert_eq!(enabled(&join(&twice)), ["b", "p/c@2024", "p/c@2024@batch"]);
    let thrice = twice + &rule("a*", "enabled = true");
    assert_eq!(enabled(&join(&thrice)), ["a", "b", "p/c@2024", "p/c@2024@batch"]);
}

#[test]
fn free_models_are_disabled_if_the_policy_says_so_unless_a_rule_enables_them() {
    let settings = "[catalog]\ndisable_free_models = true\n";
    assert_eq!(enabled(&join(settings)), ["a", "p/c@2024"]);
    let with_rule = format!("{settings}{}", rule("b", "enabled = true"));
    assert_eq!(enabled(&join(&with_rule)), ["a", "b", "p/c@2024"]);
    // With a fixed price it is not free.
    let with_fee = format!("{settings}{}", rule("b", "fixed_price_microunits = 1"));
    assert_eq!(enabled(&join(&with_fee)), ["a", "b", "p/c@2024"]);
}

#[test]
fn rules_set_the_maxima_that_the_catalog_leaves_out() {
    let set = "max_prompt_tokens = 70, max_completion_tokens = 60, max_total_tokens = 90";
    let catalog = join(&rule("*", set));
    let window = |name: &str| {
        let id = catalog.snapshot.names().model_id(name).unwrap();
        catalog.snapshot.policy_snapshot().model(id).unwrap().window
    };
    let known = Window::UNKNOWN.with_max_prompt_tokens(1_000).with_max_completion_tokens(500);
    assert_eq!(window("a"), known.with_max_total_tokens(90));
    assert_eq!(window("a@batch"), window("a"));
    // The whole window is known: the rules set no part of it.
    assert_eq!(window("b"), Window::UNKNOWN.with_max_total_tokens(1_000));
    let from_rules = Window::UNKNOWN.with_max_prompt_tokens(70).with_max_completion_tokens(60);
    assert_eq!(window("p/c@2024"), from_rules.with_max_total_tokens(90));
    // Rules that are applied twice do what they did.
    let mut again = catalog.listed.clone();
    again.apply_rules(&policy(&rule("*", set)).unwrap());
    assert_eq!(again.candidate("b").unwrap().window(), window("b"));
}

#[test]
fn a_group_has_the_models_of_its_patterns_and_a_tier_only_where_it_is_named() {
    let groups = "[groups]\nall = [\"*\"]\nbatch = [\"*@batch\"]\nsome = [\"b\", \"a*\", \"b*\"]\nnone = []\n";
    let catalog = join(groups);
    let snapshot = catalog.snapshot.policy_snapshot();
    let members = |name: &str| -> Vec<&str> {
        let id = catalog.group_id(name).unwrap();
        let group = snapshot.groups().iter().find(|group| group.group_id == id).unwrap();
        let names = &catalog.snapshot.names().models;
        group.model_ids.iter().map(|id| names[id].as_str()).collect()
    };
    assert_eq!(members("all"), ["a", "b", "p/c@2024"]);
    assert_eq!(members("batch"), ["a@batch", "p/c@2024@batch"]);
    assert_eq!(members("some"), ["a", "b"]);
    assert!(members("none").is_empty());
    assert_eq!(catalog.group_id("other"), None);
    assert!(catalog.unmatched_rules.is_empty());
    let typo = join("[groups]\nsome = [\"b\", \"bb\"]\n");
    assert_eq!(typo.unmatched_rules, ["bb"]);
}

#[test]
fn the_new_tables_are_read_strictly() {
    for (rest, what) in [
        ("[catalog]\nfill_silent = true", "unknown key `fill_silent`"),
        ("[catalog]\nfill_silent_rates = 1", "`true` or `false`"),
        ("[groups]\nsome = \"a\"", "a list"),
        ("[groups]\nsome = [\"[\"]", "not a pattern"),
        ("[groups]\n\" some\" = []", "blanks around the name"),
        ("[request]\nmax_completion_tokens = -1", "from 0 to 4,294,967,295"),
        (
            "[[model]]\nname = \"a\"\nset = { max_total_tokens = 4_294_967_296 }",
            "from 0 to 4,294,967,295",
        ),
    ] {
        let error = policy(rest).unwrap_err();
        assert!(error.starts_with("policy.toml:1") && error.contains(what), "{rest}: {error}");
    }
    let groups: String = (0..=256).map(|n| format!("g{n} = []\n")).collect();
    let error = list().join(&policy(&format!("[groups]\n{groups}")).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "policy.toml: 257 groups; at most 256 are allowed");
    let ceiling = policy("[request]\nmax_completion_tokens = 4_096").unwrap();
    assert_eq!(ceiling.request_defaults().max_completion_tokens, Some(4_096));
}
