//! What the corners of blocks prove of all their models.

use super::bounds::Bounds;
use super::clearance::{Clearances, Work};
use super::codes::Codes;
use super::lanes::{LANES, Sums};
use super::limits::Limits;
use super::rows::GROUP;

/// The corners of up to 64 blocks.
pub(super) struct Corners<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) limits: &'a Limits,
    /// Of sixteen blocks each, the best corners and the worst.
    pub(super) corners: &'a [[Codes; 2]],
}

/// One bit per block, and the scores.
#[derive(Default)]
pub(super) struct Judged {
    /// Those that may hold an eligible model.
    pub(super) hopeful: u64,
    /// Those of which each model but outliers is within the budget and has a positive utility.
    pub(super) sure: u64,
    /// Those of which each model but outliers passes the gates on quality, latency and risk ceiling.
    pub(super) passing: u64,
    /// No model's score is above that of its block.
    pub(super) scores: [Sums; GROUP / LANES],
}

impl Work for Corners<'_> {
    type Answer = Judged;

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Judged {
        let Self { bounds, limits, corners } = self;
        let possible = Clearances::<BUDGET, FIXED, LATENCY>::new(bounds);
        let sure = Clearances::<BUDGET, FIXED, LATENCY>::sure(bounds);
        let mut judged = Judged::default();
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
