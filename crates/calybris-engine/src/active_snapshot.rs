//! The snapshot that decisions are made under.

use crate::snapshot::Installed;

/// The snapshot that decisions are made under, and where the log's last checkpoint stands.
pub(crate) struct ActiveSnapshot {
    /// `None` before the first snapshot.
    pub(crate) installed: Option<Installed>,
    /// Sequence of the last checkpoint; 0 without one.
    pub(crate) checkpoint_sequence: u64,
}

impl ActiveSnapshot {
    /// Whether the log ends with a checkpoint and the snapshot behind it.
    pub(crate) fn nothing_since_checkpoint(&self, head_sequence: u64) -> bool {
        let snapshot_sequence = match &self.installed {
            Some(installed) => installed.sequence,
            None => self.checkpoint_sequence,
        };
        let behind = u64::from(self.installed.is_some());
        self.checkpoint_sequence > 0
            && snapshot_sequence == head_sequence
            && head_sequence.checked_sub(self.checkpoint_sequence) == Some(behind)
    }
}
