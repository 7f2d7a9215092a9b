//! The time of events that no file dates: installing a snapshot, opening a budget, a request without a time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The source of that time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// The system's clock.
    System,
    /// A fixed time, so that the run comes out the same each time.
    Stopped {
        /// Milliseconds since 1970.
        unix_ms: u64,
    },
}

impl Clock {
    /// Milliseconds since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the program that asks what day it is"
    )]
    pub(crate) fn unix_ms(self) -> u64 {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Stopped { unix_ms } => unix_ms,
        }
    }
}
