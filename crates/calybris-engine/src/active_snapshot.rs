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
        let installed_sequence = self.installed.as_ref().map(|installed| installed.sequence);
        nothing_since(self.checkpoint_sequence, installed_sequence, head_sequence)
    }
}

/// Whether a log with that head ends with its last checkpoint (0: it has none) and, if one is in force, the snapshot behind it.
pub(crate) fn nothing_since(
    checkpoint_sequence: u64,
    installed_sequence: Option<u64>,
    head_sequence: u64,
) -> bool {
    let snapshot_sequence = installed_sequence.unwrap_or(checkpoint_sequence);
    let behind = u64::from(installed_sequence.is_some());
    checkpoint_sequence > 0
        && snapshot_sequence == head_sequence
        && head_sequence.checked_sub(checkpoint_sequence) == Some(behind)
}
