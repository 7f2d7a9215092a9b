//! The account of one tenant: a few atomic words, and the protocol that keeps them exact.
//!
//! `available` is what may still be reserved. `committed` is what was spent. `reserved` is derived:
//! what was granted (or is owed) and is in neither.
//!
//! ```text
//! debit    available -= amount                                     if amount <= available
//! settle   committed += actual, then available += surplus
//! adjust   version odd; change any word; version even              one at a time, under a lock
//! read     version, committed, available, committed, version:      exact when both pairs agree
//! ```
//!
//! Debit and settle are compare-and-swap and addition: no lock. Whatever is rarer (a top-up, a
//! refund, a rule) is an adjustment under the account's lock.

use crate::rules::{Refusal, Rules};
use crate::sync::{
    AtomicU8, AtomicU64, Lock,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    pause,
};

/// The top bit of `available`, free by INVARIANT (headroom). Where it is set, a debit goes through
/// the lock: a rule must be asked, or several levels must admit it together. As it is part of the
/// word, a debit that did not see it set cannot succeed after it was.
const GUARDED: u64 = 1 << 63;

/// The words of a tenant.
///
/// INVARIANT (conservation): `granted + debt = available + reserved + committed`, where `reserved`
/// is the sum of the amounts that were debited and not yet settled. Each step moves an amount
/// between those terms, and an adjustment that changes two of them hides the instant in between
/// from every reader, so nobody sees a moment without it.
///
/// What every call uses comes first and stays together.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Account {
    available: AtomicU64,
    committed: AtomicU64,
    /// Not zero when the account is a level of a tree.
    ///
    /// INVARIANT (one writer): from then on every debit and settlement holds the lock of the tree's
    /// root, so each word has one writer at a time and needs no read-modify-write.
    shared: AtomicU8,
    /// Not zero when a rule or a debt must be asked.
    ruled: AtomicU8,
    lock: Lock,
    /// Odd while an adjustment is under way.
    version: AtomicU64,
    granted: AtomicU64,
    debt: AtomicU64,
    rules: Rules,
}

/// The words of an account as they were together at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) granted: u64,
    pub(crate) debt: u64,
    pub(crate) available: u64,
    pub(crate) committed: u64,
}

/// Why a lock-free debit did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDebited {
    /// Less is available, as given.
    Short(u64),
    /// The lock must be asked.
    Guarded,
}

impl Balance {
    /// All of a grant is available.
    pub(crate) fn of_grant(granted: u64) -> Self {
        Self { granted, debt: 0, available: granted, committed: 0 }
    }

    /// INVARIANT (conservation) makes this the sum of the open debits, never negative.
    pub(crate) fn reserved(&self) -> u64 {
        self.granted + self.debt - self.available - self.committed
    }
}

impl Account {
    /// The balance obeys INVARIANT (conservation) and INVARIANT (headroom).
    pub(crate) fn new(balance: Balance) -> Self {
        Self {
            available: AtomicU64::new(balance.available),
            committed: AtomicU64::new(balance.committed),
            version: AtomicU64::new(0),
            granted: AtomicU64::new(balance.granted),
            debt: AtomicU64::new(balance.debt),
            rules: Rules::none(),
            ruled: AtomicU8::new(0),
            shared: AtomicU8::new(0),
            lock: Lock::default(),
        }
    }

    /// Whether the account is a level of a tree. Who holds a debit of it may ask without the lock:
    /// the answer changes only while there is none.
    #[inline]
    pub(crate) fn is_level(&self) -> bool {
        self.shared.load(Relaxed) != 0
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Takes `amount` out of `available`, or says why not and changes nothing.
    ///
    /// Admission is exact: what is checked and what is replaced are the same word, and a debit
    /// that will be refused never touches it, so it cannot make another one fail.
    ///
    /// Acquire pairs with the Release of [`settle`](Self::settle): who spends an amount that
    /// another thread gave back sees all that thread did before, its append to the log included.
    /// A log behind a lock would have the two in order by itself; with the pair any log has.
    #[inline]
    pub(crate) fn debit(&self, amount: u64) -> Result<(), NotDebited> {
        let mut available = self.available.load(Relaxed);
        loop {
            if available & GUARDED != 0 {
                return Err(NotDebited::Guarded);
            }
            let Some(left) = available.checked_sub(amount) else {
                return Err(NotDebited::Short(available));
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
    /// settled once. By INVARIANT (conservation) neither sum can then exceed what was granted and
    /// is owed, so by INVARIANT (headroom) neither wraps.
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

    /// Reads all words as of one instant, without stopping anyone.
    ///
    /// Between two adjustments `committed` never falls, so two equal readings of it mean that no
    /// commit was seen to pass between them, and the reading of `available` between the two
    /// belongs to that value. Three facts make this hold on any memory:
    ///
    /// - a commit seen in the first reading brings its debit with it, because the debit happens
    ///   before the Release that raised `committed`, and that reading acquires it;
    /// - a surplus seen in `available` brings its commit with it, because `committed` was raised
    ///   before the Release that returned the surplus. The second reading then sees that commit;
    ///   as both agree, so did the first;
    /// - a debit alone belongs to neither and is reserved.
    ///
    /// An adjustment is either seen whole or not at all: each of its writes is a Release behind
    /// the odd version, so who acquires one of them finds the version changed.
    ///
    /// A retry means that somebody committed or adjusted: the account as a whole makes progress.
    pub(crate) fn read(&self) -> Balance {
        loop {
            let version = self.version.load(Acquire);
            let granted = self.granted.load(Acquire);
            let debt = self.debt.load(Acquire);
            let before = self.committed.load(Acquire);
            let available = self.available.load(Acquire) & !GUARDED;
            let committed = self.committed.load(Acquire);
            let after = self.version.load(Relaxed);
            if version % 2 == 1 {
                pause();
            } else if version == after && committed == before {
                return Balance { granted, debt, available, committed };
            }
        }
    }
}

/// What is done under the lock of the account, or of the root of its tree. While it is held, no
/// guarded account is debited by anyone else, and nobody adjusts.
impl Account {
    /// Makes the account a level of a tree, unless somebody holds a debit of it and might settle it
    /// without the lock. From the moment the guard is set, nobody can get one without it.
    pub(crate) fn become_level(&self) -> Result<(), u64> {
        if self.is_level() {
            return Ok(());
        }
        self.available.fetch_or(GUARDED, AcqRel);
        let reserved = self.read().reserved();
        if reserved > 0 {
            self.guard();
            return Err(reserved);
        }
        self.become_level_alone();
        Ok(())
    }

    /// As [`become_level`](Self::become_level), for who is alone with the account.
    pub(crate) fn become_level_alone(&self) {
        self.shared.store(1, Relaxed);
        self.guard();
    }

    /// Says whether the rules and what is available admit a debit.
    ///
    /// Meanwhile others can only settle, which makes more available and less reserved: a yes stays
    /// true until the lock is given up, and a no was true at the instant of the reading.
    pub(crate) fn admit(&self, amount: u64) -> Result<(), Refusal> {
        if self.ruled.load(Relaxed) != 0 {
            self.rules.admit(&self.read(), amount)?;
        }
        self.covers(amount)
    }

    /// Says whether what is available covers a debit, whatever the rules say.
    pub(crate) fn covers(&self, amount: u64) -> Result<(), Refusal> {
        let available = self.available.load(Relaxed) & !GUARDED;
        if amount > available { Err(Refusal::Short { available }) } else { Ok(()) }
    }

    /// Whether a rule or a debt must be asked.
    pub(crate) fn is_ruled(&self) -> bool {
        self.ruled.load(Relaxed) != 0
    }

    /// Takes `amount` out of `available` whatever the rules say, or says how much there is.
    pub(crate) fn debit_locked(&self, amount: u64) -> Result<(), u64> {
        let mut word = self.available.load(Relaxed);
        loop {
            let available = word & !GUARDED;
            if amount > available {
                return Err(available);
            }
            if self.is_level() {
                // INVARIANT (one writer).
                self.available.store(word - amount, Release);
                return Ok(());
            }
            match self.available.compare_exchange_weak(word, word - amount, Acquire, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => word = found,
            }
        }
    }

    /// As [`settle`](Self::settle), for a level of a tree.
    pub(crate) fn settle_locked(&self, reserved: u64, actual: u64) {
        // INVARIANT (one writer).
        if actual > 0 {
            self.committed.store(self.committed.load(Relaxed) + actual, Release);
        }
        if actual < reserved {
            let surplus = reserved - actual;
            self.available.store(self.available.load(Relaxed) + surplus, Release);
        }
    }

    /// Takes as much as there is, up to `most`, whatever the rules say.
    pub(crate) fn draw_locked(&self, most: u64) -> u64 {
        let mut drawn = most;
        while let Err(available) = self.debit_locked(drawn) {
            drawn = available;
        }
        drawn
    }

    /// Changes what only an adjustment may change, unseen by every reader until it is done.
    pub(crate) fn adjust(&self, change: impl FnOnce(&Adjustment<'_>)) {
        self.version.fetch_add(1, Release);
        change(&Adjustment { account: self });
        self.guard();
        self.version.fetch_add(1, Release);
    }

    /// Sets the guard where a debit must ask, and takes it away where it need not any more.
    pub(crate) fn guard(&self) {
        let ruled = self.debt.load(Relaxed) > 0 || self.rules.must_be_asked();
        self.ruled.store(u8::from(ruled), Relaxed);
        if ruled || self.is_level() {
            self.available.fetch_or(GUARDED, AcqRel);
        } else {
            self.available.fetch_and(!GUARDED, AcqRel);
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
        self.account.available.fetch_add(amount, Release);
    }

    pub(crate) fn lower_committed(&self, amount: u64) {
        self.account.committed.fetch_sub(amount, Release);
    }
}
