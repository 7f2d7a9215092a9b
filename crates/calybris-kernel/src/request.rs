//! The request that a decision answers.

use crate::{CapabilitySet, MAX_BPS, ProviderSet, RegionSet};

/// One question to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Request {
    /// The caller's number for this request, copied into the decision.
    pub sequence: u64,
    /// The model the caller had in mind; it need not exist, and it only decides between
    /// `ExecuteRequested` and `Substitute`.
    pub requested_model_id: u32,
    /// Tokens going in.
    pub input_tokens: u32,
    /// Tokens expected out.
    pub output_tokens: u32,
    /// What a perfect answer is worth in microunits; a negative value counts as 0.
    pub business_value_microunits: i64,
    /// The most the answer may cost in microunits, inclusive.
    pub budget_limit_microunits: u64,
    /// How risky the request is, 0 to 10,000 basis points; more is an invalid request.
    pub risk_bps: u16,
    /// How sure the caller is of value and risk, 0 to 10,000 basis points; more is an invalid
    /// request.
    pub confidence_bps: u16,
    /// The least quality accepted, inclusive, 0 to 10,000 basis points; more is an invalid
    /// request.
    pub minimum_quality_bps: u16,
    /// The most p95 latency accepted in milliseconds, inclusive; 0 means no limit.
    pub max_p95_latency_ms: u32,
    /// What the model must be able to do; an empty set asks for nothing.
    pub required_capabilities: CapabilitySet,
    /// Who may serve it; an empty set allows nobody.
    pub allowed_providers: ProviderSet,
    /// Where it must be served, in at least one of these regions; an empty set is no constraint.
    pub required_regions: RegionSet,
}

impl Request {
    /// The first field, in the order of declaration, that is out of range, and what it holds.
    pub(crate) fn field_out_of_range(&self) -> Option<(&'static str, u16)> {
        let fields = [
            ("risk_bps", self.risk_bps),
            ("confidence_bps", self.confidence_bps),
            ("minimum_quality_bps", self.minimum_quality_bps),
        ];
        fields.into_iter().find(|&(_, found_bps)| found_bps > MAX_BPS)
    }

    /// The most p95 latency accepted: no model is above it if there is no limit.
    pub(crate) fn latency_limit_ms(&self) -> u32 {
        match self.max_p95_latency_ms {
            0 => u32::MAX,
            limit_ms => limit_ms,
        }
    }

    /// The business value with a negative one counted as 0.
    pub(crate) fn value_microunits(&self) -> u64 {
        u64::try_from(self.business_value_microunits).unwrap_or(0)
    }
}
