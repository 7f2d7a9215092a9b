//! A catalog of many blocks, or with outliers: the blocks that matter are counted whole, left out, or
//! visited.

use super::bounds::{Bounds, Scale};
use super::codes::Codes;
use super::index::{Index, PARTS};
use super::lanes::{LANES, Mask, Splat, Sums};
use super::limits::Limits;
use super::rows::{Bits, GROUP};
use super::verdicts::{Asked, Verdicts};
use super::words::{above, at_most, gather, sixteen_bits};
use crate::Model;
use crate::gates::{admit_model, admit_price};
use crate::ranking::{Candidate, Ranking};
use crate::utility::Valuation;

/// Up to this many models of a block are valued one by one.
const FEW: u32 = 2;

/// What is searched, and what was found so far.
struct Search<'a, R> {
    index: &'a Index,
    models: &'a [Model],
    valuation: Valuation<'a>,
    limits: Limits,
    bounds: &'a Bounds,
    /// Whether all enabled models pass the gates on capabilities, providers and regions.
    open: bool,
    ranking: R,
    /// What the score of a model must be above to get a place.
    bar: i16,
    eligible_models: u32,
}

/// Gives the best models of the catalog their places, and says how many are eligible.
#[inline(never)]
pub(super) fn search_groups<R: Ranking>(
    ranking: R,
    index: &Index,
    models: &[Model],
    valuation: Valuation<'_>,
    scale: &Scale,
    bounds: &Bounds,
) -> (R, u32) {
    let limits = Limits::new(valuation.request(), scale);
    let open = index.rows.is_open_to(valuation.request());
    let (bar, eligible_models) = (bounds.maybe_positive, 0);
    let mut search =
        Search { index, models, valuation, limits, bounds, open, ranking, bar, eligible_models };
    for group in 0..index.group_count() {
        search.group(group);
    }
    (search.ranking, search.eligible_models)
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
        let mut alive = !0;
        if !self.open {
            rows.keep_open_to(self.valuation.request(), first_block, live);
            alive = live.iter().rev().fold(0, |alive, live| alive << 1 | u64::from(*live != 0));
        }

        let mut scores = [Sums::ZERO; GROUP / LANES];
        let (mut hopeful, mut sure, mut passing, mut shift) = (0_u64, 0_u64, 0_u64, 0);
        for (corners, score) in self.index.corners_of(group).iter().zip(&mut scores) {
            let [best, worst] = self.judge(corners);
            let hope = best.passing & best.possible & sixteen_bits(alive >> shift);
            *score = best.score.only(Mask::of(hope));
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
        let visit = |search: &mut Self, block: usize, contending: u64| {
            let live = live.get(block).copied().unwrap_or(0);
            let [passing, contending] =
                [passing, contending].map(|blocks| blocks >> block & 1 == 1);
            search.visit(first_block + block, live, passing, contending);
        };
        visit(self, best, !0);
        let mut counted = whole & !(1 << best);
        // Where all have a positive utility and none can win, only the gates are left to count by.
        let contending = above(&scores, self.bar);
        let gated = sure & !whole & !contending & !(1 << best);
        for block in Bits(gated) {
            self.count_passing(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        for block in Bits(hopeful & !whole & !gated & !(1 << best)) {
            visit(self, block, contending);
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

    /// Visits a block: counts its eligible models, and offers the ranking those that may get a place.
    /// `passing` says that all but outliers pass the gates on quality, latency and risk ceiling;
    /// `contending`, that any but outliers may get a place.
    #[inline(never)]
    fn visit(&mut self, block: usize, live: u64, passing: bool, contending: bool) {
        let outliers = live & self.index.outliers_of(block);
        if outliers != 0 {
            self.judge_outliers(block, outliers);
        }
        if let Some(codes) = self.index.codes_of(block) {
            let mut live = live & !outliers;
            if !passing {
                live &=
                    gather(codes, |codes| self.limits.latency_or_risk_excess(codes).zeros().bits());
            }
            let places = if contending { self.ranking.places() } else { 0 };
            let Verdicts { eligible, doubtful, contenders } =
                self.verdicts(block, codes, live, places);
            self.judge_exactly(block, doubtful);
            self.eligible_models += eligible.count_ones();
            self.value(block, contenders);
        }
    }

    /// See [`Asked::floor`].
    #[inline(always)]
    fn floor(&self) -> Splat {
        // No bar is below -2, and no shortfall below 4.
        Splat::new(self.bar.saturating_add(self.bounds.shortfall).cast_unsigned())
    }

    /// What the codes of a block prove of its live models.
    #[inline(always)]
    fn verdicts(&self, block: usize, codes: &[Codes; PARTS], live: u64, places: usize) -> Verdicts {
        let asked = Asked {
            minimum_quality: self.limits.minimum_quality,
            live,
            all_live: live == self.index.enabled_of_block(block),
            floor: self.floor(),
            places,
        };
        Verdicts::new(self.bounds, codes, &asked)
    }

    /// Offers the ranking those of a block's live models, all of them eligible, that may get a
    /// place.
    #[inline(never)]
    fn contend(&mut self, block: usize, live: u64) {
        let Some(codes) = self.index.codes_of(block) else { return };
        // After the best block, the bar alone leaves few.
        let mut contenders = live & above(&self.bounds.scores(codes), self.bar);
        if !at_most(FEW, contenders) {
            // All are eligible, also those of whom a verdict alone would doubt it: their block was
            // judged as a whole, each clearance by what is enough for it.
            let places = self.ranking.places();
            let verdicts = self.verdicts(block, codes, live, places);
            contenders &= verdicts.contenders | verdicts.doubtful;
        }
        self.value(block, contenders);
    }

    /// Values contenders exactly and offers them to the ranking.
    #[inline(always)]
    fn value(&mut self, block: usize, mut contenders: u64) {
        contenders &= self.index.challengers_of(block, self.open, self.ranking.places());
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
        if let Some(least) = self.ranking.least_utility_microunits() {
            self.bar = self.bounds.bar(u64::try_from(least).unwrap_or(0));
        }
    }

    /// Sends models that pass all gates on other things through those on cost and utility.
    #[inline(always)]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(model) = self.index.model(self.models, block, bit)
                && let Ok(appraisal) = admit_price(&self.valuation, model)
            {
                self.eligible_models += 1;
                self.ranking.offer(Candidate::new(model, appraisal));
            }
        }
    }

    /// The model at a bit of a block, valued exactly.
    #[inline(always)]
    fn candidate(&self, block: usize, bit: usize) -> Option<Candidate> {
        let model = self.index.model(self.models, block, bit)?;
        Some(Candidate::new(model, self.valuation.appraise(model)))
    }

    /// Sends models whose codes say too little through all gates.
    #[cold]
    #[inline(never)]
    fn judge_outliers(&mut self, block: usize, outliers: u64) {
        for bit in Bits(outliers) {
            if let Some(model) = self.index.model(self.models, block, bit)
                && let Ok(appraisal) = admit_model(&self.valuation, model)
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
            possible: score.above(Sums::splat(bounds.maybe_positive)).bits(),
            sure: score.above(Sums::splat(bounds.surely_positive())).bits(),
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
