//! The lock and the condition variable of the writer: those of `parking_lot`, or the models that
//! loom explores.

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(not(all(test, loom)))]
pub(crate) use std::thread::yield_now;

#[cfg(all(test, loom))]
pub(crate) use loom::{sync::MutexGuard, thread::yield_now};

#[cfg(all(test, loom))]
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(all(test, loom))]
#[allow(clippy::unwrap_used, reason = "a model that panics has failed already")]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

#[cfg(all(test, loom))]
#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);
