//! The state that appending threads share: the end of the log, and whether anything may still be written.

use std::sync::Arc;

use calybris_units::{BrokenInvariant, invariant};

use crate::error::WalError;
use crate::frame_builder::FrameBuilder;
use crate::hash::HASH_BYTES;
use crate::storage::StoredFile;

/// The end of a log, under the lock.
pub(super) struct State {
    pub(super) builder: FrameBuilder,
    pub(super) file: Arc<dyn StoredFile>,
    /// The length that the file was given ahead of writing, in bytes.
    pub(super) room: u64,
    /// The buffer that is not the builder's.
    pub(super) spare: Vec<u8>,
    /// Whether a leader is at work.
    pub(super) leading: bool,
    /// The last sequence that is known to be on disk.
    pub(super) synced: u64,
    /// How many records the last group that was synced held.
    pub(super) last_group: u64,
    /// Why nothing more is written.
    pub(super) poisoned: Option<String>,
    /// Whether the builder is at work; once the lock is free again, whether it never finished.
    pub(super) unfinished: bool,
}

impl State {
    pub(super) fn check(&self) -> Result<(), WalError> {
        let cause = match &self.poisoned {
            None if !self.unfinished => return Ok(()),
            None => "internal error: the writer panicked".to_owned(),
            Some(cause) => cause.clone(),
        };
        Err(WalError::Poisoned { cause })
    }

    /// Lets the builder work. If that breaks an invariant or panics, the writer is poisoned before the lock
    /// is given up.
    #[inline]
    pub(super) fn with_builder<T, E: Into<WalError>>(
        &mut self,
        work: impl FnOnce(&mut FrameBuilder) -> Result<T, E>,
    ) -> Result<T, WalError> {
        self.unfinished = true;
        let outcome = work(&mut self.builder);
        self.unfinished = false;
        outcome.map_err(|error| match error.into() {
            WalError::Internal(broken) => self.broken(broken),
            other => other,
        })
    }

    /// Poisons the writer for a broken invariant.
    #[cold]
    pub(super) fn broken(&mut self, broken: BrokenInvariant) -> WalError {
        let error = WalError::from(broken);
        self.poisoned.get_or_insert_with(|| error.to_string());
        error
    }

    /// How many records are not known to be on disk.
    pub(super) fn unsynced(&self) -> u64 {
        self.builder.head().sequence - self.synced
    }

    /// Takes the builder's frames, in exchange for an empty buffer, and says where they go.
    pub(super) fn hand_over<'a>(
        &mut self,
        buffer: &'a mut Vec<u8>,
    ) -> Result<(u64, &'a [u8]), WalError> {
        self.check()?;
        let at = self.with_builder(|builder| builder.swap_pending(buffer))?;
        let frames = invariant!(buffer.get(HASH_BYTES..), "frames stand behind a hash");
        Ok((at, frames.map_err(|broken| self.broken(broken))?))
    }
}
