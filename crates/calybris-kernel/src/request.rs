//! The request that a decision answers.

use calybris_units::{BasisPoints, Microunits};

use crate::{
    CapabilitySet, Ceiling, ExcludedModels, InvalidRequest, ProviderSet, RegionSet, Usage,
};

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
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Request {
    /// The caller's number for this request, copied into the decision.
    pub sequence: u64,
    /// The model the caller had in mind; it need not exist, and it only decides between
    /// `ExecuteRequested` and `Substitute`.
    pub requested_model_id: u32,
    /// What it is expected to use: cost and utility come from it.
    pub usage: Usage,
    /// What a perfect answer is worth in microunits; a negative value counts as 0.
    pub business_value_microunits: i64,
    /// The most it may use; `None` if it may use exactly what is expected. The maximum cost comes from it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ceiling: Option<Ceiling>,
    /// The most the answer may cost, inclusive: the maximum cost is compared with it.
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
    /// The group whose models are the candidates; `None` for the whole catalog. A group that the snapshot does not have
    /// makes the request invalid.
    #[cfg_attr(feature = "serde", serde(default))]
    pub group_id: Option<u8>,
    /// Models that are not candidates, whatever the group.
    #[cfg_attr(feature = "serde", serde(default))]
    pub excluded_models: ExcludedModels,
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
            usage: Usage::new(input_tokens, output_tokens),
            ceiling: None,
            business_value_microunits: 0,
            budget_limit: Microunits::MAX,
            risk: BasisPoints::ZERO,
            confidence: BasisPoints::WHOLE,
            minimum_quality: BasisPoints::ZERO,
            max_p95_latency_ms: 0,
            required_capabilities: CapabilitySet::EMPTY,
            allowed_providers: ProviderSet::ALL,
            required_regions: RegionSet::EMPTY,
            group_id: None,
            excluded_models: ExcludedModels::NONE,
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

    /// With this usage expected.
    #[must_use]
    pub const fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// That may use at most this much.
    ///
    /// ```
    /// use calybris_kernel::{
    ///     BasisPoints, Ceiling, Microunits, Model, Policy, PolicySnapshot, Price, Request,
    /// };
    ///
    /// let price = Price::per_million_tokens(Microunits::new(1_000_000), Microunits::new(4_000_000));
    /// let model = Model::new(1, 0, BasisPoints::percent(90)).with_price(price);
    /// let snapshot = PolicySnapshot::new(Policy::new(), [model])?;
    ///
    /// // About 500 tokens will come back, and 4,096 may.
    /// let request = Request::new(1, 1, 1_000, 500)
    ///     .with_business_value_microunits(50_000)
    ///     .with_ceiling(Ceiling::new(1_000, 4_096));
    /// let decision = snapshot.prescribe(&request);
    /// assert_eq!(decision.estimated_cost, Microunits::new(3_000));
    /// assert_eq!(decision.maximum_cost, Microunits::new(17_384));
    /// # Ok::<(), calybris_kernel::SnapshotError>(())
    /// ```
    #[must_use]
    pub const fn with_ceiling(mut self, ceiling: Ceiling) -> Self {
        self.ceiling = Some(ceiling);
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

    /// For models of this group only.
    ///
    /// ```
    /// # mod plain { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plain.inc")); }
    /// # use calybris_kernel::*;
    /// # use plain::{POLICY, REQUEST, model};
    /// let models = [model(1, 100), model(2, 200), model(3, 300)];
    /// let snapshot = PolicySnapshot::with_groups(POLICY, models, [Group::new(0, [2, 3])])?;
    /// let decision = snapshot.prescribe(&REQUEST.with_group_id(0));
    /// assert_eq!((decision.selected_model_id, decision.evaluated_models), (Some(2), 2));
    ///
    /// let cooling = ExcludedModels::new(&[2])?;
    /// let decision = snapshot.prescribe(&REQUEST.with_group_id(0).with_excluded_models(cooling));
    /// assert_eq!(decision.selected_model_id, Some(3));
    /// assert_eq!(snapshot.prescribe(&REQUEST.with_group_id(7)).reason, Reason::InvalidRequest);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_group_id(mut self, group_id: u8) -> Self {
        self.group_id = Some(group_id);
        self
    }

    /// For other models than these.
    #[must_use]
    pub const fn with_excluded_models(mut self, excluded_models: ExcludedModels) -> Self {
        self.excluded_models = excluded_models;
        self
    }

    /// Whether fields are in range, and the usage is within its ceiling. Says what is wrong first, in the order of
    /// declaration within each.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), InvalidRequest> {
        let fields = [
            ("risk_bps", self.risk),
            ("confidence_bps", self.confidence),
            ("minimum_quality_bps", self.minimum_quality),
        ];
        if let Some((field, found)) = fields.into_iter().find(|&(_, bps)| bps > BasisPoints::WHOLE)
        {
            return Err(InvalidRequest::OutOfRange { field, found, limit: BasisPoints::WHOLE });
        }
        match &self.ceiling {
            Some(ceiling) => ceiling.check(&self.usage),
            None => Ok(()),
        }
    }

    /// The tokens that a window is compared with, of the prompt and the completion: those of the ceiling if there is one.
    #[inline(always)]
    pub(crate) fn window_tokens(&self) -> (u64, u64) {
        match &self.ceiling {
            Some(ceiling) => (ceiling.prompt_tokens.into(), ceiling.completion_tokens.into()),
            None => (self.usage.prompt_tokens(), self.usage.completion_tokens()),
        }
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
