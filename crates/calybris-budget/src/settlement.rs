//! The results of settling a reservation and of covering an overrun.

use calybris_units::Microunits;

#[cfg(doc)]
use crate::OverrunPolicy;

/// The two parts of a settled reservation; they add up to the reserved amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// The amount that was spent.
    pub committed: Microunits,
    /// The amount that became available again.
    pub released: Microunits,
}

/// The result of making a reservation cover its actual cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Covered {
    /// The amount to commit now: the actual cost, or less under
    /// [`CapAtReserved`](OverrunPolicy::CapAtReserved).
    pub commit: Microunits,
    /// The overdraft, if the reservation had to grow.
    pub overdraft: Option<Overdraft>,
}

/// The amount that an overrun took beyond its reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overdraft {
    /// By how much the reservation grew.
    pub extra: Microunits,
    /// How much of it was drawn from what was available, for the tenant itself and each level
    /// above it in turn. The rest is debt of that level.
    pub drawn: Vec<Microunits>,
}
