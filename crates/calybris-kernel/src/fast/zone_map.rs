//! Zone maps: what the best and the worst corner of a block prove of all its models.

use super::blocks::GROUP;
use super::bounds::Bounds;
use super::charges::Bill;
use super::lanes::{LANES, Sums};
use super::quantize::Codes;
use super::slack::{Limits, Slacks, Work};

/// The corners of up to 64 blocks.
pub(super) struct ZoneMaps<'a, B: Bill> {
    pub(super) bounds: &'a Bounds<B>,
    pub(super) limits: &'a Limits,
    /// Of sixteen blocks each, the best corners and the worst.
    pub(super) corners: &'a [[Codes; 2]],
    pub(super) column_corners: &'a [[B::Columns; 2]],
}

/// One bit per block, and the scores.
#[derive(Default)]
pub(super) struct ZoneVerdicts {
    /// Blocks that may hold an eligible model.
    pub(super) hopeful: u64,
    /// Blocks whose models, outliers aside, are all within the budget and have a positive utility.
    pub(super) sure: u64,
    /// Blocks whose models, outliers aside, all pass the gates on quality, latency and risk ceiling.
    pub(super) passing: u64,
    /// No model's score is above that of its block.
    pub(super) scores: [Sums; GROUP / LANES],
}

impl<B: Bill> Work for ZoneMaps<'_, B> {
    type Answer = ZoneVerdicts;

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> ZoneVerdicts {
        let Self { bounds, limits, corners, column_corners } = self;
        let possible = Slacks::<_, BUDGET, FIXED, LATENCY>::new(bounds);
        let sure = Slacks::<_, BUDGET, FIXED, LATENCY>::sure(bounds);
        let mut judged = ZoneVerdicts::default();
        let mut shift = 0;
        let corners = corners.iter().zip(column_corners);
        for (([best, worst], columns), scores) in corners.zip(&mut judged.scores) {
            let [best_columns, worst_columns] = columns;
            let (slack, score) = possible.of(best, best_columns);
            let slack = slack.negative_unless(limits.passing(best));
            judged.hopeful |= u64::from(!slack.negative()) << shift;
            let (slack, _) = sure.of(worst, worst_columns);
            judged.sure |= u64::from(!slack.negative()) << shift;
            judged.passing |= u64::from(limits.passing(worst).bits()) << shift;
            *scores = score;
            shift += LANES;
        }
        judged
    }
}
