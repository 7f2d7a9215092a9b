//! What runs on the device: the kernel and an allocator, nothing of the standard library.

use alloc::vec::Vec;

use calybris_kernel::{
    BasisPoints, Decision, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet, Request,
    SnapshotError,
};

/// The id of the model that the device carries itself; it costs nothing.
pub(crate) const ON_DEVICE: u32 = 1;
/// The id of the model at the other end of a slow line.
pub(crate) const REMOTE: u32 = 2;

/// The rules under which the device was shipped: the same bytes in all of them, so that the same
/// question gets the same answer in the field and at the desk where it is examined.
///
/// # Errors
///
/// When the policy or a model is out of its range; [`SnapshotError`] names the field.
pub(crate) fn shipped_rules() -> Result<PolicySnapshot, SnapshotError> {
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50))
        .with_risk_penalty_multiplier(BasisPoints::percent(25))
        .with_latency_penalty_per_ms(Microunits::new(10));
    let on_device = Model::new(ON_DEVICE, 0, BasisPoints::percent(65))
        .with_risk_ceiling(BasisPoints::percent(30))
        .with_p95_latency_ms(80)
        .with_regions(RegionSet::EMPTY);
    let remote = on_device
        .with_model_id(REMOTE)
        .with_provider_id(1)
        .with_quality(BasisPoints::percent(90))
        .with_risk_ceiling(BasisPoints::percent(90))
        .with_p95_latency_ms(900)
        .with_price(Price::per_million_tokens(
            Microunits::new(2_500_000),
            Microunits::new(10_000_000),
        ));
    PolicySnapshot::new(policy, Vec::from([on_device, remote]))
}

/// The model that answers a question of this many tokens and this risk, in basis points.
#[must_use]
pub(crate) fn admit(rules: &PolicySnapshot, sequence: u64, tokens: u32, risk_bps: u16) -> Decision {
    rules.prescribe(
        &Request::new(sequence, ON_DEVICE, tokens, tokens)
            .with_business_value_microunits(20_000)
            .with_budget_limit(Microunits::new(10_000))
            .with_risk(BasisPoints::new(risk_bps))
            .with_confidence(BasisPoints::percent(90))
            .with_minimum_quality(BasisPoints::percent(60)),
    )
}
