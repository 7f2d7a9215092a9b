//! The ring: where the newest holds by name and id stand, a few words each and no lock.
//!
//! An id says its slot. A slot is claimed, filled, and then shows the id; who replaces the id takes
//! the hold. What finds its slot taken, or is more than a tenant and an amount, goes into the map
//! instead.
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

/// The newest holds by id.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    slots: OnceLock<Box<[Slot]>>,
}

/// One hold.
#[derive(Debug)]
#[repr(align(32))]
pub(crate) struct Slot {
    state: AtomicU64,
    tenant: AtomicU32,
    amount: AtomicU64,
}

/// A hold as it stands in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) tenant: Place,
    pub(crate) amount: u64,
}

// Neither is the id of a reservation in the ring: those are 1 to below `OWN_IDS`.
const FREE: u64 = 0;
const BUSY: u64 = u64::MAX;

/// How many holds fit: few enough to stay in a cache, enough for those that are settled soon. Loom
/// explores one slot, so that every hold comes to it.
const SLOTS: usize = if cfg!(loom) { 1 } else { 4_096 };

impl Slot {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(FREE), tenant: AtomicU32::new(0), amount: AtomicU64::new(0) }
    }

    /// Shows a hold, if the slot is free and nobody else has taken the id for another. An id comes
    /// to a slot once and never again.
    ///
    /// The claim and the question are SeqCst, as are the other's claim and its look at
    /// [`settled`](Self::settled): either this one hears that the id is taken, or the other one sees
    /// that the slot is.
    ///
    /// Both words are stored with Release, so that whoever reads one of them by way of an Acquire
    /// finds that the slot has been busy since: see [`seen`](Self::seen).
    #[inline]
    pub(crate) fn keep(&self, id: u64, hold: Short, is_taken: impl FnOnce() -> bool) -> bool {
        if self.state.compare_exchange(FREE, BUSY, SeqCst, Relaxed).is_err() {
            return false;
        }
        if is_taken() {
            self.state.store(FREE, Release);
            return false;
        }
        self.tenant.store(hold.tenant, Release);
        self.amount.store(hold.amount, Release);
        self.state.store(id, Release);
        true
    }

    /// The hold of this id. It may be gone already.
    #[inline]
    pub(crate) fn peek(&self, id: u64) -> Option<Short> {
        if self.state.load(Acquire) != id {
            return None;
        }
        let (tenant, amount) = (self.tenant.load(Relaxed), self.amount.load(Relaxed));
        Some(Short { tenant, amount })
    }

    /// Takes the hold that was seen under this id: who is told `true` is the only one.
    ///
    /// As the id comes to the slot once, it was there from the peek until now, and what was seen
    /// then belongs to it. The readings come before the Release, so they cannot be of the next.
    #[inline]
    pub(crate) fn take(&self, id: u64) -> bool {
        self.state.compare_exchange(id, FREE, Release, Relaxed).is_ok()
    }

    /// The hold that stands here, if any does.
    ///
    /// Whoever lists the holds does not take them, so the id is looked at again: was one of the words
    /// of another hold already, then the fence acquires it, and with it that the id had gone before.
    fn seen(&self) -> Option<(u64, Short)> {
        let id = self.settled();
        let hold = if id == FREE { None } else { self.peek(id) };
        fence(Acquire);
        hold.filter(|_| self.state.load(Relaxed) == id).map(|hold| (id, hold))
    }

    /// What the slot shows, as soon as nobody is about to change it.
    fn settled(&self) -> u64 {
        loop {
            match self.state.load(SeqCst) {
                BUSY => pause(),
                state => return state,
            }
        }
    }
}

impl Ring {
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

    /// Whether a hold of this id stands here, or will in a moment.
    ///
    /// It makes the slots if there are none: who found none and went on would have asked nothing of
    /// the slot, and the order of the two SeqCst pairs of [`Slot::keep`] is an order of accesses to
    /// one slot.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.slot_for(id).is_some_and(|slot| slot.settled() == id)
    }

    /// Every hold.
    pub(crate) fn list(&self) -> Vec<(u64, Short)> {
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
