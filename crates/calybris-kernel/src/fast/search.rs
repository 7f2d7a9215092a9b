//! The blocks that matter, and in them the models that may win, valued exactly.

use super::blame::blame;
use super::bounds::Bounds;
use super::index::Index;
use super::lanes::Lanes;
use super::octet::Octet;
use super::rows::{BLOCK, Bits, GROUP};
use crate::gates::admit_model;
use crate::scan::{Candidate, Outcome, Podium, scan};
use crate::utility::Valuation;
use crate::{Model, Reason};

/// Up to this many models are valued one by one: it takes no longer than bounding them.
const FEW: u32 = 5;

/// Finds what [`scan`] finds.
pub(crate) fn search(index: &Index, models: &[Model], valuation: &Valuation<'_>) -> Outcome {
    if models.len() <= FEW as usize {
        return scan(valuation, models);
    }
    let bounds = Bounds::new(valuation, &index.scale);
    let mut search =
        Search { index, models, valuation, bounds, podium: Podium::default(), eligible_models: 0 };
    if let [enabled] = *index.rows.enabled() {
        let mut live = [enabled];
        index.rows.keep_live(valuation.request(), 0, &mut live);
        let [live] = live;
        search.visit(0, live, false);
    } else {
        for group in 0..index.group_count() {
            search.group(group);
        }
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
    /// Searches 64 blocks: those that can't matter are left out, those of which every live model
    /// is eligible and none can win are counted, and the rest are visited, the best first.
    fn group(&mut self, group: usize) {
        let first_block = group * GROUP;
        let mut words = [0; GROUP];
        let live = self.index.enabled_of(group, &mut words);
        self.index.rows.keep_live(self.valuation.request(), first_block, live);
        let mut scores = [Lanes::ZERO; GROUP / 8];
        let (mut hopeful, mut whole, mut passing) = (0_u64, 0_u64, 0_u64);
        for ((corners, score), shift) in
            self.index.corners_of(group).iter().zip(&mut scores).zip((0..).step_by(8))
        {
            let best = self.judge(&corners.best);
            let worst = self.judge(&corners.worst);
            *score = best.score;
            hopeful |= u64::from(best.passing & best.possible) << shift;
            passing |= u64::from(worst.passing) << shift;
            whole |= u64::from(worst.passing & worst.sure) << shift;
        }
        for (block, live) in live.iter().enumerate() {
            hopeful &= !(u64::from(*live == 0) << block);
            whole &= !(u64::from(self.index.outliers_of(first_block + block) != 0) << block);
        }
        whole &= hopeful;

        let scores = scores.map(Lanes::to_array);
        let score = |block: usize| scores.as_flattened().get(block).copied().unwrap_or(0);
        let Some(best) = Bits(hopeful).max_by_key(|&block| score(block)) else { return };

        let mut to_visit = hopeful & !whole;
        // The best block first: what it holds spares the visit to others.
        let visit = |search: &mut Self, block: usize, live: &[u64]| {
            let live = live.get(block).copied().unwrap_or(0);
            search.visit(first_block + block, live, passing >> block & 1 == 1);
        };
        visit(self, best, live);
        to_visit &= !(1 << best);
        whole &= !(1 << best);
        for block in Bits(whole) {
            if score(block) >= self.bar() {
                visit(self, block, live);
                whole &= !(1 << block);
            }
        }
        for block in Bits(to_visit) {
            visit(self, block, live);
        }
        for (bit, live) in live.iter_mut().enumerate() {
            *live &= 0_u64.wrapping_sub(whole >> bit & 1);
        }
        self.eligible_models += live.iter().map(|live| live.count_ones()).sum::<u32>();
    }

    /// Counts the eligible models among the live ones of a block, and offers the podium those
    /// that may stand on it. `passing` says that all of them pass the gates on quality, latency
    /// and risk ceiling.
    fn visit(&mut self, block: usize, mut live: u64, passing: bool) {
        let octets = self.index.octets_of(block);
        if !passing {
            let mut pass = 0;
            for (octet, shift) in octets.iter().zip((0..).step_by(8)) {
                pass |= u64::from(self.bounds.passing(octet)) << shift;
            }
            live &= pass;
        }
        if live.count_ones() <= FEW {
            return self.judge_exactly(block, live);
        }

        let mut scores = [Lanes::ZERO; BLOCK / 8];
        let (mut possible, mut sure) = (0_u64, 0_u64);
        for ((octet, score), shift) in octets.iter().zip(&mut scores).zip((0..).step_by(8)) {
            let (octet_possible, octet_score) = self.bounds.score(octet);
            possible |= u64::from(octet_possible) << shift;
            sure |= u64::from(self.bounds.surely_positive(octet_score)) << shift;
            *score = octet_score;
        }
        if let Some(budget) = self.bounds.budget {
            for (octet, shift) in octets.iter().zip((0..).step_by(8)) {
                let (above, within) = budget.judge(octet);
                possible &= !(u64::from(above) << shift);
                sure &= !(u64::from(!within) << shift);
            }
        }
        possible &= live;
        sure &= possible & !self.index.rows.outliers().get(block).copied().unwrap_or(0);
        self.judge_exactly(block, possible & !sure);
        if sure == 0 {
            return;
        }
        self.eligible_models += sure.count_ones();

        let mut greatest = Lanes::ZERO;
        for (score, sure) in scores.iter_mut().zip(sure.to_le_bytes()) {
            *score = score.only(sure);
            greatest = greatest.max(*score);
        }
        let cut = greatest.second().saturating_sub(self.bounds.margin).max(self.bar()).max(1);
        let cut = Lanes::splat(cut - 1);
        let mut contenders = 0;
        for (score, shift) in scores.iter().zip((0..).step_by(8)) {
            contenders |= u64::from(!score.saturating_sub(cut).zeros()) << shift;
        }
        for bit in Bits(contenders) {
            if let Some(model) = self.index.model(self.models, block, bit) {
                self.podium.offer(Candidate::new(model, &self.valuation.terms(model)));
            }
        }
    }

    /// Sends models through the exact gates.
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
    fn bar(&self) -> u16 {
        match self.podium.runner_up {
            Some(runner_up) => {
                self.bounds.bar(u64::try_from(runner_up.utility_microunits).unwrap_or(0))
            }
            None => 0,
        }
    }

    /// Judges eight corners.
    #[inline]
    fn judge(&self, corner: &Octet) -> Judged {
        let (mut possible, score) = self.bounds.score(corner);
        let mut sure = self.bounds.surely_positive(score);
        if let Some(budget) = self.bounds.budget {
            let (above, within) = budget.judge(corner);
            possible &= !above;
            sure &= within;
        }
        Judged { passing: self.bounds.passing(corner), possible, sure, score }
    }
}

/// One bit per corner, and the scores.
struct Judged {
    passing: u8,
    possible: u8,
    sure: u8,
    score: Lanes,
}
