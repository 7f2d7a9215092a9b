//! Ceilings and the maximum cost.

use calybris_kernel::{Ceiling, Rates, SearchFee, TokenClass, TokenClassSet};
use proptest::prelude::*;

use super::cases::Dice;
use super::cases::second_law::any_price;
use super::*;

/// One microunit for a token in, two for one written to a cache, three for one out, four for one of reasoning.
fn classed() -> Price {
    Price::new(
        Rates::plain(Microunits::new(1_000_000), Microunits::new(3_000_000))
            .with(TokenClass::CacheRead, Microunits::new(100_000))
            .with(TokenClass::CacheWrite, Microunits::new(2_000_000))
            .with(TokenClass::Reasoning, Microunits::new(4_000_000)),
    )
}

fn maximum(price: Price, ceiling: Ceiling) -> u64 {
    price.maximum_cost(&ceiling).unwrap().get()
}

#[test]
fn the_maximum_cost_is_that_of_the_dearest_classes_that_the_ceiling_allows() {
    let ceiling = Ceiling::new(100, 10);
    assert_eq!(maximum(classed(), ceiling), 200 + 40);
    let classes = |allowed: &[TokenClass]| {
        ceiling.with_classes(allowed.iter().copied().collect::<TokenClassSet>())
    };
    use TokenClass::{CacheRead, CacheWrite, Input, Output, Reasoning};
    for (allowed, expected) in [
        (&[Input, Output][..], 100 + 30),
        (&[CacheRead, Output], 10 + 30),
        (&[CacheRead, CacheWrite, Output], 200 + 30),
        (&[Input, CacheRead, Reasoning], 100 + 40),
    ] {
        assert_eq!(maximum(classed(), classes(allowed)), expected, "{allowed:?}");
    }
    // A side without tokens needs no class.
    let no_answer = Ceiling::new(100, 0).with_classes(TokenClassSet::PROMPT);
    assert_eq!(maximum(classed(), no_answer), 200);
}

#[test]
fn the_maximum_cost_has_the_rates_of_the_longest_prompt_and_the_cost_those_of_the_expected_one() {
    let long = Rates::plain(Microunits::new(2_000_000), Microunits::new(6_000_000));
    let price = Price::per_million_tokens(Microunits::new(1_000_000), Microunits::new(3_000_000))
        .with_band(1_000, long)
        .unwrap();
    let model = MODEL.with_price(price);
    for (most, expected) in [(1_000, 1_000 + 1_500), (1_001, 2_002 + 3_000)] {
        let request = REQUEST.with_ceiling(Ceiling::new(most, 500));
        let decision = decide(&[model], &request);
        assert_eq!(decision.estimated_cost.get(), 1_000 + 1_500);
        assert_eq!(decision.maximum_cost.get(), expected);
        assert_eq!(decision.expected_utility_microunits, 800_000 - 2_500);
    }
}

#[test]
fn the_maximum_cost_counts_the_searches_that_the_ceiling_allows() {
    let ceiling = Ceiling::new(0, 0).with_searches(3);
    let price = price(0, 0, 5);
    let fee = Microunits::new(100);
    assert_eq!(maximum(price.with_search_fee(SearchFee::per_search(fee)), ceiling), 305);
    assert_eq!(maximum(price.with_search_fee(SearchFee::per_request(fee)), ceiling), 105);
    assert_eq!(maximum(price.with_search_fee(SearchFee::per_search(fee)), Ceiling::new(9, 9)), 5);
}

#[test]
fn the_budget_is_compared_with_the_maximum_cost() {
    let model = MODEL.with_price(classed());
    let request = REQUEST.with_ceiling(Ceiling::new(1_000, 1_000)); // 2,000 + 4,000
    let at = |limit| request.with_budget_limit(Microunits::new(limit));
    for limit in [6_000, 6_001] {
        let decision = decide(&[model], &at(limit));
        assert_eq!(decision.action, Action::ExecuteRequested);
        assert_eq!((decision.estimated_cost.get(), decision.maximum_cost.get()), (2_500, 6_000));
    }
    let expected =
        Refusal::Budget { maximum_cost: Microunits::new(6_000), limit: Microunits::new(5_999) };
    assert_eq!(refusal(model, &at(5_999)), expected);
    // Without a ceiling the maximum cost is the cost.
    let plain = REQUEST.with_budget_limit(Microunits::new(2_500));
    let decision = decide(&[model], &plain);
    assert_eq!((decision.estimated_cost.get(), decision.maximum_cost.get()), (2_500, 2_500));
}

#[test]
fn models_are_preferred_by_cost_whatever_their_maximum_costs() {
    let dear_at_most = MODEL.with_price(classed());
    let cheap_at_most = MODEL.with_model_id(2).with_price(price(1_000_000, 3_000_000, 1));
    let request = REQUEST.with_ceiling(Ceiling::new(1_000, 1_000));
    let decision = decide(&[dear_at_most, cheap_at_most], &request);
    assert_eq!((decision.selected_model_id, decision.runner_up_model_id), (Some(1), Some(2)));
    let mut best = [calybris_kernel::RankedModel::default(); 2];
    let snapshot = PolicySnapshot::new(POLICY, [dear_at_most, cheap_at_most]).unwrap();
    assert_eq!(snapshot.rank(&request, &mut best), 2);
    assert_eq!(best.map(|ranked| ranked.cost.get()), [2_500, 2_501]);
    assert_eq!(best.map(|ranked| ranked.maximum_cost.get()), [6_000, 4_001]);
}

#[test]
fn a_maximum_cost_beyond_u64_fails_the_budget_gate_whatever_the_limit() {
    let rich = REQUEST
        .with_business_value_microunits(i64::MAX)
        .with_budget_limit(Microunits::MAX)
        .with_usage(Usage::new(0, 0));
    let dear = MODEL.with_price(price(u64::MAX, 0, 0));
    let beyond = rich.with_ceiling(Ceiling::new(1_000_001, 0));
    assert_eq!(dear.price.maximum_cost(&Ceiling::new(1_000_001, 0)), None);
    let limit = Microunits::MAX;
    assert_eq!(refusal(dear, &beyond), Refusal::Budget { maximum_cost: Microunits::MAX, limit });
    // At the end of the type it is a number like any other.
    let at_the_end = rich.with_ceiling(Ceiling::new(1_000_000, 0));
    let decision = decide(&[dear], &at_the_end);
    assert_eq!((decision.maximum_cost, decision.estimated_cost.get()), (Microunits::MAX, 0));
    // Without a ceiling the cost saturates, passes the budget gate, and is more than any value.
    let plain = rich.with_usage(Usage::new(1_000_001, 0));
    assert_eq!(decide(&[dear], &plain).reason, Reason::NonPositiveUtility);
}

/// Any ceiling, whose prompt is often about as long as `length`; each side allows a class.
fn any_ceiling(dice: &mut Dice, length: u32) -> Ceiling {
    let any = [dice.any_magnitude() as u32, dice.any_magnitude() as u32];
    let near = length.saturating_add(dice.below(3) as u32).saturating_sub(1);
    let classes = TokenClassSet::from_bits(dice.roll() as u8)
        .with(dice.pick(&TokenClass::ALL[..5]))
        .with(dice.pick(&TokenClass::ALL[5..]));
    Ceiling::new(dice.pick(&[0, 1, near, any[0]]), dice.pick(&[0, 1, 4_096, any[1]]))
        .with_searches(dice.below(4) as u32)
        .with_classes(classes)
}

/// Any usage within a ceiling.
fn usage_within(dice: &mut Dice, ceiling: &Ceiling) -> Usage {
    let mut usage =
        Usage::default().with_searches(dice.below(u64::from(ceiling.searches) + 1) as u32);
    for (side, most) in [
        (TokenClassSet::PROMPT, ceiling.prompt_tokens),
        (TokenClassSet::COMPLETION, ceiling.completion_tokens),
    ] {
        let mut left = most;
        let allowed: Vec<TokenClass> = ceiling.classes.intersection(side).iter().collect();
        for class in &allowed {
            let part = dice.below(u64::from(left) + 1) as u32;
            let part = dice.pick(&[0, part, left]);
            usage = usage.with_tokens(*class, part);
            left -= part;
        }
        if dice.one_in(2) {
            // The ceiling is reached.
            let class = dice.pick(&allowed);
            usage = usage.with_tokens(class, usage.tokens(class) + left);
        }
    }
    usage
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_usage_within_a_ceiling_costs_more_than_the_maximum_cost(seed: u64) {
        let dice = &mut Dice(seed);
        let (price, length) = any_price(dice);
        let ceiling = any_ceiling(dice, length);
        let maximum = oracle::exact_maximum_cost(&ceiling, &price);
        for _ in 0..4 {
            let usage = usage_within(dice, &ceiling);
            let request = REQUEST.with_usage(usage).with_ceiling(ceiling);
            prop_assert_eq!(oracle::invalid(&[], &request), None);
            prop_assert!(oracle::exact_cost(&usage, &price) <= maximum, "{usage:?} {ceiling:?}");
            if let Some(maximum) = price.maximum_cost(&ceiling) {
                prop_assert!(price.cost(&usage) <= maximum, "{usage:?} {ceiling:?}");
            }
        }
    }

    #[test]
    fn some_usage_within_a_ceiling_costs_the_maximum_cost(seed: u64) {
        let dice = &mut Dice(seed);
        let (price, length) = any_price(dice);
        let ceiling = any_ceiling(dice, length);
        let full = |prompt, completion| {
            Usage::default()
                .with_tokens(prompt, ceiling.prompt_tokens)
                .with_tokens(completion, ceiling.completion_tokens)
                .with_searches(ceiling.searches)
        };
        let prompt = ceiling.classes.intersection(TokenClassSet::PROMPT);
        let dearest = prompt
            .iter()
            .flat_map(|prompt| {
                let completion = ceiling.classes.intersection(TokenClassSet::COMPLETION);
                completion.iter().map(move |completion| full(prompt, completion)).collect::<Vec<_>>()
            })
            .map(|usage| oracle::exact_cost(&usage, &price))
            .max()
            .unwrap();
        let maximum = price.maximum_cost(&ceiling).map(Microunits::get);
        prop_assert_eq!(maximum, u64::try_from(dearest).ok());
    }
}

/// Every usage within small ceilings, at thresholds that small prompts exceed.
#[test]
fn the_maximum_cost_is_the_highest_of_all_usages_within_a_small_ceiling() {
    let dice = &mut Dice(3);
    for _ in 0..150 {
        let rates = |dice: &mut Dice, least: Rates| {
            TokenClass::ALL.into_iter().fold(least, |rates, class| {
                let more = dice.pick(&[0, 1, 400_000, 1_000_000]);
                rates.with(class, Microunits::new(rates.of(class).get() + more))
            })
        };
        let first = rates(dice, Rates::default());
        let second = rates(dice, first);
        let fee = Microunits::new(dice.below(3));
        let fee =
            if dice.one_in(2) { SearchFee::per_search(fee) } else { SearchFee::per_request(fee) };
        let price = Price::new(first)
            .with_search_fee(fee)
            .with_band(1 + dice.below(3) as u32, second)
            .unwrap();
        let classes = TokenClassSet::from_bits(dice.roll() as u8)
            .with(TokenClass::CacheRead)
            .with(TokenClass::Output);
        let ceiling = Ceiling::new(dice.below(4) as u32, dice.below(3) as u32)
            .with_searches(dice.below(3) as u32)
            .with_classes(classes);
        let mut usages = vec![Usage::default()];
        for class in ceiling.classes.iter() {
            usages = usages
                .into_iter()
                .flat_map(|usage| (0..4).map(move |tokens| usage.with_tokens(class, tokens)))
                .filter(|usage| usage.prompt_tokens() <= u64::from(ceiling.prompt_tokens))
                .filter(|usage| usage.completion_tokens() <= u64::from(ceiling.completion_tokens))
                .collect();
        }
        let highest = usages
            .iter()
            .flat_map(|usage| (0..=ceiling.searches).map(|searches| usage.with_searches(searches)))
            .map(|usage| price.cost(&usage))
            .max();
        assert_eq!(highest, price.maximum_cost(&ceiling), "{price:?} {ceiling:?}");
    }
}
