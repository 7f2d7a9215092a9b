//! What is known of the only block of a catalog.

use super::blocks::{HALF, PARTS};
use super::quantize::Codes;
use super::skyline::Skyline;
use crate::{Model, Request};

/// The only block of a catalog.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleBlock {
    /// Whether half as many codes as a block has room for are enough.
    pub(super) half: bool,
    /// The enabled models.
    pub(crate) enabled: u64,
    skyline: Skyline,
    /// One less than the greatest p95 latency of an enabled model, or 0.
    slowest_less_one_ms: u32,
    /// The lowest risk ceiling of an enabled model.
    lowest_ceiling_bps: u16,
    /// The highest quality of an enabled model.
    pub(crate) highest_quality_bps: u16,
}

/// The codes of a single block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SingleCodes<'a> {
    Half(&'a [Codes; HALF]),
    Whole(&'a [Codes; PARTS]),
}

impl SingleBlock {
    pub(super) fn new(half: bool, enabled: u64, skyline: Skyline, models: &[Model]) -> Self {
        let all = || models.iter().filter(|model| model.enabled);
        let slowest_ms = all().map(|model| model.p95_latency_ms).max().unwrap_or(0);
        let lowest_ceiling_bps = all().map(|model| model.risk_ceiling.get()).min().unwrap_or(0);
        Self {
            half,
            enabled,
            skyline,
            slowest_less_one_ms: slowest_ms.saturating_sub(1),
            lowest_ceiling_bps,
            highest_quality_bps: all().map(|model| model.quality.get()).max().unwrap_or(0),
        }
    }

    /// Whether all enabled models pass the gates on latency and risk ceiling.
    #[inline(always)]
    pub(crate) fn all_within_limits_of(&self, request: &Request) -> bool {
        // 0 (no limit) wraps to `u32::MAX`.
        (self.slowest_less_one_ms <= request.max_p95_latency_ms.wrapping_sub(1))
            & (self.lowest_ceiling_bps >= request.risk.get())
    }

    /// See [`Index::skyline_of`].
    #[inline(always)]
    pub(crate) fn skyline(&self, open: bool, places: usize) -> u64 {
        self.skyline.of(open, places)
    }
}
