//! The rules of a tenant, as its administrator sets them.

use calybris_units::Microunits;

use crate::BudgetError;
use crate::checks::check_amount;

/// The policy for a call that cost more than was reserved for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverrunPolicy {
    /// The commit is refused; the reservation stays open and is given back.
    #[default]
    Reject,
    /// The actual cost is committed: the excess is drawn from the available amount, and the missing part
    /// becomes debt. A tenant in debt reserves nothing until a top-up or a repayment has cleared it.
    DrawThenDebt,
    /// The reserved amount is committed; the excess is not charged to the tenant.
    CapAtReserved,
}

/// The rules that decide about the reservations of a tenant, beside its balance. The default has no
/// cap, no soft limit, and [rejects](OverrunPolicy::Reject) an overrun.
///
/// ```
/// use calybris_budget::{Microunits, OverrunPolicy, TenantRules};
///
/// let rules = TenantRules::default()
///     .with_exposure_cap(Microunits::new(30))
///     .with_overrun(OverrunPolicy::DrawThenDebt);
/// assert_eq!(rules.exposure_cap, Some(Microunits::new(30)));
/// assert_eq!(rules.soft_limit, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantRules {
    /// The most that may be reserved at once; `None` for no cap, 0 for nothing.
    pub exposure_cap: Option<Microunits>,
    /// The use (reserved and committed) at which the engine warns, once for each time the rules are
    /// set: [`take_warnings`](crate::BudgetEngine::take_warnings). `None` for no warning, 0 for one
    /// with the next reservation.
    pub soft_limit: Option<Microunits>,
    /// The policy for a call that cost more than was reserved for it.
    pub overrun: OverrunPolicy,
}

impl TenantRules {
    /// The same rules with a cap: the most that may be reserved at once, 0 for nothing.
    #[must_use]
    pub fn with_exposure_cap(mut self, cap: Microunits) -> Self {
        self.exposure_cap = Some(cap);
        self
    }

    /// The same rules with a soft limit: the use (reserved and committed) at which the engine warns,
    /// 0 for a warning with the next reservation.
    #[must_use]
    pub fn with_soft_limit(mut self, limit: Microunits) -> Self {
        self.soft_limit = Some(limit);
        self
    }

    /// The same rules with another policy for a call that cost more than was reserved for it.
    #[must_use]
    pub fn with_overrun(mut self, overrun: OverrunPolicy) -> Self {
        self.overrun = overrun;
        self
    }

    /// Refuses what [`Tenant::set_rules`](crate::Tenant::set_rules) would refuse: a cap or a limit that is no amount. A caller
    /// who logs rules before they are set asks first.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge) for one above [`MAX_AMOUNT`](crate::MAX_AMOUNT).
    ///
    /// ```
    /// use calybris_budget::{MAX_AMOUNT, Microunits, TenantRules};
    ///
    /// assert!(TenantRules::default().with_exposure_cap(MAX_AMOUNT).check().is_ok());
    /// assert!(TenantRules::default().with_exposure_cap(Microunits::MAX).check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), BudgetError> {
        for limit in [self.exposure_cap, self.soft_limit].into_iter().flatten() {
            check_amount(limit)?;
        }
        Ok(())
    }
}
