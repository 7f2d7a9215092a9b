//! One candidate: what it can do, what it costs, and what it is good for.

use calybris_units::BasisPoints;

use crate::{CapabilitySet, Price, RegionSet, Window};

/// One candidate: an LLM model, or the quote of a supplier or a venue.
///
/// [`new`](Self::new) makes one that is free, immediate and served everywhere; the `with_` methods say what it costs
/// and where it ends.
///
/// ```
/// use calybris_kernel::{BasisPoints, CapabilitySet, Microunits, Model, Price};
///
/// const TOOLS: CapabilitySet = CapabilitySet::from_bits(0b1);
/// let small = Model::new(1, 0, BasisPoints::percent(70))
///     .with_price(Price::per_million_tokens(Microunits::new(150_000), Microunits::new(600_000)))
///     .with_p95_latency_ms(300)
///     .with_capabilities(TOOLS);
/// let large = small.with_model_id(2).with_quality(BasisPoints::percent(95));
/// assert_eq!(large.p95_latency_ms, 300);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Model {
    /// Number of the model, unique in its catalog; 0 is an id like any other.
    pub model_id: u32,
    /// Number of the provider that serves it.
    pub provider_id: u8,
    /// How good it is, 0 to 10,000 basis points.
    #[cfg_attr(feature = "serde", serde(rename = "quality_bps"))]
    pub quality: BasisPoints,
    /// The highest request risk it may be given, 0 to 10,000 basis points.
    #[cfg_attr(feature = "serde", serde(rename = "risk_ceiling_bps"))]
    pub risk_ceiling: BasisPoints,
    /// A disabled model is never selected and never decides why a request was rejected.
    pub enabled: bool,
    /// 95th percentile of its latency in milliseconds.
    pub p95_latency_ms: u32,
    /// What it can do.
    pub capabilities: CapabilitySet,
    /// Where it is served; an empty set is served only to requests that require no region.
    pub regions: RegionSet,
    /// What it charges.
    pub price: Price,
    /// How many tokens it takes.
    #[cfg_attr(feature = "serde", serde(default))]
    pub window: Window,
}

impl Model {
    /// A model of this quality that is enabled, free and immediate, takes any risk, is served in every region, and
    /// has no capability.
    #[must_use]
    pub const fn new(model_id: u32, provider_id: u8, quality: BasisPoints) -> Self {
        Self {
            model_id,
            provider_id,
            quality,
            risk_ceiling: BasisPoints::WHOLE,
            enabled: true,
            p95_latency_ms: 0,
            capabilities: CapabilitySet::EMPTY,
            regions: RegionSet::ALL,
            price: Price::FREE,
            window: Window::UNKNOWN,
        }
    }

    /// The same model under another id.
    #[must_use]
    pub const fn with_model_id(mut self, model_id: u32) -> Self {
        self.model_id = model_id;
        self
    }

    /// Served by this provider.
    #[must_use]
    pub const fn with_provider_id(mut self, provider_id: u8) -> Self {
        self.provider_id = provider_id;
        self
    }

    /// Of this quality, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_quality(mut self, quality: BasisPoints) -> Self {
        self.quality = quality;
        self
    }

    /// For requests of at most this risk, 0 to 10,000 basis points.
    #[must_use]
    pub const fn with_risk_ceiling(mut self, risk_ceiling: BasisPoints) -> Self {
        self.risk_ceiling = risk_ceiling;
        self
    }

    /// In use, or not.
    #[must_use]
    pub const fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// With this 95th percentile of its latency, in milliseconds.
    #[must_use]
    pub const fn with_p95_latency_ms(mut self, p95_latency_ms: u32) -> Self {
        self.p95_latency_ms = p95_latency_ms;
        self
    }

    /// With exactly these capabilities.
    #[must_use]
    pub const fn with_capabilities(mut self, capabilities: CapabilitySet) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Served in exactly these regions.
    #[must_use]
    pub const fn with_regions(mut self, regions: RegionSet) -> Self {
        self.regions = regions;
        self
    }

    /// At this price.
    #[must_use]
    pub const fn with_price(mut self, price: Price) -> Self {
        self.price = price;
        self
    }

    /// For at most as many tokens as this window takes.
    #[must_use]
    pub const fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }
}
