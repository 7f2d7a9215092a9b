//! The changes from one catalog to the next, the largest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use calybris_units::{BasisPoints, Microunits};

use crate::candidate::Candidate;
use crate::catalog::CatalogFile;
use crate::traits::Traits;

/// The changes from one catalog to the next. Models are compared by name.
///
/// ```
/// use calybris_catalog::{CatalogDiff, CatalogFile, Values};
///
/// let list = |price: &str| CatalogFile::parse("prices.json", format!(
///     r#"{{"small": {{"mode": "chat", "litellm_provider": "p",
///         "input_cost_per_token": {price}, "output_cost_per_token": 6e-07}}}}"#
/// ));
/// let (october, november) = (list("1.5e-07")?, list("3e-07")?);
/// let diff = CatalogDiff::between(&october, &november);
/// let [change] = diff.changes.as_slice() else { panic!("one price") };
/// let Values::Price(old, new) = &change.values else { panic!("a price") };
/// assert_eq!((change.model, old.get(), new.get()), ("small", 150_000, 300_000));
/// # Ok::<(), calybris_catalog::InputError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CatalogDiff<'a> {
    /// Models that only the new catalog lists, by name.
    pub added: Vec<&'a Candidate>,
    /// Models that only the old catalog lists, by name.
    pub removed: Vec<&'a Candidate>,
    /// Fields of the models in both that differ: prices before all else, the largest change of a price first. A price that was
    /// doubled and one that was halved are equally large changes.
    pub changes: Vec<Change<'a>>,
    /// How many models have changes.
    pub changed_models: usize,
}

/// One field of one model that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<'a> {
    /// The model.
    pub model: &'a str,
    /// The field, in words.
    pub field: &'static str,
    /// The old and the new value.
    pub values: Values,
}

/// The value of a field in the old and in the new catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a field is one of these")]
pub enum Values {
    /// A price per million tokens, or per request.
    Price(Microunits, Microunits),
    /// Any other number; `None` where a catalog says nothing.
    Number(Option<u64>, Option<u64>),
    /// A text.
    Text(String, String),
    /// A set: the members that were added, and those that were removed.
    Set(Vec<String>, Vec<String>),
}

impl<'a> CatalogDiff<'a> {
    /// Compares two catalogs, as they are: rules of a policy are compared only if they were applied. Of a
    /// model that a catalog lists twice the last entry counts.
    #[must_use]
    pub fn between(old: &'a CatalogFile, new: &'a CatalogFile) -> Self {
        let by_name = |catalog: &'a CatalogFile| -> BTreeMap<&'a str, &'a Candidate> {
            catalog.candidates().iter().map(|model| (model.name.as_str(), model)).collect()
        };
        let (before, after) = (by_name(old), by_name(new));
        let missing_in = |models: &BTreeMap<&'a str, &'a Candidate>,
                          other: &BTreeMap<&'a str, &'a Candidate>| {
            let only = models.iter().filter(|(name, _)| !other.contains_key(*name));
            only.map(|(_, model)| *model).collect::<Vec<_>>()
        };
        let mut changes = Vec::new();
        let mut changed_models = 0;
        for (name, old) in &before {
            let Some(new) = after.get(name) else { continue };
            let known = changes.len();
            compare(old, new, &mut changes);
            changed_models += usize::from(changes.len() > known);
        }
        changes.sort_by_key(|change| (Reverse(change.values.size()), change.model, change.field));
        Self {
            added: missing_in(&after, &before),
            removed: missing_in(&before, &after),
            changes,
            changed_models,
        }
    }
}

fn compare<'a>(old: &'a Candidate, new: &'a Candidate, changes: &mut Vec<Change<'a>>) {
    let bps = |value: Option<BasisPoints>| value.map(|share| u64::from(share.get()));
    let fixed = |traits: &Traits| traits.fixed_price.unwrap_or_default();
    let (of_old, of_new) = (&old.traits, &new.traits);
    let values = [
        (
            "input price",
            Values::Price(old.input_price_per_million_tokens, new.input_price_per_million_tokens),
        ),
        (
            "output price",
            Values::Price(old.output_price_per_million_tokens, new.output_price_per_million_tokens),
        ),
        ("fixed price", Values::Price(fixed(of_old), fixed(of_new))),
        ("quality bps", Values::Number(bps(of_old.quality), bps(of_new.quality))),
        ("risk ceiling bps", Values::Number(bps(of_old.risk_ceiling), bps(of_new.risk_ceiling))),
        (
            "p95 latency ms",
            Values::Number(
                of_old.p95_latency_ms.map(u64::from),
                of_new.p95_latency_ms.map(u64::from),
            ),
        ),
        ("enabled", Values::Text(old.is_enabled().to_string(), new.is_enabled().to_string())),
        ("provider", Values::Text(old.provider.clone(), new.provider.clone())),
        ("capabilities", Values::set(&old.capabilities, &new.capabilities)),
        ("regions", Values::set(&regions(of_old), &regions(of_new))),
    ];
    let differing = values.into_iter().filter(|(_, values)| values.differ());
    changes.extend(differing.map(|(field, values)| Change { model: &old.name, field, values }));
}

fn regions(traits: &Traits) -> Vec<String> {
    traits.regions.iter().flatten().cloned().collect()
}

impl Values {
    fn set(old: &[String], new: &[String]) -> Self {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
        let only = |these: &BTreeSet<&String>, those: &BTreeSet<&String>| {
            these.difference(those).map(|name| (*name).clone()).collect()
        };
        Self::Set(only(&new, &old), only(&old, &new))
    }

    fn differ(&self) -> bool {
        match self {
            Self::Price(old, new) => old != new,
            Self::Number(old, new) => old != new,
            Self::Text(old, new) => old != new,
            Self::Set(added, removed) => !added.is_empty() || !removed.is_empty(),
        }
    }

    /// The sort key: prices before all else, the largest relative change first, prices from or to 0 before
    /// all other prices.
    fn size(&self) -> (u8, u128) {
        match self {
            Self::Price(old, _) if old.is_zero() => (2, u128::MAX),
            Self::Price(_, new) if new.is_zero() => (2, u128::MAX - 1),
            Self::Price(old, new) => {
                // The ratio of the larger to the smaller, so doubling and halving a price are equally large changes.
                let (less, more) = (u128::from(old.min(new).get()), u128::from(old.max(new).get()));
                (2, (more << 60) / less)
            }
            Self::Number(..) | Self::Text(..) => (1, 0),
            Self::Set(added, removed) => {
                (0, u128::try_from(added.len() + removed.len()).unwrap_or(u128::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_half_the_price_are_as_large_a_change() {
        let size = |old, new| Values::Price(Microunits::new(old), Microunits::new(new)).size();
        assert_eq!(size(10, 20), size(20, 10));
        assert!(size(10, 21) > size(20, 10));
        assert!(size(0, 1) > size(1, u64::MAX));
        assert!(size(1, u64::MAX) > size(1, u64::MAX - 1));
    }
}
