//! The models of a block that at most one other model of it dominates (its 2-skyband): no other model
//! of the block can win or be the runner-up.

use super::rows::Row;
use crate::TokenClass;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The places for which a skyline is kept: a model that this many others dominate gets none of them.
const PLACES: usize = 2;

/// The models of a block that may win or be the runner-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Skyline {
    /// For any request.
    of_any_request: u64,
    /// For a request that every enabled model is open to in capabilities, provider, regions and window.
    of_open_request: u64,
}

impl Skyline {
    /// For requests of plain tokens, without a ceiling or with one in the same band.
    pub(crate) fn of_plain_tokens(block: &[Row<'_>]) -> Self {
        Self::new(block, dominates)
    }

    /// For requests of any tokens and searches, without a ceiling or with one in the same band: the maximum costs of models
    /// are in the order of their rates, too.
    pub(crate) fn of_all_classes(block: &[Row<'_>]) -> Self {
        Self::new(block, dominates_in_all_classes)
    }

    #[inline(always)]
    pub(crate) const fn of(self, open: bool, places: usize) -> u64 {
        match (places, open) {
            (..=PLACES, true) => self.of_open_request,
            (..=PLACES, false) => self.of_any_request,
            _ => !0,
        }
    }

    /// A model dominated by two others cannot place.
    ///
    /// Only a model of higher quality, or of the same quality and a lower id, can dominate another. So the models
    /// are sorted in that order, and each is compared with those before it. Comparing it with members of the skyline
    /// is enough: dominance is transitive, so if a model is dominated at all, the first and the second of its
    /// dominators in that order are dominated by none and by at most one other, and are members (sort-filter-skyline;
    /// Chomicki, Godfrey, Gryz and Liang 2003). At two dominators the comparison stops.
    /// The members compared with are those for any request, which include the others.
    fn new(block: &[Row<'_>], dominates: fn(&Row<'_>, &Row<'_>) -> bool) -> Self {
        let mut enabled: Vec<(usize, &Row<'_>)> =
            block.iter().enumerate().filter(|(_, row)| row.model.enabled).collect();
        enabled.sort_unstable_by_key(|(_, row)| (Reverse(row.model.quality), row.model.model_id));
        let mut skyline = Self::default();
        let mut members: Vec<&Row<'_>> = Vec::with_capacity(enabled.len());
        for (bit, row) in enabled {
            let (mut dominating, mut everywhere) = (0, 0);
            for other in members.iter().filter(|other| dominates(other, row)) {
                dominating += 1;
                everywhere += usize::from(passes_wherever(other, row));
                if everywhere == PLACES {
                    break;
                }
            }
            skyline.of_open_request |= u64::from(dominating < PLACES) << bit;
            if everywhere < PLACES {
                skyline.of_any_request |= 1 << bit;
                members.push(row);
            }
        }
        skyline
    }
}

/// Whether one row is preferred to another by any plain request that sees the other and for which both are eligible, and
/// passes the gates on numbers if the other does: it is at least as good in every number, so its utility is no less and its
/// cost no more, and if both are equal its quality or its id decides.
fn dominates(row: &Row<'_>, other: &Row<'_>) -> bool {
    let (model, others) = (row.model, other.model);
    // Without branches, which could not be predicted.
    (model.quality.get() >= others.quality.get())
        & (model.risk_ceiling.get() >= others.risk_ceiling.get())
        & (model.p95_latency_ms <= others.p95_latency_ms)
        & (row.rates.input.get() <= other.rates.input.get())
        & (row.rates.output.get() <= other.rates.output.get())
        & (model.price.fixed_price().get() <= others.price.fixed_price().get())
        & ((model.quality.get() > others.quality.get()) | (model.model_id < others.model_id))
        & row.is_seen_wherever(other)
}

/// The same for any request.
fn dominates_in_all_classes(row: &Row<'_>, other: &Row<'_>) -> bool {
    let ([each, once], [other_each, other_once]) = (row.search_fees(), other.search_fees());
    let at_most = |class| row.rates.of(class) <= other.rates.of(class);
    // A fee for each search is never less than the same fee for all.
    dominates(row, other)
        && TokenClass::ALL.into_iter().all(at_most)
        && each <= other_each
        && once <= other_once.max(other_each)
}

/// Whether one row passes the gates on capabilities, provider, regions and window whenever another does.
fn passes_wherever(row: &Row<'_>, other: &Row<'_>) -> bool {
    let (model, other) = (row.model, other.model);
    model.provider_id == other.provider_id
        && model.capabilities.contains_all(other.capabilities)
        && other.regions.bits() & !model.regions.bits() == 0
        && model.window.takes_all_that(&other.window)
}
