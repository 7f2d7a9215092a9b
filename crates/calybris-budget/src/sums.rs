//! The books of one tenant, as the audit keeps them.

use std::fmt;

use calybris_units::Microunits;

use crate::AccountSnapshot;

/// The quantities of one tenant, in microunits, each summed up for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sums {
    /// All that was granted.
    pub granted: i128,
    /// The amount that is left to reserve.
    pub available: i128,
    /// The sum of the open reservations.
    pub reserved: i128,
    /// The amount that was spent.
    pub committed: i128,
    /// All that is owed.
    pub debt: i128,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { granted, available, reserved, committed, debt } = self;
        write!(
            f,
            "{granted} granted, {available} available, {reserved} reserved, {committed} committed, {debt} debt"
        )
    }
}

impl Sums {
    pub(crate) fn snapshot(&self) -> Option<AccountSnapshot> {
        Some(AccountSnapshot {
            granted: narrow(self.granted)?,
            available: narrow(self.available)?,
            reserved: narrow(self.reserved)?,
            committed: narrow(self.committed)?,
            debt: narrow(self.debt)?,
        })
    }
}

fn narrow(microunits: i128) -> Option<Microunits> {
    u64::try_from(microunits).ok().map(Microunits::new)
}
