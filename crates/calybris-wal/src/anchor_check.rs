//! Compares a log with an anchor that was kept elsewhere.

use crate::anchor::Anchor;
use crate::error::WalError;
use crate::hash::{Hash, LogId};
use crate::storage::Storage;

impl Anchor {
    /// Refuses a log with another id.
    pub(crate) fn check_log(&self, storage: &dyn Storage, found: LogId) -> Result<(), WalError> {
        if self.log_id == found {
            return Ok(());
        }
        Err(WalError::AnchorOfAnotherLog { path: storage.path(""), anchor: *self, found })
    }

    /// Refuses another hash at the anchor's sequence; elsewhere there is nothing to compare.
    pub(crate) fn check_record(&self, sequence: u64, hash: Hash) -> Result<(), WalError> {
        if self.sequence != sequence || self.hash == hash {
            return Ok(());
        }
        Err(WalError::AnchorContradicted { anchor: *self, found: hash })
    }

    /// The error for a log that cannot be opened although the anchor proves that there was one.
    pub(crate) fn judge_absence(&self, error: WalError) -> WalError {
        match error {
            WalError::Empty { .. } if self.sequence > 0 => {
                WalError::AnchorAhead { anchor: *self, head: 0 }
            }
            WalError::Missing { path } | WalError::Empty { path } => {
                WalError::AnchoredLogMissing { path, anchor: *self }
            }
            other => other,
        }
    }

    /// Refuses a log that ends before the anchor.
    pub(crate) fn check_head(&self, head: u64) -> Result<(), WalError> {
        if self.sequence <= head {
            return Ok(());
        }
        Err(WalError::AnchorAhead { anchor: *self, head })
    }
}
