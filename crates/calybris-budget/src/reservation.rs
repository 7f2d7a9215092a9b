//! A reservation: an amount that somebody owns until it is settled, once.

use std::borrow::Borrow;
use std::fmt;

use crate::amount::check_amount;
use crate::levels::Admission;
use crate::settlement::{Covered, Overdraft, SettleRefused, Settled};
use crate::{BudgetError, OverrunPolicy, ReservationId, Tenant};

/// An amount held for one call. It is settled once: committed, released, or dropped.
///
/// A dropped reservation is released, so a call that panics or is cancelled gives its amount back;
/// unless it was [marked as dispatched](Self::mark_dispatched), for then nobody knows what it cost.
///
/// A `Reservation` owns a handle of its tenant: it may move into a task or another thread. A
/// `Reservation<&Tenant>`, from [`try_reserve_scoped`](Tenant::try_reserve_scoped), borrows one.
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
pub struct Reservation<T: Borrow<Tenant> = Tenant> {
    tenant: T,
    /// INVARIANT (settled once): this is what the account holds for the reservation, at every
    /// moment. A settlement takes it, and leaves zero and no id.
    pub(crate) amount_microunits: u64,
    /// The id under which it goes to suspense if it is dropped.
    dispatched_as: Option<ReservationId>,
}

impl Reservation {
    /// A reservation that was admitted before.
    pub(crate) fn replayed(tenant: Tenant, amount_microunits: u64) -> Result<Self, BudgetError> {
        check_amount(amount_microunits)?;
        tenant.debit_levels(amount_microunits, Admission::Replayed)?;
        Ok(Self::new(tenant, amount_microunits))
    }

    pub(crate) fn extend_replayed(&mut self, more_microunits: u64) -> Result<(), BudgetError> {
        self.tenant().check_reservable(more_microunits)?;
        self.tenant().debit_levels(more_microunits, Admission::Replayed)?;
        self.amount_microunits += more_microunits;
        Ok(())
    }
}

impl<T: Borrow<Tenant>> Reservation<T> {
    /// The caller has debited `amount_microunits`.
    #[inline]
    pub(crate) fn new(tenant: T, amount_microunits: u64) -> Self {
        Self { tenant, amount_microunits, dispatched_as: None }
    }

    /// What is held, in microunits.
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
        self.tenant.borrow()
    }

    /// Refuses an actual cost above the amount that is held; changes nothing.
    ///
    /// A caller with a log asks here first, then appends its record, then commits: the answer
    /// stays true for as long as the reservation is open.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun), whatever the overrun policy of the tenant says. With a
    /// policy, [`cover`](Self::cover) comes first.
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

    /// Spends `actual_microunits`, 0 up to the amount held; the rest returns to the tenant.
    ///
    /// A cost above the amount held is met as the tenant's [`OverrunPolicy`] says.
    ///
    /// # Errors
    ///
    /// Whatever [`cover`](Self::cover) refuses; the reservation comes back with it.
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
    pub fn commit(self, actual_microunits: u64) -> Result<Settled, SettleRefused<T>> {
        if actual_microunits <= self.amount_microunits {
            return Ok(self.settle(actual_microunits));
        }
        self.commit_overrun(actual_microunits)
    }

    // Out of line and by value, like everything rare here: a reservation whose address is never
    // taken lives in registers.
    #[cold]
    #[inline(never)]
    fn commit_overrun(mut self, actual_microunits: u64) -> Result<Settled, SettleRefused<T>> {
        match self.cover(actual_microunits) {
            Ok(covered) => Ok(self.settle(covered.commit_microunits)),
            Err(error) => Err(SettleRefused { error, reservation: self }),
        }
    }

    /// Makes the reservation cover an actual cost, as the tenant's [`OverrunPolicy`] says, and says
    /// what is to be committed.
    ///
    /// [`commit`](Self::commit) does this by itself. A caller with a log does it first, appends the
    /// overdraft if there was one, then the commit, and then commits.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun) under [`Reject`](OverrunPolicy::Reject);
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge) and
    /// [`GrantTooLarge`](BudgetError::GrantTooLarge) for a cost or a debt beyond the maximum. The
    /// reservation is then as before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.set_rules(TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..Default::default() })?;
    ///
    /// let mut reservation = acme.try_reserve(70)?;
    /// let covered = reservation.cover(120)?;
    ///
    /// assert_eq!(covered.commit_microunits, 120);
    /// assert_eq!(covered.overdraft.unwrap().drawn_microunits, [30]);
    /// assert_eq!(acme.snapshot().debt_microunits, 20);
    /// # reservation.commit(120)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cover(&mut self, actual_microunits: u64) -> Result<Covered, BudgetError> {
        let Some(extra) = actual_microunits.checked_sub(self.amount_microunits).filter(|e| *e > 0)
        else {
            return Ok(Covered { commit_microunits: actual_microunits, overdraft: None });
        };
        match self.tenant().rules().overrun {
            OverrunPolicy::Reject => Err(self.overrun(actual_microunits)),
            OverrunPolicy::CapAtReserved => {
                check_amount(actual_microunits)?;
                Ok(Covered { commit_microunits: self.amount_microunits, overdraft: None })
            }
            OverrunPolicy::DrawThenDebt => {
                check_amount(actual_microunits)?;
                let drawn_microunits = self.overdraw(extra, None)?;
                let overdraft = Overdraft { extra_microunits: extra, drawn_microunits };
                Ok(Covered { commit_microunits: actual_microunits, overdraft: Some(overdraft) })
            }
        }
    }

    /// Grows by `extra`, drawn and owed; see [`Tenant::overdraw`].
    pub(crate) fn overdraw(
        &mut self,
        extra: u64,
        replayed: Option<&[u64]>,
    ) -> Result<Vec<u64>, BudgetError> {
        let drawn = self.tenant().overdraw(extra, replayed)?;
        self.amount_microunits += extra;
        Ok(drawn)
    }

    /// Holds more: a stream goes on for longer than was thought.
    ///
    /// # Errors
    ///
    /// As [`Tenant::try_reserve`]; the reservation is then as before.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let mut reservation = acme.try_reserve(70)?;
    /// reservation.extend(20)?;
    /// assert_eq!(reservation.amount_microunits(), 90);
    /// assert!(reservation.extend(11).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn extend(&mut self, more_microunits: u64) -> Result<(), BudgetError> {
        self.tenant().check_reservable(more_microunits)?;
        self.tenant().debit(more_microunits)?;
        self.amount_microunits += more_microunits;
        Ok(())
    }

    /// Spends a part of what is held and keeps the rest open: a stream has cost this much so far.
    ///
    /// # Errors
    ///
    /// As [`check_commit`](Self::check_commit); the reservation is then as before.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let mut reservation = acme.try_reserve(70)?;
    /// reservation.commit_part(30)?;
    /// assert_eq!(reservation.amount_microunits(), 40);
    /// assert_eq!(acme.snapshot().committed_microunits, 30);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn commit_part(&mut self, actual_microunits: u64) -> Result<(), BudgetError> {
        self.check_commit(actual_microunits)?;
        self.amount_microunits -= actual_microunits;
        self.tenant().settle(actual_microunits, actual_microunits);
        Ok(())
    }

    /// Notes that the call was sent. If the reservation is dropped from here on, its amount is not
    /// released, for the call may have cost something: the engine keeps it in suspense under `id`
    /// (or one of its own, should that be taken), lists it in
    /// [`open_holds`](crate::BudgetEngine::open_holds), and gives it back with
    /// [`attach`](crate::BudgetEngine::attach) to whoever finds out what it cost. That goes for one
    /// that holds nothing (any more) as well.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, ReservationId};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let mut reservation = acme.try_reserve(70)?;
    /// reservation.mark_dispatched(ReservationId::from(7));
    /// drop(reservation);
    ///
    /// assert_eq!(acme.snapshot().reserved_microunits, 70);
    /// engine.attach(ReservationId::from(7)).unwrap().commit(50)?;
    /// assert_eq!(acme.snapshot().available_microunits, 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mark_dispatched(&mut self, id: ReservationId) {
        self.dispatched_as = Some(id);
    }

    /// Whether the call was sent.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", 100)?.try_reserve(70)?;
    /// assert!(!reservation.is_dispatched());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn is_dispatched(&self) -> bool {
        self.dispatched_as.is_some()
    }

    /// The same reservation with a handle of its own.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let reservation = acme.try_reserve_scoped(70)?.into_owned();
    /// std::thread::spawn(move || reservation.commit(50)).join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_owned(mut self) -> Reservation {
        // INVARIANT (settled once): what is left behind holds nothing and was never dispatched.
        Reservation {
            tenant: self.tenant().clone(),
            amount_microunits: std::mem::take(&mut self.amount_microunits),
            dispatched_as: self.dispatched_as.take(),
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
    #[inline(always)]
    fn settle(mut self, actual_microunits: u64) -> Settled {
        let reserved = self.amount_microunits;
        // INVARIANT (settled once): the drop at the end of this function finds nothing to settle and
        // nobody to wait for.
        self.amount_microunits = 0;
        self.dispatched_as = None;
        self.tenant().settle(reserved, actual_microunits);
        Settled {
            committed_microunits: actual_microunits,
            released_microunits: reserved - actual_microunits,
        }
    }

    #[cold]
    #[inline(never)]
    fn overrun(&self, actual_microunits: u64) -> BudgetError {
        BudgetError::Overrun {
            tenant: self.tenant().name().to_owned(),
            reserved_microunits: self.amount_microunits,
            actual_microunits,
        }
    }
}

impl<T: Borrow<Tenant>> Drop for Reservation<T> {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT (settled once): a settlement has left neither an amount nor an id.
        match self.dispatched_as {
            Some(id) => suspend(self.tenant(), self.amount_microunits, id),
            None if self.amount_microunits > 0 => self.tenant().settle(self.amount_microunits, 0),
            None => {}
        }
    }
}

/// Hands an amount whose owner is gone to the engine. Without an engine there is nobody to
/// reconcile it: it stays reserved.
#[cold]
#[inline(never)]
fn suspend(tenant: &Tenant, amount_microunits: u64, id: ReservationId) {
    let Some(shared) = tenant.shared() else { return };
    let suspended =
        Reservation { tenant: tenant.clone(), amount_microunits, dispatched_as: Some(id) };
    if let Err(suspended) = shared.holds.keep_as(id, suspended, None) {
        shared.holds.keep(suspended, None);
    }
}

impl<T: Borrow<Tenant>> fmt::Debug for Reservation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("tenant", &self.tenant().name())
            .field("amount_microunits", &self.amount_microunits)
            .field("dispatched", &self.is_dispatched())
            .finish()
    }
}
