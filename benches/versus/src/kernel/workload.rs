//! The workloads: a policy, a catalog and a pool of requests each.

use calybris_kernel::{CapabilitySet, Model, Policy, ProviderSet, RegionSet, Request};

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

const SEED_POLICY: Policy = Policy {
    policy_epoch: 1,
    catalog_epoch: 1,
    hard_risk_limit_bps: 9_600,
    minimum_confidence_bps: 5_500,
    risk_penalty_multiplier_bps: 3_500,
    latency_penalty_microunits_per_ms: 0,
};

const POLICY: Policy = Policy { latency_penalty_microunits_per_ms: 5, ..SEED_POLICY };

impl Workload {
    /// The four kinds of random requests.
    pub fn random(n: usize) -> [Self; 4] {
        [Self::dense(n), Self::selective(n), Self::boundary(n), Self::reject_all(n)]
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
        let request = Request {
            requested_model_id: 0,
            input_tokens: 1_000,
            output_tokens: 500,
            risk_bps: 9_900,
            confidence_bps: 9_000,
            minimum_quality_bps: 3_000,
            ..seed_request(1)
        };
        let models = catalog::seed(22);
        Self { name: "reject", policy: SEED_POLICY, models, requests: vec![request] }
    }

    /// Nearly all models pass every gate.
    pub fn dense(n: usize) -> Self {
        Self::drawn("dense", n, |dice, request| {
            request.minimum_quality_bps = dice.between(2_000, 3_200) as u16;
            request.risk_bps = dice.between(0, 4_000) as u16;
            request.business_value_microunits = dice.between(2_000_000, 8_000_000) as i64;
        })
    }

    /// About one in eight passes: capabilities, providers, regions, quality, latency and risk
    /// ceiling all turn models away.
    pub fn selective(n: usize) -> Self {
        Self::drawn("selective", n, |dice, request| {
            request.minimum_quality_bps = dice.between(3_000, 8_500) as u16;
            request.max_p95_latency_ms = dice.between(1_500, 4_000) as u32;
            request.risk_bps = dice.between(0, 6_000) as u16;
            request.required_capabilities = CapabilitySet(1 << dice.between(0, 8));
            request.allowed_providers = ProviderSet([dice.roll() | dice.roll(), 0, 0, 0]);
            request.required_regions = RegionSet(1 << dice.between(0, 4));
            request.business_value_microunits = dice.between(1_000_000, 8_000_000) as i64;
        })
    }

    /// The budget and the point where a model no longer pays cut through the catalog.
    pub fn boundary(n: usize) -> Self {
        Self::drawn("boundary", n, |dice, request| {
            let typical =
                u64::from(request.input_tokens) * 7 + u64::from(request.output_tokens) * 26;
            request.minimum_quality_bps = dice.between(2_000, 4_500) as u16;
            request.risk_bps = dice.between(0, 3_000) as u16;
            request.budget_limit_microunits = typical * dice.between(50, 240) / 100;
            request.business_value_microunits = (typical * dice.between(100, 260) / 100) as i64;
        })
    }

    /// Some gates turn most models away, and the budget is below what the rest cost.
    pub fn reject_all(n: usize) -> Self {
        Self::drawn("rejectall", n, |dice, request| {
            request.minimum_quality_bps = dice.between(3_000, 8_000) as u16;
            request.max_p95_latency_ms = dice.between(500, 4_000) as u32;
            request.required_capabilities = CapabilitySet(1 << dice.between(0, 8));
            request.risk_bps = dice.between(0, 6_000) as u16;
            request.budget_limit_microunits = dice.between(0, 10);
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
                request.minimum_quality_bps = 10_000;
            }),
            Self::drawn("no-latency", n, |dice, request| {
                worthy(dice, request);
                request.max_p95_latency_ms = dice.between(1, 50) as u32;
            }),
            Self::drawn("no-capability", n, |dice, request| {
                worthy(dice, request);
                request.required_capabilities = CapabilitySet(1 << dice.between(8, 64));
            }),
            Self::drawn("no-provider", n, |dice, request| {
                worthy(dice, request);
                request.allowed_providers = ProviderSet([dice.roll() << 16, 0, 0, 0]);
            }),
            Self::drawn("no-region", n, |dice, request| {
                worthy(dice, request);
                request.required_regions = RegionSet(1 << dice.between(4, 64));
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
                let mut request = Request {
                    sequence,
                    requested_model_id: dice.between(0, n as u64) as u32,
                    input_tokens: dice.between(500, 10_000) as u32,
                    output_tokens: dice.between(100, 4_000) as u32,
                    business_value_microunits: 1_000_000,
                    budget_limit_microunits: 10_000_000,
                    risk_bps: 0,
                    confidence_bps: dice.between(6_000, 10_001) as u16,
                    minimum_quality_bps: 0,
                    max_p95_latency_ms: 0,
                    required_capabilities: CapabilitySet::EMPTY,
                    allowed_providers: ProviderSet::ALL,
                    required_regions: RegionSet::EMPTY,
                };
                shape(dice, &mut request);
                request
            })
            .collect();
        Self { name, policy: POLICY, models, requests }
    }
}

fn seed_request(sequence: u64) -> Request {
    Request {
        sequence,
        requested_model_id: (sequence % 22) as u32,
        input_tokens: 500 + (sequence % 10_000) as u32,
        output_tokens: 200 + (sequence % 5_000) as u32,
        business_value_microunits: 50_000,
        budget_limit_microunits: 10_000_000,
        risk_bps: (sequence % 8_000) as u16,
        confidence_bps: 6_000 + (sequence % 4_000) as u16,
        minimum_quality_bps: 3_000 + (sequence % 5_000) as u16,
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    }
}
