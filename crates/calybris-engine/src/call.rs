//! What the engine is asked, and what it answers.

use calybris_kernel::{Decision, Request};
use calybris_units::UnixMillis;

use crate::record::Admission;
use crate::ticket::Ticket;

/// One call to decide on.
///
/// ```
/// use calybris_engine::{Call, UnixMillis};
/// use calybris_kernel::Request;
///
/// let request = Request::new(1, 7, 1_000, 500);
/// let call = Call::new("search", UnixMillis::new(1_700_000_000_001), request)
///     .with_correlation_id("4bf92f3577b34da6a3ce929d0e0e4736")
///     .with_request_key("order-17");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// Whose budget pays. The tenant must have been opened with [`Engine::ensure_tenant`](crate::Engine::ensure_tenant).
    pub tenant: &'a str,
    /// When, by the caller's clock. It is recorded, and no decision depends on it.
    pub time: UnixMillis,
    /// The caller's own id of the call, such as a trace id: at most 64 bytes; empty if there is none.
    pub correlation_id: &'a str,
    /// Idempotency key: a call that is made again with the same key is decided once. At most 64 bytes; empty disables it.
    /// Each tenant has keys of its own.
    pub request_key: &'a str,
    /// The request to decide.
    pub request: Request,
}

impl<'a> Call<'a> {
    /// A call without a correlation id and without a request key.
    #[must_use]
    pub const fn new(tenant: &'a str, time: UnixMillis, request: Request) -> Self {
        Self { tenant, time, correlation_id: "", request_key: "", request }
    }

    /// The same call with the caller's own id of it.
    #[must_use]
    pub const fn with_correlation_id(mut self, correlation_id: &'a str) -> Self {
        self.correlation_id = correlation_id;
        self
    }

    /// The same call with an idempotency key.
    #[must_use]
    pub const fn with_request_key(mut self, request_key: &'a str) -> Self {
        self.request_key = request_key;
        self
    }
}

/// The answer to a call. It is in the log.
#[derive(Debug)]
#[non_exhaustive]
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
