//! Replay: from the events back to the budget they describe.

use std::collections::BTreeMap;

use crate::amount::check_amount;
use crate::{BudgetEngine, BudgetError, BudgetEvent, ReplayError, Reservation, Tenant};

/// Rebuilds a budget from its events, one at a time.
///
/// It makes the changes through the same door as everyone else, so an event that no live budget
/// could have produced is refused.
///
/// ```
/// use calybris_budget::{BudgetEvent, Replay};
///
/// let mut replay = Replay::new();
/// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 })?;
/// replay.apply(BudgetEvent::Reserved { tenant: "acme".into(), hold: 7, amount_microunits: 70 })?;
/// let mut replayed = replay.finish();
///
/// // The process died with hold 7 open: the call it paid for is settled now.
/// let reservation = replayed.open_holds.remove(&7).unwrap();
/// assert_eq!(reservation.amount_microunits(), 70);
/// reservation.release();
/// # Ok::<(), calybris_budget::ReplayError>(())
/// ```
#[derive(Debug, Default)]
pub struct Replay {
    engine: BudgetEngine,
    open_holds: BTreeMap<u64, Reservation>,
    applied: u64,
}

/// A budget as its events left it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// All tenants, with what they have available and committed.
    pub engine: BudgetEngine,
    /// The reservations that no event settled, by their hold. To drop one is to release it; if it
    /// was dispatched, to leave it in suspense under the number of its hold.
    pub open_holds: BTreeMap<u64, Reservation>,
}

impl Replayed {
    /// The engine, keeping every open hold under its own number until somebody settles it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEvent, Replay};
    ///
    /// let engine = Replay::run([
    ///     BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 },
    ///     BudgetEvent::Reserved { tenant: "acme".into(), hold: 7, amount_microunits: 70 },
    /// ])?
    /// .keep_holds();
    /// assert_eq!(engine.commit("acme", 7.into(), 50)?.released_microunits, 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn keep_holds(self) -> BudgetEngine {
        for (hold, reservation) in self.open_holds {
            // The engine is as new as this replay: nobody else has kept anything in it.
            if let Err(taken) = self.engine.detach_as(hold.into(), reservation, None) {
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
    pub fn run(events: impl IntoIterator<Item = BudgetEvent>) -> Result<Replayed, ReplayError> {
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
    /// use calybris_budget::{BudgetEvent, Replay};
    ///
    /// let mut replay = Replay::new();
    /// assert!(replay.tenant("acme").is_none());
    /// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 })?;
    /// assert_eq!(replay.tenant("acme").unwrap().snapshot().available_microunits, 100);
    /// # Ok::<(), calybris_budget::ReplayError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        self.engine.tenant(name)
    }

    /// The open hold of this number, as the events so far have left it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEvent, Replay};
    ///
    /// let mut replay = Replay::new();
    /// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 })?;
    /// replay.apply(BudgetEvent::Reserved { tenant: "acme".into(), hold: 7, amount_microunits: 70 })?;
    /// assert_eq!(replay.hold(7).unwrap().amount_microunits(), 70);
    /// # Ok::<(), calybris_budget::ReplayError>(())
    /// ```
    #[must_use]
    pub fn hold(&self, hold: u64) -> Option<&Reservation> {
        self.open_holds.get(&hold)
    }

    /// What a checkpoint has restored, before the first event after it.
    pub(crate) fn resumed(engine: BudgetEngine, open_holds: BTreeMap<u64, Reservation>) -> Self {
        Self { engine, open_holds, applied: 0 }
    }

    /// All that a checkpoint is made of.
    pub(crate) fn state(&self) -> (&BudgetEngine, &BTreeMap<u64, Reservation>) {
        (&self.engine, &self.open_holds)
    }

    /// The budget after the last event.
    #[must_use]
    pub fn finish(self) -> Replayed {
        Replayed { engine: self.engine, open_holds: self.open_holds }
    }

    fn change(&mut self, event: BudgetEvent) -> Result<(), BudgetError> {
        match event {
            BudgetEvent::TenantOpened { tenant, granted_microunits } => {
                self.engine.ensure_tenant(&tenant, granted_microunits)?;
            }
            BudgetEvent::ChildOpened { tenant, parent, granted_microunits } => {
                let parent = self.opened(&parent)?;
                // The log may be ahead of the settlements that the live tenant waited for; here
                // is nobody else who could settle meanwhile.
                parent.account().become_level_alone();
                self.engine.ensure_child(&tenant, granted_microunits, &parent)?;
            }
            BudgetEvent::Reserved { tenant, hold, amount_microunits } => {
                let reservation = self.reserve(&tenant, hold, amount_microunits)?;
                self.keep(hold, reservation);
            }
            BudgetEvent::ReservedOnce { tenant, hold, amount_microunits, key } => {
                let reservation = self.reserve(&tenant, hold, amount_microunits)?;
                self.engine.remember(&key, &tenant, amount_microunits, hold.into())?;
                self.keep(hold, reservation);
            }
            BudgetEvent::Extended { hold, amount_microunits } => {
                self.open(hold)?.extend_replayed(amount_microunits)?;
            }
            BudgetEvent::Overdrawn { hold, extra_microunits, drawn_microunits } => {
                check_amount(extra_microunits)?;
                self.open(hold)?.overdraw(extra_microunits, Some(&drawn_microunits))?;
            }
            BudgetEvent::Dispatched { hold } => self.open(hold)?.mark_dispatched(hold.into()),
            BudgetEvent::PartCommitted { hold, actual_microunits } => {
                self.open(hold)?.commit_part(actual_microunits)?;
            }
            BudgetEvent::PartReleased { hold, amount_microunits } => {
                self.open(hold)?.release_part(amount_microunits)?;
            }
            BudgetEvent::Committed { hold, actual_microunits } => {
                // What an overrun took stands in an event before this one, so the policy of the
                // tenant, as it is by now, is not asked.
                self.open(hold)?.check_commit(actual_microunits)?;
                let reservation = self.close(hold)?;
                reservation.commit(actual_microunits).map_err(|refused| refused.error)?;
            }
            BudgetEvent::Released { hold } | BudgetEvent::Expired { hold } => {
                self.close(hold)?.release();
            }
            BudgetEvent::ToppedUp { tenant, amount_microunits } => {
                self.opened(&tenant)?.top_up(amount_microunits)?;
            }
            BudgetEvent::Reduced { tenant, amount_microunits } => {
                self.opened(&tenant)?.reduce(amount_microunits)?;
            }
            BudgetEvent::Refunded { tenant, amount_microunits } => {
                self.opened(&tenant)?.refund(amount_microunits)?;
            }
            BudgetEvent::Repaid { tenant, amount_microunits } => {
                self.opened(&tenant)?.repay_exactly(amount_microunits)?;
            }
            BudgetEvent::CarriedOver { from, to, amount_microunits } => {
                self.opened(&from)?.carry_over_exactly(&self.opened(&to)?, amount_microunits)?;
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

    fn reserve(&self, tenant: &str, hold: u64, amount: u64) -> Result<Reservation, BudgetError> {
        if self.open_holds.contains_key(&hold) {
            return Err(BudgetError::HoldExists { hold });
        }
        Reservation::replayed(self.opened(tenant)?, amount)
    }

    fn keep(&mut self, hold: u64, reservation: Reservation) {
        // A key may still answer with this number after it was settled, so nobody else gets it.
        self.engine.skip_ids_to(hold.into());
        self.open_holds.insert(hold, reservation);
    }

    fn open(&mut self, hold: u64) -> Result<&mut Reservation, BudgetError> {
        self.open_holds.get_mut(&hold).ok_or(BudgetError::UnknownHold { hold })
    }

    fn close(&mut self, hold: u64) -> Result<Reservation, BudgetError> {
        self.open_holds.remove(&hold).ok_or(BudgetError::UnknownHold { hold })
    }
}
