//! The LiteLLM price list: a JSON object of model name to prices, limits and `supports_*` flags.

use std::path::Path;

use crate::candidate::{Candidate, Listed, Skipped};
use crate::error::InputError;
use crate::json::{self, Node, Value};
use crate::place::{Place, Places};
use crate::price;
use crate::text::{name_fault, quoted};
use crate::traits::Traits;

/// Parses a price list. Models that do not chat, or whose prices per token are not both listed, are skipped and counted.
/// Duplicate keys are refused everywhere, also in entries that are skipped.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Listed, InputError> {
    let list = json::parse(text)
        .map_err(|fault| InputError::at(file, fault.place, fault.explained("not a price list")))?;
    let mut catalog = Listed::default();
    let mut places = Places::of(text);
    let Value::Object(entries) = list.value else { return Ok(catalog) };
    for (key, Node { value: entry, .. }) in entries {
        let name = key.name;
        let refuse = |offset: usize, field: &str, what: String| {
            let what = format!("model {}: `{field}`: {what}", quoted(&name));
            InputError::at(file, Place::of(text, offset), what)
        };
        if let Some(fault) = name_fault(&name) {
            return Err(InputError::at(file, Place::of(text, key.offset), fault));
        }
        let field = |field| entry.entry(field).filter(|node| !matches!(node.value, Value::Null));
        if field("mode").and_then(|node| node.value.as_text()) != Some("chat") {
            catalog.skipped.push(Skipped::NotChat);
            continue;
        }
        let prices = ["input_cost_per_token", "output_cost_per_token"]
            .map(|name| field(name).map(|node| (name, node)));
        let [Some(input), Some(output)] = prices else {
            catalog.skipped.push(Skipped::NoPrice);
            continue;
        };
        let parsed = |(field, node): (&str, &Node<'_>)| {
            let digits = match &node.value {
                Value::Number(digits) => *digits,
                Value::Text(digits) => digits.as_str(),
                _ => {
                    let found = quoted(node.written(text));
                    let what = format!("found {found}; a price is a number");
                    return Err(refuse(node.offset, field, what));
                }
            };
            price::parse_per_token(digits).map_err(|allowed| {
                refuse(node.offset, field, format!("found {}; {allowed}", quoted(digits)))
            })
        };
        let (input, output) = (parsed(input)?, parsed(output)?);
        catalog.rounded_prices += u64::from(input.rounded_up) + u64::from(output.rounded_up);
        let provider = match field("litellm_provider") {
            Some(Node { value: Value::Text(provider), offset }) => match name_fault(provider) {
                Some(fault) => return Err(refuse(*offset, "litellm_provider", fault)),
                None => provider.clone(),
            },
            Some(node) => {
                let what = format!("found {}; it is a name", quoted(node.written(text)));
                return Err(refuse(node.offset, "litellm_provider", what));
            }
            None => {
                let what = "missing; it names the provider".to_owned();
                return Err(refuse(key.offset, "litellm_provider", what));
            }
        };
        catalog.candidates.push(Candidate {
            place: places.at(key.offset),
            provider,
            input_price_per_million_tokens: input.per_million_tokens,
            output_price_per_million_tokens: output.per_million_tokens,
            capabilities: capabilities(&entry),
            traits: Traits::default(),
            name,
        });
    }
    Ok(catalog)
}

/// The flags that are `true`, without their `supports_`.
fn capabilities(entry: &Value<'_>) -> Vec<String> {
    let Value::Object(flags) = entry else { return Vec::new() };
    flags
        .iter()
        .filter(|(_, node)| matches!(node.value, Value::Bool(true)))
        .filter_map(|(flag, _)| flag.name.strip_prefix("supports_").map(str::to_owned))
        .collect()
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
        assert_eq!(a.input_price_per_million_tokens.get(), 2_500_000);
        assert_eq!(a.output_price_per_million_tokens.get(), 10_000_000);
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
        assert_eq!(catalog.candidates[0].input_price_per_million_tokens.get(), 100_001);
        assert_eq!(catalog.candidates[0].output_price_per_million_tokens.get(), 100_000);
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
