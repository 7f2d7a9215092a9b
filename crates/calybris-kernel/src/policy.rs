//! The hard limits and the penalties that every request is judged by.

/// Hard limits and penalties, the same for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Version of the policy, copied into each decision.
    pub policy_epoch: u64,
    /// Version of the catalog, copied into each decision.
    pub catalog_epoch: u64,
    /// A request of this risk or more is rejected, 0 to 10,000 basis points; 0 rejects all.
    pub hard_risk_limit_bps: u16,
    /// A request of less confidence is rejected, 0 to 10,000 basis points; 0 rejects none.
    pub minimum_confidence_bps: u16,
    /// Share of the value that full risk costs, in basis points, 0 to 65,535: above 10,000 full
    /// risk costs more than the value itself; 0 means risk costs nothing.
    pub risk_penalty_multiplier_bps: u16,
    /// What each millisecond of p95 latency costs in microunits; 0 means latency costs nothing.
    pub latency_penalty_microunits_per_ms: u64,
}
