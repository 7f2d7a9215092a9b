//! The atomics and the lock of an account: the real ones, or those that loom explores.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A lock without data: it guards words that are read without it as well.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    #[cfg(not(loom))]
    mutex: parking_lot::Mutex<()>,
    #[cfg(loom)]
    mutex: loom::sync::Mutex<()>,
}

impl Lock {
    /// Runs `section` while nobody else runs one under this lock.
    #[inline]
    pub(crate) fn with<T>(&self, section: impl FnOnce() -> T) -> T {
        #[cfg(not(loom))]
        let _held = self.mutex.lock();
        #[cfg(loom)]
        let _held = self.mutex.lock();
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
