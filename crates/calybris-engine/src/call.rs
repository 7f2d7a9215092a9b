//! What the engine is asked, and what it answers.

use calybris_kernel::{Decision, Request};

use crate::record::Admission;
use crate::ticket::Ticket;

/// One call to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Whose budget pays. Must have been opened with [`Engine::ensure_tenant`](crate::Engine::ensure_tenant).
    pub tenant: &'a str,
    /// The caller's time, in milliseconds since 1970 UTC. It is recorded and decides nothing.
    pub time_unix_ms: u64,
    /// The caller's own id of the call (a trace id, say): at most 64 bytes, may be empty.
    pub correlation_id: &'a str,
    /// Idempotency key: a call that is made again with the same key is decided once. At most 64 bytes; empty disables it.
    /// Each tenant has keys of its own.
    pub request_key: &'a str,
    /// What is to be decided.
    pub request: Request,
}

/// The answer to a call. It is in the log.
#[derive(Debug)]
#[must_use = "it may hold a ticket, which reserves its cost until it is settled or abandoned"]
pub struct Outcome {
    /// Sequence of the decision's record in the log.
    pub decision_sequence: u64,
    /// What the kernel answered.
    pub decision: Decision,
    /// What the budget answered.
    pub admission: Admission,
    /// Whether this answer was given before to a call with the same request key. The first caller may be carrying it out.
    pub repeated: bool,
    /// The right to carry the decision out. `None` if the kernel rejected or the budget refused, and for a repeated answer
    /// whose ticket is closed.
    pub ticket: Option<Ticket>,
}

/// The most bytes that a correlation id may have: a W3C trace parent has 55, a UUID 36.
pub const MAX_CORRELATION_ID_BYTES: usize = 64;

/// The most bytes that a request key may have: a UUID has 36, a SHA-256 in hexadecimal 64.
pub const MAX_REQUEST_KEY_BYTES: usize = 64;
