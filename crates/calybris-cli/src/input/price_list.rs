//! The LiteLLM price list: a JSON object of model name to prices, limits and `supports_*` flags.

use std::path::Path;

use serde_json::Value;

use super::catalog::{Candidate, CatalogFile, Skipped};
use super::error::{InputError, quoted};
use super::json::Entries;
use super::policy::Traits;
use super::price;

/// Parses a price list. Models that do not chat, or whose prices per token are not both listed, are skipped and counted.
pub(crate) fn parse(file: &Path, text: &str) -> Result<CatalogFile, InputError> {
    let Entries(entries) = serde_json::from_str(text).map_err(|error| {
        let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
        InputError::at_line(file, line, format!("not a price list: {error}"))
    })?;
    let mut catalog = CatalogFile::default();
    for (name, entry) in entries {
        let refuse = |field: &str, what: String| {
            let line = line_of(text, &name);
            InputError::at_line(file, line, format!("model `{name}`: `{field}`: {what}"))
        };
        if entry.get("mode").and_then(Value::as_str) != Some("chat") {
            catalog.skipped.push(Skipped::NotChat);
            continue;
        }
        let prices = ["input_cost_per_token", "output_cost_per_token"].map(|field| {
            entry.get(field).filter(|value| !value.is_null()).map(|value| (field, value))
        });
        let [Some(input), Some(output)] = prices else {
            catalog.skipped.push(Skipped::NoPrice);
            continue;
        };
        let parsed = |(field, value): (&str, &Value)| {
            let text = match value {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                other => {
                    return Err(refuse(
                        field,
                        format!("found {}; a price is a number", quoted(&other.to_string())),
                    ));
                }
            };
            price::parse_per_token(&text)
                .map_err(|allowed| refuse(field, format!("found {}; {allowed}", quoted(&text))))
        };
        let (input, output) = (parsed(input)?, parsed(output)?);
        catalog.rounded_prices += u64::from(input.rounded_up) + u64::from(output.rounded_up);
        let Some(provider) = entry.get("litellm_provider").and_then(Value::as_str) else {
            return Err(refuse("litellm_provider", "missing; it names the provider".to_owned()));
        };
        catalog.candidates.push(Candidate {
            provider: provider.to_owned(),
            input_price_microunits_per_million_tokens: input.microunits_per_million_tokens,
            output_price_microunits_per_million_tokens: output.microunits_per_million_tokens,
            capabilities: capabilities(&entry),
            traits: Traits::default(),
            name,
        });
    }
    Ok(catalog)
}

/// The flags that are `true`, without their `supports_`.
fn capabilities(entry: &Value) -> Vec<String> {
    let flags = entry.as_object().into_iter().flatten();
    flags
        .filter(|(_, value)| value.as_bool() == Some(true))
        .filter_map(|(flag, _)| flag.strip_prefix("supports_").map(str::to_owned))
        .collect()
}

/// The line on which a model's entry begins, counted from 1.
fn line_of(text: &str, name: &str) -> u64 {
    let key = Value::from(name).to_string();
    let before = text.find(&format!("{key}:")).and_then(|at| text.get(..at)).unwrap_or_default();
    u64::try_from(before.matches('\n').count()).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(body: &str) -> Result<CatalogFile, InputError> {
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
        assert_eq!(a.input_price_microunits_per_million_tokens, 2_500_000);
        assert_eq!(a.output_price_microunits_per_million_tokens, 10_000_000);
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
        assert_eq!(catalog.candidates[0].input_price_microunits_per_million_tokens, 100_001);
        assert_eq!(catalog.candidates[0].output_price_microunits_per_million_tokens, 100_000);
    }

    #[test]
    fn a_bad_price_names_file_line_model_field_and_what_is_allowed() {
        let text = list("{\n\n \"a\": {\"mode\": \"chat\", \"litellm_provider\": \"p\",\n \"input_cost_per_token\": -1, \"output_cost_per_token\": 0}}")
            .unwrap_err()
            .to_string();
        assert_eq!(
            text,
            "prices.json:3: model `a`: `input_cost_per_token`: found `-1`; a price is at least 0"
        );
    }

    #[test]
    fn broken_json_names_its_line() {
        let text = list("{\n \"a\": {").unwrap_err().to_string();
        assert!(text.starts_with("prices.json:2: not a price list"), "{text}");
    }
}
