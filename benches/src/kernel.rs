//! Workloads of the kernel: random catalogs and requests, the same on every run.

use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, Price, ProviderSet, RegionSet, Request,
};

/// A policy, a catalog and a pool of requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Workload {
    /// The policy.
    pub policy: Policy,
    /// The catalog.
    pub models: Vec<Model>,
    /// Requests to go round in; enough that branch predictors can't learn them.
    pub requests: Vec<Request>,
}

const REQUESTS: u64 = 1_024;

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

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn bps(&mut self, low: u16, span: u16) -> u16 {
        low + u16::try_from(self.below(span.into())).unwrap_or(0)
    }

    fn number(&mut self, low: u32, span: u32) -> u32 {
        low + u32::try_from(self.below(span.into())).unwrap_or(0)
    }
}

/// Nearly all models pass every gate.
#[must_use]
pub fn dense(count: u32) -> Workload {
    workload(count, |_, _| ())
}

/// About one in ten passes: capabilities, providers, regions, quality and latency turn models away.
#[must_use]
pub fn selective(count: u32) -> Workload {
    workload(count, |dice, request| {
        request.minimum_quality = BasisPoints::new(dice.bps(3_000, 5_500));
        request.max_p95_latency_ms = dice.number(1_500, 2_500);
        request.required_capabilities = CapabilitySet::from_bits(1 << dice.below(8));
        request.allowed_providers = ProviderSet::from_words([dice.roll() | dice.roll(), 0, 0, 0]);
        request.required_regions = RegionSet::from_bits(1 << dice.below(4));
    })
}

/// The budget cuts through the catalog.
#[must_use]
pub fn tight(count: u32) -> Workload {
    workload(count, |dice, request| {
        let typical =
            u64::from(request.usage.input_tokens) * 7 + u64::from(request.usage.output_tokens) * 26;
        request.budget_limit = Microunits::new(typical * (50 + dice.below(190)) / 100);
    })
}

/// No model is within the budget.
#[must_use]
pub fn rejected(count: u32) -> Workload {
    workload(count, |dice, request| {
        request.minimum_quality = BasisPoints::new(dice.bps(3_000, 5_000));
        request.budget_limit = Microunits::new(dice.below(10));
    })
}

fn workload(count: u32, mut shape: impl FnMut(&mut Dice, &mut Request)) -> Workload {
    let dice = &mut Dice(count.into());
    let models = (0..count)
        .map(|model_id| {
            let input_price = 50_000 + dice.below(15_000_000);
            Model::new(
                model_id,
                u8::try_from(dice.below(16)).unwrap_or(0),
                BasisPoints::new(dice.bps(3_000, 7_001)),
            )
            .with_risk_ceiling(BasisPoints::new(dice.bps(4_000, 6_001)))
            .with_p95_latency_ms(dice.number(50, 4_000))
            .with_capabilities(CapabilitySet::from_bits((dice.roll() | dice.roll()) & 0xff))
            .with_regions(RegionSet::from_bits(dice.roll() & 0xf | 1))
            .with_price(Price::per_million_tokens(
                Microunits::new(input_price),
                Microunits::new(input_price * (2 + dice.below(4))),
            ))
        })
        .collect();
    let requests = (0..REQUESTS)
        .map(|sequence| {
            let mut request = Request::new(
                sequence,
                dice.number(0, count.max(1)),
                dice.number(500, 9_500),
                dice.number(100, 3_900),
            )
            .with_business_value_microunits(i64::from(dice.number(2_000_000, 6_000_000)))
            .with_budget_limit(Microunits::new(10_000_000))
            .with_risk(BasisPoints::new(dice.bps(0, 4_000)))
            .with_confidence(BasisPoints::new(dice.bps(6_000, 4_001)))
            .with_minimum_quality(BasisPoints::new(dice.bps(2_000, 1_200)));
            shape(dice, &mut request);
            request
        })
        .collect();
    let policy = crate::policy().with_latency_penalty_per_ms(Microunits::new(5));
    Workload { policy, models, requests }
}
