//! The blocks that matter, and in them the models that may win, valued exactly.

use super::blame::blame;
use super::bounds::Bounds;
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Lanes};
use super::rows::{BLOCK, Bits, GROUP};
use super::words::{at_most, gather, lanes_of_all, reaching, sixteen_bits};
use crate::gates::{admit_model, admit_price};
use crate::ranking::{Candidate, Ranking};
use crate::scan::scan;
use crate::utility::Valuation;
use crate::{Model, Reason};

/// Catalogs of up to this many models are scanned: it takes no longer than bounding them.
const SMALL: usize = 8;
/// Up to this many models of a block are valued one by one.
const FEW: u32 = 2;

/// Gives the best models their places; returns how many models are eligible and, if none is, the
/// reason. It finds what [`scan`] finds.
#[inline]
pub(crate) fn search(
    ranking: &mut impl Ranking,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
) -> Result<u32, Reason> {
    if models.len() <= SMALL {
        let (eligible_models, tally) = scan(ranking, valuation, models);
        return if eligible_models > 0 { Ok(eligible_models) } else { Err(tally.reason()) };
    }
    let bounds = Bounds::new(valuation, &index.scale);
    match search_within(ranking, index, models, valuation, &bounds) {
        0 => Err(blame(index, models, valuation, &bounds).reason()),
        eligible_models => Ok(eligible_models),
    }
}

/// Gives the best models their places and counts the eligible ones.
#[inline(always)]
fn search_within<R: Ranking>(
    ranking: &mut R,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    bounds: &Bounds,
) -> u32 {
    let mut search =
        Search { index, models, valuation, bounds, ranking, bar: 1, eligible_models: 0 };
    if let [enabled] = *index.rows.enabled() {
        let mut live = [enabled];
        index.rows.keep_live(valuation.request(), 0, &mut live);
        let [live] = live;
        match index.codes.len() {
            1 => search.visit::<1>(0, live, bounds.all_pass),
            2 => search.visit::<2>(0, live, bounds.all_pass),
            3 => search.visit::<3>(0, live, bounds.all_pass),
            _ => search.visit::<4>(0, live, bounds.all_pass),
        }
    } else {
        for group in 0..index.group_count() {
            search.group(group);
        }
    }
    search.eligible_models
}

struct Search<'a, R> {
    index: &'a Index,
    models: &'a [Model],
    valuation: &'a Valuation<'a>,
    bounds: &'a Bounds,
    ranking: &'a mut R,
    /// The score that a model must reach to get a place.
    bar: u16,
    eligible_models: u32,
}

impl<R: Ranking> Search<'_, R> {
    /// Searches 64 blocks: those that can't matter are left out, those of which every live model
    /// is eligible and none can win are counted, and the rest are visited, the best first.
    #[inline(never)]
    fn group(&mut self, group: usize) {
        let first_block = group * GROUP;
        let mut words = [0; GROUP];
        let live = self.index.enabled_of(group, &mut words);
        let rows = &self.index.rows;
        let constrained = rows.keep_live(self.valuation.request(), first_block, live);
        let mut alive = !0;
        if constrained {
            alive = live.iter().rev().fold(0, |alive, live| alive << 1 | u64::from(*live != 0));
        }

        let mut scores = [Lanes::ZERO; GROUP / LANES];
        let (mut hopeful, mut sure, mut passing, mut shift) = (0_u64, 0_u64, 0_u64, 0);
        for (corners, score) in self.index.corners_of(group).iter().zip(&mut scores) {
            let best = self.judge(&corners.best);
            let worst = self.judge(&corners.worst);
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
        let greatest = scores.iter().fold(Lanes::ZERO, |greatest, score| greatest.max(*score));
        let best = reaching(&scores, greatest.greatest()).trailing_zeros() as usize;
        let visit = |search: &mut Self, block: usize| {
            let live = live.get(block).copied().unwrap_or(0);
            search.visit_whole(first_block + block, live, passing >> block & 1 == 1);
        };
        visit(self, best);
        let mut counted = whole & !(1 << best);
        // Where all have a positive utility and none can win, only the gates are left to count by.
        let gated = sure & !whole & !reaching(&scores, self.bar) & !(1 << best);
        for block in Bits(gated) {
            self.count_passing(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        for block in Bits(hopeful & !whole & !gated & !(1 << best)) {
            visit(self, block);
        }
        let mut passed_over = 0;
        loop {
            let contenders = counted & !passed_over & reaching(&scores, self.bar);
            if contenders == 0 {
                break;
            }
            let block = contenders.trailing_zeros() as usize;
            passed_over |= 1 << block;
            self.contend(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        if !constrained {
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
        let Some(codes) = self.index.codes_of(block).first_chunk::<{ BLOCK / LANES }>() else {
            return;
        };
        let passing = live & gather(codes, |codes| self.bounds.passing(codes));
        self.eligible_models += passing.count_ones();
    }

    #[inline(never)]
    fn visit_whole(&mut self, block: usize, live: u64, passing: bool) {
        self.visit::<{ BLOCK / LANES }>(block, live, passing);
    }

    /// Counts the eligible models among the live ones of a block, and offers the ranking those
    /// that may get a place. `passing` says that all of them pass the gates on quality, latency
    /// and risk ceiling. The block has `N` times sixteen codes: loops of a known length unroll.
    #[inline(always)]
    fn visit<const N: usize>(&mut self, block: usize, mut live: u64, passing: bool) {
        let Some(codes) = self.index.codes_of(block).first_chunk::<N>() else { return };
        if !passing {
            live &= gather(codes, |codes| self.bounds.passing(codes));
        }
        let outliers = self.index.outliers_of(block);
        if live & outliers != 0 {
            self.eligible_models += judge_outliers(
                self.index,
                self.models,
                self.valuation,
                block,
                live & outliers,
                self.ranking,
            );
            live &= !outliers;
        }
        if at_most(FEW, live) {
            return self.judge_exactly(block, live);
        }

        let (mut affordable, mut surely) = (!0, !0);
        if let Some(budget) = &self.bounds.budget {
            let costs = lanes_of_all(codes, |codes| budget.costs(codes));
            affordable = !gather(&costs, |costs| budget.above(*costs));
            if live & affordable == 0 {
                return;
            }
            surely = gather(&costs, |costs| budget.within(*costs));
        }

        let mut scores = lanes_of_all(codes, |codes| self.bounds.score(codes));
        let mut sure = live & gather(&scores, |score| self.bounds.surely_positive(*score));
        let mut possible = sure;
        if sure != live {
            possible = live & gather(&scores, |score| self.bounds.maybe_positive(*score));
        }
        possible &= affordable;
        sure &= surely;
        if possible != sure {
            self.judge_exactly(block, possible & !sure);
        }
        if sure == 0 {
            return;
        }
        self.eligible_models += sure.count_ones();
        self.value_contenders(block, &mut scores, sure & self.challengers(block));
    }

    /// Offers the ranking those of a block's live models, all of them eligible, that may get a
    /// place.
    #[inline(never)]
    fn contend(&mut self, block: usize, live: u64) {
        let Some(codes) = self.index.codes_of(block).first_chunk::<{ BLOCK / LANES }>() else {
            return;
        };
        let mut scores = lanes_of_all(codes, |codes| self.bounds.score(codes));
        self.value_contenders(block, &mut scores, live & self.challengers(block));
    }

    /// Values those of some eligible models exactly whose scores may get them a place.
    #[inline(always)]
    fn value_contenders<const N: usize>(
        &mut self,
        block: usize,
        scores: &mut [Lanes; N],
        eligible: u64,
    ) {
        let mut contenders = eligible;
        if self.bar > 1 {
            contenders &= reaching(scores, self.bar);
        }
        if !at_most(FEW, contenders) {
            let mut greatest = Lanes::ZERO;
            let mut rest = contenders;
            for score in scores.iter_mut() {
                *score = score.only(sixteen_bits(rest));
                greatest = greatest.max(*score);
                rest >>= LANES;
            }
            let reached = match self.ranking.places() {
                2 => greatest.reached_twice(),
                places => greatest.reached_by(places),
            };
            let cut = reached.saturating_sub(self.bounds.shortfall());
            contenders &= reaching(scores, cut);
        }
        if contenders == 0 {
            return;
        }
        for bit in Bits(contenders) {
            if let Some(model) = self.index.model(self.models, block, bit) {
                self.ranking.offer(Candidate::new(model, &self.valuation.terms(model)));
            }
        }
        self.raise_bar();
    }

    /// Sends models that pass all gates on other things through those on cost and utility.
    #[inline(always)]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(model) = self.index.model(self.models, block, bit)
                && let Ok(terms) = admit_price(self.valuation, model)
            {
                self.eligible_models += 1;
                self.ranking.offer(Candidate::new(model, &terms));
            }
        }
    }

    /// The models of a block that may get a place: with two places, those that not two others
    /// outdo.
    #[inline(always)]
    fn challengers(&self, block: usize) -> u64 {
        if self.ranking.places() > 2 { !0 } else { self.index.challengers_of(block) }
    }

    /// Sets the score that a model must reach to get a place.
    #[inline(always)]
    fn raise_bar(&mut self) {
        if let Some(least) = self.ranking.least_utility_microunits() {
            self.bar = self.bounds.bar(u64::try_from(least).unwrap_or(0));
        }
    }

    /// Judges sixteen corners.
    #[inline]
    fn judge(&self, corner: &Codes) -> Judged {
        let score = self.bounds.score(corner);
        let mut possible = self.bounds.maybe_positive(score);
        let mut sure = self.bounds.surely_positive(score);
        if let Some(budget) = &self.bounds.budget {
            let costs = budget.costs(corner);
            possible &= !budget.above(costs);
            sure &= budget.within(costs);
        }
        Judged { passing: self.bounds.passing(corner), possible, sure, score }
    }
}

/// One bit per corner, and the scores.
struct Judged {
    passing: u16,
    possible: u16,
    sure: u16,
    score: Lanes,
}

/// Sends models whose codes say too little through all gates; returns how many are eligible.
#[cold]
#[inline(never)]
fn judge_outliers(
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    block: usize,
    bits: u64,
    ranking: &mut impl Ranking,
) -> u32 {
    let mut eligible_models = 0;
    for bit in Bits(bits) {
        if let Some(model) = index.model(models, block, bit)
            && let Ok(terms) = admit_model(valuation, model)
        {
            eligible_models += 1;
            ranking.offer(Candidate::new(model, &terms));
        }
    }
    eligible_models
}
