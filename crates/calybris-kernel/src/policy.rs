//! The hard limits and the penalties that every request is judged by.

use calybris_units::{BasisPoints, Microunits};

/// Hard limits and penalties, the same for every request.
///
/// [`new`](Self::new) makes one without any; the `with_` methods add them.
///
/// ```
/// use calybris_kernel::{BasisPoints, Microunits, Policy};
///
/// let policy = Policy::new()
///     .with_policy_epoch(7)
///     .with_hard_risk_limit(BasisPoints::percent(90)) // a request of 90% risk or more is rejected
///     .with_minimum_confidence(BasisPoints::percent(50))
///     .with_latency_penalty_per_ms(Microunits::new(2));
/// assert_eq!(policy.risk_penalty_multiplier, BasisPoints::ZERO); // risk costs nothing
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Policy {
    /// Version of the policy, copied into each decision.
    pub policy_epoch: u64,
    /// Version of the catalog, copied into each decision.
    pub catalog_epoch: u64,
    /// A request of this risk or more is rejected, 0 to 10,000 basis points; 0 rejects all.
    #[cfg_attr(feature = "serde", serde(rename = "hard_risk_limit_bps"))]
    pub hard_risk_limit: BasisPoints,
    /// A request of less confidence is rejected, 0 to 10,000 basis points; 0 rejects none.
    #[cfg_attr(feature = "serde", serde(rename = "minimum_confidence_bps"))]
    pub minimum_confidence: BasisPoints,
    /// Share of the value that full risk costs, 0 to 65,535 basis points: above 10,000 full risk
    /// costs more than the value itself; 0 means risk costs nothing.
    #[cfg_attr(feature = "serde", serde(rename = "risk_penalty_multiplier_bps"))]
    pub risk_penalty_multiplier: BasisPoints,
    /// What each millisecond of p95 latency costs; 0 means latency costs nothing.
    #[cfg_attr(feature = "serde", serde(rename = "latency_penalty_microunits_per_ms"))]
    pub latency_penalty_per_ms: Microunits,
}

impl Policy {
    /// A policy without penalties that rejects no request for its confidence, and for its risk only one of a whole;
    /// both epochs are 0.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            policy_epoch: 0,
            catalog_epoch: 0,
            hard_risk_limit: BasisPoints::WHOLE,
            minimum_confidence: BasisPoints::ZERO,
            risk_penalty_multiplier: BasisPoints::ZERO,
            latency_penalty_per_ms: Microunits::ZERO,
        }
    }

    /// With this version of the policy.
    #[must_use]
    pub const fn with_policy_epoch(mut self, policy_epoch: u64) -> Self {
        self.policy_epoch = policy_epoch;
        self
    }

    /// With this version of the catalog.
    #[must_use]
    pub const fn with_catalog_epoch(mut self, catalog_epoch: u64) -> Self {
        self.catalog_epoch = catalog_epoch;
        self
    }

    /// Rejects requests of this risk or more, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_hard_risk_limit(mut self, hard_risk_limit: BasisPoints) -> Self {
        self.hard_risk_limit = hard_risk_limit;
        self
    }

    /// Rejects requests of less confidence, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_minimum_confidence(mut self, minimum_confidence: BasisPoints) -> Self {
        self.minimum_confidence = minimum_confidence;
        self
    }

    /// Takes this share of the value for full risk, 0 to 65,535 basis points.
    #[must_use]
    pub const fn with_risk_penalty_multiplier(
        mut self,
        risk_penalty_multiplier: BasisPoints,
    ) -> Self {
        self.risk_penalty_multiplier = risk_penalty_multiplier;
        self
    }

    /// Takes this amount for each millisecond of p95 latency.
    #[must_use]
    pub const fn with_latency_penalty_per_ms(mut self, latency_penalty_per_ms: Microunits) -> Self {
        self.latency_penalty_per_ms = latency_penalty_per_ms;
        self
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
