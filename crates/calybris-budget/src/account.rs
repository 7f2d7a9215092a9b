//! The account of one tenant: two atomic words, and the protocol that keeps them exact.
//!
//! `available` is what may still be reserved. `committed` is what was spent; it only ever rises.
//! `reserved` is derived from both: what was granted and is in neither.
//!
//! ```text
//! debit    available -= amount                              if amount <= available
//! settle   committed += actual, then available += surplus
//! read     committed, available, committed: exact when both readings of committed agree
//! ```

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The words of a tenant on a cache line of their own, so that tenants do not slow each other.
///
/// INVARIANT (conservation): `granted = available + reserved + committed`, where `reserved` is the
/// sum of the amounts that were debited and not yet settled. Each step of the protocol moves an
/// amount between two of the three, so there is no instant without it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Account {
    available: AtomicU64,
    committed: AtomicU64,
    granted: u64,
}

/// The two words as they were together at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) available: u64,
    pub(crate) committed: u64,
}

impl Account {
    pub(crate) fn new(granted: u64) -> Self {
        Self { available: AtomicU64::new(granted), committed: AtomicU64::new(0), granted }
    }

    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    /// Takes `amount` out of `available`, or says how much there is and changes nothing.
    ///
    /// Admission is exact: what is checked and what is replaced are the same word, and a debit
    /// that will be refused never touches it, so it cannot make another one fail.
    ///
    /// Acquire pairs with the Release of [`settle`](Self::settle): who spends an amount that
    /// another thread gave back sees all that thread did before, its append to the log included.
    /// So the log has the two in the same order. The order *debit, then log; log, then credit*
    /// rests on this pair.
    #[inline]
    pub(crate) fn debit(&self, amount: u64) -> Result<(), u64> {
        let mut available = self.available.load(Relaxed);
        loop {
            let Some(left) = available.checked_sub(amount) else {
                return Err(available);
            };
            match self.available.compare_exchange_weak(available, left, Acquire, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => available = found,
            }
        }
    }

    /// Spends `actual` of a debit of `reserved` and returns the rest to `available`.
    ///
    /// The caller owns the debit and gives it up here: `actual <= reserved`, and a debit is
    /// settled once. By INVARIANT (conservation) neither sum can then exceed `granted`, so by
    /// INVARIANT (headroom) neither wraps.
    ///
    /// Between the two steps the surplus is still reserved, which is a legal state. `committed`
    /// rises first, so that who sees the surplus sees what was spent as well.
    #[inline]
    pub(crate) fn settle(&self, reserved: u64, actual: u64) {
        debug_assert!(actual <= reserved, "the caller checks for an overrun");
        if actual > 0 {
            self.committed.fetch_add(actual, Release);
        }
        if actual < reserved {
            self.available.fetch_add(reserved - actual, Release);
        }
    }

    /// Reads both words as of one instant, without stopping anyone.
    ///
    /// `committed` never falls, so two equal readings of it mean that no commit was seen to pass
    /// between them, and the reading of `available` between the two belongs to that value.
    /// Three facts make this hold on any memory:
    ///
    /// - a commit seen in the first reading brings its debit with it, because the debit happens
    ///   before the Release that raised `committed`, and that reading acquires it;
    /// - a surplus seen in `available` brings its commit with it, because `committed` was raised
    ///   before the Release that returned the surplus. The second reading then sees that commit;
    ///   as both agree, so did the first;
    /// - a debit alone belongs to neither and is reserved.
    ///
    /// A retry means that somebody committed: the account as a whole makes progress.
    pub(crate) fn read(&self) -> Reading {
        let mut before = self.committed.load(Acquire);
        loop {
            let available = self.available.load(Acquire);
            let committed = self.committed.load(Acquire);
            if committed == before {
                return Reading { available, committed };
            }
            before = committed;
        }
    }
}
