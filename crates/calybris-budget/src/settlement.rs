//! What came of a reservation: settled, or grown to cover an overrun.

use calybris_units::Microunits;

#[cfg(doc)]
use crate::OverrunPolicy;

/// What a settlement did with the amount that was reserved: the two parts add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// What was spent.
    pub committed: Microunits,
    /// What became available again.
    pub released: Microunits,
}

/// What had to be done so that a reservation covers the actual cost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Covered {
    /// What is to be committed now: the actual cost, or less under
    /// [`CapAtReserved`](OverrunPolicy::CapAtReserved).
    pub commit: Microunits,
    /// What was taken beyond the reservation, if anything was.
    pub overdraft: Option<Overdraft>,
}

/// What an overrun took beyond its reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overdraft {
    /// By how much the reservation grew.
    pub extra: Microunits,
    /// How much of it was drawn from what was available, for the tenant itself and each level
    /// above it in turn. The rest is debt of that level.
    pub drawn: Vec<Microunits>,
}
