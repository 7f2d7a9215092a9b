//! A real catalog under a real trace, if the caller has the files: prices, providers and
//! capability flags of every chat model of LiteLLM's price list, and the token counts of the Azure
//! LLM inference trace 2023 (conversation).
//!
//! Neither source knows qualities, latencies, regions, values or budgets. Those are drawn at
//! random, dearer models being better on the whole.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Price, Policy, ProviderSet, RegionSet, Request,
};
use serde_json::Value;

use super::catalog::Dice;
use super::workload::Workload;

pub fn workload(directory: &Path) -> Result<Workload, String> {
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (models, capabilities) = models(&read("model_prices_and_context_window.json")?)?;
    let requests =
        requests(&read("AzureLLMInferenceTrace_conv.csv")?, models.len(), &capabilities)?;
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(96))
        .with_minimum_confidence(BasisPoints::percent(55))
        .with_risk_penalty_multiplier(BasisPoints::percent(35))
        .with_latency_penalty_per_ms(Microunits::new(2));
    Ok(Workload { name: "real", policy, models, requests })
}

/// The chat models that have both prices, and the bit of each `supports_*` flag.
fn models(json: &str) -> Result<(Vec<Model>, BTreeMap<String, u32>), String> {
    let list: BTreeMap<String, Value> =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut providers: BTreeMap<String, u8> = BTreeMap::new();
    let mut capabilities: BTreeMap<String, u32> = BTreeMap::new();
    let mut models = Vec::new();
    let dice = &mut Dice(2023);
    for (name, entry) in &list {
        let (Some(input), Some(output), Some(provider)) = (
            entry["input_cost_per_token"].as_f64(),
            entry["output_cost_per_token"].as_f64(),
            entry["litellm_provider"].as_str(),
        ) else {
            continue;
        };
        if entry["mode"] != "chat" || name == "sample_spec" {
            continue;
        }
        let provider_count = providers.len() as u8;
        // The peers know 64 providers, so the rest share their numbers, for everybody.
        let provider_id = *providers.entry(provider.to_owned()).or_insert(provider_count) % 64;
        let mut flags = 0_u64;
        for (key, value) in entry.as_object().into_iter().flatten() {
            if key.starts_with("supports_") && value == &Value::Bool(true) {
                let next = capabilities.len() as u32;
                flags |= 1 << *capabilities.entry(key.clone()).or_insert(next);
            }
        }
        // Dollars per token are microunits per token times 10^6, so per million times 10^12.
        let price = |dollars: f64| (dollars * 1e12).round() as u64;
        let (input_price, output_price) = (price(input), price(output));
        // A quality that rises by about 450 bps with each doubling of the price.
        let doublings = u64::from((input_price + output_price).max(1).ilog2());
        let quality = (doublings * 300 + dice.between(0, 2_500)).min(10_000);
        models.push(
            Model::new(models.len() as u32, provider_id, BasisPoints::new(quality as u16))
                .with_risk_ceiling(BasisPoints::new(dice.between(3_000, 10_001) as u16))
                .with_p95_latency_ms(dice.between(200, 8_000) as u32)
                .with_capabilities(CapabilitySet::from_bits(flags))
                .with_regions(RegionSet::from_bits(dice.roll() & 0xff | 1 << dice.between(0, 8)))
                .with_price(Price::per_million_tokens(Microunits::new(input_price), Microunits::new(output_price))),
        );
    }
    Ok((models, capabilities))
}

fn requests(
    csv: &str,
    models: usize,
    capabilities: &BTreeMap<String, u32>,
) -> Result<Vec<Request>, String> {
    let dice = &mut Dice(11);
    let mut requests = Vec::new();
    // Every tenth request: a lap shall be short, and the trace is long.
    for (sequence, line) in csv.lines().skip(1).step_by(10).enumerate() {
        let mut fields = line.split(',').skip(1);
        let mut tokens = || fields.next()?.trim().parse::<u32>().ok();
        let (Some(input_tokens), Some(output_tokens)) = (tokens(), tokens()) else {
            return Err(format!("line {} of the trace has no token counts", sequence * 10 + 2));
        };
        let mut required = 0;
        for (flag, percent) in [
            ("supports_function_calling", 30),
            ("supports_vision", 10),
            ("supports_response_schema", 15),
        ] {
            if dice.chance(percent) {
                required |= capabilities.get(flag).map_or(0, |bit| 1 << bit);
            }
        }
        let allowed = if dice.chance(70) { u64::MAX } else { dice.roll() | dice.roll() };
        requests.push(
            Request::new(
                sequence as u64,
                dice.between(0, models as u64) as u32,
                input_tokens,
                output_tokens,
            )
            .with_business_value_microunits(1 << dice.between(12, 20))
            .with_budget_limit(Microunits::new(1 << dice.between(10, 18)))
            .with_risk(BasisPoints::new(dice.between(0, 5_000) as u16))
            .with_confidence(BasisPoints::new(dice.between(6_000, 10_001) as u16))
            .with_minimum_quality(BasisPoints::new(dice.between(0, 7_000) as u16))
            .with_max_p95_latency_ms(if dice.chance(50) {
                dice.between(1_000, 8_000) as u32
            } else {
                0
            })
            .with_required_capabilities(CapabilitySet::from_bits(required))
            .with_allowed_providers(if allowed == u64::MAX {
                ProviderSet::ALL
            } else {
                ProviderSet::from_words([allowed, 0, 0, 0])
            })
            .with_required_regions(if dice.chance(50) {
                RegionSet::from_bits(1 << dice.between(0, 8))
            } else {
                RegionSet::EMPTY
            }),
        );
    }
    Ok(requests)
}
