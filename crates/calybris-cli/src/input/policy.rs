//! The policy file: the kernel's limits, what tenants may spend, what requests and catalogs leave out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use calybris_core::budget::BudgetEngine;
use calybris_core::kernel::Policy;
use glob::Pattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

use super::error::{InputError, quoted, read};

/// A policy file, parsed and checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    pub(crate) policy: Limits,
    /// Tenant to what it may spend, in microunits.
    pub(crate) tenants: BTreeMap<String, Microunits>,
    #[serde(default)]
    pub(crate) request: RequestDefaults,
    /// What a catalog leaves out; of several that match a model, the last that says a thing decides it.
    #[serde(default, rename = "model")]
    pub(crate) rules: Vec<Rule>,
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
    pub(crate) tenant: Option<String>,
    pub(crate) requested_model: Option<String>,
    pub(crate) business_value_microunits: Option<i64>,
    pub(crate) budget_limit_microunits: Option<u64>,
    pub(crate) risk_bps: Option<Bps>,
    pub(crate) confidence_bps: Option<Bps>,
    pub(crate) minimum_quality_bps: Option<Bps>,
    pub(crate) max_p95_latency_ms: Option<u32>,
    #[serde(default)]
    pub(crate) required_capabilities: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_providers: Vec<String>,
    #[serde(default)]
    pub(crate) required_regions: Vec<String>,
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
    pub(crate) regions: Option<Vec<String>>,
    pub(crate) fixed_price_microunits: Option<Microunits>,
    pub(crate) enabled: Option<bool>,
}

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
        let parsed: Self = toml::from_str(text).map_err(|error| toml_error(file, text, &error))?;
        if parsed.tenants.is_empty() {
            let what = "`[tenants]` names nobody: give at least one tenant a budget in microunits";
            return Err(InputError::in_file(file, what));
        }
        // A budget engine of its own says what names and amounts are allowed, before there is a log.
        let trial = BudgetEngine::new();
        for (tenant, Microunits(granted)) in &parsed.tenants {
            trial
                .ensure_tenant(tenant, *granted)
                .map_err(|error| InputError::in_file(file, format!("`[tenants]`: {error}")))?;
        }
        Ok(parsed)
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

/// A TOML error with its line and the text of that line.
pub(crate) fn toml_error(file: &Path, text: &str, error: &toml::de::Error) -> InputError {
    let Some(start) = error.span().map(|span| span.start) else {
        return InputError::in_file(file, error.message());
    };
    let before = text.get(..start).unwrap_or_default();
    let line_index = before.matches('\n').count();
    let content = text.lines().nth(line_index).unwrap_or_default();
    let message = cut(error.message());
    if content.trim().is_empty() {
        return InputError::in_file(file, message);
    }
    let line = u64::try_from(line_index).unwrap_or(u64::MAX).saturating_add(1);
    InputError::at_line(file, line, format!("{}: {message}", quoted(content)))
}

/// A library's message, which may repeat what it found at any length.
fn cut(message: &str) -> String {
    if message.len() > 300 { quoted(message) } else { message.to_owned() }
}

/// Compiles a pattern of model or provider names.
fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    let text = String::deserialize(deserializer)?;
    Pattern::new(&text).map_err(|error| D::Error::custom(format!("not a pattern: {error}")))
}

fn some_pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pattern>, D::Error> {
    pattern(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Bps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = deserializer.deserialize_u64(WholeVisitor {
            most: 10_000,
            what: "basis points, a whole number of 0..=10000",
        })?;
        u16::try_from(whole).map(Bps).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Microunits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let what = "a whole number of microunits, 0 or more (1000000 are one currency unit)";
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

    #[test]
    fn a_later_rule_overrides_only_what_it_says() {
        let file = PolicyFile::parse(Path::new("p.toml"), GOOD).unwrap();
        let mut traits = Traits::default();
        file.rules.iter().for_each(|rule| traits.overlay(&rule.set));
        assert_eq!(traits.quality_bps, Some(Bps(8_000)));
        assert_eq!(traits.regions.as_deref(), Some(["us".to_owned()].as_slice()));
    }

    #[test]
    fn basis_points_end_at_ten_thousand() {
        assert!(PolicyFile::parse(Path::new("p.toml"), &GOOD.replace("9_500", "10_000")).is_ok());
        let text = refusal(&GOOD.replace("9_500", "10_001"));
        assert!(text.starts_with("p.toml:4: `hard_risk_limit_bps = 10_001`"), "{text}");
        assert!(text.contains("10001") && text.contains("0..=10000"), "{text}");
        assert!(refusal(&GOOD.replace("9_500", "-1")).contains("0..=10000"));
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
        assert!(refusal(&GOOD.replace("search = 1_000_000", "")).contains("[tenants]"));
        assert!(refusal(&GOOD.replace("search = ", "\"\" = ")).contains("[tenants]"));
        let long = format!("{} = ", "n".repeat(129));
        assert!(refusal(&GOOD.replace("search = ", &long)).contains("[tenants]"));
        assert_eq!(refusal(""), "p.toml: missing field `policy`");
    }
}
