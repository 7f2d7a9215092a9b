//! The canonical bytes of a snapshot, over which a digest names a behaviour.

use crate::{Model, Policy};

/// Says what the bytes are and in which version of the form: a digest over them can't be mistaken
/// for a digest over something else.
const DOMAIN: &[u8; 28] = b"calybris-kernel snapshot v1\n";

/// Writes every field, each at its fixed width in little-endian order, in the order of
/// `SEMANTICS.md`. The fixed widths make the form injective: two snapshots that differ have
/// different bytes.
pub(crate) fn write_canonical(
    policy: &Policy,
    model_count: u32,
    models: &[Model],
    mut sink: impl FnMut(&[u8]),
) {
    sink(DOMAIN);
    sink(&policy.policy_epoch.to_le_bytes());
    sink(&policy.catalog_epoch.to_le_bytes());
    sink(&policy.hard_risk_limit_bps.to_le_bytes());
    sink(&policy.minimum_confidence_bps.to_le_bytes());
    sink(&policy.risk_penalty_multiplier_bps.to_le_bytes());
    sink(&policy.latency_penalty_microunits_per_ms.to_le_bytes());
    sink(&model_count.to_le_bytes());
    for model in models {
        sink(&model.model_id.to_le_bytes());
        sink(&model.provider_id.to_le_bytes());
        sink(&model.quality_bps.to_le_bytes());
        sink(&model.risk_ceiling_bps.to_le_bytes());
        sink(&[u8::from(model.enabled)]);
        sink(&model.p95_latency_ms.to_le_bytes());
        sink(&model.capabilities.0.to_le_bytes());
        sink(&model.regions.0.to_le_bytes());
        sink(&model.input_price_microunits_per_million_tokens.to_le_bytes());
        sink(&model.output_price_microunits_per_million_tokens.to_le_bytes());
        sink(&model.fixed_price_microunits.to_le_bytes());
    }
}
