//! The order of preference between eligible models, and the places in it.

use core::cmp::Reverse;

use crate::Model;
use crate::utility::UtilityTerms;

/// A model that passed every gate. Its order is the order of preference: the greatest is best.
///
/// INVARIANT (preference): fields are declared, and so compared, in the order in which they
/// decide: higher utility, then lower cost, then higher quality, then lower id. Ids are unique in
/// a snapshot, so no two candidates are equal and the order is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) utility_microunits: i64,
    pub(crate) cost_microunits: Reverse<u64>,
    pub(crate) quality_bps: u16,
    pub(crate) model_id: Reverse<u32>,
}

impl Candidate {
    /// Less than any eligible model, whose utility is above 0.
    const NOBODY: Self = Self {
        utility_microunits: 0,
        cost_microunits: Reverse(u64::MAX),
        quality_bps: 0,
        model_id: Reverse(u32::MAX),
    };

    #[inline]
    fn somebody(&self) -> Option<&Self> {
        (self.utility_microunits > 0).then_some(self)
    }

    #[inline]
    pub(crate) fn new(model: &Model, terms: &UtilityTerms) -> Self {
        Self {
            utility_microunits: terms.utility_microunits(),
            cost_microunits: Reverse(terms.cost_microunits),
            quality_bps: model.quality_bps,
            model_id: Reverse(model.model_id),
        }
    }
}

/// Places for the best candidates seen so far.
pub(crate) trait Ranking {
    /// How many places there are.
    fn places(&self) -> usize;

    /// Gives the candidate the place it deserves, if any.
    fn offer(&mut self, candidate: Candidate);

    /// The utility of the last place, if all are taken: nobody with less gets one.
    fn least_utility_microunits(&self) -> Option<i64>;
}

/// The two best candidates seen so far.
///
/// A new winner takes the place of the old runner-up, and the places change their meaning: nothing
/// is copied, and so nothing is read in another width than it was written, which would cost more
/// than all the comparisons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Podium {
    left: Candidate,
    right: Candidate,
    left_leads: bool,
}

impl Podium {
    pub(crate) const EMPTY: Self =
        Self { left: Candidate::NOBODY, right: Candidate::NOBODY, left_leads: true };

    pub(crate) fn winner(&self) -> Option<&Candidate> {
        if self.left_leads { &self.left } else { &self.right }.somebody()
    }

    pub(crate) fn runner_up(&self) -> Option<&Candidate> {
        if self.left_leads { &self.right } else { &self.left }.somebody()
    }
}

impl Ranking for Podium {
    #[inline]
    fn places(&self) -> usize {
        2
    }

    #[inline]
    fn offer(&mut self, candidate: Candidate) {
        let (winner, runner_up) = if self.left_leads {
            (&self.left, &mut self.right)
        } else {
            (&self.right, &mut self.left)
        };
        if candidate > *runner_up {
            self.left_leads ^= candidate > *winner;
            *runner_up = candidate;
        }
    }

    #[inline]
    fn least_utility_microunits(&self) -> Option<i64> {
        self.runner_up().map(|candidate| candidate.utility_microunits)
    }
}

/// One place in the order of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RankedModel {
    /// The model.
    pub model_id: u32,
    /// Its quality.
    pub quality_bps: u16,
    /// What it costs in microunits, for the tokens of the request.
    pub cost_microunits: u64,
    /// Its utility in microunits, above 0.
    pub utility_microunits: i64,
}

impl RankedModel {
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            utility_microunits: self.utility_microunits,
            cost_microunits: Reverse(self.cost_microunits),
            quality_bps: self.quality_bps,
            model_id: Reverse(self.model_id),
        }
    }
}

impl From<Candidate> for RankedModel {
    fn from(candidate: Candidate) -> Self {
        Self {
            model_id: candidate.model_id.0,
            quality_bps: candidate.quality_bps,
            cost_microunits: candidate.cost_microunits.0,
            utility_microunits: candidate.utility_microunits,
        }
    }
}

/// As many places as the caller has room for, the best first.
#[derive(Debug)]
pub(crate) struct Leaders<'a> {
    places: &'a mut [RankedModel],
    taken: usize,
}

impl<'a> Leaders<'a> {
    pub(crate) fn new(places: &'a mut [RankedModel]) -> Self {
        Self { places, taken: 0 }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Ranking for Leaders<'_> {
    fn places(&self) -> usize {
        self.places.len()
    }

    fn offer(&mut self, candidate: Candidate) {
        let leaders = self.places.get(..self.taken).unwrap_or_default();
        let place = leaders.iter().rposition(|leader| leader.candidate() > candidate);
        let place = place.map_or(0, |better| better + 1);
        self.taken = (self.taken + 1).min(self.places.len());
        // The last of them all loses its place.
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
