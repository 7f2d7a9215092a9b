//! The policy for price lists that comes with the program: which models its rules mean.

use calybris_catalog::{Candidate, CatalogFile, InputError, PolicyFile, Traits};
use calybris_core::kernel::Window;
use calybris_core::units::BasisPoints;

/// What its rules make of a name.
fn bundled(name: &str) -> Traits {
    let policy = PolicyFile::parse("p.toml", include_str!("../data/price-list-policy.toml"));
    policy.map(|policy| policy.traits_of(name, "p")).unwrap_or_default()
}

#[test]
fn the_bundled_policy_switches_off_what_is_experimental_or_free_and_nothing_else() {
    for name in [
        "gemini/gemini-exp-1206",
        "novita/deepseek/deepseek-v3.2-exp",
        "gemini/learnlm-1.5-pro-experimental",
        "xai/grok-4.20-experimental-beta-0304",
        "opencode_go/beam-free",
        "openrouter/some/model:free",
    ] {
        assert_eq!(bundled(name).enabled, Some(false), "{name}");
    }
    for name in [
        "amazon.titan-text-express-v1",
        "c4ai-aya-expanse-32b",
        "bedrock/us-gov-east-1/amazon.titan-text-express-v1",
        "expert-7b",
        "freeform-2",
        "p/freedom-large",
    ] {
        assert_eq!(bundled(name).enabled, None, "{name}");
    }
}

#[test]
fn the_bundled_policy_knows_a_family_however_its_name_is_written() {
    for (name, quality_bps) in [
        ("meta-llama/Meta-Llama-3.1-70B-Instruct", 7_200),
        ("bedrock/meta.llama3-70b-instruct-v1:0", 7_200),
        ("deepinfra/Qwen/Qwen2.5-72B-Instruct", 7_400),
        ("azure_ai/FW-DeepSeek-V3.2", 8_000),
        ("ovhcloud/DeepSeek-R1-Distill-Llama-70B", 7_200),
        ("azure_ai/FW-GLM-5", 7_900),
        ("azure_ai/FW-Kimi-K2.5", 8_200),
        ("gemini/gemini-2.5-pro", 8_900),
        // Neither is a Gemini: the folder has the provider's name.
        ("gemini/lyria-3-pro-preview", 5_000),
        ("gemini/deep-research-pro-preview-12-2025", 5_000),
    ] {
        assert_eq!(bundled(name).quality, Some(BasisPoints::new(quality_bps)), "{name}");
    }
}

#[test]
fn the_bundled_policy_lets_no_missing_or_absent_price_win_and_assumes_small_windows_where_none_is_listed()
-> Result<(), InputError> {
    let entry = |name: &str, rates: &str, more: &str| {
        format!(
            "\"{name}\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", {rates}, \"output_cost_per_token\": 1e-06{more}}}"
        )
    };
    let (rate, write) =
        ("\"input_cost_per_token\": 1e-06", ", \"cache_creation_input_token_cost\": 1.25e-06");
    let free = "\"input_cost_per_token\": 0".to_owned();
    let entries = [
        entry(
            "m",
            rate,
            &format!("{write}, \"max_input_tokens\": 9000, \"input_cost_per_token_flex\": 5e-07"),
        ),
        entry("reseller/m", rate, ""),
        entry("unknown", &free, "").replace("1e-06", "0"),
    ];
    let list = CatalogFile::parse("prices.json", format!("{{{}}}", entries.join(",")))?;
    let policy = PolicyFile::parse("p.toml", include_str!("../data/price-list-policy.toml"))?;
    let catalog = list.join(&policy)?;

    let enabled: Vec<_> = catalog.listed.enabled().map(|model| model.name.as_str()).collect();
    assert_eq!(enabled, ["m", "reseller/m"]);
    let write_of = |name: &str| {
        catalog.listed.candidate(name).map(|model| model.price().band(0).rates.cache_write.get())
    };
    assert_eq!(write_of("reseller/m"), Some(1_250_000));
    let window_of = |name: &str| catalog.listed.candidate(name).map(Candidate::window);
    let assumed = Window::UNKNOWN.with_max_completion_tokens(4_096);
    assert_eq!(window_of("m"), Some(assumed.with_max_prompt_tokens(9_000)));
    assert_eq!(window_of("reseller/m"), Some(assumed.with_max_prompt_tokens(8_192)));
    assert_eq!(policy.request_defaults().max_completion_tokens, Some(4_096));
    Ok(())
}
