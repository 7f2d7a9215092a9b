//! What the administrator of a budget does: tenants and grants. Each change is a record, which has the reason if one is given.

use std::borrow::Cow;

#[cfg(doc)]
use calybris_budget::MAX_AMOUNT;
use calybris_budget::{BudgetError, BudgetEvent, Tenant};
use calybris_units::{Microunits, invariant};

use crate::act::Act;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::record::Record;

/// Changes a budget by an amount, or checks that it could be changed.
type Adjustment = fn(&Tenant, Microunits) -> Result<(), BudgetError>;

impl Engine {
    /// Gives a tenant its budget, 0 to [`MAX_AMOUNT`], once; the same call again changes nothing. A tenant with 0
    /// can use free models only, until it is topped up.
    ///
    /// # Errors
    /// [`EngineError::Budget`] if the name or the amount is out of range, or the tenant has another grant or a parent;
    /// [`EngineError::Log`] if the log cannot be written.
    ///
    /// There is an example at [`ensure_child`](Self::ensure_child).
    pub fn ensure_tenant<'a>(
        &self,
        tenant: &str,
        granted: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        self.ensure_open(tenant, None, granted, act.into())
    }

    /// Gives a tenant below another its budget, once; the same call again changes nothing. What the child reserves is
    /// taken from its own budget and from that of every tenant above it.
    ///
    /// # Errors
    /// As [`ensure_tenant`](Self::ensure_tenant); [`EngineError::UnknownTenant`] for the parent; [`EngineError::Budget`]
    /// if the tenant is open elsewhere, would be too deep, or is the first child of a tenant that has open tickets.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::open(dir.path().join("log"), &EngineOptions::default())?;
    /// engine.ensure_tenant("acme", Microunits::new(1_000_000), UnixMillis::new(1))?;
    /// engine.ensure_child("acme/web", "acme", Microunits::new(600_000), UnixMillis::new(1))?;
    /// engine.ensure_child("acme/jobs", "acme", Microunits::new(600_000), UnixMillis::new(1))?;
    ///
    /// engine.top_up("acme/web", Microunits::new(50_000), UnixMillis::new(2))?;
    /// engine.reduce("acme/jobs", Microunits::new(100_000), UnixMillis::new(2))?;
    /// engine.freeze("acme/jobs", UnixMillis::new(3))?;
    /// engine.unfreeze("acme/jobs", UnixMillis::new(4))?;
    /// assert_eq!(engine.account("acme/jobs").ok_or("gone")?.granted.get(), 500_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ensure_child<'a>(
        &self,
        tenant: &str,
        parent: &str,
        granted: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        self.ensure_open(tenant, Some(parent), granted, act.into())
    }

    fn ensure_open(
        &self,
        tenant: &str,
        parent: Option<&str>,
        granted: Microunits,
        act: Act<'_>,
    ) -> Result<(), EngineError> {
        self.as_admin(act, |log| {
            let parent = parent.map(|parent| self.tenant(parent)).transpose()?;
            self.budget.check_open(tenant, granted, parent.as_ref())?;
            if self.budget.tenant(tenant).is_some() {
                return Ok(None);
            }
            let name = tenant.to_owned();
            let sequence = match parent {
                None => {
                    let sequence = log(BudgetEvent::TenantOpened { tenant: name, granted })?;
                    invariant!(
                        self.budget.ensure_tenant(tenant, granted).ok(),
                        "a tenant that passed its check can be opened"
                    )?;
                    sequence
                }
                Some(parent) => {
                    let parent_name = parent.name().to_owned();
                    let sequence = log(BudgetEvent::ChildOpened {
                        tenant: name,
                        parent: parent_name,
                        granted,
                    })?;
                    invariant!(
                        self.budget.ensure_child(tenant, granted, &parent).ok(),
                        "a child that passed its check can be opened"
                    )?;
                    sequence
                }
            };
            Ok(Some(sequence))
        })
    }

    /// Adds 0 to [`MAX_AMOUNT`] to a tenant's grant. What it owes is paid first; the rest becomes available. With
    /// 0 nothing is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if the grant would exceed the maximum;
    /// [`EngineError::Log`] if the log cannot be written: then nothing is added.
    ///
    /// There is an example at [`ensure_child`](Self::ensure_child).
    pub fn top_up<'a>(
        &self,
        tenant: &str,
        amount: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        let change: [Adjustment; 2] = [Tenant::check_top_up, Tenant::top_up];
        self.credit(tenant, amount, act.into(), change, |tenant| BudgetEvent::ToppedUp {
            tenant,
            amount,
        })
    }

    /// Gives back a part of what a tenant has spent: it is available again, for it and for every tenant above it. A debt
    /// stays as it is ([`repay`](Self::repay) pays it). With 0 nothing is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if less was spent; [`EngineError::Log`] if the log cannot
    /// be written: then nothing is given back.
    ///
    /// There is an example at [`repay`](Self::repay).
    pub fn refund<'a>(
        &self,
        tenant: &str,
        amount: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        let change: [Adjustment; 2] = [Tenant::check_refund, Tenant::refund];
        self.credit(tenant, amount, act.into(), change, |tenant| BudgetEvent::Refunded {
            tenant,
            amount,
        })
    }

    /// Takes back a part of a tenant's grant that is still available and not owed
    /// ([`withdrawable`](calybris_budget::AccountSnapshot::withdrawable)). With 0 nothing is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if less is available beyond the debt;
    /// [`EngineError::Log`] if the log cannot be written: then nothing is taken.
    ///
    /// There is an example at [`ensure_child`](Self::ensure_child).
    pub fn reduce<'a>(
        &self,
        tenant: &str,
        amount: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<(), EngineError> {
        self.as_admin(act.into(), |log| {
            let tenant = self.tenant(tenant)?;
            if amount.is_zero() {
                return Ok(None);
            }
            tenant.reduce(amount)?;
            let name = tenant.name().to_owned();
            let logged = log(BudgetEvent::Reduced { tenant: name, amount });
            if logged.is_err() {
                invariant!(tenant.undo_reduce(amount).ok(), "a reduction can be undone")?;
            }
            logged.map(Some)
        })
    }

    /// Pays a tenant's debt from its available amount (settled and abandoned tickets may have returned some), up to `most`
    /// (0 pays nothing, [`Microunits::MAX`] all that can be paid), and returns how much was paid. If nothing is paid, nothing
    /// is logged.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`], or [`EngineError::Log`] if the log cannot be written: then nothing is paid.
    ///
    /// ```
    #[doc = include_str!("doc_world.txt")]
    /// use calybris_budget::{OverrunPolicy, TenantRules};
    ///
    /// let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    /// engine.set_rules("acme", rules, UnixMillis::new(2))?;
    /// let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
    /// engine.settle(ticket, Microunits::new(10_400), UnixMillis::new(3))?;
    ///
    /// // 300 of what was spent are given back, and go to what is owed.
    /// engine.refund("acme", Microunits::new(300), UnixMillis::new(4))?;
    /// assert_eq!(engine.repay("acme", Microunits::MAX, UnixMillis::new(4))?.get(), 300);
    /// assert_eq!(engine.account("acme").ok_or("gone")?.debt.get(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repay<'a>(
        &self,
        tenant: &str,
        most: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<Microunits, EngineError> {
        let mut amount = Microunits::ZERO;
        self.as_admin(act.into(), |log| {
            let tenant = self.tenant(tenant)?;
            let now = tenant.snapshot();
            // A tenant in debt reserves nothing, and `admin` is held wherever debt is made or paid. So the available amount
            // can only grow until the debt is paid, and the record may come first.
            amount = most.min(now.debt).min(now.available);
            if amount.is_zero() {
                return Ok(None);
            }
            let name = tenant.name().to_owned();
            let sequence = log(BudgetEvent::Repaid { tenant: name, amount })?;
            let paid = tenant.repay(amount).ok().filter(|paid| *paid == amount);
            invariant!(paid, "debt that was due is repaid as logged")?;
            Ok(Some(sequence))
        })?;
        Ok(amount)
    }

    /// Moves up to `most` of what is available to one tenant and not owed into the grant of another, and returns how much
    /// was moved. The other tenant's debt is paid first. If nothing is moved, nothing is logged.
    ///
    /// Each period of a budget is a tenant of its own. At its end the administrator freezes it and carries over as much as they
    /// like to the next one; open tickets are settled in the period that made them.
    ///
    /// # Errors
    /// [`EngineError::UnknownTenant`]; [`EngineError::Budget`] if the grant of `to` would exceed the maximum;
    /// [`EngineError::Log`] if the log cannot be written: then nothing is moved.
    ///
    /// ```
    /// # use calybris_engine::{Engine, EngineOptions, Microunits, UnixMillis};
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::open(dir.path().join("log"), &EngineOptions::default())?;
    /// engine.ensure_tenant("acme/2026-11", Microunits::new(1_000), UnixMillis::new(1))?;
    /// engine.freeze("acme/2026-11", UnixMillis::new(2))?;
    /// engine.ensure_tenant("acme/2026-12", Microunits::new(5_000), UnixMillis::new(2))?;
    /// let moved = engine.carry_over("acme/2026-11", "acme/2026-12", Microunits::MAX, UnixMillis::new(2))?;
    /// assert_eq!(moved.get(), 1_000);
    /// assert_eq!(engine.account("acme/2026-12").ok_or("gone")?.available.get(), 6_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn carry_over<'a>(
        &self,
        from: &str,
        to: &str,
        most: Microunits,
        act: impl Into<Act<'a>>,
    ) -> Result<Microunits, EngineError> {
        let mut amount = Microunits::ZERO;
        self.as_admin(act.into(), |log| {
            let (from, to) = (self.tenant(from)?, self.tenant(to)?);
            loop {
                amount = most.min(from.snapshot().withdrawable());
                if amount.is_zero() {
                    return Ok(None);
                }
                to.check_top_up(amount)?;
                match from.reduce(amount) {
                    Ok(()) => break,
                    // Somebody has reserved some of it meanwhile.
                    Err(BudgetError::Insufficient { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let (from_name, to_name) = (from.name().to_owned(), to.name().to_owned());
            let event = BudgetEvent::CarriedOver { from: from_name, to: to_name, amount };
            let logged = log(event);
            if logged.is_ok() {
                invariant!(
                    to.top_up(amount).ok(),
                    "a top-up that passed its check is not refused"
                )?;
            } else {
                invariant!(from.undo_reduce(amount).ok(), "a reduction can be undone")?;
            }
            logged.map(Some)
        })?;
        Ok(amount)
    }

    /// Logs a credit and then makes it: INVARIANT (debit first). `check` prechecks the credit, so that `change` cannot be
    /// refused once the record is in the log.
    fn credit(
        &self,
        tenant: &str,
        amount: Microunits,
        act: Act<'_>,
        [check, change]: [Adjustment; 2],
        event: impl FnOnce(String) -> BudgetEvent,
    ) -> Result<(), EngineError> {
        self.as_admin(act, |log| {
            let tenant = self.tenant(tenant)?;
            check(&tenant, amount)?;
            if amount.is_zero() {
                return Ok(None);
            }
            let sequence = log(event(tenant.name().to_owned()))?;
            invariant!(
                change(&tenant, amount).ok(),
                "a credit that passed its check is not refused"
            )?;
            Ok(Some(sequence))
        })
    }

    /// Makes an administrative change; only one is made at a time. `change` logs its event with the function it is given, and
    /// returns the sequence of the record, or `None` if it logged nothing.
    pub(crate) fn as_admin(
        &self,
        act: Act<'_>,
        change: impl FnOnce(
            &dyn Fn(BudgetEvent) -> Result<u64, EngineError>,
        ) -> Result<Option<u64>, EngineError>,
    ) -> Result<(), EngineError> {
        act.check()?;
        let logged = {
            let _admin = self.admin.lock();
            self.while_sound(|| {
                change(&|event| {
                    let reason = Cow::Borrowed(act.reason);
                    let record = Record::BudgetChanged { time: act.time, event, reason };
                    Ok(self.append(&record)?.sequence)
                })
            })?
        };
        if let Some(sequence) = logged {
            self.checkpoint_if_due(sequence, act.time);
        }
        Ok(())
    }
}
