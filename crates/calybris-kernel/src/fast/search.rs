//! The blocks that matter, and in them the models that may win, valued exactly.

use super::blame::blame;
use super::bounds::Bounds;
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Lanes};
use super::rows::{BLOCK, Bits, GROUP};
use crate::gates::{admit_model, admit_price};
use crate::scan::{Candidate, Outcome, Podium, scan};
use crate::utility::Valuation;
use crate::{Model, Reason};

/// Up to this many models are valued one by one: it takes no longer than bounding them.
const FEW: u32 = 2;

/// Finds what [`scan`] finds.
#[inline]
pub(crate) fn search(index: &Index, models: &[Model], valuation: &Valuation<'_>) -> Outcome {
    if models.len() <= FEW as usize {
        return scan(valuation, models);
    }
    // Each of these makes bounds of its own: those that no reference leaves stay in registers.
    let (podium, eligible_models) = match (index.rows.enabled(), index.codes_of(0).len()) {
        (&[enabled], 1) => search_block::<1>(index, models, valuation, enabled),
        (&[enabled], 2) => search_block::<2>(index, models, valuation, enabled),
        (&[enabled], 3) => search_block::<3>(index, models, valuation, enabled),
        (&[enabled], _) => search_block::<4>(index, models, valuation, enabled),
        _ => search_groups(index, models, valuation),
    };
    let reject_reason = if eligible_models == 0 {
        blame(index, models, valuation).reason()
    } else {
        Reason::NoEnabledModel
    };
    Outcome { podium, eligible_models, reject_reason }
}

/// Searches a catalog of one block.
#[inline(always)]
fn search_block<const N: usize>(
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
    enabled: u64,
) -> (Podium, u32) {
    let bounds = Bounds::new(valuation, &index.scale);
    let mut search = Search::new(index, models, valuation, &bounds);
    let mut live = [enabled];
    index.rows.keep_live(valuation.request(), 0, &mut live);
    let [live] = live;
    search.visit::<N>(0, live, bounds.all_pass);
    (search.podium, search.eligible_models)
}

/// Searches a catalog of several blocks.
#[inline(never)]
fn search_groups(index: &Index, models: &[Model], valuation: &Valuation<'_>) -> (Podium, u32) {
    let bounds = Bounds::new(valuation, &index.scale);
    let mut search = Search::new(index, models, valuation, &bounds);
    for group in 0..index.group_count() {
        search.group(group);
    }
    (search.podium, search.eligible_models)
}

struct Search<'a> {
    index: &'a Index,
    models: &'a [Model],
    valuation: &'a Valuation<'a>,
    bounds: &'a Bounds,
    podium: Podium,
    eligible_models: u32,
}

impl<'a> Search<'a> {
    #[inline(always)]
    fn new(
        index: &'a Index,
        models: &'a [Model],
        valuation: &'a Valuation<'a>,
        bounds: &'a Bounds,
    ) -> Self {
        Self { index, models, valuation, bounds, podium: Podium::EMPTY, eligible_models: 0 }
    }

    /// Searches 64 blocks: those that can't matter are left out, those of which every live model
    /// is eligible and none can win are counted, and the rest are visited, the best first.
    fn group(&mut self, group: usize) {
        let first_block = group * GROUP;
        let mut words = [0; GROUP];
        let live = self.index.enabled_of(group, &mut words);
        self.index.rows.keep_live(self.valuation.request(), first_block, live);

        let mut scores = [Lanes::ZERO; GROUP / LANES];
        let (mut hopeful, mut whole, mut passing) = (0_u64, 0_u64, 0_u64);
        let mut shift = 0;
        for (corners, score) in self.index.corners_of(group).iter().zip(&mut scores) {
            let best = self.judge(&corners.best);
            let worst = self.judge(&corners.worst);
            *score = best.score;
            hopeful |= u64::from(best.passing & best.possible) << shift;
            passing |= u64::from(worst.passing) << shift;
            whole |= u64::from(worst.passing & worst.sure) << shift;
            shift += LANES;
        }
        for (block, live) in live.iter().enumerate() {
            hopeful &= !(u64::from(*live == 0) << block);
        }
        whole &= hopeful & !self.index.blocks_with_outliers(group);

        let scores = scores.map(Lanes::to_array);
        let score = |block: usize| scores.as_flattened().get(block).copied().unwrap_or(0);
        let Some(best) = Bits(hopeful).max_by_key(|&block| score(block)) else { return };
        let visit = |search: &mut Self, block: usize| {
            let live = live.get(block).copied().unwrap_or(0);
            search.visit_whole(first_block + block, live, passing >> block & 1 == 1);
        };
        // The best block first: what it holds spares visits to others.
        visit(self, best);
        let others = !(1 << best);
        let mut counted = whole & others;
        for block in Bits(whole & others) {
            if score(block) >= self.bar() {
                visit(self, block);
                counted &= !(1 << block);
            }
        }
        for block in Bits(hopeful & !whole & others) {
            visit(self, block);
        }
        for block in Bits(!counted) {
            if let Some(live) = live.get_mut(block) {
                *live = 0;
            }
        }
        self.eligible_models += live.iter().map(|live| live.count_ones()).sum::<u32>();
    }

    #[inline(never)]
    fn visit_whole(&mut self, block: usize, live: u64, passing: bool) {
        self.visit::<{ BLOCK / LANES }>(block, live, passing);
    }

    /// Counts the eligible models among the live ones of a block, and offers the podium those
    /// that may stand on it. `passing` says that all of them pass the gates on quality, latency
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
                &mut self.podium,
            );
            live &= !outliers;
        }
        if at_most_few(live) {
            return self.judge_exactly(block, live);
        }

        let mut scores = [Lanes::ZERO; N];
        for (score, codes) in scores.iter_mut().zip(codes) {
            *score = self.bounds.score(codes);
        }
        let mut possible = live & gather(&scores, |score| self.bounds.maybe_positive(*score));
        let mut sure = live & gather(&scores, |score| self.bounds.surely_positive(*score));
        if let Some(budget) = &self.bounds.budget {
            possible &= !gather(codes, |codes| budget.above(codes));
            sure &= gather(codes, |codes| budget.within(codes));
        }
        if possible != sure {
            self.judge_exactly(block, possible & !sure);
            if sure == 0 {
                return;
            }
        }
        self.eligible_models += sure.count_ones();

        let mut challengers = sure & self.index.challengers_of(block);
        let mut greatest = Lanes::ZERO;
        for score in &mut scores {
            let [low, high, ..] = challengers.to_le_bytes();
            *score = score.only(u16::from_le_bytes([low, high]));
            greatest = greatest.max(*score);
            challengers >>= LANES;
        }
        let cut = greatest.reached_twice().saturating_sub(self.bounds.shortfall()).max(self.bar());
        let below = Lanes::splat(cut.saturating_sub(1));
        for bit in Bits(gather(&scores, |score| !score.saturating_sub(below).zeros())) {
            if let Some(model) = self.index.model(self.models, block, bit) {
                self.podium.offer(Candidate::new(model, &self.valuation.terms(model)));
            }
        }
    }

    /// Sends models that pass all gates on other things through those on cost and utility.
    #[inline(always)]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(model) = self.index.model(self.models, block, bit)
                && let Ok(terms) = admit_price(self.valuation, model)
            {
                self.eligible_models += 1;
                self.podium.offer(Candidate::new(model, &terms));
            }
        }
    }

    /// The score that a model must reach to stand on the podium.
    #[inline(always)]
    fn bar(&self) -> u16 {
        match self.podium.runner_up() {
            Some(runner_up) => {
                self.bounds.bar(u64::try_from(runner_up.utility_microunits).unwrap_or(0))
            }
            None => 0,
        }
    }

    /// Judges sixteen corners.
    #[inline]
    fn judge(&self, corner: &Codes) -> Judged {
        let score = self.bounds.score(corner);
        let mut possible = self.bounds.maybe_positive(score);
        let mut sure = self.bounds.surely_positive(score);
        if let Some(budget) = &self.bounds.budget {
            possible &= !budget.above(corner);
            sure &= budget.within(corner);
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

/// Whether at most [`FEW`] bits are set; cheaper than counting where machines can't.
#[inline]
const fn at_most_few(mut bits: u64) -> bool {
    let mut removed = 0;
    while removed < FEW {
        bits &= bits.wrapping_sub(1);
        removed += 1;
    }
    bits == 0
}

/// One bit per model of a block.
#[inline(always)]
fn gather<T, const N: usize>(parts: &[T; N], bits: impl Fn(&T) -> u16) -> u64 {
    let (mut word, mut shift) = (0, 0);
    for part in parts {
        word |= u64::from(bits(part)) << shift;
        shift += LANES;
    }
    word
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
    podium: &mut Podium,
) -> u32 {
    let mut eligible_models = 0;
    for bit in Bits(bits) {
        if let Some(model) = index.model(models, block, bit)
            && let Ok(terms) = admit_model(valuation, model)
        {
            eligible_models += 1;
            podium.offer(Candidate::new(model, &terms));
        }
    }
    eligible_models
}
