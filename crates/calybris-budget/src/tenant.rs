//! The handle of a tenant: resolved once, then as fast as its account.

use std::fmt;
use std::sync::Arc;

use crate::account::Account;
use crate::amount::check_amount;
use crate::{BudgetError, Reservation};

/// A tenant of a [`BudgetEngine`](crate::BudgetEngine), found once by its name.
///
/// All clones are the same tenant. A handle keeps its account alive, so it and its reservations
/// may outlive the engine.
#[derive(Clone)]
pub struct Tenant {
    record: Arc<Record>,
}

struct Record {
    account: Account,
    name: Box<str>,
}

/// An account at one instant, in microunits.
///
/// `granted = available + reserved + committed`, in every snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccountSnapshot {
    /// What the tenant was given in all.
    pub granted_microunits: u64,
    /// What may still be reserved.
    pub available_microunits: u64,
    /// What open reservations hold.
    pub reserved_microunits: u64,
    /// What was spent.
    pub committed_microunits: u64,
}

impl Tenant {
    /// The caller has checked both.
    pub(crate) fn new(name: &str, granted_microunits: u64) -> Self {
        let account = Account::new(granted_microunits);
        Self { record: Arc::new(Record { account, name: name.into() }) }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.record.account
    }

    /// The name under which the tenant was opened.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// assert_eq!(engine.ensure_tenant("acme", 100)?.name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Holds 1 to [`MAX_AMOUNT_MICROUNITS`](crate::MAX_AMOUNT_MICROUNITS) microunits for one call,
    /// until the reservation is settled or dropped.
    ///
    /// A reservation that fits is never refused, whatever other threads try meanwhile.
    ///
    /// # Errors
    ///
    /// [`Insufficient`](BudgetError::Insufficient) when less is available;
    /// [`ZeroAmount`](BudgetError::ZeroAmount), because a call that costs nothing needs no
    /// reservation and a price of nothing is more often a mistake;
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, BudgetError};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let reservation = acme.try_reserve(70)?;
    /// assert_eq!(acme.snapshot().reserved_microunits, 70);
    ///
    /// let refused = acme.try_reserve(31).unwrap_err();
    /// assert!(matches!(
    ///     refused,
    ///     BudgetError::Insufficient { requested_microunits: 31, available_microunits: 30, .. }
    /// ));
    /// # reservation.release();
    /// # Ok::<(), BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve(&self, amount_microunits: u64) -> Result<Reservation, BudgetError> {
        // A zero wraps to the largest number, so one comparison sends both refusals aside.
        if amount_microunits.wrapping_sub(1) >= crate::MAX_AMOUNT_MICROUNITS {
            return Err(self.unreservable(amount_microunits));
        }
        match self.record.account.debit(amount_microunits) {
            Ok(()) => Ok(Reservation::new(self.clone(), amount_microunits)),
            Err(available) => Err(self.insufficient(amount_microunits, available)),
        }
    }

    /// The account at one instant, exactly, without stopping anyone who writes to it.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.try_reserve(30)?.commit(20).unwrap();
    ///
    /// let now = acme.snapshot();
    /// assert_eq!((now.granted_microunits, now.available_microunits), (100, 80));
    /// assert_eq!((now.reserved_microunits, now.committed_microunits), (0, 20));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> AccountSnapshot {
        let reading = self.record.account.read();
        let granted = self.record.account.granted();
        AccountSnapshot {
            granted_microunits: granted,
            available_microunits: reading.available,
            // INVARIANT (conservation) makes this the sum of the open debits, never negative.
            reserved_microunits: granted - reading.available - reading.committed,
            committed_microunits: reading.committed,
        }
    }

    #[cold]
    fn insufficient(&self, requested_microunits: u64, available_microunits: u64) -> BudgetError {
        let tenant = self.name().to_owned();
        BudgetError::Insufficient { tenant, requested_microunits, available_microunits }
    }

    #[cold]
    fn unreservable(&self, amount_microunits: u64) -> BudgetError {
        match check_amount(amount_microunits) {
            Err(error) => error,
            Ok(()) => BudgetError::ZeroAmount { tenant: self.name().to_owned() },
        }
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("name", &self.name())
            .field("account", &self.snapshot())
            .finish()
    }
}
