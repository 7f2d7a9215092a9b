//! Operations of the administrator of a budget: grants, refunds, rules. All of them take the lock, and none of
//! them stops a call that reserves or settles.

use calybris_units::Microunits;

use crate::account::Rules;
use crate::checks::check_amount;
use crate::refusal::Refusal;
use crate::{BudgetError, Tenant, TenantRules};

impl Tenant {
    /// Adds to the grant. The debt is paid first; the rest becomes available. 0 adds
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge), and
    /// [`GrantTooLarge`](BudgetError::GrantTooLarge) when the grant would exceed the maximum.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.top_up(Microunits::new(50))?;
    /// assert_eq!(acme.snapshot().available, Microunits::new(150));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn top_up(&self, amount: Microunits) -> Result<(), BudgetError> {
        let amount = check_amount(amount)?;
        self.locked(|| {
            self.check_top_up_locked(amount)?;
            self.top_up_locked(amount)
        })
    }

    /// Under the lock: refuses a top-up of a broken account, and one that INVARIANT (headroom) has no room for.
    pub(crate) fn check_top_up_locked(&self, amount: u64) -> Result<(), BudgetError> {
        self.account().check_sound()?;
        let balance = self.account().read();
        let owed = balance.granted + balance.debt - balance.debt.min(amount);
        self.check_headroom(amount, owed)
    }

    fn top_up_locked(&self, amount: u64) -> Result<(), BudgetError> {
        let topped_up = self.account().adjust(|words| {
            let paid = words.debt().min(amount);
            words.raise_granted(amount)?;
            words.lower_debt(paid)?;
            words.raise_available(amount - paid)
        });
        topped_up.map_err(|refusal| self.refused(amount, refusal))
    }

    /// Takes back a part of the grant that is still available and not owed. 0 takes nothing.
    ///
    /// # Errors
    ///
    /// [`Insufficient`](BudgetError::Insufficient) when less is available beyond the debt.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.reduce(Microunits::new(40))?;
    /// assert_eq!(acme.snapshot().granted, Microunits::new(60));
    /// assert!(acme.reduce(Microunits::new(61)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn reduce(&self, amount: Microunits) -> Result<(), BudgetError> {
        let amount = amount.get();
        self.locked(|| {
            let now = self.account().read();
            let available = now.withdrawable();
            // With a debt nobody debits without the lock, so what is seen here stays.
            if now.debt > 0 && amount > available {
                return Err(self.refused(amount, Refusal::Short { available }));
            }
            // The word of a root is shared with those who hold no lock, so it is debited as they
            // do it; a reader must not see the amount gone from one term and not from the other.
            let reduced = self.account().adjust(|words| {
                self.account().debit_locked(amount)?;
                words.lower_granted(amount)
            });
            reduced.map_err(|refusal| self.refused(amount, refusal))
        })
    }

    /// Gives back what was spent: it is available again, on this level and on those above. 0 gives
    /// nothing.
    ///
    /// A correction downwards is a refund; a correction upwards is a reservation that is committed
    /// at once.
    ///
    /// # Errors
    ///
    /// [`RefundTooLarge`](BudgetError::RefundTooLarge) when less was committed.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.try_reserve(Microunits::new(70))?.commit(Microunits::new(70)).unwrap();
    /// acme.refund(Microunits::new(30))?;
    /// assert_eq!(acme.snapshot().committed, Microunits::new(40));
    /// assert!(acme.refund(Microunits::new(41)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn refund(&self, amount: Microunits) -> Result<(), BudgetError> {
        let amount = amount.get();
        self.locked(|| {
            self.check_refund_locked(amount)?;
            self.each_level(|level| level.account().adjust(|words| words.refund(amount)))
                .map_err(|refusal| self.refused(amount, refusal))
        })
    }

    /// Under the lock: refuses a refund where a level is broken, or has committed less.
    pub(crate) fn check_refund_locked(&self, amount: u64) -> Result<(), BudgetError> {
        self.check_levels_sound()?;
        for level in self.levels() {
            let committed = level.account().read().committed;
            if amount > committed {
                return Err(BudgetError::RefundTooLarge {
                    tenant: level.name().to_owned(),
                    requested: Microunits::new(amount),
                    committed: Microunits::new(committed),
                });
            }
        }
        Ok(())
    }

    /// Pays debt from the available amount, up to `most`, and returns how much was paid. A tenant in
    /// debt has an available amount after a release.
    ///
    /// # Errors
    ///
    /// [`Internal`](BudgetError::Internal) alone.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt))?;
    /// let (first, second) = (acme.try_reserve(Microunits::new(60))?, acme.try_reserve(Microunits::new(40))?);
    /// first.commit(Microunits::new(75))?;
    /// assert_eq!(acme.snapshot().debt, Microunits::new(15));
    ///
    /// second.release();
    /// assert_eq!(acme.repay(Microunits::new(100))?, Microunits::new(15));
    /// assert_eq!(acme.snapshot().available, Microunits::new(25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "what was paid belongs in the log"]
    pub fn repay(&self, most: Microunits) -> Result<Microunits, BudgetError> {
        self.locked(|| {
            let repaid = self.account().adjust(|words| {
                let paid = self.account().draw_locked(words.debt().min(most.get()))?;
                words.lower_debt(paid)?;
                Ok(Microunits::new(paid))
            });
            repaid.map_err(|refusal| self.refused(most.get(), refusal))
        })
    }

    /// As [`repay`](Self::repay), all of `amount` or nothing.
    pub(crate) fn repay_exactly(&self, amount: Microunits) -> Result<(), BudgetError> {
        let now = self.snapshot();
        if amount > now.debt {
            return Err(BudgetError::RepaymentTooLarge {
                tenant: self.name().to_owned(),
                requested: amount,
                debt: now.debt,
            });
        }
        if amount > now.available {
            let available = now.available.get();
            return Err(self.refused(amount.get(), Refusal::Short { available }));
        }
        // Nobody else writes to a budget that is being replayed, so all of it is paid.
        self.repay(amount)?;
        Ok(())
    }

    /// Moves what is available here and not owed, up to `most`, into the grant of `to`, and
    /// says how much that was.
    ///
    /// A period of a budget is a tenant of its own (`acme/2026-11`, below `acme` if its total
    /// matters): a reservation is settled in the period that made it, however late. At the end of
    /// a period the administrator freezes it and carries over to the next as much as they like.
    ///
    /// Both sides change before the caller could log it. One with a log [reduces](Self::reduce) the
    /// one, appends, and [tops up](Self::top_up) the other, as [`BudgetEvent`](crate::BudgetEvent)
    /// says.
    ///
    /// # Errors
    ///
    /// [`GrantTooLarge`](BudgetError::GrantTooLarge); nothing has moved then.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let november = engine.ensure_tenant("acme/2026-11", Microunits::new(100))?;
    /// let late = november.try_reserve(Microunits::new(70))?;
    ///
    /// november.freeze();
    /// let december = engine.ensure_tenant("acme/2026-12", Microunits::new(100))?;
    /// assert_eq!(november.carry_over(&december, Microunits::new(20))?, Microunits::new(20));
    ///
    /// late.commit(Microunits::new(70)).unwrap();
    /// assert_eq!(november.snapshot().committed, Microunits::new(70));
    /// assert_eq!(december.snapshot().available, Microunits::new(120));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn carry_over(&self, to: &Tenant, most: Microunits) -> Result<Microunits, BudgetError> {
        self.locked_with(to, || {
            // Others may debit without the lock meanwhile, so less may be drawn than is seen here,
            // but never more.
            let amount = self.account().read().withdrawable().min(most.get());
            to.check_top_up_locked(amount)?;
            let drawn = self.account().adjust(|words| {
                let drawn = self.account().draw_locked(amount)?;
                words.lower_granted(drawn)?;
                Ok(drawn)
            });
            let drawn = drawn.map_err(|refusal| self.refused(amount, refusal))?;
            to.top_up_locked(drawn)?;
            Ok(Microunits::new(drawn))
        })
    }

    /// As [`carry_over`](Self::carry_over), all of `amount` or nothing.
    pub(crate) fn carry_over_exactly(
        &self,
        to: &Tenant,
        amount: Microunits,
    ) -> Result<(), BudgetError> {
        let available = self.snapshot().withdrawable();
        if amount > available {
            let (amount, available) = (amount.get(), available.get());
            return Err(self.refused(amount, Refusal::Short { available }));
        }
        // Nobody else writes to a budget that is being replayed, so all of it is moved.
        self.carry_over(to, amount)?;
        Ok(())
    }

    /// Admits no reservation any more, here and below. Open reservations are settled as before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.freeze();
    /// assert!(acme.try_reserve(Microunits::new(1)).is_err());
    /// acme.unfreeze();
    /// assert!(acme.try_reserve(Microunits::new(1)).is_ok());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn freeze(&self) {
        self.rule(|rules| rules.freeze(true));
    }

    /// Admits reservations again.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.unfreeze();
    /// assert!(!acme.is_frozen());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn unfreeze(&self) {
        self.rule(|rules| rules.freeze(false));
    }

    /// Whether the tenant itself is frozen; one above it may be as well.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.freeze();
    /// assert!(acme.is_frozen());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.locked(|| self.account().rules().frozen())
    }

    /// Replaces the rules. They apply to every later reservation; open reservations stay open.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_exposure_cap(Microunits::new(30)))?;
    /// let reservation = acme.try_reserve(Microunits::new(30))?;
    /// assert!(acme.try_reserve(Microunits::new(1)).is_err());
    /// # reservation.release();
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn set_rules(&self, rules: TenantRules) -> Result<(), BudgetError> {
        rules.check()?;
        self.rule(|of_account| of_account.replace(&rules));
        Ok(())
    }

    /// All that a state says of the rules, checked before.
    pub(crate) fn restore_rules(&self, rules: TenantRules, frozen: bool, warned: bool) {
        self.rule(|of_account| {
            of_account.replace(&rules);
            of_account.freeze(frozen);
            if warned {
                of_account.set_warned();
            }
        });
    }

    /// The rules as they are.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// assert_eq!(engine.ensure_tenant("acme", Microunits::new(100))?.rules(), Default::default());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn rules(&self) -> TenantRules {
        self.locked(|| {
            let rules = self.account().rules();
            TenantRules {
                exposure_cap: rules.exposure_cap().map(Microunits::new),
                soft_limit: rules.soft_limit().map(Microunits::new),
                overrun: rules.overrun(),
            }
        })
    }

    /// Whether the warning of the soft limit was given.
    pub(crate) fn is_warned(&self) -> bool {
        self.locked(|| self.account().rules().warned())
    }

    /// Notes that the warning was given before.
    pub(crate) fn set_warned(&self) {
        self.rule(Rules::set_warned);
    }

    /// Changes the rules of the account under the lock, and its guard with them.
    fn rule(&self, change: impl FnOnce(&Rules)) {
        self.locked(|| {
            change(self.account().rules());
            self.account().guard();
        });
    }
}
