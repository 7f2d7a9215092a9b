//! One candidate of the catalog.

use crate::{CapabilitySet, RegionSet, Request, utility};

/// One candidate: an LLM model, or the quote of a supplier or a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Model {
    /// Name of the model, unique in its catalog; 0 is an id like any other.
    pub model_id: u32,
    /// Who serves it.
    pub provider_id: u8,
    /// How good it is, 0 to 10,000 basis points.
    pub quality_bps: u16,
    /// The highest request risk it may be given, 0 to 10,000 basis points.
    pub risk_ceiling_bps: u16,
    /// A disabled model is never selected and never decides why a request was rejected.
    pub enabled: bool,
    /// 95th percentile of its latency in milliseconds.
    pub p95_latency_ms: u32,
    /// What it can do.
    pub capabilities: CapabilitySet,
    /// Where it is served; an empty set is served only to requests that require no region.
    pub regions: RegionSet,
    /// Price of a million input tokens in microunits; 0 is free.
    pub input_price_microunits_per_million_tokens: u64,
    /// Price of a million output tokens in microunits; 0 is free.
    pub output_price_microunits_per_million_tokens: u64,
    /// Price of the request itself in microunits, whatever its tokens; 0 if there is none, which
    /// is also what a model without this field means in a form that names its fields, such as JSON.
    #[cfg_attr(feature = "serde", serde(default))]
    pub fixed_price_microunits: u64,
}

impl Model {
    /// What `request` costs with this model, in microunits: the fixed price and, for input and output tokens apart,
    /// tokens times price per million tokens, rounded up. `u64::MAX` also stands for anything above it.
    ///
    /// With the tokens that were really used, this is the amount to settle.
    ///
    /// ```
    /// # use calybris_kernel::*;
    /// # let model = Model {
    /// #     model_id: 1, provider_id: 0, quality_bps: 9_000, risk_ceiling_bps: 10_000,
    /// #     enabled: true, p95_latency_ms: 300, capabilities: CapabilitySet::EMPTY,
    /// #     regions: RegionSet::ALL, input_price_microunits_per_million_tokens: 0,
    /// #     output_price_microunits_per_million_tokens: 0, fixed_price_microunits: 0,
    /// # };
    /// # let request = Request {
    /// #     sequence: 1, requested_model_id: 1, input_tokens: 0, output_tokens: 0,
    /// #     business_value_microunits: 1_000, budget_limit_microunits: 500, risk_bps: 0,
    /// #     confidence_bps: 10_000, minimum_quality_bps: 0, max_p95_latency_ms: 0,
    /// #     required_capabilities: CapabilitySet::EMPTY, allowed_providers: ProviderSet::ALL,
    /// #     required_regions: RegionSet::EMPTY,
    /// # };
    /// let model = Model {
    ///     input_price_microunits_per_million_tokens: 150_000,
    ///     output_price_microunits_per_million_tokens: 600_000,
    ///     fixed_price_microunits: 20,
    ///     ..model
    /// };
    /// let used = Request { input_tokens: 1_001, output_tokens: 500, ..request };
    /// assert_eq!(model.cost_microunits(&used), 20 + 151 + 300); // 150.15 is rounded up
    /// ```
    #[must_use]
    pub fn cost_microunits(&self, request: &Request) -> u64 {
        utility::cost_microunits(request, self)
    }
}
