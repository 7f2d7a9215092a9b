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
use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    pause,
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

const FREE: u64 = 0;
const BUSY: u64 = u64::MAX;

/// How many holds fit: few enough to stay in a cache, enough for those that are settled soon.
const SLOTS: usize = 4_096;

impl Slot {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(FREE), tenant: AtomicU32::new(0), amount: AtomicU64::new(0) }
    }

    /// Shows a hold, if the slot is free and nobody else has taken the id for another. An id comes
    /// to a slot once and never again.
    ///
    /// The claim and the question are SeqCst, as are those of [`settled`](Self::settled): either
    /// this one hears that the id is taken, or the other one sees that the slot is.
    #[inline]
    pub(crate) fn keep(&self, id: u64, hold: Short, is_taken: impl FnOnce() -> bool) -> bool {
        if self.state.compare_exchange(FREE, BUSY, SeqCst, Relaxed).is_err() {
            return false;
        }
        if is_taken() {
            self.state.store(FREE, Release);
            return false;
        }
        self.tenant.store(hold.tenant, Relaxed);
        self.amount.store(hold.amount, Relaxed);
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
    /// The slot of an id, once there are any. What says that a slot is free or busy is no id.
    #[inline]
    pub(crate) fn slot(&self, id: u64) -> Option<&Slot> {
        if id == FREE || id == BUSY { None } else { self.slots.get()?.get(slot_index(id)) }
    }

    /// The slot of an id; the first call makes them all.
    #[inline]
    pub(crate) fn slot_for(&self, id: u64) -> Option<&Slot> {
        let slots = || std::iter::repeat_with(Slot::new).take(SLOTS).collect();
        self.slots.get_or_init(slots).get(slot_index(id))
    }

    /// Whether a hold of this id stands here, or will in a moment.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.slot(id).is_some_and(|slot| slot.settled() == id)
    }

    /// Every hold.
    pub(crate) fn list(&self) -> Vec<(u64, Short)> {
        let seen = |slot: &Slot| {
            let id = slot.settled();
            let hold = if id == FREE { None } else { slot.peek(id) };
            // As with a taking: the same id before and after, the same hold between.
            std::sync::atomic::fence(Acquire);
            hold.filter(|_| slot.state.load(Relaxed) == id).map(|hold| (id, hold))
        };
        self.slots.get().into_iter().flatten().filter_map(seen).collect()
    }
}

/// Ids that follow each other stand apart, so that threads do not write to one cache line.
fn slot_index(id: u64) -> usize {
    let low = usize::try_from(id % 4_096).unwrap_or(0);
    (low * 67) % SLOTS
}
