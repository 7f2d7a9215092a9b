//! What runs on the device: the kernel and an allocator, nothing of the standard library.

use alloc::vec::Vec;

use calybris_kernel::{
    CapabilitySet, Decision, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
    SnapshotError,
};

/// The id of the model that the device carries itself; it costs nothing.
pub(crate) const ON_DEVICE: u32 = 1;
/// The id of the model at the other end of a slow line.
pub(crate) const REMOTE: u32 = 2;

/// The rules under which the device was shipped: the same bytes in all of them, so that the same
/// question gets the same answer in the field and on the desk of whoever looks into it.
///
/// # Errors
///
/// When the policy or a model is out of its range; [`SnapshotError`] names the field.
pub(crate) fn shipped_rules() -> Result<PolicySnapshot, SnapshotError> {
    let policy = Policy {
        policy_epoch: 1,
        catalog_epoch: 1,
        hard_risk_limit_bps: 9_000,
        minimum_confidence_bps: 5_000,
        risk_penalty_multiplier_bps: 2_500,
        latency_penalty_microunits_per_ms: 10,
    };
    let on_device = Model {
        model_id: ON_DEVICE,
        provider_id: 0,
        quality_bps: 6_500,
        risk_ceiling_bps: 3_000,
        enabled: true,
        p95_latency_ms: 80,
        capabilities: CapabilitySet::EMPTY,
        regions: RegionSet::EMPTY,
        input_price_microunits_per_million_tokens: 0,
        output_price_microunits_per_million_tokens: 0,
        fixed_price_microunits: 0,
    };
    let remote = Model {
        model_id: REMOTE,
        provider_id: 1,
        quality_bps: 9_000,
        risk_ceiling_bps: 9_000,
        p95_latency_ms: 900,
        input_price_microunits_per_million_tokens: 2_500_000,
        output_price_microunits_per_million_tokens: 10_000_000,
        ..on_device
    };
    PolicySnapshot::new(policy, Vec::from([on_device, remote]))
}

/// Who answers a question of this many tokens and this risk, in basis points.
#[must_use]
pub(crate) fn admit(rules: &PolicySnapshot, sequence: u64, tokens: u32, risk_bps: u16) -> Decision {
    rules.prescribe(&Request {
        sequence,
        requested_model_id: ON_DEVICE,
        input_tokens: tokens,
        output_tokens: tokens,
        business_value_microunits: 20_000,
        budget_limit_microunits: 10_000,
        risk_bps,
        confidence_bps: 9_000,
        minimum_quality_bps: 6_000,
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    })
}
