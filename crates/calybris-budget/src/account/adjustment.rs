//! The adjustment: a change of several words of an account, seen whole or not at all.

use calybris_units::invariant;

use super::hot_word::{BROKEN, GUARDED, READY_AT_REST, ready, spent};
use super::{Account, within_headroom};
use crate::refusal::Refusal;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{AcqRel, Relaxed, Release};

impl Account {
    /// Changes what only an adjustment may change, unseen by every reader until it is done. One
    /// within another is a part of it. A broken account is not changed, and an adjustment that finds
    /// a broken invariant breaks its account.
    pub(crate) fn adjust<T>(
        &self,
        change: impl FnOnce(&Adjustment<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.check_sound()?;
        let outermost = self.version.load(Relaxed).is_multiple_of(2);
        if outermost {
            self.version.fetch_add(1, Release);
        }
        let changed = change(&Adjustment { account: self });
        if let Err(Refusal::Broken(broken)) = changed {
            self.break_off(broken);
        }
        if outermost {
            self.guard();
            self.version.fetch_add(1, Release);
        }
        changed
    }
}

/// The words, open for a change. Each method is one term of INVARIANT (conservation); the caller
/// keeps the sum.
///
/// None of them wraps or panics: a panic would leave the version odd, and every reader waiting. A
/// change that INVARIANT (headroom) rules out is a broken invariant.
pub(crate) struct Adjustment<'a> {
    account: &'a Account,
}

impl Adjustment<'_> {
    pub(crate) fn debt(&self) -> u64 {
        self.account.debt.load(Relaxed)
    }

    pub(crate) fn raise_granted(&self, amount: u64) -> Result<(), Refusal> {
        raise(&self.account.granted, amount)
    }

    pub(crate) fn lower_granted(&self, amount: u64) -> Result<(), Refusal> {
        lower(&self.account.granted, amount)
    }

    pub(crate) fn raise_debt(&self, amount: u64) -> Result<(), Refusal> {
        raise(&self.account.debt, amount)
    }

    pub(crate) fn lower_debt(&self, amount: u64) -> Result<(), Refusal> {
        lower(&self.account.debt, amount)
    }

    pub(crate) fn raise_available(&self, amount: u64) -> Result<(), Refusal> {
        self.shift(|available, committed| Ok((within_headroom(available, amount)?, committed)))
    }

    /// The amount was committed.
    pub(crate) fn refund(&self, amount: u64) -> Result<(), Refusal> {
        self.shift(|available, committed| {
            let rest =
                invariant!(committed.checked_sub(amount), "a refund is of what was committed")?;
            Ok((within_headroom(available, amount)?, rest))
        })
    }

    /// Replaces the available and the committed amount by the results of `change`, and leaves
    /// room in the hot word for the calls to come. Concurrent debits and settlements change the
    /// hot word alone, so the change is applied to what they have left.
    pub(super) fn shift(
        &self,
        change: impl Fn(u64, u64) -> Result<(u64, u64), Refusal>,
    ) -> Result<(), Refusal> {
        let Account { hot: word, stock, posted, .. } = self.account;
        let mut hot = word.load(Relaxed);
        loop {
            let available = ready(hot) + stock.load(Relaxed);
            let committed = spent(hot) + posted.load(Relaxed);
            let (available, committed) = change(available, committed)?;
            let ready = available.min(READY_AT_REST);
            let after = (hot & (GUARDED | BROKEN)) | ready;
            match word.compare_exchange_weak(hot, after, AcqRel, Relaxed) {
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

// An adjustment is the only writer of its words, so each is read and then replaced.

fn raise(word: &AtomicU64, amount: u64) -> Result<(), Refusal> {
    word.store(within_headroom(word.load(Relaxed), amount)?, Release);
    Ok(())
}

fn lower(word: &AtomicU64, amount: u64) -> Result<(), Refusal> {
    let rest = word.load(Relaxed).checked_sub(amount);
    word.store(invariant!(rest, "a word of an account is lowered by a part of it")?, Release);
    Ok(())
}
