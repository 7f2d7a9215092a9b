//! The reservations that the engine owns. Callers have only their ids.
//!
//! A reservation that was made by name is kept in a slot if the slot of its id is free; all others are
//! reservations in a map. Nobody outside of this file has to know which.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use calybris_units::{BrokenInvariant, Microunits, UnixMillis};

use crate::directory::{Directory, Place};
use crate::hashing::NumberHasher;
use crate::reservation_id::OWN_IDS;
use crate::slot_table::{SlotEntry, SlotTable};
use crate::sync::{AtomicU64, Mutex, Ordering::Relaxed, Ordering::SeqCst, load_in_one_order};
use crate::{Reservation, ReservationId, Tenant};

/// A reservation that the engine keeps, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReservation {
    /// Its name.
    pub id: ReservationId,
    /// The name of its tenant.
    pub tenant: String,
    /// How much is reserved.
    pub amount: Microunits,
    /// The time from which on it may be swept; `None` for never.
    pub expires_at: Option<UnixMillis>,
    /// Whether the call it pays for was sent: it may have cost something, so it is in suspense
    /// until somebody finds out and settles it. No sweep takes it.
    pub dispatched: bool,
}

/// How many locks share the ids. Ids are given out in turn, so threads seldom meet on one.
const SHARDS: usize = 16;

type Shard = HashMap<ReservationId, Kept, BuildHasherDefault<NumberHasher>>;

#[derive(Debug)]
pub(crate) struct ReservationTable {
    slots: SlotTable,
    shards: [Mutex<Shard>; SHARDS],
    last_id: AtomicU64,
    /// The greatest id below 2^63 that a caller has chosen.
    named: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    reservation: Reservation,
    expires_at: Option<UnixMillis>,
}

impl ReservationTable {
    /// Keeps a reservation under an id that was never given out.
    pub(crate) fn keep(
        &self,
        mut reservation: Reservation,
        expires_at: Option<UnixMillis>,
    ) -> ReservationId {
        loop {
            let id = self.next_id();
            match self.put(id, reservation, expires_at) {
                Ok(()) => return id,
                // A caller has just chosen the same.
                Err(back) => reservation = back,
            }
        }
    }

    /// Keeps what was debited of a tenant, under an id that was never given out.
    #[inline]
    pub(crate) fn keep_in_slot(&self, place: Place, tenant: &Tenant, amount: u64) -> ReservationId {
        self.keep_in_slot_as(self.next_id(), place, tenant, amount)
    }

    /// The id is new; but a caller may choose the same until it stands somewhere.
    #[inline]
    fn keep_in_slot_as(
        &self,
        id: ReservationId,
        place: Place,
        tenant: &Tenant,
        amount: u64,
    ) -> ReservationId {
        let entry = SlotEntry { tenant: place, amount };
        let is_taken = || id.as_u64() <= load_in_one_order(&self.named);
        if self
            .slots
            .slot_for(id.as_u64())
            .is_some_and(|slot| slot.keep(id.as_u64(), entry, is_taken))
        {
            return id;
        }
        self.keep_in_map(id, Reservation::new(tenant.clone(), amount))
    }

    #[cold]
    #[inline(never)]
    fn keep_in_map(&self, id: ReservationId, reservation: Reservation) -> ReservationId {
        match self.put(id, reservation, None) {
            Ok(()) => id,
            Err(back) => self.keep(back, None),
        }
    }

    /// Takes a reservation of this tenant out of its slot, if it is in one and covers `actual`: the tenant
    /// and the amount. Otherwise nothing is done, and the caller asks [`take`](Self::take).
    #[inline]
    pub(crate) fn take_from_slot<'a>(
        &self,
        id: ReservationId,
        directory: &'a Directory,
        tenant: &str,
        actual: u64,
    ) -> Option<(&'a Tenant, u64)> {
        let slot = self.slots.slot(id.as_u64())?;
        let entry = slot.peek(id.as_u64())?;
        // Whatever cannot be settled here is left to `promote` and `take`, which say why.
        let found = directory.at(entry.tenant).ok()?;
        let fits = found.is_named(tenant)
            && actual <= entry.amount
            && !found.account().is_broken()
            && slot.take(id.as_u64());
        fits.then_some((found, entry.amount))
    }

    /// Moves a reservation from its slot to the map, where it can wait for an answer.
    pub(crate) fn promote(
        &self,
        id: ReservationId,
        directory: &Directory,
    ) -> Result<(), BrokenInvariant> {
        let mut shard = self.shard(id).lock();
        let Some(slot) = self.slots.slot(id.as_u64()) else { return Ok(()) };
        let Some(entry) = slot.peek(id.as_u64()) else { return Ok(()) };
        let tenant = directory.at(entry.tenant)?;
        if slot.take(id.as_u64()) {
            let reservation = Reservation::new(tenant.clone(), entry.amount);
            shard.insert(id, Kept { reservation, expires_at: None });
        }
        Ok(())
    }

    #[inline]
    fn next_id(&self) -> ReservationId {
        // Relaxed here and in `skip_to`: nobody is given a number twice because the changes of one word
        // are in one order, whatever else is seen. A caller may make it go on from 2^63 - 1, and the
        // 2^63 ids from there last for centuries.
        ReservationId::from(self.last_id.fetch_add(1, Relaxed) + 1)
    }

    /// Gives out no id up to this one any more: it was given out before, or is the caller's.
    pub(crate) fn skip_to(&self, id: ReservationId) {
        if id.as_u64() < OWN_IDS {
            self.last_id.fetch_max(id.as_u64(), Relaxed);
        }
    }

    /// The greatest id so far.
    pub(crate) fn last_id(&self) -> ReservationId {
        self.last_id.load(Relaxed).into()
    }

    /// Keeps a reservation under the caller's id, or gives it back if that is taken.
    pub(crate) fn keep_as(
        &self,
        id: ReservationId,
        reservation: Reservation,
        expires_at: Option<UnixMillis>,
    ) -> Result<(), Reservation> {
        self.skip_to(id);
        if id.as_u64() < OWN_IDS {
            self.named.fetch_max(id.as_u64(), SeqCst);
        }
        if self.slots.has(id.as_u64()) {
            return Err(reservation);
        }
        self.put(id, reservation, expires_at)
    }

    /// Puts a reservation into the map, or gives it back if its id is there.
    fn put(
        &self,
        id: ReservationId,
        reservation: Reservation,
        expires_at: Option<UnixMillis>,
    ) -> Result<(), Reservation> {
        match self.shard(id).lock().entry(id) {
            Entry::Occupied(_) => Err(reservation),
            Entry::Vacant(vacant) => {
                vacant.insert(Kept { reservation, expires_at });
                Ok(())
            }
        }
    }

    /// Takes a reservation out of the map if `check` lets it go; its new owner alone can settle it. A reservation in a slot has to be [promoted](Self::promote) first.
    pub(crate) fn take<A, E>(
        &self,
        id: ReservationId,
        check: impl FnOnce(&mut Reservation) -> Result<A, E>,
    ) -> Result<Option<(Reservation, A)>, E> {
        match self.shard(id).lock().entry(id) {
            Entry::Occupied(mut kept) => {
                let answer = check(&mut kept.get_mut().reservation)?;
                Ok(Some((kept.remove().reservation, answer)))
            }
            Entry::Vacant(_) => Ok(None),
        }
    }

    /// Takes out every reservation that has expired and was not dispatched, in order of id.
    pub(crate) fn take_expired(&self, now: UnixMillis) -> Vec<(ReservationId, Reservation)> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let expired = |_: &ReservationId, kept: &mut Kept| {
                kept.expires_at.is_some_and(|at| at <= now) && !kept.reservation.is_dispatched()
            };
            let mut kept = shard.lock();
            taken.extend(kept.extract_if(expired).map(|(id, kept)| (id, kept.reservation)));
        }
        taken.sort_unstable_by_key(|(id, _)| *id);
        taken
    }

    fn shard(&self, id: ReservationId) -> &Mutex<Shard> {
        let [first, ..] = &self.shards;
        let [low, ..] = id.as_u64().to_le_bytes();
        // Any shard would do, as long as it is the same each time.
        self.shards.get(usize::from(low) % SHARDS).unwrap_or(first)
    }

    /// Every reservation, in order of id.
    pub(crate) fn list(
        &self,
        directory: &Directory,
    ) -> Result<Vec<OpenReservation>, BrokenInvariant> {
        // The slots first: a reservation that moves to the map meanwhile is seen twice rather than never.
        let short = |(id, entry): (u64, SlotEntry)| {
            Ok(OpenReservation {
                id: id.into(),
                tenant: directory.at(entry.tenant)?.name().to_owned(),
                amount: Microunits::new(entry.amount),
                expires_at: None,
                dispatched: false,
            })
        };
        let short = self.slots.list().into_iter().map(short);
        let mut list = short.collect::<Result<Vec<_>, BrokenInvariant>>()?;
        for shard in &self.shards {
            list.extend(shard.lock().iter().map(|(id, kept)| OpenReservation {
                id: *id,
                tenant: kept.reservation.tenant().name().to_owned(),
                amount: kept.reservation.amount(),
                expires_at: kept.expires_at,
                dispatched: kept.reservation.is_dispatched(),
            }));
        }
        list.sort_unstable_by_key(|entry| entry.id);
        list.dedup_by_key(|entry| entry.id);
        Ok(list)
    }
}

impl Default for ReservationTable {
    fn default() -> Self {
        Self {
            slots: SlotTable::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            last_id: AtomicU64::new(0),
            named: AtomicU64::new(0),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::account::Balance;
    use crate::shared::Shared;
    use std::sync::Weak;

    /// A tenant of 100 without an engine.
    fn acme() -> Tenant {
        let (granted, keeper) = (Microunits::new(100), Weak::<Shared>::new());
        Tenant::new("acme", granted, Balance::of_grant(100), None, keeper)
    }

    #[test]
    fn an_id_that_a_caller_chose_before_it_stood_anywhere_is_not_given_out() {
        let acme = acme();
        let table = ReservationTable::default();
        let on_its_way = table.next_id();
        table.keep_as(on_its_way, acme.try_reserve(Microunits::new(5)).unwrap(), None).unwrap();

        acme.debit(7).unwrap();
        let given = table.keep_in_slot_as(on_its_way, 0, &acme, 7);
        assert_ne!(given, on_its_way);
        let taken = |id| table.take(id, |_| Ok::<_, ()>(())).unwrap().unwrap().0.amount().get();
        assert_eq!((taken(on_its_way), taken(given)), (5, 7));
        assert_eq!(acme.snapshot().available, Microunits::new(100));
    }

    #[test]
    fn a_caller_cannot_choose_an_id_that_is_in_a_slot() {
        let acme = acme();
        let table = ReservationTable::default();
        acme.debit(7).unwrap();
        let given = table.keep_in_slot(0, &acme, 7);
        assert!(table.slots.has(given.as_u64()));
        table
            .keep_as(given, acme.try_reserve(Microunits::new(5)).unwrap(), None)
            .unwrap_err()
            .release();
        assert!(table.slots.has(given.as_u64()));
    }
}
