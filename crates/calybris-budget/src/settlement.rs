//! What came of a reservation: settled, refused, or grown to cover an overrun.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;

use calybris_units::Microunits;

#[cfg(doc)]
use crate::OverrunPolicy;
use crate::{BudgetError, Reservation, Tenant};

/// What a settlement did with the amount that was reserved: the two parts add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// What was spent.
    pub committed: Microunits,
    /// What became available again.
    pub released: Microunits,
}

/// A commit that was refused. It gives the reservation back, open as it was.
#[derive(Debug)]
#[non_exhaustive]
pub struct SettleRefused<T: Borrow<Tenant> = Tenant> {
    /// Why.
    pub error: BudgetError,
    /// The reservation, to be committed with another amount or released.
    pub reservation: Reservation<T>,
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

impl<T: Borrow<Tenant>> fmt::Display for SettleRefused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reservation stays open: {}", self.error)
    }
}

impl<T: Borrow<Tenant> + fmt::Debug> Error for SettleRefused<T> {}
