//! The audit: a second opinion on the money, from the events alone.
//!
//! It shares nothing with the ledger: no account, no rule, no identity that derives one quantity
//! from the others. Every quantity of every tenant is summed up from the events for itself, in wide
//! signed integers; then the sums are held against each other, and against the live budget.

use std::collections::BTreeMap;
use std::fmt;

use crate::checkpoint::{HoldState, TenantState};
use crate::{
    AccountSnapshot, AuditError, BudgetEngine, BudgetEvent, Checkpoint, CheckpointError, Totals,
};

/// Sums up events, independently of the budget that made them.
///
/// ```
/// use calybris_budget::{Audit, BudgetEngine, BudgetEvent};
///
/// let engine = BudgetEngine::new();
/// let mut audit = Audit::new();
///
/// audit.apply(&BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 })?;
/// let acme = engine.ensure_tenant("acme", 100)?;
/// let reservation = acme.try_reserve(70)?;
/// let (tenant, amount_microunits) = ("acme".to_owned(), 70);
/// audit.apply(&BudgetEvent::Reserved { tenant, hold: 1, amount_microunits })?;
///
/// let total = audit.prove(&engine)?;
/// assert_eq!(total.reserved_microunits, 70);
///
/// // Money that no event speaks of does not pass.
/// acme.top_up(1)?;
/// assert!(audit.prove(&engine).is_err());
/// # reservation.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Audit {
    accounts: BTreeMap<String, Account>,
    /// Whose it is and how much of it is open.
    holds: BTreeMap<u64, (String, i128)>,
    applied: u64,
}

#[derive(Clone, Debug, Default)]
struct Account {
    parent: Option<String>,
    sums: Sums,
}

/// The quantities of one tenant, in microunits, each summed up for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sums {
    /// All that was granted.
    pub granted: i128,
    /// What is left to reserve.
    pub available: i128,
    /// What open holds hold.
    pub reserved: i128,
    /// What was spent.
    pub committed: i128,
    /// All that is owed.
    pub debt: i128,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { granted, available, reserved, committed, debt } = self;
        write!(
            f,
            "{granted} granted, {available} available, {reserved} reserved, {committed} committed, {debt} debt"
        )
    }
}

impl Audit {
    /// An audit before its first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An audit that goes on from a checkpoint, whose books it takes as they are: they were proven
    /// when it was made, and they have to add up.
    ///
    /// # Errors
    ///
    /// A checkpoint that no budget can have given.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        checkpoint.check()?;
        let account = |state: &TenantState| {
            let AccountSnapshot {
                granted_microunits,
                available_microunits,
                reserved_microunits,
                committed_microunits,
                debt_microunits,
            } = state.account;
            let sums = Sums {
                granted: granted_microunits.into(),
                available: available_microunits.into(),
                reserved: reserved_microunits.into(),
                committed: committed_microunits.into(),
                debt: debt_microunits.into(),
            };
            (state.tenant.clone(), Account { parent: state.parent.clone(), sums })
        };
        let hold = |state: &HoldState| {
            (state.hold, (state.tenant.clone(), i128::from(state.amount_microunits)))
        };
        Ok(Self {
            accounts: checkpoint.tenants.iter().map(account).collect(),
            holds: checkpoint.holds.iter().map(hold).collect(),
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
            BudgetEvent::TenantOpened { tenant, granted_microunits } => {
                self.open(tenant, None, *granted_microunits);
            }
            BudgetEvent::ChildOpened { tenant, parent, granted_microunits } => {
                self.sums(parent)?;
                self.open(tenant, Some(parent), *granted_microunits);
            }
            BudgetEvent::Reserved { tenant, hold, amount_microunits }
            | BudgetEvent::ReservedOnce { tenant, hold, amount_microunits, .. } => {
                if self.holds.contains_key(hold) {
                    return Err(self.out_of_turn(*hold));
                }
                let amount = i128::from(*amount_microunits);
                self.holds.insert(*hold, (tenant.clone(), amount));
                self.each_level(tenant, |sums, _| {
                    sums.available -= amount;
                    sums.reserved += amount;
                })?;
            }
            BudgetEvent::Extended { hold, amount_microunits } => {
                let amount = i128::from(*amount_microunits);
                let tenant = self.change_hold(*hold, amount)?;
                self.each_level(&tenant, |sums, _| {
                    sums.available -= amount;
                    sums.reserved += amount;
                })?;
            }
            BudgetEvent::Overdrawn { hold, extra_microunits, drawn_microunits } => {
                let extra = i128::from(*extra_microunits);
                let tenant = self.change_hold(*hold, extra)?;
                self.each_level(&tenant, |sums, level| {
                    let drawn = drawn_microunits.get(level).copied().map_or(0, i128::from);
                    sums.available -= drawn;
                    sums.debt += extra - drawn;
                    sums.reserved += extra;
                })?;
            }
            BudgetEvent::PartReleased { hold, amount_microunits } => {
                let amount = i128::from(*amount_microunits);
                let tenant = self.take_from_hold(*hold, amount)?;
                self.each_level(&tenant, |sums, _| {
                    sums.reserved -= amount;
                    sums.available += amount;
                })?;
            }
            BudgetEvent::PartCommitted { hold, actual_microunits } => {
                let actual = i128::from(*actual_microunits);
                let tenant = self.take_from_hold(*hold, actual)?;
                self.each_level(&tenant, |sums, _| {
                    sums.reserved -= actual;
                    sums.committed += actual;
                })?;
            }
            BudgetEvent::Committed { hold, actual_microunits } => {
                self.close(*hold, i128::from(*actual_microunits))?;
            }
            BudgetEvent::Released { hold } | BudgetEvent::Expired { hold } => {
                self.close(*hold, 0)?;
            }
            BudgetEvent::Dispatched { hold } => {
                self.change_hold(*hold, 0)?;
            }
            BudgetEvent::ToppedUp { tenant, amount_microunits } => {
                self.top_up(tenant, i128::from(*amount_microunits))?;
            }
            BudgetEvent::Reduced { tenant, amount_microunits } => {
                self.reduce(tenant, i128::from(*amount_microunits))?;
            }
            BudgetEvent::CarriedOver { from, to, amount_microunits } => {
                self.reduce(from, i128::from(*amount_microunits))?;
                self.top_up(to, i128::from(*amount_microunits))?;
            }
            BudgetEvent::Refunded { tenant, amount_microunits } => {
                let amount = i128::from(*amount_microunits);
                self.each_level(tenant, |sums, _| {
                    sums.committed -= amount;
                    sums.available += amount;
                })?;
            }
            BudgetEvent::Repaid { tenant, amount_microunits } => {
                let amount = i128::from(*amount_microunits);
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

    /// Holds the live budget against the events, account by account, and gives the sum over all
    /// tenants without a parent.
    ///
    /// It asks for a moment of quiet: what is done and not yet logged, or logged and not yet done,
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
            // Every tenant of the budget was compared above: what is left to find is one that the budget does not have.
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

    fn open(&mut self, tenant: &str, parent: Option<&String>, granted: u64) {
        let granted = i128::from(granted);
        self.accounts.entry(tenant.to_owned()).or_insert_with(|| Account {
            parent: parent.cloned(),
            sums: Sums { granted, available: granted, ..Sums::default() },
        });
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

    fn close(&mut self, hold: u64, actual: i128) -> Result<(), AuditError> {
        self.take_from_hold(hold, actual)?;
        let Some((tenant, rest)) = self.holds.remove(&hold) else {
            return Err(self.out_of_turn(hold));
        };
        self.each_level(&tenant, |sums, _| {
            sums.reserved -= actual + rest;
            sums.committed += actual;
            sums.available += rest;
        })
    }

    /// Takes a part of what a hold holds, and says whose it is.
    fn take_from_hold(&mut self, hold: u64, taken: i128) -> Result<String, AuditError> {
        match self.holds.get(&hold) {
            Some((_, held)) if taken > *held => Err(AuditError::HoldExceeded {
                event_index: self.applied,
                hold,
                held_microunits: *held,
                taken_microunits: taken,
            }),
            _ => self.change_hold(hold, -taken),
        }
    }

    /// Changes what a hold holds, and says whose it is.
    fn change_hold(&mut self, hold: u64, by: i128) -> Result<String, AuditError> {
        match self.holds.get_mut(&hold) {
            Some((tenant, amount)) => {
                *amount += by;
                Ok(tenant.clone())
            }
            None => Err(self.out_of_turn(hold)),
        }
    }

    /// Changes the sums of a tenant (level 0) and of all above it, and checks each.
    fn each_level(
        &mut self,
        tenant: &str,
        change: impl Fn(&mut Sums, usize),
    ) -> Result<(), AuditError> {
        let mut name = tenant.to_owned();
        for level in 0.. {
            let account = self.account(&name)?;
            change(&mut account.sums, level);
            let parent = account.parent.clone();
            self.check(&name)?;
            match parent {
                Some(parent) => name = parent,
                None => break,
            }
        }
        Ok(())
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

    fn out_of_turn(&self, hold: u64) -> AuditError {
        AuditError::HoldOutOfTurn { event_index: self.applied, hold }
    }
}

impl Sums {
    fn snapshot(&self) -> Option<AccountSnapshot> {
        Some(AccountSnapshot {
            granted_microunits: u64::try_from(self.granted).ok()?,
            available_microunits: u64::try_from(self.available).ok()?,
            reserved_microunits: u64::try_from(self.reserved).ok()?,
            committed_microunits: u64::try_from(self.committed).ok()?,
            debt_microunits: u64::try_from(self.debt).ok()?,
        })
    }
}
