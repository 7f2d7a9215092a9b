//! A logged decision whose texts stay where they are: decoding it allocates nothing.

use calybris_kernel::{Decision, Request};
use serde::Deserialize;

use crate::record::{Admission, Decided};

/// The first byte of a `Decided` record's payload: the codec writes the number of a variant below 251 as one byte.
const DECIDED: u8 = 2;

/// Whether a payload is that of a record that installs no snapshot, as an engine writes it: of a kind from
/// `BudgetChanged` to `FellBack`.
pub(super) fn installs_nothing(payload: &[u8]) -> bool {
    payload.first().is_some_and(|kind| (1..=5).contains(kind))
}

/// The fields of [`Decided`], in its order.
///
/// `Decided` itself cannot borrow when it is decoded, as it would then decode to nothing that outlives its bytes.
#[derive(Deserialize)]
pub(super) struct LentDecision<'a> {
    pub(super) time_unix_ms: u64,
    pub(super) tenant: &'a str,
    pub(super) correlation_id: &'a str,
    pub(super) request_key: &'a str,
    pub(super) snapshot_sequence: u64,
    pub(super) request: Request,
    pub(super) decision: Decision,
    pub(super) admission: Admission,
}

/// What a payload holds after its variant, if it is that of a decision.
pub(super) fn decision_bytes(payload: &[u8]) -> Option<&[u8]> {
    payload.split_first().filter(|(variant, _)| **variant == DECIDED).map(|(_, rest)| rest)
}

impl<'a> From<LentDecision<'a>> for Decided<'a> {
    fn from(lent: LentDecision<'a>) -> Self {
        Self {
            time_unix_ms: lent.time_unix_ms,
            tenant: lent.tenant.into(),
            correlation_id: lent.correlation_id.into(),
            request_key: lent.request_key.into(),
            snapshot_sequence: lent.snapshot_sequence,
            request: lent.request,
            decision: lent.decision,
            admission: lent.admission,
        }
    }
}
