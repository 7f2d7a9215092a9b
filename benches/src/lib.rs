//! Workloads that benchmarks share: a catalog, a policy and a stream of requests, the same on every machine.

pub mod kernel;

use calybris_core::kernel::{CapabilitySet, Model, Policy, ProviderSet, RegionSet, Request};

/// `count` models from small and cheap to large and dear, six providers, served everywhere.
#[must_use]
pub fn catalog(count: u16) -> Vec<Model> {
    let model = |n: u16| Model {
        model_id: u32::from(n),
        provider_id: u8::try_from(n % 6).unwrap_or(0),
        quality_bps: 3_000_u16.saturating_add(n.saturating_mul(300)).min(10_000),
        risk_ceiling_bps: 9_500,
        enabled: true,
        p95_latency_ms: 100 + u32::from(n) * 50,
        capabilities: CapabilitySet::EMPTY,
        regions: RegionSet::ALL,
        input_price_microunits_per_million_tokens: 10_000 + u64::from(n) * 50_000,
        output_price_microunits_per_million_tokens: 40_000 + u64::from(n) * 200_000,
        fixed_price_microunits: 0,
    };
    (0..count).map(model).collect()
}

/// Limits that most requests keep.
#[must_use]
pub fn policy() -> Policy {
    Policy {
        policy_epoch: 1,
        catalog_epoch: 1,
        hard_risk_limit_bps: 9_600,
        minimum_confidence_bps: 5_500,
        risk_penalty_multiplier_bps: 3_500,
        latency_penalty_microunits_per_ms: 0,
    }
}

/// The request at a place in the stream.
#[must_use]
pub fn request(sequence: u64) -> Request {
    let up_to = |limit: u64| u32::try_from(sequence % limit).unwrap_or(0);
    let bps = |limit: u64| u16::try_from(sequence % limit).unwrap_or(0);
    Request {
        sequence,
        requested_model_id: up_to(22),
        input_tokens: 500 + up_to(10_000),
        output_tokens: 200 + up_to(5_000),
        business_value_microunits: 50_000,
        budget_limit_microunits: 10_000_000,
        risk_bps: bps(8_000),
        confidence_bps: 6_000 + bps(4_000),
        minimum_quality_bps: 3_000 + bps(5_000),
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    }
}
