//! The slots: where the newest reservations by name and id are kept, a few words each and no lock.
//!
//! The slot follows from the id. A slot is claimed, filled, and then shows the id; the thread that replaces
//! the id takes the reservation. A reservation whose slot is taken, or that has more than a tenant and an
//! amount, goes into the map instead.
//!
//! ```text
//! keep     state free -> busy; tenant, amount; state id
//! take     state id; tenant, amount; state id -> free
//! ```

use std::sync::OnceLock;

use crate::directory::Place;
use crate::reservation_id::OWN_IDS;
use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence, pause,
};

/// The newest reservations by id.
#[derive(Debug, Default)]
pub(crate) struct SlotTable {
    slots: OnceLock<Box<[Slot]>>,
}

/// The place of one reservation.
#[derive(Debug)]
#[repr(align(32))]
pub(crate) struct Slot {
    state: AtomicU64,
    tenant: AtomicU32,
    amount: AtomicU64,
}

/// A reservation in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotEntry {
    pub(crate) tenant: Place,
    pub(crate) amount: u64,
}

// Neither is the id of a reservation: those in slots are 1 to below `OWN_IDS`.
const FREE: u64 = 0;
const BUSY: u64 = u64::MAX;

/// How many slots there are: few enough to stay in a cache, enough for the reservations that are settled
/// soon. Loom explores one slot, so that every reservation comes to it.
const SLOTS: usize = if cfg!(loom) { 1 } else { 4_096 };

impl Slot {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(FREE), tenant: AtomicU32::new(0), amount: AtomicU64::new(0) }
    }

    /// Puts a reservation into the slot, if the slot is free and no caller has taken the id for another. An id
    /// comes to a slot once and never again.
    ///
    /// The claim and the question are SeqCst, as are the other's claim and its look at
    /// [`settled`](Self::settled): either this one hears that the id is taken, or the other one sees
    /// that the slot is.
    ///
    /// Both words are stored with Release, so that a thread that reads one of them with Acquire
    /// finds that the slot has been busy since: see [`seen`](Self::seen).
    #[inline]
    pub(crate) fn keep(&self, id: u64, entry: SlotEntry, is_taken: impl FnOnce() -> bool) -> bool {
        if self.state.compare_exchange(FREE, BUSY, SeqCst, Relaxed).is_err() {
            return false;
        }
        if is_taken() {
            self.state.store(FREE, Release);
            return false;
        }
        self.tenant.store(entry.tenant, Release);
        self.amount.store(entry.amount, Release);
        self.state.store(id, Release);
        true
    }

    /// The reservation of this id. It may be gone already.
    #[inline]
    pub(crate) fn peek(&self, id: u64) -> Option<SlotEntry> {
        if self.state.load(Acquire) != id {
            return None;
        }
        let (tenant, amount) = (self.tenant.load(Relaxed), self.amount.load(Relaxed));
        Some(SlotEntry { tenant, amount })
    }

    /// Takes the reservation that was seen under this id. One caller alone is told `true`.
    ///
    /// As the id comes to the slot once, it was there from the peek until now, and what was seen
    /// then belongs to it. The readings come before the Release, so they cannot be of the next.
    #[inline]
    pub(crate) fn take(&self, id: u64) -> bool {
        self.state.compare_exchange(id, FREE, Release, Relaxed).is_ok()
    }

    /// The reservation in the slot, if there is one.
    ///
    /// A listing takes nothing, so it looks at the id again. If one of the words belonged to another
    /// reservation already, the fence acquires that word, and with it that the id had gone before.
    fn seen(&self) -> Option<(u64, SlotEntry)> {
        let id = self.settled();
        let entry = if id == FREE { None } else { self.peek(id) };
        fence(Acquire);
        entry.filter(|_| self.state.load(Relaxed) == id).map(|entry| (id, entry))
    }

    /// The state of the slot, as soon as no thread is about to change it.
    fn settled(&self) -> u64 {
        loop {
            match self.state.load(SeqCst) {
                BUSY => pause(),
                state => return state,
            }
        }
    }
}

impl SlotTable {
    /// The slot of an id, once there are any.
    #[inline]
    pub(crate) fn slot(&self, id: u64) -> Option<&Slot> {
        self.slots.get()?.get(slot_index(id)?)
    }

    /// The slot of an id; the first call makes them all.
    #[inline]
    pub(crate) fn slot_for(&self, id: u64) -> Option<&Slot> {
        let index = slot_index(id)?;
        let slots = || std::iter::repeat_with(Slot::new).take(SLOTS).collect();
        self.slots.get_or_init(slots).get(index)
    }

    /// Whether a reservation of this id is in its slot, or will be in a moment.
    ///
    /// It makes the slots if there are none: a thread that found none and went on would have asked nothing of
    /// the slot, and the order of the two SeqCst pairs of [`Slot::keep`] is an order of accesses to
    /// one slot.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.slot_for(id).is_some_and(|slot| slot.settled() == id)
    }

    /// Every reservation in a slot.
    pub(crate) fn list(&self) -> Vec<(u64, SlotEntry)> {
        self.slots.get().into_iter().flatten().filter_map(Slot::seen).collect()
    }
}

/// Ids that follow each other stand apart, so that threads do not write to one cache line.
#[inline]
fn slot_index(id: u64) -> Option<usize> {
    if !(1..OWN_IDS).contains(&id) {
        return None;
    }
    let [low, high, ..] = id.to_le_bytes();
    Some((usize::from(u16::from_le_bytes([low, high]) % 4_096) * 67) % SLOTS)
}
