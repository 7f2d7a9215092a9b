//! The search of a catalog of many blocks, or with outliers. Blocks without an eligible model are skipped.
//! Blocks that may hold a winner are visited, the best first, until no other block can. In the rest the
//! eligible models are counted: all at once, by the gates that are left, or by their codes.

use super::block_filter::{BlockFilter, CountEligible, Counted, Filtered};
use super::blocks::{GROUP, PARTS, nonzero};
use super::bounds::{Bounds, Scale};
use super::charges::Bill;
use super::index::Index;
use super::lanes::{Bits, LANES, Mask, Splat, Sums, above, at_most, gather};
use super::quantize::Codes;
use super::scope::Scope;
use super::slack::Limits;
use super::zone_map::{ZoneMaps, ZoneVerdicts};
use crate::catalog::Entry;
use crate::gates::admit_model;
use crate::ranking::{Candidate, Ranking};
use crate::utility::Valuation;

/// In a block whose models are all eligible, up to this many contenders are valued without a visit.
const FEW: u32 = 2;

/// The state of a search.
struct Search<'a, R, B: Bill> {
    index: &'a Index,
    entries: &'a [Entry],
    valuation: Valuation<'a>,
    limits: Limits,
    bounds: &'a Bounds<B>,
    scope: Scope<'a>,
    /// Whether all enabled models are candidates and pass the gates on capabilities, provider, regions and window.
    open: bool,
    ranking: R,
    /// What the score of a model must be above to get a place.
    bar: i16,
    eligible_models: u32,
}

/// Gives the best models of the catalog their places, and says how many are eligible.
#[inline(never)]
pub(super) fn search_groups<R: Ranking, B: Bill>(
    ranking: R,
    index: &Index,
    entries: &[Entry],
    valuation: Valuation<'_>,
    scale: &Scale,
    bounds: &Bounds<B>,
    scope: Scope<'_>,
) -> (R, u32) {
    let limits = Limits::new(valuation.request(), scale);
    let open = scope.is_open() && index.rows.is_open_to(valuation.request());
    let (bar, eligible_models) = (bounds.maybe_positive, 0);
    let mut search = Search {
        index,
        entries,
        valuation,
        limits,
        bounds,
        scope,
        open,
        ranking,
        bar,
        eligible_models,
    };
    for group in 0..index.group_count() {
        search.group(group);
    }
    (search.ranking, search.eligible_models)
}

impl<R: Ranking, B: Bill> Search<'_, R, B> {
    /// Searches 64 blocks: visits those that may hold a winner, the best first, and counts the eligible
    /// models of the others, all of them at once where it can.
    #[inline(never)]
    fn group(&mut self, group: usize) {
        let first_block = group * GROUP;
        let mut words = [0; GROUP];
        let live = self.index.enabled_of(self.scope.view, group, &mut words);
        let rows = &self.index.rows;
        let mut alive = !0;
        if !self.open {
            rows.keep_open_to(self.valuation.request(), first_block, live);
            if !self.scope.all_are_candidates() {
                self.scope.keep_candidates(first_block, live);
            }
            if let Some(fitting) = self.scope.fitting {
                rows.keep_fitting(fitting, first_block, live);
            }
            alive = nonzero(live);
        }

        let judged = self.judge(group);
        let hopeful = judged.hopeful & alive;
        if hopeful == 0 {
            return;
        }
        let sure = judged.sure & hopeful & !self.scope.blocks_with_outliers(self.index, group);
        let whole = sure & judged.passing;

        // The best block first: its models raise the bar for the others.
        let mut contending = best_of(&judged.scores, hopeful);
        let mut visited = 0;
        while contending != 0 {
            let block = contending.trailing_zeros() as usize;
            visited |= 1 << block;
            let live = live.get(block).copied().unwrap_or(0);
            let [whole, passing] = [whole, judged.passing].map(|blocks| blocks >> block & 1 == 1);
            if !(whole && self.contend(first_block + block, live)) {
                self.visit(first_block + block, live, passing);
            }
            contending = hopeful & !visited & above(&judged.scores, self.bar);
        }

        // No other model can get a place.
        let others = hopeful & !visited;
        for block in Bits(others & sure & !whole) {
            self.count_passing(first_block + block, live.get(block).copied().unwrap_or(0));
        }
        let unsure = others & !sure;
        if unsure != 0 {
            self.count_eligible(group, unsure, live);
        }
        let counted = others & whole;
        if self.open {
            // Most blocks are counted, so it is faster to count all and subtract the others.
            self.eligible_models += self.index.enabled_models_of(self.scope.view, group);
            let beyond = GROUP.saturating_sub(live.len());
            for block in Bits(!counted << beyond >> beyond) {
                self.eligible_models -= live.get(block).map_or(0, |live| live.count_ones());
            }
        } else {
            for block in Bits(counted) {
                self.eligible_models += live.get(block).map_or(0, |live| live.count_ones());
            }
        }
    }

    /// Counts those of a block's live models that pass the gates on quality, latency and risk
    /// ceiling.
    #[inline(never)]
    fn count_passing(&mut self, block: usize, live: u64) {
        let Some(codes) = self.index.codes_of(block) else { return };
        let passing = live & gather(codes, |codes| self.limits.passing(codes).bits());
        self.eligible_models += passing.count_ones();
    }

    /// Visits a block: counts its eligible models, and offers the ranking those that may get a place.
    /// `passing` says that all but outliers pass the gates on quality, latency and risk ceiling.
    #[inline(never)]
    fn visit(&mut self, block: usize, mut live: u64, passing: bool) {
        let Some(codes) = self.index.codes_of(block) else { return };
        let outliers = live & self.scope.outliers_of(self.index, block);
        live &= !outliers;
        if !passing {
            live &= self.limits.passing_latency_and_ceiling(codes);
        }
        let Some(columns) = B::columns_of(&self.index.classes, block) else { return };
        let Filtered { eligible, doubtful, contenders } =
            self.verdicts(block, codes, columns, live);
        if doubtful | outliers != 0 {
            self.judge_exactly(block, doubtful | outliers);
        }
        self.eligible_models += eligible.count_ones();
        self.value(block, contenders);
    }

    /// What the codes of a block prove of its live models.
    #[inline(always)]
    fn verdicts(
        &self,
        block: usize,
        codes: &[Codes; PARTS],
        columns: &[B::Columns; PARTS],
        live: u64,
    ) -> Filtered {
        let asked = BlockFilter {
            minimum_quality: self.limits.minimum_quality,
            live,
            all_live: live == self.index.coded_of_block(block),
            // No bar is below -2, and no shortfall below 4.
            floor: Splat::new(self.bar.saturating_add(self.bounds.shortfall).cast_unsigned()),
            places: self.ranking.places(),
        };
        Filtered::new(self.bounds, codes, columns, &asked)
    }

    /// Counts the live models of a block, all of them eligible, and offers the ranking those that may
    /// get a place, if they are few. `false` means that the block must be visited.
    #[inline(always)]
    fn contend(&mut self, block: usize, live: u64) -> bool {
        let Some(codes) = self.index.codes_of(block) else { return false };
        let Some(columns) = B::columns_of(&self.index.classes, block) else { return false };
        if self.ranking.least_utility_microunits().is_none() {
            return false;
        }
        let contenders = live & above(&self.bounds.scores(codes, columns), self.bar);
        let few = at_most(FEW, contenders);
        if few {
            self.eligible_models += live.count_ones();
            self.value(block, contenders);
        }
        few
    }

    /// The verdicts on the blocks of a group, by their zone maps.
    #[inline(always)]
    fn judge(&self, group: usize) -> ZoneVerdicts {
        let (bounds, limits) = (self.bounds, &self.limits);
        let corners = self.index.corners_of(group);
        let column_corners = B::corners_of(&self.index.classes, group);
        bounds.without_absent_terms(ZoneMaps { bounds, limits, corners, column_corners })
    }

    /// Counts the eligible models of blocks that can't hold a winner.
    #[inline(never)]
    fn count_eligible(&mut self, group: usize, blocks: u64, live: &[u64]) {
        let (bounds, limits) = (self.bounds, &self.limits);
        let codes = self.index.codes_of_group(group);
        let columns = B::columns_of_group(&self.index.classes, group);
        let mut room = [0; GROUP];
        let outliers = self.scope.outliers_of_group(self.index, group, &mut room);
        let doubtful = &mut [0; GROUP];
        let count =
            CountEligible { bounds, limits, blocks, codes, columns, outliers, live, doubtful };
        let Counted { eligible_models, doubting } = bounds.without_absent_terms(count);
        self.eligible_models += eligible_models;
        for block in Bits(doubting) {
            let doubtful = doubtful.get(block).copied().unwrap_or(0);
            self.judge_exactly(group * GROUP + block, doubtful);
        }
    }

    /// Values contenders exactly and offers them to the ranking.
    #[inline(always)]
    fn value(&mut self, block: usize, mut contenders: u64) {
        if !self.scope.changes_band() && self.scope.has_all_of(self.index, block) {
            contenders &= self.index.skyline_of::<B>(block, self.open, self.ranking.places());
        }
        if contenders == 0 {
            return;
        }
        let Self { index, entries, valuation, .. } = *self;
        let contenders = Bits(contenders).map_while(|bit| index.entry(entries, block, bit));
        self.ranking.offer_all(contenders, &valuation);
        if let Some(least) = self.ranking.least_utility_microunits() {
            // Every utility in the ranking is above 0; a bar of 0 would let more through, never fewer.
            self.bar = self.bounds.bar(u64::try_from(least).unwrap_or(0));
        }
    }

    /// Sends the models that the codes leave in doubt through all gates.
    #[inline(never)]
    fn judge_exactly(&mut self, block: usize, bits: u64) {
        for bit in Bits(bits) {
            if let Some(entry) = self.index.entry(self.entries, block, bit)
                && let Ok(worth) = admit_model(&self.valuation, entry)
            {
                self.eligible_models += 1;
                self.ranking.offer(Candidate::new(entry, worth));
            }
        }
    }
}

/// Those of `blocks` that have the highest score, or all of them if their scores are below 0.
#[inline(always)]
fn best_of(scores: &[Sums; GROUP / LANES], blocks: u64) -> u64 {
    let scores_and_masks = scores.iter().zip(Mask::of_word(blocks));
    let greatest =
        scores_and_masks.fold(Sums::ZERO, |greatest, (score, mask)| greatest.max(score.only(mask)));
    match above(scores, greatest.greatest() - 1) & blocks {
        0 => blocks,
        best => best,
    }
}
