//! Workloads that benchmarks share: a catalog, a policy and a stream of requests, the same on every machine.

pub mod kernel;

use calybris_core::kernel::{BasisPoints, Microunits, Model, Policy, Price, Request};

/// `count` models from small and cheap to large and dear, six providers, served everywhere.
#[must_use]
pub fn catalog(count: u16) -> Vec<Model> {
    let model = |n: u16| {
        Model::new(
            u32::from(n),
            u8::try_from(n % 6).unwrap_or(0),
            BasisPoints::new(3_000_u16.saturating_add(n.saturating_mul(300)).min(10_000)),
        )
        .with_risk_ceiling(BasisPoints::percent(95))
        .with_p95_latency_ms(100 + u32::from(n) * 50)
        .with_price(Price::per_million_tokens(
            Microunits::new(10_000 + u64::from(n) * 50_000),
            Microunits::new(40_000 + u64::from(n) * 200_000),
        ))
    };
    (0..count).map(model).collect()
}

/// Limits that most requests keep.
#[must_use]
pub fn policy() -> Policy {
    Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(96))
        .with_minimum_confidence(BasisPoints::percent(55))
        .with_risk_penalty_multiplier(BasisPoints::percent(35))
}

/// The request at a place in the stream.
#[must_use]
pub fn request(sequence: u64) -> Request {
    let up_to = |limit: u64| u32::try_from(sequence % limit).unwrap_or(0);
    let bps = |limit: u64| u16::try_from(sequence % limit).unwrap_or(0);
    Request::new(sequence, up_to(22), 500 + up_to(10_000), 200 + up_to(5_000))
        .with_business_value_microunits(50_000)
        .with_budget_limit(Microunits::new(10_000_000))
        .with_risk(BasisPoints::new(bps(8_000)))
        .with_confidence(BasisPoints::new(6_000 + bps(4_000)))
        .with_minimum_quality(BasisPoints::new(3_000 + bps(5_000)))
}
