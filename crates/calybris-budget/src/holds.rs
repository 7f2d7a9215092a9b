//! The holds that the engine keeps: reservations known by an id and owned by nobody else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::Reservation;
use crate::hashing::NumberHasher;

/// Names a hold. The engine gives none out twice; a caller with a log may choose its own numbers,
/// for example those of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ReservationId(u64);

/// A hold that the engine keeps, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenHold {
    /// Its name.
    pub id: ReservationId,
    /// Whose amount is held.
    pub tenant: String,
    /// How much is held, in microunits.
    pub amount_microunits: u64,
    /// The caller's time from which on it may be swept; `None` for never.
    pub expires_at_ms: Option<u64>,
    /// Whether the call it pays for was sent: it may have cost something, so it is in suspense
    /// until somebody finds out and settles it. No sweep takes it.
    pub dispatched: bool,
}

/// How many locks share the ids. Ids are given out in turn, so threads seldom meet on one.
const SHARDS: usize = 16;

type Shard = HashMap<ReservationId, Held, BuildHasherDefault<NumberHasher>>;

#[derive(Debug)]
pub(crate) struct Holds {
    shards: [Mutex<Shard>; SHARDS],
    last_id: AtomicU64,
}

#[derive(Debug)]
struct Held {
    reservation: Reservation,
    expires_at_ms: Option<u64>,
}

impl ReservationId {
    /// The id as a number, to be written down.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u64> for ReservationId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl Holds {
    /// Keeps a reservation under an id that was never given out.
    pub(crate) fn keep(
        &self,
        mut reservation: Reservation,
        expires_at_ms: Option<u64>,
    ) -> ReservationId {
        loop {
            // 2^64 ids last for centuries.
            let id = ReservationId(self.last_id.fetch_add(1, Relaxed).wrapping_add(1));
            match self.keep_as(id, reservation, expires_at_ms) {
                Ok(()) => return id,
                // Only after the numbers of the caller have come to their end and began anew.
                Err(back) => reservation = back,
            }
        }
    }

    /// Gives out no id up to this one any more: it was given out before, or is the caller's.
    pub(crate) fn skip_to(&self, id: ReservationId) {
        self.last_id.fetch_max(id.0, Relaxed);
    }

    /// The greatest id so far.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id.load(Relaxed)
    }

    /// Keeps a reservation under the caller's id, or gives it back if that is taken.
    pub(crate) fn keep_as(
        &self,
        id: ReservationId,
        reservation: Reservation,
        expires_at_ms: Option<u64>,
    ) -> Result<(), Reservation> {
        match self.shard(id).lock().entry(id) {
            Entry::Occupied(_) => Err(reservation),
            Entry::Vacant(vacant) => {
                vacant.insert(Held { reservation, expires_at_ms });
                Ok(())
            }
        }
    }

    /// Gives a reservation up if `check` lets it go; whoever gets it is the one who settles it.
    pub(crate) fn take<E>(
        &self,
        id: ReservationId,
        check: impl FnOnce(Option<&mut Reservation>) -> Result<(), E>,
    ) -> Result<Option<Reservation>, E> {
        match self.shard(id).lock().entry(id) {
            Entry::Occupied(mut held) => {
                check(Some(&mut held.get_mut().reservation))?;
                Ok(Some(held.remove().reservation))
            }
            Entry::Vacant(_) => check(None).map(|()| None),
        }
    }

    /// Gives up everything that was not dispatched and whose time has come, in order of id.
    pub(crate) fn take_expired(&self, now_ms: u64) -> Vec<(ReservationId, Reservation)> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let expired = |_: &ReservationId, held: &mut Held| {
                held.expires_at_ms.is_some_and(|at| at <= now_ms)
                    && !held.reservation.is_dispatched()
            };
            let mut held = shard.lock();
            taken.extend(held.extract_if(expired).map(|(id, held)| (id, held.reservation)));
        }
        taken.sort_unstable_by_key(|(id, _)| *id);
        taken
    }

    fn shard(&self, id: ReservationId) -> &Mutex<Shard> {
        let [first, ..] = &self.shards;
        // The low four bits are an index below 16.
        usize::try_from(id.0 & 15).ok().and_then(|index| self.shards.get(index)).unwrap_or(first)
    }

    /// Every hold, in order of id.
    pub(crate) fn list(&self) -> Vec<OpenHold> {
        let mut list = Vec::new();
        for shard in &self.shards {
            list.extend(shard.lock().iter().map(|(id, held)| OpenHold {
                id: *id,
                tenant: held.reservation.tenant().name().to_owned(),
                amount_microunits: held.reservation.amount_microunits(),
                expires_at_ms: held.expires_at_ms,
                dispatched: held.reservation.is_dispatched(),
            }));
        }
        list.sort_unstable_by_key(|hold| hold.id);
        list
    }
}

impl Default for Holds {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), last_id: AtomicU64::new(0) }
    }
}
