//! Accounts added up, in numbers that are wide enough for any number of accounts.

use std::ops::AddAssign;

use crate::AccountSnapshot;

/// Several accounts added up, in microunits.
///
/// Every account fits in a `u64`, and the sum of three that are as large as can be does not.
///
/// `granted + debt = available + reserved + committed`, as in every [`AccountSnapshot`].
///
/// ```
/// use calybris_budget::{BudgetEngine, MAX_AMOUNT, Totals};
///
/// let engine = BudgetEngine::new();
/// let mut totals = Totals::default();
/// for tenant in ["a", "b", "c"] {
///     totals += engine.ensure_tenant(tenant, MAX_AMOUNT)?.snapshot().into();
/// }
/// assert_eq!(totals.granted_microunits, 3 * u128::from(MAX_AMOUNT.get()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// The sum of their grants.
    pub granted_microunits: u128,
    /// The amount that they may still reserve.
    pub available_microunits: u128,
    /// The sum of their open reservations.
    pub reserved_microunits: u128,
    /// The amount that they spent, less refunds.
    pub committed_microunits: u128,
    /// The amount that they spent beyond their grants.
    pub debt_microunits: u128,
}

impl From<AccountSnapshot> for Totals {
    fn from(account: AccountSnapshot) -> Self {
        Self {
            granted_microunits: account.granted.get().into(),
            available_microunits: account.available.get().into(),
            reserved_microunits: account.reserved.get().into(),
            committed_microunits: account.committed.get().into(),
            debt_microunits: account.debt.get().into(),
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.granted_microunits += other.granted_microunits;
        self.available_microunits += other.available_microunits;
        self.reserved_microunits += other.reserved_microunits;
        self.committed_microunits += other.committed_microunits;
        self.debt_microunits += other.debt_microunits;
    }
}
