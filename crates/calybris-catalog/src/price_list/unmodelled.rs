//! What a provider charges for and no rate covers.

use std::collections::BTreeSet;

use crate::json::{Node, Value};
use crate::note::Note;
use crate::number::Number;

use super::entry::Entry;
use super::{bands, fees, tiers};

/// Parts of keys and what they charge for; the first that a key contains counts.
const PARTS: [(&str, Note); 14] = [
    ("off_peak_pricing", Note::OffPeakHours),
    ("explicit_cache", Note::ExplicitCache),
    ("cache_read_input_audio", Note::CachedAudio),
    ("image", Note::Images),
    ("pixel", Note::Images),
    ("video", Note::Videos),
    ("per_character", Note::Characters),
    ("per_second", Note::Seconds),
    ("google_maps", Note::Tools),
    ("code_interpreter", Note::Tools),
    ("citation", Note::Tools),
    ("computer_use", Note::Tools),
    ("file_search", Note::Tools),
    ("vector_store", Note::Tools),
];

/// Keys for tokens that cost as much as others where the two prices are alike.
const ALIKE_RATES: [(&str, &str); 5] = [
    ("input_cost_per_image_token", "input_cost_per_token"),
    ("input_cost_per_video_token", "input_cost_per_token"),
    ("output_cost_per_image_token", "output_cost_per_token"),
    ("output_cost_per_video_token", "output_cost_per_token"),
    ("input_cost_per_token_cache_hit", "cache_read_input_token_cost"),
];

/// Part of keys with the same prices in the units of Databricks.
const DATABRICKS_UNITS: &str = "_dbu_";

/// A note for each kind of thing that costs something.
pub(super) fn unmodelled(entry: Entry<'_>) -> BTreeSet<Note> {
    let charges = entry.fields().filter(|(key, node)| {
        let is_price = key.contains("cost") || key.contains("pricing");
        is_price && !is_zero(node) && !is_alike(entry, key, node)
    });
    let note = |(key, node): (&str, &Node<'_>)| {
        let known = PARTS.iter().find(|(part, _)| key.contains(part)).map(|(_, note)| *note);
        known.or_else(|| (number(node).is_some() && !is_known(key)).then_some(Note::OtherPrices))
    };
    charges.filter_map(note).collect()
}

/// Whether a key without a note has a price that is read, or that is the same in other units.
fn is_known(key: &str) -> bool {
    let is_read = bands::is_rate(key, "") || tiers::suffixes().any(|end| bands::is_rate(key, end));
    is_read || fees::is_fee(key) || !key.contains("cost") || key.contains(DATABRICKS_UNITS)
}

fn is_zero(node: &Node<'_>) -> bool {
    number(node).is_some_and(Number::is_zero)
}

fn is_alike(entry: Entry<'_>, key: &str, node: &Node<'_>) -> bool {
    let suffixed =
        ALIKE_RATES.iter().find_map(|(own, other)| Some((key.strip_prefix(own)?, other)));
    let other = suffixed.and_then(|(suffix, other)| entry.field(&format!("{other}{suffix}")));
    let rate = |node| number(node).and_then(Number::per_million_tokens);
    other.is_some_and(|other| rate(other).is_some() && rate(other) == rate(node))
}

fn number(node: &Node<'_>) -> Option<Number> {
    match &node.value {
        Value::Number(digits) => Number::parse(digits).ok(),
        Value::Text(digits) => Number::parse(digits).ok(),
        _ => None,
    }
}
