//! What becomes of a ticket: settled, abandoned, or on to the next model.

use calybris_units::{Microunits, UnixMillis};
use serde::{Deserialize, Serialize};

use super::flagged::{flagged, spelled_as};
use super::invalid::InvalidField;
use super::says::{FitsV1, Says};
use crate::record::{Fallback, Record};

/// The decision was carried out and cost this much.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SettledV1 {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
    pub(super) actual_cost_microunits: u64,
}

/// The decision was not carried out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AbandonedV1 {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
}

/// The model of an open ticket failed. `F` is the model that the ticket went on to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FellBackOf<F> {
    pub(super) time_unix_ms: u64,
    pub(super) decision_sequence: u64,
    pub(super) snapshot_sequence: u64,
    pub(super) failed_model_id: u32,
    pub(super) fallback: Option<F>,
}

pub(super) type FellBackV1 = FellBackOf<FallbackV1>;
pub(super) type FellBackV2 = FellBackOf<FallbackV2>;

/// A model whose maximum cost is its estimated cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FallbackV1 {
    model_id: u32,
    estimated_cost_microunits: u64,
    expected_utility_microunits: i64,
}

flagged! {
    /// Any model.
    pub(super) struct FallbackV2: FallbackV1 {
        0 maximum_cost_microunits: u64,
    }
}

impl<F: Says<Fallback>> FellBackOf<F> {
    pub(super) fn fallback(&self) -> Result<Option<Fallback>, InvalidField> {
        self.fallback.as_ref().map(Says::read).transpose()
    }

    pub(super) fn read(&self) -> Result<Record<'static>, InvalidField> {
        Ok(Record::FellBack {
            time: UnixMillis::new(self.time_unix_ms),
            decision_sequence: self.decision_sequence,
            snapshot_sequence: self.snapshot_sequence,
            failed_model_id: self.failed_model_id,
            fallback: self.fallback()?,
        })
    }
}

impl Says<Fallback> for FallbackV1 {
    fn of(fallback: &Fallback) -> Self {
        Self {
            model_id: fallback.model_id,
            estimated_cost_microunits: fallback.estimated_cost.get(),
            expected_utility_microunits: fallback.expected_utility_microunits,
        }
    }

    fn read(&self) -> Result<Fallback, InvalidField> {
        let estimated_cost = Microunits::new(self.estimated_cost_microunits);
        Ok(Fallback {
            model_id: self.model_id,
            estimated_cost,
            maximum_cost: estimated_cost,
            expected_utility_microunits: self.expected_utility_microunits,
        })
    }
}

impl FitsV1 for Fallback {
    fn fits_v1(&self) -> bool {
        self.maximum_cost == self.estimated_cost
    }
}

impl FitsV1 for Option<Fallback> {
    fn fits_v1(&self) -> bool {
        self.as_ref().is_none_or(FitsV1::fits_v1)
    }
}

impl Says<Fallback> for FallbackV2 {
    fn of(fallback: &Fallback) -> Self {
        let maximum_cost = (!fallback.fits_v1()).then(|| fallback.maximum_cost.get());
        Self {
            base: FallbackV1::of(fallback),
            unknown_flags: 0,
            maximum_cost_microunits: maximum_cost,
        }
    }

    fn read(&self) -> Result<Fallback, InvalidField> {
        let mut fallback = self.base.read()?;
        if let Some(maximum_cost) = self.maximum_cost_microunits {
            fallback.maximum_cost = Microunits::new(maximum_cost);
        }
        if fallback.maximum_cost < fallback.estimated_cost {
            let why = "it is below the estimated cost";
            return Err(InvalidField::new("fallback.maximum_cost_microunits", why));
        }
        spelled_as("fallback.flags", self, &Self::of(&fallback))?;
        Ok(fallback)
    }
}
