//! The properties of a model that price lists lack: quality, risk, latency, regions. Rules fill them in.

use calybris_kernel::Window;
use calybris_units::{BasisPoints, Microunits};
use serde::Deserialize;

use crate::form::{self, Amount, Name, Share};

/// The properties of a model beside its token prices, from a catalog or from rules; `None` where neither sets one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Traits {
    /// Quality, 0 to 10,000.
    #[serde(default, rename = "quality_bps", deserialize_with = "form::read::<_, Option<Share>>")]
    pub quality: Option<BasisPoints>,
    /// The highest risk of a request that the model may be given, 0 to 10,000.
    #[serde(
        default,
        rename = "risk_ceiling_bps",
        deserialize_with = "form::read::<_, Option<Share>>"
    )]
    pub risk_ceiling: Option<BasisPoints>,
    /// The latency that 95 of 100 calls do not exceed.
    pub p95_latency_ms: Option<u32>,
    /// Names of the regions in which it runs.
    #[serde(default, deserialize_with = "form::read::<_, Option<Vec<Name>>>")]
    pub regions: Option<Vec<String>>,
    /// A price per request in addition to the tokens; the default is 0.
    #[serde(
        default,
        rename = "fixed_price_microunits",
        deserialize_with = "form::read::<_, Option<Amount>>"
    )]
    pub fixed_price: Option<Microunits>,
    /// Whether it may be chosen; the default is yes, except for rows of service tiers.
    pub enabled: Option<bool>,
    /// The most tokens that go in; a rule sets it where the catalog states neither this nor the total.
    pub max_prompt_tokens: Option<u32>,
    /// The most tokens that come out; a rule sets it where the catalog states neither this nor the total.
    pub max_completion_tokens: Option<u32>,
    /// The most tokens that go in and come out together.
    pub max_total_tokens: Option<u32>,
}

type IsSaid = fn(&Traits) -> bool;

/// The required fields, each with a function that tells whether it is set.
pub(crate) const REQUIRED: [(&str, IsSaid); 3] = [
    ("quality_bps", |traits| traits.quality.is_some()),
    ("risk_ceiling_bps", |traits| traits.risk_ceiling.is_some()),
    ("p95_latency_ms", |traits| traits.p95_latency_ms.is_some()),
];

impl Traits {
    /// Overwrites the fields that `other` sets.
    pub(crate) fn overlay(&mut self, other: &Self) {
        let Self {
            quality,
            risk_ceiling,
            p95_latency_ms,
            regions,
            fixed_price,
            enabled,
            max_prompt_tokens,
            max_completion_tokens,
            max_total_tokens,
        } = other;
        self.quality = quality.or(self.quality);
        self.risk_ceiling = risk_ceiling.or(self.risk_ceiling);
        self.p95_latency_ms = p95_latency_ms.or(self.p95_latency_ms);
        self.regions = regions.clone().or(self.regions.take());
        self.fixed_price = fixed_price.or(self.fixed_price);
        self.enabled = enabled.or(self.enabled);
        self.max_prompt_tokens = max_prompt_tokens.or(self.max_prompt_tokens);
        self.max_completion_tokens = max_completion_tokens.or(self.max_completion_tokens);
        self.max_total_tokens = max_total_tokens.or(self.max_total_tokens);
    }

    /// These traits of a catalog over those of the rules. Where the catalog states the total, the whole window is known, and the
    /// rules set neither part of it.
    pub(crate) fn over_rules(&self, mut rules: Self) -> Self {
        if self.max_total_tokens.is_some() {
            (rules.max_prompt_tokens, rules.max_completion_tokens) = (None, None);
        }
        rules.overlay(self);
        rules
    }

    /// Nothing but the maxima of a window.
    pub(crate) fn of_window(window: Window) -> Self {
        Self {
            max_prompt_tokens: window.max_prompt_tokens,
            max_completion_tokens: window.max_completion_tokens,
            max_total_tokens: window.max_total_tokens,
            ..Self::default()
        }
    }

    pub(crate) const fn window(&self) -> Window {
        let mut window = Window::UNKNOWN;
        window.max_prompt_tokens = self.max_prompt_tokens;
        window.max_completion_tokens = self.max_completion_tokens;
        window.max_total_tokens = self.max_total_tokens;
        window
    }
}
