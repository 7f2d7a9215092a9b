//! The levels of a tenant: its own account and those above it, debited and settled together.
//!
//! A flat tenant has one level and needs no lock, unless a rule must be asked. The tenants of a tree
//! share one lock, that of their root: every level is asked, then every level is debited, and nobody
//! comes between.

use std::cmp::Ordering;
use std::iter::successors;

use calybris_units::{BrokenInvariant, Microunits, invariant};

use crate::account::NotDebited;
use crate::limits::MAX_MICROUNITS;
use crate::refusal::Refusal;
use crate::{BudgetError, Tenant};

/// The checks that a debit has to pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The balance and the rules of every level.
    Ruled,
    /// The balance alone: a replay repeats what the rules admitted at the time.
    Replayed,
}

impl Tenant {
    /// This tenant, then its parent, and so on to the root.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &Tenant> {
        successors(Some(self), |level| level.parent())
    }

    /// Runs `section` under the lock of the tree.
    pub(crate) fn locked<T>(&self, section: impl FnOnce() -> T) -> T {
        self.root().account().lock().with(section)
    }

    /// Runs `section` under the locks of two trees, which may be one.
    pub(crate) fn locked_with<T>(&self, other: &Tenant, section: impl FnOnce() -> T) -> T {
        let (mine, theirs) = (self.root().account().lock(), other.root().account().lock());
        // Two locks are always taken in the order of their addresses, so no two threads wait for
        // each other.
        match std::ptr::from_ref(mine).cmp(&std::ptr::from_ref(theirs)) {
            Ordering::Less => mine.with(|| theirs.with(section)),
            Ordering::Equal => mine.with(section),
            Ordering::Greater => theirs.with(|| mine.with(section)),
        }
    }

    /// Takes `amount` from every level, or from none.
    #[inline]
    pub(crate) fn debit(&self, amount: u64) -> Result<(), BudgetError> {
        match self.account().debit(amount) {
            Ok(()) => Ok(()),
            Err(NotDebited::Short(available)) => {
                Err(self.refused(amount, Refusal::Short { available }))
            }
            Err(NotDebited::Guarded) => self.debit_levels(amount, Admission::Ruled),
        }
    }

    // Out of line, so that the lock-free path stays a few instructions.
    #[inline(never)]
    pub(crate) fn debit_levels(
        &self,
        amount: u64,
        admission: Admission,
    ) -> Result<(), BudgetError> {
        self.locked(|| {
            for level in self.levels() {
                let account = level.account();
                let answer = match admission {
                    Admission::Ruled => account.admit(amount),
                    Admission::Replayed => account.covers(amount),
                };
                answer.map_err(|refusal| level.refused(amount, refusal))?;
            }
            for level in self.levels() {
                let debited = level.account().debit_locked(amount);
                // Every level covers it, so nothing was taken when one refuses: a replay may be
                // the first to notice, on a flat tenant whose word others share.
                debited.map_err(|refusal| level.refused(amount, refusal))?;
                if admission == Admission::Ruled && level.account().is_ruled() {
                    level.warn();
                }
            }
            Ok(())
        })
    }

    /// Spends `actual` of a debit of `reserved` on every level and returns the rest. Where one level is
    /// broken, none is changed.
    #[inline]
    pub(crate) fn settle(&self, reserved: u64, actual: u64) -> Result<(), Refusal> {
        if !self.account().is_level() {
            return self.account().settle(reserved, actual);
        }
        self.settle_levels(reserved, actual)
    }

    #[inline(never)]
    fn settle_levels(&self, reserved: u64, actual: u64) -> Result<(), Refusal> {
        self.locked(|| {
            self.check_levels_sound()?;
            self.each_level(|level| level.account().settle_locked(reserved, actual))
        })
    }

    /// Refuses a change of all levels where one of them is broken.
    pub(crate) fn check_levels_sound(&self) -> Result<(), BrokenInvariant> {
        self.levels().try_for_each(|level| level.account().check_sound())
    }

    /// Changes every level. If one of them is found broken on the way, the levels below it have
    /// changed and it has not: then this tenant is broken off as well, so that nobody relies on its
    /// books.
    pub(crate) fn each_level(
        &self,
        change: impl FnMut(&Tenant) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let changed = self.levels().try_for_each(change);
        if let Err(Refusal::Broken(broken)) = changed {
            self.account().break_off(broken);
        }
        changed
    }

    /// Refuses what INVARIANT (headroom) has no room for beside what was granted and is owed.
    pub(crate) fn check_headroom(&self, amount: u64, owed: u64) -> Result<(), BudgetError> {
        let room =
            invariant!(MAX_MICROUNITS.checked_sub(owed), "a grant and its debt fit the maximum");
        if amount > self.account().unless_broken(room)? {
            return Err(BudgetError::GrantTooLarge {
                tenant: self.name().to_owned(),
                granted: Microunits::new(owed),
                requested: Microunits::new(amount),
            });
        }
        Ok(())
    }

    /// Tells the engine, once, that the soft limit was reached.
    fn warn(&self) {
        let account = self.account();
        let Some(limit) = account.rules().warning_due() else { return };
        let balance = account.read();
        // A broken account warns of nothing, and was just broken off.
        let Ok(reserved) = account.reserved(&balance) else { return };
        if reserved + balance.committed >= limit {
            account.rules().set_warned();
            account.guard();
            // Without an engine there is nobody to take the warning.
            if let Some(keeper) = self.keeper() {
                keeper.warn(self, Microunits::new(limit));
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn refused(&self, requested: u64, refusal: Refusal) -> BudgetError {
        let (tenant, requested) = (self.name().to_owned(), Microunits::new(requested));
        match refusal {
            Refusal::Short { available } => BudgetError::Insufficient {
                tenant,
                requested,
                available: Microunits::new(available),
            },
            Refusal::Frozen => BudgetError::Frozen { tenant },
            Refusal::Broken(broken) => broken.into(),
            Refusal::InDebt { debt } => BudgetError::InDebt { tenant, debt: Microunits::new(debt) },
            Refusal::Exposed { cap, reserved } => {
                let (reserved, cap) = (Microunits::new(reserved), Microunits::new(cap));
                BudgetError::Exposed { tenant, requested, reserved, cap }
            }
        }
    }
}
