//! The blocks that matter: counted whole, left out, or visited.

use super::blame::{Costs, blame};
use super::bounds::{Bounds, Limits, Scale};
use super::codes::Codes;
use super::index::{Index, SingleBlock};
use super::lanes::{LANES, Sums};
use super::rows::{Bits, GROUP};
use super::visit::Search;
use super::words::{above, gather, sixteen_bits};
use crate::gates::admit_model;
use crate::ranking::{Candidate, Ranking};
use crate::scan::scan;
use crate::utility::Valuation;
use crate::{Model, Reason};

/// Catalogs of up to this many models are scanned: it takes no longer than bounding them.
const SMALL: usize = 8;

/// Gives the best models their places, and says how many models are eligible or, if none is, the
/// reason. It finds what [`scan`] finds.
#[inline(always)]
pub(crate) fn search<R: Ranking>(
    ranking: &mut R,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
) -> Result<u32, Reason> {
    let Some(scale) = index.scale.as_ref().filter(|_| models.len() > SMALL) else {
        return scan(ranking, valuation, models);
    };
    if scale.cheapest.is_beyond_budget(valuation.request()) {
        let limits = Limits::new(valuation.request(), scale);
        let tally = blame(index, models, valuation, &limits, Costs::AllBeyond);
        return Err(tally.reason());
    }
    match index.single() {
        Some(SingleBlock::Half(codes)) => {
            search_block(ranking, index, models, valuation, scale, codes)
        }
        Some(SingleBlock::Whole(codes)) => {
            search_block(ranking, index, models, valuation, scale, codes)
        }
        None => search_groups(ranking, index, models, valuation, scale),
    }
}

/// Searches a catalog of a single block without outliers.
#[inline(always)]
fn search_block<R: Ranking, const N: usize>(
    ranking: &mut R,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    scale: &Scale,
    codes: &[Codes; N],
) -> Result<u32, Reason> {
    // Borrowed, because a copy would be read in another width than it was just written in.
    let bounds = Bounds::new(valuation, scale);
    let Some(bounds) = &bounds else {
        return scan(ranking, valuation, models);
    };
    let limits = Limits::new(valuation.request(), scale);
    let gates = index.rows.gates(valuation.request());
    let open = gates.open();
    let mut live = index.enabled_of_block(0);
    if !open {
        live &= gates.capable(0) & gates.provided(0) & gates.regional(0);
    }
    // Whether the worst quality passes is anybody's guess in many a workload.
    live &= gather(codes, |codes| limits.quality_shortage(codes).zeros());
    let worst = limits.passes(&scale.worst);
    if !(worst.latency & worst.ceiling) {
        live &= gather(codes, |codes| limits.other_excess(codes).zeros());
    }
    let mut search: Search<'_, R, true> =
        Search::new(ranking, index, models, valuation, &limits, bounds);
    search.open = open;
    search.visit(0, codes, live);
    search.outcome()
}

/// Searches any other catalog.
#[inline(never)]
fn search_groups<R: Ranking>(
    ranking: &mut R,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    scale: &Scale,
) -> Result<u32, Reason> {
    let limits = Limits::new(valuation.request(), scale);
    let bounds = Bounds::new(valuation, scale);
    let Some(bounds) = &bounds else {
        return scan(ranking, valuation, models);
    };
    let mut search: Search<'_, R, false> =
        Search::new(ranking, index, models, valuation, &limits, bounds);
    for group in 0..index.group_count() {
        search.group(group);
    }
    search.outcome()
}

impl<R: Ranking, const SINGLE: bool> Search<'_, R, SINGLE> {
    /// How many models are eligible or, if none is, the reason.
    #[inline(always)]
    fn outcome(self) -> Result<u32, Reason> {
        if self.eligible_models > 0 {
            return Ok(self.eligible_models);
        }
        let costs = match &self.bounds.budget {
            Some(budget) => Costs::Mixed(budget),
            None => Costs::AllWithin,
        };
        let Self { index, models, valuation, limits, .. } = self;
        Err(blame(index, models, valuation, limits, costs).reason())
    }
}

impl<R: Ranking> Search<'_, R, false> {
    /// Searches 64 blocks: those that can't matter are left out, those of which every live model
    /// is eligible and none can win are counted, and the rest are visited, the best first.
    #[inline(never)]
    fn group(&mut self, group: usize) {
        let first_block = group * GROUP;
        let mut words = [0; GROUP];
        let live = self.index.enabled_of(group, &mut words);
        let rows = &self.index.rows;
        self.open = !rows.keep_live(self.valuation.request(), first_block, live);
        let mut alive = !0;
        if !self.open {
            alive = live.iter().rev().fold(0, |alive, live| alive << 1 | u64::from(*live != 0));
        }

        let mut scores = [Sums::ZERO; GROUP / LANES];
        let (mut hopeful, mut sure, mut passing, mut shift) = (0_u64, 0_u64, 0_u64, 0);
        for (corners, score) in self.index.corners_of(group).iter().zip(&mut scores) {
            let [best, worst] = self.judge(corners);
            let hope = best.passing & best.possible & sixteen_bits(alive >> shift);
            *score = best.score.only(hope);
            hopeful |= u64::from(hope) << shift;
            passing |= u64::from(worst.passing) << shift;
            sure |= u64::from(worst.sure) << shift;
            shift += LANES;
        }
        if hopeful == 0 {
            return;
        }
        sure &= hopeful & !self.index.blocks_with_outliers(group);
        let whole = sure & passing;

        // The best block first: what it holds spares visits to others.
        let greatest = scores.iter().fold(Sums::ZERO, |greatest, score| greatest.max(*score));
        let best = match above(&scores, greatest.greatest() - 1) & hopeful {
            0 => hopeful,
            best => best,
        };
        let best = best.trailing_zeros() as usize;
        let visit = |search: &mut Self, block: usize| {
            let live = live.get(block).copied().unwrap_or(0);
            search.visit_of_many(first_block + block, live, passing >> block & 1 == 1);
        };
        visit(self, best);
        let mut counted = whole & !(1 << best);
        // Where all have a positive utility and none can win, only the gates are left to count by.
        let gated = sure & !whole & !above(&scores, self.bar) & !(1 << best);
        for block in Bits(gated) {
            self.count_passing(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        for block in Bits(hopeful & !whole & !gated & !(1 << best)) {
            visit(self, block);
        }
        let mut passed_over = 0;
        loop {
            let contenders = counted & !passed_over & above(&scores, self.bar);
            if contenders == 0 {
                break;
            }
            let block = contenders.trailing_zeros() as usize;
            passed_over |= 1 << block;
            self.contend(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        if self.open {
            // Most blocks are counted, so it is shorter to take the others off.
            self.eligible_models += self.index.enabled_models_of(group);
            let beyond = GROUP.saturating_sub(live.len());
            for block in Bits(!counted << beyond >> beyond) {
                self.eligible_models -= live.get(block).map_or(0, |live| live.count_ones());
            }
            return;
        }
        for live in live.iter_mut() {
            *live &= 0_u64.wrapping_sub(counted & 1);
            counted >>= 1;
        }
        self.eligible_models += live.iter().map(|live| live.count_ones()).sum::<u32>();
    }

    /// Counts those of a block's live models that pass the gates on quality, latency and risk
    /// ceiling.
    #[inline(never)]
    fn count_passing(&mut self, block: usize, live: u64) {
        let Some(codes) = self.index.codes_of(block) else { return };
        let passing = live & gather(codes, |codes| self.limits.passing(codes));
        self.eligible_models += passing.count_ones();
    }

    /// Visits a block that may have outliers. `passing` says that all others of it pass the gates on
    /// quality, latency and risk ceiling.
    #[inline(never)]
    fn visit_of_many(&mut self, block: usize, live: u64, passing: bool) {
        let outliers = live & self.index.outliers_of(block);
        if outliers != 0 {
            self.judge_outliers(block, outliers);
        }
        if let Some(codes) = self.index.codes_of(block) {
            let mut live = live & !outliers;
            if !passing {
                live &= gather(codes, |codes| self.limits.passing(codes));
            }
            self.visit(block, codes, live);
        }
    }

    /// Offers the ranking those of a block's live models, all of them eligible, that may get a
    /// place.
    #[inline(never)]
    fn contend(&mut self, block: usize, live: u64) {
        if let Some(codes) = self.index.codes_of(block) {
            self.value_contenders(block, self.bounds.scores(codes), live);
        }
    }

    /// Sends models whose codes say too little through all gates.
    #[cold]
    #[inline(never)]
    fn judge_outliers(&mut self, block: usize, outliers: u64) {
        for bit in Bits(outliers) {
            if let Some(model) = self.model(block, bit)
                && let Ok(appraisal) = admit_model(self.valuation, model)
            {
                self.eligible_models += 1;
                self.ranking.offer(Candidate::new(model, appraisal));
            }
        }
    }

    /// Judges the best and the worst corners of sixteen blocks.
    #[inline]
    fn judge(&self, corners: &[Codes; 2]) -> [Judged; 2] {
        let bounds = self.bounds;
        let mut judged = bounds.scores(corners).map(|score| Judged {
            passing: 0,
            possible: score.above(Sums::splat(bounds.maybe_positive)),
            sure: score.above(Sums::splat(bounds.surely_positive())),
            score,
        });
        for (judged, corner) in judged.iter_mut().zip(corners) {
            judged.passing = self.limits.passing(corner);
        }
        if let Some(budget) = &bounds.budget {
            for (judged, cost) in judged.iter_mut().zip(budget.costs(corners)) {
                judged.possible &= !budget.above(cost);
                judged.sure &= budget.within(cost);
            }
        }
        judged
    }
}

/// One bit per corner, and the scores.
struct Judged {
    passing: u16,
    possible: u16,
    sure: u16,
    score: Sums,
}
