//! The canonical bytes can be read back, so snapshots that differ have different bytes.

use calybris_kernel::{Band, Group, Rates, SearchFee, TokenClass};
use proptest::prelude::*;

use super::cases::Case;
use super::*;

/// Reads the canonical bytes as `SEMANTICS.md` lays them out. Shares no code with the writer.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *taken
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn bps(&mut self) -> BasisPoints {
        BasisPoints::new(self.u16())
    }

    fn amount(&mut self) -> Microunits {
        Microunits::new(self.u64())
    }
}

/// The version of the form and the snapshot that it holds.
fn read(bytes: &[u8]) -> (u8, PolicySnapshot) {
    let mut bytes = Bytes(bytes);
    let domain: [u8; 28] = bytes.take();
    let version = match &domain {
        b"calybris-kernel snapshot v1\n" => 1,
        b"calybris-kernel snapshot v2\n" => 2,
        _ => panic!("another domain"),
    };
    let policy = Policy::new()
        .with_policy_epoch(bytes.u64())
        .with_catalog_epoch(bytes.u64())
        .with_hard_risk_limit(bytes.bps())
        .with_minimum_confidence(bytes.bps())
        .with_risk_penalty_multiplier(bytes.bps())
        .with_latency_penalty_per_ms(bytes.amount());
    let model_count = bytes.u32();
    let group_count = if version == 2 { bytes.u16() } else { 0 };
    let models: Vec<Model> = (0..model_count).map(|_| read_model(&mut bytes, version)).collect();
    let groups: Vec<Group> = (0..group_count)
        .map(|_| {
            let (group_id, count) = (bytes.u8(), bytes.u32());
            Group::new(group_id, (0..count).map(|_| bytes.u32()).collect::<Vec<_>>())
        })
        .collect();
    assert!(bytes.0.is_empty());
    (version, PolicySnapshot::with_groups(policy, models, groups).unwrap())
}

fn read_model(bytes: &mut Bytes, version: u8) -> Model {
    let (model_id, provider_id) = (bytes.u32(), bytes.u8());
    let model = Model::new(model_id, provider_id, bytes.bps())
        .with_risk_ceiling(bytes.bps())
        .with_enabled(match bytes.u8() {
            0 => false,
            1 => true,
            other => panic!("{other}"),
        })
        .with_p95_latency_ms(bytes.u32())
        .with_capabilities(CapabilitySet::from_bits(bytes.u64()))
        .with_regions(RegionSet::from_bits(bytes.u64()));
    if version == 1 {
        let (input, output, fixed_price) = (bytes.amount(), bytes.amount(), bytes.amount());
        let price = Price::per_million_tokens(input, output).with_fixed_price(fixed_price);
        return model.with_price(price);
    }
    let flags = bytes.u8();
    let flag = |bit: u8| flags >> bit & 1 == 1;
    assert!(!flag(7));
    let fixed_price = bytes.amount();
    let search_fee = match (flag(3), flag(4)) {
        (true, false) => SearchFee::per_search(bytes.amount()),
        (true, true) => SearchFee::per_request(bytes.amount()),
        (false, false) => SearchFee::NONE,
        (false, true) => panic!("a fee of 0 has no unit"),
    };
    let mut window = Window::UNKNOWN;
    window.max_prompt_tokens = flag(0).then(|| bytes.u32());
    window.max_completion_tokens = flag(1).then(|| bytes.u32());
    window.max_total_tokens = flag(2).then(|| bytes.u32());
    let mut bands = Vec::new();
    for number in 0..=(flags >> 5 & 3) {
        let above_prompt_tokens = if number == 0 { 0 } else { bytes.u32() };
        let mask = bytes.u8();
        let (input, output) = (bytes.amount(), bytes.amount());
        let mut rates = Rates::plain(input, output);
        for (bit, class) in [
            TokenClass::CacheRead,
            TokenClass::CacheWrite,
            TokenClass::CacheWriteLong,
            TokenClass::AudioInput,
            TokenClass::Reasoning,
            TokenClass::AudioOutput,
        ]
        .into_iter()
        .enumerate()
        {
            if mask >> bit & 1 == 1 {
                let rate = bytes.amount();
                assert_ne!(rate, rates.of(class), "a plain rate is not written");
                rates = rates.with(class, rate);
            }
        }
        assert_eq!(mask >> 6, 0);
        bands.push((above_prompt_tokens, rates));
    }
    let price = bands[1..].iter().fold(Price::new(bands[0].1), |price, &(threshold, rates)| {
        price.with_band(threshold, rates).unwrap()
    });
    model
        .with_price(price.with_fixed_price(fixed_price).with_search_fee(search_fee))
        .with_window(window)
}

/// Whether the first law can say all of a snapshot.
fn is_of_the_first_law(snapshot: &PolicySnapshot) -> bool {
    let plain = |band: &Band| {
        let rates = band.rates;
        let input =
            [rates.cache_read, rates.cache_write, rates.cache_write_long, rates.audio_input];
        let output = [rates.reasoning, rates.audio_output];
        input.iter().all(|rate| *rate == rates.input)
            && output.iter().all(|rate| *rate == rates.output)
    };
    snapshot.groups().is_empty()
        && snapshot.models().all(|model| {
            model.price.bands().count() == 1
                && model.price.bands().all(plain)
                && model.price.search_fee().amount().get() == 0
                && model.window.max_prompt_tokens.is_none()
                && model.window.max_completion_tokens.is_none()
                && model.window.max_total_tokens.is_none()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_bytes_hold_the_whole_snapshot(seed: u64, is_plain: bool) {
        let case =
            if is_plain { Case::generate(seed, 60, 0) } else { Case::of_second_law(seed, 60, 0) };
        let snapshot = case.snapshot();
        let (version, again) = read(&canonical_bytes(&snapshot));
        prop_assert_eq!(&again, &snapshot);
        prop_assert_eq!(version == 1, is_of_the_first_law(&snapshot));
        prop_assert_eq!(canonical_bytes(&again), canonical_bytes(&snapshot));
    }
}

/// A price that uses all there is, in which every rate may rise by one.
fn rich() -> Price {
    let rates = |plain: u64| {
        TokenClass::ALL.into_iter().zip(1..).fold(Rates::default(), |rates, (class, more)| {
            rates.with(class, Microunits::new(plain + 10 * more))
        })
    };
    Price::new(rates(1_000))
        .with_fixed_price(Microunits::new(7))
        .with_search_fee(SearchFee::per_search(Microunits::new(9)))
        .with_band(100, rates(2_000))
        .and_then(|price| price.with_band(200, rates(3_000)))
        .unwrap()
}

/// Whoever changes one number of the second law changes the bytes, and no two changes come to the same.
#[test]
fn every_field_of_the_second_law_changes_the_canonical_bytes() {
    let window = Window::UNKNOWN
        .with_max_prompt_tokens(5)
        .with_max_completion_tokens(6)
        .with_max_total_tokens(7);
    let model = MODEL.with_price(rich()).with_window(window);
    let other = MODEL.with_model_id(2);
    let bytes = |model: Model, groups: &[Group]| {
        canonical_bytes(&PolicySnapshot::with_groups(POLICY, [model, other], groups).unwrap())
    };
    let mut forms = vec![bytes(model, &[]), bytes(MODEL, &[])];
    for class in TokenClass::ALL {
        for place in 0..3 {
            let mut bands: Vec<Band> = rich().bands().copied().collect();
            let rate = bands[place].rates.of(class).get() + 1;
            bands[place].rates = bands[place].rates.with(class, Microunits::new(rate));
            let price = bands[1..].iter().fold(Price::new(bands[0].rates), |price, band| {
                price.with_band(band.above_prompt_tokens, band.rates).unwrap()
            });
            let price =
                price.with_fixed_price(rich().fixed_price()).with_search_fee(rich().search_fee());
            forms.push(bytes(model.with_price(price), &[]));
        }
    }
    let rates = rich().band(0).rates;
    for price in [
        Price::new(rates),
        Price::new(rates).with_band(100, rates).unwrap(),
        Price::new(rates).with_band(101, rates).unwrap(),
        rich().with_fixed_price(Microunits::new(8)),
        rich().with_search_fee(SearchFee::per_request(Microunits::new(9))),
        rich().with_search_fee(SearchFee::per_search(Microunits::new(10))),
        rich().with_search_fee(SearchFee::NONE),
    ] {
        forms.push(bytes(model.with_price(price), &[]));
    }
    for window in [
        Window::UNKNOWN,
        Window::UNKNOWN.with_max_prompt_tokens(5),
        Window::UNKNOWN.with_max_completion_tokens(5),
        Window::UNKNOWN.with_max_total_tokens(5),
        window.with_max_prompt_tokens(6),
        window.with_max_completion_tokens(7),
        window.with_max_total_tokens(8),
        window.with_max_total_tokens(0),
    ] {
        forms.push(bytes(model.with_window(window), &[]));
        forms.push(bytes(MODEL.with_window(window).with_quality(BasisPoints::ZERO), &[]));
    }
    for groups in [
        &[Group::new(0, [])][..],
        &[Group::new(1, [])],
        &[Group::new(0, [1])],
        &[Group::new(0, [2])],
        &[Group::new(0, [1, 2])],
        &[Group::new(0, [1]), Group::new(1, [2])],
        &[Group::new(0, [2]), Group::new(1, [1])],
        &[Group::new(0, []), Group::new(1, [1, 2])],
        &[Group::new(0, [1, 2]), Group::new(1, [])],
    ] {
        forms.push(bytes(model, groups));
        forms.push(bytes(MODEL, groups));
    }
    let count = forms.len();
    forms.sort();
    forms.dedup();
    assert_eq!(forms.len(), count);
}

#[test]
fn one_number_of_the_second_law_is_enough_for_the_second_version_and_equal_rates_are_not() {
    let version = |model: Model, groups: &[Group]| {
        read(&canonical_bytes(&PolicySnapshot::with_groups(POLICY, [model], groups).unwrap())).0
    };
    let plain = Rates::plain(Microunits::new(3), Microunits::new(4));
    let flat = Price::new(plain).with_search_fee(SearchFee::per_request(Microunits::ZERO));
    assert_eq!(version(MODEL.with_price(flat), &[]), 1);
    for class in TokenClass::ALL {
        let rates = plain.with(class, Microunits::new(5));
        assert_eq!(version(MODEL.with_price(Price::new(rates)), &[]), 2, "{class}");
        let same = plain.with(class, plain.plain_of(class));
        assert_eq!(version(MODEL.with_price(Price::new(same)), &[]), 1, "{class}");
    }
    assert_eq!(version(MODEL.with_price(flat.with_band(9, plain).unwrap()), &[]), 2);
    let fee = SearchFee::per_search(Microunits::new(1));
    assert_eq!(version(MODEL.with_price(flat.with_search_fee(fee)), &[]), 2);
    assert_eq!(version(MODEL.with_window(Window::UNKNOWN.with_max_total_tokens(u32::MAX)), &[]), 2);
    assert_eq!(version(MODEL, &[Group::new(0, [])]), 2);
}
