//! A whole budget, as a checkpoint has it.

use calybris_budget::{
    AccountSnapshot, BudgetState, KeyState, Microunits, ReservationState, TenantState,
};
use serde::{Deserialize, Serialize};

use super::budget::{NotLogged, RulesV1};
use super::invalid::InvalidField;

/// Tenants, open reservations and idempotency keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BudgetStateV1<'a> {
    #[serde(borrow)]
    tenants: Vec<TenantV1<'a>>,
    reservations: Vec<ReservationV1<'a>>,
    keys: Vec<KeyV1<'a>>,
    last_reservation: u64,
}

/// A tenant with its account and its rules.
#[derive(Debug, Serialize, Deserialize)]
struct TenantV1<'a> {
    tenant: &'a str,
    parent: Option<&'a str>,
    opened_with_microunits: u64,
    account: AccountV1,
    rules: RulesV1,
    frozen: bool,
    warned: bool,
}

/// The quantities of an account.
#[derive(Debug, Serialize, Deserialize)]
struct AccountV1 {
    granted_microunits: u64,
    available_microunits: u64,
    reserved_microunits: u64,
    committed_microunits: u64,
    debt_microunits: u64,
}

/// An open reservation.
#[derive(Debug, Serialize, Deserialize)]
struct ReservationV1<'a> {
    reservation: u64,
    tenant: &'a str,
    amount_microunits: u64,
    dispatched: bool,
}

/// An idempotency key of a budget by itself.
#[derive(Debug, Serialize, Deserialize)]
struct KeyV1<'a> {
    key: &'a str,
    tenant: &'a str,
    amount_microunits: u64,
    reservation: u64,
}

impl<'a> TryFrom<&'a BudgetState> for BudgetStateV1<'a> {
    type Error = NotLogged;

    fn try_from(state: &'a BudgetState) -> Result<Self, NotLogged> {
        let tenants = state.tenants.iter().map(TryInto::try_into);
        Ok(Self {
            tenants: tenants.collect::<Result<_, _>>()?,
            reservations: state.reservations.iter().map(Into::into).collect(),
            keys: state.keys.iter().map(Into::into).collect(),
            last_reservation: state.last_reservation.as_u64(),
        })
    }
}

impl TryFrom<BudgetStateV1<'_>> for BudgetState {
    type Error = InvalidField;

    fn try_from(wire: BudgetStateV1<'_>) -> Result<Self, InvalidField> {
        if !wire.reservations.is_sorted_by(|a, b| a.reservation < b.reservation) {
            let why = "they are not in ascending order of their numbers, each with its own";
            return Err(InvalidField::new("budget.reservations", why));
        }
        let mut state = Self::default();
        state.tenants = wire.tenants.into_iter().map(Into::into).collect();
        state.reservations = wire.reservations.into_iter().map(Into::into).collect();
        state.keys = wire.keys.into_iter().map(Into::into).collect();
        state.last_reservation = wire.last_reservation.into();
        Ok(state)
    }
}

impl<'a> TryFrom<&'a TenantState> for TenantV1<'a> {
    type Error = NotLogged;

    fn try_from(state: &'a TenantState) -> Result<Self, NotLogged> {
        Ok(Self {
            tenant: &state.tenant,
            parent: state.parent.as_deref(),
            opened_with_microunits: state.opened_with.get(),
            account: (&state.account).into(),
            rules: (&state.rules).try_into()?,
            frozen: state.frozen,
            warned: state.warned,
        })
    }
}

impl From<TenantV1<'_>> for TenantState {
    fn from(wire: TenantV1<'_>) -> Self {
        let mut state = Self::new(wire.tenant, Microunits::new(wire.opened_with_microunits));
        state.parent = wire.parent.map(str::to_owned);
        state.account = wire.account.into();
        state.rules = wire.rules.into();
        state.frozen = wire.frozen;
        state.warned = wire.warned;
        state
    }
}

impl From<&AccountSnapshot> for AccountV1 {
    fn from(account: &AccountSnapshot) -> Self {
        Self {
            granted_microunits: account.granted.get(),
            available_microunits: account.available.get(),
            reserved_microunits: account.reserved.get(),
            committed_microunits: account.committed.get(),
            debt_microunits: account.debt.get(),
        }
    }
}

impl From<AccountV1> for AccountSnapshot {
    fn from(wire: AccountV1) -> Self {
        let mut account = Self::default();
        account.granted = Microunits::new(wire.granted_microunits);
        account.available = Microunits::new(wire.available_microunits);
        account.reserved = Microunits::new(wire.reserved_microunits);
        account.committed = Microunits::new(wire.committed_microunits);
        account.debt = Microunits::new(wire.debt_microunits);
        account
    }
}

impl<'a> From<&'a ReservationState> for ReservationV1<'a> {
    fn from(state: &'a ReservationState) -> Self {
        Self {
            reservation: state.reservation.as_u64(),
            tenant: &state.tenant,
            amount_microunits: state.amount.get(),
            dispatched: state.dispatched,
        }
    }
}

impl From<ReservationV1<'_>> for ReservationState {
    fn from(wire: ReservationV1<'_>) -> Self {
        let amount = Microunits::new(wire.amount_microunits);
        let mut state = Self::new(wire.reservation.into(), wire.tenant, amount);
        state.dispatched = wire.dispatched;
        state
    }
}

impl<'a> From<&'a KeyState> for KeyV1<'a> {
    fn from(state: &'a KeyState) -> Self {
        Self {
            key: &state.key,
            tenant: &state.tenant,
            amount_microunits: state.amount.get(),
            reservation: state.reservation.as_u64(),
        }
    }
}

impl From<KeyV1<'_>> for KeyState {
    fn from(wire: KeyV1<'_>) -> Self {
        let amount = Microunits::new(wire.amount_microunits);
        Self::new(wire.key, wire.tenant, amount, wire.reservation.into())
    }
}
