//! The fast path: the same decisions as the readable scan, from a compact index of the catalog.
//!
//! A catalog of one block (64 models) is filtered by its codes, and the few models that may win are
//! valued exactly. Of a larger catalog, whole blocks are ruled out or counted by their zone maps, the best
//! blocks are filtered, and of the rest the eligible models are only counted.
//!
//! - [`lanes`]: sixteen 16-bit numbers at once, and words of one bit per model;
//! - [`quantize`]: models as 16-bit codes that never overstate a cost, and weights in fixed point;
//! - [`min_cost`]: a cost that no model is below;
//! - [`bounds`]: bounds on a model's utility and cost, from its codes alone;
//! - [`slack`]: by how much models clear the gates on numbers;
//! - [`bitmap_index`]: one bit per model for each capability and region;
//! - [`provider_bitmap`]: the same for each provider;
//! - [`window_bitmap`]: the same for each maximum of a window;
//! - [`rows`]: a row for each band of a model, of which a request sees one;
//! - [`scope`]: which rows a request is about: one of each candidate;
//! - [`skyline`]: the models of a block that at most one other of it dominates;
//! - [`class_columns`]: the codes of classes, of search fees and of the dearest rates, for requests that need them;
//! - [`charges`]: the terms of a cost beside plain tokens, and [`billing`]: which of them a request has;
//! - [`zone_map`]: what the best and the worst corner of a block prove of all its models;
//! - [`order`]: which rows stand together, and how coarse their codes are;
//! - [`only_block`]: what is known of the only block of a catalog;
//! - [`index`]: the catalog in blocks of 64 rows that are alike, with all of the above;
//! - [`block_filter`]: which models of a block are eligible, may be, or may get a place;
//! - [`single_block`]: the search of a catalog of one block without outliers;
//! - [`multi_block`]: the search of any other catalog;
//! - [`reject_reason`]: how many models each gate turned away, once a request is known to be rejected.
//!
//! No decision is an approximation: a model is counted or left out where the bounds prove what the
//! exact formulas would say, and goes through the formulas where they do not. Requests and catalogs
//! beyond INVARIANT (guards), and catalogs of a few models, are scanned.

mod lanes;

mod blocks;

mod quantize;

mod min_cost;

mod charges;
mod class_columns;

mod billing;

mod bounds;

mod slack;

mod bitmap_index;
mod provider_bitmap;
mod window_bitmap;

mod rows;

mod scope;

mod skyline;

mod zone_map;

mod only_block;
mod order;

mod index;

mod block_filter;

mod single_block;

mod multi_block;

mod reject_reason;

#[cfg(test)]
mod agreement;

pub(crate) use index::Index;

use billing::{OfBill, plain_amounts};
use bounds::{AmountsOf, Bounds, Scale};
use charges::{Bill, PlainBill};
use multi_block::search_groups;
use only_block::SingleCodes;
use reject_reason::{Costs, count_refusals};
use scope::{Excluded, Scope};
use single_block::search_single;
use slack::Limits;

use crate::Reason;
use crate::candidates::Candidates;
use crate::catalog::Entry;
use crate::excluded_models::MOST_EXCLUDED;
use crate::ranking::Ranking;
use crate::scan::{Outcome, scan};
use crate::utility::Valuation;

/// Catalogs of up to this many models are scanned. With six to eight models the index takes 8 to 17%
/// less time if nearly all are eligible, but 40 to 80% more if few are.
const SMALL: usize = 8;

/// Whether a catalog is scanned whatever the request.
#[inline(always)]
pub(crate) fn is_small(entries: &[Entry]) -> bool {
    entries.len() <= SMALL
}

/// Gives the best models their places, for a plain request. It finds what [`scan`] finds.
///
/// The outcome of each call is unpacked and packed again, so that the compiler keeps the outcome of a
/// single block in registers and not in memory.
#[inline(always)]
pub(crate) fn search<R: Ranking>(
    ranking: R,
    index: &Index,
    entries: &[Entry],
    valuation: &Valuation<'_>,
) -> Outcome<R> {
    let Some(scale) = index.scale.as_ref().filter(|_| !is_small(entries)) else {
        let (ranking, eligible_models) = scan_apart(ranking, *valuation, entries)?;
        return Ok((ranking, eligible_models));
    };
    let scope = Scope::of_everyone(index, valuation.request());
    if scale.min_cost.is_beyond_budget(valuation.request()) {
        let limits = Limits::new(valuation.request(), scale);
        let costs = Costs::<PlainBill<false>>::AllBeyond;
        return Err(count_refusals(index, entries, *valuation, limits, costs, scope).reason());
    }
    let bounds = Bounds::new(valuation, scale, &plain_amounts(valuation.request()));
    let Some(bounds) = &bounds else {
        let (ranking, eligible_models) = scan_apart(ranking, *valuation, entries)?;
        return Ok((ranking, eligible_models));
    };
    let single = index.single().filter(|_| scope.is_open());
    let (ranking, eligible_models) = match single {
        Some((single, SingleCodes::Half(codes))) => {
            search_single(ranking, index, (single, codes), entries, valuation, scale, bounds)
        }
        Some((single, SingleCodes::Whole(codes))) => {
            search_single(ranking, index, (single, codes), entries, valuation, scale, bounds)
        }
        None => {
            let (ranking, eligible_models) =
                search_groups(ranking, index, entries, *valuation, scale, bounds, scope);
            (ranking, eligible_models)
        }
    };
    if eligible_models > 0 {
        return Ok((ranking, eligible_models));
    }
    Err(blame(index, entries, *valuation, (scale, bounds), scope))
}

/// The same for any request, among its candidates.
#[inline(never)]
pub(crate) fn search_among<R: Ranking>(
    ranking: R,
    index: &Index,
    entries: &[Entry],
    valuation: Valuation<'_>,
    candidates: Candidates<'_>,
) -> Outcome<R> {
    let scale = index.scale.as_ref().filter(|_| !is_small(entries));
    let billed = scale.and_then(|scale| billing::billed(index, scale, valuation.request()));
    let (Some(scale), Some(billed)) = (scale, billed) else {
        return scan(ranking, valuation, candidates.iter());
    };
    let search = Search { ranking, index, entries, valuation, candidates, scale };
    billed.with(search)
}

/// A search among candidates.
struct Search<'a, R> {
    ranking: R,
    index: &'a Index,
    entries: &'a [Entry],
    valuation: Valuation<'a>,
    candidates: Candidates<'a>,
    scale: &'a Scale,
}

impl<R: Ranking> OfBill for Search<'_, R> {
    type Answer = Outcome<R>;

    fn of<B: Bill>(self, amounts: &AmountsOf<B>) -> Outcome<R> {
        let Self { ranking, index, entries, valuation, candidates, scale } = self;
        let request = valuation.request();
        let mut room: Excluded = [0; MOST_EXCLUDED];
        let scope = Scope::new(index, request, &candidates, &mut room);
        // No maximum cost is less than the cost.
        if request.usage.is_plain() && scale.min_cost.is_beyond_budget(request) {
            let limits = Limits::new(request, scale);
            let costs = Costs::<B>::AllBeyond;
            return Err(count_refusals(index, entries, valuation, limits, costs, scope).reason());
        }
        let Some(bounds) = &Bounds::<B>::new(&valuation, scale, amounts) else {
            return scan(ranking, valuation, candidates.iter());
        };
        let (ranking, eligible_models) =
            search_groups(ranking, index, entries, valuation, scale, bounds, scope);
        if eligible_models > 0 {
            return Ok((ranking, eligible_models));
        }
        Err(blame(index, entries, valuation, (scale, bounds), scope))
    }
}

/// The reason of a reject, once it is known that no model is eligible.
#[inline(never)]
fn blame<B: Bill>(
    index: &Index,
    entries: &[Entry],
    valuation: Valuation<'_>,
    (scale, bounds): (&Scale, &Bounds<B>),
    scope: Scope<'_>,
) -> Reason {
    let limits = Limits::new(valuation.request(), scale);
    let costs = match &bounds.budget {
        Some(budget) => Costs::<B>::Mixed(budget),
        None => Costs::AllWithin,
    };
    count_refusals(index, entries, valuation, limits, costs, scope).reason()
}

/// [`scan`] in a function of its own.
#[inline(never)]
fn scan_apart<R: Ranking>(ranking: R, valuation: Valuation<'_>, entries: &[Entry]) -> Outcome<R> {
    scan(ranking, valuation, entries)
}
