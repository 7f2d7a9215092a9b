//! The engine's door for reservations that have an id: given into its keeping, listed, swept, and
//! taken out again.

use crate::{BudgetEngine, BudgetError, OpenHold, Reservation, ReservationId};

impl BudgetEngine {
    /// Gives a reservation into the engine's keeping, until the caller's time `expires_at_ms` or
    /// for good: it no longer ends with its owner, and its id may cross a process boundary.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let id = engine.detach(acme.try_reserve(70)?, Some(60_000));
    /// engine.commit("acme", id, 50)?;
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn detach(&self, reservation: Reservation, expires_at_ms: Option<u64>) -> ReservationId {
        self.shared.holds.keep(reservation, expires_at_ms)
    }

    /// As [`detach`](Self::detach), under an id of the caller's: a hold that came back from a log
    /// keeps the number it had. The engine gives out greater ones from then on.
    ///
    /// # Errors
    ///
    /// The reservation, when the id names an open hold already.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, ReservationId};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let id = ReservationId::from(7);
    /// engine.detach_as(id, acme.try_reserve(70)?, None).unwrap();
    /// engine.detach_as(id, acme.try_reserve(30)?, None).unwrap_err().release();
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn detach_as(
        &self,
        id: ReservationId,
        reservation: Reservation,
        expires_at_ms: Option<u64>,
    ) -> Result<(), Reservation> {
        self.shared.holds.keep_as(id, reservation, expires_at_ms)
    }

    /// Takes a reservation back from the engine. Who gets it is the only one who can settle it.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// let id = engine.try_reserve("acme", 70)?;
    /// engine.attach(id).unwrap().commit(50).unwrap();
    /// assert!(engine.attach(id).is_none());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn attach(&self, id: ReservationId) -> Option<Reservation> {
        self.lengthen(id);
        self.shared.holds.take(id, |_| Ok::<_, BudgetError>(())).ok().flatten()
    }

    /// Every hold that the engine keeps, in order of id: those known by an id, and those in
    /// suspense. A reservation that somebody owns is in its owner's hands and not listed.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// engine.try_reserve("acme", 70)?;
    /// assert_eq!(engine.open_holds()[0].amount_microunits, 70);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn open_holds(&self) -> Vec<OpenHold> {
        self.holds()
    }

    /// Takes back every reservation whose time has come at the caller's `now_ms`, in order of id.
    /// To drop them is to release them; a caller with a log appends `Expired` for each of them
    /// first. What was dispatched does not expire: it stays in suspense.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// engine.detach(acme.try_reserve(70)?, Some(60_000));
    /// assert!(engine.take_expired(59_999).is_empty());
    /// drop(engine.take_expired(60_000));
    /// assert_eq!(acme.snapshot().available_microunits, 100);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use = "what is dropped is released"]
    pub fn take_expired(&self, now_ms: u64) -> Vec<(ReservationId, Reservation)> {
        self.shared.holds.take_expired(now_ms)
    }
}
