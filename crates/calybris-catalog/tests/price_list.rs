//! How entries of a price list become rows: classes, bands, tiers, fees, windows, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use calybris_catalog::{Candidate, CatalogFile, Note, Skipped};
use calybris_kernel::{Price, TokenClass, Usage, Window};

/// A list with one entry `a` of a provider, with these fields beside the plain prices of 1 and 2 a million.
fn list_of(provider: &str, fields: &str) -> Result<CatalogFile, String> {
    let text = format!(
        "{{\"a\": {{\"mode\": \"chat\", \"litellm_provider\": \"{provider}\",\n\
         \"input_cost_per_token\": 1e-06, \"output_cost_per_token\": 2e-06{fields}}}}}"
    );
    CatalogFile::parse("p.json", text).map_err(|error| error.to_string())
}

fn row(fields: &str, name: &str) -> Candidate {
    list_of("p", fields).unwrap().candidate(name).unwrap().clone()
}

fn entry(fields: &str) -> Candidate {
    row(fields, "a")
}

/// The rates of each band in the order of the classes, in units per million tokens.
fn bands(price: &Price) -> Vec<(u32, [String; 8])> {
    let rates =
        |rates: calybris_kernel::Rates| TokenClass::ALL.map(|class| rates.of(class).to_string());
    price.bands().map(|band| (band.above_prompt_tokens, rates(band.rates))).collect()
}

fn expected(rates: &[(u32, &str)]) -> Vec<(u32, [String; 8])> {
    let split = |text: &str| -> [String; 8] {
        let rates: Vec<String> = text.split(' ').map(str::to_owned).collect();
        rates.try_into().unwrap()
    };
    rates.iter().map(|(above, text)| (*above, split(text))).collect()
}

#[test]
fn a_class_without_a_rate_has_the_plain_one_of_its_side_and_zero_is_a_rate() {
    assert_eq!(bands(&entry("").price()), expected(&[(0, "1 1 1 1 1 2 2 2")]));
    let all = r#", "cache_read_input_token_cost": 0, "cache_creation_input_token_cost": 1.25e-06,
        "cache_creation_input_token_cost_above_1hr": 2e-06, "input_cost_per_audio_token": 3e-06,
        "output_cost_per_reasoning_token": 4e-06, "output_cost_per_audio_token": "5e-06""#;
    let all = entry(all);
    assert_eq!(bands(&all.price()), expected(&[(0, "1 0 1.25 2 3 2 4 5")]));
    assert_eq!(all.listed_classes, calybris_kernel::TokenClassSet::ALL);
    let plain =
        calybris_kernel::TokenClassSet::EMPTY.with(TokenClass::Input).with(TokenClass::Output);
    assert_eq!(entry(r#", "cache_read_input_token_cost": null"#).listed_classes, plain);
}

#[test]
fn a_long_cache_write_costs_what_an_hour_does_or_half_a_day_or_else_a_short_one() {
    let short = r#", "cache_creation_input_token_cost": 1.25e-06"#;
    assert_eq!(bands(&entry(short).price()), expected(&[(0, "1 1 1.25 1.25 1 2 2 2")]));
    let half_a_day = r#", "cache_creation_input_token_cost_above_12hr": 3e-06"#;
    assert_eq!(bands(&entry(half_a_day).price()), expected(&[(0, "1 1 1 3 1 2 2 2")]));
    let both = format!("{half_a_day}, \"cache_creation_input_token_cost_above_1hr\": 2e-06");
    assert_eq!(bands(&entry(&both).price()), expected(&[(0, "1 1 1 2 1 2 2 2")]));
}

#[test]
fn thresholds_ascend_whatever_the_order_of_the_keys_and_a_missing_key_keeps_its_rate() {
    let fields = r#", "output_cost_per_token_above_256k_tokens": 6e-06, "cache_read_input_token_cost": 1e-07,
        "input_cost_per_token_above_256k_tokens": 4e-06, "cache_read_input_token_cost_above_32k_tokens": 2e-07,
        "cache_creation_input_token_cost_above_1hr_above_32k_tokens": 5e-06,
        "input_cost_per_token_above_32k_tokens": 2e-06"#;
    assert_eq!(
        bands(&entry(fields).price()),
        expected(&[
            (0, "1 0.1 1 1 1 2 2 2"),
            (32_000, "2 0.2 2 5 2 2 2 2"),
            (256_000, "4 0.2 4 5 4 6 6 6"),
        ])
    );
    // Thousands may be written out, and a threshold of 0 is no band of its own.
    let fields = r#", "input_cost_per_token_above_500_tokens": 2e-06, "input_cost_per_token_above_0_tokens": 1.5e-06"#;
    assert_eq!(
        bands(&entry(fields).price()),
        expected(&[(0, "1.5 1.5 1.5 1.5 1.5 2 2 2"), (500, "2 2 2 2 2 2 2 2")])
    );
    // This is no threshold: it does not fit 32 bits.
    let fields = r#", "input_cost_per_token_above_4294968k_tokens": 2e-06"#;
    assert_eq!(entry(fields).price().bands().count(), 1);
}

#[test]
fn at_one_provider_a_band_begins_at_its_threshold_and_elsewhere_above_it() {
    let fields = r#", "input_cost_per_token_above_200k_tokens": 2e-06"#;
    for (provider, begins) in [("xai", 200_000), ("x", 200_001)] {
        let list = list_of(provider, fields).unwrap();
        let price = list.candidate("a").unwrap().price();
        assert_eq!(price.band(begins - 1).rates.input.to_string(), "1", "{provider}");
        assert_eq!(price.band(begins).rates.input.to_string(), "2", "{provider}");
    }
}

#[test]
fn a_rate_that_falls_for_longer_prompts_is_raised_and_noted() {
    let fields = r#", "cache_creation_input_token_cost": 1.25e-06,
        "cache_creation_input_token_cost_above_200k_tokens": 2.5e-07, "input_cost_per_token_above_200k_tokens": 2e-06"#;
    let raised = entry(fields);
    assert_eq!(
        bands(&raised.price()),
        expected(&[(0, "1 1 1.25 1.25 1 2 2 2"), (200_000, "2 2 1.25 1.25 2 2 2 2")])
    );
    assert!(raised.notes.contains(&Note::RaisedRate));
    assert!(
        !entry(r#", "input_cost_per_token_above_200k_tokens": 2e-06"#)
            .notes
            .contains(&Note::RaisedRate)
    );
}

#[test]
fn of_more_than_four_bands_the_longest_two_are_merged_at_the_dearer_rates() {
    let fields: String = [(1, 2), (2, 3), (3, 4), (4, 5)]
        .map(|(k, rate)| format!(", \"input_cost_per_token_above_{k}k_tokens\": {rate}e-06"))
        .concat();
    let merged = entry(&fields);
    let found: Vec<_> = merged
        .price()
        .bands()
        .map(|band| (band.above_prompt_tokens, band.rates.input.get()))
        .collect();
    assert_eq!(found, [(0, 1_000_000), (1_000, 2_000_000), (2_000, 3_000_000), (3_000, 5_000_000)]);
    assert!(merged.notes.contains(&Note::MergedBands));
}

#[test]
fn ranges_win_over_plain_keys_and_a_longer_prompt_has_the_last() {
    let fields = r#", "input_cost_per_audio_token": 7e-06, "cache_read_input_token_cost": 1e-07, "output_cost_per_reasoning_token": 9e-06,
        "tiered_pricing": [
            {"range": [32000.0, 128e3], "input_cost_per_token": 4e-06, "output_cost_per_token": 8e-06},
            {"range": [0, 32000], "input_cost_per_token": 3e-06, "cache_read_input_token_cost": 3e-07}]"#;
    let price = entry(fields).price();
    assert_eq!(bands(&price), expected(&[(0, "3 0.3 3 3 7 2 9 2"), (32_000, "4 4 4 4 7 8 9 8")]));
    assert_eq!(price.band(32_000).above_prompt_tokens, 0);
    assert_eq!(price.band(999_999).above_prompt_tokens, 32_000);
    // A gap is priced as the last range; what the ranges leave out before the first one as well.
    let gap = r#", "tiered_pricing": [{"range": [10, 20], "input_cost_per_token": 1e-06},
        {"range": [30, 40], "input_cost_per_token": 5e-06}]"#;
    let found: Vec<_> = entry(gap)
        .price()
        .bands()
        .map(|band| (band.above_prompt_tokens, band.rates.input.to_string()))
        .collect();
    assert_eq!(found[0], (0, "5".to_owned()));
    // An empty list is none.
    assert_eq!(
        bands(&entry(", \"tiered_pricing\": []").price()),
        expected(&[(0, "1 1 1 1 1 2 2 2")])
    );
}

#[test]
fn models_with_ranges_alone_and_models_of_the_other_mode_are_candidates() {
    let ranges = "\"tiered_pricing\": [{\"range\": [0, 9], \"input_cost_per_token\": 1e-06}]";
    let text = format!(
        "{{\"a\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", {ranges}}},
          \"b\": {{\"mode\": \"responses\", \"litellm_provider\": \"p\", \"input_cost_per_token\": 0, \"output_cost_per_token\": 0}},
          \"c\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", \"output_cost_per_token\": 0, \"tiered_pricing\": []}},
          \"d\": {{\"mode\": \"image_generation\", \"litellm_provider\": \"p\", {ranges}}}}}"
    );
    let list = CatalogFile::parse("p.json", text).unwrap();
    let names: Vec<_> = list.candidates().iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((list.skipped(Skipped::NoPrice), list.skipped(Skipped::NotChat)), (1, 1));
}

#[test]
fn what_does_not_chat_has_a_price_and_is_never_a_candidate_nor_a_reason_to_refuse_the_list() {
    let entry = |name: &str, mode: &str, price: &str| {
        format!(
            "\"{name}\": {{\"mode\": \"{mode}\", \"litellm_provider\": \"p\", \"input_cost_per_token\": {price},
             \"output_cost_per_token\": 2e-06, \"input_cost_per_token_batches\": 5e-07}}"
        )
    };
    let text = [
        entry("z", "realtime", "1.0000001e-12"),
        entry("b", "chat", "1e-06"),
        entry("a", "embedding", "1e-06"),
        entry("c", "completion", "-1"),
        "\"d\": {\"mode\": \"rerank\", \"input_cost_per_token\": 1}".to_owned(),
    ];
    let list = CatalogFile::parse("p.json", format!("{{{}}}", text.join(","))).unwrap();
    let names: Vec<_> = list.candidates().iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["b", "b@batch"]);
    assert_eq!((list.skipped(Skipped::NotChat), list.rounded_prices()), (4, 0));
    let input = |name: &str| list.priced(name).map(|row| row.price().band(0).rates.input.get());
    assert_eq!(
        ["a", "a@batch", "b", "z", "c", "d", "e"].map(input),
        [Some(1_000_000), Some(500_000), Some(1_000_000), Some(2), None, None, None]
    );
    assert!(list.candidate("a").is_none() && list.candidate("b").is_some());
}

#[test]
fn an_embedding_needs_the_price_of_its_input_only() {
    let entry = |name: &str, mode: &str| {
        format!(
            "\"{name}\": {{\"mode\": \"{mode}\", \"litellm_provider\": \"p\", \"input_cost_per_token\": 1e-07}}"
        )
    };
    let list = [entry("a", "embedding"), entry("b", "image_generation"), entry("c", "chat")];
    let list = CatalogFile::parse("p.json", format!("{{{}}}", list.join(","))).unwrap();
    let cost =
        |name: &str| list.priced(name).map(|row| row.price().cost(&Usage::new(1_000, 9)).get());
    assert_eq!(["a", "b", "c"].map(cost), [Some(100), None, None]);
    assert!(list.candidates().is_empty());
}

#[test]
fn a_service_tier_is_a_disabled_row_with_its_own_rates_and_the_standard_ones_where_it_has_none() {
    let fields = r#", "cache_read_input_token_cost": 1e-07, "cache_creation_input_token_cost": 1.25e-06,
        "output_cost_per_reasoning_token": 5e-06, "input_cost_per_token_above_200k_tokens": 3e-06,
        "input_cost_per_token_priority": 2e-06, "output_cost_per_token_priority": 4e-06,
        "input_cost_per_token_above_200k_tokens_priority": 6e-06,
        "input_cost_per_token_flex": 5e-07, "input_cost_per_token_batches": 5e-07"#;
    let list = list_of("p", fields).unwrap();
    let names: Vec<_> = list.candidates().iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["a", "a@batch", "a@flex", "a@priority"]);
    let enabled: Vec<_> = list.enabled().map(|model| model.name.as_str()).collect();
    assert_eq!(enabled, ["a"]);
    let tier = |tier: &str| list.candidate(&format!("a@{tier}")).unwrap();
    assert_eq!(tier("flex").service_tier.as_deref(), Some("flex"));
    assert_eq!(tier("flex").provider, "p");
    // With its own output rate, reasoning costs as much as output.
    assert_eq!(
        bands(&tier("priority").price()),
        expected(&[(0, "2 0.1 1.25 1.25 2 4 4 4"), (200_000, "6 0.1 1.25 1.25 6 4 4 4")])
    );
    assert_eq!(
        bands(&tier("flex").price()),
        expected(&[(0, "0.5 0.1 1.25 1.25 0.5 2 5 2"), (200_000, "3 0.1 1.25 1.25 3 2 5 2")])
    );
    // A batch writes to caches at its input rate, and has thresholds of its own alone.
    assert_eq!(bands(&tier("batch").price()), expected(&[(0, "0.5 0.1 0.5 0.5 0.5 2 2 2")]));
}

#[test]
fn a_tier_keeps_its_long_write_rate_above_a_threshold_that_is_the_standard_rows_alone() {
    let fields = r#", "cache_creation_input_token_cost_above_1hr": 3e-06, "input_cost_per_token_flex": 5e-07,
        "cache_creation_input_token_cost_above_1hr_flex": 1.5e-06, "output_cost_per_token_above_200k_tokens": 4e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 6e-06"#;
    let flex = bands(&row(fields, "a@flex").price());
    assert_eq!(
        flex,
        expected(&[(0, "0.5 0.5 0.5 1.5 0.5 2 2 2"), (200_000, "0.5 0.5 0.5 1.5 0.5 4 4 4"),])
    );
}

#[test]
fn a_batch_has_its_own_keys_even_where_the_standard_row_has_ranges() {
    let fields = r#", "input_cost_per_token_batches": 5e-07, "input_cost_per_token_flex": 5e-07,
        "tiered_pricing": [{"range": [0, 9], "input_cost_per_token": 3e-06}]"#;
    let input = |name: &str| row(fields, name).price().band(0).rates.input.to_string();
    assert_eq!(["a", "a@flex", "a@batch"].map(input), ["3", "3", "0.5"]);
}

#[test]
fn a_rounded_rate_is_counted_where_it_is_stated_and_noted_in_its_row() {
    let fields = r#", "cache_read_input_token_cost": 1.0000001e-12, "input_cost_per_token_flex": 5e-07,
        "output_cost_per_token_above_200k_tokens": 2.0000000001e-06"#;
    let list = list_of("p", fields).unwrap();
    // The output rate is within one part in 10^9 of a whole one.
    assert_eq!(list.rounded_prices(), 1);
    let noted: Vec<_> = list.noted(Note::RoundedRate).map(|model| model.name.as_str()).collect();
    assert_eq!(noted, ["a"]);
    assert_eq!(row(fields, "a@flex").price().band(0).rates.cache_read.get(), 2);
}

#[test]
fn a_factor_is_a_row_with_every_rate_multiplied_exactly() {
    let fields = r#", "cache_read_input_token_cost": 1e-07, "provider_specific_entry": {"us": 1.1, "fast": 6, "free_images": 5, "frames": {"a": 1}},
        "regional_processing_uplift_multiplier_us": 9, "regional_processing_uplift_multiplier_eu": 1.25,
        "regional_endpoint_uplift_multiplier": "1.5", "search_context_cost_per_query": {"search_context_size_low": 0.01}"#;
    let list = list_of("p", fields).unwrap();
    let names: Vec<_> = list.candidates().iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["a", "a@eu", "a@fast", "a@regional", "a@us"]);
    let rates = |name: &str| bands(&list.candidate(name).unwrap().price());
    assert_eq!(rates("a@us"), expected(&[(0, "1.1 0.11 1.1 1.1 1.1 2.2 2.2 2.2")]));
    assert_eq!(rates("a@eu"), expected(&[(0, "1.25 0.125 1.25 1.25 1.25 2.5 2.5 2.5")]));
    assert_eq!(rates("a@regional"), expected(&[(0, "1.5 0.15 1.5 1.5 1.5 3 3 3")]));
    assert_eq!(rates("a@fast"), expected(&[(0, "6 0.6 6 6 6 12 12 12")]));
    // A search costs the same everywhere.
    let fee = list.candidate("a@us").unwrap().price().search_fee();
    assert_eq!(fee.amount().to_string(), "0.01");
}

#[test]
fn a_tier_that_the_list_names_itself_is_that_entry() {
    let entry = |name: &str, more: &str| {
        format!(
            "\"{name}\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", \"input_cost_per_token\": 1e-06,
             \"output_cost_per_token\": 2e-06{more}}}"
        )
    };
    let batch = ", \"input_cost_per_token_batches\": 5e-07";
    let text = format!("{{{}, {}}}", entry("a", batch), entry("a@batch", ""));
    let list = CatalogFile::parse("p.json", text).unwrap();
    assert_eq!(list.candidates().len(), 2);
    let listed = list.candidate("a@batch").unwrap();
    assert_eq!((listed.price().band(0).rates.input.get(), listed.is_enabled()), (1_000_000, true));
}

#[test]
fn fireworks_reads_caches_for_half_the_input_rate_unless_the_list_says_otherwise() {
    let read = |provider: &str, fields: &str, name: &str| {
        let list = list_of(provider, fields).unwrap();
        list.candidate(name).unwrap().price().band(0).rates.cache_read.get()
    };
    assert_eq!(read("fireworks_ai", "", "a"), 500_000);
    let assumed = |fields: &str| {
        let list = list_of("fireworks_ai", fields).unwrap();
        list.noted(Note::AssumedCacheRate).count()
    };
    assert_eq!(assumed(""), 1);
    assert_eq!(assumed(", \"cache_read_input_token_cost\": 3e-07"), 0);
    assert_eq!(read("fireworks_ai", ", \"cache_read_input_token_cost\": 3e-07", "a"), 300_000);
    assert_eq!(
        read("fireworks_ai", ", \"input_cost_per_token_priority\": 2e-06", "a@priority"),
        500_000
    );
    assert_eq!(read("p", "", "a"), 1_000_000);
}

#[test]
fn a_search_costs_the_dearest_size_each_time_or_once_as_the_list_says() {
    let fee = |provider: &str, fields: &str| {
        let list = list_of(provider, fields).unwrap();
        let candidate = list.candidate("a").unwrap();
        let fee = candidate.price().search_fee();
        let notes: Vec<Note> = candidate.notes.iter().copied().collect();
        (fee.amount().get(), fee.is_per_request(), notes)
    };
    let sizes = r#", "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_high": 0.012,
        "search_context_size_medium": null}"#;
    let alike = r#", "search_context_cost_per_query": {"search_context_size_low": 0.0350000000000000003, "search_context_size_high": 0.035}"#;
    let free = format!("{alike}, \"search_free_requests\": {{\"count\": 1500}}");
    assert_eq!(fee("p", sizes), (12_000, false, vec![Note::DearestSearchSize]));
    assert_eq!(fee("gemini", alike), (35_000, true, vec![]));
    assert_eq!(fee("vertex_ai-language-models", &free), (35_000, true, vec![Note::FreeSearches]));
    let unit = |unit: &str| format!("{alike}, \"web_search_billing_unit\": \"{unit}\"");
    assert_eq!(fee("gemini", &unit("per_query")), (35_000, false, vec![]));
    assert_eq!(fee("p", &unit("per_prompt")), (35_000, true, vec![]));
    assert_eq!(fee("p", ", \"search_context_cost_per_query\": 0.01"), (10_000, false, vec![]));
    assert_eq!(fee("p", ", \"search_context_cost_per_query\": {}"), (0, false, vec![]));
    assert_eq!(fee("p", ""), (0, false, vec![]));
    let error = list_of("p", &unit("per_day")).unwrap_err();
    assert!(
        error.ends_with(
            "`web_search_billing_unit`: found `per_day`; allowed are `per_prompt` and `per_query`"
        ),
        "{error}"
    );
}

#[test]
fn a_price_per_request_is_the_fixed_price() {
    let price = entry(", \"input_cost_per_request\": 0.005").price();
    assert_eq!(price.fixed_price().get(), 5_000);
}

#[test]
fn a_window_is_as_the_list_states_it_and_zero_is_unknown() {
    let window = |input: &str, output: &str| {
        let fields = [("max_input_tokens", input), ("max_output_tokens", output)];
        let fields = fields.map(|(key, value)| match value {
            "" => String::new(),
            value => format!(", \"{key}\": {value}"),
        });
        let candidate = entry(&fields.concat());
        (candidate.window(), candidate.notes.contains(&Note::ZeroMaximum))
    };
    let unknown = Window::UNKNOWN;
    for (input, output, expected, is_noted) in [
        ("", "", unknown, false),
        ("null", "null", unknown, false),
        ("1000", "", unknown.with_max_prompt_tokens(1_000), false),
        ("", "1000", unknown.with_max_completion_tokens(1_000), false),
        (
            "1000",
            "999",
            unknown.with_max_prompt_tokens(1_000).with_max_completion_tokens(999),
            false,
        ),
        // An output as long as the input: the figure is that of both together.
        ("1000", "1000", unknown.with_max_total_tokens(1_000), false),
        ("1000", "1001", unknown.with_max_total_tokens(1_000), false),
        ("0", "1000", unknown.with_max_completion_tokens(1_000), true),
        ("1000", "0", unknown.with_max_prompt_tokens(1_000), true),
        (
            "\"1000\"",
            "1e2",
            unknown.with_max_prompt_tokens(1_000).with_max_completion_tokens(100),
            false,
        ),
        (
            "4294967295",
            "256000.0",
            unknown.with_max_prompt_tokens(u32::MAX).with_max_completion_tokens(256_000),
            false,
        ),
    ] {
        assert_eq!(window(input, output), (expected, is_noted), "{input}, {output}");
    }
}

#[test]
fn what_is_not_modelled_is_noted_unless_it_costs_nothing_or_what_a_token_costs() {
    for (field, note) in [
        ("\"input_cost_per_image\": 0.001", Some(Note::Images)),
        ("\"input_cost_per_image_token\": 5e-06", Some(Note::Images)),
        ("\"input_cost_per_image_token\": 1.0e-6", None),
        ("\"output_cost_per_image_token\": 2e-06", None),
        ("\"output_cost_per_image\": 0", None),
        ("\"input_cost_per_video_per_second\": 0.1", Some(Note::Videos)),
        ("\"cache_read_input_audio_token_cost\": 1e-07", Some(Note::CachedAudio)),
        ("\"explicit_cache_read_input_token_cost\": 1e-07", Some(Note::ExplicitCache)),
        ("\"off_peak_pricing\": {\"input_cost_per_token\": 1e-07}", Some(Note::OffPeakHours)),
        ("\"input_cost_per_character\": \"1e-07\"", Some(Note::Characters)),
        ("\"input_cost_per_character\": null", None),
        ("\"input_cost_per_second\": 0.01", Some(Note::Seconds)),
        ("\"google_maps_grounding_cost_per_query\": 0.01", Some(Note::Tools)),
        ("\"supports_image_size\": true", None),
        ("\"input_cost_per_token_decisions\": 2e-06", Some(Note::OtherPrices)),
        (
            "\"cache_read_input_token_cost_above_272k_tokens_decisions\": 2e-06",
            Some(Note::OtherPrices),
        ),
        ("\"input_cost_per_query\": \"0.01\"", Some(Note::OtherPrices)),
        ("\"input_cost_per_query\": 0", None),
        ("\"input_cost_per_query\": {}", None),
        ("\"input_cost_per_request\": 0.01", None),
        ("\"search_context_cost_per_query\": 0.01", None),
        ("\"cache_read_input_token_cost_flex\": 1e-07", None),
        ("\"cache_creation_input_token_cost_above_1hr_above_200k_tokens\": 3e-06", None),
        ("\"input_dbu_cost_per_token\": 1e-05", None),
        ("\"cache_read_input_token_cost\": 1e-07, \"input_cost_per_token_cache_hit\": 1e-07", None),
        ("\"input_cost_per_token_cache_hit\": 1e-07", Some(Note::OtherPrices)),
    ] {
        let notes: Vec<Note> = entry(&format!(", {field}")).notes.into_iter().collect();
        assert_eq!(notes, note.into_iter().collect::<Vec<_>>(), "{field}");
    }
}

#[test]
fn a_model_is_retired_from_its_day_on() {
    let is_retired = |day: &str| {
        entry(", \"deprecation_date\": \"2026-11-15\"").is_retired(day.parse().unwrap())
    };
    assert_eq!(["2026-11-14", "2026-11-15", "2026-11-16"].map(is_retired), [false, true, true]);
    for unread in ["\"soon\"", "\"2026-02-30\"", "20261115"] {
        let candidate = entry(&format!(", \"deprecation_date\": {unread}"));
        assert_eq!(candidate.retirement, None);
        assert!(candidate.notes.contains(&Note::UnreadRetirement), "{unread}");
    }
    assert!(entry("").notes.is_empty());
}

#[test]
fn a_rate_far_above_the_median_of_its_class_is_implausible() {
    let entries: Vec<String> = [("a", "1e-06"), ("b", "1e-06"), ("c", "1e-03"), ("d", "1.000001e-03"), ("e", "0")]
        .map(|(name, rate)| {
            format!(
                "\"{name}\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", \"input_cost_per_token\": {rate},
                 \"output_cost_per_token\": 1e-06}}"
            )
        })
        .into();
    let list = CatalogFile::parse("p.json", format!("{{{}}}", entries.join(","))).unwrap();
    // Of 1, 1, 1000 and 1000.001 the upper median is 1000; with one more cheap row it is 1.
    assert!(list.implausible_rates().is_empty());
    let more = entries[0].replace("\"a\"", "\"f\"");
    let list = CatalogFile::parse("p.json", format!("{{{},{more}}}", entries.join(","))).unwrap();
    let found: Vec<_> = list
        .implausible_rates()
        .into_iter()
        .map(|(model, class)| (model.name.as_str(), class))
        .collect();
    assert_eq!(found.first(), Some(&("d", TokenClass::Input)));
    assert!(found.iter().all(|(name, _)| *name == "d"));
}

#[test]
fn what_is_wrong_is_refused_with_the_place_the_model_the_field_and_what_is_allowed() {
    for (fields, refusal) in [
        (
            ",\n\"cache_read_input_token_cost\": -1e-07",
            "p.json:3:32: model `a`: `cache_read_input_token_cost`: found `-1e-07`; a price is at least 0",
        ),
        (
            ", \"input_cost_per_token_above_200k_tokens_priority\": true",
            "`input_cost_per_token_above_200k_tokens_priority`: found `true`; a price is a number",
        ),
        (
            ", \"output_cost_per_reasoning_token\": \"free\"",
            "`output_cost_per_reasoning_token`: found `free`; a price is a decimal number in currency units per token with at \
             most 28 digits, such as `0.0000025` or `2.5e-06`",
        ),
        (
            ", \"output_cost_per_audio_token\": 1e10",
            "found `1e10`; a price is at most 18446744073709551615 microunits",
        ),
        (
            ", \"max_input_tokens\": -1",
            "`max_input_tokens`: found `-1`; allowed is a whole number of tokens from 0 to 4,294,967,295",
        ),
        (", \"max_input_tokens\": 4294967296", "found `4294967296`; allowed is a whole number"),
        (", \"max_output_tokens\": 0.5", "found `0.5`; allowed is a whole number"),
        (", \"max_output_tokens\": [1]", "found `[1]`; allowed is a whole number"),
        (
            ", \"tiered_pricing\": [{\"range\": [0, 9]}]",
            "`input_cost_per_token`: missing; every range has one",
        ),
        (
            ", \"tiered_pricing\": [{\"input_cost_per_token\": 1}]",
            "`range`: missing; it is a list of two numbers of tokens",
        ),
        (
            ", \"tiered_pricing\": [{\"range\": [0], \"input_cost_per_token\": 1}]",
            "`range`: found `[0]`; it is a list of two numbers of tokens",
        ),
        (", \"provider_specific_entry\": {\"us\": -1}", "`us`: found `-1`; a price is at least 0"),
        (
            ", \"regional_processing_uplift_multiplier_\": 1.1",
            "`regional_processing_uplift_multiplier_`: a name is empty",
        ),
        (
            ", \"search_context_cost_per_query\": {\"low\": \"x\"}",
            "`low`: found `x`; a price is a decimal number",
        ),
        (
            ", \"input_cost_per_request\": -1",
            "`input_cost_per_request`: found `-1`; a price is at least 0",
        ),
    ] {
        let found = list_of("p", fields).unwrap_err();
        assert!(found.contains(refusal), "{fields}: {found}");
    }
}

#[test]
fn a_row_is_free_if_its_plain_tokens_are() {
    let is_free = |fields: &str| {
        let text =
            format!("{{\"a\": {{\"mode\": \"chat\", \"litellm_provider\": \"p\", {fields}}}}}");
        CatalogFile::parse("prices.json", text).unwrap().candidate("a").unwrap().is_free()
    };
    let free = "\"input_cost_per_token\": 0, \"output_cost_per_token\": 0";
    assert!(is_free(free));
    for class in ["input_cost_per_audio_token", "cache_read_input_token_cost"] {
        assert!(is_free(&format!("{free}, \"{class}\": 1e-06")), "{class}");
    }
    for plain in ["input", "output"] {
        let priced = format!("\"{plain}_cost_per_token_above_200k_tokens\": 1e-06");
        assert!(!is_free(&format!("{free}, {priced}")), "{plain}");
    }
    assert!(!is_free(&format!("{free}, \"input_cost_per_request\": 1e-06")));
}
