//! What becomes of a ticket: settled, abandoned, or on to the next model.

use calybris_units::Microunits;
use serde::{Deserialize, Serialize};

use crate::record::Fallback;

/// The decision was carried out and cost this much.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SettledV1 {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
    pub(super) actual_cost_microunits: u64,
}

/// The decision was not carried out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AbandonedV1 {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
}

/// The model of an open ticket failed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FellBackV1 {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
    pub(super) snapshot_sequence: u64,
    pub(super) failed_model_id: u32,
    pub(super) fallback: Option<FallbackV1>,
}

/// The model that the ticket went on to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct FallbackV1 {
    model_id: u32,
    estimated_cost_microunits: u64,
    expected_utility_microunits: i64,
}

impl From<Fallback> for FallbackV1 {
    fn from(fallback: Fallback) -> Self {
        Self {
            model_id: fallback.model_id,
            estimated_cost_microunits: fallback.estimated_cost.get(),
            expected_utility_microunits: fallback.expected_utility_microunits,
        }
    }
}

impl From<FallbackV1> for Fallback {
    fn from(wire: FallbackV1) -> Self {
        Self {
            model_id: wire.model_id,
            estimated_cost: Microunits::new(wire.estimated_cost_microunits),
            expected_utility_microunits: wire.expected_utility_microunits,
        }
    }
}
