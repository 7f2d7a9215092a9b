//! The request that a decision answers.

use calybris_units::{BasisPoints, Microunits};

use crate::{CapabilitySet, ProviderSet, RegionSet};

/// One question to the kernel.
///
/// [`new`](Self::new) makes one without risk, doubt or limits; the `with_` methods add what there is.
///
/// ```
/// use calybris_kernel::{BasisPoints, Microunits, Request};
///
/// let request = Request::new(1, 7, 1_000, 500)
///     .with_business_value_microunits(50_000) // 5 cents
///     .with_budget_limit(Microunits::new(20_000))
///     .with_risk(BasisPoints::percent(5))
///     .with_minimum_quality(BasisPoints::percent(60));
/// assert_eq!(request.confidence, BasisPoints::WHOLE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
    /// The most the answer may cost, inclusive.
    #[cfg_attr(feature = "serde", serde(rename = "budget_limit_microunits"))]
    pub budget_limit: Microunits,
    /// How risky the request is, 0 to 10,000 basis points; more is an invalid request.
    #[cfg_attr(feature = "serde", serde(rename = "risk_bps"))]
    pub risk: BasisPoints,
    /// How sure the caller is of value and risk, 0 to 10,000 basis points; more is an invalid
    /// request.
    #[cfg_attr(feature = "serde", serde(rename = "confidence_bps"))]
    pub confidence: BasisPoints,
    /// The least quality accepted, inclusive, 0 to 10,000 basis points; more is an invalid
    /// request.
    #[cfg_attr(feature = "serde", serde(rename = "minimum_quality_bps"))]
    pub minimum_quality: BasisPoints,
    /// The most p95 latency accepted in milliseconds, inclusive; 0 means no limit.
    pub max_p95_latency_ms: u32,
    /// What the model must be able to do; an empty set asks for nothing.
    pub required_capabilities: CapabilitySet,
    /// Which providers may serve it; an empty set allows none.
    pub allowed_providers: ProviderSet,
    /// Where it must be served, in at least one of these regions; an empty set is no constraint.
    pub required_regions: RegionSet,
}

impl Request {
    /// A request of these tokens without risk, doubt or limits. It is worth nothing yet, so no model is selected
    /// until [`with_business_value_microunits`](Self::with_business_value_microunits) says what an answer is worth.
    ///
    /// Where models have no token prices, tokens may be 0.
    #[must_use]
    pub const fn new(
        sequence: u64,
        requested_model_id: u32,
        input_tokens: u32,
        output_tokens: u32,
    ) -> Self {
        Self {
            sequence,
            requested_model_id,
            input_tokens,
            output_tokens,
            business_value_microunits: 0,
            budget_limit: Microunits::MAX,
            risk: BasisPoints::ZERO,
            confidence: BasisPoints::WHOLE,
            minimum_quality: BasisPoints::ZERO,
            max_p95_latency_ms: 0,
            required_capabilities: CapabilitySet::EMPTY,
            allowed_providers: ProviderSet::ALL,
            required_regions: RegionSet::EMPTY,
        }
    }

    /// Under another number.
    #[must_use]
    pub const fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// With this model in mind.
    #[must_use]
    pub const fn with_requested_model_id(mut self, requested_model_id: u32) -> Self {
        self.requested_model_id = requested_model_id;
        self
    }

    /// With these tokens going in and out.
    #[must_use]
    pub const fn with_tokens(mut self, input_tokens: u32, output_tokens: u32) -> Self {
        self.input_tokens = input_tokens;
        self.output_tokens = output_tokens;
        self
    }

    /// For which a perfect answer is worth this much, in microunits.
    #[must_use]
    pub const fn with_business_value_microunits(mut self, business_value_microunits: i64) -> Self {
        self.business_value_microunits = business_value_microunits;
        self
    }

    /// For which an answer may cost at most this much.
    #[must_use]
    pub const fn with_budget_limit(mut self, budget_limit: Microunits) -> Self {
        self.budget_limit = budget_limit;
        self
    }

    /// Of this risk, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_risk(mut self, risk: BasisPoints) -> Self {
        self.risk = risk;
        self
    }

    /// With value and risk known this surely, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_confidence(mut self, confidence: BasisPoints) -> Self {
        self.confidence = confidence;
        self
    }

    /// For models of at least this quality, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_minimum_quality(mut self, minimum_quality: BasisPoints) -> Self {
        self.minimum_quality = minimum_quality;
        self
    }

    /// For models of at most this p95 latency in milliseconds; 0 means no limit.
    #[must_use]
    pub const fn with_max_p95_latency_ms(mut self, max_p95_latency_ms: u32) -> Self {
        self.max_p95_latency_ms = max_p95_latency_ms;
        self
    }

    /// For models with all these capabilities.
    #[must_use]
    pub const fn with_required_capabilities(
        mut self,
        required_capabilities: CapabilitySet,
    ) -> Self {
        self.required_capabilities = required_capabilities;
        self
    }

    /// For models of these providers only; an empty set allows none.
    #[must_use]
    pub const fn with_allowed_providers(mut self, allowed_providers: ProviderSet) -> Self {
        self.allowed_providers = allowed_providers;
        self
    }

    /// For models that are served in one of these regions; an empty set is no constraint.
    #[must_use]
    pub const fn with_required_regions(mut self, required_regions: RegionSet) -> Self {
        self.required_regions = required_regions;
        self
    }

    /// The first field, in the order of declaration, that is out of range, by its name in JSON, and what it holds.
    pub(crate) fn field_out_of_range(&self) -> Option<(&'static str, BasisPoints)> {
        let fields = [
            ("risk_bps", self.risk),
            ("confidence_bps", self.confidence),
            ("minimum_quality_bps", self.minimum_quality),
        ];
        fields.into_iter().find(|&(_, found)| found > BasisPoints::WHOLE)
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
