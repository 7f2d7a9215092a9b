//! Our own catalog in TOML says all that a price list can say, and two flat prices stay two lines.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use calybris_catalog::{Candidate, CatalogFile};
use calybris_kernel::{Microunits, Price, Rates, SearchFee, TokenClass, TokenClassSet, Window};

const PLAIN: &str = "[[model]]\nname = \"a\"\nprovider = \"p\"\n\
    input_price_microunits_per_million_tokens = 1_000\n\
    output_price_microunits_per_million_tokens = 2_000\n";

fn model(more: &str) -> Result<Candidate, String> {
    let parsed = CatalogFile::parse("c.toml", format!("{PLAIN}{more}"));
    let file = parsed.map_err(|error| error.to_string())?;
    Ok(file.candidates()[0].clone())
}

fn plain(input: u64, output: u64) -> Rates {
    Rates::plain(Microunits::new(input), Microunits::new(output))
}

#[test]
fn two_lines_are_a_plain_price_without_limits() {
    let model = model("").unwrap();
    assert_eq!(model.price(), Price::new(plain(1_000, 2_000)));
    assert_eq!(model.window(), Window::UNKNOWN);
    let stated = TokenClassSet::EMPTY.with(TokenClass::Input).with(TokenClass::Output);
    assert_eq!(model.listed_classes, stated);
    assert!(model.is_enabled() && model.notes.is_empty());
}

#[test]
fn each_class_bands_fees_and_maxima_have_a_key() {
    let classes: String = [
        "cache_read",
        "cache_write",
        "cache_write_long",
        "audio_input",
        "reasoning",
        "audio_output",
    ]
    .into_iter()
    .zip(11..)
    .map(|(class, rate)| format!("{class}_price_microunits_per_million_tokens = {rate}\n"))
    .collect();
    let more = format!(
        "{classes}fixed_price_microunits = 7\nsearch_fee_microunits = 9\nsearch_fee_unit = \"request\"\n\
         max_prompt_tokens = 100\nmax_completion_tokens = 50\nmax_total_tokens = 120\n\
         band = [\n\
           {{ above_prompt_tokens = 10, input_price_microunits_per_million_tokens = 3_000 }},\n\
           {{ above_prompt_tokens = 20, cache_read_price_microunits_per_million_tokens = 4_000 }},\n\
         ]\n"
    );
    let model = model(&more).unwrap();
    let first = TokenClass::ALL.into_iter().zip([1_000, 11, 12, 13, 14, 2_000, 15, 16]);
    let first =
        first.fold(plain(0, 0), |rates, (class, rate)| rates.with(class, Microunits::new(rate)));
    let second = first.with(TokenClass::Input, Microunits::new(3_000));
    let third = second.with(TokenClass::CacheRead, Microunits::new(4_000));
    let price = Price::new(first).with_band(10, second).unwrap().with_band(20, third).unwrap();
    let price = price.with_fixed_price(Microunits::new(7));
    assert_eq!(model.price(), price.with_search_fee(SearchFee::per_request(Microunits::new(9))));
    let window = Window::UNKNOWN.with_max_prompt_tokens(100).with_max_completion_tokens(50);
    assert_eq!(model.window(), window.with_max_total_tokens(120));
    assert_eq!(model.listed_classes, TokenClassSet::ALL);
}

#[test]
fn a_class_that_is_left_out_follows_the_plain_rate_of_its_band_and_a_long_write_the_short_one() {
    let more = "cache_write_price_microunits_per_million_tokens = 1_500\n\
        [[model.band]]\nabove_prompt_tokens = 10\n\
        input_price_microunits_per_million_tokens = 3_000\n";
    let price = model(more).unwrap().price();
    let rates = price.band(11).rates;
    let found = [
        TokenClass::CacheRead,
        TokenClass::CacheWrite,
        TokenClass::CacheWriteLong,
        TokenClass::Reasoning,
    ]
    .map(|class| rates.of(class).get());
    assert_eq!(found, [3_000, 1_500, 1_500, 2_000]);
}

#[test]
fn a_search_is_charged_each_time_unless_the_unit_is_the_request() {
    let fee = |more: &str| {
        model(&format!("search_fee_microunits = 9\n{more}")).map(|model| model.price().search_fee())
    };
    assert_eq!(fee(""), Ok(SearchFee::per_search(Microunits::new(9))));
    assert_eq!(
        fee("search_fee_unit = \"search\"\n"),
        Ok(SearchFee::per_search(Microunits::new(9)))
    );
    let error = model("search_fee_unit = \"request\"\n").unwrap_err();
    assert!(
        error.ends_with("model `a`: `search_fee_unit` without `search_fee_microunits`"),
        "{error}"
    );
    let error = fee("search_fee_unit = \"prompt\"\n").unwrap_err();
    assert!(
        error.starts_with("c.toml:7:19: ") && error.contains("`search` or `request`"),
        "{error}"
    );
}

#[test]
fn bands_that_make_no_price_are_refused_with_their_place() {
    let band = |above: u32, input: u32| {
        format!(
            "[[model.band]]\nabove_prompt_tokens = {above}\ninput_price_microunits_per_million_tokens = {input}\n"
        )
    };
    for (bands, place, what) in [
        (
            band(10, 999),
            "c.toml:6:",
            "model `a`: the rate of input falls from 1000 to 999 microunits",
        ),
        (
            band(0, 2_000),
            "c.toml:6:",
            "model `a`: a band above 0 prompt tokens cannot follow one above 0",
        ),
        (band(9, 2_000) + &band(9, 3_000), "c.toml:9:", "cannot follow one above 9"),
        (
            (1..=4).map(|n| band(n, 2_000 + n)).collect(),
            "c.toml:15:",
            "a price has at most 4 bands",
        ),
        ("[[model.band]]\nabove = 1\n".to_owned(), "c.toml:7:1: ", "unknown key `above`"),
        ("[[model.band]]\n".to_owned(), "c.toml:6:1: ", "`above_prompt_tokens` is missing"),
    ] {
        let error = model(&bands).unwrap_err();
        assert!(error.starts_with(place) && error.contains(what), "{error}");
    }
    assert!(model(&(1..=3).map(|n| band(n, 2_000 + n)).collect::<String>()).is_ok());
    assert!(model(&band(10, 1_000)).is_ok());
}
