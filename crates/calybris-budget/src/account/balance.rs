//! The balance: the words of an account as they were together at one instant.

use calybris_units::{BrokenInvariant, invariant};

/// The words of an account at one instant, in microunits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) granted: u64,
    pub(crate) debt: u64,
    pub(crate) available: u64,
    pub(crate) committed: u64,
}

impl Balance {
    /// All of a grant is available.
    pub(crate) fn of_grant(granted: u64) -> Self {
        Self { granted, debt: 0, available: granted, committed: 0 }
    }

    /// The available amount less the debt.
    pub(crate) fn withdrawable(&self) -> u64 {
        self.available.saturating_sub(self.debt)
    }

    /// INVARIANT (conservation) makes this the sum of the open debits, never negative.
    pub(crate) fn reserved(&self) -> Result<u64, BrokenInvariant> {
        let owed = self.granted.checked_add(self.debt);
        let rest =
            owed.and_then(|owed| owed.checked_sub(self.available)?.checked_sub(self.committed));
        invariant!(rest, "granted + debt covers what is available and committed")
    }
}
