//! The fast path against the scan, on random cases that seek out thresholds, maxima, ties and limits.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Index, search, search_among};
use crate::candidates::{Candidates, Groups};
use crate::catalog::{Catalog, Interned};
use crate::ranking::{RankedModel, TopK, TopTwo};
use crate::scan::scan;
use crate::utility::{Valuation, has_narrow_prices};
use crate::{
    BasisPoints, CapabilitySet, Ceiling, ExcludedModels, Group, Microunits, Model, Policy, Price,
    ProviderSet, Rates, RegionSet, Request, SearchFee, TokenClass, TokenClassSet, Usage, Window,
};

/// A deterministic stream of numbers (SplitMix64, Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.roll()) * u128::from(bound)) >> 64).unwrap()
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// The number, or one to either side of it.
    fn near(&mut self, number: u64) -> u64 {
        number.saturating_add(self.below(3)).saturating_sub(1)
    }
}

/// What a case is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Few different numbers.
    Ties,
    /// Numbers as price lists have them.
    Real,
    /// Numbers about the guards and beyond.
    Extreme,
}

struct Case {
    dice: Dice,
    kind: Kind,
    thresholds: Vec<u32>,
    maxima: Vec<u32>,
    has_classes: bool,
    models: Vec<Model>,
}

impl Case {
    fn new(seed: u64, most: u64) -> Self {
        let mut dice = Dice(seed);
        let kind =
            dice.pick(&[Kind::Ties, Kind::Ties, Kind::Real, Kind::Real, Kind::Real, Kind::Extreme]);
        let mut numbers = |pool: &[u32]| -> Vec<u32> {
            let few = dice.below(6);
            (0..few).map(|_| dice.pick(pool)).collect()
        };
        let thresholds = numbers(&[1, 50, 1_000, 1_001, 2_000, 128_000, 200_000, u32::MAX]);
        let maxima = numbers(&[0, 500, 1_000, 1_500, 4_096, 8_192, 200_000, u32::MAX]);
        let has_classes = dice.one_in(2);
        let mut case = Self { dice, kind, thresholds, maxima, has_classes, models: Vec::new() };
        let count = match case.dice.below(40) {
            0 => 9 + case.dice.below(most),
            1..20 => 9 + case.dice.below(250),
            _ => 9 + case.dice.below(70),
        };
        case.models = (0..count).map(|id| case.model(u32::try_from(id).unwrap() * 3)).collect();
        case
    }

    fn rate(&mut self) -> u64 {
        match self.kind {
            Kind::Ties => self.dice.pick(&[0, 1_000_000, 2_000_000]),
            Kind::Real => self.dice.below(30_000_000),
            Kind::Extreme => {
                let bits = self.dice.pick(&[1, 20, 34, 35, 36, 37, 64]);
                self.dice.roll() >> (64 - bits)
            }
        }
    }

    fn rates(&mut self) -> Rates {
        let (input, output) = (self.rate(), self.rate());
        let mut rates = Rates::plain(Microunits::new(input), Microunits::new(output));
        if self.has_classes {
            for class in TokenClass::ALL {
                if class != TokenClass::Input && class != TokenClass::Output && self.dice.one_in(3)
                {
                    let plain = rates.plain_of(class).get();
                    let any = self.rate();
                    let rate = self.dice.pick(&[
                        0,
                        plain / 10,
                        plain / 2,
                        plain.saturating_add(plain / 4),
                        plain.saturating_add(plain / 2),
                        any,
                    ]);
                    rates = rates.with(class, Microunits::new(rate));
                }
            }
        }
        rates
    }

    fn price(&mut self) -> Price {
        let mut rates = self.rates();
        let mut price = Price::new(rates);
        if !self.thresholds.is_empty() && self.dice.one_in(4) {
            for _ in 0..self.dice.below(4) {
                let threshold = self.dice.pick(&self.thresholds.clone());
                let dearer = self.rates();
                for class in TokenClass::ALL {
                    let rate = rates.of(class).max(dearer.of(class));
                    rates = rates.with(class, rate);
                }
                price = price.with_band(threshold, rates).unwrap_or(price);
            }
        }
        if self.has_classes && self.dice.one_in(4) {
            let amount = Microunits::new(match self.kind {
                Kind::Extreme => self.dice.roll() >> self.dice.pick(&[20, 30, 50]),
                _ => self.dice.pick(&[5_000, 10_000, 35_000]),
            });
            let fee = if self.dice.one_in(2) {
                SearchFee::per_search(amount)
            } else {
                SearchFee::per_request(amount)
            };
            price = price.with_search_fee(fee);
        }
        if self.dice.one_in(8) {
            price = price.with_fixed_price(Microunits::new(self.dice.below(5_000)));
        }
        price
    }

    fn model(&mut self, model_id: u32) -> Model {
        let mut window = Window::UNKNOWN;
        if !self.maxima.is_empty() && self.dice.one_in(2) {
            let maximum = |dice: &mut Dice| dice.one_in(2).then(|| dice.pick(&self.maxima));
            window.max_prompt_tokens = maximum(&mut self.dice);
            window.max_completion_tokens = maximum(&mut self.dice);
            window.max_total_tokens = maximum(&mut self.dice);
        }
        let price = self.price();
        let dice = &mut self.dice;
        let quality = match self.kind {
            Kind::Ties => dice.pick(&[5_000, 6_000, 8_000]),
            _ => u16::try_from(3_000 + dice.below(7_001)).unwrap(),
        };
        let outlying = dice.one_in(150);
        Model::new(model_id, u8::try_from(dice.below(5)).unwrap(), BasisPoints::new(quality))
            .with_enabled(!dice.one_in(10))
            .with_risk_ceiling(BasisPoints::new(dice.pick(&[5_000, 9_000, 10_000, 10_000])))
            .with_p95_latency_ms(dice.small(1_000) + if outlying { 1 << 17 } else { 0 })
            .with_capabilities(CapabilitySet::from_bits(dice.pick(&[1, 3, 3, 3])))
            .with_regions(RegionSet::from_bits(dice.pick(&[1, 2, 3, 3])))
            .with_price(price)
            .with_window(window)
    }

    fn groups(&mut self) -> Groups {
        let groups = (0..3).map(|group_id| {
            let share = self.dice.pick(&[1, 2, 10, 1_000]);
            let members = self.models.iter().filter(|_| self.dice.one_in(share));
            let members: Vec<u32> = members.map(|model| model.model_id).collect();
            Group::new(group_id, members)
        });
        let groups: Vec<Group> = groups.collect();
        Groups::new(groups, &self.models).unwrap()
    }

    fn tokens(&mut self) -> u32 {
        let (thresholds, maxima) = (self.thresholds.clone(), self.maxima.clone());
        let near = |dice: &mut Dice, numbers: &[u32]| {
            let number = if numbers.is_empty() { 1_000 } else { dice.pick(numbers) };
            u32::try_from(dice.near(number.into())).unwrap_or(u32::MAX)
        };
        match self.dice.below(8) {
            0..3 => near(&mut self.dice, &thresholds),
            3..5 => near(&mut self.dice, &maxima),
            5 => 0,
            6 => self.dice.small(10_000),
            _ => match self.kind {
                Kind::Extreme => u32::try_from(self.dice.roll() >> 32).unwrap(),
                _ => 1_000 * self.dice.small(4),
            },
        }
    }

    /// A prompt and a completion, each shared out among some classes.
    fn usage(&mut self) -> Usage {
        let (prompt, completion) = (self.tokens(), self.tokens());
        let mut usage = Usage::new(prompt, completion);
        if self.dice.one_in(2) {
            return usage;
        }
        let some = self.dice.pick(&[1, 1, 2, 3, 8]);
        for _ in 0..some {
            let class = self.dice.pick(&TokenClass::ALL);
            let plain = if class.is_prompt() { usage.input_tokens } else { usage.output_tokens };
            let part = self.dice.pick(&[plain, plain / 5 * 4, plain / 2, 1]).min(plain);
            match class {
                TokenClass::Input | TokenClass::Output => {}
                TokenClass::CacheRead => usage.cache_read_tokens += part,
                TokenClass::CacheWrite => usage.cache_write_tokens += part,
                TokenClass::CacheWriteLong => usage.cache_write_long_tokens += part,
                TokenClass::AudioInput => usage.audio_input_tokens += part,
                TokenClass::Reasoning => usage.reasoning_tokens += part,
                TokenClass::AudioOutput => usage.audio_output_tokens += part,
            }
            match class {
                TokenClass::Input | TokenClass::Output => {}
                _ if class.is_prompt() => usage.input_tokens -= part,
                _ => usage.output_tokens -= part,
            }
        }
        if self.dice.one_in(16) {
            // The prompt as a whole is beyond 32 bits.
            usage.cache_read_tokens = u32::MAX;
        }
        usage.searches = self.dice.pick(&[0, 0, 0, 1, 2, 3, 1 << 20]);
        usage
    }

    fn ceiling(&mut self, usage: &Usage) -> Option<Ceiling> {
        let least = |tokens: u64| u32::try_from(tokens).ok();
        let (prompt, completion) =
            (least(usage.prompt_tokens())?, least(usage.completion_tokens())?);
        let mut side = |least: u32| match self.dice.below(3) {
            0 => least,
            1 => least.saturating_add(self.dice.small(3)),
            _ => self.tokens().max(least),
        };
        let mut ceiling = Ceiling::new(side(prompt), side(completion));
        ceiling.searches = usage.searches + self.dice.pick(&[0, 0, 1, 5]);
        if self.dice.one_in(3) {
            let any = TokenClassSet::from_bits(self.dice.roll().to_le_bytes()[0]);
            let text =
                TokenClassSet::ALL.without(TokenClass::AudioInput).without(TokenClass::AudioOutput);
            ceiling.classes = if self.dice.one_in(2) { any } else { text };
        }
        ceiling.check(usage).is_ok().then_some(ceiling)
    }

    fn request(&mut self, policy: &Policy) -> Request {
        let usage = self.usage();
        let value = match self.kind {
            Kind::Ties => self.dice.pick(&[0, 10_000, 100_000, 10_000_000]),
            Kind::Real => 1 << self.dice.below(34),
            Kind::Extreme => {
                i64::try_from(self.dice.roll() >> self.dice.pick(&[1, 18, 19, 20, 40])).unwrap()
            }
        };
        let mut request = Request::new(1, 1, 0, 0)
            .with_usage(usage)
            .with_business_value_microunits(value)
            .with_budget_limit(Microunits::MAX)
            .with_confidence(BasisPoints::new(self.dice.pick(&[10_000, 9_000, 5_000])))
            .with_risk(BasisPoints::new(self.dice.pick(&[0, 0, 100, 5_000, 5_001])));
        if self.dice.one_in(2) {
            request.ceiling = self.ceiling(&usage);
        }
        if self.dice.one_in(4) {
            request.minimum_quality = BasisPoints::new(self.dice.pick(&[5_000, 6_000, 6_001]));
            request.max_p95_latency_ms = self.dice.pick(&[0, 500, 900]);
        }
        if self.dice.one_in(4) {
            request.required_capabilities = CapabilitySet::from_bits(self.dice.pick(&[0, 1, 2]));
            request.required_regions = RegionSet::from_bits(self.dice.pick(&[0, 1, 2]));
            request.allowed_providers = ProviderSet::from_words([self.dice.roll(), 0, 0, 0]);
        }
        if self.dice.one_in(4) {
            request.group_id = Some(self.dice.pick(&[0, 1, 2]));
        }
        // Those that would win are worth excluding.
        if self.dice.one_in(4) {
            let excluded: Vec<u32> =
                (0..self.dice.below(17)).map(|_| self.dice.pick(&self.models).model_id).collect();
            request.excluded_models = ExcludedModels::new(&excluded).unwrap();
        }
        let model = self.dice.pick(&self.models);
        if self.dice.one_in(2) {
            let maximum = match &request.ceiling {
                Some(ceiling) => model.price.maximum_cost(ceiling).unwrap_or_default(),
                None => model.price.cost(&usage),
            };
            request.budget_limit = Microunits::new(self.dice.near(maximum.get()));
        }
        if self.dice.one_in(2) {
            let (entry, interned) = Interned::of_one(&model);
            // About the least value at which the model pays.
            let valuation = Valuation::new(policy, &request, interned, false);
            let worthless = request.with_business_value_microunits(0);
            let deductions = i128::from(
                Valuation::new(policy, &worthless, interned, false)
                    .cost_and_utility(&entry)
                    .utility_microunits,
            );
            let share =
                i128::from(valuation.request().confidence.get()) * i128::from(model.quality.get());
            let value = (-deductions).saturating_mul(100_000_000) / share
                + i128::from(self.dice.below(3))
                - 1;
            request.business_value_microunits = i64::try_from(value).unwrap_or(i64::MAX);
        }
        request
    }
}

/// Asks so many requests of the case of a seed; nothing if all answers are those of the scan.
fn disagreement(seed: u64, most: u64, requests: u32) -> Option<alloc::string::String> {
    let mut case = Case::new(seed, most);
    let policy = Policy::new()
        .with_risk_penalty_multiplier(BasisPoints::new(case.dice.pick(&[0, 3_500])))
        .with_latency_penalty_per_ms(Microunits::new(case.dice.pick(&[0, 0, 5])));
    let groups = case.groups();
    let models = case.models.clone();
    let index = Index::new(&policy, &models, &groups);
    let catalog = Catalog::new(&models);
    let entries = catalog.entries();
    let narrow = models.iter().all(has_narrow_prices);
    for _ in 0..requests {
        let request = case.request(&policy);
        let valuation = Valuation::new(&policy, &request, catalog.interned(), narrow);
        let candidates = Candidates::new(&catalog, &groups, &request);
        let expected = scan(TopTwo::EMPTY, valuation, candidates.iter());
        let found = search_among(TopTwo::EMPTY, &index, entries, valuation, candidates);
        let simple = request.usage.is_plain() && request.ceiling.is_none();
        let is_plain = simple && request.group_id.is_none() && request.excluded_models.is_empty();
        let plainly = is_plain.then(|| search(TopTwo::EMPTY, &index, entries, &valuation));
        for found in [Some(found), plainly].into_iter().flatten() {
            let agree = match (&found, &expected) {
                (Ok((found, eligible)), Ok((expected, expected_eligible))) => {
                    found.winner() == expected.winner()
                        && found.runner_up() == expected.runner_up()
                        && eligible == expected_eligible
                }
                (Err(reason), Err(expected)) => reason == expected,
                _ => false,
            };
            if !agree {
                return Some(alloc::format!("seed {seed}: {request:?}\n{found:?}\n{expected:?}"));
            }
        }
        let (mut best, mut expected) = ([RankedModel::default(); 5], [RankedModel::default(); 5]);
        let _ = scan(TopK::new(&mut expected), valuation, candidates.iter());
        let _ = search_among(TopK::new(&mut best), &index, entries, valuation, candidates);
        if best != expected {
            return Some(alloc::format!("seed {seed}: {request:?}\n{best:?}\n{expected:?}"));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_the_scan_finds(seed: u64) {
        prop_assert_eq!(disagreement(seed, 5_000, 40), None);
    }
}
