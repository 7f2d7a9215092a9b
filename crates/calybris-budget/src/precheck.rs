//! Prechecks for callers that log a credit before they apply it, when it must not be refused any more.

use calybris_units::Microunits;

use crate::checks::{check_amount, check_name};
use crate::{BudgetEngine, BudgetError, MAX_LEVELS, Tenant};

impl BudgetEngine {
    /// Refuses what [`ensure_tenant`](Self::ensure_tenant) (without a parent) or
    /// [`ensure_child`](Self::ensure_child) would refuse, and opens nothing. A parent is made ready for
    /// children, which changes none of its amounts.
    ///
    /// The answer stays true until another thread opens a tenant of this name.
    ///
    /// # Errors
    ///
    /// As the two.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let reservation = acme.try_reserve(Microunits::new(1))?;
    /// assert!(engine.check_open("acme/web", Microunits::new(60), Some(&acme)).is_err());
    /// reservation.release();
    /// engine.check_open("acme/web", Microunits::new(60), Some(&acme))?;
    /// assert!(engine.tenant("acme/web").is_none());
    /// assert!(engine.check_open("acme", Microunits::new(200), None).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn check_open(
        &self,
        name: &str,
        granted: Microunits,
        parent: Option<&Tenant>,
    ) -> Result<(), BudgetError> {
        check_name(name)?;
        check_amount(granted)?;
        if let Some(parent) = parent {
            self.check_parent(name, parent)?;
        }
        match self.tenant(name) {
            Some(tenant) => tenant.check_opened_so(granted, parent),
            None => Ok(()),
        }
    }

    /// Refuses a parent that cannot have this child, and makes it ready for its first.
    pub(crate) fn check_parent(&self, name: &str, parent: &Tenant) -> Result<(), BudgetError> {
        if !self.tenant(parent.name()).is_some_and(|found| found.is(parent)) {
            return Err(BudgetError::UnknownTenant { tenant: parent.name().to_owned() });
        }
        if parent.levels().count() >= MAX_LEVELS {
            return Err(BudgetError::TooDeep { tenant: name.to_owned() });
        }
        if self.tenant(name).is_none() {
            let reserved = parent.locked(|| parent.account().become_level())?;
            if reserved > 0 {
                let (tenant, reserved) = (parent.name().to_owned(), Microunits::new(reserved));
                return Err(BudgetError::ParentInUse { tenant, reserved });
            }
        }
        Ok(())
    }
}

impl Tenant {
    /// Refuses what [`top_up`](Self::top_up) would refuse. The answer stays true as long as no other thread tops up or lets a cost
    /// become debt.
    ///
    /// # Errors
    ///
    /// As [`top_up`](Self::top_up).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// assert!(acme.check_top_up(Microunits::new(50)).is_ok());
    /// assert!(acme.check_top_up(calybris_budget::MAX_AMOUNT).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn check_top_up(&self, amount: Microunits) -> Result<(), BudgetError> {
        let amount = check_amount(amount)?;
        self.locked(|| self.check_top_up_locked(amount))
    }

    /// Refuses what [`refund`](Self::refund) would refuse. The answer stays true as long as no other thread refunds.
    ///
    /// # Errors
    ///
    /// As [`refund`](Self::refund).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// assert!(acme.check_refund(Microunits::new(1)).is_err());
    /// acme.try_reserve(Microunits::new(1))?.commit(Microunits::new(1)).unwrap();
    /// assert!(acme.check_refund(Microunits::new(1)).is_ok());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn check_refund(&self, amount: Microunits) -> Result<(), BudgetError> {
        self.locked(|| self.check_refund_locked(amount.get()))
    }

    /// Refuses another parent or another grant than the tenant was opened with.
    pub(crate) fn check_opened_so(
        &self,
        granted: Microunits,
        parent: Option<&Tenant>,
    ) -> Result<(), BudgetError> {
        let same_parent = match (self.parent(), parent) {
            (None, None) => true,
            (Some(found), Some(parent)) => found.is(parent),
            _ => false,
        };
        if !same_parent {
            return Err(BudgetError::ParentDiffers { tenant: self.name().to_owned() });
        }
        if self.opened_with() != granted {
            return Err(BudgetError::GrantDiffers {
                tenant: self.name().to_owned(),
                granted: self.opened_with(),
                requested: granted,
            });
        }
        Ok(())
    }
}
