//! The adjustment: a change of several words of an account, seen whole or not at all.

use super::{Account, GUARDED, READY_AT_REST, ready, spent};
use crate::sync::Ordering::{AcqRel, Relaxed, Release};

impl Account {
    /// Changes what only an adjustment may change, unseen by every reader until it is done. One
    /// within another is a part of it.
    pub(crate) fn adjust(&self, change: impl FnOnce(&Adjustment<'_>)) {
        let outermost = self.version.load(Relaxed).is_multiple_of(2);
        if outermost {
            self.version.fetch_add(1, Release);
        }
        change(&Adjustment { account: self });
        if outermost {
            self.guard();
            self.version.fetch_add(1, Release);
        }
    }
}

/// The words, open for a change. Each method is one term of INVARIANT (conservation); who calls
/// one keeps the sum.
pub(crate) struct Adjustment<'a> {
    account: &'a Account,
}

impl Adjustment<'_> {
    pub(crate) fn debt(&self) -> u64 {
        self.account.debt.load(Relaxed)
    }

    pub(crate) fn raise_granted(&self, amount: u64) {
        self.account.granted.fetch_add(amount, Release);
    }

    pub(crate) fn lower_granted(&self, amount: u64) {
        self.account.granted.fetch_sub(amount, Release);
    }

    pub(crate) fn raise_debt(&self, amount: u64) {
        self.account.debt.fetch_add(amount, Release);
    }

    pub(crate) fn lower_debt(&self, amount: u64) {
        self.account.debt.fetch_sub(amount, Release);
    }

    pub(crate) fn raise_available(&self, amount: u64) {
        self.raise(|available, committed| (available + amount, committed));
    }

    /// What is refunded was committed.
    pub(crate) fn refund(&self, amount: u64) {
        self.raise(|available, committed| (available + amount, committed - amount));
    }

    pub(super) fn raise(&self, change: impl Fn(u64, u64) -> (u64, u64)) {
        let changed: Result<(), u64> =
            self.shift(|available, committed| Ok(change(available, committed)));
        debug_assert!(changed.is_ok(), "the change is never refused");
    }

    /// Replaces what is available and what was committed by what `change` makes of them, and leaves
    /// room in the hot word for the calls to come. Those who debit and settle meanwhile change the
    /// hot word alone, so the change is made to what they have left.
    pub(super) fn shift<E>(
        &self,
        change: impl Fn(u64, u64) -> Result<(u64, u64), E>,
    ) -> Result<(), E> {
        let Account { hot: word, stock, posted, .. } = self.account;
        let mut hot = word.load(Relaxed);
        loop {
            let available = ready(hot) + stock.load(Relaxed);
            let committed = spent(hot) + posted.load(Relaxed);
            let (available, committed) = change(available, committed)?;
            let ready = available.min(READY_AT_REST);
            match word.compare_exchange_weak(hot, (hot & GUARDED) | ready, AcqRel, Relaxed) {
                Ok(_) => {
                    stock.store(available - ready, Release);
                    posted.store(committed, Release);
                    return Ok(());
                }
                Err(found) => hot = found,
            }
        }
    }
}
