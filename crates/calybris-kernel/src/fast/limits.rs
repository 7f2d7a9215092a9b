//! Whether models pass the gates on quality, latency and risk ceiling, by their codes alone: these
//! are exact, outliers aside.

use super::bounds::Scale;
use super::codes::{Code, Codes, quality_code};
use super::lanes::{Lanes, Mask, Splat};
use super::words::gather;
use crate::Request;

/// The limits of one request on quality, latency and risk ceiling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) minimum_quality: Splat,
    latency_limit: Splat,
    risk: Splat,
}

/// Which of the gates on quality, latency and risk ceiling are passed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passes {
    pub(crate) quality: bool,
    pub(crate) latency: bool,
    pub(crate) ceiling: bool,
}

impl Limits {
    #[inline(always)]
    pub(crate) fn new(request: &Request, scale: &Scale) -> Self {
        Self {
            minimum_quality: minimum_quality(request),
            latency_limit: Splat::new(
                scale.quanta.latency.encode_limit(request.latency_limit_ms()),
            ),
            risk: Splat::new(request.risk.get()),
        }
    }

    /// Which gates a model of these codes passes; so do all that are no worse in any column.
    #[inline(always)]
    pub(crate) fn passes(&self, code: &Code) -> Passes {
        Passes {
            quality: code.quality >= self.minimum_quality.number(),
            latency: code.latency <= self.latency_limit.number(),
            ceiling: code.ceiling >= self.risk.number(),
        }
    }

    /// The models whose quality, latency and risk ceiling pass.
    #[inline(always)]
    pub(crate) fn passing(&self, codes: &Codes) -> Mask {
        self.quality_shortage(codes).or(self.latency_or_risk_excess(codes)).zeros()
    }

    /// One bit per model of a block whose latency and risk ceiling pass.
    #[inline(always)]
    pub(crate) fn passing_latency_and_ceiling<const N: usize>(&self, codes: &[Codes; N]) -> u64 {
        gather(codes, |codes| self.latency_or_risk_excess(codes).zeros().bits())
    }

    /// How far a model's latency is above the limit, or the request's risk above its ceiling; 0
    /// passes both gates.
    #[inline(always)]
    fn latency_or_risk_excess(&self, codes: &Codes) -> Lanes {
        self.latency_excess(codes).or(self.risk_excess(codes))
    }

    /// How far a model's quality is below the minimum; 0 passes.
    #[inline(always)]
    pub(crate) fn quality_shortage(&self, codes: &Codes) -> Lanes {
        self.minimum_quality.lanes().saturating_sub(codes.quality)
    }

    /// How far a model's latency is above the limit; 0 passes, unless the model is an outlier.
    #[inline(always)]
    pub(crate) fn latency_excess(&self, codes: &Codes) -> Lanes {
        codes.latency.saturating_sub(self.latency_limit.lanes())
    }

    /// How far the request's risk is above a model's ceiling; 0 passes.
    #[inline(always)]
    pub(crate) fn risk_excess(&self, codes: &Codes) -> Lanes {
        self.risk.lanes().saturating_sub(codes.ceiling)
    }
}

/// The code of a request's minimum quality.
#[inline(always)]
pub(crate) fn minimum_quality(request: &Request) -> Splat {
    Splat::new(quality_code(request.minimum_quality.get()))
}
