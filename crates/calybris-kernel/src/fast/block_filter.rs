//! What the codes of a block prove of its models, in one pass over them: which are eligible, which may
//! be, and which may get a place. Of blocks that cannot hold a winner, the eligible models are counted.

use super::blocks::GROUP;
use super::blocks::PARTS;
use super::bounds::Bounds;
use super::charges::Bill;
use super::lanes::{Bits, Mask, Splat, Sums, each_pair, gather};
use super::quantize::Codes;
use super::slack::{Limits, Slacks, Work};

/// The question to a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockFilter {
    /// The code of the minimum quality.
    pub(crate) minimum_quality: Splat,
    /// The rows that the request is about, if they pass the gates on latency, capabilities, provider, regions, risk ceiling
    /// and window, and are no outliers: only they are asked for. The gate on quality is part of the answer.
    pub(crate) live: u64,
    /// Whether all rows of enabled models are live.
    pub(crate) all_live: bool,
    /// No score that is less than this by the shortfall or more gets a place, whatever other models are in
    /// the block; 0 or more.
    pub(crate) floor: Splat,
    /// How many places of the ranking the block contends for; if none, there are no contenders.
    pub(crate) places: usize,
}

/// The answers, one bit per model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filtered {
    /// Those that are surely eligible.
    pub(crate) eligible: u64,
    /// Those that may be eligible or not; the rest is not.
    pub(crate) doubtful: u64,
    /// Those of the eligible whose scores may get them a place.
    pub(crate) contenders: u64,
}

/// What the codes of sixteen models prove, live or not.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    sure: u16,
    impossible: u16,
    /// The scores of those that are surely eligible, and 0 elsewhere.
    scores: Sums,
}

impl Filtered {
    #[inline(always)]
    pub(super) fn new<B: Bill, const N: usize>(
        bounds: &Bounds<B>,
        codes: &[Codes; N],
        columns: &[B::Columns; N],
        asked: &BlockFilter,
    ) -> Self {
        let mut doubtful = 0;
        let judge = Judge { bounds, codes, columns, asked, doubtful: &mut doubtful };
        let (eligible, contenders) = bounds.without_absent_terms(judge);
        Self { eligible, doubtful, contenders }
    }
}

struct Judge<'a, B: Bill, const N: usize> {
    bounds: &'a Bounds<B>,
    codes: &'a [Codes; N],
    columns: &'a [B::Columns; N],
    asked: &'a BlockFilter,
    doubtful: &'a mut u64,
}

impl<B: Bill, const N: usize> Work for Judge<'_, B, N> {
    /// The eligible and the contenders, which come back in registers.
    type Answer = (u64, u64);

    #[inline(always)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> (u64, u64) {
        let Self { bounds, codes, columns, asked, doubtful } = self;
        judge::<B, N, BUDGET, FIXED, LATENCY>(bounds, codes, columns, asked, doubtful)
    }
}

/// Not inlined, and its arguments fit registers: otherwise the compiler does not recognise that only half
/// of each product is used.
#[inline(never)]
fn judge<B: Bill, const N: usize, const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(
    bounds: &Bounds<B>,
    codes: &[Codes; N],
    columns: &[B::Columns; N],
    asked: &BlockFilter,
    doubtful: &mut u64,
) -> (u64, u64) {
    if asked.live == 0 {
        return (0, 0);
    }
    let minimum_quality = asked.minimum_quality.lanes().signed();
    let slacks = Slacks::<_, BUDGET, FIXED, LATENCY>::new(bounds);
    let almost_sure = slacks.almost_sure();
    let parts = each_pair(codes, columns, |codes, columns| {
        let (slack, scores) = slacks.of(codes, columns);
        let too_bad = minimum_quality.above(codes.quality.signed());
        let slack = slack.negative_where(too_bad);
        let sure = slack.above(almost_sure);
        Part { sure: sure.bits(), impossible: slack.negative(), scores: scores.only(sure) }
    });
    let eligible = gather(&parts, |part| part.sure) & asked.live;
    let possible = !gather(&parts, |part| part.impossible) & asked.live;
    *doubtful = possible & !eligible;
    if eligible == 0 || asked.places == 0 {
        return (eligible, 0);
    }

    let mut scores = parts.map(|part| part.scores);
    if !asked.all_live {
        for (score, mask) in scores.iter_mut().zip(Mask::of_word(eligible)) {
            *score = score.only(mask);
        }
    }
    // Lanes of no enabled model have a score of 0 (INVARIANT (positions)). Two of the best may
    // share a lane: then the bar is lower than it might be, which lets more through, never fewer.
    let floor = asked.floor.lanes().signed();
    let greatest = scores.iter().fold(floor, |greatest, score| greatest.max(*score));
    let reached = match asked.places {
        2 => greatest.reached_twice(),
        places => greatest.reached_by(places),
    };
    let beaten = reached.less(Sums::splat(bounds.shortfall));
    let contenders = eligible & gather(&scores, |score| score.above(beaten).bits());
    (eligible, contenders)
}

/// Some blocks of a group.
pub(super) struct CountEligible<'a, B: Bill> {
    pub(super) bounds: &'a Bounds<B>,
    pub(super) limits: &'a Limits,
    /// Which blocks.
    pub(super) blocks: u64,
    /// Of all blocks of the group, as all that follow.
    pub(super) codes: &'a [[Codes; PARTS]],
    pub(super) columns: &'a [[B::Columns; PARTS]],
    pub(super) outliers: &'a [u64],
    /// The models that pass the gates on capabilities, providers and regions.
    pub(super) live: &'a [u64],
    /// Output: the models that may be eligible or not, in those blocks that have any. All 0 before.
    pub(super) doubtful: &'a mut [u64; GROUP],
}

/// The result.
#[derive(Default)]
pub(super) struct Counted {
    /// How many are surely eligible.
    pub(super) eligible_models: u32,
    /// Which blocks have doubtful models.
    pub(super) doubting: u64,
}

impl<B: Bill> Work for CountEligible<'_, B> {
    type Answer = Counted;

    #[inline(never)]
    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Counted {
        let Self { bounds, limits, blocks, codes, columns, outliers, live, doubtful } = self;
        let slacks = Slacks::<_, BUDGET, FIXED, LATENCY>::new(bounds);
        let almost_sure = slacks.almost_sure();
        let mut surveyed = Counted::default();
        for block in Bits(blocks) {
            let (Some(codes), Some(columns)) = (codes.get(block), columns.get(block)) else {
                break;
            };
            let (Some(outliers), Some(live), Some(doubtful)) =
                (outliers.get(block), live.get(block), doubtful.get_mut(block))
            else {
                break;
            };
            let parts = each_pair(codes, columns, |codes, columns| {
                let (slack, _) = slacks.of(codes, columns);
                let slack = slack.negative_unless(limits.passing(codes));
                (slack.above(almost_sure).bits(), slack.negative())
            });
            // The codes of an outlier say less, but what they rule out is out.
            let eligible = gather(&parts, |(sure, _)| *sure) & live & !outliers;
            *doubtful = !gather(&parts, |(_, impossible)| *impossible) & live & !eligible;
            surveyed.eligible_models += eligible.count_ones();
            surveyed.doubting |= u64::from(*doubtful != 0) << block;
        }
        surveyed
    }
}
