//! A reservation: an amount that somebody owns until it is settled, once.

use std::error::Error;
use std::fmt;

use crate::{BudgetError, Tenant};

/// An amount held for one call. It is settled once: committed, released, or dropped.
///
/// A dropped reservation is released, so a call that panics or is cancelled gives its amount back.
/// It owns all it needs: it may move into a task or another thread.
///
/// The compiler sees to it that it is not settled twice:
///
/// ```compile_fail,E0382
/// let engine = calybris_budget::BudgetEngine::new();
/// let reservation = engine.ensure_tenant("acme", 100).unwrap().try_reserve(70).unwrap();
/// reservation.commit(50).unwrap();
/// reservation.release();
/// ```
#[must_use = "a reservation that is dropped is released"]
pub struct Reservation {
    tenant: Tenant,
    /// INVARIANT (settled once): the amount is above zero while the debit is open, and zero from
    /// the moment it is settled; the account hears of it on that change and on no other.
    amount_microunits: u64,
}

/// What a settlement did with the amount that was reserved: the two parts add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What was spent, in microunits.
    pub committed_microunits: u64,
    /// What became available again, in microunits.
    pub released_microunits: u64,
}

/// A commit that was refused. It gives the reservation back, open as it was.
#[derive(Debug)]
pub struct SettleRefused {
    /// Why.
    pub error: BudgetError,
    /// The reservation, to be committed with another amount or released.
    pub reservation: Reservation,
}

impl Reservation {
    /// The caller has debited `amount_microunits`, which is above zero.
    #[inline]
    pub(crate) fn new(tenant: Tenant, amount_microunits: u64) -> Self {
        Self { tenant, amount_microunits }
    }

    /// What is held, in microunits: at least 1.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", 100)?.try_reserve(70)?;
    /// assert_eq!(reservation.amount_microunits(), 70);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn amount_microunits(&self) -> u64 {
        self.amount_microunits
    }

    /// Whose amount is held.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", 100)?.try_reserve(70)?;
    /// assert_eq!(reservation.tenant().name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Says whether [`commit`](Self::commit) would accept `actual_microunits`, and changes
    /// nothing.
    ///
    /// A caller with a log asks here first, then appends its record, then commits: the answer
    /// stays true for as long as the reservation is open.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun) when the actual cost is above the amount reserved.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", 100)?.try_reserve(70)?;
    /// assert!(reservation.check_commit(70).is_ok());
    /// assert!(reservation.check_commit(71).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn check_commit(&self, actual_microunits: u64) -> Result<(), BudgetError> {
        if actual_microunits > self.amount_microunits {
            return Err(self.overrun(actual_microunits));
        }
        Ok(())
    }

    /// Spends `actual_microunits`, 0 up to the amount reserved; the rest returns to the tenant.
    ///
    /// # Errors
    ///
    /// Whatever [`check_commit`](Self::check_commit) refuses; the reservation comes back with it.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let reservation = acme.try_reserve(70)?;
    ///
    /// let refused = reservation.commit(71).unwrap_err();
    /// let settled = refused.reservation.commit(50)?;
    ///
    /// assert_eq!((settled.committed_microunits, settled.released_microunits), (50, 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn commit(self, actual_microunits: u64) -> Result<Settled, SettleRefused> {
        match self.check_commit(actual_microunits) {
            Ok(()) => Ok(self.settle(actual_microunits)),
            Err(error) => Err(SettleRefused { error, reservation: self }),
        }
    }

    /// Returns the whole amount to the tenant.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.try_reserve(70)?.release();
    /// assert_eq!(acme.snapshot().available_microunits, 100);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn release(self) {
        self.settle(0);
    }

    /// The caller has checked the actual amount.
    #[inline]
    fn settle(mut self, actual_microunits: u64) -> Settled {
        // INVARIANT (settled once): the drop at the end of this function finds zero.
        let reserved = std::mem::take(&mut self.amount_microunits);
        self.tenant.account().settle(reserved, actual_microunits);
        Settled {
            committed_microunits: actual_microunits,
            released_microunits: reserved - actual_microunits,
        }
    }

    #[cold]
    fn overrun(&self, actual_microunits: u64) -> BudgetError {
        BudgetError::Overrun {
            tenant: self.tenant.name().to_owned(),
            reserved_microunits: self.amount_microunits,
            actual_microunits,
        }
    }
}

impl Drop for Reservation {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT (settled once): zero means that a settlement has told the account already.
        if self.amount_microunits > 0 {
            self.tenant.account().settle(self.amount_microunits, 0);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("tenant", &self.tenant.name())
            .field("amount_microunits", &self.amount_microunits)
            .finish()
    }
}

impl fmt::Display for SettleRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reservation stays open: {}", self.error)
    }
}

impl Error for SettleRefused {}
