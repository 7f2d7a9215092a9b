//! The engine's door for reservations that have an id: given into its keeping, listed, swept, and
//! taken out again.

use std::convert::Infallible;

use calybris_units::UnixMillis;

use crate::{BudgetEngine, BudgetError, OpenReservation, Reservation, ReservationId};

impl BudgetEngine {
    /// Gives a reservation into the engine's keeping, until the caller's time `expires_at` or
    /// for good: it no longer ends with its owner, and its id may cross a process boundary.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, UnixMillis};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.detach(acme.try_reserve(Microunits::new(70))?, Some(UnixMillis::new(60_000)));
    /// engine.commit("acme", id, Microunits::new(50))?;
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn detach(
        &self,
        reservation: Reservation,
        expires_at: Option<UnixMillis>,
    ) -> ReservationId {
        self.shared.reservations.keep(reservation, expires_at)
    }

    /// As [`detach`](Self::detach), under an id of the caller's: a reservation that came back from a log
    /// keeps the id it had. The engine gives out greater ones from then on.
    ///
    /// # Errors
    ///
    /// The reservation, when the id names an open reservation already.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, ReservationId};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = ReservationId::from(7);
    /// engine.detach_as(id, acme.try_reserve(Microunits::new(70))?, None).unwrap();
    /// engine.detach_as(id, acme.try_reserve(Microunits::new(30))?, None).unwrap_err().release();
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn detach_as(
        &self,
        id: ReservationId,
        reservation: Reservation,
        expires_at: Option<UnixMillis>,
    ) -> Result<(), Reservation> {
        self.shared.reservations.keep_as(id, reservation, expires_at)
    }

    /// Takes a reservation back from the engine. The caller that gets it is the only one that can settle it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.try_reserve("acme", Microunits::new(70))?;
    /// engine.attach(id).unwrap().commit(Microunits::new(50)).unwrap();
    /// assert!(engine.attach(id).is_none());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn attach(&self, id: ReservationId) -> Option<Reservation> {
        self.promote(id).ok()?;
        let Ok(taken) = self.shared.reservations.take(id, |_| Ok::<_, Infallible>(()));
        taken.map(|(reservation, ())| reservation)
    }

    /// Every reservation that the engine keeps, in order of id: those known by an id, and those in
    /// suspense. A reservation that somebody owns is in its owner's hands and not listed.
    ///
    /// # Errors
    ///
    /// [`Internal`](BudgetError::Internal) alone.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// engine.try_reserve("acme", Microunits::new(70))?;
    /// assert_eq!(engine.open_reservations()?[0].amount, Microunits::new(70));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn open_reservations(&self) -> Result<Vec<OpenReservation>, BudgetError> {
        Ok(self.kept()?)
    }

    /// Takes back every reservation that has expired by the caller's time `now`, in order of id.
    /// To drop them is to release them; a caller with a log appends `Expired` for each of them
    /// first. A dispatched reservation does not expire: it stays in suspense.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, UnixMillis};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// engine.detach(acme.try_reserve(Microunits::new(70))?, Some(UnixMillis::new(60_000)));
    /// assert!(engine.take_expired(UnixMillis::new(59_999)).is_empty());
    /// drop(engine.take_expired(UnixMillis::new(60_000)));
    /// assert_eq!(acme.snapshot().available, Microunits::new(100));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use = "what is dropped is released"]
    pub fn take_expired(&self, now: UnixMillis) -> Vec<(ReservationId, Reservation)> {
        self.shared.reservations.take_expired(now)
    }
}
