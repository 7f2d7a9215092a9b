//! A real catalog under a real trace, if the caller has the files: prices, providers and
//! capability flags of every chat model of LiteLLM's price list, and the token counts of the Azure
//! LLM inference trace 2023 (conversation).
//!
//! Neither source knows qualities, latencies, regions, values or budgets. Those are drawn at
//! random, dearer models being better on the whole.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_kernel::{
    BasisPoints, CapabilitySet, Ceiling, Microunits, Model, Policy, Price, ProviderSet, Rates,
    RegionSet, Request, SearchFee, TokenClass, Usage, Window,
};
use serde_json::Value;

use super::catalog::Dice;
use super::peers::flat_price;
use super::workload::Workload;

/// The list by the first law: two prices for each model, requests of input and output tokens.
pub fn workload(directory: &Path) -> Result<Workload, String> {
    let list = list(directory)?;
    Ok(flat_form("real", &list))
}

/// A shape of requests on the list as it is, and the same requests on the flat form of the list.
pub struct Shape {
    pub name: &'static str,
    pub listed: Workload,
    pub flat: Workload,
}

/// The shapes, on the list with classes, bands and fees, and but for the first with windows.
pub fn shapes(directory: &Path) -> Result<Vec<Shape>, String> {
    let list = list(directory)?;
    let windowless =
        list.models.iter().map(|model| model.with_window(Window::UNKNOWN)).collect::<Vec<_>>();
    let shape = |name: &'static str, of: fn(&Request) -> Request| {
        let listed = Workload {
            name,
            policy: list.policy,
            models: if name == "plain" { windowless.clone() } else { list.models.clone() },
            requests: list.requests.iter().map(of).collect(),
        };
        let flat = flat_form(name, &listed);
        Shape { name, listed, flat }
    };
    Ok(vec![
        shape("plain", |request| *request),
        shape("windows", |request| *request),
        shape("long", long),
        shape("ceiling", with_ceiling),
        shape("one class", |request| with_classes(request, [80, 0, 0, 0, 0, 0])),
        shape("two, ceiling", |request| with_ceiling(&with_classes(request, [60, 20, 0, 0, 0, 0]))),
        shape("all", |request| {
            let mut request = with_classes(request, [50, 10, 10, 10, 40, 20]);
            request.usage.searches = 2;
            with_ceiling(&request)
        }),
    ])
}

/// Thirty-two times as long, worth thirty-two times as much.
fn long(request: &Request) -> Request {
    const TIMES: u32 = 32;
    let mut request = *request;
    request.usage.input_tokens *= TIMES;
    request.usage.output_tokens *= TIMES / 8;
    request.business_value_microunits *= i64::from(TIMES);
    request.budget_limit = Microunits::new(request.budget_limit.get() * u64::from(TIMES));
    request
}

/// At most as many tokens as are expected, but 4,096 of the completion.
fn with_ceiling(request: &Request) -> Request {
    let [prompt, completion] = [request.usage.prompt_tokens(), request.usage.completion_tokens()]
        .map(|tokens| u32::try_from(tokens).expect("the trace has short requests"));
    let ceiling = Ceiling::new(prompt, completion.max(4_096));
    request.with_ceiling(ceiling.with_searches(request.usage.searches))
}

/// With these percentages of the prompt read from a cache, written to it, written for long and heard, and of the completion
/// thought and spoken.
fn with_classes(request: &Request, percent: [u32; 6]) -> Request {
    let (prompt, completion) = (request.usage.input_tokens, request.usage.output_tokens);
    let [read, write, long, heard] = [0, 1, 2, 3].map(|class| prompt * percent[class] / 100);
    let [thought, spoken] = [4, 5].map(|class| completion * percent[class] / 100);
    let usage = Usage::new(prompt - read - write - long - heard, completion - thought - spoken)
        .with_cache_read_tokens(read)
        .with_cache_write_tokens(write)
        .with_cache_write_long_tokens(long)
        .with_audio_input_tokens(heard)
        .with_reasoning_tokens(thought)
        .with_audio_output_tokens(spoken);
    request.with_usage(usage)
}

/// Two prices for each model, and no windows; requests of as many tokens, without a ceiling.
fn flat_form(name: &'static str, listed: &Workload) -> Workload {
    let models = listed
        .models
        .iter()
        .map(|model| model.with_price(flat_price(model)).with_window(Window::UNKNOWN));
    let requests = listed.requests.iter().map(|request| {
        let mut request = *request;
        let [prompt, completion] =
            [request.usage.prompt_tokens(), request.usage.completion_tokens()]
                .map(|tokens| u32::try_from(tokens).expect("the trace has short requests"));
        request.usage = Usage::new(prompt, completion);
        request.ceiling = None;
        request
    });
    Workload { name, policy: listed.policy, models: models.collect(), requests: requests.collect() }
}

fn list(directory: &Path) -> Result<Workload, String> {
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
    Ok(Workload { name: "list", policy, models, requests })
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
        let (input_price, output_price) = (microunits(input), microunits(output));
        // A quality that rises by about 450 bps with each doubling of the price.
        let doublings = u64::from((input_price + output_price).max(1).ilog2());
        let quality = (doublings * 300 + dice.between(0, 2_500)).min(10_000);
        models.push(
            Model::new(models.len() as u32, provider_id, BasisPoints::new(quality as u16))
                .with_risk_ceiling(BasisPoints::new(dice.between(3_000, 10_001) as u16))
                .with_p95_latency_ms(dice.between(200, 8_000) as u32)
                .with_capabilities(CapabilitySet::from_bits(flags))
                .with_regions(RegionSet::from_bits(dice.roll() & 0xff | 1 << dice.between(0, 8)))
                .with_price(listed_price(entry))
                .with_window(listed_window(entry)),
        );
    }
    Ok((models, capabilities))
}

/// Dollars per token are microunits per token times 10^6, so per million times 10^12.
fn microunits(dollars_per_token: f64) -> u64 {
    (dollars_per_token * 1e12).round() as u64
}

/// The price of an entry: its bands, its classes and its search fee. An importer has more rules; these are enough for a
/// list of the same size and shape.
fn listed_price(entry: &Value) -> Price {
    let of = |key: String| entry[key].as_f64().map(|dollars| Microunits::new(microunits(dollars)));
    let rates = |suffix: &str, below: Option<Rates>| {
        let rate = |key: &str, class: TokenClass| {
            of(format!("{key}{suffix}")).or(below.map(|rates| rates.of(class)))
        };
        let input = rate("input_cost_per_token", TokenClass::Input).unwrap_or_default();
        let output = rate("output_cost_per_token", TokenClass::Output).unwrap_or_default();
        let write = rate("cache_creation_input_token_cost", TokenClass::CacheWrite);
        let others = [
            (TokenClass::CacheRead, rate("cache_read_input_token_cost", TokenClass::CacheRead)),
            (TokenClass::CacheWrite, write),
            (
                TokenClass::CacheWriteLong,
                rate("cache_creation_input_token_cost_above_1hr", TokenClass::CacheWriteLong)
                    .or(write),
            ),
            (TokenClass::AudioInput, rate("input_cost_per_audio_token", TokenClass::AudioInput)),
            (TokenClass::Reasoning, rate("output_cost_per_reasoning_token", TokenClass::Reasoning)),
            (TokenClass::AudioOutput, rate("output_cost_per_audio_token", TokenClass::AudioOutput)),
        ];
        let plain = Rates::plain(input, output);
        others.into_iter().fold(plain, |rates, (class, rate)| match (rate, below) {
            (None, _) => rates,
            // No rate falls.
            (Some(rate), below) => {
                rates.with(class, rate.max(below.map_or(Microunits::ZERO, |below| below.of(class))))
            }
        })
    };
    let mut last = rates("", None);
    let mut price = Price::new(last);
    for thousands in [32, 100, 128, 200, 256, 272, 512] {
        let suffix = format!("_above_{thousands}k_tokens");
        if of(format!("input_cost_per_token{suffix}")).is_some() {
            let dearer = rates(&suffix, Some(last));
            if let Ok(with_band) = price.with_band(thousands * 1_000, dearer) {
                (price, last) = (with_band, dearer);
            }
        }
    }
    let sizes = entry["search_context_cost_per_query"].as_object().into_iter().flatten();
    let dearest = sizes.filter_map(|(_, dollars)| dollars.as_f64()).fold(0.0, f64::max);
    let fee = Microunits::new((dearest * 1e6).round() as u64);
    price.with_search_fee(SearchFee::per_search(fee))
}

/// A 0 counts as absent.
fn listed_window(entry: &Value) -> Window {
    let maximum = |key: &str| {
        entry[key].as_u64().and_then(|tokens| u32::try_from(tokens).ok()).filter(|&most| most > 0)
    };
    let mut window = Window::UNKNOWN;
    window.max_prompt_tokens = maximum("max_input_tokens");
    window.max_completion_tokens = maximum("max_output_tokens");
    window
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
