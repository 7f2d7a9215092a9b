//! What the kernel answered.

use calybris_kernel::Decision;
use calybris_units::Microunits;
use serde::{Deserialize, Serialize};

use super::codes::{ActionCode, ReasonCode};
use super::flagged::{flagged, spelled_as};
use super::invalid::InvalidField;
use super::says::{FitsV1, Says};

/// A decision whose maximum cost is its estimated cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecisionV1 {
    sequence: u64,
    policy_epoch: u64,
    catalog_epoch: u64,
    action: ActionCode,
    reason: ReasonCode,
    requested_model_id: u32,
    selected_model_id: Option<u32>,
    estimated_cost_microunits: u64,
    expected_utility_microunits: i64,
    runner_up_model_id: Option<u32>,
    runner_up_utility_microunits: i64,
    evaluated_models: u32,
    eligible_models: u32,
}

flagged! {
    /// Any decision.
    pub(crate) struct DecisionV2: DecisionV1 {
        0 maximum_cost_microunits: u64,
    }
}

/// Whether or not a kernel could have made the decision: [`checked`] says that.
impl Says<Decision> for DecisionV1 {
    fn of(decision: &Decision) -> Self {
        Self {
            sequence: decision.sequence,
            policy_epoch: decision.policy_epoch,
            catalog_epoch: decision.catalog_epoch,
            action: decision.action.into(),
            reason: decision.reason.into(),
            requested_model_id: decision.requested_model_id,
            selected_model_id: decision.selected_model_id,
            estimated_cost_microunits: decision.estimated_cost.get(),
            expected_utility_microunits: decision.expected_utility_microunits,
            runner_up_model_id: decision.runner_up_model_id,
            runner_up_utility_microunits: decision.runner_up_utility_microunits,
            evaluated_models: decision.evaluated_models,
            eligible_models: decision.eligible_models,
        }
    }

    fn read(&self) -> Result<Decision, InvalidField> {
        let reason = self.reason.try_into()?;
        let mut decision = Decision::rejected(self.sequence, self.requested_model_id, reason);
        decision.policy_epoch = self.policy_epoch;
        decision.catalog_epoch = self.catalog_epoch;
        decision.action = self.action.try_into()?;
        decision.selected_model_id = self.selected_model_id;
        decision.estimated_cost = Microunits::new(self.estimated_cost_microunits);
        decision.maximum_cost = decision.estimated_cost;
        decision.expected_utility_microunits = self.expected_utility_microunits;
        decision.runner_up_model_id = self.runner_up_model_id;
        decision.runner_up_utility_microunits = self.runner_up_utility_microunits;
        decision.evaluated_models = self.evaluated_models;
        decision.eligible_models = self.eligible_models;
        Ok(decision)
    }
}

impl FitsV1 for Decision {
    fn fits_v1(&self) -> bool {
        self.maximum_cost == self.estimated_cost
    }
}

/// Whether or not a kernel could have made the decision: [`checked`] says that.
impl Says<Decision> for DecisionV2 {
    fn of(decision: &Decision) -> Self {
        let maximum_cost = (!decision.fits_v1()).then(|| decision.maximum_cost.get());
        Self {
            base: DecisionV1::of(decision),
            unknown_flags: 0,
            maximum_cost_microunits: maximum_cost,
        }
    }

    fn read(&self) -> Result<Decision, InvalidField> {
        let mut decision = self.base.read()?;
        if let Some(maximum_cost) = self.maximum_cost_microunits {
            decision.maximum_cost = Microunits::new(maximum_cost);
        }
        spelled_as("decision.flags", self, &Self::of(&decision))?;
        Ok(decision)
    }
}

/// A decision that a kernel could have made.
pub(super) fn checked(decision: &Decision) -> Result<(), InvalidField> {
    decision.check().map_err(|inconsistent| InvalidField::new("decision", inconsistent))
}
