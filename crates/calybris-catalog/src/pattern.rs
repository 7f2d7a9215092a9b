//! Patterns of names in policy files: `*` any text, `?` one letter, `[ab]` one of these.

use glob::Pattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::form::{self, Form, Name};

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePattern(Pattern);

/// A pattern of model names. What follows its last `@` may name service tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelPattern {
    whole: NamePattern,
    tier: Option<NamePattern>,
}

impl NamePattern {
    fn parse(text: &str) -> Result<Self, String> {
        Pattern::new(text).map(Self).map_err(|error| format!("not a pattern: {error}"))
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}

impl ModelPattern {
    pub(crate) fn as_str(&self) -> &str {
        self.whole.0.as_str()
    }

    /// Whether it matches a name, that of a service tier's row included.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.whole.matches(name)
    }

    /// Whether it names this service tier behind an `@`. A pattern such as `gpt-4*` matches the row `gpt-4o@batch`, but does
    /// not name its tier. `None` is the standard tier, which every pattern names.
    pub(crate) fn names_tier(&self, tier: Option<&str>) -> bool {
        tier.is_none_or(|tier| self.tier.as_ref().is_some_and(|pattern| pattern.matches(tier)))
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = form::read::<_, Name>(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ModelPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = form::read::<_, Name>(deserializer)?;
        let whole = NamePattern::parse(&text).map_err(D::Error::custom)?;
        // Half a bracket is no pattern, and then names no tier.
        let tier = text.rsplit_once('@').and_then(|(_, tier)| NamePattern::parse(tier).ok());
        Ok(Self { whole, tier })
    }
}

impl Form for ModelPattern {
    type Value = Self;

    fn value(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ModelPattern {
        #[derive(Deserialize)]
        struct File {
            name: ModelPattern,
        }
        toml::from_str::<File>(&format!("name = \"{text}\"")).unwrap().name
    }

    #[test]
    fn only_what_follows_an_at_names_a_service_tier() {
        for (text, matches, names) in [
            ("gpt-4*", true, false),
            ("*", true, false),
            ("*@batch", true, true),
            ("gpt-4o@*", true, true),
            ("gpt-4o@b?tch", true, true),
            ("*@flex", false, false),
            ("claude@2024*", false, false),
            ("*@[", false, false),
        ] {
            if text == "*@[" {
                assert!(NamePattern::parse(text).is_err());
                continue;
            }
            let pattern = pattern(text);
            assert_eq!(pattern.matches("gpt-4o@batch"), matches, "{text}");
            assert_eq!(pattern.names_tier(Some("batch")), names, "{text}");
            assert!(pattern.names_tier(None), "{text}");
        }
        // A version behind an `@` is part of the name and no tier.
        assert!(pattern("claude@2024*").matches("claude@20240620@batch"));
        assert!(!pattern("claude@2024*").names_tier(Some("batch")));
        assert!(pattern("claude@2024*@batch").names_tier(Some("batch")));
    }
}
