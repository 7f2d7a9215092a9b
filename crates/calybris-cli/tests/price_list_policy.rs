//! The policy for price lists that comes with the program: which models its rules mean.

use calybris_catalog::{PolicyFile, Traits};
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
