//! The account of a tenant at one instant.

use std::fmt;

use calybris_units::Microunits;

/// An account at one instant.
///
/// `granted + debt = available + reserved + committed`, in every snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountSnapshot {
    /// The sum of all grants.
    pub granted: Microunits,
    /// The amount that may still be reserved.
    pub available: Microunits,
    /// The sum of the open reservations.
    pub reserved: Microunits,
    /// The amount that was spent, less refunds.
    pub committed: Microunits,
    /// The amount that was spent beyond the grant, under
    /// [`DrawThenDebt`](crate::OverrunPolicy::DrawThenDebt). Zero under the other policies.
    pub debt: Microunits,
}

impl fmt::Display for AccountSnapshot {
    /// In microunits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [granted, available, reserved, committed, debt] =
            [self.granted, self.available, self.reserved, self.committed, self.debt]
                .map(Microunits::get);
        write!(
            f,
            "{granted} granted, {available} available, {reserved} reserved, {committed} committed, {debt} debt"
        )
    }
}

impl AccountSnapshot {
    /// The available amount less the debt: the most that may leave the grant.
    ///
    /// By conservation this is never more than the grant, while what is available may be: a refund
    /// to a tenant in debt makes some available and pays nothing.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt))?;
    /// acme.try_reserve(Microunits::new(60))?.commit(Microunits::new(130))?;
    /// acme.refund(Microunits::new(50))?;
    /// assert_eq!(acme.snapshot().withdrawable(), Microunits::new(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn withdrawable(&self) -> Microunits {
        self.available.checked_sub(self.debt).unwrap_or(Microunits::ZERO)
    }
}
