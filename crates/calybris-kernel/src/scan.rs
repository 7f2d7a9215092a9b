//! The readable scan: every model goes through every gate, the eligible are ranked, and the refusals
//! are counted.

use crate::Reason;
use crate::catalog::Entry;
use crate::gates::{Gate, admit_model};
use crate::ranking::{Candidate, Ranking};
use crate::utility::Valuation;

/// How many enabled models each gate turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    quality: u32,
    latency: u32,
    capability: u32,
    provider: u32,
    region: u32,
    risk_ceiling: u32,
    window: u32,
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
            Gate::Window => &mut self.window,
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
        let most = (self.capability, Gate::Capability);
        let most = later_if_as_many(most, (self.region, Gate::Region));
        let most = later_if_as_many(most, (self.provider, Gate::Provider));
        let most = later_if_as_many(most, (self.quality, Gate::Quality));
        let most = later_if_as_many(most, (self.risk_ceiling, Gate::RiskCeiling));
        let most = later_if_as_many(most, (self.latency, Gate::Latency));
        let most = later_if_as_many(most, (self.window, Gate::Window));
        let most = later_if_as_many(most, (self.budget, Gate::Budget));
        match later_if_as_many(most, (self.utility, Gate::Utility)) {
            (0, _) => Reason::NoEnabledModel,
            (_, gate) => gate.reason(),
        }
    }
}

#[inline(always)]
fn later_if_as_many(most: (u32, Gate), later: (u32, Gate)) -> (u32, Gate) {
    if later.0 >= most.0 { later } else { most }
}

/// The ranking and the number of eligible models; or the reason of the reject, if there are none.
pub(crate) type Outcome<R> = Result<(R, u32), Reason>;

/// Sends every model through the gates, one after the other, and ranks the eligible.
#[inline(always)]
pub(crate) fn scan<'m, R: Ranking>(
    mut ranking: R,
    valuation: Valuation<'_>,
    entries: impl IntoIterator<Item = &'m Entry>,
) -> Outcome<R> {
    let mut eligible_models = 0_u32;
    let mut tally = Tally::default();
    for entry in entries {
        match admit_model(&valuation, entry) {
            Ok(worth) => {
                eligible_models = eligible_models.saturating_add(1);
                ranking.offer(Candidate::new(entry, worth));
            }
            Err(refusal) => {
                if let Some(gate) = refusal.gate() {
                    tally.add(gate, 1);
                }
            }
        }
    }
    if eligible_models > 0 { Ok((ranking, eligible_models)) } else { Err(tally.reason()) }
}
