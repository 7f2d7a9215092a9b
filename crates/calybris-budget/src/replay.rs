//! Replay: from the events back to the budget they describe.

use std::collections::BTreeMap;

use calybris_units::Microunits;

use crate::checks::check_amount;
use crate::{
    BudgetEngine, BudgetError, BudgetEvent, ReplayError, Reservation, ReservationId, Tenant,
};

/// Rebuilds a budget from its events, one at a time.
///
/// It makes the changes through the same door as everyone else, so an event that no live budget
/// could have produced is refused.
///
/// ```
/// use calybris_budget::{BudgetEvent, Microunits, Replay};
///
/// let mut replay = Replay::new();
/// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) })?;
/// replay.apply(BudgetEvent::Reserved { tenant: "acme".into(), reservation: 7.into(), amount: Microunits::new(70) })?;
/// let mut rebuilt = replay.finish();
///
/// // The process died while reservation 7 was open: the call it paid for is settled now.
/// let reservation = rebuilt.open_reservations.remove(&7.into()).unwrap();
/// assert_eq!(reservation.amount(), Microunits::new(70));
/// reservation.release();
/// # Ok::<(), calybris_budget::ReplayError>(())
/// ```
#[derive(Debug, Default)]
pub struct Replay {
    engine: BudgetEngine,
    open_reservations: BTreeMap<ReservationId, Reservation>,
    applied: u64,
}

/// A budget as its events left it.
#[derive(Debug)]
#[non_exhaustive]
pub struct RebuiltBudget {
    /// All tenants, with what they have available and committed.
    pub engine: BudgetEngine,
    /// The reservations that no event settled, by id. To drop one is to release it; if it was
    /// dispatched, to leave it in suspense under its id.
    pub open_reservations: BTreeMap<ReservationId, Reservation>,
}

impl RebuiltBudget {
    /// The engine, keeping every open reservation under its id until somebody settles it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEvent, Microunits, Replay};
    ///
    /// let engine = Replay::run([
    ///     BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
    ///     BudgetEvent::Reserved {
    ///         tenant: "acme".into(),
    ///         reservation: 7.into(),
    ///         amount: Microunits::new(70),
    ///     },
    /// ])?
    /// .keep_reservations();
    /// let settled = engine.commit("acme", 7.into(), Microunits::new(50))?;
    /// assert_eq!(settled.released, Microunits::new(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn keep_reservations(self) -> BudgetEngine {
        for (id, reservation) in self.open_reservations {
            // The engine is as new as this replay: nobody else has kept anything in it.
            if let Err(taken) = self.engine.detach_as(id, reservation, None) {
                self.engine.detach(taken, None);
            }
        }
        self.engine
    }
}

impl Replay {
    /// A budget before its first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replays all events. A caller with a long log streams it through [`apply`](Self::apply).
    ///
    /// # Errors
    ///
    /// The first event that cannot follow those before it.
    pub fn run(
        events: impl IntoIterator<Item = BudgetEvent>,
    ) -> Result<RebuiltBudget, ReplayError> {
        let mut replay = Self::new();
        for event in events {
            replay.apply(event)?;
        }
        Ok(replay.finish())
    }

    /// Makes the change that the next event describes.
    ///
    /// # Errors
    ///
    /// An event that cannot follow those before it, with its index. The budget is then as if it
    /// had not been given.
    pub fn apply(&mut self, event: BudgetEvent) -> Result<(), ReplayError> {
        let event_index = self.applied;
        self.change(event).map_err(|error| ReplayError { event_index, error })?;
        self.applied += 1;
        Ok(())
    }

    /// The tenant of this name, as the events so far have left it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEvent, Microunits, Replay};
    ///
    /// let mut replay = Replay::new();
    /// assert!(replay.tenant("acme").is_none());
    /// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) })?;
    /// assert_eq!(replay.tenant("acme").unwrap().snapshot().available, Microunits::new(100));
    /// # Ok::<(), calybris_budget::ReplayError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        self.engine.tenant(name)
    }

    /// The open reservation of this id, as the events so far have left it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEvent, Microunits, Replay};
    ///
    /// let mut replay = Replay::new();
    /// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) })?;
    /// replay.apply(BudgetEvent::Reserved { tenant: "acme".into(), reservation: 7.into(), amount: Microunits::new(70) })?;
    /// assert_eq!(replay.reservation(7.into()).unwrap().amount(), Microunits::new(70));
    /// # Ok::<(), calybris_budget::ReplayError>(())
    /// ```
    #[must_use]
    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.open_reservations.get(&id)
    }

    /// A budget that was restored from a state, before the first event after it.
    pub(crate) fn resumed(
        engine: BudgetEngine,
        open_reservations: BTreeMap<ReservationId, Reservation>,
    ) -> Self {
        Self { engine, open_reservations, applied: 0 }
    }

    /// All that a state is made of.
    pub(crate) fn parts(&self) -> (&BudgetEngine, &BTreeMap<ReservationId, Reservation>) {
        (&self.engine, &self.open_reservations)
    }

    /// The budget after the last event.
    #[must_use]
    pub fn finish(self) -> RebuiltBudget {
        RebuiltBudget { engine: self.engine, open_reservations: self.open_reservations }
    }

    fn change(&mut self, event: BudgetEvent) -> Result<(), BudgetError> {
        match event {
            BudgetEvent::TenantOpened { tenant, granted } => {
                self.engine.ensure_tenant(&tenant, granted)?;
            }
            BudgetEvent::ChildOpened { tenant, parent, granted } => {
                let parent = self.opened(&parent)?;
                // The log may be ahead of the settlements that the live tenant waited for; here no
                // other thread can settle meanwhile.
                parent.account().become_level_alone();
                self.engine.ensure_child(&tenant, granted, &parent)?;
            }
            BudgetEvent::Reserved { tenant, reservation: id, amount } => {
                let reservation = self.reserve(&tenant, id, amount)?;
                self.keep(id, reservation);
            }
            BudgetEvent::ReservedOnce { tenant, reservation: id, amount, key } => {
                let reservation = self.reserve(&tenant, id, amount)?;
                self.engine.remember(&key, &tenant, amount, id)?;
                self.keep(id, reservation);
            }
            BudgetEvent::Extended { reservation, amount } => {
                self.open(reservation)?.extend_replayed(amount)?;
            }
            BudgetEvent::Overdrawn { reservation, extra, drawn } => {
                let extra = check_amount(extra)?;
                let drawn: Vec<u64> = drawn.into_iter().map(Microunits::get).collect();
                self.open(reservation)?.overdraw(extra, Some(&drawn))?;
            }
            BudgetEvent::Dispatched { reservation } => {
                self.open(reservation)?.mark_dispatched(reservation);
            }
            BudgetEvent::PartCommitted { reservation, actual } => {
                self.open(reservation)?.commit_part(actual)?;
            }
            BudgetEvent::PartReleased { reservation, amount } => {
                self.open(reservation)?.release_part(amount)?;
            }
            BudgetEvent::Committed { reservation, actual } => {
                // An overrun has an event of its own before this one, so the policy of the
                // tenant, as it is by now, is not asked.
                self.open(reservation)?.check_commit(actual)?;
                self.close(reservation)?.commit(actual).map_err(|refused| refused.error)?;
            }
            BudgetEvent::Released { reservation } | BudgetEvent::Expired { reservation } => {
                self.close(reservation)?.release();
            }
            BudgetEvent::ToppedUp { tenant, amount } => {
                self.opened(&tenant)?.top_up(amount)?;
            }
            BudgetEvent::Reduced { tenant, amount } => {
                self.opened(&tenant)?.reduce(amount)?;
            }
            BudgetEvent::Refunded { tenant, amount } => {
                self.opened(&tenant)?.refund(amount)?;
            }
            BudgetEvent::Repaid { tenant, amount } => {
                self.opened(&tenant)?.repay_exactly(amount)?;
            }
            BudgetEvent::CarriedOver { from, to, amount } => {
                self.opened(&from)?.carry_over_exactly(&self.opened(&to)?, amount)?;
            }
            BudgetEvent::Frozen { tenant } => self.opened(&tenant)?.freeze(),
            BudgetEvent::Unfrozen { tenant } => self.opened(&tenant)?.unfreeze(),
            BudgetEvent::RulesSet { tenant, rules } => self.opened(&tenant)?.set_rules(rules)?,
            BudgetEvent::SoftLimitReached { tenant } => self.opened(&tenant)?.set_warned(),
        }
        Ok(())
    }

    fn opened(&self, name: &str) -> Result<Tenant, BudgetError> {
        let unknown = || BudgetError::UnknownTenant { tenant: name.to_owned() };
        self.engine.tenant(name).ok_or_else(unknown)
    }

    fn reserve(
        &self,
        tenant: &str,
        id: ReservationId,
        amount: Microunits,
    ) -> Result<Reservation, BudgetError> {
        if self.open_reservations.contains_key(&id) {
            return Err(BudgetError::AlreadyOpen { reservation: id });
        }
        Reservation::replayed(self.opened(tenant)?, amount)
    }

    fn keep(&mut self, id: ReservationId, reservation: Reservation) {
        // A key may still answer with this id after it was settled, so no other reservation gets it.
        self.engine.skip_ids_to(id);
        self.open_reservations.insert(id, reservation);
    }

    fn open(&mut self, id: ReservationId) -> Result<&mut Reservation, BudgetError> {
        self.open_reservations.get_mut(&id).ok_or(BudgetError::NotOpen { reservation: id })
    }

    fn close(&mut self, id: ReservationId) -> Result<Reservation, BudgetError> {
        self.open_reservations.remove(&id).ok_or(BudgetError::NotOpen { reservation: id })
    }
}
