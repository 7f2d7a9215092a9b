//! Service tiers: the rows that an entry becomes besides the one under its own name.

use crate::error::InputError;
use crate::number::Number;
use crate::text::name_fault;

use super::entry::Entry;

/// Under which terms calls of a row are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tier<'a> {
    /// The name behind the `@`; `None` for the row under the name of the entry.
    pub(super) name: Option<&'a str>,
    /// The ending of the keys that this tier has for itself.
    pub(super) suffix: &'static str,
    /// The factor on every rate.
    pub(super) multiplier: Option<Number>,
}

/// Tiers with keys of their own: the name and the ending of the keys.
const SUFFIXES: [(&str, &str); 5] = [
    ("batch", BATCH),
    ("flex", "_flex"),
    ("priority", "_priority"),
    ("balanced", "_balanced"),
    ("ultrafast", "_ultrafast"),
];

/// The ending of the keys for batches.
pub(super) const BATCH: &str = "_batches";

/// The beginning of keys with the factor for calls that are processed in a region.
const REGIONAL_MULTIPLIER: &str = "regional_processing_uplift_multiplier_";

/// The factor for endpoints in any region.
const ENDPOINT_MULTIPLIER: &str = "regional_endpoint_uplift_multiplier";

/// An object that may hold factors among other things.
const MULTIPLIERS: &str = "provider_specific_entry";

/// The factors in that object: for a region, and for speed.
const MULTIPLIER_NAMES: [&str; 3] = ["us", "eu", "fast"];

/// The row under the name of an entry.
pub(super) const STANDARD: Tier<'static> = Tier { name: None, suffix: "", multiplier: None };

/// The endings of the keys of tiers.
pub(super) fn suffixes() -> impl Iterator<Item = &'static str> {
    SUFFIXES.into_iter().map(|(_, suffix)| suffix)
}

/// All rows of an entry; the standard one first, and no two with one name.
pub(super) fn tiers(entry: Entry<'_>) -> Result<Vec<Tier<'_>>, InputError> {
    let mut tiers = vec![STANDARD];
    for (name, suffix) in SUFFIXES {
        if entry.fields().any(|(key, _)| is_plain_rate_of(key, suffix)) {
            tiers.push(Tier { name: Some(name), suffix, multiplier: None });
        }
    }
    let mut multiplied = Vec::new();
    for (key, node) in entry.fields() {
        if let Some(region) = key.strip_prefix(REGIONAL_MULTIPLIER) {
            if let Some(fault) = name_fault(region) {
                return Err(entry.refuse(node.offset, key, fault));
            }
            multiplied.push((region, entry, key, node));
        } else if key == ENDPOINT_MULTIPLIER {
            multiplied.push(("regional", entry, key, node));
        } else if key == MULTIPLIERS {
            let within = entry.within(node);
            let named =
                MULTIPLIER_NAMES.iter().filter_map(|name| Some((*name, within.field(name)?)));
            multiplied.extend(named.map(|(name, node)| (name, within, name, node)));
        }
    }
    for (name, entry, key, node) in multiplied {
        let multiplier = entry.number(node, key, "a factor is a number")?;
        if !tiers.iter().any(|tier| tier.name == Some(name)) {
            tiers.push(Tier { name: Some(name), suffix: "", multiplier: Some(multiplier) });
        }
    }
    Ok(tiers)
}

/// Whether a key has a plain rate for a tier: `input_cost_per_token_flex`, `output_cost_per_token_above_200k_tokens_flex`.
fn is_plain_rate_of(key: &str, suffix: &str) -> bool {
    let key = key.strip_suffix(suffix).unwrap_or_default();
    let rest = key
        .strip_prefix("input_cost_per_token")
        .or_else(|| key.strip_prefix("output_cost_per_token"));
    rest.is_some_and(|rest| rest.is_empty() || super::bands::threshold_of(rest).is_some())
}
