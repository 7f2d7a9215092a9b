//! Releasing a part of a reservation, and undoing debits that a log did not take.

use std::borrow::Borrow;

use calybris_units::{Microunits, invariant};

use crate::checks::check_amount;
use crate::settlement::Overdraft;
use crate::{BudgetError, Reservation, Tenant};

impl<T: Borrow<Tenant>> Reservation<T> {
    /// Returns a part of the reservation to the tenant and keeps the rest open, 0 included: the call
    /// will cost less than was thought.
    ///
    /// # Errors
    ///
    /// As [`check_commit`](Self::check_commit) for the same amount; the reservation is then as
    /// before.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// reservation.release_part(Microunits::new(30))?;
    /// assert_eq!(reservation.amount(), Microunits::new(40));
    /// assert_eq!(acme.snapshot().available, Microunits::new(60));
    /// assert!(reservation.release_part(Microunits::new(41)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn release_part(&mut self, amount: Microunits) -> Result<(), BudgetError> {
        self.check_commit(amount)?;
        let amount = amount.get();
        self.settle_part(amount, 0)
    }

    /// Undoes what [`cover_overrun`](Self::cover_overrun) has just done, for a caller whose log did not take it:
    /// the amount drawn is available again, and the debt is gone.
    ///
    /// The overdraft is the one that this reservation gave, nothing was committed of it since, and
    /// no debt of its tenant was paid meanwhile.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun) when the reservation is smaller than the overdraft,
    /// [`OverdraftDiffers`](BudgetError::OverdraftDiffers) when it has another number of levels or a
    /// level owes less than it left there; nothing has changed then.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt))?;
    /// let mut reservation = acme.try_reserve(Microunits::new(70))?;
    /// let before = acme.snapshot();
    /// let overdraft = reservation.cover_overrun(Microunits::new(120))?.overdraft.unwrap();
    /// reservation.undo_overdraft(&overdraft)?;
    /// assert_eq!((reservation.amount(), acme.snapshot()), (Microunits::new(70), before));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undo_overdraft(&mut self, overdraft: &Overdraft) -> Result<(), BudgetError> {
        let Overdraft { extra, drawn } = overdraft;
        self.check_commit(*extra)?;
        let drawn: Vec<u64> = drawn.iter().copied().map(Microunits::get).collect();
        self.tenant().return_overdraft(extra.get(), &drawn)?;
        self.amount -= extra.get();
        Ok(())
    }
}

impl Tenant {
    /// Undoes what [`reduce`](Self::reduce) has just done, for a caller whose log did not take it: nobody has topped up
    /// or made debt meanwhile.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge), and
    /// [`GrantTooLarge`](BudgetError::GrantTooLarge) when the grant beside the debt would exceed the
    /// maximum; nothing has changed then.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let before = acme.snapshot();
    /// acme.reduce(Microunits::new(40))?;
    /// acme.undo_reduce(Microunits::new(40))?;
    /// assert_eq!(acme.snapshot(), before);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn undo_reduce(&self, amount: Microunits) -> Result<(), BudgetError> {
        let amount = check_amount(amount)?;
        self.locked(|| {
            // A debt was there before and is not paid with it.
            let balance = self.account().read();
            self.check_headroom(amount, balance.granted + balance.debt)?;
            let undone = self.account().adjust(|words| {
                words.raise_granted(amount)?;
                words.raise_available(amount)
            });
            undone.map_err(|refusal| self.refused(amount, refusal))
        })
    }

    fn return_overdraft(&self, extra: u64, drawn_by_level: &[u64]) -> Result<(), BudgetError> {
        self.check_drawn(extra, drawn_by_level)?;
        self.locked(|| {
            self.check_levels_sound()?;
            for (level, drawn) in self.levels().zip(drawn_by_level) {
                if extra - drawn > level.account().read().debt {
                    return Err(self.overdraft_differs(extra, drawn_by_level));
                }
            }
            let mut drawn = drawn_by_level.iter();
            let undone = self.each_level(|level| {
                let drawn = *invariant!(drawn.next(), "an overdraft names every level")?;
                level.account().adjust(|words| {
                    words.lower_debt(extra - drawn)?;
                    words.raise_available(drawn)
                })
            });
            undone.map_err(|refusal| self.refused(extra, refusal))
        })
    }
}
