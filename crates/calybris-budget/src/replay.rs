//! Replay: from the events back to the budget they describe.

use std::collections::BTreeMap;

use crate::{BudgetEngine, BudgetError, BudgetEvent, ReplayError, Reservation};

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
    /// The reservations that no event settled, by their hold. To drop one is to release it.
    pub open_holds: BTreeMap<u64, Reservation>,
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
            BudgetEvent::Reserved { tenant, hold, amount_microunits } => {
                if self.open_holds.contains_key(&hold) {
                    return Err(BudgetError::HoldExists { hold });
                }
                let Some(found) = self.engine.tenant(&tenant) else {
                    return Err(BudgetError::UnknownTenant { tenant });
                };
                self.open_holds.insert(hold, found.try_reserve(amount_microunits)?);
            }
            BudgetEvent::Committed { hold, actual_microunits } => {
                let reservation = self.close(hold)?;
                if let Err(refused) = reservation.commit(actual_microunits) {
                    self.open_holds.insert(hold, refused.reservation);
                    return Err(refused.error);
                }
            }
            BudgetEvent::Released { hold } => {
                self.close(hold)?.release();
            }
        }
        Ok(())
    }

    fn close(&mut self, hold: u64) -> Result<Reservation, BudgetError> {
        self.open_holds.remove(&hold).ok_or(BudgetError::UnknownHold { hold })
    }
}
