//! One block: its eligible models counted, and those that may win valued exactly.

use super::bounds::{Bounds, Limits};
use super::codes::Codes;
use super::index::Index;
use super::lanes::{LANES, Sums};
use super::rows::Bits;
use super::words::{above, at_most, below, gather, sixteen_bits};
use crate::Model;
use crate::gates::admit_price;
use crate::ranking::{Candidate, Ranking};
use crate::utility::Valuation;

/// Up to this many models of a block are valued one by one.
const FEW: u32 = 2;

/// What is searched, and what was found so far. `SINGLE` says that it is a catalog of a single block
/// without outliers.
pub(crate) struct Search<'a, R, const SINGLE: bool> {
    pub(crate) index: &'a Index,
    pub(crate) models: &'a [Model],
    pub(crate) valuation: &'a Valuation<'a>,
    pub(crate) limits: &'a Limits,
    pub(crate) bounds: &'a Bounds,
    pub(crate) ranking: &'a mut R,
    /// What the score of a model must be above to get a place.
    pub(crate) bar: i16,
    pub(crate) eligible_models: u32,
    /// Whether all enabled models pass the gates on capabilities, providers and regions.
    pub(crate) open: bool,
}

impl<'a, R: Ranking, const SINGLE: bool> Search<'a, R, SINGLE> {
    #[inline(always)]
    pub(crate) fn new(
        ranking: &'a mut R,
        index: &'a Index,
        models: &'a [Model],
        valuation: &'a Valuation<'a>,
        limits: &'a Limits,
        bounds: &'a Bounds,
    ) -> Self {
        let (bar, eligible_models) = (bounds.maybe_positive, 0);
        Self { index, models, valuation, limits, bounds, ranking, bar, eligible_models, open: true }
    }

    /// Counts the eligible models among the live ones of a block, and offers the ranking those that
    /// may get a place. All of them pass the gates before the budget, and none is an outlier.
    #[inline(always)]
    pub(crate) fn visit<const N: usize>(&mut self, block: usize, codes: &[Codes; N], live: u64) {
        let bounds = self.bounds;
        if at_most(FEW, live) {
            return self.judge_exactly(block, live);
        }

        let scores = bounds.scores(codes);
        let (mut possible, mut sure) = (live, live);
        if let Some(budget) = &bounds.budget {
            let clearances = bounds.clearances(budget, codes, &scores);
            possible &= !gather(&clearances, |clearances| clearances.negative());
            sure &= !below(&clearances, bounds.sure_clearance(budget));
        } else {
            sure &= above(&scores, bounds.surely_positive());
            if sure != live {
                possible &= above(&scores, bounds.maybe_positive);
            }
        }
        if possible != sure {
            self.judge_exactly(block, possible & !sure);
        }
        if sure == 0 {
            return;
        }
        self.eligible_models += if SINGLE && sure == self.index.enabled_of_block(block) {
            self.index.enabled_models
        } else {
            sure.count_ones()
        };
        self.value_contenders(block, scores, sure);
    }

    /// Values those of some eligible models exactly whose scores may get them a place.
    #[inline(always)]
    pub(crate) fn value_contenders<const N: usize>(
        &mut self,
        block: usize,
        mut scores: [Sums; N],
        eligible: u64,
    ) {
        let enabled = self.index.enabled_of_block(block);
        let mut contenders = eligible;
        if self.ranking.places() <= 2 {
            contenders &= self.index.challengers_of(block, self.open);
        }
        if self.bar != self.bounds.maybe_positive {
            contenders &= above(&scores, self.bar);
        }
        if !at_most(FEW, contenders) {
            // Lanes of no enabled model have a score of 0 or less (INVARIANT (positions)).
            if eligible != enabled {
                let mut rest = eligible;
                for score in &mut scores {
                    *score = score.only(sixteen_bits(rest));
                    rest >>= LANES;
                }
            }
            let greatest = scores.iter().fold(Sums::ZERO, |greatest, score| greatest.max(*score));
            let reached = match self.ranking.places() {
                2 => greatest.reached_twice(),
                places => greatest.reached_by(places),
            };
            // Both are 0 or more, so nothing wraps.
            contenders &= above(&scores, reached.wrapping_sub(self.bounds.shortfall));
        }
        if contenders == 0 {
            return;
        }
        // There are usually two.
        let mut bits = Bits(contenders);
        while let Some(first) = bits.next().and_then(|bit| self.candidate(block, bit)) {
            match bits.next().and_then(|bit| self.candidate(block, bit)) {
                Some(second) => self.ranking.offer_two(first, second),
                None => self.ranking.offer(first),
            }
        }
        self.raise_bar();
    }

    /// Sends models that pass all gates on other things through those on cost and utility.
    #[inline(always)]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(model) = self.model(block, bit)
                && let Ok(appraisal) = admit_price(self.valuation, model)
            {
                self.eligible_models += 1;
                self.ranking.offer(Candidate::new(model, appraisal));
            }
        }
    }

    /// The model at a bit of a block, valued exactly.
    #[inline(always)]
    fn candidate(&self, block: usize, bit: usize) -> Option<Candidate> {
        let model = self.model(block, bit)?;
        Some(Candidate::new(model, self.valuation.appraise(model)))
    }

    /// The model at a bit of a block.
    #[inline(always)]
    pub(crate) fn model(&self, block: usize, bit: usize) -> Option<&'a Model> {
        if SINGLE { self.models.get(bit) } else { self.index.model(self.models, block, bit) }
    }

    /// Sets what the score of a model must be above to get a place.
    #[inline(always)]
    fn raise_bar(&mut self) {
        if let Some(least) = self.ranking.least_utility_microunits() {
            self.bar = self.bounds.bar(u64::try_from(least).unwrap_or(0));
        }
    }
}
