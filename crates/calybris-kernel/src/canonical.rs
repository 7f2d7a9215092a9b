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
    sink(&policy.hard_risk_limit.get().to_le_bytes());
    sink(&policy.minimum_confidence.get().to_le_bytes());
    sink(&policy.risk_penalty_multiplier.get().to_le_bytes());
    sink(&policy.latency_penalty_per_ms.get().to_le_bytes());
    sink(&model_count.to_le_bytes());
    for model in models {
        sink(&model.model_id.to_le_bytes());
        sink(&model.provider_id.to_le_bytes());
        sink(&model.quality.get().to_le_bytes());
        sink(&model.risk_ceiling.get().to_le_bytes());
        sink(&[u8::from(model.enabled)]);
        sink(&model.p95_latency_ms.to_le_bytes());
        sink(&model.capabilities.bits().to_le_bytes());
        sink(&model.regions.bits().to_le_bytes());
        sink(&model.input_price_per_million_tokens.get().to_le_bytes());
        sink(&model.output_price_per_million_tokens.get().to_le_bytes());
        sink(&model.fixed_price.get().to_le_bytes());
    }
}
