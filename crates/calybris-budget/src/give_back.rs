//! What a reservation gives back while it stays open: a part of it, or an overdraft that came to nothing.

use std::borrow::Borrow;

use crate::amount::check_amount;
use crate::settlement::Overdraft;
use crate::{BudgetError, Reservation, Tenant};

impl<T: Borrow<Tenant>> Reservation<T> {
    /// Returns a part of what is held to the tenant and keeps the rest open, 0 included: the call
    /// will cost less than was thought.
    ///
    /// # Errors
    ///
    /// As [`check_commit`](Self::check_commit) for the same amount; the reservation is then as
    /// before.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let mut reservation = acme.try_reserve(70)?;
    /// reservation.release_part(30)?;
    /// assert_eq!(reservation.amount_microunits(), 40);
    /// assert_eq!(acme.snapshot().available_microunits, 60);
    /// assert!(reservation.release_part(41).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn release_part(&mut self, amount_microunits: u64) -> Result<(), BudgetError> {
        self.check_commit(amount_microunits)?;
        self.amount_microunits -= amount_microunits;
        self.tenant().settle(amount_microunits, 0);
        Ok(())
    }

    /// Undoes what [`cover`](Self::cover) has just done, for a caller whose log did not take it:
    /// what was drawn is available again, what was owed is not owed.
    ///
    /// The overdraft is the one that this reservation gave, nothing was committed of it since, and
    /// no debt of its tenant was paid meanwhile.
    ///
    /// # Errors
    ///
    /// [`Overrun`](BudgetError::Overrun) when less is held than the overdraft added,
    /// [`OverdraftDiffers`](BudgetError::OverdraftDiffers) when it has another number of levels or a
    /// level owes less than it left there; nothing has changed then.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.set_rules(TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..Default::default() })?;
    /// let mut reservation = acme.try_reserve(70)?;
    /// let before = acme.snapshot();
    /// let overdraft = reservation.cover(120)?.overdraft.unwrap();
    /// reservation.uncover(&overdraft)?;
    /// assert_eq!((reservation.amount_microunits(), acme.snapshot()), (70, before));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uncover(&mut self, overdraft: &Overdraft) -> Result<(), BudgetError> {
        let Overdraft { extra_microunits, drawn_microunits } = overdraft;
        self.check_commit(*extra_microunits)?;
        self.tenant().return_overdraft(*extra_microunits, drawn_microunits)?;
        self.amount_microunits -= extra_microunits;
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
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let before = acme.snapshot();
    /// acme.reduce(40)?;
    /// acme.unreduce(40)?;
    /// assert_eq!(acme.snapshot(), before);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn unreduce(&self, amount_microunits: u64) -> Result<(), BudgetError> {
        check_amount(amount_microunits)?;
        self.locked(|| {
            // A debt was there before and is not paid with it.
            let balance = self.account().read();
            self.check_headroom(amount_microunits, balance.granted + balance.debt)?;
            self.account().adjust(|words| {
                words.raise_granted(amount_microunits);
                words.raise_available(amount_microunits);
            });
            Ok(())
        })
    }

    fn return_overdraft(&self, extra: u64, drawn_by_level: &[u64]) -> Result<(), BudgetError> {
        self.check_drawn(extra, drawn_by_level)?;
        self.locked(|| {
            for (level, drawn) in self.levels().zip(drawn_by_level) {
                if extra - drawn > level.account().read().debt {
                    return Err(self.overdraft_differs(extra, drawn_by_level));
                }
            }
            for (level, drawn) in self.levels().zip(drawn_by_level) {
                level.account().adjust(|words| {
                    words.lower_debt(extra - drawn);
                    words.raise_available(*drawn);
                });
            }
            Ok(())
        })
    }
}
