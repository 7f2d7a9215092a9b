//! The workloads: a policy, a catalog and a pool of requests each.

use calybris_kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, ProviderSet, RegionSet, Request, Usage,
};

use super::catalog::{self, Dice};

/// How many requests a workload goes round in; enough that branch predictors can't learn them.
const POOL: u64 = 2_048;

/// How many for a catalog of so many models: fewer where decisions take long.
fn pool(models: usize) -> u64 {
    match models {
        0..=256 => POOL,
        257..=1_024 => POOL / 8,
        _ => POOL / 32,
    }
}

pub struct Workload {
    pub name: &'static str,
    pub policy: Policy,
    pub models: Vec<Model>,
    pub requests: Vec<Request>,
}

const SEED_POLICY: Policy = Policy::new()
    .with_policy_epoch(1)
    .with_catalog_epoch(1)
    .with_hard_risk_limit(BasisPoints::percent(96))
    .with_minimum_confidence(BasisPoints::percent(55))
    .with_risk_penalty_multiplier(BasisPoints::percent(35));

const POLICY: Policy = SEED_POLICY.with_latency_penalty_per_ms(Microunits::new(5));

impl Workload {
    /// The four kinds of random requests.
    pub fn random(n: usize) -> [Self; 4] {
        [Self::dense(n), Self::selective(n), Self::boundary(n), Self::reject_all(n)]
    }

    /// The same of other catalogs and requests.
    pub fn of_seed(n: usize, seed: u64) -> [Self; 4] {
        let mut dice = Dice(seed);
        Self::random(n).map(|mut workload| {
            workload.models = catalog::random(n, dice.roll());
            for request in &mut workload.requests {
                let (input_bits, output_bits) = (dice.between(1, 20), dice.between(1, 16));
                request.usage.input_tokens = dice.between(0, 1 << input_bits) as u32;
                request.usage.output_tokens = dice.between(0, 1 << output_bits) as u32;
                let value = request.business_value_microunits.max(1) as u64;
                request.business_value_microunits = dice.between(0, value * 2) as i64;
            }
            workload
        })
    }

    /// The workload of this name.
    pub fn named(name: &str, n: usize) -> Option<Self> {
        let all = [Self::seed(n), Self::reject()].into_iter();
        all.chain(Self::random(n))
            .chain(Self::reject_by_gate(n))
            .find(|workload| workload.name == name)
    }

    /// The published crate's own benchmark.
    pub fn seed(n: usize) -> Self {
        let requests = (0..10_000).map(seed_request).collect();
        Self { name: "seed", policy: SEED_POLICY, models: catalog::seed(n), requests }
    }

    /// The published crate's own benchmark of a request that is rejected for its risk.
    pub fn reject() -> Self {
        let request = seed_request(1)
            .with_requested_model_id(0)
            .with_usage(Usage::new(1_000, 500))
            .with_risk(BasisPoints::percent(99))
            .with_confidence(BasisPoints::percent(90))
            .with_minimum_quality(BasisPoints::percent(30));
        let models = catalog::seed(22);
        Self { name: "reject", policy: SEED_POLICY, models, requests: vec![request] }
    }

    /// Nearly all models pass every gate.
    pub fn dense(n: usize) -> Self {
        Self::drawn("dense", n, |dice, request| {
            request.minimum_quality = BasisPoints::new(dice.between(2_000, 3_200) as u16);
            request.risk = BasisPoints::new(dice.between(0, 4_000) as u16);
            request.business_value_microunits = dice.between(2_000_000, 8_000_000) as i64;
        })
    }

    /// About one in eight passes: capabilities, providers, regions, quality, latency and risk
    /// ceiling all turn models away.
    pub fn selective(n: usize) -> Self {
        Self::drawn("selective", n, |dice, request| {
            request.minimum_quality = BasisPoints::new(dice.between(3_000, 8_500) as u16);
            request.max_p95_latency_ms = dice.between(1_500, 4_000) as u32;
            request.risk = BasisPoints::new(dice.between(0, 6_000) as u16);
            request.required_capabilities = CapabilitySet::from_bits(1 << dice.between(0, 8));
            request.allowed_providers =
                ProviderSet::from_words([dice.roll() | dice.roll(), 0, 0, 0]);
            request.required_regions = RegionSet::from_bits(1 << dice.between(0, 4));
            request.business_value_microunits = dice.between(1_000_000, 8_000_000) as i64;
        })
    }

    /// The budget and the point where a model no longer pays cut through the catalog.
    pub fn boundary(n: usize) -> Self {
        Self::drawn("boundary", n, |dice, request| {
            let typical = u64::from(request.usage.input_tokens) * 7
                + u64::from(request.usage.output_tokens) * 26;
            request.minimum_quality = BasisPoints::new(dice.between(2_000, 4_500) as u16);
            request.risk = BasisPoints::new(dice.between(0, 3_000) as u16);
            request.budget_limit = Microunits::new(typical * dice.between(50, 240) / 100);
            request.business_value_microunits = (typical * dice.between(100, 260) / 100) as i64;
        })
    }

    /// Some gates turn most models away, and the budget is below what the rest cost.
    pub fn reject_all(n: usize) -> Self {
        Self::drawn("rejectall", n, |dice, request| {
            request.minimum_quality = BasisPoints::new(dice.between(3_000, 8_000) as u16);
            request.max_p95_latency_ms = dice.between(500, 4_000) as u32;
            request.required_capabilities = CapabilitySet::from_bits(1 << dice.between(0, 8));
            request.risk = BasisPoints::new(dice.between(0, 6_000) as u16);
            request.budget_limit = Microunits::new(dice.between(0, 10));
        })
    }

    /// One gate turns every model away: a case each for the gates of which
    /// [`reject_all`](Self::reject_all) says nothing.
    pub fn reject_by_gate(n: usize) -> [Self; 6] {
        let worthy = |dice: &mut Dice, request: &mut Request| {
            request.business_value_microunits = dice.between(2_000_000, 8_000_000) as i64;
        };
        [
            Self::drawn("no-quality", n, |dice, request| {
                worthy(dice, request);
                request.minimum_quality = BasisPoints::WHOLE;
            }),
            Self::drawn("no-latency", n, |dice, request| {
                worthy(dice, request);
                request.max_p95_latency_ms = dice.between(1, 50) as u32;
            }),
            Self::drawn("no-capability", n, |dice, request| {
                worthy(dice, request);
                request.required_capabilities = CapabilitySet::from_bits(1 << dice.between(8, 64));
            }),
            Self::drawn("no-provider", n, |dice, request| {
                worthy(dice, request);
                request.allowed_providers = ProviderSet::from_words([dice.roll() << 16, 0, 0, 0]);
            }),
            Self::drawn("no-region", n, |dice, request| {
                worthy(dice, request);
                request.required_regions = RegionSet::from_bits(1 << dice.between(4, 64));
            }),
            Self::drawn("no-utility", n, |dice, request| {
                request.business_value_microunits = dice.between(0, 10) as i64;
            }),
        ]
    }

    fn drawn(name: &'static str, n: usize, mut shape: impl FnMut(&mut Dice, &mut Request)) -> Self {
        let models = catalog::random(n, n as u64);
        let dice = &mut Dice(7 + n as u64);
        let requests = (0..pool(n))
            .map(|sequence| {
                let mut request = Request::new(
                    sequence,
                    dice.between(0, n as u64) as u32,
                    dice.between(500, 10_000) as u32,
                    dice.between(100, 4_000) as u32,
                )
                .with_business_value_microunits(1_000_000)
                .with_budget_limit(Microunits::new(10_000_000))
                .with_confidence(BasisPoints::new(dice.between(6_000, 10_001) as u16));
                shape(dice, &mut request);
                request
            })
            .collect();
        Self { name, policy: POLICY, models, requests }
    }
}

fn seed_request(sequence: u64) -> Request {
    Request::new(
        sequence,
        (sequence % 22) as u32,
        500 + (sequence % 10_000) as u32,
        200 + (sequence % 5_000) as u32,
    )
    .with_business_value_microunits(50_000)
    .with_budget_limit(Microunits::new(10_000_000))
    .with_risk(BasisPoints::new((sequence % 8_000) as u16))
    .with_confidence(BasisPoints::new(6_000 + (sequence % 4_000) as u16))
    .with_minimum_quality(BasisPoints::new(3_000 + (sequence % 5_000) as u16))
}
