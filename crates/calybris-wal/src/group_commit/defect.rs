//! A writer that is poisoned by a defect leaves no thread waiting.

use super::GroupCommit;
use crate::error::WalError;

impl GroupCommit {
    /// Does some of the writer's work, and tells every waiting thread if that poisons the writer by a
    /// broken invariant or a panic.
    #[inline]
    pub(super) fn or_tell<T>(
        &self,
        work: impl FnOnce() -> Result<T, WalError>,
    ) -> Result<T, WalError> {
        let mut panicked = TellOfPanic { group_commit: self, armed: true };
        let outcome = work();
        panicked.armed = false;
        if let Err(WalError::Internal(_)) = &outcome {
            self.tell_of_defect();
        }
        outcome
    }

    /// Tells every waiting thread that the writer is poisoned by a broken invariant or a panic.
    #[cold]
    fn tell_of_defect(&self) {
        let mut state = self.state.lock();
        // A leader may have panicked outside the lock.
        state.poisoned.get_or_insert_with(|| "internal error: the writer panicked".to_owned());
        // One that is still at work finds out when it is done.
        state.leading = false;
        self.done.notify_all();
    }
}

/// Tells every waiting thread when it is dropped by a panic.
struct TellOfPanic<'a> {
    group_commit: &'a GroupCommit,
    armed: bool,
}

impl Drop for TellOfPanic<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.group_commit.tell_of_defect();
        }
    }
}
