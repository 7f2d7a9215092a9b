//! Ranking, margins and winning changes agree with the oracle on changed catalogs.

use std::cmp::Ordering;

use crate::cases::{Case, Dice, MODEL, POLICY, REQUEST};
use crate::oracle;
use calybris_kernel::{
    Band, BasisPoints, Ceiling, ExcludedModels, Group, Margin, Microunits, Model, Policy,
    PolicySnapshot, Price, RankedModel, Rates, Request, SearchFee, TokenClass, Usage, Window,
    WinningChanges,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rank_is_the_head_of_the_order_of_preference(
        seed: u64,
        places in prop_oneof![0_usize..20, 60_usize..150],
    ) {
        let case = Case::generate(seed, 400, 4);
        let snapshot = PolicySnapshot::new(case.policy, case.models.clone()).unwrap();
        for request in &case.requests {
            let decision = snapshot.prescribe(request);
            let mut expected = Vec::new();
            if decision.evaluated_models > 0 {
                expected = oracle::ranking(&case.policy, &case.models, request);
                expected.truncate(places);
            }
            // The previous contents of the places are ignored, however good they look.
            let mut untouched = RankedModel::default();
            untouched.utility_microunits = i64::MAX;
            let mut best = vec![untouched; places];
            let found = snapshot.rank(request, &mut best);
            prop_assert_eq!(found, expected.len());
            for (ranked, expected) in best.iter().zip(&expected) {
                prop_assert_eq!(ranked.model_id, expected.model_id);
                prop_assert_eq!(ranked.utility_microunits, expected.utility);
                prop_assert_eq!(ranked.cost.get(), expected.cost);
                prop_assert_eq!(ranked.quality.get(), expected.quality);
            }
            prop_assert!(best[found..].iter().all(|place| *place == untouched));
            if places > 0 {
                prop_assert_eq!(best.first().filter(|_| found > 0).map(|ranked| ranked.model_id), decision.selected_model_id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_winner_wins_up_to_its_margin_and_not_beyond(seed: u64, is_plain: bool) {
        let case = case(seed, is_plain);
        let snapshot = case.snapshot();
        for request in &case.requests {
            let selected = snapshot.prescribe(request).selected_model_id;
            let margin = snapshot.margin(request);
            prop_assert_eq!(margin.map(|margin| margin.model_id), selected);
            let Some(margin) = margin else { continue };
            let model = snapshot.model(margin.model_id).unwrap();
            let wins = |changed: Model| selects(&case, request, changed);
            let dice = &mut Dice(seed);
            for number in numbers(&model, request) {
                let Some(limit) = number.margin(&margin) else {
                    prop_assert!(!wins((number.with)(number.best)), "{}", number.name);
                    continue;
                };
                prop_assert!(number.is_between(limit, number.best, number.worst), "{}", number.name);
                let beyond = number.towards_worst(limit);
                prop_assert!(wins((number.with)(limit)), "{} {limit}", number.name);
                prop_assert!(
                    beyond.is_none_or(|beyond| !wins((number.with)(beyond))),
                    "{} {limit}", number.name
                );
                let within = between(dice, number.best, limit);
                prop_assert!(wins((number.with)(within)), "{} {within}", number.name);
                if let Some(beyond) = beyond {
                    let beyond = between(dice, beyond, number.worst);
                    prop_assert!(!wins((number.with)(beyond)), "{} {beyond}", number.name);
                }
            }
        }
    }

    #[test]
    fn a_winning_change_wins_and_no_smaller_one_does(
        seed: u64,
        is_plain: bool,
        which: prop::sample::Index,
    ) {
        let case = case(seed, is_plain);
        if case.models.is_empty() {
            return Ok(());
        }
        let snapshot = case.snapshot();
        let model = *which.get(&case.models);
        for request in &case.requests {
            let changes = snapshot.what_would_win(request, model.model_id).unwrap();
            prop_assert_eq!(changes.model_id, model.model_id);
            let wins = |changed: Model| selects(&case, request, changed);
            let dice = &mut Dice(seed);
            for number in numbers(&model, request) {
                let change = number.change(&changes);
                // An unknown maximum of the window is no limit, so no number of it is needed.
                let Some(present) = number.present else {
                    prop_assert_eq!(change, None, "{}", number.name);
                    continue;
                };
                let Some(change) = change else {
                    prop_assert!(!wins((number.with)(number.best)), "{}", number.name);
                    continue;
                };
                prop_assert!(number.is_between(change, number.best, present), "{}", number.name);
                prop_assert!(wins((number.with)(change)), "{} {change}", number.name);
                let within = between(dice, number.best, change);
                prop_assert!(wins((number.with)(within)), "{} {within}", number.name);
                if change != present {
                    let smaller = number.towards_worst(change).unwrap();
                    prop_assert!(!wins((number.with)(smaller)), "{} {smaller}", number.name);
                    let smaller = between(dice, smaller, present);
                    prop_assert!(!wins((number.with)(smaller)), "{} {smaller}", number.name);
                }
            }
        }
    }
}

/// A case of the whole law, or one of the first law.
fn case(seed: u64, is_plain: bool) -> Case {
    if is_plain { Case::generate(seed, 60, 4) } else { Case::of_second_law(seed, 60, 4) }
}

/// A number between two others, in whichever order.
fn between(dice: &mut Dice, one: u64, other: u64) -> u64 {
    let (low, high) = (one.min(other), one.max(other));
    low + match (high - low).checked_add(1) {
        Some(width) => dice.below(width),
        None => dice.roll(),
    }
}

/// Whether the oracle selects a model once it is changed.
fn selects(case: &Case, request: &Request, changed: Model) -> bool {
    let models: Vec<Model> = case
        .models
        .iter()
        .map(|model| if model.model_id == changed.model_id { changed } else { *model })
        .collect();
    let decision = oracle::decide_with_groups(&case.policy, &models, &case.groups, request);
    decision.selected_model_id == Some(changed.model_id)
}

type ReadFrom<T> = Box<dyn Fn(&T) -> Option<u64>>;

type WindowPart = fn(&mut Window) -> &mut Option<u32>;

/// One number of a model, and the range in which it may change while all others stay.
struct Number {
    name: String,
    /// Absent if it is a maximum of the window that is unknown.
    present: Option<u64>,
    best: u64,
    worst: u64,
    with: Box<dyn Fn(u64) -> Model>,
    margin: ReadFrom<Margin>,
    change: ReadFrom<WinningChanges>,
}

impl Number {
    fn margin(&self, margin: &Margin) -> Option<u64> {
        (self.margin)(margin)
    }

    fn change(&self, changes: &WinningChanges) -> Option<u64> {
        (self.change)(changes)
    }

    /// The next number that is worse, if there is one.
    fn towards_worst(&self, number: u64) -> Option<u64> {
        match number.cmp(&self.worst) {
            Ordering::Less => Some(number + 1),
            Ordering::Equal => None,
            Ordering::Greater => Some(number - 1),
        }
    }

    fn is_between(&self, number: u64, one: u64, other: u64) -> bool {
        (one.min(other)..=one.max(other)).contains(&number)
    }
}

/// Every number of a model.
fn numbers(model: &Model, request: &Request) -> Vec<Number> {
    let model = *model;
    let bps = BasisPoints::new;
    let price = |amount: u64| Microunits::new(amount);
    let mut numbers = vec![
        Number {
            name: "quality".into(),
            present: Some(model.quality.get().into()),
            best: 10_000,
            worst: 0,
            with: Box::new(move |quality| model.with_quality(bps(quality as u16))),
            margin: Box::new(|margin| Some(margin.lowest_quality.get().into())),
            change: Box::new(|changes| changes.quality.map(|quality| quality.get().into())),
        },
        Number {
            name: "risk ceiling".into(),
            present: Some(model.risk_ceiling.get().into()),
            best: 10_000,
            worst: 0,
            with: Box::new(move |ceiling| model.with_risk_ceiling(bps(ceiling as u16))),
            margin: Box::new(|margin| Some(margin.lowest_risk_ceiling.get().into())),
            change: Box::new(|changes| changes.risk_ceiling.map(|ceiling| ceiling.get().into())),
        },
        Number {
            name: "latency".into(),
            present: Some(model.p95_latency_ms.into()),
            best: 0,
            worst: u32::MAX.into(),
            with: Box::new(move |latency_ms| model.with_p95_latency_ms(latency_ms as u32)),
            margin: Box::new(|margin| Some(margin.highest_p95_latency_ms.into())),
            change: Box::new(|changes| changes.p95_latency_ms.map(u64::from)),
        },
        Number {
            name: "fixed price".into(),
            present: Some(model.price.fixed_price().get()),
            best: 0,
            worst: u64::MAX,
            with: Box::new(move |amount| {
                model.with_price(model.price.with_fixed_price(price(amount)))
            }),
            margin: Box::new(|margin| Some(margin.highest_fixed_price.get())),
            change: Box::new(|changes| changes.fixed_price.map(Microunits::get)),
        },
        Number {
            name: "search fee".into(),
            present: Some(model.price.search_fee().amount().get()),
            best: 0,
            worst: u64::MAX,
            with: Box::new(move |amount| {
                let fee = if model.price.search_fee().is_per_request() {
                    SearchFee::per_request(price(amount))
                } else {
                    SearchFee::per_search(price(amount))
                };
                model.with_price(model.price.with_search_fee(fee))
            }),
            margin: Box::new(|margin| Some(margin.highest_search_fee.get())),
            change: Box::new(|changes| changes.search_fee.map(Microunits::get)),
        },
    ];
    let bands: Vec<Band> = model.price.bands().copied().collect();
    let prompt_tokens = request.usage.prompt_tokens();
    let place = bands.iter().rposition(|band| prompt_tokens > band.above_prompt_tokens.into());
    let place = place.unwrap_or(0);
    for class in TokenClass::ALL {
        let rate = |place: usize| bands.get(place).map(|band| band.rates.of(class).get());
        numbers.push(Number {
            name: format!("rate of {class}"),
            present: rate(place),
            best: place.checked_sub(1).and_then(rate).unwrap_or(0),
            worst: rate(place + 1).unwrap_or(u64::MAX),
            with: Box::new(move |amount| with_rate(model, place, class, amount)),
            margin: Box::new(move |margin| Some(margin.highest_rates.of(class).get())),
            change: Box::new(move |changes| changes.rates.of(class).map(Microunits::get)),
        });
    }
    let parts: [(&str, WindowPart); 3] = [
        ("prompt window", |window| &mut window.max_prompt_tokens),
        ("completion window", |window| &mut window.max_completion_tokens),
        ("total window", |window| &mut window.max_total_tokens),
    ];
    for (name, part) in parts {
        let maximum = move |mut window: Window| part(&mut window).map(u64::from);
        numbers.push(Number {
            name: name.into(),
            present: maximum(model.window),
            best: u32::MAX.into(),
            worst: 0,
            with: Box::new(move |tokens| {
                let mut changed = model;
                *part(&mut changed.window) = Some(tokens as u32);
                changed
            }),
            margin: Box::new(move |margin| maximum(margin.lowest_window)),
            change: Box::new(move |changes| maximum(changes.window)),
        });
    }
    numbers
}

/// The model with another rate in one of its bands, put together anew.
fn with_rate(model: Model, place: usize, class: TokenClass, rate: u64) -> Model {
    let mut bands: Vec<Band> = model.price.bands().copied().collect();
    bands[place].rates = bands[place].rates.with(class, Microunits::new(rate));
    let price = bands[1..].iter().fold(Price::new(bands[0].rates), |price, band| {
        price.with_band(band.above_prompt_tokens, band.rates).unwrap()
    });
    let fees = model.price;
    model.with_price(price.with_fixed_price(fees.fixed_price()).with_search_fee(fees.search_fee()))
}

/// A case of which every number is small.
fn small_case(dice: &mut Dice) -> Case {
    let per_token = |dice: &mut Dice| Microunits::new(500_000 * dice.below(5));
    let models = (0..1 + dice.below(3)).map(|model_id| {
        let mut rates = Rates::plain(per_token(dice), per_token(dice));
        let mut price = Price::FREE;
        for band in 0..3 {
            for class in TokenClass::ALL {
                let more = if dice.one_in(3) { per_token(dice).get() } else { 0 };
                rates = rates.with(class, Microunits::new(rates.of(class).get() + more));
            }
            price = match band {
                0 => Price::new(rates),
                band => price.with_band(2 * band - 1 + dice.below(2) as u32, rates).unwrap(),
            };
        }
        let fee = Microunits::new(dice.below(4));
        let fee =
            if dice.one_in(2) { SearchFee::per_search(fee) } else { SearchFee::per_request(fee) };
        let maximum = |dice: &mut Dice| (!dice.one_in(3)).then(|| dice.below(9) as u32);
        let mut window = Window::UNKNOWN;
        window.max_prompt_tokens = maximum(dice);
        window.max_completion_tokens = maximum(dice);
        window.max_total_tokens = maximum(dice);
        Model::new(model_id as u32, 0, BasisPoints::new(9_000 + 500 * dice.below(3) as u16))
            .with_p95_latency_ms(dice.below(6) as u32)
            .with_price(price.with_fixed_price(Microunits::new(dice.below(5))).with_search_fee(fee))
            .with_window(window)
    });
    let models = models.collect();
    let mut usage = Usage::default().with_searches(dice.below(3) as u32);
    for class in TokenClass::ALL {
        if dice.one_in(3) {
            usage = usage.with_tokens(class, dice.below(3) as u32);
        }
    }
    let mut request = Request::new(1, 0, 0, 0)
        .with_usage(usage)
        .with_business_value_microunits(15 + dice.below(30) as i64)
        .with_budget_limit(Microunits::new(10 + dice.below(30)));
    if dice.one_in(2) {
        let more = [dice.below(4) as u32, dice.below(2) as u32, dice.below(2) as u32];
        let ceiling = Ceiling::new(
            usage.prompt_tokens() as u32 + more[0],
            usage.completion_tokens() as u32 + more[1],
        );
        request.ceiling = Some(ceiling.with_searches(usage.searches + more[2]));
    }
    let policy = Policy::new().with_latency_penalty_per_ms(Microunits::new(1));
    Case { policy, models, groups: Vec::new(), requests: vec![request] }
}

/// Every value of every number, of all models of small catalogs.
#[test]
fn margins_and_changes_are_those_that_every_value_of_small_numbers_shows() {
    let dice = &mut Dice(11);
    let (mut margins, mut changed) = (0, 0);
    for _ in 0..25 {
        let case = small_case(dice);
        let snapshot = case.snapshot();
        let request = &case.requests[0];
        let margin = snapshot.margin(request);
        for model in &case.models {
            let changes = snapshot.what_would_win(request, model.model_id).unwrap();
            for number in numbers(model, request) {
                let step = if number.name.starts_with("rate") { 250_000 } else { 1 };
                let step = if number.best == 10_000 { 100 } else { step };
                for value in (0..=100).map(|count| count * step) {
                    if !number.is_between(value, number.best, number.worst) {
                        continue;
                    }
                    let wins = selects(&case, request, (number.with)(value));
                    // `value` is at least as good as `limit`.
                    let reaches = |limit: u64| number.is_between(value, number.best, limit);
                    if let Some(margin) = &margin
                        && margin.model_id == model.model_id
                    {
                        let expected = number.margin(margin).is_some_and(reaches);
                        assert_eq!(wins, expected, "{} {value} {case:?}", number.name);
                        margins += 1;
                    }
                    if let Some(present) = number.present
                        && number.is_between(value, number.best, present)
                    {
                        let expected = number.change(&changes).is_some_and(reaches);
                        assert_eq!(wins, expected, "{} {value} {case:?}", number.name);
                        changed += u32::from(number.change(&changes) != number.present && wins);
                    }
                }
            }
        }
    }
    assert!(margins > 10_000 && changed > 300, "{margins} {changed}");
}

/// The rate in the request's band moves; the maximum cost moves with it only if the ceiling lies in that band.
#[test]
fn the_budget_sees_a_moved_rate_only_if_the_ceiling_lies_in_the_same_band() {
    let rates = |input: u64| Rates::plain(Microunits::new(input), Microunits::ZERO);
    let price = Price::new(rates(1_000_000)).with_band(1_000, rates(4_000_000)).unwrap();
    let model = MODEL.with_price(price);
    let snapshot = PolicySnapshot::new(POLICY, [model]).unwrap();
    let highest = |most: u32, limit: u64| {
        let request = REQUEST
            .with_usage(Usage::new(500, 0))
            .with_ceiling(Ceiling::new(most, 0))
            .with_budget_limit(Microunits::new(limit));
        snapshot.margin(&request).map(|margin| margin.highest_rates.input.get())
    };
    // 1,000 tokens at most 2 microunits each; the rate of the next band at the most; and 1,001 tokens of the next band.
    assert_eq!(highest(1_000, 2_000), Some(2_000_000));
    assert_eq!(highest(1_000, 9_000), Some(4_000_000));
    assert_eq!(highest(1_001, 4_004), Some(4_000_000));
    assert_eq!(highest(1_001, 4_003), None);
}

#[test]
fn what_is_no_candidate_wins_by_no_change() {
    let groups = [Group::new(0, [1])];
    let better = MODEL.with_model_id(2).with_quality(BasisPoints::WHOLE);
    let snapshot = PolicySnapshot::with_groups(POLICY, [MODEL, better], groups).unwrap();
    let excluded = REQUEST.with_excluded_models(ExcludedModels::new(&[2]).unwrap());
    for request in [REQUEST.with_group_id(0), excluded, REQUEST.with_group_id(9)] {
        let changes = snapshot.what_would_win(&request, 2).unwrap();
        for number in numbers(&better, &request) {
            assert_eq!(number.change(&changes), None, "{}", number.name);
        }
    }
    // The margin of the winner is against the candidates alone.
    let margin = snapshot.margin(&excluded).unwrap();
    assert_eq!((margin.model_id, margin.highest_fixed_price.get()), (1, 10_000));
}

#[test]
fn the_selected_model_needs_no_change() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let changes = snapshot.what_would_win(&REQUEST, MODEL.model_id).unwrap();
    assert_eq!(changes.quality, Some(MODEL.quality));
    assert_eq!(changes.risk_ceiling, Some(MODEL.risk_ceiling));
    assert_eq!(changes.p95_latency_ms, Some(MODEL.p95_latency_ms));
    assert_eq!(changes.fixed_price, Some(MODEL.price.fixed_price()));
}

#[test]
fn a_rejected_request_has_no_margin_and_an_unknown_model_no_changes() {
    let snapshot = PolicySnapshot::new(POLICY, [MODEL]).unwrap();
    let rejected = REQUEST.with_risk(BasisPoints::percent(95));
    assert_eq!(snapshot.margin(&rejected), None);
    assert_eq!(snapshot.what_would_win(&REQUEST, 77), None);
    let changes = snapshot.what_would_win(&rejected, MODEL.model_id).unwrap();
    assert_eq!(changes.quality, None);
    assert_eq!(snapshot.rank(&rejected, &mut [RankedModel::default(); 3]), 0);
}
