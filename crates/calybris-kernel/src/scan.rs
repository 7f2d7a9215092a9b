//! The readable scan: every model through every gate, the two best kept, the refusals counted.

use core::cmp::Reverse;

use crate::gates::{Gate, admit_model};
use crate::utility::{UtilityTerms, Valuation};
use crate::{Model, Reason};

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
    fn somebody(self) -> Option<Self> {
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

/// The two best candidates seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Podium {
    winner: Candidate,
    runner_up: Candidate,
}

impl Podium {
    pub(crate) const EMPTY: Self = Self { winner: Candidate::NOBODY, runner_up: Candidate::NOBODY };

    #[inline]
    pub(crate) fn offer(&mut self, candidate: Candidate) {
        if candidate > self.winner {
            self.runner_up = self.winner;
            self.winner = candidate;
        } else if candidate > self.runner_up {
            self.runner_up = candidate;
        }
    }

    pub(crate) fn winner(&self) -> Option<Candidate> {
        self.winner.somebody()
    }

    pub(crate) fn runner_up(&self) -> Option<Candidate> {
        self.runner_up.somebody()
    }
}

/// How many enabled models each gate turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    quality: u32,
    latency: u32,
    capability: u32,
    provider: u32,
    region: u32,
    risk_ceiling: u32,
    budget: u32,
    utility: u32,
}

impl Tally {
    /// Counts refusals; disabled models are not counted.
    #[inline]
    pub(crate) fn add(&mut self, gate: Gate, refusals: u32) {
        let counter = match gate {
            Gate::Quality => &mut self.quality,
            Gate::Latency => &mut self.latency,
            Gate::Capability => &mut self.capability,
            Gate::Provider => &mut self.provider,
            Gate::Region => &mut self.region,
            Gate::RiskCeiling => &mut self.risk_ceiling,
            Gate::Budget => &mut self.budget,
            Gate::Utility => &mut self.utility,
            Gate::RiskHardLimit | Gate::ConfidenceHardLimit | Gate::Enabled => return,
        };
        // A snapshot holds at most `u32::MAX` models, so this never saturates.
        *counter = counter.saturating_add(refusals);
    }

    /// The reason of a reject: the gate that turned away the most, on equal counts the one latest
    /// in this list; with no refusal at all there was no enabled model.
    pub(crate) fn reason(&self) -> Reason {
        let by_precedence = [
            (self.capability, Gate::Capability),
            (self.region, Gate::Region),
            (self.provider, Gate::Provider),
            (self.quality, Gate::Quality),
            (self.risk_ceiling, Gate::RiskCeiling),
            (self.latency, Gate::Latency),
            (self.budget, Gate::Budget),
            (self.utility, Gate::Utility),
        ];
        // `max_by_key` returns the last of several maxima.
        match by_precedence.into_iter().max_by_key(|&(count, _)| count) {
            Some((count, gate)) if count > 0 => gate.reason(),
            _ => Reason::NoEnabledModel,
        }
    }
}

/// What a scan of the catalog finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) podium: Podium,
    pub(crate) eligible_models: u32,
    /// The reason of the reject, if the podium is empty.
    pub(crate) reject_reason: Reason,
}

/// Judges every model, one after the other.
#[inline(never)]
pub(crate) fn scan(valuation: &Valuation<'_>, models: &[Model]) -> Outcome {
    let mut podium = Podium::EMPTY;
    let mut eligible_models = 0_u32;
    let mut tally = Tally::default();
    for model in models {
        match admit_model(valuation, model) {
            Ok(terms) => {
                eligible_models = eligible_models.saturating_add(1);
                podium.offer(Candidate::new(model, &terms));
            }
            Err(refusal) => {
                if let Some(gate) = refusal.gate() {
                    tally.add(gate, 1);
                }
            }
        }
    }
    Outcome { podium, eligible_models, reject_reason: tally.reason() }
}
