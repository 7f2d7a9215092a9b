//! The changes from one catalog to the next, the largest first.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use calybris_kernel::{Price, Rates, SearchFee, TokenClass};
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
    pub field: Cow<'static, str>,
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
        changes.sort_by(|a, b| {
            let key = |change: &Change<'a>| (Reverse(change.values.size()), change.model);
            key(a).cmp(&key(b)).then_with(|| a.field.cmp(&b.field))
        });
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
    let tokens = |maximum: Option<u32>| maximum.map(u64::from);
    let day = |model: &Candidate| model.retirement.map(|day| day.to_string()).unwrap_or_default();
    let (of_old, of_new) = (&old.traits, &new.traits);
    let (price, new_price) = (old.price(), new.price());
    let (fee, new_fee) = (price.search_fee(), new_price.search_fee());
    let unit = |fee: SearchFee| if fee.is_per_request() { "request" } else { "search" }.to_owned();
    let (window, new_window) = (old.window(), new.window());
    let values = [
        ("fixed price", Values::Price(price.fixed_price(), new_price.fixed_price())),
        ("search fee", Values::Price(fee.amount(), new_fee.amount())),
        ("search fee unit", Values::Text(unit(fee), unit(new_fee))),
        ("quality bps", Values::Number(bps(of_old.quality), bps(of_new.quality))),
        ("risk ceiling bps", Values::Number(bps(of_old.risk_ceiling), bps(of_new.risk_ceiling))),
        (
            "p95 latency ms",
            Values::Number(tokens(of_old.p95_latency_ms), tokens(of_new.p95_latency_ms)),
        ),
        (
            "max prompt tokens",
            Values::Number(tokens(window.max_prompt_tokens), tokens(new_window.max_prompt_tokens)),
        ),
        (
            "max completion tokens",
            Values::Number(
                tokens(window.max_completion_tokens),
                tokens(new_window.max_completion_tokens),
            ),
        ),
        (
            "max total tokens",
            Values::Number(tokens(window.max_total_tokens), tokens(new_window.max_total_tokens)),
        ),
        ("enabled", Values::Text(old.is_enabled().to_string(), new.is_enabled().to_string())),
        ("provider", Values::Text(old.provider.clone(), new.provider.clone())),
        ("retirement", Values::Text(day(old), day(new))),
        ("capabilities", Values::set(&old.capabilities, &new.capabilities)),
        ("regions", Values::set(&regions(of_old), &regions(of_new))),
    ];
    let values = values.into_iter().map(|(field, values)| (Cow::Borrowed(field), values));
    let differing =
        rate_changes(&price, &new_price).chain(values).filter(|(_, values)| values.differ());
    changes.extend(differing.map(|(field, values)| Change { model: &old.name, field, values }));
}

/// The rates of both prices at each threshold that either has. A class that has the plain rate of its side in both changes
/// with it and is left out.
fn rate_changes(old: &Price, new: &Price) -> impl Iterator<Item = (Cow<'static, str>, Values)> {
    let thresholds = old.bands().chain(new.bands()).map(|band| band.above_prompt_tokens);
    let thresholds: BTreeSet<u32> = thresholds.collect();
    let mut before: Option<(Rates, Rates)> = None;
    let mut changes = Vec::new();
    for threshold in thresholds {
        let rates = |price: &Price| price.band(u64::from(threshold) + 1).rates;
        let pair = (rates(old), rates(new));
        for class in TokenClass::ALL {
            let plain = if class.is_prompt() { TokenClass::Input } else { TokenClass::Output };
            let follows = |rates: &Rates| class != plain && rates.of(class) == rates.of(plain);
            let (old, new) = (pair.0.of(class), pair.1.of(class));
            let is_as_before =
                before.is_some_and(|(a, b)| a.of(class) == old && b.of(class) == new);
            if is_as_before || (follows(&pair.0) && follows(&pair.1)) {
                continue;
            }
            let name = class.name().replace('_', " ");
            let field = match threshold {
                0 => Cow::Owned(format!("{name} price")),
                _ => Cow::Owned(format!("{name} price above {threshold} prompt tokens")),
            };
            changes.push((field, Values::Price(old, new)));
        }
        before = Some(pair);
    }
    changes.into_iter()
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
