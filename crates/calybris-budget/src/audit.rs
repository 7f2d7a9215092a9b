//! The audit: a second opinion on the money, from the events alone.
//!
//! It shares nothing with the ledger: no account, no rule, no identity that derives one quantity
//! from the others. Every quantity of every tenant is summed up from the events for itself, in wide
//! signed integers; then the sums are compared with each other, and with the live budget.

use std::collections::BTreeMap;

use calybris_units::Microunits;

use crate::sums::Sums;
use crate::{
    AccountSnapshot, AuditError, BudgetEngine, BudgetEvent, BudgetState, ReservationId,
    ReservationState, StateError, TenantState, Totals,
};

/// Sums up events, independently of the budget that made them.
///
/// ```
/// use calybris_budget::{Audit, BudgetEngine, BudgetEvent, Microunits};
///
/// let engine = BudgetEngine::new();
/// let mut audit = Audit::new();
///
/// audit.apply(&BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) })?;
/// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
/// let reservation = acme.try_reserve(Microunits::new(70))?;
/// let (tenant, amount) = ("acme".to_owned(), Microunits::new(70));
/// audit.apply(&BudgetEvent::Reserved { tenant, reservation: 1.into(), amount })?;
///
/// let total = audit.prove(&engine)?;
/// assert_eq!(total.reserved_microunits, 70);
///
/// // Money that no event speaks of does not pass.
/// acme.top_up(Microunits::new(1))?;
/// assert!(audit.prove(&engine).is_err());
/// # reservation.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Audit {
    accounts: BTreeMap<String, Account>,
    /// The tenant of each open reservation, and the amount that is left of it.
    reservations: BTreeMap<ReservationId, (String, i128)>,
    applied: u64,
}

#[derive(Clone, Debug, Default)]
struct Account {
    parent: Option<String>,
    sums: Sums,
}

impl Audit {
    /// An audit before its first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An audit that goes on from a state, whose books it takes as they are: they were proven when it
    /// was made, and they have to add up.
    ///
    /// # Errors
    ///
    /// A state that no budget can be in.
    pub fn from_state(state: &BudgetState) -> Result<Self, StateError> {
        state.check()?;
        let account = |state: &TenantState| {
            let AccountSnapshot { granted, available, reserved, committed, debt } = state.account;
            let sums = Sums {
                granted: wide(granted),
                available: wide(available),
                reserved: wide(reserved),
                committed: wide(committed),
                debt: wide(debt),
            };
            (state.tenant.clone(), Account { parent: state.parent.clone(), sums })
        };
        let reservation = |state: &ReservationState| {
            (state.reservation, (state.tenant.clone(), wide(state.amount)))
        };
        Ok(Self {
            accounts: state.tenants.iter().map(account).collect(),
            reservations: state.reservations.iter().map(reservation).collect(),
            applied: 0,
        })
    }

    /// Adds the next event.
    ///
    /// # Errors
    ///
    /// All but [`Differs`](AuditError::Differs). The audit has failed then; to go on with it proves nothing.
    pub fn apply(&mut self, event: &BudgetEvent) -> Result<(), AuditError> {
        match event {
            BudgetEvent::TenantOpened { tenant, granted } => {
                self.open(tenant, None, *granted);
            }
            BudgetEvent::ChildOpened { tenant, parent, granted } => {
                self.sums(parent)?;
                self.open(tenant, Some(parent), *granted);
            }
            BudgetEvent::Reserved { tenant, reservation, amount }
            | BudgetEvent::ReservedOnce { tenant, reservation, amount, .. } => {
                if self.reservations.contains_key(reservation) {
                    return Err(self.out_of_turn(*reservation));
                }
                let amount = wide(*amount);
                self.reservations.insert(*reservation, (tenant.clone(), amount));
                self.each_level(tenant, |sums| {
                    sums.available -= amount;
                    sums.reserved += amount;
                })?;
            }
            BudgetEvent::Extended { reservation, amount } => {
                let amount = wide(*amount);
                let tenant = self.change(*reservation, amount)?;
                self.each_level(&tenant, |sums| {
                    sums.available -= amount;
                    sums.reserved += amount;
                })?;
            }
            BudgetEvent::Overdrawn { reservation, extra, drawn } => {
                let extra = wide(*extra);
                let tenant = self.change(*reservation, extra)?;
                self.overdraw(tenant, extra, drawn)?;
            }
            BudgetEvent::PartReleased { reservation, amount } => {
                let amount = wide(*amount);
                let tenant = self.take_from(*reservation, amount)?;
                self.each_level(&tenant, |sums| {
                    sums.reserved -= amount;
                    sums.available += amount;
                })?;
            }
            BudgetEvent::PartCommitted { reservation, actual } => {
                let actual = wide(*actual);
                let tenant = self.take_from(*reservation, actual)?;
                self.each_level(&tenant, |sums| {
                    sums.reserved -= actual;
                    sums.committed += actual;
                })?;
            }
            BudgetEvent::Committed { reservation, actual } => {
                self.close(*reservation, wide(*actual))?;
            }
            BudgetEvent::Released { reservation } | BudgetEvent::Expired { reservation } => {
                self.close(*reservation, 0)?;
            }
            BudgetEvent::Dispatched { reservation } => {
                self.change(*reservation, 0)?;
            }
            BudgetEvent::ToppedUp { tenant, amount } => {
                self.top_up(tenant, wide(*amount))?;
            }
            BudgetEvent::Reduced { tenant, amount } => {
                self.reduce(tenant, wide(*amount))?;
            }
            BudgetEvent::CarriedOver { from, to, amount } => {
                self.reduce(from, wide(*amount))?;
                self.top_up(to, wide(*amount))?;
            }
            BudgetEvent::Refunded { tenant, amount } => {
                let amount = wide(*amount);
                self.each_level(tenant, |sums| {
                    sums.committed -= amount;
                    sums.available += amount;
                })?;
            }
            BudgetEvent::Repaid { tenant, amount } => {
                let amount = wide(*amount);
                let sums = self.sums(tenant)?;
                sums.debt -= amount;
                sums.available -= amount;
                self.check(tenant)?;
            }
            BudgetEvent::Frozen { tenant }
            | BudgetEvent::Unfrozen { tenant }
            | BudgetEvent::RulesSet { tenant, .. }
            | BudgetEvent::SoftLimitReached { tenant } => {
                self.sums(tenant)?;
            }
        }
        self.applied += 1;
        Ok(())
    }

    /// Compares the live budget with the events, account by account, and gives the sum over all
    /// tenants without a parent.
    ///
    /// It needs a moment of quiet: a change that was made and not yet logged, or logged and not yet made,
    /// is a difference.
    ///
    /// # Errors
    ///
    /// The first account that differs, by name.
    pub fn prove(&self, engine: &BudgetEngine) -> Result<Totals, AuditError> {
        let logged = |name: &str| self.accounts.get(name).and_then(|found| found.sums.snapshot());
        for tenant in engine.tenants() {
            let (logged, live) = (logged(tenant.name()), Some(tenant.snapshot()));
            if logged != live {
                let (logged, live) = (logged.map(Box::new), live.map(Box::new));
                return Err(AuditError::Differs { tenant: tenant.name().to_owned(), logged, live });
            }
        }
        let mut totals = Totals::default();
        for (name, Account { parent, sums }) in &self.accounts {
            // Every tenant of the budget was compared above: so only a tenant that the budget does not have is left to find.
            let (Some(account), Some(_)) = (sums.snapshot(), engine.tenant(name)) else {
                let (tenant, logged) = (name.clone(), logged(name).map(Box::new));
                return Err(AuditError::Differs { tenant, logged, live: None });
            };
            if parent.is_none() {
                totals += account.into();
            }
        }
        Ok(totals)
    }

    fn open(&mut self, tenant: &str, parent: Option<&String>, granted: Microunits) {
        let granted = wide(granted);
        self.accounts.entry(tenant.to_owned()).or_insert_with(|| Account {
            parent: parent.cloned(),
            sums: Sums { granted, available: granted, ..Sums::default() },
        });
    }

    fn overdraw(
        &mut self,
        tenant: String,
        extra: i128,
        drawn: &[Microunits],
    ) -> Result<(), AuditError> {
        let (event_index, path) = (self.applied, self.path(&tenant)?);
        let (levels, drawn_levels) = (path.len(), drawn.len());
        if levels != drawn_levels {
            return Err(AuditError::LevelsDiffer { event_index, tenant, levels, drawn_levels });
        }
        for (level, drawn) in path.iter().zip(drawn) {
            let drawn = wide(*drawn);
            let sums = self.sums(level)?;
            sums.available -= drawn;
            sums.debt += extra - drawn;
            sums.reserved += extra;
            self.check(level)?;
        }
        Ok(())
    }

    fn top_up(&mut self, tenant: &str, amount: i128) -> Result<(), AuditError> {
        let sums = self.sums(tenant)?;
        let paid = sums.debt.min(amount);
        sums.granted += amount;
        sums.debt -= paid;
        sums.available += amount - paid;
        self.check(tenant)
    }

    fn reduce(&mut self, tenant: &str, amount: i128) -> Result<(), AuditError> {
        let sums = self.sums(tenant)?;
        sums.granted -= amount;
        sums.available -= amount;
        self.check(tenant)
    }

    fn close(&mut self, reservation: ReservationId, actual: i128) -> Result<(), AuditError> {
        self.take_from(reservation, actual)?;
        let Some((tenant, rest)) = self.reservations.remove(&reservation) else {
            return Err(self.out_of_turn(reservation));
        };
        self.each_level(&tenant, |sums| {
            sums.reserved -= actual + rest;
            sums.committed += actual;
            sums.available += rest;
        })
    }

    /// Takes a part of a reservation, and answers its tenant.
    fn take_from(&mut self, reservation: ReservationId, taken: i128) -> Result<String, AuditError> {
        match self.reservations.get(&reservation) {
            Some((_, open)) if taken > *open => Err(AuditError::ReservationExceeded {
                event_index: self.applied,
                reservation,
                open_microunits: *open,
                taken_microunits: taken,
            }),
            _ => self.change(reservation, -taken),
        }
    }

    /// Changes the amount of a reservation, and answers its tenant.
    fn change(&mut self, reservation: ReservationId, by: i128) -> Result<String, AuditError> {
        match self.reservations.get_mut(&reservation) {
            Some((tenant, amount)) => {
                *amount += by;
                Ok(tenant.clone())
            }
            None => Err(self.out_of_turn(reservation)),
        }
    }

    /// Changes the sums of a tenant and of all above it, and checks each.
    fn each_level(&mut self, tenant: &str, change: impl Fn(&mut Sums)) -> Result<(), AuditError> {
        for level in self.path(tenant)? {
            change(self.sums(&level)?);
            self.check(&level)?;
        }
        Ok(())
    }

    /// The names of a tenant and of all above it.
    fn path(&mut self, tenant: &str) -> Result<Vec<String>, AuditError> {
        let mut path = vec![tenant.to_owned()];
        let mut parent = self.account(tenant)?.parent.clone();
        while let Some(name) = parent {
            parent = self.account(&name)?.parent.clone();
            path.push(name);
        }
        Ok(path)
    }

    fn account(&mut self, tenant: &str) -> Result<&mut Account, AuditError> {
        let event_index = self.applied;
        let unknown = || AuditError::UnknownTenant { event_index, tenant: tenant.to_owned() };
        self.accounts.get_mut(tenant).ok_or_else(unknown)
    }

    fn sums(&mut self, tenant: &str) -> Result<&mut Sums, AuditError> {
        Ok(&mut self.account(tenant)?.sums)
    }

    fn check(&mut self, tenant: &str) -> Result<(), AuditError> {
        let event_index = self.applied;
        let sums = self.sums(tenant)?;
        let all = [sums.granted, sums.available, sums.reserved, sums.committed, sums.debt];
        let balanced = sums.granted + sums.debt == sums.available + sums.reserved + sums.committed;
        if !balanced || all.iter().any(|sum| *sum < 0) {
            let (tenant, sums) = (tenant.to_owned(), Box::new(sums.clone()));
            return Err(AuditError::Unbalanced { event_index, tenant, sums });
        }
        Ok(())
    }

    fn out_of_turn(&self, reservation: ReservationId) -> AuditError {
        AuditError::ReservationOutOfTurn { event_index: self.applied, reservation }
    }
}

fn wide(amount: Microunits) -> i128 {
    amount.get().into()
}
