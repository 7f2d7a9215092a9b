//! The policy file: the kernel's limits, what tenants may spend, what requests and catalogs leave out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use calybris_core::budget::BudgetEngine;
use calybris_core::kernel::Policy;
use glob::Pattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

use super::error::{InputError, name_fault};
use super::looks::Looks;
use super::place::Place;
use super::source::read;
use super::words;

/// A policy file, parsed and checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    pub(crate) policy: Limits,
    /// Tenant to what it may spend, in microunits.
    #[serde(default)]
    pub(crate) tenants: BTreeMap<Name, Microunits>,
    #[serde(default)]
    pub(crate) request: RequestDefaults,
    /// What a catalog leaves out; of several that match a model, the last that says a thing decides it.
    #[serde(default, rename = "model")]
    pub(crate) rules: Vec<Rule>,
    /// Where it came from, for the places of what is found later.
    #[serde(skip)]
    text: String,
    /// What messages call the file.
    #[serde(skip)]
    pub(crate) file: PathBuf,
}

/// The numbers of the kernel's policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    policy_epoch: u64,
    catalog_epoch: u64,
    hard_risk_limit_bps: Bps,
    minimum_confidence_bps: Bps,
    risk_penalty_multiplier_bps: u16,
    latency_penalty_microunits_per_ms: u64,
}

/// What a request that does not say is taken to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestDefaults {
    pub(crate) tenant: Option<Name>,
    pub(crate) requested_model: Option<Name>,
    pub(crate) business_value_microunits: Option<i64>,
    pub(crate) budget_limit_microunits: Option<u64>,
    pub(crate) risk_bps: Option<Bps>,
    pub(crate) confidence_bps: Option<Bps>,
    pub(crate) minimum_quality_bps: Option<Bps>,
    pub(crate) max_p95_latency_ms: Option<u32>,
    #[serde(default)]
    pub(crate) required_capabilities: Vec<Name>,
    #[serde(default)]
    pub(crate) allowed_providers: Vec<Name>,
    #[serde(default)]
    pub(crate) required_regions: Vec<Name>,
}

/// What models of a kind are taken to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Which model names: `*` any text, `?` one letter, `[ab]` one of these.
    #[serde(deserialize_with = "pattern")]
    pub(crate) name: Pattern,
    /// Which providers; any if left out.
    #[serde(default, deserialize_with = "some_pattern")]
    pub(crate) provider: Option<Pattern>,
    pub(crate) set: Traits,
}

/// What price lists lack. Each may be said by the catalog or by a rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traits {
    pub(crate) quality_bps: Option<Bps>,
    pub(crate) risk_ceiling_bps: Option<Bps>,
    pub(crate) p95_latency_ms: Option<u32>,
    pub(crate) regions: Option<Vec<Name>>,
    pub(crate) fixed_price_microunits: Option<Microunits>,
    pub(crate) enabled: Option<bool>,
}

/// The name of something, without blanks around it: checked where it is read, because names are compared letter by letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) String);

/// Basis points, 0..=10,000, checked where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bps(pub(crate) u16);

/// An amount or a price, 0 or more, checked where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Microunits(pub(crate) u64);

impl PolicyFile {
    /// Reads and checks a policy file.
    pub(crate) fn read(file: &Path) -> Result<Self, InputError> {
        Self::parse(file, &read(file)?)
    }

    /// Parses the text of a policy file; `file` is what messages call it.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, InputError> {
        let refused = [
            Looks::JsonObject,
            Looks::JsonArray,
            Looks::Csv,
            Looks::WebPage,
            Looks::Key,
            Looks::Anchor,
            Looks::TreeHead,
            Looks::Catalog,
        ];
        Looks::refuse(file, text, &refused, "a policy file is TOML with a table `[policy]`")?;
        let mut parsed: Self =
            toml::from_str(text).map_err(|error| toml_error(file, text, &error))?;
        parsed.text = text.to_owned();
        parsed.file = file.to_path_buf();
        if parsed.tenants.is_empty() {
            let what = "nobody has a budget: add a table `[tenants]` with a line `NAME = MICROUNITS` for each tenant";
            return Err(parsed.refuse(file, &["tenants"], what));
        }
        // A budget engine of its own says what names and amounts are allowed, before there is a log.
        let trial = BudgetEngine::new();
        for (tenant, Microunits(granted)) in &parsed.tenants {
            trial.ensure_tenant(&tenant.0, *granted).map_err(|error| {
                parsed.refuse(file, &["tenants", &tenant.0], format!("`[tenants]`: {error}"))
            })?;
        }
        Ok(parsed)
    }

    /// A finding about what stands under these keys, at its place.
    pub(crate) fn refuse(&self, file: &Path, keys: &[&str], what: impl fmt::Display) -> InputError {
        match place_of(&self.text, keys) {
            Some(place) => InputError::at(file, place, what),
            None => InputError::in_file(file, what),
        }
    }

    /// The policy as the kernel takes it.
    pub(crate) fn policy(&self) -> Policy {
        let Limits {
            policy_epoch,
            catalog_epoch,
            hard_risk_limit_bps,
            minimum_confidence_bps,
            risk_penalty_multiplier_bps,
            latency_penalty_microunits_per_ms,
        } = self.policy;
        Policy {
            policy_epoch,
            catalog_epoch,
            hard_risk_limit_bps: hard_risk_limit_bps.0,
            minimum_confidence_bps: minimum_confidence_bps.0,
            risk_penalty_multiplier_bps,
            latency_penalty_microunits_per_ms,
        }
    }
}

impl Rule {
    pub(crate) fn matches(&self, name: &str, provider: &str) -> bool {
        let provider_matches = |pattern: &Pattern| pattern.matches(provider);
        self.name.matches(name) && self.provider.as_ref().is_none_or(provider_matches)
    }
}

impl Traits {
    /// Takes from `other` what it says.
    pub(crate) fn overlay(&mut self, other: &Self) {
        let Self {
            quality_bps,
            risk_ceiling_bps,
            p95_latency_ms,
            regions,
            fixed_price_microunits,
            enabled,
        } = other;
        self.quality_bps = quality_bps.or(self.quality_bps);
        self.risk_ceiling_bps = risk_ceiling_bps.or(self.risk_ceiling_bps);
        self.p95_latency_ms = p95_latency_ms.or(self.p95_latency_ms);
        self.regions = regions.clone().or(self.regions.take());
        self.fixed_price_microunits = fixed_price_microunits.or(self.fixed_price_microunits);
        self.enabled = enabled.or(self.enabled);
    }
}

/// A TOML error with its place and the text of its line.
pub(crate) fn toml_error(file: &Path, text: &str, error: &toml::de::Error) -> InputError {
    match words::of_toml(text, error) {
        (Some(place), what) => InputError::at(file, place, what),
        (None, what) => InputError::in_file(file, what),
    }
}

/// Where the last of these keys stands, each in the table of the one before it.
fn place_of(text: &str, keys: &[&str]) -> Option<Place> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut offset = None;
    for key in keys {
        let (found, value) = table.iter().find(|(found, _)| found.get_ref() == key)?;
        offset = Some(found.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    offset.map(|offset| Place::of(text, offset))
}

/// Compiles a pattern of model or provider names.
fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    let Name(text) = Name::deserialize(deserializer)?;
    Pattern::new(&text).map_err(|error| D::Error::custom(format!("not a pattern: {error}")))
}

fn some_pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pattern>, D::Error> {
    pattern(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name_fault(&name) {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(Self(name)),
        }
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Bps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = deserializer.deserialize_u64(WholeVisitor {
            most: 10_000,
            what: "a whole number from 0 to 10,000 (basis points)",
        })?;
        u16::try_from(whole).map(Bps).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Microunits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let what = "a whole number of microunits from 0 on (1,000,000 are one currency unit)";
        deserializer.deserialize_u64(WholeVisitor { most: u64::MAX, what }).map(Microunits)
    }
}

/// A whole number of `0..=most`.
struct WholeVisitor {
    most: u64,
    what: &'static str,
}

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
        let in_range = u64::try_from(value).ok().filter(|whole| *whole <= self.most);
        in_range.ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        Some(value)
            .filter(|whole| *whole <= self.most)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}

/// A policy file `p.toml` for tests: the limits, and then that text.
#[cfg(test)]
pub(crate) fn policy_with(rest: &str) -> PolicyFile {
    let limits = "[policy]\npolicy_epoch = 1\ncatalog_epoch = 1\nhard_risk_limit_bps = 9_500\n\
        minimum_confidence_bps = 5_000\nrisk_penalty_multiplier_bps = 2_500\n\
        latency_penalty_microunits_per_ms = 1\n";
    PolicyFile::parse(Path::new("p.toml"), &format!("{limits}{rest}")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
[policy]
policy_epoch = 1
catalog_epoch = 2
hard_risk_limit_bps = 9_500
minimum_confidence_bps = 5_000
risk_penalty_multiplier_bps = 20_000
latency_penalty_microunits_per_ms = 2

[tenants]
search = 1_000_000

[[model]]
name = \"*\"
set = { quality_bps = 5_000, regions = [\"us\"] }

[[model]]
name = \"gpt-4*\"
provider = \"open*\"
set = { quality_bps = 8_000 }
";

    fn refusal(text: &str) -> String {
        PolicyFile::parse(Path::new("p.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_is_read_whole() {
        let file = PolicyFile::parse(Path::new("p.toml"), GOOD).unwrap();
        assert_eq!(file.policy().risk_penalty_multiplier_bps, 20_000);
        assert_eq!(file.tenants.get("search"), Some(&Microunits(1_000_000)));
        assert!(file.rules[1].matches("gpt-4o", "openai"));
        assert!(!file.rules[1].matches("gpt-4o", "azure"));
    }

    /// What the rules of the bundled policy for price lists make of a name.
    fn bundled(name: &str) -> Traits {
        let text = include_str!("../../data/price-list-policy.toml");
        let file = PolicyFile::parse(Path::new("p.toml"), text).unwrap();
        let mut traits = Traits::default();
        file.rules
            .iter()
            .filter(|rule| rule.matches(name, "p"))
            .for_each(|rule| traits.overlay(&rule.set));
        traits
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
            assert_eq!(bundled(name).quality_bps, Some(Bps(quality_bps)), "{name}");
        }
    }

    #[test]
    fn a_later_rule_overrides_only_what_it_says() {
        let file = PolicyFile::parse(Path::new("p.toml"), GOOD).unwrap();
        let mut traits = Traits::default();
        file.rules.iter().for_each(|rule| traits.overlay(&rule.set));
        assert_eq!(traits.quality_bps, Some(Bps(8_000)));
        assert_eq!(traits.regions.as_deref(), Some([Name("us".to_owned())].as_slice()));
    }

    #[test]
    fn basis_points_end_at_ten_thousand() {
        assert!(PolicyFile::parse(Path::new("p.toml"), &GOOD.replace("9_500", "10_000")).is_ok());
        let text = refusal(&GOOD.replace("9_500", "10_001"));
        assert!(text.starts_with("p.toml:4:23: `hard_risk_limit_bps = 10_001`"), "{text}");
        assert!(
            text.ends_with(
                "found `10001`, allowed is a whole number from 0 to 10,000 (basis points)"
            ),
            "{text}"
        );
        assert!(refusal(&GOOD.replace("9_500", "-1")).contains("from 0 to 10,000"));
    }

    #[test]
    fn a_number_of_another_kind_is_told_in_plain_words() {
        let text = refusal(&GOOD.replace("= 20_000", "= 70_000"));
        assert!(
            text.starts_with("p.toml:6:31: ") && text.ends_with("a whole number from 0 to 65,535"),
            "{text}"
        );
        let text = refusal(
            &GOOD.replace("set = { quality_bps = 8_000 }", "set = { p95_latency_ms = 2.5 }"),
        );
        assert!(
            text.contains("found `2.5`, allowed is a whole number from 0 to 4,294,967,295"),
            "{text}"
        );
    }

    #[test]
    fn a_name_with_a_blank_around_it_is_refused_with_its_place() {
        for (from, to, place) in [
            ("search = ", "\"search \" = ", "p.toml:10:"),
            ("\"us\"", "\" us\"", "p.toml:14:"),
            ("\"open*\"", "\"open* \"", "p.toml:18:12: "),
            ("[tenants]", "[request]\ntenant = \"search\\t\"\n[tenants]", "p.toml:10:10: "),
        ] {
            let text = refusal(&GOOD.replace(from, to));
            assert!(text.starts_with(place) && text.contains("blanks around the name"), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_place() {
        let text = refusal(&GOOD.replace("search = 1_000_000", "search = 1\n\"search\" = 2"));
        assert!(text.starts_with("p.toml:11:1: ") && text.contains("twice"), "{text}");
        let text = refusal(&GOOD.replace("[tenants]", "[policy]\n[tenants]"));
        assert!(text.starts_with("p.toml:9:") && text.contains("twice"), "{text}");
    }

    #[test]
    fn another_kind_of_file_is_named() {
        for (text, looks) in [
            ("{\"policy\": 1}", "JSON;"),
            ("a,b\n1,2\n", "CSV;"),
            ("[[model]]\nname = \"a\"\nprovider = \"p\"\n", "a catalog (TOML);"),
        ] {
            let text = refusal(text);
            assert!(text.starts_with(&format!("p.toml:1:1: looks like {looks}")), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = refusal(&GOOD.replace("policy_epoch = 1", "policy_epoch = 1\nhard_limit = 3"));
        assert!(text.starts_with("p.toml:3:") && text.contains("hard_limit"), "{text}");
        let text = refusal(&GOOD.replace("quality_bps = 8_000", "qualty_bps = 8_000"));
        assert!(text.contains("qualty_bps"), "{text}");
    }

    #[test]
    fn a_missing_limit_and_a_bad_pattern_are_refused() {
        assert!(refusal(&GOOD.replace("policy_epoch = 1\n", "")).contains("policy_epoch"));
        assert!(refusal(&GOOD.replace("gpt-4*", "gpt-[4")).contains("not a pattern"));
        for without in [
            GOOD.replace("search = 1_000_000", ""),
            GOOD.replace("[tenants]\nsearch = 1_000_000", ""),
        ] {
            let text = refusal(&without);
            assert!(text.contains("`[tenants]` with a line `NAME = MICROUNITS`"), "{text}");
        }
        assert!(refusal(&GOOD.replace("search = ", "\"\" = ")).contains(":10:1: "));
        let long = format!("{} = ", "n".repeat(129));
        assert!(refusal(&GOOD.replace("search = ", &long)).contains("[tenants]"));
        assert_eq!(refusal(""), "p.toml: `policy` is missing");
    }
}
