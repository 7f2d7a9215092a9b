//! Catalogs and requests for the tests: one plain case to vary by hand, and a generator that
//! seeks out ties, boundaries and extremes.
#![allow(dead_code, reason = "each test uses a part of the cases")]

pub(crate) mod second_law;

use calybris_kernel::{
    BasisPoints, CapabilitySet, Group, Microunits, Model, Policy, PolicySnapshot, Price,
    ProviderSet, RegionSet, Request, Usage,
};

/// A policy without penalties that rejects few requests.
pub(crate) const POLICY: Policy = Policy::new()
    .with_policy_epoch(7)
    .with_catalog_epoch(11)
    .with_hard_risk_limit(BasisPoints::percent(90))
    .with_minimum_confidence(BasisPoints::percent(10));

/// A model that serves [`REQUEST`] at a utility of 800,000 - 1,000.
pub(crate) const MODEL: Model = Model::new(1, 5, BasisPoints::percent(80))
    .with_risk_ceiling(BasisPoints::percent(50))
    .with_p95_latency_ms(200)
    .with_capabilities(CapabilitySet::from_bits(0b0111))
    .with_regions(RegionSet::from_bits(0b0011))
    .with_price(Price::FREE.with_fixed_price(Microunits::new(1_000)));

/// A request worth 1,000,000 microunits.
pub(crate) const REQUEST: Request = Request::new(42, 1, 1_000, 500)
    .with_business_value_microunits(1_000_000)
    .with_budget_limit(Microunits::new(10_000))
    .with_risk(BasisPoints::percent(1));

/// A price of one band without classes: two rates per million tokens, and a fixed price.
pub(crate) const fn price(input: u64, output: u64, fixed: u64) -> Price {
    Price::per_million_tokens(Microunits::new(input), Microunits::new(output))
        .with_fixed_price(Microunits::new(fixed))
}

/// The two plain rates of the first band, and the fixed price.
pub(crate) fn flat_price(model: &Model) -> (u64, u64, u64) {
    let rates = model.price.band(0).rates;
    (rates.input.get(), rates.output.get(), model.price.fixed_price().get())
}

/// A deterministic stream of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(bound)) >> 64) as u64
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A number of any magnitude: each bit length is equally likely.
    pub(crate) fn any_magnitude(&mut self) -> u64 {
        let bits = self.below(65);
        if bits == 0 { 0 } else { self.roll() >> (64 - bits) }
    }
}

/// How wild a generated case is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flavour {
    /// Few distinct values: ties and equal counts abound.
    Ties,
    /// Prices, values and latencies of a real gateway.
    Real,
    /// Numbers of every magnitude up to the ends of their types.
    Extreme,
    /// Amounts and prices about the guards beyond which the kernel scans: `2^45` microunits for
    /// values and budgets, `2^36` for prices of a million tokens, `2^48` for fixed prices.
    Guards,
    /// Those of a real gateway, and a few prices and latencies far above them.
    Outliers,
}

/// A policy, a catalog without duplicates, and several requests for it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) policy: Policy,
    pub(crate) models: Vec<Model>,
    pub(crate) groups: Vec<Group>,
    pub(crate) requests: Vec<Request>,
}

impl Case {
    pub(crate) fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::with_groups(self.policy, self.models.clone(), self.groups.clone()).unwrap()
    }

    /// A case that depends on the seed alone.
    pub(crate) fn generate(seed: u64, max_models: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let flavour = match dice.below(8) {
            0..3 => Flavour::Ties,
            3..6 => Flavour::Real,
            _ => Flavour::Extreme,
        };
        Self::of_flavour(dice, flavour, max_models, request_count)
    }

    /// A case whose amounts and prices lie about the guards beyond which the kernel scans.
    pub(crate) fn about_the_guards(seed: u64, max_models: u64, request_count: usize) -> Self {
        Self::of_flavour(&mut Dice(seed), Flavour::Guards, max_models, request_count)
    }

    /// A case whose catalog takes several groups of blocks (of 64 times 64 models each) in the index,
    /// the last of them not full.
    pub(crate) fn of_several_groups(seed: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let flavour = dice.pick(&[Flavour::Ties, Flavour::Real, Flavour::Outliers]);
        let policy = policy(dice, flavour);
        let count = 4_097 + dice.below(4_500);
        let models = catalog(dice, flavour, count);
        Self::asked(dice, flavour, policy, models, request_count)
    }

    /// A case in which many models are as good as others in every number, or better, and may be
    /// turned away where those are not: by ceiling, capabilities, provider or regions.
    pub(crate) fn of_rivals(seed: u64, max_models: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let count = 9 + dice.below(max_models - 8);
        let mut models = catalog(dice, Flavour::Ties, count);
        for model in &mut models {
            model.quality = BasisPoints::new(dice.pick(&[5_000, 8_000]));
            model.price =
                Price::per_million_tokens(Microunits::new(dice.below(2)), Microunits::ZERO);
            model.p95_latency_ms = dice.pick(&[100, 200]);
            model.provider_id = dice.pick(&[1, 1, 2, 200]);
            model.capabilities =
                CapabilitySet::from_bits(dice.pick(&[0b11, 0b11, 0b11, 0b11, 0b01]));
            model.regions = RegionSet::from_bits(dice.pick(&[0b11, 0b01, 0b01, 0b10, 0b10]));
        }
        let requests = (0..request_count)
            .map(|_| {
                REQUEST
                    .with_business_value_microunits(1 << 30)
                    .with_budget_limit(Microunits::MAX)
                    .with_risk(BasisPoints::new(dice.pick(&[0, 0, 1, 6_000])))
                    .with_max_p95_latency_ms(dice.pick(&[0, 0, 100]))
                    .with_required_capabilities(CapabilitySet::from_bits(
                        dice.pick(&[0, 0, 0b01, 0b10]),
                    ))
                    .with_required_regions(RegionSet::from_bits(dice.pick(&[0, 0, 0b01, 0b10])))
                    .with_allowed_providers(match dice.below(4) {
                        0..2 => ProviderSet::ALL,
                        2 => [1, 200].into_iter().collect(),
                        _ => [2, 200].into_iter().collect(),
                    })
                    .with_requested_model_id(dice.below(30) as u32)
            })
            .collect();
        Self { policy: POLICY, models, groups: Vec::new(), requests }
    }

    /// A case whose costs, values and utilities are of very different magnitudes, most of them near
    /// a limit: what is enough to be sure of the budget is not what is enough to be sure of the
    /// utility, and roundings decide.
    pub(crate) fn of_margins(seed: u64, max_models: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let policy = POLICY
            .with_hard_risk_limit(BasisPoints::WHOLE)
            .with_minimum_confidence(BasisPoints::ZERO)
            .with_risk_penalty_multiplier(BasisPoints::new(dice.pick(&[0, 0, 1, 5_000, u16::MAX])))
            .with_latency_penalty_per_ms(Microunits::new(
                dice.any_magnitude() >> dice.pick(&[63, 60, 50]),
            ));
        let mut column = |bits: &[u64]| {
            let most = 1_u64 << dice.pick(bits);
            let (base, few) = (dice.below(most), 1 + dice.below(6));
            let neighbours = dice.one_in(2);
            let number = |n| if neighbours { base + n } else { dice.below(most) };
            (0..few).map(number).collect::<Vec<u64>>()
        };
        let (input, output) = (column(&[1, 12, 20, 28, 35]), column(&[1, 12, 20, 28, 35]));
        let (fixed, latency) = (column(&[1, 1, 8, 12, 24, 40]), column(&[1, 1, 8, 14]));
        let quality = column(&[1, 5, 10, 13]);
        let count = 9 + dice.below(max_models - 8);
        let models: Vec<Model> = (0..count)
            .map(|index| {
                MODEL
                    .with_model_id(index as u32)
                    .with_quality(BasisPoints::new(dice.pick(&quality) as u16))
                    .with_enabled(!dice.one_in(12))
                    .with_p95_latency_ms(dice.pick(&latency) as u32)
                    .with_price(
                        Price::per_million_tokens(
                            Microunits::new(dice.pick(&input)),
                            Microunits::new(dice.pick(&output)),
                        )
                        .with_fixed_price(Microunits::new(dice.pick(&fixed))),
                    )
            })
            .collect();
        let requests = (0..request_count)
            .map(|_| {
                let tokens = |dice: &mut Dice| match dice.below(4) {
                    0 => dice.below(2),
                    1 => 1_000_000,
                    _ => dice.below(20_000),
                };
                let mut request = REQUEST
                    .with_usage(Usage::new(tokens(dice) as u32, tokens(dice) as u32))
                    .with_confidence(BasisPoints::new(
                        dice.pick(&[10_000, 10_000, 9_999, 5_000, 1]),
                    ))
                    .with_risk(BasisPoints::new(dice.pick(&[0, 0, 1, 4_000])))
                    .with_budget_limit(Microunits::MAX);
                let (model, other) = (dice.pick(&models), dice.pick(&models));
                let worth = i128::from(request.confidence.get()) * i128::from(model.quality.get())
                    - i128::from(request.risk.get())
                        * i128::from(policy.risk_penalty_multiplier.get());
                let cost = super::oracle::cost(&request, &model);
                let latency_penalty = u128::from(model.p95_latency_ms)
                    * u128::from(policy.latency_penalty_per_ms.get());
                let deductions = (u128::from(cost) + latency_penalty) as i128;
                // About break-even, or so many times as much.
                let value =
                    deductions * 100_000_000 / worth.max(1) * dice.pick(&[1, 1, 2, 10, 1_000]);
                let value = value + i128::from(dice.below(8)) - 3;
                request.business_value_microunits = i64::try_from(value).unwrap_or(1 << 44);
                if dice.one_in(2) {
                    let limit = super::oracle::cost(&request, &other) + dice.below(3);
                    request.budget_limit = Microunits::new(limit.saturating_sub(1));
                }
                request
            })
            .collect();
        Self { policy, models, groups: Vec::new(), requests }
    }

    /// A case in which a few models have numbers far above all others.
    pub(crate) fn with_outliers(seed: u64, max_models: u64, request_count: usize) -> Self {
        let dice = &mut Dice(seed);
        let policy = policy(dice, Flavour::Outliers);
        let count = 65 + dice.below(max_models - 64);
        let models = catalog(dice, Flavour::Outliers, count);
        Self::asked(dice, Flavour::Outliers, policy, models, request_count)
    }

    fn of_flavour(
        dice: &mut Dice,
        flavour: Flavour,
        max_models: u64,
        request_count: usize,
    ) -> Self {
        let policy = policy(dice, flavour);
        let count = match dice.below(4) {
            0 => dice.below(5),
            1 => dice.below(23),
            2 => dice.below(140),
            _ => dice.below(max_models + 1),
        };
        let models = catalog(dice, flavour, count.min(max_models));
        Self::asked(dice, flavour, policy, models, request_count)
    }

    fn asked(
        dice: &mut Dice,
        flavour: Flavour,
        policy: Policy,
        models: Vec<Model>,
        request_count: usize,
    ) -> Self {
        let requests = (0..request_count)
            .map(|_| {
                let mut request = request(dice, flavour);
                put_on_a_boundary(dice, &policy, &models, &mut request);
                request
            })
            .collect();
        Self { policy, models, groups: Vec::new(), requests }
    }
}

fn policy(dice: &mut Dice, flavour: Flavour) -> Policy {
    Policy::new()
        .with_policy_epoch(dice.roll())
        .with_catalog_epoch(dice.roll())
        .with_hard_risk_limit(BasisPoints::new(if dice.one_in(20) {
            dice.pick(&[0, 1, 5_000])
        } else {
            10_000
        }))
        .with_minimum_confidence(BasisPoints::new(if dice.one_in(20) {
            dice.pick(&[1, 9_000, 10_000])
        } else {
            0
        }))
        .with_risk_penalty_multiplier(BasisPoints::new(match flavour {
            Flavour::Ties => dice.pick(&[0, 10_000]),
            Flavour::Real | Flavour::Outliers => dice.below(10_001) as u16,
            Flavour::Extreme | Flavour::Guards => dice.pick(&[0, 1, 9_999, 10_001, u16::MAX]),
        }))
        .with_latency_penalty_per_ms(Microunits::new(match flavour {
            Flavour::Ties => dice.below(2),
            Flavour::Real | Flavour::Outliers => dice.below(20),
            Flavour::Extreme => dice.any_magnitude(),
            Flavour::Guards => dice.any_magnitude() >> dice.pick(&[64 - 37, 40, 50]),
        }))
}

fn catalog(dice: &mut Dice, flavour: Flavour, count: u64) -> Vec<Model> {
    let selective = dice.one_in(2);
    let stride = dice.pick(&[1, 1, 3, 1_000_003]);
    let mut models: Vec<Model> = (0..count)
        .map(|index| {
            let mut model = model(dice, flavour, selective);
            model.model_id = (index as u32).wrapping_mul(stride);
            model
        })
        .collect();
    // Any order: the snapshot sorts.
    for index in (1..models.len()).rev() {
        models.swap(index, dice.below(index as u64 + 1) as usize);
    }
    models
}

fn model(dice: &mut Dice, flavour: Flavour, selective: bool) -> Model {
    let mut model = match flavour {
        Flavour::Ties => MODEL
            .with_quality(BasisPoints::new(5_000 + 1_000 * dice.below(3) as u16))
            .with_risk_ceiling(BasisPoints::new(dice.pick(&[0, 5_000, 10_000, 10_000, 10_000])))
            .with_p95_latency_ms(100 * dice.below(3) as u32)
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(1_000_000 * dice.below(3)),
                    Microunits::new(1_000_000 * dice.below(3)),
                )
                .with_fixed_price(Microunits::new(100 * dice.below(2))),
            ),
        Flavour::Real | Flavour::Outliers => MODEL
            .with_quality(BasisPoints::new(3_000 + dice.below(7_001) as u16))
            .with_risk_ceiling(BasisPoints::new(2_000 + dice.below(8_001) as u16))
            .with_p95_latency_ms(50 + dice.below(5_000) as u32)
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(dice.below(30_000_000)),
                    Microunits::new(dice.below(120_000_000)),
                )
                .with_fixed_price(Microunits::new(if dice.one_in(4) {
                    dice.below(5_000)
                } else {
                    0
                })),
            ),
        Flavour::Extreme => MODEL
            .with_quality(BasisPoints::new(dice.pick(&[0, 1, 5_000, 9_999, 10_000])))
            .with_risk_ceiling(BasisPoints::new(dice.pick(&[0, 1, 9_999, 10_000])))
            .with_p95_latency_ms(dice.pick(&[0, 1, 1_000, u32::MAX - 1, u32::MAX]))
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(dice.any_magnitude()),
                    Microunits::new(dice.any_magnitude()),
                )
                .with_fixed_price(Microunits::new(if dice.one_in(3) {
                    dice.any_magnitude()
                } else {
                    0
                })),
            ),
        Flavour::Guards => MODEL
            .with_quality(BasisPoints::new(dice.below(10_001) as u16))
            .with_risk_ceiling(BasisPoints::new(dice.pick(&[0, 1, 9_999, 10_000, 10_000, 10_000])))
            .with_p95_latency_ms((dice.any_magnitude() >> 44) as u32)
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(dice.any_magnitude() >> 28),
                    Microunits::new(dice.any_magnitude() >> 28),
                )
                .with_fixed_price(Microunits::new(if dice.one_in(3) {
                    dice.any_magnitude() >> 16
                } else {
                    0
                })),
            ),
    };
    if matches!(flavour, Flavour::Guards) && dice.one_in(200) {
        // Beyond the guard; an outlier if the others are many and far below.
        let (input, output, fixed) = flat_price(&model);
        model.price = price(input << 2, output, fixed);
    }
    if matches!(flavour, Flavour::Outliers) && dice.one_in(100) {
        let (input, output, fixed) = flat_price(&model);
        match dice.below(4) {
            0 => model.p95_latency_ms += dice.pick(&[40_000, 1 << 17]),
            1 => model.price = price(input + (1 << 33), output, fixed),
            2 => model.price = price(input, output + (1 << 33), fixed),
            _ => model.price = price(input, output, fixed + (1 << 30)),
        }
    }
    model.enabled = !dice.one_in(10);
    model.provider_id = if selective { dice.below(256) as u8 } else { dice.below(6) as u8 };
    let rarely = if selective { 3 } else { 20 };
    model.capabilities =
        CapabilitySet::from_bits(if dice.one_in(rarely) { dice.roll() } else { u64::MAX });
    model.regions =
        RegionSet::from_bits(if dice.one_in(rarely) { dice.roll() & 0xff } else { u64::MAX });
    model
}

fn request(dice: &mut Dice, flavour: Flavour) -> Request {
    let (input_tokens, output_tokens, value, budget) = match flavour {
        Flavour::Ties => (
            1_000 * dice.below(3) as u32,
            1_000 * dice.below(3) as u32,
            dice.pick(&[0, 1_000, 10_000, 10_000, 100_000]),
            dice.pick(&[0, 1_000, 3_000, 100_000, 100_000]),
        ),
        Flavour::Real | Flavour::Outliers => (
            dice.below(20_000) as u32,
            dice.below(4_000) as u32,
            (dice.roll() >> (44 + dice.below(12))) as i64,
            dice.roll() >> (43 + dice.below(8)),
        ),
        Flavour::Extreme => (
            dice.any_magnitude() as u32,
            dice.any_magnitude() as u32,
            {
                let any = (dice.any_magnitude() >> 1) as i64;
                dice.pick(&[i64::MIN, -1, 0, 1, i64::MAX, any])
            },
            {
                let any = dice.any_magnitude();
                dice.pick(&[0, 1, u64::MAX - 1, u64::MAX, u64::MAX, any])
            },
        ),
        Flavour::Guards => (
            (dice.any_magnitude() >> 32) as u32,
            (dice.any_magnitude() >> 32) as u32,
            {
                let any = (dice.any_magnitude() >> 18) as i64;
                dice.pick(&[(1 << 45) - 1, 1 << 45, (1 << 45) + 1, any, any, any])
            },
            {
                let any = dice.any_magnitude() >> 18;
                dice.pick(&[(1 << 45) - 1, 1 << 45, (1 << 45) + 1, u64::MAX, any, any, any])
            },
        ),
    };
    let mut request = Request::new(dice.roll(), dice.below(30) as u32, input_tokens, output_tokens)
        .with_business_value_microunits(value)
        .with_budget_limit(Microunits::new(budget))
        .with_risk(BasisPoints::new(dice.pick(&[0, 0, 0, 1, 100, 1_000, 5_000, 9_999])))
        .with_confidence(BasisPoints::new(match flavour {
            Flavour::Ties => dice.pick(&[5_000, 10_000, 10_000]),
            _ => 5_000 + dice.below(5_001) as u16,
        }))
        .with_minimum_quality(BasisPoints::new(dice.pick(&[0, 0, 0, 5_000, 6_000, 8_000])))
        .with_max_p95_latency_ms(dice.pick(&[0, 0, 0, 100, 1_000, 3_000, u32::MAX]))
        .with_required_capabilities(CapabilitySet::from_bits(dice.pick(&[
            0,
            0,
            0,
            1,
            1 << 63,
            0b1010_0101,
        ])))
        .with_required_regions(RegionSet::from_bits(dice.pick(&[0, 0, 0, 1, 0xf0, 1 << 63])));
    if matches!(flavour, Flavour::Outliers) && dice.one_in(2) {
        // Rich enough for outliers to be eligible, and to win if their quality is the best.
        request.business_value_microunits = 1 << (36 + dice.below(8));
        request.budget_limit = Microunits::new(dice.pick(&[1 << 27, 1 << 31, 1 << 36, u64::MAX]));
        request.max_p95_latency_ms = dice.pick(&[0, 0, 5_000, 42_000, 1 << 17, (1 << 17) + 3_000]);
    }
    if dice.one_in(2) {
        // An easy request: few limits, so that many models remain to be compared.
        request.risk = BasisPoints::ZERO;
        request.minimum_quality = BasisPoints::ZERO;
        request.max_p95_latency_ms = 0;
        request.required_capabilities = CapabilitySet::EMPTY;
        request.required_regions = RegionSet::EMPTY;
        if !matches!(flavour, Flavour::Extreme) {
            request.budget_limit = Microunits::MAX;
            request.business_value_microunits = request.business_value_microunits.saturating_mul(4);
        }
        return request;
    }
    if dice.one_in(3) {
        request.allowed_providers = match dice.below(4) {
            0 => ProviderSet::EMPTY,
            1 => (0..4).collect(),
            2 => ProviderSet::from_words([dice.roll(), dice.roll(), dice.roll(), dice.roll()]),
            _ => {
                let mut all_but_a_few = ProviderSet::ALL;
                all_but_a_few.remove(dice.below(6) as u8);
                all_but_a_few.remove(dice.below(256) as u8);
                all_but_a_few
            }
        };
    }
    if dice.one_in(50) {
        let above = 10_001 + dice.below(100) as u16;
        match dice.below(3) {
            0 => request.risk = BasisPoints::new(above),
            1 => request.confidence = BasisPoints::new(above),
            _ => request.minimum_quality = BasisPoints::new(above),
        }
    }
    request
}

/// Moves some of the limits to what a model of the catalog holds, or one to either side of it.
fn put_on_a_boundary(dice: &mut Dice, policy: &Policy, models: &[Model], request: &mut Request) {
    if models.is_empty() || dice.one_in(3) {
        return;
    }
    let model = dice.pick(models);
    let step = dice.below(3);
    let near = |limit: u64| limit.saturating_add(step).saturating_sub(1);
    let share = |bps: u64| BasisPoints::new((bps as u16).min(10_000));
    match dice.below(14) {
        0..2 => request.minimum_quality = share(near(model.quality.get().into())),
        2..4 => request.max_p95_latency_ms = near(model.p95_latency_ms.into()) as u32,
        4..6 => request.risk = share(near(model.risk_ceiling.get().into())),
        6 => request.risk = share(near(policy.hard_risk_limit.get().into())),
        7 => request.confidence = share(near(policy.minimum_confidence.get().into())),
        8..11 => request.budget_limit = Microunits::new(near(super::oracle::cost(request, &model))),
        _ => put_value_on_a_boundary(step, policy, &model, request),
    }
}

/// The smallest value at which the worth of a model exceeds its deductions, or nearly.
fn put_value_on_a_boundary(step: u64, policy: &Policy, model: &Model, request: &mut Request) {
    let deductions = -i128::from(super::oracle::utility(
        &policy.with_risk_penalty_multiplier(BasisPoints::ZERO),
        &request.with_business_value_microunits(0),
        model,
    ));
    let bps = i128::from(request.confidence.get()) * i128::from(model.quality.get());
    if bps > 0 {
        let value = deductions * 100_000_000 / bps + i128::from(step) - 1;
        request.business_value_microunits = i64::try_from(value).unwrap_or(i64::MAX);
    }
}
