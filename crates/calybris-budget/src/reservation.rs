//! A reservation: an amount that somebody owns until it is settled, once.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;

use calybris_units::Microunits;

use crate::checks::check_amount;
use crate::hierarchy::Admission;
use crate::refusal::Refusal;
use crate::settlement::Settled;
use crate::{BudgetError, ReservationId, Tenant};

/// An amount that is set aside for one call. It is settled once: committed, released, or dropped.
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
/// let reservation = engine.ensure_tenant("acme", Microunits::new(100)).unwrap().try_reserve(Microunits::new(70)).unwrap();
/// reservation.commit(Microunits::new(50)).unwrap();
/// reservation.release();
/// ```
#[must_use = "a reservation that is dropped is released"]
pub struct Reservation<T: Borrow<Tenant> = Tenant> {
    tenant: T,
    /// INVARIANT (settled once): this is what the account has set aside for the reservation, at
    /// every moment. A settlement takes it, and leaves zero and no id.
    pub(crate) amount: u64,
    /// The id under which it goes to suspense if it is dropped.
    dispatched_as: Option<ReservationId>,
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

impl Reservation {
    /// A reservation that was admitted before.
    pub(crate) fn replayed(tenant: Tenant, amount: Microunits) -> Result<Self, BudgetError> {
        let amount = check_amount(amount)?;
        tenant.debit_levels(amount, Admission::Replayed)?;
        Ok(Self::new(tenant, amount))
    }

    pub(crate) fn extend_replayed(&mut self, more: Microunits) -> Result<(), BudgetError> {
        let more = self.tenant().check_reservable(more)?;
        self.tenant().debit_levels(more, Admission::Replayed)?;
        self.amount += more;
        Ok(())
    }
}

impl<T: Borrow<Tenant>> Reservation<T> {
    /// The caller has debited `amount`.
    #[inline]
    pub(crate) fn new(tenant: T, amount: u64) -> Self {
        Self { tenant, amount, dispatched_as: None }
    }

    /// The amount that is still reserved.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", Microunits::new(100))?.try_reserve(Microunits::new(70))?;
    /// assert_eq!(reservation.amount(), Microunits::new(70));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn amount(&self) -> Microunits {
        Microunits::new(self.amount)
    }

    /// The tenant whose amount it is.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", Microunits::new(100))?.try_reserve(Microunits::new(70))?;
    /// assert_eq!(reservation.tenant().name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        self.tenant.borrow()
    }

    /// Refuses an actual cost above the amount of the reservation; changes nothing.
    ///
    /// A caller with a log asks here first, then appends its record, then commits: the answer
    /// stays true for as long as the reservation is open.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun), whatever the overrun policy of the tenant says. With a
    /// policy, [`cover_overrun`](Self::cover_overrun) comes first.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", Microunits::new(100))?.try_reserve(Microunits::new(70))?;
    /// assert!(reservation.check_commit(Microunits::new(70)).is_ok());
    /// assert!(reservation.check_commit(Microunits::new(71)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn check_commit(&self, actual: Microunits) -> Result<(), BudgetError> {
        if actual.get() > self.amount {
            return Err(self.overrun(actual));
        }
        Ok(())
    }

    /// Spends `actual`, 0 up to the amount of the reservation; the rest returns to the
    /// tenant.
    ///
    /// A cost above that amount is met as the tenant's [`OverrunPolicy`](crate::OverrunPolicy) says.
    ///
    /// # Errors
    ///
    /// Whatever [`cover_overrun`](Self::cover_overrun) refuses; the reservation comes back with it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let reservation = acme.try_reserve(Microunits::new(70))?;
    ///
    /// let refused = reservation.commit(Microunits::new(71)).unwrap_err();
    /// let settled = refused.reservation.commit(Microunits::new(50))?;
    ///
    /// assert_eq!((settled.committed.get(), settled.released.get()), (50, 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn commit(self, actual: Microunits) -> Result<Settled, SettleRefused<T>> {
        if actual.get() <= self.amount {
            return self.settle(actual.get());
        }
        self.commit_overrun(actual)
    }

    // Out of line and by value, like everything rare here: a reservation whose address is never
    // taken lives in registers.
    #[cold]
    #[inline(never)]
    fn commit_overrun(mut self, actual: Microunits) -> Result<Settled, SettleRefused<T>> {
        match self.cover_overrun(actual) {
            Ok(covered) => self.settle(covered.commit.get()),
            Err(error) => Err(SettleRefused { error, reservation: self }),
        }
    }

    /// Reserves more: a stream goes on for longer than was thought.
    ///
    /// # Errors
    ///
    /// As [`Tenant::try_reserve`]; the reservation is then as before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// reservation.extend(Microunits::new(20))?;
    /// assert_eq!(reservation.amount(), Microunits::new(90));
    /// assert!(reservation.extend(Microunits::new(11)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn extend(&mut self, more: Microunits) -> Result<(), BudgetError> {
        let more = self.tenant().check_reservable(more)?;
        self.tenant().debit(more)?;
        self.amount += more;
        Ok(())
    }

    /// Spends a part of the reservation and keeps the rest open: a stream has cost this much so far.
    ///
    /// # Errors
    ///
    /// As [`check_commit`](Self::check_commit); the reservation is then as before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// reservation.commit_part(Microunits::new(30))?;
    /// assert_eq!(reservation.amount(), Microunits::new(40));
    /// assert_eq!(acme.snapshot().committed, Microunits::new(30));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn commit_part(&mut self, actual: Microunits) -> Result<(), BudgetError> {
        self.check_commit(actual)?;
        self.settle_part(actual.get(), actual.get())
    }

    /// Settles a part of the amount; the caller has checked that there is as much.
    pub(crate) fn settle_part(&mut self, part: u64, actual: u64) -> Result<(), BudgetError> {
        let settled = self.tenant().settle(part, actual);
        settled.map_err(|refusal| self.tenant().refused(actual, refusal))?;
        self.amount -= part;
        Ok(())
    }

    /// Notes that the call was sent. If the reservation is dropped from here on, its amount is not
    /// released, for the call may have cost something: the engine keeps it in suspense under `id`
    /// (or one of its own, should that be taken), lists it in
    /// [`open_reservations`](crate::BudgetEngine::open_reservations), and gives it back with
    /// [`attach`](crate::BudgetEngine::attach) once the cost is known. That goes for one of amount 0 as
    /// well.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, ReservationId};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// reservation.mark_dispatched(ReservationId::from(7));
    /// drop(reservation);
    ///
    /// assert_eq!(acme.snapshot().reserved, Microunits::new(70));
    /// engine.attach(ReservationId::from(7)).unwrap().commit(Microunits::new(50))?;
    /// assert_eq!(acme.snapshot().available, Microunits::new(50));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mark_dispatched(&mut self, id: ReservationId) {
        self.dispatched_as = Some(id);
    }

    /// Whether the call was sent.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let reservation = engine.ensure_tenant("acme", Microunits::new(100))?.try_reserve(Microunits::new(70))?;
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
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let reservation = acme.try_reserve_scoped(Microunits::new(70))?.into_owned();
    /// std::thread::spawn(move || reservation.commit(Microunits::new(50))).join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_owned(mut self) -> Reservation {
        // INVARIANT (settled once): the rest that stays here has no amount and was never dispatched.
        Reservation {
            tenant: self.tenant().clone(),
            amount: std::mem::take(&mut self.amount),
            dispatched_as: self.dispatched_as.take(),
        }
    }

    /// Returns the whole amount to the tenant. To a broken account nothing is returned
    /// ([`Internal`](BudgetError::Internal)): the amount stays reserved there.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.try_reserve(Microunits::new(70))?.release();
    /// assert_eq!(acme.snapshot().available, Microunits::new(100));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn release(self) {
        drop(self.settle(0));
    }

    /// The caller has checked the actual amount.
    #[inline(always)]
    fn settle(mut self, actual: u64) -> Result<Settled, SettleRefused<T>> {
        let reserved = self.amount;
        if let Err(refusal) = self.tenant().settle(reserved, actual) {
            return Err(self.refused(actual, refusal));
        }
        // INVARIANT (settled once): the drop at the end of this function finds nothing to settle and
        // nobody to wait for.
        self.amount = 0;
        self.dispatched_as = None;
        let (committed, released) = (Microunits::new(actual), Microunits::new(reserved - actual));
        Ok(Settled { committed, released })
    }

    #[cold]
    #[inline(never)]
    fn refused(self, actual: u64, refusal: Refusal) -> SettleRefused<T> {
        SettleRefused { error: self.tenant().refused(actual, refusal), reservation: self }
    }
}

impl<T: Borrow<Tenant>> Drop for Reservation<T> {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT (settled once): a settlement has left neither an amount nor an id.
        match self.dispatched_as {
            // Without an engine there is nobody to reconcile it: it stays reserved.
            Some(id) => {
                if let Some(keeper) = self.tenant().keeper() {
                    keeper.suspend(self.tenant(), self.amount, id);
                }
            }
            // A broken account keeps the amount reserved: there is nobody to tell, and it has told.
            None if self.amount > 0 => drop(self.tenant().settle(self.amount, 0)),
            None => {}
        }
    }
}

impl<T: Borrow<Tenant>> fmt::Debug for Reservation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("tenant", &self.tenant().name())
            .field("amount_microunits", &self.amount)
            .field("dispatched", &self.is_dispatched())
            .finish()
    }
}

impl<T: Borrow<Tenant>> fmt::Display for SettleRefused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reservation stays open: {}", self.error)
    }
}

impl<T: Borrow<Tenant> + fmt::Debug> Error for SettleRefused<T> {}
