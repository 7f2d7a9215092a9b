//! What a provider charges for and no rate covers.

use std::collections::BTreeSet;

use crate::json::{Node, Value};
use crate::note::Note;
use crate::number::Number;

use super::entry::Entry;

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

/// Keys for tokens that cost as much as plain ones where the two prices are alike.
const PLAIN_RATES: [(&str, &str); 4] = [
    ("input_cost_per_image_token", "input_cost_per_token"),
    ("input_cost_per_video_token", "input_cost_per_token"),
    ("output_cost_per_image_token", "output_cost_per_token"),
    ("output_cost_per_video_token", "output_cost_per_token"),
];

/// A note for each kind of thing that costs something.
pub(super) fn unmodelled(entry: Entry<'_>) -> BTreeSet<Note> {
    let charges = entry.fields().filter(|(key, node)| {
        let is_price = key.contains("cost") || key.contains("pricing");
        is_price && !is_zero(node) && !is_plain(entry, key, node)
    });
    let note = |key: &str| PARTS.iter().find(|(part, _)| key.contains(part)).map(|(_, note)| *note);
    charges.filter_map(|(key, _)| note(key)).collect()
}

fn is_zero(node: &Node<'_>) -> bool {
    number(node).is_some_and(Number::is_zero)
}

fn is_plain(entry: Entry<'_>, key: &str, node: &Node<'_>) -> bool {
    let suffixed =
        PLAIN_RATES.iter().find_map(|(own, plain)| Some((key.strip_prefix(own)?, plain)));
    let plain = suffixed.and_then(|(suffix, plain)| entry.field(&format!("{plain}{suffix}")));
    let rate = |node| number(node).and_then(Number::per_million_tokens);
    plain.is_some_and(|plain| rate(plain).is_some() && rate(plain) == rate(node))
}

fn number(node: &Node<'_>) -> Option<Number> {
    match &node.value {
        Value::Number(digits) => Number::parse(digits).ok(),
        Value::Text(digits) => Number::parse(digits).ok(),
        _ => None,
    }
}
