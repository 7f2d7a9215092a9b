//! The twelve gates in their order, and the evidence of each refusal.

use calybris_units::{BasisPoints, Microunits};

use crate::candidates::Groups;
use crate::catalog::Entry;
use crate::utility::{CostAndUtility, UtilityTerms, Valuation};
use crate::{CapabilitySet, InvalidRequest, Policy, Reason, RegionSet, Request, WindowPart};

/// A hard limit that a request or a model must pass. Gates are passed in this order, and the
/// first that fails is the one that counts. The list is complete: a thirteenth would be another law,
/// and so a new major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is complete: another gate would be another law"
)]
pub enum Gate {
    /// The request's risk must be below the policy's hard limit.
    RiskHardLimit = 1,
    /// The request's confidence must reach the policy's minimum.
    ConfidenceHardLimit = 2,
    /// The model must be enabled.
    Enabled = 3,
    /// The model's quality must reach the request's minimum.
    Quality = 4,
    /// The model's p95 latency must not exceed the request's maximum, if it has one.
    Latency = 5,
    /// The model must have every required capability.
    Capability = 6,
    /// The model's provider must be allowed.
    Provider = 7,
    /// The model must be served in a required region, if any is required.
    Region = 8,
    /// The request's risk must not exceed the model's risk ceiling.
    RiskCeiling = 9,
    /// The tokens must fit into the model's window, as far as it is known.
    Window = 10,
    /// The maximum cost must not exceed the request's budget limit.
    Budget = 11,
    /// The utility must be above 0.
    Utility = 12,
}

impl Gate {
    /// All gates, in their order.
    pub const ALL: [Self; 12] = [
        Self::RiskHardLimit,
        Self::ConfidenceHardLimit,
        Self::Enabled,
        Self::Quality,
        Self::Latency,
        Self::Capability,
        Self::Provider,
        Self::Region,
        Self::RiskCeiling,
        Self::Window,
        Self::Budget,
        Self::Utility,
    ];

    /// The reason of a reject for which this gate is to blame.
    ///
    /// ```
    /// use calybris_kernel::{Gate, Reason};
    ///
    /// assert_eq!(Gate::Budget.reason(), Reason::BudgetConstraint);
    /// ```
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::RiskHardLimit => Reason::RiskHardLimit,
            Self::ConfidenceHardLimit => Reason::ConfidenceHardLimit,
            Self::Enabled => Reason::NoEnabledModel,
            Self::Quality => Reason::QualityConstraint,
            Self::Latency => Reason::LatencyConstraint,
            Self::Capability => Reason::CapabilityConstraint,
            Self::Provider => Reason::ProviderConstraint,
            Self::Region => Reason::RegionConstraint,
            Self::RiskCeiling => Reason::RiskCeilingConstraint,
            Self::Window => Reason::WindowConstraint,
            Self::Budget => Reason::BudgetConstraint,
            Self::Utility => Reason::NonPositiveUtility,
        }
    }
}

/// Why a request or a model was refused: the number that was measured, and the limit that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(clippy::exhaustive_enums, reason = "one for each gate, and those are complete")]
pub enum Refusal {
    /// The request contradicts itself or the snapshot; no gate was reached.
    InvalidRequest(InvalidRequest),
    /// Gate 1.
    RiskHardLimit {
        /// The request's risk.
        #[cfg_attr(feature = "serde", serde(rename = "risk_bps"))]
        risk: BasisPoints,
        /// The policy's limit, which the risk must stay below.
        #[cfg_attr(feature = "serde", serde(rename = "limit_bps"))]
        limit: BasisPoints,
    },
    /// Gate 2.
    ConfidenceHardLimit {
        /// The request's confidence.
        #[cfg_attr(feature = "serde", serde(rename = "confidence_bps"))]
        confidence: BasisPoints,
        /// The policy's minimum.
        #[cfg_attr(feature = "serde", serde(rename = "minimum_bps"))]
        minimum: BasisPoints,
    },
    /// Gate 3.
    Disabled,
    /// Gate 4.
    Quality {
        /// The model's quality.
        #[cfg_attr(feature = "serde", serde(rename = "quality_bps"))]
        quality: BasisPoints,
        /// The request's minimum.
        #[cfg_attr(feature = "serde", serde(rename = "minimum_bps"))]
        minimum: BasisPoints,
    },
    /// Gate 5.
    Latency {
        /// The model's p95 latency.
        p95_latency_ms: u32,
        /// The request's maximum.
        limit_ms: u32,
    },
    /// Gate 6.
    Capability {
        /// The required capabilities that the model lacks.
        missing: CapabilitySet,
    },
    /// Gate 7.
    Provider {
        /// The model's provider, which the request does not allow.
        provider_id: u8,
    },
    /// Gate 8.
    Region {
        /// Where the model is served.
        served: RegionSet,
        /// Where the request must be served.
        required: RegionSet,
    },
    /// Gate 9.
    RiskCeiling {
        /// The request's risk.
        #[cfg_attr(feature = "serde", serde(rename = "risk_bps"))]
        risk: BasisPoints,
        /// The model's ceiling.
        #[cfg_attr(feature = "serde", serde(rename = "ceiling_bps"))]
        ceiling: BasisPoints,
    },
    /// Gate 10.
    Window {
        /// The first maximum of the window that is exceeded.
        part: WindowPart,
        /// The tokens that exceed it: those of the request's ceiling, or of its usage if it has none.
        tokens: u64,
        /// The most tokens that the model takes.
        maximum: u32,
    },
    /// Gate 11.
    Budget {
        /// The maximum cost of the model, which is its cost if the request has no ceiling; [`Microunits::MAX`] also
        /// stands for anything above it.
        #[cfg_attr(feature = "serde", serde(rename = "maximum_cost_microunits"))]
        maximum_cost: Microunits,
        /// The request's budget limit.
        #[cfg_attr(feature = "serde", serde(rename = "limit_microunits"))]
        limit: Microunits,
    },
    /// Gate 12.
    Utility {
        /// The utility, which is not above 0.
        utility_microunits: i64,
        /// What it is made of.
        terms: UtilityTerms,
    },
}

impl Refusal {
    /// The gate that failed; nothing if the request was invalid.
    ///
    /// ```
    /// use calybris_kernel::{Gate, InvalidRequest, Refusal};
    ///
    /// assert_eq!(Refusal::Disabled.gate(), Some(Gate::Enabled));
    /// let invalid = InvalidRequest::UnknownGroup { group_id: 7 };
    /// assert_eq!(Refusal::InvalidRequest(invalid).gate(), None);
    /// ```
    #[must_use]
    pub const fn gate(&self) -> Option<Gate> {
        match self {
            Self::InvalidRequest(_) => None,
            Self::RiskHardLimit { .. } => Some(Gate::RiskHardLimit),
            Self::ConfidenceHardLimit { .. } => Some(Gate::ConfidenceHardLimit),
            Self::Disabled => Some(Gate::Enabled),
            Self::Quality { .. } => Some(Gate::Quality),
            Self::Latency { .. } => Some(Gate::Latency),
            Self::Capability { .. } => Some(Gate::Capability),
            Self::Provider { .. } => Some(Gate::Provider),
            Self::Region { .. } => Some(Gate::Region),
            Self::RiskCeiling { .. } => Some(Gate::RiskCeiling),
            Self::Window { .. } => Some(Gate::Window),
            Self::Budget { .. } => Some(Gate::Budget),
            Self::Utility { .. } => Some(Gate::Utility),
        }
    }

    /// The reason of a reject for which this refusal is to blame.
    ///
    /// ```
    /// use calybris_kernel::{Reason, Refusal};
    ///
    /// assert_eq!(Refusal::Disabled.reason(), Reason::NoEnabledModel);
    /// ```
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self.gate() {
            Some(gate) => gate.reason(),
            None => Reason::InvalidRequest,
        }
    }
}

/// The gates on the request: its own validity, then gates 1 and 2.
#[inline(always)]
pub(crate) fn admit_request(
    policy: &Policy,
    groups: &Groups,
    request: &Request,
) -> Result<(), Refusal> {
    request.check().map_err(Refusal::InvalidRequest)?;
    if let Some(group_id) = request.group_id
        && !groups.has_group(group_id)
    {
        return Err(Refusal::InvalidRequest(InvalidRequest::UnknownGroup { group_id }));
    }
    if request.risk >= policy.hard_risk_limit {
        return Err(Refusal::RiskHardLimit { risk: request.risk, limit: policy.hard_risk_limit });
    }
    if request.confidence < policy.minimum_confidence {
        return Err(Refusal::ConfidenceHardLimit {
            confidence: request.confidence,
            minimum: policy.minimum_confidence,
        });
    }
    Ok(())
}

/// The gates on one model, 3 to 12; a model that passes them all is eligible.
#[inline(always)]
pub(crate) fn admit_model(
    valuation: &Valuation<'_>,
    entry: &Entry,
) -> Result<CostAndUtility, Refusal> {
    let request = valuation.request();
    if !entry.enabled {
        return Err(Refusal::Disabled);
    }
    if entry.quality < request.minimum_quality {
        return Err(Refusal::Quality { quality: entry.quality, minimum: request.minimum_quality });
    }
    let limit_ms = request.latency_limit_ms();
    if entry.p95_latency_ms > limit_ms {
        return Err(Refusal::Latency { p95_latency_ms: entry.p95_latency_ms, limit_ms });
    }
    if !entry.capabilities.contains_all(request.required_capabilities) {
        return Err(Refusal::Capability {
            missing: request.required_capabilities.difference(entry.capabilities),
        });
    }
    if !request.allowed_providers.contains(entry.provider_id) {
        return Err(Refusal::Provider { provider_id: entry.provider_id });
    }
    if !request.required_regions.is_empty() && !entry.regions.shares_any(request.required_regions) {
        return Err(Refusal::Region { served: entry.regions, required: request.required_regions });
    }
    if request.risk > entry.risk_ceiling {
        return Err(Refusal::RiskCeiling { risk: request.risk, ceiling: entry.risk_ceiling });
    }
    if let Some(window) = valuation.interned().window(entry) {
        let (prompt_tokens, completion_tokens) = request.window_tokens();
        if let Some((part, tokens, maximum)) = window.exceeded(prompt_tokens, completion_tokens) {
            return Err(Refusal::Window { part, tokens, maximum });
        }
    }
    admit_price(valuation, entry)
}

/// The last two gates on a model, 11 and 12, for one that has passed the others.
#[inline(always)]
pub(crate) fn admit_price(
    valuation: &Valuation<'_>,
    entry: &Entry,
) -> Result<CostAndUtility, Refusal> {
    let CostAndUtility { cost_microunits, utility_microunits } = valuation.cost_and_utility(entry);
    let limit = valuation.request().budget_limit;
    match valuation.maximum_cost_microunits(entry, cost_microunits) {
        Some(maximum) if maximum <= limit.get() => {}
        beyond => {
            let maximum_cost = beyond.map_or(Microunits::MAX, Microunits::new);
            return Err(Refusal::Budget { maximum_cost, limit });
        }
    }
    if utility_microunits <= 0 {
        return Err(Refusal::Utility { utility_microunits, terms: valuation.terms(entry) });
    }
    Ok(CostAndUtility { cost_microunits, utility_microunits })
}
