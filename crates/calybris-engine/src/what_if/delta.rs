//! Recorded and proposed decisions added up side by side.

use calybris_kernel::Decision;

/// What one side came to. The sums are exact for up to 2^63 decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Side {
    /// Decisions that chose a model.
    pub accepted: u64,
    /// What those were estimated to cost, in microunits.
    pub estimated_cost_microunits: i128,
    /// What they were expected to be worth, in microunits, by the policy of this side.
    pub expected_utility_microunits: i128,
}

/// Both sides, and how the decisions differ between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta {
    /// Decisions compared.
    pub decisions: u64,
    /// Another model was chosen.
    pub moved: u64,
    /// Accepted before, rejected now.
    pub newly_rejected: u64,
    /// Rejected before, accepted now.
    pub newly_accepted: u64,
    /// The same model, at another cost.
    pub repriced: u64,
    /// As recorded.
    pub recorded: Side,
    /// As proposed.
    pub proposed: Side,
}

impl Side {
    /// Adds one decision; a rejection adds nothing.
    pub(crate) fn add(&mut self, decision: &Decision) {
        if decision.selected_model_id.is_some() {
            self.accepted += 1;
            self.estimated_cost_microunits += i128::from(decision.estimated_cost.get());
            self.expected_utility_microunits += i128::from(decision.expected_utility_microunits);
        }
    }
}

impl Side {
    /// Adds the decisions of another side.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.estimated_cost_microunits += other.estimated_cost_microunits;
        self.expected_utility_microunits += other.expected_utility_microunits;
    }
}

impl Delta {
    /// Adds one decision as it was recorded and as it is proposed. Both number their models alike.
    pub fn add(&mut self, recorded: &Decision, proposed: &Decision) {
        self.decisions += 1;
        let kind = match (recorded.selected_model_id, proposed.selected_model_id) {
            (Some(before), Some(after)) if before != after => Some(&mut self.moved),
            (Some(_), Some(_)) => {
                let same = recorded.estimated_cost.get() == proposed.estimated_cost.get();
                (!same).then_some(&mut self.repriced)
            }
            (Some(_), None) => Some(&mut self.newly_rejected),
            (None, Some(_)) => Some(&mut self.newly_accepted),
            (None, None) => None,
        };
        if let Some(count) = kind {
            *count += 1;
        }
        self.recorded.add(recorded);
        self.proposed.add(proposed);
    }

    /// Decisions with another answer: moved, newly rejected or newly accepted.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.moved.saturating_add(self.newly_rejected).saturating_add(self.newly_accepted)
    }

    /// Decisions with the same answer: the same model, at whatever cost, or rejected both times.
    #[must_use]
    pub fn unchanged(&self) -> u64 {
        self.decisions.saturating_sub(self.changed())
    }

    /// Rejections as recorded.
    #[must_use]
    pub fn recorded_rejections(&self) -> u64 {
        self.decisions.saturating_sub(self.recorded.accepted)
    }

    /// Rejections as proposed.
    #[must_use]
    pub fn proposed_rejections(&self) -> u64 {
        self.decisions.saturating_sub(self.proposed.accepted)
    }

    /// Proposed less recorded estimated cost, in microunits; below 0 something is saved.
    #[must_use]
    pub fn cost_delta_microunits(&self) -> i128 {
        self.proposed.estimated_cost_microunits - self.recorded.estimated_cost_microunits
    }

    /// Proposed less recorded expected utility, in microunits, each by its own policy.
    #[must_use]
    pub fn utility_delta_microunits(&self) -> i128 {
        self.proposed.expected_utility_microunits - self.recorded.expected_utility_microunits
    }
}
