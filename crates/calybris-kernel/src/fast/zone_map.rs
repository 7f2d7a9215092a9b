//! What the corners of blocks prove of all their models.

use super::bitmap_index::GROUP;
use super::bounds::Bounds;
use super::lanes::{LANES, Sums};
use super::quantize::Codes;
use super::slack::{Limits, Slacks, Work};

/// The corners of up to 64 blocks.
pub(super) struct ZoneMaps<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) limits: &'a Limits,
    /// Of sixteen blocks each, the best corners and the worst.
    pub(super) corners: &'a [[Codes; 2]],
}

/// One bit per block, and the scores.
#[derive(Default)]
pub(super) struct ZoneVerdicts {
    /// Those that may hold an eligible model.
    pub(super) hopeful: u64,
    /// Those of which each model but outliers is within the budget and has a positive utility.
    pub(super) sure: u64,
    /// Those of which each model but outliers passes the gates on quality, latency and risk ceiling.
    pub(super) passing: u64,
    /// No model's score is above that of its block.
    pub(super) scores: [Sums; GROUP / LANES],
}

impl Work for ZoneMaps<'_> {
    type Answer = ZoneVerdicts;

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> ZoneVerdicts {
        let Self { bounds, limits, corners } = self;
        let possible = Slacks::<BUDGET, FIXED, LATENCY>::new(bounds);
        let sure = Slacks::<BUDGET, FIXED, LATENCY>::sure(bounds);
        let mut judged = ZoneVerdicts::default();
        let mut shift = 0;
        for ([best, worst], scores) in corners.iter().zip(&mut judged.scores) {
            let (clearance, score) = possible.of(best);
            let clearance = clearance.negative_unless(limits.passing(best));
            judged.hopeful |= u64::from(!clearance.negative()) << shift;
            let (clearance, _) = sure.of(worst);
            judged.sure |= u64::from(!clearance.negative()) << shift;
            judged.passing |= u64::from(limits.passing(worst).bits()) << shift;
            *scores = score;
            shift += LANES;
        }
        judged
    }
}
