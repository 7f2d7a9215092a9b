//! The state: all that a budget needs to go on, in one value, without the events before it.

use std::collections::{BTreeMap, BTreeSet};

use calybris_units::Microunits;

use crate::checks::{check_amount, check_key, check_name};
use crate::reservation_id::OWN_IDS;
use crate::{
    AccountSnapshot, KEY_WINDOW, MAX_AMOUNT, MAX_LEVELS, ReservationId, StateError, TenantRules,
};

/// A budget at one place of its log: every tenant with its account and its rules, every open
/// reservation and every idempotency key that is remembered.
///
/// A log may begin with a state:
/// [`Replay::from_state`](crate::Replay::from_state) applies the events after it as if it had applied
/// all the earlier ones. Two states of the same budget are equal.
///
/// # Where one comes from
///
/// - [`Replay::state`](crate::Replay::state): a replay that follows the log is as exact as the log,
///   and stops nobody. It costs a second copy of the budget and the replay of each event.
/// - [`BudgetEngine::state`](crate::BudgetEngine::state): the live budget itself, at a moment at which
///   the caller lets nobody change it or append to its log.
///
/// Both check the books before they answer: what every tenant has reserved is the sum of its open
/// reservations.
///
/// ```
/// use calybris_budget::{BudgetEvent, Microunits, Replay};
///
/// let mut replay = Replay::new();
/// let (tenant, id) = ("acme".to_owned(), 7.into());
/// replay.apply(BudgetEvent::TenantOpened { tenant: tenant.clone(), granted: Microunits::new(100) })?;
/// replay.apply(BudgetEvent::Reserved { tenant, reservation: id, amount: Microunits::new(70) })?;
/// let state = replay.state()?;
///
/// let mut replay = Replay::from_state(&state)?;
/// replay.apply(BudgetEvent::Committed { reservation: id, actual: Microunits::new(50) })?;
/// assert_eq!(replay.tenant("acme").unwrap().snapshot().available, Microunits::new(50));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Writing it down
///
/// Its parts are public, so that a caller can encode them and put them together again. A state is
/// checked when a replay or an audit begins with it. The time at which a kept reservation expires is
/// not part of it: the caller gives it anew, as after every replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetState {
    /// Every tenant; a parent comes before its children.
    pub tenants: Vec<TenantState>,
    /// Every open reservation, in order of id.
    pub reservations: Vec<ReservationState>,
    /// Every idempotency key that is remembered, the oldest first.
    pub keys: Vec<KeyState>,
    /// The greatest id so far below 2^63, of an open reservation or a settled one: no new reservation
    /// gets it. 0 before the first.
    pub last_reservation: ReservationId,
}

/// A tenant in a [`BudgetState`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantState {
    /// Its name.
    pub tenant: String,
    /// The name of the tenant above it, if there is one.
    pub parent: Option<String>,
    /// The grant with which it was opened.
    pub opened_with: Microunits,
    /// Its account.
    pub account: AccountSnapshot,
    /// Its rules.
    pub rules: TenantRules,
    /// Whether it is frozen itself; one above it may be as well.
    pub frozen: bool,
    /// Whether the warning of its soft limit was given.
    pub warned: bool,
}

/// An open reservation in a [`BudgetState`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReservationState {
    /// Its id.
    pub reservation: ReservationId,
    /// The name of its tenant.
    pub tenant: String,
    /// How much is reserved.
    pub amount: Microunits,
    /// Whether the call it pays for was sent.
    pub dispatched: bool,
}

/// An idempotency key in a [`BudgetState`], with what was asked under it and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyState {
    /// The key.
    pub key: String,
    /// The name of the tenant that was asked.
    pub tenant: String,
    /// The amount that was asked for.
    pub amount: Microunits,
    /// The reservation that was the answer; it may have been settled since.
    pub reservation: ReservationId,
}

impl TenantState {
    /// A tenant without a parent, without rules, and with 0 in each field of its account. The caller
    /// sets the fields that differ.
    ///
    /// ```
    /// use calybris_budget::{BudgetState, Microunits, Replay, TenantState};
    ///
    /// let hundred = Microunits::new(100);
    /// let mut tenant = TenantState::new("acme", hundred);
    /// tenant.account.granted = hundred;
    /// tenant.account.available = hundred;
    /// let mut state = BudgetState::default();
    /// state.tenants.push(tenant);
    ///
    /// let replay = Replay::from_state(&state)?;
    /// assert_eq!(replay.tenant("acme").unwrap().snapshot().available, hundred);
    /// # Ok::<(), calybris_budget::StateError>(())
    /// ```
    #[must_use]
    pub fn new(tenant: impl Into<String>, opened_with: Microunits) -> Self {
        Self {
            tenant: tenant.into(),
            parent: None,
            opened_with,
            account: AccountSnapshot::default(),
            rules: TenantRules::default(),
            frozen: false,
            warned: false,
        }
    }
}

impl ReservationState {
    /// A reservation whose call was not sent.
    #[must_use]
    pub fn new(reservation: ReservationId, tenant: impl Into<String>, amount: Microunits) -> Self {
        Self { reservation, tenant: tenant.into(), amount, dispatched: false }
    }
}

impl KeyState {
    /// The question that was asked under a key, and the answer.
    #[must_use]
    pub fn new(
        key: impl Into<String>,
        tenant: impl Into<String>,
        amount: Microunits,
        reservation: ReservationId,
    ) -> Self {
        Self { key: key.into(), tenant: tenant.into(), amount, reservation }
    }
}

impl BudgetState {
    /// The same budget, with every id up to this one given out. It is for a caller who chooses the ids,
    /// once the budget has forgotten the settled reservations.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let (one, other) = (BudgetEngine::new(), BudgetEngine::new());
    /// one.ensure_tenant("acme", Microunits::new(100))?;
    /// other.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = one.try_reserve("acme", Microunits::new(70))?;
    /// one.release("acme", id)?;
    /// assert_ne!(one.state([])?, other.state([])?);
    /// let nine = 9.into();
    /// assert_eq!(one.state([])?.numbered_up_to(nine), other.state([])?.numbered_up_to(nine));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn numbered_up_to(mut self, reservation: ReservationId) -> Self {
        self.last_reservation = self.last_reservation.max(reservation);
        self
    }

    /// Refuses a state that no budget can be in. All trust in a state rests on this check: a state that
    /// passes obeys INVARIANT (conservation) and INVARIANT (headroom), on every level.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        let mut books = self.check_tenants()?;
        let mut ids = BTreeSet::new();
        for ReservationState { reservation, tenant, amount, .. } in &self.reservations {
            if !ids.insert(reservation) || self.is_to_come(*reservation) {
                return Err(StateError::ReservationOutOfTurn { reservation: *reservation });
            }
            let mut level = Some(tenant.as_str());
            while let Some(name) = level {
                let Some(of_level) = books.get_mut(name) else {
                    let (tenant, named_by) = (name.to_owned(), reservation_label(*reservation));
                    return Err(StateError::UnknownTenant { tenant, named_by });
                };
                of_level.open_microunits += u128::from(amount.get());
                level = of_level.state.parent.as_deref();
            }
        }
        for Books { state, open_microunits, .. } in books.values() {
            let reserved = state.account.reserved;
            if u128::from(reserved.get()) != *open_microunits {
                let (tenant, open_microunits) = (state.tenant.clone(), *open_microunits);
                return Err(StateError::ReservedDiffers { tenant, reserved, open_microunits });
            }
        }
        self.check_keys(&books)
    }

    fn check_tenants(&self) -> Result<BTreeMap<&str, Books<'_>>, StateError> {
        let mut books: BTreeMap<&str, Books<'_>> = BTreeMap::new();
        for state in &self.tenants {
            let named = || state.tenant.clone();
            let invalid = |error| StateError::Invalid { tenant: named(), error };
            check_name(&state.tenant).map_err(invalid)?;
            check_amount(state.opened_with).map_err(invalid)?;
            state.rules.check().map_err(invalid)?;
            let levels = match state.parent.as_deref().map(|name| (name, books.get(name))) {
                None => 1,
                Some((_, Some(parent))) => parent.levels + 1,
                Some((parent, None)) => {
                    let (tenant, named_by) = (parent.to_owned(), tenant_label(&state.tenant));
                    return Err(StateError::UnknownTenant { tenant, named_by });
                }
            };
            if levels > MAX_LEVELS {
                return Err(StateError::TooDeep { tenant: named() });
            }
            let AccountSnapshot { granted, available, reserved, committed, debt } = state.account;
            let sum = |terms: &[Microunits]| -> u128 {
                terms.iter().map(|term| u128::from(term.get())).sum()
            };
            let owed = sum(&[granted, debt]);
            if owed != sum(&[available, reserved, committed]) || owed > MAX_AMOUNT.get().into() {
                let account = Box::new(state.account);
                return Err(StateError::Unbalanced { tenant: named(), account });
            }
            let first = Books { state, levels, open_microunits: 0 };
            if books.insert(&state.tenant, first).is_some() {
                return Err(StateError::DuplicateTenant { tenant: named() });
            }
        }
        Ok(books)
    }

    /// Whether the budget has not given this id out yet. Those from [`OWN_IDS`] on are the callers'.
    fn is_to_come(&self, id: ReservationId) -> bool {
        id.as_u64() < OWN_IDS && id > self.last_reservation
    }

    fn check_keys(&self, tenants: &BTreeMap<&str, Books<'_>>) -> Result<(), StateError> {
        if self.keys.len() > KEY_WINDOW {
            return Err(StateError::TooManyKeys { keys: self.keys.len() });
        }
        let mut found = BTreeSet::new();
        for KeyState { key, tenant, reservation, .. } in &self.keys {
            let out_of_turn = || StateError::KeyOutOfTurn { key: key.clone() };
            check_key(key).map_err(|_| out_of_turn())?;
            if !found.insert(key) || self.is_to_come(*reservation) {
                return Err(out_of_turn());
            }
            if !tenants.contains_key(tenant.as_str()) {
                let (tenant, named_by) = (tenant.clone(), format!("key `{key}`"));
                return Err(StateError::UnknownTenant { tenant, named_by });
            }
        }
        Ok(())
    }
}

/// A tenant of a state, with the sum of the reservations of it and of all below it.
struct Books<'a> {
    state: &'a TenantState,
    levels: usize,
    open_microunits: u128,
}

pub(crate) fn tenant_label(name: &str) -> String {
    format!("tenant `{name}`")
}

pub(crate) fn reservation_label(id: ReservationId) -> String {
    format!("reservation {id}")
}
