//! The order of preference between eligible models, and the places in it.

use core::cmp::Reverse;
use core::hint::select_unpredictable;

use calybris_units::{BasisPoints, Microunits};

use crate::catalog::Entry;
use crate::utility::{CostAndUtility, Valuation};

/// A model that passed every gate. Its order is the order of preference: the greatest is best.
///
/// INVARIANT (preference): fields are declared, and so compared, in the order in which they
/// decide: higher utility, then lower cost, then higher quality, then lower id. Ids are unique in
/// a snapshot, so no two candidates are equal and the order is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) utility_microunits: i64,
    pub(crate) cost_microunits: Reverse<u64>,
    /// The quality in the upper half and `u32::MAX` minus the id in the lower: one number is compared and
    /// copied faster than two.
    quality_and_id: u64,
}

impl Candidate {
    /// Less than any eligible model, whose utility is above 0.
    const NONE: Self =
        Self { utility_microunits: 0, cost_microunits: Reverse(u64::MAX), quality_and_id: 0 };

    #[inline(always)]
    fn if_eligible(&self) -> Option<&Self> {
        (self.utility_microunits > 0).then_some(self)
    }

    #[inline(always)]
    pub(crate) fn new(entry: &Entry, worth: CostAndUtility) -> Self {
        Self {
            utility_microunits: worth.utility_microunits,
            cost_microunits: Reverse(worth.cost_microunits),
            quality_and_id: quality_and_id(entry.quality.get(), entry.model_id),
        }
    }

    #[inline(always)]
    fn of(entry: &Entry, valuation: &Valuation<'_>) -> Self {
        Self::new(entry, valuation.cost_and_utility(entry))
    }

    /// The order of preference, for two that seldom have the same utility.
    #[inline(always)]
    fn is_preferred_to(&self, other: &Self) -> bool {
        if self.utility_microunits == other.utility_microunits {
            return self > other;
        }
        self.utility_microunits > other.utility_microunits
    }

    /// This candidate if `chosen`, or else the other, without a branch: a processor cannot predict
    /// which of two good ones is better.
    #[inline(always)]
    fn or(self, other: Self, chosen: bool) -> Self {
        Self {
            utility_microunits: select_unpredictable(
                chosen,
                self.utility_microunits,
                other.utility_microunits,
            ),
            cost_microunits: Reverse(select_unpredictable(
                chosen,
                self.cost_microunits.0,
                other.cost_microunits.0,
            )),
            quality_and_id: select_unpredictable(chosen, self.quality_and_id, other.quality_and_id),
        }
    }

    #[inline(always)]
    pub(crate) const fn model_id(&self) -> u32 {
        let [b0, b1, b2, b3, ..] = self.quality_and_id.to_le_bytes();
        !u32::from_le_bytes([b0, b1, b2, b3])
    }

    const fn quality_bps(&self) -> u16 {
        let [.., b4, b5, _, _] = self.quality_and_id.to_le_bytes();
        u16::from_le_bytes([b4, b5])
    }
}

#[inline(always)]
const fn quality_and_id(quality_bps: u16, model_id: u32) -> u64 {
    (quality_bps as u64) << u32::BITS | !model_id as u64
}

/// Places for the best candidates seen so far.
pub(crate) trait Ranking {
    /// How many places there are.
    fn places(&self) -> usize;

    /// Inserts the candidate in order, if it belongs to the best.
    fn offer(&mut self, candidate: Candidate);

    /// The same for two.
    #[inline(always)]
    fn offer_two(&mut self, first: Candidate, second: Candidate) {
        self.offer(first);
        self.offer(second);
    }

    /// The same for any number of eligible models. It values them itself, because a compiler inlines functions where
    /// they are called, but not always in iterators.
    #[inline(always)]
    fn offer_all<'e>(
        &mut self,
        mut entries: impl Iterator<Item = &'e Entry>,
        valuation: &Valuation<'_>,
    ) {
        // There are usually two.
        while let Some(first) = entries.next() {
            let first = Candidate::of(first, valuation);
            match entries.next() {
                Some(second) => self.offer_two(first, Candidate::of(second, valuation)),
                None => self.offer(first),
            }
        }
    }

    /// The utility of the last place, if all are taken: a candidate of less utility gets none.
    fn least_utility_microunits(&self) -> Option<i64>;
}

/// The two best candidates seen so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopTwo {
    winner: Candidate,
    runner_up: Candidate,
}

impl TopTwo {
    pub(crate) const EMPTY: Self = Self { winner: Candidate::NONE, runner_up: Candidate::NONE };

    #[inline(always)]
    pub(crate) fn winner(&self) -> Option<&Candidate> {
        self.winner.if_eligible()
    }

    #[inline(always)]
    pub(crate) fn runner_up(&self) -> Option<&Candidate> {
        self.runner_up.if_eligible()
    }
}

impl Ranking for TopTwo {
    #[inline(always)]
    fn places(&self) -> usize {
        2
    }

    #[inline(always)]
    fn offer(&mut self, candidate: Candidate) {
        if candidate > self.runner_up {
            if candidate > self.winner {
                self.runner_up = self.winner;
                self.winner = candidate;
            } else {
                self.runner_up = candidate;
            }
        }
    }

    #[inline(always)]
    fn offer_two(&mut self, first: Candidate, second: Candidate) {
        if self.winner().is_some() {
            self.offer(first);
            self.offer(second);
            return;
        }
        let in_order = first.is_preferred_to(&second);
        self.winner = first.or(second, in_order);
        self.runner_up = second.or(first, in_order);
    }

    #[inline(always)]
    fn least_utility_microunits(&self) -> Option<i64> {
        self.runner_up().map(|candidate| candidate.utility_microunits)
    }
}

/// One place in the order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RankedModel {
    /// The model.
    pub model_id: u32,
    /// Its quality.
    #[cfg_attr(feature = "serde", serde(rename = "quality_bps"))]
    pub quality: BasisPoints,
    /// What it costs, for the usage that the request expects.
    #[cfg_attr(feature = "serde", serde(rename = "cost_microunits"))]
    pub cost: Microunits,
    /// What it costs at most, for the ceiling of the request; the cost if it has none.
    #[cfg_attr(feature = "serde", serde(rename = "maximum_cost_microunits"))]
    pub maximum_cost: Microunits,
    /// Its utility in microunits, above 0.
    pub utility_microunits: i64,
}

impl RankedModel {
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            utility_microunits: self.utility_microunits,
            cost_microunits: Reverse(self.cost.get()),
            quality_and_id: quality_and_id(self.quality.get(), self.model_id),
        }
    }
}

impl From<Candidate> for RankedModel {
    /// Of a request without a ceiling.
    fn from(candidate: Candidate) -> Self {
        let cost = Microunits::new(candidate.cost_microunits.0);
        Self {
            model_id: candidate.model_id(),
            quality: BasisPoints::new(candidate.quality_bps()),
            cost,
            maximum_cost: cost,
            utility_microunits: candidate.utility_microunits,
        }
    }
}

/// As many places as the caller has room for, the best first.
#[derive(Debug)]
pub(crate) struct TopK<'a> {
    places: &'a mut [RankedModel],
    taken: usize,
}

impl<'a> TopK<'a> {
    pub(crate) fn new(places: &'a mut [RankedModel]) -> Self {
        Self { places, taken: 0 }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Ranking for TopK<'_> {
    fn places(&self) -> usize {
        self.places.len()
    }

    fn offer(&mut self, candidate: Candidate) {
        let best = self.places.get(..self.taken).unwrap_or_default();
        let place = best.iter().rposition(|better| better.candidate() > candidate);
        let place = place.map_or(0, |better| better + 1);
        self.taken = (self.taken + 1).min(self.places.len());
        // If all places were taken, the last candidate drops out.
        if let Some(moving) = self.places.get_mut(place..self.taken)
            && let [_, ..] = moving
        {
            moving.rotate_right(1);
            if let Some(place) = moving.first_mut() {
                *place = candidate.into();
            }
        }
    }

    fn least_utility_microunits(&self) -> Option<i64> {
        let last = self.places.last()?;
        (self.taken == self.places.len()).then_some(last.utility_microunits)
    }
}
