//! The blocks that matter, and in them the models that may win, valued exactly.

use super::blame::blame;
use super::bounds::Bounds;
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Lanes};
use super::rows::{BLOCK, Bits, GROUP};
use crate::gates::admit_model;
use crate::scan::{Candidate, Outcome, Podium, scan};
use crate::utility::Valuation;
use crate::{Model, Reason};

/// Up to this many models are valued one by one: it takes no longer than bounding them.
const FEW: u32 = 5;

/// Finds what [`scan`] finds.
#[inline]
pub(crate) fn search(index: &Index, models: &[Model], valuation: &Valuation<'_>) -> Outcome {
    if models.len() <= FEW as usize {
        return scan(valuation, models);
    }
    let mut search = Search {
        index,
        models,
        valuation,
        bounds: Bounds::new(valuation, &index.scale),
        podium: Podium::EMPTY,
        eligible_models: 0,
    };
    if let [enabled] = *index.rows.enabled() {
        let mut live = [enabled];
        index.rows.keep_live(valuation.request(), 0, &mut live);
        let [live] = live;
        search.visit(0, live, false);
    } else {
        search.groups();
    }
    let Search { podium, eligible_models, bounds, .. } = search;
    let reject_reason = if eligible_models == 0 {
        blame(index, models, valuation, &bounds).reason()
    } else {
        Reason::NoEnabledModel
    };
    Outcome { podium, eligible_models, reject_reason }
}

struct Search<'a> {
    index: &'a Index,
    models: &'a [Model],
    valuation: &'a Valuation<'a>,
    bounds: Bounds,
    podium: Podium,
    eligible_models: u32,
}

impl Search<'_> {
    #[inline(never)]
    fn groups(&mut self) {
        for group in 0..self.index.group_count() {
            self.group(group);
        }
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
            search.visit(first_block + block, live, passing >> block & 1 == 1);
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

    /// Counts the eligible models among the live ones of a block, and offers the podium those
    /// that may stand on it. `passing` says that all of them pass the gates on quality, latency
    /// and risk ceiling.
    #[inline]
    fn visit(&mut self, block: usize, mut live: u64, passing: bool) {
        let block_codes = self.index.codes_of(block);
        if !passing {
            let (mut pass, mut shift) = (0, 0);
            for codes in block_codes {
                pass |= u64::from(self.bounds.passing(codes)) << shift;
                shift += LANES;
            }
            live &= pass;
        }
        if at_most_few(live) {
            return self.judge_exactly(block, live);
        }

        let mut scores = [Lanes::ZERO; BLOCK / LANES];
        let (mut possible, mut sure, mut shift) = (0_u64, 0_u64, 0);
        for (codes, score) in block_codes.iter().zip(&mut scores) {
            *score = self.bounds.score(codes);
            possible |= u64::from(self.bounds.maybe_positive(*score)) << shift;
            sure |= u64::from(self.bounds.surely_positive(*score)) << shift;
            shift += LANES;
        }
        if let Some(budget) = &self.bounds.budget {
            let (mut above, mut within, mut shift) = (0, 0, 0);
            for codes in block_codes {
                let (codes_above, codes_within) = budget.judge(codes);
                above |= u64::from(codes_above) << shift;
                within |= u64::from(codes_within) << shift;
                shift += LANES;
            }
            possible &= !above;
            sure &= within;
        }
        possible &= live;
        sure &= possible & !self.index.outliers_of(block);
        self.judge_exactly(block, possible & !sure);
        if sure == 0 {
            return;
        }
        self.eligible_models += sure.count_ones();

        let mut greatest = Lanes::ZERO;
        let mut shift = 0;
        for score in &mut scores {
            let [low, high, ..] = (sure >> shift).to_le_bytes();
            *score = score.only(u16::from_le_bytes([low, high]));
            greatest = greatest.max(*score);
            shift += LANES;
        }
        let cut = greatest.reached_twice().saturating_sub(self.bounds.margin).max(self.bar());
        let below = Lanes::splat(cut.saturating_sub(1));
        let (mut contenders, mut shift) = (0, 0);
        for score in &scores {
            contenders |= u64::from(!score.saturating_sub(below).zeros()) << shift;
            shift += LANES;
        }
        for bit in Bits(contenders) {
            if let Some(model) = self.index.model(self.models, block, bit) {
                self.podium.offer(Candidate::new(model, &self.valuation.terms(model)));
            }
        }
    }

    /// Sends models through the exact gates.
    #[inline]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(model) = self.index.model(self.models, block, bit)
                && let Ok(terms) = admit_model(self.valuation, model)
            {
                self.eligible_models += 1;
                self.podium.offer(Candidate::new(model, &terms));
            }
        }
    }

    /// The score that a model must reach to stand on the podium.
    #[inline]
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
            let (above, within) = budget.judge(corner);
            possible &= !above;
            sure &= within;
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
