//! The way a catalog is searched: scanned, or by its index.

use super::blame::{Costs, blame};
use super::bounds::Bounds;
use super::groups::search_groups;
use super::index::{Index, SingleCodes};
use super::limits::Limits;
use super::single::search_single;
use crate::Model;
use crate::ranking::Ranking;
use crate::scan::{Outcome, scan};
use crate::utility::Valuation;

/// Catalogs of up to this many models are scanned. With six to eight models the index takes 8 to 17%
/// less time if nearly all are eligible, but 40 to 80% more if few are.
const SMALL: usize = 8;

/// Whether a catalog is scanned whatever the request.
#[inline(always)]
pub(crate) fn is_small(models: &[Model]) -> bool {
    models.len() <= SMALL
}

/// Gives the best models their places. It finds what [`scan`] finds.
///
/// What comes from a call is taken apart and put together again, so that the compiler keeps the
/// outcome of a single block in registers instead of where a call would leave its own.
#[inline(always)]
pub(crate) fn search<R: Ranking>(
    ranking: R,
    index: &Index,
    models: &[Model],
    valuation: &Valuation<'_>,
) -> Outcome<R> {
    let Some(scale) = index.scale.as_ref().filter(|_| !is_small(models)) else {
        let (ranking, eligible_models) = scan_apart(ranking, *valuation, models)?;
        return Ok((ranking, eligible_models));
    };
    if scale.cheapest.is_beyond_budget(valuation.request()) {
        let limits = Limits::new(valuation.request(), scale);
        let tally = blame(index, models, *valuation, limits, Costs::AllBeyond);
        return Err(tally.reason());
    }
    let bounds = Bounds::new(valuation, scale);
    let Some(bounds) = &bounds else {
        let (ranking, eligible_models) = scan_apart(ranking, *valuation, models)?;
        return Ok((ranking, eligible_models));
    };
    let (ranking, eligible_models) = match index.single() {
        Some((single, SingleCodes::Half(codes))) => {
            search_single(ranking, index, (single, codes), models, valuation, scale, bounds)
        }
        Some((single, SingleCodes::Whole(codes))) => {
            search_single(ranking, index, (single, codes), models, valuation, scale, bounds)
        }
        None => {
            let (ranking, eligible_models) =
                search_groups(ranking, index, models, *valuation, scale, bounds);
            (ranking, eligible_models)
        }
    };
    if eligible_models > 0 {
        return Ok((ranking, eligible_models));
    }
    let limits = Limits::new(valuation.request(), scale);
    let costs = match &bounds.budget {
        Some(budget) => Costs::Mixed(budget),
        None => Costs::AllWithin,
    };
    Err(blame(index, models, *valuation, limits, costs).reason())
}

/// [`scan`] in a function of its own.
#[inline(never)]
fn scan_apart<R: Ranking>(ranking: R, valuation: Valuation<'_>, models: &[Model]) -> Outcome<R> {
    scan(ranking, valuation, models)
}
