//! The checkpoint: all that a budget needs to go on, in one value, without the events before it.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Balance;
use crate::amount::{check_amount, check_name};
use crate::idempotency::{KEY_WINDOW, check_key};
use crate::ring::OWN_IDS;
use crate::{
    AccountSnapshot, BudgetEngine, CheckpointError, MAX_AMOUNT_MICROUNITS, MAX_LEVELS, Replay,
    Reservation, Tenant, TenantRules,
};

/// A budget at one place of its log: every tenant with its account and its rules, every open hold
/// and every idempotency key that is remembered.
///
/// A log that begins with a checkpoint needs nothing from before it:
/// [`Replay::from_checkpoint`] goes on with the next event as if it had seen all. With the feature
/// `serde` it is encoded by whatever encodes the log. Two checkpoints of the same state are equal
/// and have the same bytes.
///
/// # Where one comes from
///
/// - [`Replay::checkpoint`]: a replay that follows the log is as exact as the log, and stops nobody.
///   It costs a second copy of the budget and the replay of each event.
/// - [`BudgetEngine::checkpoint`]: the live budget itself, at a moment at which the caller lets
///   nobody change it or append to its log.
///
/// Either checks the books before it gives them away: what every tenant has reserved is what the
/// open holds hold.
///
/// ```
/// use calybris_budget::{BudgetEvent, Replay};
///
/// let mut replay = Replay::new();
/// replay.apply(BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 })?;
/// replay.apply(BudgetEvent::Reserved { tenant: "acme".into(), hold: 7, amount_microunits: 70 })?;
/// let checkpoint = replay.checkpoint()?;
///
/// let mut replay = Replay::from_checkpoint(&checkpoint)?;
/// replay.apply(BudgetEvent::Committed { hold: 7, actual_microunits: 50 })?;
/// assert_eq!(replay.tenant("acme").unwrap().snapshot().available_microunits, 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Permanence
///
/// The fields of the encoded form keep their names and their order; a form that needs more will be
/// another type. What is not in it: the time at which a detached hold expires, which is the
/// caller's to give anew as after every replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// A parent comes before its children.
    pub(crate) tenants: Vec<TenantState>,
    /// In order of number.
    pub(crate) holds: Vec<HoldState>,
    /// The oldest first.
    keys: Vec<KeyState>,
    /// The greatest number of a hold so far, open or not, of those that the budget gives out: no new one
    /// gets it.
    last_hold: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct TenantState {
    pub(crate) tenant: String,
    pub(crate) parent: Option<String>,
    opened_with_microunits: u64,
    pub(crate) account: AccountSnapshot,
    rules: TenantRules,
    frozen: bool,
    /// Whether the warning of the soft limit was given.
    warned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct HoldState {
    pub(crate) hold: u64,
    pub(crate) tenant: String,
    pub(crate) amount_microunits: u64,
    dispatched: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct KeyState {
    pub(crate) key: String,
    pub(crate) tenant: String,
    pub(crate) amount_microunits: u64,
    pub(crate) hold: u64,
}

impl BudgetEngine {
    /// All that a budget needs to go on. `owned` are the reservations that are in other hands than
    /// the engine's, each under the number that the log has given it; what the engine keeps itself
    /// it adds.
    ///
    /// The caller lets nobody change the budget meanwhile. It is a moment between two changes and
    /// their events: whatever is done is logged, and whatever is logged is done. A warning that
    /// nobody has taken yet is given again by the budget that goes on from here.
    ///
    /// # Errors
    ///
    /// The books do not add up: a reservation is missing from `owned`, or somebody did change the
    /// budget meanwhile.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Replay};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let reservation = acme.try_reserve(70)?;
    /// let kept = engine.try_reserve("acme", 20)?;
    ///
    /// assert!(engine.checkpoint([]).is_err());
    /// let checkpoint = engine.checkpoint([(7, &reservation)])?;
    ///
    /// let replay = Replay::from_checkpoint(&checkpoint)?.finish();
    /// assert_eq!(replay.open_holds[&7].amount_microunits(), 70);
    /// assert_eq!(replay.open_holds[&kept.as_u64()].amount_microunits(), 20);
    /// # reservation.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoint<'a>(
        &self,
        owned: impl IntoIterator<Item = (u64, &'a Reservation)>,
    ) -> Result<Checkpoint, CheckpointError> {
        let untaken = self.shared.untaken_warnings();
        let mut tenants = self.tenants();
        tenants.sort_by_cached_key(|tenant| tenant.levels().count());
        let tenants = tenants.iter().map(|tenant| TenantState {
            tenant: tenant.name().to_owned(),
            parent: tenant.parent().map(|parent| parent.name().to_owned()),
            opened_with_microunits: tenant.opened_with_microunits(),
            account: tenant.snapshot(),
            rules: tenant.rules(),
            frozen: tenant.is_frozen(),
            warned: tenant.is_warned() && !untaken.contains(tenant.name()),
        });
        let owned = owned.into_iter().map(|(hold, reservation)| HoldState {
            hold,
            tenant: reservation.tenant().name().to_owned(),
            amount_microunits: reservation.amount_microunits(),
            dispatched: reservation.is_dispatched(),
        });
        let kept = self.open_holds().into_iter().map(|kept| HoldState {
            hold: kept.id.as_u64(),
            tenant: kept.tenant,
            amount_microunits: kept.amount_microunits,
            dispatched: kept.dispatched,
        });
        let mut holds: Vec<_> = owned.chain(kept).collect();
        holds.sort_unstable_by_key(|state| state.hold);
        let own = holds.iter().rev().map(|state| state.hold).find(|hold| *hold < OWN_IDS);
        let last_hold = own.unwrap_or(0).max(self.shared.holds.last_id());
        let checkpoint =
            Checkpoint { tenants: tenants.collect(), holds, keys: self.remembered(), last_hold };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Every answer that is remembered, the oldest first.
    fn remembered(&self) -> Vec<KeyState> {
        self.keys.lock().list()
    }

    /// Remembers answers that were checked.
    fn remember_all(&self, answers: &[KeyState]) {
        let mut keys = self.keys.lock();
        for KeyState { key, tenant, amount_microunits, hold } in answers {
            keys.remember(key, tenant, *amount_microunits, (*hold).into());
        }
    }

    fn restore(&self, state: &TenantState) -> Result<(), CheckpointError> {
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
            granted: account.granted_microunits,
            debt: account.debt_microunits,
            available: account.available_microunits,
            committed: account.committed_microunits,
        };
        let tenant = self.put(&state.tenant, state.opened_with_microunits, balance, parent);
        tenant.restore_rules(state.rules, state.frozen, state.warned);
        Ok(())
    }

    fn restored(
        &self,
        name: &str,
        named_by: impl FnOnce() -> String,
    ) -> Result<Tenant, CheckpointError> {
        let (tenant, named_by) = match self.tenant(name) {
            Some(tenant) => return Ok(tenant),
            None => (name.to_owned(), named_by()),
        };
        Err(CheckpointError::UnknownTenant { tenant, named_by })
    }
}

impl Replay {
    /// A budget as a checkpoint has it. The next event is the first after the checkpoint, and has
    /// the index 0 if it is refused.
    ///
    /// # Errors
    ///
    /// A checkpoint that no budget can have given, with what is wrong with it.
    ///
    /// See [`Checkpoint`] for an example.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        checkpoint.check()?;
        let engine = BudgetEngine::new();
        for state in &checkpoint.tenants {
            engine.restore(state)?;
        }
        let mut open_holds = BTreeMap::new();
        for state in &checkpoint.holds {
            let tenant = engine.restored(&state.tenant, || hold_label(state.hold))?;
            // The account holds the amount already.
            let mut reservation = Reservation::new(tenant, state.amount_microunits);
            if state.dispatched {
                reservation.mark_dispatched(state.hold.into());
            }
            open_holds.insert(state.hold, reservation);
        }
        engine.remember_all(&checkpoint.keys);
        engine.skip_ids_to(checkpoint.last_hold.into());
        Ok(Self::resumed(engine, open_holds))
    }

    /// All that the budget needs to go on after the last event.
    ///
    /// # Errors
    ///
    /// The books do not add up: somebody has changed the budget through a handle.
    ///
    /// See [`Checkpoint`] for an example.
    pub fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        let (engine, open_holds) = self.state();
        engine.checkpoint(open_holds.iter().map(|(hold, reservation)| (*hold, reservation)))
    }
}

impl Checkpoint {
    /// The same budget, of which every number up to `hold` was given out: by a caller who numbers
    /// the holds himself and whose settled ones the budget has forgotten.
    ///
    /// ```
    /// use calybris_budget::BudgetEngine;
    ///
    /// let (one, other) = (BudgetEngine::new(), BudgetEngine::new());
    /// one.ensure_tenant("acme", 100)?;
    /// other.ensure_tenant("acme", 100)?;
    /// let id = one.try_reserve("acme", 70)?;
    /// one.release("acme", id)?;
    /// assert_ne!(one.checkpoint([])?, other.checkpoint([])?);
    /// assert_eq!(one.checkpoint([])?.numbered_up_to(9), other.checkpoint([])?.numbered_up_to(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn numbered_up_to(mut self, hold: u64) -> Self {
        self.last_hold = self.last_hold.max(hold);
        self
    }

    /// Refuses what no budget can have given. It is the whole of the trust in a checkpoint: what
    /// passes obeys INVARIANT (conservation) and INVARIANT (headroom), on every level.
    pub(crate) fn check(&self) -> Result<(), CheckpointError> {
        let mut held = self.check_tenants()?;
        let mut numbers = BTreeSet::new();
        for HoldState { hold, tenant, amount_microunits, .. } in &self.holds {
            if !numbers.insert(hold) || self.is_to_come(*hold) {
                return Err(CheckpointError::HoldOutOfTurn { hold: *hold });
            }
            let mut level = Some(tenant.as_str());
            while let Some(name) = level {
                let Some(account) = held.get_mut(name) else {
                    let (tenant, named_by) = (name.to_owned(), hold_label(*hold));
                    return Err(CheckpointError::UnknownTenant { tenant, named_by });
                };
                account.held_microunits += u128::from(*amount_microunits);
                level = account.state.parent.as_deref();
            }
        }
        for Held { state, held_microunits, .. } in held.values() {
            let reserved_microunits = state.account.reserved_microunits;
            if u128::from(reserved_microunits) != *held_microunits {
                let (tenant, held_microunits) = (state.tenant.clone(), *held_microunits);
                return Err(CheckpointError::HeldDiffers {
                    tenant,
                    reserved_microunits,
                    held_microunits,
                });
            }
        }
        self.check_keys(&held)
    }

    fn check_tenants(&self) -> Result<BTreeMap<&str, Held<'_>>, CheckpointError> {
        let mut held: BTreeMap<&str, Held<'_>> = BTreeMap::new();
        for state in &self.tenants {
            let named = || state.tenant.clone();
            let invalid = |error| CheckpointError::Invalid { tenant: named(), error };
            check_name(&state.tenant).map_err(invalid)?;
            check_amount(state.opened_with_microunits).map_err(invalid)?;
            state.rules.check().map_err(invalid)?;
            let levels = match state.parent.as_deref().map(|name| (name, held.get(name))) {
                None => 1,
                Some((_, Some(parent))) => parent.levels + 1,
                Some((parent, None)) => {
                    let (tenant, named_by) = (parent.to_owned(), tenant_label(&state.tenant));
                    return Err(CheckpointError::UnknownTenant { tenant, named_by });
                }
            };
            if levels > MAX_LEVELS {
                return Err(CheckpointError::TooDeep { tenant: named() });
            }
            let AccountSnapshot {
                granted_microunits: granted,
                available_microunits: available,
                reserved_microunits: reserved,
                committed_microunits: committed,
                debt_microunits: debt,
            } = state.account;
            let [owed, found] = [vec![granted, debt], vec![available, reserved, committed]]
                .map(|terms| terms.into_iter().map(u128::from).sum::<u128>());
            if owed != found || owed > u128::from(MAX_AMOUNT_MICROUNITS) {
                let account = Box::new(state.account);
                return Err(CheckpointError::Unbalanced { tenant: named(), account });
            }
            let first = Held { state, levels, held_microunits: 0 };
            if held.insert(&state.tenant, first).is_some() {
                return Err(CheckpointError::DuplicateTenant { tenant: named() });
            }
        }
        Ok(held)
    }

    /// Whether the budget is yet to give this number out. Those from [`OWN_IDS`] on are the callers'.
    fn is_to_come(&self, hold: u64) -> bool {
        hold < OWN_IDS && hold > self.last_hold
    }

    fn check_keys(&self, tenants: &BTreeMap<&str, Held<'_>>) -> Result<(), CheckpointError> {
        if self.keys.len() > KEY_WINDOW {
            return Err(CheckpointError::TooManyKeys { keys: self.keys.len() });
        }
        let mut found = BTreeSet::new();
        for KeyState { key, tenant, hold, .. } in &self.keys {
            let out_of_turn = || CheckpointError::KeyOutOfTurn { key: key.clone() };
            check_key(key).map_err(|_| out_of_turn())?;
            if !found.insert(key) || self.is_to_come(*hold) {
                return Err(out_of_turn());
            }
            if !tenants.contains_key(tenant.as_str()) {
                let (tenant, named_by) = (tenant.clone(), format!("key `{key}`"));
                return Err(CheckpointError::UnknownTenant { tenant, named_by });
            }
        }
        Ok(())
    }
}

/// A tenant of a checkpoint, and what the holds of it and of all below it hold.
struct Held<'a> {
    state: &'a TenantState,
    levels: usize,
    held_microunits: u128,
}

fn tenant_label(name: &str) -> String {
    format!("tenant `{name}`")
}

fn hold_label(hold: u64) -> String {
    format!("hold {hold}")
}
