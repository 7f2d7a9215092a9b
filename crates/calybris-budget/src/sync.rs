//! The atomics and the locks of an account and of the slots: the real ones, or those that loom explores.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Loom's lock, with the door of the real one.
#[cfg(loom)]
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(loom)]
impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A lock without data: it guards words that are read without it as well.
#[derive(Debug, Default)]
pub(crate) struct Lock(Mutex<()>);

impl Lock {
    /// Runs `section` while no other thread runs one under this lock.
    #[inline]
    pub(crate) fn with<T>(&self, section: impl FnOnce() -> T) -> T {
        let _held = self.0.lock();
        section()
    }
}

/// Lets another thread finish what this one waits for.
pub(crate) fn pause() {
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// The value of a word, in the one order of all `SeqCst` accesses: this load and a `SeqCst` change
/// of another word before it are not exchanged. Loom takes such a load for an `Acquire`; there a
/// change of nothing stands in for it, which reads the last store as well.
#[inline]
pub(crate) fn load_in_one_order(word: &AtomicU64) -> u64 {
    #[cfg(not(loom))]
    let found = word.load(Ordering::SeqCst);
    #[cfg(loom)]
    let found = word.fetch_max(0, Ordering::SeqCst);
    found
}
