//! The account of one tenant: a few atomic words, and the protocol that keeps them exact.
//!
//! A call changes one word, `hot`: it has a part of the available and a part of the committed amount. So a debit is one compare-and-swap and a settlement is one, and nobody can see half of
//! either. The rest of both amounts stands in two wider words; now and then some of it is moved.
//!
//! ```text
//! available = ready (in hot) + stock             committed = spent (in hot) + posted
//!
//! debit    ready -= amount                               if amount <= ready
//! settle   spent += actual and ready += surplus          if both have room
//! adjust   version odd; change any word; version even    one at a time, under a lock
//! read     version, the others, version                  exact when it has not changed
//! ```
//!
//! `reserved` is derived: what was granted (or is owed) and is in neither. What does not fit in the
//! hot word, and whatever is rarer (a top-up, a refund, a rule), is an adjustment under the account's
//! lock.

mod adjustment;
mod balance;
mod broken;
mod hot_word;
mod rules;

use std::sync::OnceLock;

use calybris_units::{BrokenInvariant, invariant};

pub(crate) use self::balance::Balance;
use self::hot_word::{BROKEN, GUARDED, READY_AT_REST, ready, settled, spent};
pub(crate) use self::rules::Rules;
use crate::limits::MAX_MICROUNITS;
use crate::refusal::Refusal;
use crate::sync::{
    AtomicU8, AtomicU64, Lock,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    pause,
};

/// The words of a tenant.
///
/// INVARIANT (conservation): `granted + debt = available + reserved + committed`, where `reserved`
/// is the sum of the amounts that were debited and not yet settled. Each step moves an amount
/// between those terms, and an adjustment that changes two words hides the instant in between from
/// every reader, so nobody sees a moment without it.
///
/// The words that every call uses come first and stay together.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Account {
    hot: AtomicU64,
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
    /// The part of the available amount that is not in the hot word. Like all words from here on it is changed by
    /// adjustments only.
    stock: AtomicU64,
    /// The part of the committed amount that is not in the hot word.
    posted: AtomicU64,
    granted: AtomicU64,
    debt: AtomicU64,
    /// The invariant that was found broken, once one was.
    broken: OnceLock<Box<BrokenInvariant>>,
    rules: Rules,
}

/// Why a lock-free debit did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDebited {
    /// Less is available, as given.
    Short(u64),
    /// The lock must be asked.
    Guarded,
}

/// The sum, which INVARIANT (headroom) has room for.
fn within_headroom(word: u64, amount: u64) -> Result<u64, BrokenInvariant> {
    let sum = word.checked_add(amount).filter(|sum| *sum <= MAX_MICROUNITS);
    invariant!(sum, "no word of an account exceeds 2^63 - 1")
}

impl Account {
    /// The balance obeys INVARIANT (conservation) and INVARIANT (headroom).
    pub(crate) fn new(balance: Balance) -> Self {
        let ready = balance.available.min(READY_AT_REST);
        Self {
            hot: AtomicU64::new(ready),
            shared: AtomicU8::new(0),
            ruled: AtomicU8::new(0),
            lock: Lock::default(),
            version: AtomicU64::new(0),
            stock: AtomicU64::new(balance.available - ready),
            posted: AtomicU64::new(balance.committed),
            granted: AtomicU64::new(balance.granted),
            debt: AtomicU64::new(balance.debt),
            broken: OnceLock::new(),
            rules: Rules::none(),
        }
    }

    /// Whether the account is a level of a tree. The owner of a debit may ask without the lock:
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

    /// Takes `amount` out of what is available, or says why not and changes nothing.
    ///
    /// Admission is exact: what is checked and what is replaced are the same word, and a debit
    /// that will be refused never touches it, so it cannot make another one fail.
    ///
    /// Acquire pairs with the Release of [`settle`](Self::settle): a thread that spends an
    /// amount which another one gave back sees everything the other did before, its append to the log included.
    /// A log behind a lock would have the two in order by itself; with the pair any log has.
    #[inline]
    pub(crate) fn debit(&self, amount: u64) -> Result<(), NotDebited> {
        let mut hot = self.hot.load(Relaxed);
        loop {
            if hot & (GUARDED | BROKEN) != 0 {
                return Err(NotDebited::Guarded);
            }
            if amount > ready(hot) {
                return Err(self.not_ready(amount));
            }
            match self.hot.compare_exchange_weak(hot, hot - amount, Acquire, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => hot = found,
            }
        }
    }

    /// Less is ready. Either less is available, at the instant of the reading, or the lock has to
    /// fetch some of the stock.
    #[cold]
    #[inline(never)]
    fn not_ready(&self, amount: u64) -> NotDebited {
        let available = self.read().available;
        if amount > available { NotDebited::Short(available) } else { NotDebited::Guarded }
    }

    /// Spends `actual` of a debit of `reserved` and returns the rest.
    ///
    /// The caller owns the debit and gives it up here: `actual <= reserved`, and a debit is
    /// settled once. By INVARIANT (conservation) neither sum can then exceed what was granted and
    /// is owed, so by INVARIANT (headroom) neither wraps. A broken account settles nothing.
    #[inline]
    pub(crate) fn settle(&self, reserved: u64, actual: u64) -> Result<(), Refusal> {
        if let Some(surplus) = reserved.checked_sub(actual) {
            let mut hot = self.hot.load(Relaxed);
            while let Some(after) = settled(hot, actual, surplus) {
                if hot & BROKEN != 0 {
                    return Err(self.finding().into());
                }
                match self.hot.compare_exchange_weak(hot, after, Release, Relaxed) {
                    Ok(_) => return Ok(()),
                    Err(found) => hot = found,
                }
            }
        }
        self.settle_aside(reserved, actual)
    }

    #[cold]
    #[inline(never)]
    fn settle_aside(&self, reserved: u64, actual: u64) -> Result<(), Refusal> {
        // The account is flat, so its lock is that of its tree.
        self.lock.with(|| self.settle_locked(reserved, actual))
    }

    /// Reads all words as of one instant, without stopping anyone.
    ///
    /// A call changes the hot word alone, so whatever is read there is the account between two
    /// calls. Every other word changes in adjustments, and an adjustment is either seen whole or not
    /// at all: each of its writes is a Release behind the odd version, so a reader that acquires one of
    /// them finds the version changed.
    ///
    /// A retry means that an adjustment was made: the account as a whole makes progress, and callers that
    /// debit and settle are neither waited for nor kept waiting.
    #[inline]
    pub(crate) fn read(&self) -> Balance {
        loop {
            let version = self.version.load(Acquire);
            let granted = self.granted.load(Acquire);
            let debt = self.debt.load(Acquire);
            let stock = self.stock.load(Acquire);
            let posted = self.posted.load(Acquire);
            let hot = self.hot.load(Acquire);
            let after = self.version.load(Relaxed);
            if version % 2 == 1 {
                pause();
            } else if version == after {
                let (available, committed) = (ready(hot) + stock, spent(hot) + posted);
                return Balance { granted, debt, available, committed };
            }
        }
    }
}

/// Operations under the lock of the account, or of the root of its tree. While it is held, no
/// guarded account is debited by anyone else, and nobody adjusts.
impl Account {
    /// Runs `section` while nobody debits the account without the lock.
    pub(crate) fn guarded<T>(&self, section: impl FnOnce() -> T) -> T {
        self.hot.fetch_or(GUARDED, AcqRel);
        let answer = section();
        self.guard();
        answer
    }

    /// Makes the account a level of a tree if nothing of it is reserved, and answers how much is: a
    /// reservation might be settled without the lock.
    pub(crate) fn become_level(&self) -> Result<u64, BrokenInvariant> {
        if self.is_level() {
            return Ok(0);
        }
        self.guarded(|| {
            let reserved = self.reserved(&self.read())?;
            if reserved == 0 {
                self.shared.store(1, Relaxed);
            }
            Ok(reserved)
        })
    }

    /// The reserved amount in a balance of this account; breaks it off, under the lock, if there is none.
    pub(crate) fn reserved(&self, balance: &Balance) -> Result<u64, BrokenInvariant> {
        self.unless_broken(balance.reserved())
    }

    /// As [`become_level`](Self::become_level), for a caller that is alone with the account.
    pub(crate) fn become_level_alone(&self) {
        self.shared.store(1, Relaxed);
        self.guard();
    }

    /// Whether the rules and the available amount admit a debit.
    ///
    /// Meanwhile others can only settle, which makes more available and less reserved: a yes stays
    /// true until the lock is given up, and a no was true at the instant of the reading.
    pub(crate) fn admit(&self, amount: u64) -> Result<(), Refusal> {
        self.check_sound()?;
        if self.ruled.load(Relaxed) != 0 {
            let balance = self.read();
            self.rules.admit(balance.debt, self.reserved(&balance)?, amount)?;
        }
        self.is_available(amount)
    }

    /// Says whether what is available covers a debit, whatever the rules say.
    pub(crate) fn covers(&self, amount: u64) -> Result<(), Refusal> {
        self.check_sound()?;
        self.is_available(amount)
    }

    #[inline]
    fn is_available(&self, amount: u64) -> Result<(), Refusal> {
        if amount <= ready(self.hot.load(Relaxed)) {
            return Ok(());
        }
        let available = self.available_locked();
        if amount > available { Err(Refusal::Short { available }) } else { Ok(()) }
    }

    /// Whether a rule or a debt must be asked.
    pub(crate) fn is_ruled(&self) -> bool {
        self.ruled.load(Relaxed) != 0
    }

    fn available_locked(&self) -> u64 {
        ready(self.hot.load(Relaxed)) + self.stock.load(Relaxed)
    }

    /// Takes `amount` out of what is available whatever the rules say, or says how much there is.
    #[inline]
    pub(crate) fn debit_locked(&self, amount: u64) -> Result<(), Refusal> {
        let hot = self.hot.load(Relaxed);
        if hot & BROKEN != 0 {
            return Err(self.finding().into());
        }
        if self.is_level() && amount <= ready(hot) {
            // INVARIANT (one writer).
            self.hot.store(hot - amount, Release);
            return Ok(());
        }
        self.debit_stock(amount)
    }

    #[cold]
    #[inline(never)]
    fn debit_stock(&self, amount: u64) -> Result<(), Refusal> {
        let available = self.available_locked();
        if amount > available {
            return Err(Refusal::Short { available });
        }
        self.adjust(|words| {
            words.shift(|available, committed| match available.checked_sub(amount) {
                Some(rest) => Ok((rest, committed)),
                None => Err(Refusal::Short { available }),
            })
        })
    }

    /// As [`settle`](Self::settle), for a level of a tree, or for what the hot word has no room for.
    #[inline]
    pub(crate) fn settle_locked(&self, reserved: u64, actual: u64) -> Result<(), Refusal> {
        let hot = self.hot.load(Relaxed);
        if hot & BROKEN != 0 {
            return Err(self.finding().into());
        }
        let surplus = reserved.checked_sub(actual);
        let surplus = self
            .unless_broken(invariant!(surplus, "a settlement spends at most what is reserved"))?;
        match settled(hot, actual, surplus) {
            // INVARIANT (one writer).
            Some(after) if self.is_level() => {
                self.hot.store(after, Release);
                Ok(())
            }
            _ => self.settle_stock(surplus, actual),
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_stock(&self, surplus: u64, actual: u64) -> Result<(), Refusal> {
        self.adjust(|words| {
            words.shift(|available, committed| {
                Ok((within_headroom(available, surplus)?, within_headroom(committed, actual)?))
            })
        })
    }

    /// Takes as much as there is, up to `most`, whatever the rules say.
    pub(crate) fn draw_locked(&self, most: u64) -> Result<u64, Refusal> {
        let mut drawn = most;
        loop {
            match self.debit_locked(drawn) {
                Ok(()) => return Ok(drawn),
                Err(Refusal::Short { available }) => drawn = available,
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Sets the guard where a debit must ask, and takes it away where it need not any more.
    ///
    /// It is in the word that a debit replaces, and what there is to be asked stands under the lock:
    /// no other word has to be seen with it, and AcqRel is more than that needs.
    pub(crate) fn guard(&self) {
        let ruled = self.debt.load(Relaxed) > 0 || self.rules.must_be_asked();
        self.ruled.store(u8::from(ruled), Relaxed);
        if ruled || self.is_level() {
            self.hot.fetch_or(GUARDED, AcqRel);
        } else {
            self.hot.fetch_and(!GUARDED, AcqRel);
        }
    }
}
