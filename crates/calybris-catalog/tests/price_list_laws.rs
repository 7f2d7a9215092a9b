//! Laws of imported prices, for random entries: each rate is what a look-up of the keys finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use calybris_catalog::CatalogFile;
use calybris_kernel::{Microunits, Price, TokenClass, Usage, Window};
use proptest::prelude::*;

/// The keys of a class without thresholds, in the order of the classes.
const KEYS: [&str; 8] = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "input_cost_per_audio_token",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "output_cost_per_audio_token",
];

/// Thresholds in thousands.
const THRESHOLDS: [u32; 3] = [1, 32, 200];

/// Rates in microunits per million tokens by the position of their class.
type Stated = BTreeMap<usize, u64>;

fn list(fields: &str) -> CatalogFile {
    let text = format!("{{\"a\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\"{fields}}}}}");
    CatalogFile::parse("p.json", text).unwrap()
}

fn price(fields: &str) -> Price {
    list(fields).candidate("a").unwrap().price()
}

fn fields(stated: &Stated, infix: &str) -> String {
    stated
        .iter()
        .map(|(class, rate)| format!(", \"{}{infix}\": {rate}e-12", KEYS[*class]))
        .collect()
}

/// The rate of a class by what is stated.
fn rate(stated: &Stated, class: usize) -> u64 {
    let plain = if class < 5 { 0 } else { 5 };
    let fallback = if class == 3 && stated.contains_key(&2) { 2 } else { plain };
    *stated.get(&class).or_else(|| stated.get(&fallback)).unwrap_or(&0)
}

fn with_plain(mut stated: Stated, input: u64, output: u64) -> Stated {
    stated.insert(0, input);
    stated.insert(5, output);
    stated
}

fn rates() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), 0..5_u64, 0..20_000_000_u64, Just(u64::MAX)]
}

fn stated() -> impl Strategy<Value = Stated> {
    prop::collection::btree_map(0..8_usize, rates(), 0..5)
}

/// Prompts around each threshold.
fn prompts() -> Vec<u32> {
    let around = |threshold: u32| [threshold - 1, threshold, threshold + 1];
    [0, 1].into_iter().chain(THRESHOLDS.into_iter().flat_map(|k| around(k * 1_000))).collect()
}

/// A usage of a million tokens of one class, as far as the prompt allows: its cost shows the rate.
fn found_rate(price: &Price, prompt_tokens: u32, class: TokenClass) -> Microunits {
    price.band(prompt_tokens.into()).rates.of(class)
}

proptest! {
    #[test]
    fn two_flat_prices_are_one_plain_band(input in rates(), output in rates(), form in 0..3) {
        let written = |rate: u64| match form {
            0 => format!("{rate}e-12"),
            1 => format!("{}.{:012}", rate / 1_000_000_000_000, rate % 1_000_000_000_000),
            _ => format!("\"{rate}.0E-12\""),
        };
        let fields = format!(
            ", \"input_cost_per_token\": {}, \"output_cost_per_token\": {}",
            written(input),
            written(output)
        );
        let list = list(&fields);
        prop_assert_eq!(list.candidates().len(), 1);
        let candidate = list.candidate("a").unwrap();
        let plain = Price::per_million_tokens(Microunits::new(input), Microunits::new(output));
        prop_assert_eq!(candidate.price(), plain);
        prop_assert_eq!(candidate.window(), Window::UNKNOWN);
        prop_assert!(candidate.is_enabled() && candidate.notes.is_empty() && list.rounded_prices() == 0);
        let usage = Usage::new(1_000_001, 1);
        prop_assert_eq!(candidate.price().cost(&usage), plain.cost(&usage));
    }

    #[test]
    fn a_rate_is_that_of_the_last_threshold_with_a_key_and_never_lower_than_for_shorter_prompts(
        base in stated(),
        (input, output) in (rates(), rates()),
        above in prop::collection::vec(stated(), 3),
    ) {
        let base = with_plain(base, input, output);
        let infixes = THRESHOLDS.map(|k| format!("_above_{k}k_tokens"));
        let text: String = infixes.iter().zip(&above).map(|(infix, stated)| fields(stated, infix)).collect();
        // The order of the keys does not matter.
        let price = price(&format!("{text}{}", fields(&base, "")));
        for prompt in prompts() {
            let mut stated = base.clone();
            let mut highest: Vec<u64> = (0..8).map(|class| rate(&stated, class)).collect();
            for (k, above) in THRESHOLDS.into_iter().zip(&above) {
                if prompt > k * 1_000 {
                    stated.extend(above);
                    let rates = (0..8).map(|class| rate(&stated, class));
                    highest = highest.into_iter().zip(rates).map(|(a, b)| a.max(b)).collect();
                }
            }
            for (class, rate) in TokenClass::ALL.into_iter().zip(highest) {
                prop_assert_eq!(found_rate(&price, prompt, class).get(), rate, "{} of {}", class, prompt);
            }
        }
    }

    #[test]
    fn a_prompt_has_the_first_range_that_holds_it_or_the_last(
        bounds in prop::collection::btree_set(0..12_u32, 2..=4),
        gap in any::<bool>(),
        inputs in prop::collection::vec(0..9_u64, 4),
    ) {
        let bounds: Vec<u32> = bounds.into_iter().collect();
        let pairs: Vec<&[u32]> =
            if gap { bounds.chunks_exact(2).collect() } else { bounds.windows(2).collect() };
        let ranges: Vec<(u32, u32, u64)> =
            pairs.iter().zip(inputs).map(|(pair, input)| (pair[0], pair[1], input)).collect();
        let written: Vec<String> = ranges
            .iter()
            .rev()
            .map(|(start, end, input)| format!("{{\"range\": [{start}, {end}.0], \"input_cost_per_token\": {input}e-12}}"))
            .collect();
        let price = price(&format!(", \"tiered_pricing\": [{}]", written.join(",")));
        let listed = |prompt: u32| {
            let holds = |(start, end, _): &&(u32, u32, u64)| *start < prompt && prompt <= *end;
            ranges.iter().find(holds).or(ranges.last()).unwrap().2
        };
        // A rate that falls is raised, so a prompt has the highest of all shorter ones.
        for prompt in 1..15 {
            let highest = (1..=prompt).map(listed).max().unwrap();
            prop_assert_eq!(found_rate(&price, prompt, TokenClass::Input).get(), highest, "{}", prompt);
        }
    }
}
