//! From a budget to its state, and from a state back to the budget.

use std::collections::BTreeMap;

use calybris_units::BrokenInvariant;

use crate::account::Balance;
use crate::reservation_id::OWN_IDS;
use crate::state::{reservation_label, tenant_label};
use crate::{
    BudgetEngine, BudgetState, KeyState, Replay, Reservation, ReservationId, ReservationState,
    StateError, Tenant, TenantState,
};

impl BudgetEngine {
    /// All that a budget needs to go on. `owned` are the reservations that callers own, each under the
    /// id that the log has given it; the engine adds those that it keeps itself.
    ///
    /// The caller lets nobody change the budget meanwhile. It is a moment between two changes and
    /// their events: every change that was made is logged, and every change that is logged was made. A
    /// warning that nobody has taken yet is given again by the budget that goes on from here.
    ///
    /// # Errors
    ///
    /// The books do not add up: a reservation is missing from `owned`, or somebody did change the
    /// budget meanwhile. [`Internal`](StateError::Internal) when an account is broken: nobody may go on from its books.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, Replay};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let owned = acme.try_reserve(Microunits::new(70))?;
    /// let kept = engine.try_reserve("acme", Microunits::new(20))?;
    ///
    /// assert!(engine.state([]).is_err());
    /// let state = engine.state([(7.into(), &owned)])?;
    ///
    /// let rebuilt = Replay::from_state(&state)?.finish();
    /// assert_eq!(rebuilt.open_reservations[&7.into()].amount(), Microunits::new(70));
    /// assert_eq!(rebuilt.open_reservations[&kept].amount(), Microunits::new(20));
    /// # owned.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state<'a>(
        &self,
        owned: impl IntoIterator<Item = (ReservationId, &'a Reservation)>,
    ) -> Result<BudgetState, StateError> {
        let untaken = self.shared.untaken_warnings();
        let mut tenants = self.tenants();
        tenants.sort_by_cached_key(|tenant| tenant.levels().count());
        let tenants = tenants.iter().map(|tenant| {
            let account = tenant.snapshot();
            tenant.account().check_sound()?;
            Ok(TenantState {
                tenant: tenant.name().to_owned(),
                parent: tenant.parent().map(|parent| parent.name().to_owned()),
                opened_with: tenant.opened_with(),
                account,
                rules: tenant.rules(),
                frozen: tenant.is_frozen(),
                warned: tenant.is_warned() && !untaken.contains(tenant.name()),
            })
        });
        let owned = owned.into_iter().map(|(id, owned)| ReservationState {
            reservation: id,
            tenant: owned.tenant().name().to_owned(),
            amount: owned.amount(),
            dispatched: owned.is_dispatched(),
        });
        let kept = self.kept()?.into_iter().map(|kept| ReservationState {
            reservation: kept.id,
            tenant: kept.tenant,
            amount: kept.amount,
            dispatched: kept.dispatched,
        });
        let mut reservations: Vec<_> = owned.chain(kept).collect();
        reservations.sort_unstable_by_key(|state| state.reservation);
        let mut ids = reservations.iter().rev().map(|state| state.reservation);
        let last_id = self.shared.reservations.last_id();
        let last_reservation =
            ids.find(|id| id.as_u64() < OWN_IDS).map_or(last_id, |id| id.max(last_id));
        let (tenants, keys) = (tenants.collect::<Result<_, StateError>>()?, self.remembered()?);
        let state = BudgetState { tenants, reservations, keys, last_reservation };
        state.check()?;
        Ok(state)
    }

    /// Every answer that is remembered, the oldest first.
    fn remembered(&self) -> Result<Vec<KeyState>, BrokenInvariant> {
        self.keys.lock().list()
    }

    /// Remembers answers that were checked.
    fn remember_all(&self, answers: &[KeyState]) {
        let mut keys = self.keys.lock();
        for KeyState { key, tenant, amount, reservation } in answers {
            keys.remember(key, tenant, *amount, *reservation);
        }
    }

    fn restore(&self, state: &TenantState) -> Result<(), StateError> {
        let parent = match &state.parent {
            Some(name) => Some(self.restored(name, || tenant_label(&state.tenant))?),
            None => None,
        };
        if let Some(parent) = &parent {
            // Nobody else knows this budget yet.
            parent.account().become_level_alone();
        }
        let account = &state.account;
        let balance = Balance {
            granted: account.granted.get(),
            debt: account.debt.get(),
            available: account.available.get(),
            committed: account.committed.get(),
        };
        let tenant = self.put(&state.tenant, state.opened_with, balance, parent)?;
        tenant.restore_rules(state.rules, state.frozen, state.warned);
        Ok(())
    }

    fn restored(
        &self,
        name: &str,
        named_by: impl FnOnce() -> String,
    ) -> Result<Tenant, StateError> {
        let (tenant, named_by) = match self.tenant(name) {
            Some(tenant) => return Ok(tenant),
            None => (name.to_owned(), named_by()),
        };
        Err(StateError::UnknownTenant { tenant, named_by })
    }
}

impl Replay {
    /// A budget in this state. The next event is the first one after the state, and its index is 0 if it
    /// is refused.
    ///
    /// # Errors
    ///
    /// A state that no budget can be in, with what is wrong with it.
    ///
    /// See [`BudgetState`] for an example.
    pub fn from_state(state: &BudgetState) -> Result<Self, StateError> {
        state.check()?;
        let engine = BudgetEngine::new();
        for tenant in &state.tenants {
            engine.restore(tenant)?;
        }
        let mut open_reservations = BTreeMap::new();
        for open in &state.reservations {
            let id = open.reservation;
            let tenant = engine.restored(&open.tenant, || reservation_label(id))?;
            // The account was restored with the amount set aside.
            let mut reservation = Reservation::new(tenant, open.amount.get());
            if open.dispatched {
                reservation.mark_dispatched(id);
            }
            open_reservations.insert(id, reservation);
        }
        engine.remember_all(&state.keys);
        engine.skip_ids_to(state.last_reservation);
        Ok(Self::resumed(engine, open_reservations))
    }

    /// All that the budget needs to go on after the last event.
    ///
    /// # Errors
    ///
    /// The books do not add up: somebody has changed the budget through a handle.
    ///
    /// See [`BudgetState`] for an example.
    pub fn state(&self) -> Result<BudgetState, StateError> {
        let (engine, open_reservations) = self.parts();
        engine.state(open_reservations.iter().map(|(id, reservation)| (*id, reservation)))
    }
}
