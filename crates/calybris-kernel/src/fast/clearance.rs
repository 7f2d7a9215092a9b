//! By how much models clear the budget and utility 0, without the terms that a request or a catalog
//! doesn't have.

use super::bounds::{Bounds, Budget};
use super::codes::Codes;
use super::lanes::Sums;

/// How costs are held against the budget: not at all, in the units of the utility, or in others.
const UNLIMITED: u8 = 0;
const IN_UNITS_OF_UTILITY: u8 = 1;
const IN_UNITS_OF_ITS_OWN: u8 = 2;

/// What is done with [`Clearances`], compiled for each set of terms. A function of its own: only
/// there does the compiler recognise that half of each product is wanted.
pub(super) trait Work {
    type Answer;

    fn with<const BUDGET: u8, const FIXED: bool, const LATENCY: bool>(self) -> Self::Answer;
}

impl Bounds {
    /// Does the work without terms that are 0.
    #[inline(always)]
    pub(super) fn without_absent_terms<W: Work>(&self, work: W) -> W::Answer {
        match &self.budget {
            None => self.with_budget::<W, UNLIMITED>(work),
            Some(budget) if budget.in_units_of_utility => {
                self.with_budget::<W, IN_UNITS_OF_UTILITY>(work)
            }
            Some(_) => self.with_budget::<W, IN_UNITS_OF_ITS_OWN>(work),
        }
    }

    #[inline(always)]
    fn with_budget<W: Work, const BUDGET: u8>(&self, work: W) -> W::Answer {
        match (self.has_fixed_prices, self.has_latency_penalty) {
            (false, false) => work.with::<BUDGET, false, false>(),
            (false, true) => work.with::<BUDGET, false, true>(),
            (true, false) => work.with::<BUDGET, true, false>(),
            (true, true) => work.with::<BUDGET, true, true>(),
        }
    }
}

/// What costs and scores are held against.
pub(super) struct Clearances<'a, const BUDGET: u8, const FIXED: bool, const LATENCY: bool> {
    bounds: &'a Bounds,
    budget: Budget,
    cost_limit: Sums,
    least_score: Sums,
}

impl<'a, const BUDGET: u8, const FIXED: bool, const LATENCY: bool>
    Clearances<'a, BUDGET, FIXED, LATENCY>
{
    /// Whoever clears less than 0 is surely turned away by the budget or by utility 0.
    #[inline(always)]
    pub(super) fn new(bounds: &'a Bounds) -> Self {
        let budget = bounds.budget.unwrap_or_default();
        Self {
            bounds,
            budget,
            cost_limit: Sums::splat(budget.limit),
            least_score: Sums::splat(bounds.maybe_positive + 1),
        }
    }

    /// Whoever clears 0 or more is surely let through by both, outliers aside.
    #[inline(always)]
    pub(super) fn sure(bounds: &'a Bounds) -> Self {
        let budget = bounds.budget.unwrap_or_default();
        Self {
            bounds,
            budget,
            cost_limit: Sums::splat(budget.sure_limit()),
            // No score reaches the number at which this sum and what it is made of end.
            least_score: Sums::splat(
                bounds.maybe_positive.saturating_add(bounds.shortfall).saturating_add(1),
            ),
        }
    }

    /// By how much each model clears utility 0 and the budget, whichever is nearer; and the scores.
    #[inline(always)]
    pub(super) fn of(&self, codes: &Codes) -> (Sums, Sums) {
        let cost = self.bounds.costs.of::<FIXED>(codes);
        let scores = self.bounds.score::<LATENCY>(cost, codes);
        let mut clearance = scores.less(self.least_score);
        if BUDGET == IN_UNITS_OF_UTILITY {
            clearance = self.cost_limit.less(cost).min(clearance);
        }
        if BUDGET == IN_UNITS_OF_ITS_OWN {
            clearance = self.cost_limit.less(self.budget.costs.of::<FIXED>(codes)).min(clearance);
        }
        (clearance, scores)
    }

    /// What clears more is surely let through by both, outliers aside.
    #[inline(always)]
    pub(super) fn almost_sure(&self) -> Sums {
        let least = match BUDGET {
            UNLIMITED => self.bounds.shortfall,
            _ => self.bounds.sure_clearance(&self.budget),
        };
        Sums::splat(least - 1)
    }
}
