//! The policy file: the kernel's limits, the budgets of tenants, and defaults for requests and models.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use calybris_budget::BudgetEngine;
use calybris_kernel::Policy;
use calybris_units::{BasisPoints, Microunits};
use serde::Deserialize;

use crate::error::{InputError, Problem};
use crate::form::{self, Amount, Form as _, Name, Share};
use crate::pattern::{ModelPattern, NamePattern};
use crate::place::Place;
use crate::text::{Looks, decode};
use crate::traits::Traits;
use crate::words::toml_error;

/// A policy file, parsed and checked.
///
/// It is TOML: `[policy]` with the kernel's limits, `[tenants]` with their budgets, and optionally `[request]` with defaults
/// for requests and `[[model]]` with rules that fill in what a catalog leaves out.
///
/// ```
/// use calybris_catalog::PolicyFile;
/// use calybris_units::Microunits;
///
/// let policy = PolicyFile::parse(
///     "policy.toml",
///     "[policy]
///      policy_epoch = 1
///      catalog_epoch = 1
///      hard_risk_limit_bps = 9_500
///      minimum_confidence_bps = 5_000
///      risk_penalty_multiplier_bps = 2_500
///      latency_penalty_microunits_per_ms = 1
///      [tenants]
///      search = 20_000_000
///      [[model]]
///      name = \"gpt-4*\"
///      set = { quality_bps = 8_000 }",
/// )?;
/// assert_eq!(policy.tenants()["search"], Microunits::from_units(20).unwrap());
/// assert_eq!(policy.traits_of("gpt-4o", "openai").quality.unwrap().get(), 8_000);
/// # Ok::<(), calybris_catalog::InputError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PolicyFile {
    file: PathBuf,
    /// The text of the file, to find the places of later problems.
    text: String,
    policy: Policy,
    tenants: BTreeMap<String, Microunits>,
    request_defaults: RequestDefaults,
    pub(crate) catalog: CatalogSettings,
    pub(crate) groups: BTreeMap<String, Vec<ModelPattern>>,
    pub(crate) rules: Vec<Rule>,
}

/// The contents of the file as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    policy: Limits,
    #[serde(default, deserialize_with = "form::read::<_, BTreeMap<Name, Amount>>")]
    tenants: BTreeMap<String, Microunits>,
    #[serde(default)]
    request: RequestDefaults,
    #[serde(default)]
    catalog: CatalogSettings,
    #[serde(default, deserialize_with = "form::read::<_, BTreeMap<Name, Vec<ModelPattern>>>")]
    groups: BTreeMap<String, Vec<ModelPattern>>,
    #[serde(default)]
    model: Vec<Rule>,
}

/// What is done to a catalog as a whole; nothing if it is left out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogSettings {
    /// A model without a cache rate of its own has the dearest that its catalog states for the same model name, if that is dearer.
    #[serde(default)]
    pub(crate) fill_silent_rates: bool,
    /// Models that cost nothing are disabled unless a rule enables them.
    #[serde(default)]
    pub(crate) disable_free_models: bool,
}

/// The numbers of the kernel's policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    policy_epoch: u64,
    catalog_epoch: u64,
    hard_risk_limit_bps: Share,
    minimum_confidence_bps: Share,
    risk_penalty_multiplier_bps: u16,
    latency_penalty_microunits_per_ms: u64,
}

/// Defaults for requests; `None` and empty lists where the file has none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RequestDefaults {
    /// The tenant that pays.
    #[serde(default, deserialize_with = "form::read::<_, Option<Name>>")]
    pub tenant: Option<String>,
    /// The name of the requested model.
    #[serde(default, deserialize_with = "form::read::<_, Option<Name>>")]
    pub requested_model: Option<String>,
    /// The value of an answer in microunits; it may be negative.
    pub business_value_microunits: Option<i64>,
    /// The highest cost of an answer.
    #[serde(rename = "budget_limit_microunits")]
    pub budget_limit: Option<Microunits>,
    /// The most completion tokens of an answer, for requests that do not say it themselves.
    pub max_completion_tokens: Option<u32>,
    /// Risk, 0 to 10,000.
    #[serde(default, rename = "risk_bps", deserialize_with = "form::read::<_, Option<Share>>")]
    pub risk: Option<BasisPoints>,
    /// Confidence, 0 to 10,000.
    #[serde(
        default,
        rename = "confidence_bps",
        deserialize_with = "form::read::<_, Option<Share>>"
    )]
    pub confidence: Option<BasisPoints>,
    /// The least quality, 0 to 10,000.
    #[serde(
        default,
        rename = "minimum_quality_bps",
        deserialize_with = "form::read::<_, Option<Share>>"
    )]
    pub minimum_quality: Option<BasisPoints>,
    /// The longest latency; 0 is no limit.
    pub max_p95_latency_ms: Option<u32>,
    /// Names of capabilities that the model must have.
    #[serde(default, deserialize_with = "form::read::<_, Vec<Name>>")]
    pub required_capabilities: Vec<String>,
    /// Names of the providers that may be used; empty is all of them.
    #[serde(default, deserialize_with = "form::read::<_, Vec<Name>>")]
    pub allowed_providers: Vec<String>,
    /// Names of regions in which the model must run.
    #[serde(default, deserialize_with = "form::read::<_, Vec<Name>>")]
    pub required_regions: Vec<String>,
}

/// A rule that sets traits of the models that match it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Which model names.
    pub(crate) name: ModelPattern,
    /// Which providers; any if left out.
    #[serde(default)]
    pub(crate) provider: Option<NamePattern>,
    pub(crate) set: Traits,
}

impl PolicyFile {
    /// Parses and checks a policy file. `file` is its name in messages; nothing is opened.
    ///
    /// # Errors
    /// [`InputError::Refused`] with the place: not TOML, an unknown, missing or duplicate key, a number outside of its range, an
    /// invalid pattern, a tenant whose name or amount the budget refuses, or no tenant at all.
    pub fn parse(file: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Result<Self, InputError> {
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
        let file = file.as_ref();
        let text = decode(file, contents)?;
        Looks::refuse(file, &text, &refused, "a policy file is TOML with a table `[policy]`")?;
        let contents: Contents =
            toml::from_str(&text).map_err(|error| toml_error(file, &text, &error))?;
        let parsed = Self {
            file: file.to_path_buf(),
            text,
            policy: contents.policy.policy(),
            tenants: contents.tenants,
            request_defaults: contents.request,
            catalog: contents.catalog,
            groups: contents.groups,
            rules: contents.model,
        };
        if parsed.tenants.is_empty() {
            let what = "nobody has a budget: add a table `[tenants]` with a line `NAME = MICROUNITS` for each tenant";
            return Err(parsed.refuse(&["tenants"], what));
        }
        // A temporary budget engine checks names and amounts before there is a log.
        let trial = BudgetEngine::new();
        for (tenant, granted) in &parsed.tenants {
            trial.ensure_tenant(tenant, *granted).map_err(|error| {
                parsed.refuse(&["tenants", tenant], format!("`[tenants]`: {error}"))
            })?;
        }
        Ok(parsed)
    }

    /// The name of the file in messages.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The policy as the kernel takes it.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// The budget of each tenant; there is at least one.
    #[must_use]
    pub const fn tenants(&self) -> &BTreeMap<String, Microunits> {
        &self.tenants
    }

    /// The defaults for requests.
    #[must_use]
    pub const fn request_defaults(&self) -> &RequestDefaults {
        &self.request_defaults
    }

    /// The traits that the rules set for a model. If several matching rules set a field, the last one counts. The rows of
    /// service tiers in a price list are not meant: see [`CatalogFile::apply_rules`](crate::CatalogFile::apply_rules).
    #[must_use]
    pub fn traits_of(&self, model: &str, provider: &str) -> Traits {
        let mut traits = Traits::default();
        let matching = self.rules.iter().filter(|rule| rule.matches(model, provider));
        matching.for_each(|rule| traits.overlay(&rule.set));
        traits
    }

    /// The names of the groups of models that requests may be restricted to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// A refusal of the file for the value under these keys, each in the table of the one before; with its place, if it is
    /// there.
    #[must_use]
    pub fn refuse(&self, keys: &[&str], what: impl fmt::Display) -> InputError {
        Problem::new(place_of(&self.text, keys), what).in_file(&self.file)
    }
}

impl Limits {
    fn policy(self) -> Policy {
        Policy::new()
            .with_policy_epoch(self.policy_epoch)
            .with_catalog_epoch(self.catalog_epoch)
            .with_hard_risk_limit(self.hard_risk_limit_bps.value())
            .with_minimum_confidence(self.minimum_confidence_bps.value())
            .with_risk_penalty_multiplier(BasisPoints::new(self.risk_penalty_multiplier_bps))
            .with_latency_penalty_per_ms(Microunits::new(self.latency_penalty_microunits_per_ms))
    }
}

impl Rule {
    pub(crate) fn matches(&self, name: &str, provider: &str) -> bool {
        let provider_matches = |pattern: &NamePattern| pattern.matches(provider);
        self.name.matches(name) && self.provider.as_ref().is_none_or(provider_matches)
    }
}

/// The place of the last of these keys, each in the table of the one before it.
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

/// A policy file `p.toml` for tests: the limits, and then that text.
#[cfg(test)]
pub(crate) fn policy_with(rest: &str) -> PolicyFile {
    let limits = "[policy]\npolicy_epoch = 1\ncatalog_epoch = 1\nhard_risk_limit_bps = 9_500\n\
        minimum_confidence_bps = 5_000\nrisk_penalty_multiplier_bps = 2_500\n\
        latency_penalty_microunits_per_ms = 1\n";
    PolicyFile::parse("p.toml", format!("{limits}{rest}")).unwrap()
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
        PolicyFile::parse("p.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_is_read_whole() {
        let file = PolicyFile::parse("p.toml", GOOD).unwrap();
        assert_eq!(file.policy().risk_penalty_multiplier.get(), 20_000);
        assert_eq!(file.tenants.get("search"), Some(&Microunits::new(1_000_000)));
        assert!(file.rules[1].matches("gpt-4o", "openai"));
        assert!(!file.rules[1].matches("gpt-4o", "azure"));
    }

    #[test]
    fn a_later_rule_overrides_only_what_it_says() {
        let file = PolicyFile::parse("p.toml", GOOD).unwrap();
        let mut traits = Traits::default();
        file.rules.iter().for_each(|rule| traits.overlay(&rule.set));
        assert_eq!(traits.quality, Some(BasisPoints::new(8_000)));
        assert_eq!(traits.regions.as_deref(), Some(["us".to_owned()].as_slice()));
    }

    #[test]
    fn basis_points_end_at_ten_thousand() {
        assert!(PolicyFile::parse("p.toml", GOOD.replace("9_500", "10_000")).is_ok());
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
