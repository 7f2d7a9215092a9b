//! The LiteLLM price list: a JSON object of model name to prices, limits and `supports_*` flags.
//!
//! An entry becomes a row under its own name, and one for each service tier that it prices, `name@batch`: those are disabled
//! until a rule of the policy enables them.

mod bands;
mod entry;
mod fees;
mod tiers;
mod unmodelled;
mod windows;

use std::collections::BTreeSet;
use std::path::Path;

use crate::candidate::{Candidate, Listed, Skipped};
use crate::error::InputError;
use crate::json::{self, Node, Value};
use crate::note::Note;
use crate::place::{Place, Places};
use crate::text::name_fault;
use crate::traits::Traits;

use entry::Entry;

/// Parses a price list. Models that do not chat, or whose prices per token are not both listed, are skipped and counted.
/// Duplicate keys are refused everywhere, also in entries that are skipped.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Listed, InputError> {
    let list = json::parse(text)
        .map_err(|fault| InputError::at(file, fault.place, fault.explained("not a price list")))?;
    let mut catalog = Listed::default();
    let mut places = Places::of(text);
    let Value::Object(entries) = list.value else { return Ok(catalog) };
    let names: BTreeSet<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
    for (key, Node { value, .. }) in &entries {
        if let Some(fault) = name_fault(&key.name) {
            return Err(InputError::at(file, Place::of(text, key.offset), fault));
        }
        let entry = Entry { file, text, name: &key.name, offset: key.offset, value };
        let place = places.at(key.offset);
        match skipped(entry) {
            Some(why) => {
                catalog.skipped.push(why);
                // What is no candidate is not refused: it only has no price then.
                let mut other = Listed::default();
                if has_prices(entry) && read(entry, place, &names, &mut other).is_ok() {
                    catalog.others.append(&mut other.candidates);
                }
            }
            None => read(entry, place, &names, &mut catalog)?,
        }
    }
    Ok(catalog)
}

/// Why an entry is not a candidate, if it is none.
fn skipped(entry: Entry<'_>) -> Option<Skipped> {
    if !matches!(mode(entry), Some("chat" | "responses")) {
        return Some(Skipped::NotChat);
    }
    (!has_prices(entry)).then_some(Skipped::NoPrice)
}

fn mode(entry: Entry<'_>) -> Option<&str> {
    entry.field("mode").and_then(|node| node.value.as_text())
}

/// Whether an entry has both plain prices, or prices for ranges of prompts. An embedding has no completion, so the price of
/// its input is enough.
fn has_prices(entry: Entry<'_>) -> bool {
    let has = |key| entry.field(key).is_some();
    let has_output = has("output_cost_per_token") || mode(entry) == Some("embedding");
    (has("input_cost_per_token") && has_output) || bands::ranges_of(entry).is_some()
}

/// Adds the rows of an entry. A tier whose name the list gives to an entry of its own is that entry.
fn read(
    entry: Entry<'_>,
    place: Place,
    names: &BTreeSet<&str>,
    catalog: &mut Listed,
) -> Result<(), InputError> {
    let mut notes = unmodelled::unmodelled(entry);
    let provider = entry.required_name("litellm_provider", "it names the provider")?;
    let window = windows::window(entry, &mut notes)?;
    let search_fee = fees::search_fee(entry, provider, &mut notes)?;
    let fixed_price = fees::fixed_price(entry)?;
    let retirement = entry.field("deprecation_date").map(|node| node.value.as_text());
    let retirement = retirement.map(|date| date.and_then(|date| date.parse().ok()));
    if retirement == Some(None) {
        notes.insert(Note::UnreadRetirement);
    }
    for tier in tiers::tiers(entry)? {
        let name = match tier.name {
            None => entry.name.to_owned(),
            Some(tier) => format!("{}@{tier}", entry.name),
        };
        if tier.name.is_some() && names.contains(name.as_str()) {
            continue;
        }
        let row = bands::row(entry, provider, &tier)?;
        catalog.rounded_prices += row.rounded_rates;
        catalog.candidates.push(Candidate {
            name,
            place,
            provider: provider.to_owned(),
            listed_price: row.price.with_search_fee(search_fee),
            listed_classes: row.listed_classes,
            service_tier: tier.name.map(str::to_owned),
            retirement: retirement.flatten(),
            capabilities: capabilities(entry),
            traits: Traits { fixed_price, ..Traits::of_window(window) },
            is_enabled_by_default: tier.name.is_none(),
            notes: notes.iter().copied().chain(row.notes).collect(),
        });
    }
    Ok(())
}

/// The flags that are `true`, without their `supports_`.
fn capabilities(entry: Entry<'_>) -> Vec<String> {
    let flags = entry.fields().filter(|(_, node)| matches!(node.value, Value::Bool(true)));
    flags.filter_map(|(flag, _)| flag.strip_prefix("supports_").map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(body: &str) -> Result<Listed, InputError> {
        parse(Path::new("prices.json"), body)
    }

    #[test]
    fn chat_models_with_both_prices_become_candidates_and_the_rest_is_counted() {
        let catalog = list(
            r#"{
 "sample_spec": {"mode": "one of: chat, embedding"},
 "a": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 2.5e-06, "output_cost_per_token": "1e-05",
       "supports_vision": true, "supports_web_search": false, "max_tokens": 1},
 "b": {"mode": "embedding", "litellm_provider": "p", "input_cost_per_token": 1e-06, "output_cost_per_token": 0},
 "c": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 1e-06},
 "d": {"mode": "chat", "litellm_provider": "p", "input_cost_per_token": 1e-06, "output_cost_per_token": null}
}"#,
        )
        .unwrap();
        assert_eq!(
            catalog.skipped,
            [Skipped::NotChat, Skipped::NotChat, Skipped::NoPrice, Skipped::NoPrice]
        );
        let [a] = catalog.candidates.as_slice() else { panic!("one candidate") };
        assert_eq!((a.name.as_str(), a.provider.as_str()), ("a", "p"));
        assert_eq!(a.price().band(0).rates.input.get(), 2_500_000);
        assert_eq!(a.price().band(0).rates.output.get(), 10_000_000);
        assert_eq!(a.capabilities, ["vision"]);
    }

    #[test]
    fn the_part_of_a_microunit_is_rounded_up_and_counted_and_float_noise_is_not() {
        let catalog = list(
            r#"{"a": {"mode": "chat", "litellm_provider": "p",
                "input_cost_per_token": 1.000001e-07, "output_cost_per_token": 1.0000000000000001e-07}}"#,
        )
        .unwrap();
        assert_eq!(catalog.rounded_prices, 1);
        assert_eq!(catalog.candidates[0].price().band(0).rates.input.get(), 100_001);
        assert_eq!(catalog.candidates[0].price().band(0).rates.output.get(), 100_000);
    }

    #[test]
    fn a_bad_price_names_file_line_model_field_and_what_is_allowed() {
        let text = list("{\n\n \"a\": {\"mode\": \"chat\", \"litellm_provider\": \"p\",\n \"input_cost_per_token\": -1, \"output_cost_per_token\": 0}}")
            .unwrap_err()
            .to_string();
        assert_eq!(
            text,
            "prices.json:4:26: model `a`: `input_cost_per_token`: found `-1`; a price is at least 0"
        );
    }

    #[test]
    fn broken_json_names_its_line() {
        let text = list("{\n \"a\": {").unwrap_err().to_string();
        assert!(text.starts_with("prices.json:2:7: not a price list"), "{text}");
    }

    #[test]
    fn what_stands_twice_is_refused_also_where_it_would_be_skipped() {
        for text in [
            "{\"a\": {\"mode\": \"chat\"}, \"a\": {\"mode\": \"embedding\"}}",
            "{\"a\": {\"mode\": \"embedding\", \"x\": {\"y\": 1, \"y\": 2}}}",
            "{\"a\": {\"mode\": \"embedding\", \"mode\": \"chat\"}}",
        ] {
            let text = list(text).unwrap_err().to_string();
            assert!(text.starts_with("prices.json:1:") && text.contains("twice"), "{text}");
        }
    }

    #[test]
    fn a_price_has_the_digits_of_json_and_a_name_no_blanks_around_it() {
        let entry = |name: &str, provider: &str, price: &str| {
            let text = format!(
                "{{\"{name}\": {{\"mode\": \"chat\", \"litellm_provider\": \"{provider}\",
                \"input_cost_per_token\": {price}, \"output_cost_per_token\": 0}}}}"
            );
            list(&text).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(entry("a", "p", "\"1e-06\""), Ok(()));
        assert!(entry("a", "p", "\"1_0e-07\"").unwrap_err().contains(":2:41: model `a`"));
        assert!(entry("a ", "p", "0").unwrap_err().contains(":1:2: found `a `"));
        assert!(entry("a", " p", "0").unwrap_err().contains("found ` p`"));
    }
}
