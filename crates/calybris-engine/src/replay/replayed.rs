//! One decision of a replay, as its caller sees it.

use std::sync::Arc;

use calybris_kernel::Decision;

use crate::record::Decided;
use crate::snapshot::Snapshot;

/// A decision of the log that came out again as it was recorded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed<'a> {
    /// Its sequence in the log.
    pub sequence: u64,
    /// What was asked and answered.
    pub decided: Decided<'a>,
    /// What it was decided under.
    pub snapshot: &'a Arc<Snapshot>,
    /// The snapshots that were proposed in place of `snapshot`, as `propose` answered them.
    pub proposals: &'a [Arc<Snapshot>],
    /// What each of them decides on the same request.
    pub proposed: &'a [Decision],
}
