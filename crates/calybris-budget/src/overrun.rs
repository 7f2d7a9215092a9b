//! Overruns: a call cost more than was reserved for it, and its reservation grows to cover that.

use std::borrow::Borrow;

use calybris_units::{Microunits, invariant};

use crate::checks::check_amount;
use crate::refusal::Refusal;
use crate::settlement::{Covered, Overdraft};
use crate::{BudgetError, OverrunPolicy, Reservation, Tenant};

impl<T: Borrow<Tenant>> Reservation<T> {
    /// Makes the reservation cover an actual cost, as the tenant's [`OverrunPolicy`] says, and says
    /// what is to be committed.
    ///
    /// [`commit`](Self::commit) does this by itself. A caller with a log does it first, appends the
    /// overdraft if there was one, then the commit, and then commits.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun) under [`Reject`](OverrunPolicy::Reject);
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge) and
    /// [`GrantTooLarge`](BudgetError::GrantTooLarge) for a cost or a debt beyond the maximum. The
    /// reservation is then as before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt))?;
    ///
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// let covered = reservation.cover_overrun(Microunits::new(120))?;
    ///
    /// assert_eq!(covered.commit, Microunits::new(120));
    /// assert_eq!(covered.overdraft.unwrap().drawn, [Microunits::new(30)]);
    /// assert_eq!(acme.snapshot().debt, Microunits::new(20));
    /// # reservation.commit(Microunits::new(120))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cover_overrun(&mut self, actual: Microunits) -> Result<Covered, BudgetError> {
        if actual <= self.amount() {
            return Ok(Covered { commit: actual, overdraft: None });
        }
        match self.tenant().rules().overrun {
            OverrunPolicy::Reject => Err(self.overrun(actual)),
            OverrunPolicy::CapAtReserved => {
                check_amount(actual)?;
                Ok(Covered { commit: self.amount(), overdraft: None })
            }
            OverrunPolicy::DrawThenDebt => {
                let extra = check_amount(actual)? - self.amount;
                let drawn = self.overdraw(extra, None)?.into_iter().map(Microunits::new).collect();
                let overdraft = Overdraft { extra: Microunits::new(extra), drawn };
                Ok(Covered { commit: actual, overdraft: Some(overdraft) })
            }
        }
    }

    /// Grows by `extra`, drawn and owed; see [`Tenant::overdraw`].
    pub(crate) fn overdraw(
        &mut self,
        extra: u64,
        replayed: Option<&[u64]>,
    ) -> Result<Vec<u64>, BudgetError> {
        let drawn = self.tenant().overdraw(extra, replayed)?;
        self.amount += extra;
        Ok(drawn)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn overrun(&self, actual: Microunits) -> BudgetError {
        BudgetError::Overrun {
            tenant: self.tenant().name().to_owned(),
            reserved: self.amount(),
            actual,
        }
    }
}

impl Tenant {
    /// Takes what it can of `extra` from every level, or what a replay says was taken, and adds the
    /// rest to the debt of that level. Says what was taken from each, this tenant first.
    pub(crate) fn overdraw(
        &self,
        extra: u64,
        replayed: Option<&[u64]>,
    ) -> Result<Vec<u64>, BudgetError> {
        if let Some(drawn) = replayed {
            self.check_drawn(extra, drawn)?;
        }
        // A flat tenant is debited by others without the lock; what it can draw has to stay until it
        // is drawn, or the debt would be another than the one that was checked.
        self.locked(|| self.account().guarded(|| self.overdraw_locked(extra, replayed)))
    }

    fn overdraw_locked(
        &self,
        extra: u64,
        replayed: Option<&[u64]>,
    ) -> Result<Vec<u64>, BudgetError> {
        let mut drawn_by_level = Vec::new();
        for (index, level) in self.levels().enumerate() {
            level.account().check_sound()?;
            let balance = level.account().read();
            let available = balance.available;
            let drawn = match replayed {
                None => extra.min(available),
                Some(drawn) => *invariant!(drawn.get(index), "an overdraft names every level")?,
            };
            if drawn > available {
                return Err(level.refused(drawn, Refusal::Short { available }));
            }
            level.check_headroom(extra - drawn, balance.granted + balance.debt)?;
            drawn_by_level.push(drawn);
        }
        // The levels are guarded, so what each was seen to have is there. A settlement may have added
        // to it since, and that stays.
        let mut drawn = drawn_by_level.iter();
        let overdrawn = self.each_level(|level| {
            let drawn = *invariant!(drawn.next(), "an overdraft names every level")?;
            level.account().adjust(|words| {
                level.account().debit_locked(drawn)?;
                words.raise_debt(extra - drawn)
            })
        });
        overdrawn.map_err(|refusal| self.refused(extra, refusal))?;
        Ok(drawn_by_level)
    }

    /// Refuses an overdraft that nobody can have made: it has another number of levels, or drew
    /// more from one than was missing.
    pub(crate) fn check_drawn(&self, extra: u64, drawn: &[u64]) -> Result<(), BudgetError> {
        if drawn.len() != self.levels().count() || drawn.iter().any(|drawn| *drawn > extra) {
            return Err(self.overdraft_differs(extra, drawn));
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn overdraft_differs(&self, extra: u64, drawn: &[u64]) -> BudgetError {
        BudgetError::OverdraftDiffers {
            tenant: self.name().to_owned(),
            levels: self.levels().count(),
            extra: Microunits::new(extra),
            drawn: drawn.iter().copied().map(Microunits::new).collect(),
        }
    }
}
