//! Usage, rates, bands and fees: what a call costs.

use calybris_kernel::{Band, PriceError, Rates, SearchFee, TokenClass};
use proptest::prelude::*;

use super::cases::Dice;
use super::cases::second_law::any_price;
use super::*;

/// A rate of its own for each class, in whole microunits per token: 1 for input, 2 for cache reads, and so on.
fn ladder() -> Rates {
    let (mut rates, mut rate) = (Rates::default(), 0);
    for class in TokenClass::ALL {
        rate += 1_000_000;
        rates = rates.with(class, Microunits::new(rate));
    }
    rates
}

fn per_token(input: u64, output: u64) -> Rates {
    Rates::plain(Microunits::new(input * 1_000_000), Microunits::new(output * 1_000_000))
}

#[test]
fn each_class_has_the_rate_of_its_own() {
    let price = Price::new(ladder());
    for (class, rate) in TokenClass::ALL.into_iter().zip(1..) {
        assert_eq!(price.cost(&Usage::new(0, 0).with_tokens(class, 10)).get(), 10 * rate);
    }
    let of_each = TokenClass::ALL
        .into_iter()
        .fold(Usage::new(0, 0), |usage, class| usage.with_tokens(class, 1));
    assert_eq!(price.cost(&of_each).get(), 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8);
    assert_eq!((of_each.prompt_tokens(), of_each.completion_tokens()), (5, 3));
}

#[test]
fn each_side_rounds_up_once_whatever_its_classes() {
    let price = Price::per_million_tokens(Microunits::new(1), Microunits::new(1));
    let usage = Usage::new(1, 1).with_cache_read_tokens(1).with_reasoning_tokens(1);
    assert_eq!(price.cost(&usage).get(), 1 + 1);
    let full = usage.with_cache_write_tokens(999_998).with_audio_output_tokens(999_999);
    assert_eq!(price.cost(&full).get(), 1 + 2);
}

#[test]
fn a_prompt_at_a_threshold_has_the_lower_rates_and_one_token_more_changes_them_all() {
    let price = Price::new(per_token(1, 10)).with_band(100, per_token(2, 20)).unwrap();
    for (prompt_tokens, cost) in [(0, 70), (1, 71), (99, 169), (100, 170), (101, 342), (102, 344)] {
        let usage = Usage::new(prompt_tokens, 7);
        assert_eq!(price.cost(&usage).get(), cost, "{prompt_tokens}");
        let cached = Usage::new(0, 7).with_cache_read_tokens(prompt_tokens);
        assert_eq!(price.cost(&cached).get(), cost, "{prompt_tokens} of another class");
    }
    // The completion is not part of the prompt.
    assert_eq!(price.cost(&Usage::new(100, 1_000)).get(), 100 + 10_000);
}

#[test]
fn the_last_band_whose_threshold_is_exceeded_applies() {
    let price = Price::new(per_token(1, 0))
        .with_band(10, per_token(2, 0))
        .and_then(|price| price.with_band(20, per_token(3, 0)))
        .and_then(|price| price.with_band(u32::MAX, per_token(4, 0)))
        .unwrap();
    let thresholds: Vec<u32> = price.bands().map(|band| band.above_prompt_tokens).collect();
    assert_eq!(thresholds, [0, 10, 20, u32::MAX]);
    let rate = |prompt_tokens| price.band(prompt_tokens).rates.input.get() / 1_000_000;
    let max = u64::from(u32::MAX);
    for (prompt_tokens, expected) in
        [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (max, 3), (max + 1, 4), (u64::MAX, 4)]
    {
        assert_eq!(rate(prompt_tokens), expected, "{prompt_tokens}");
    }
    // A prompt of several classes may be longer than any one count.
    let usage = Usage::new(u32::MAX, 0).with_cache_read_tokens(1);
    assert_eq!(price.cost(&usage).get(), (max + 1) * 4);
}

#[test]
fn fees_stand_outside_bands_and_a_fee_per_request_is_charged_once() {
    let price = Price::new(per_token(1, 1))
        .with_fixed_price(Microunits::new(5))
        .with_band(10, per_token(2, 2))
        .unwrap();
    let usage = |searches| Usage::new(11, 0).with_searches(searches);
    let each = price.with_search_fee(SearchFee::per_search(Microunits::new(100)));
    let once = price.with_search_fee(SearchFee::per_request(Microunits::new(100)));
    for (searches, times) in [(0, 0), (1, 1), (2, 2), (u32::MAX, u64::from(u32::MAX))] {
        assert_eq!(each.cost(&usage(searches)).get(), 5 + 22 + 100 * times);
        assert_eq!(once.cost(&usage(searches)).get(), 5 + 22 + 100 * times.min(1));
        assert_eq!(price.cost(&usage(searches)).get(), 5 + 22);
    }
    assert_eq!(SearchFee::per_request(Microunits::ZERO), SearchFee::NONE);
}

#[test]
fn a_cost_beyond_u64_saturates_whichever_part_is_too_much() {
    let most = Microunits::MAX;
    let rates = Rates::plain(most, most);
    for (price, usage) in [
        (Price::new(rates), Usage::new(u32::MAX, 0)),
        (Price::new(rates), Usage::new(0, 0).with_audio_output_tokens(u32::MAX)),
        (
            Price::FREE.with_search_fee(SearchFee::per_search(most)),
            Usage::new(0, 0).with_searches(2),
        ),
        (
            Price::FREE.with_search_fee(SearchFee::per_request(most)).with_fixed_price(most),
            Usage::new(0, 0).with_searches(1),
        ),
    ] {
        assert_eq!(price.cost(&usage), most);
    }
    let at_the_end = Price::FREE.with_search_fee(SearchFee::per_request(most));
    assert_eq!(at_the_end.cost(&Usage::new(9, 9).with_searches(3)), most);
}

#[test]
fn thresholds_ascend() {
    let rates = per_token(1, 1);
    let price = Price::new(rates).with_band(100, rates).unwrap();
    for above_prompt_tokens in [0, 99, 100] {
        let error = price.with_band(above_prompt_tokens, rates).unwrap_err();
        assert_eq!(error, PriceError::ThresholdNotAbove { above_prompt_tokens, previous: 100 });
    }
    assert!(price.with_band(101, rates).is_ok());
    let error = Price::new(rates).with_band(0, rates).unwrap_err();
    assert_eq!(error, PriceError::ThresholdNotAbove { above_prompt_tokens: 0, previous: 0 });
    assert!(Price::new(rates).with_band(1, rates).is_ok());
}

#[test]
fn no_rate_falls_from_band_to_band() {
    let price = Price::new(ladder());
    for class in TokenClass::ALL {
        let previous = ladder().of(class);
        for (change, falls) in [(-1_i64, true), (0, false), (1, false)] {
            let rate = Microunits::new(previous.get().wrapping_add_signed(change));
            let result = price.with_band(5, ladder().with(class, rate));
            let fall = PriceError::FallingRate { class, above_prompt_tokens: 5, previous, rate };
            assert_eq!(result.err(), falls.then_some(fall), "{class} {change}");
        }
    }
}

#[test]
fn a_price_has_at_most_four_bands() {
    let rates = per_token(1, 1);
    let bands = |thresholds: std::ops::Range<u32>| {
        thresholds.into_iter().try_fold(Price::new(rates), |price, at| price.with_band(at, rates))
    };
    assert_eq!(bands(1..4).unwrap().bands().count(), 4);
    assert_eq!(bands(1..5), Err(PriceError::TooManyBands));
}

#[test]
fn a_price_without_bands_classes_and_fees_costs_what_the_first_law_says() {
    let first_law = |price: (u64, u64, u64), usage: &Usage| {
        let tokens = |tokens: u32, rate: u64| (tokens as u128 * rate as u128).div_ceil(1_000_000);
        let (input, output, fixed) = price;
        let exact =
            fixed as u128 + tokens(usage.input_tokens, input) + tokens(usage.output_tokens, output);
        u64::try_from(exact).unwrap_or(u64::MAX)
    };
    let dice = &mut Dice(7);
    for _ in 0..20_000 {
        let flat = (dice.any_magnitude(), dice.any_magnitude(), dice.any_magnitude());
        let usage = Usage::new(dice.any_magnitude() as u32, dice.any_magnitude() as u32);
        assert_eq!(price(flat.0, flat.1, flat.2).cost(&usage).get(), first_law(flat, &usage));
    }
}

/// Any usage, whose prompt is often about as long as `length`.
fn any_usage(dice: &mut Dice, length: u32) -> Usage {
    let mut usage = Usage::default();
    let kinds = dice.pick(&[1, 2, 4]);
    for class in TokenClass::ALL {
        if dice.one_in(kinds) {
            let any = dice.any_magnitude() as u32;
            let near = length.saturating_add(dice.below(3) as u32).saturating_sub(1);
            let tokens = dice.pick(&[0, 1, any, near, near / 2]);
            usage = usage.with_tokens(class, tokens);
        }
    }
    let any = dice.any_magnitude() as u32;
    usage.with_searches(dice.pick(&[0, 0, 1, 2, any]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cost_never_falls_when_a_count_rises(seed: u64) {
        let dice = &mut Dice(seed);
        let (price, length) = any_price(dice);
        let usage = any_usage(dice, length);
        let cost = price.cost(&usage);
        for class in TokenClass::ALL {
            let any = dice.any_magnitude() as u32;
            let more = usage.tokens(class).saturating_add(dice.pick(&[1, length, any]));
            prop_assert!(price.cost(&usage.with_tokens(class, more)) >= cost, "{class}");
        }
        let any = dice.any_magnitude() as u32;
        let more = usage.searches.saturating_add(dice.pick(&[1, any]));
        prop_assert!(price.cost(&usage.with_searches(more)) >= cost);
    }

    #[test]
    fn bands_are_given_back_as_they_were_put_together(seed: u64) {
        let (price, _) = any_price(&mut Dice(seed));
        let bands: Vec<Band> = price.bands().copied().collect();
        let again = bands[1..].iter().try_fold(Price::new(bands[0].rates), |price, band| {
            price.with_band(band.above_prompt_tokens, band.rates)
        });
        let fees = |again: Price| {
            again.with_fixed_price(price.fixed_price()).with_search_fee(price.search_fee())
        };
        prop_assert_eq!(again.map(fees), Ok(price));
        for (band, next) in bands.iter().zip(&bands[1..]) {
            prop_assert_eq!(price.band(next.above_prompt_tokens.into()), band);
            prop_assert_eq!(price.band(u64::from(next.above_prompt_tokens) + 1), next);
        }
    }
}
