//! The id of a reservation.

use std::fmt;

/// The engine gives out the ids from 1 to below this; from here on they are the callers'.
pub(crate) const OWN_IDS: u64 = 1 << 63;

/// Names a reservation. The engine counts them up from 1, gives none out twice and none that is open; a
/// caller with a log may choose its own numbers, for example those of its records.
///
/// The engine goes on from the greatest number below 2^63 that a caller has chosen, and steps over
/// those above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(u64);

impl ReservationId {
    /// The id as a number, to be written down.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for ReservationId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}
