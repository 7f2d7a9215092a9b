//! The kept reservations: each is settled once, and no two have one id.

use std::sync::Arc;

use loom::thread;

use super::must_fail;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::{BudgetEngine, Microunits, ReservationId};

/// An engine with a tenant of 100 and one of 50. There is one slot here.
fn engine() -> Arc<BudgetEngine> {
    let engine = BudgetEngine::new();
    engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    engine.ensure_tenant("globex", Microunits::new(50)).unwrap();
    Arc::new(engine)
}

/// The sum of all reservations is what their tenants have reserved.
fn check_books(engine: &BudgetEngine) {
    let open = engine.open_reservations().unwrap();
    for tenant in engine.tenants() {
        let of_tenant = open.iter().filter(|open| open.tenant == tenant.name());
        let kept: u64 = of_tenant.map(|open| open.amount.get()).sum();
        assert_eq!(kept, tenant.snapshot().reserved.get(), "a reservation was lost or doubled");
    }
}

/// Two threads settle the reservation of one id by name: one of them does.
#[test]
fn a_reservation_by_id_is_settled_once() {
    loom::model(|| {
        let engine = engine();
        let id = engine.try_reserve("acme", Microunits::new(6)).unwrap();
        let rival = thread::spawn({
            let engine = engine.clone();
            move || engine.release("acme", id).is_ok()
        });
        let mine = engine.commit("acme", id, Microunits::new(4)).is_ok();
        assert!(mine != rival.join().unwrap(), "settled twice, or by nobody");
        let now = engine.tenant("acme").unwrap().snapshot();
        let committed = if mine { 4 } else { 0 };
        assert_eq!((now.reserved.get(), now.committed.get()), (0, committed));
    });
}

/// One thread moves the reservation from its slot to the map and takes it, as `attach` does; another
/// settles it where it stands, and looks in both.
#[test]
fn a_reservation_on_its_way_from_the_slot_to_the_map_is_settled_once() {
    loom::model(|| {
        let engine = engine();
        let id = engine.try_reserve("acme", Microunits::new(6)).unwrap();
        let rival = thread::spawn({
            let engine = engine.clone();
            move || engine.attach(id).map(drop).is_some()
        });
        let mine = engine.commit("acme", id, Microunits::new(4)).is_ok();
        assert!(mine != rival.join().unwrap(), "settled twice, or by nobody");
        check_books(&engine);
    });
}

/// A reservation is settled and the next one, of another tenant, comes into its slot, while a third thread
/// settles the first one's id as well: nobody gets the next one for it.
#[test]
fn the_next_reservation_of_a_slot_is_not_taken_for_the_one_before() {
    loom::model(|| {
        let engine = engine();
        let first = engine.try_reserve("acme", Microunits::new(6)).unwrap();
        let next = thread::spawn({
            let engine = engine.clone();
            move || {
                let mine = engine.release("acme", first).is_ok();
                (mine, engine.try_reserve("globex", Microunits::new(3)).unwrap())
            }
        });
        let mine = engine.commit("acme", first, Microunits::new(4)).is_ok();
        let (theirs, second) = next.join().unwrap();
        assert!(mine != theirs, "settled twice, or by nobody");
        check_books(&engine);
        assert_eq!(engine.release("globex", second).unwrap().released.get(), 3);
    });
}

/// The control of the three: the thread that has seen the reservation frees the slot, whatever is there by now.
#[test]
fn control_a_reservation_that_is_taken_without_a_second_look() {
    must_fail(|| {
        let state = Arc::new(AtomicU64::new(1));
        let take = |state: &AtomicU64| {
            let seen = state.load(Acquire) == 1;
            if seen {
                state.store(0, Release);
            }
            u8::from(seen)
        };
        let rival = thread::spawn({
            let state = state.clone();
            move || take(&state)
        });
        let mine = take(&state);
        assert_eq!(mine + rival.join().unwrap(), 1, "settled twice");
    });
}

/// A caller chooses the id that the engine is giving out: one of the two gets it.
#[test]
fn an_id_is_the_engines_or_the_callers() {
    loom::model(|| {
        let engine = engine();
        // The slots are there already: that they are made once is the word of the standard library, whose
        // cell loom does not see into.
        let before = engine.try_reserve("acme", Microunits::new(1)).unwrap();
        engine.release("acme", before).unwrap();
        let next = ReservationId::from(before.as_u64() + 1);
        let acme = engine.tenant("acme").unwrap();
        let chosen = acme.try_reserve(Microunits::new(5)).unwrap();
        let caller = thread::spawn({
            let engine = engine.clone();
            move || engine.detach_as(next, chosen, None).is_ok()
        });
        let given = engine.try_reserve("acme", Microunits::new(3)).unwrap();
        let chosen = caller.join().unwrap();
        assert!(!(chosen && given == next), "two reservations have one id");
        check_books(&engine);
    });
}

/// The control of the ids: each says what it takes and looks at what the other has said, and nothing
/// orders the saying before the look.
#[test]
fn control_two_claims_that_are_in_no_one_order() {
    must_fail(|| {
        let words = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let claim = |mine: &AtomicU64, theirs: &AtomicU64| {
            mine.fetch_max(1, AcqRel);
            theirs.load(Acquire) == 0
        };
        let rival = thread::spawn({
            let words = words.clone();
            move || claim(&words.0, &words.1)
        });
        let mine = claim(&words.1, &words.0);
        assert!(!(mine && rival.join().unwrap()), "two reservations have one id");
    });
}

/// A listing beside a thread that settles a reservation and puts another into its slot: it shows each as it was,
/// and no mixture of the two.
#[test]
fn a_listing_shows_each_reservation_whole() {
    loom::model(|| {
        let engine = engine();
        let first = engine.try_reserve("acme", Microunits::new(6)).unwrap();
        let reader = thread::spawn({
            let engine = engine.clone();
            move || engine.open_reservations().unwrap()
        });
        engine.release("acme", first).unwrap();
        let second = engine.try_reserve("globex", Microunits::new(3)).unwrap();
        for open in reader.join().unwrap() {
            let whole = [(first, "acme", 6), (second, "globex", 3)];
            let found = (open.id, open.tenant.as_str(), open.amount.get());
            assert!(whole.contains(&found), "{open:?}");
        }
        check_books(&engine);
    });
}

/// The control of the listing: the words of the next reservation are stored with nothing that says that the
/// slot has been busy since.
#[test]
fn control_a_listing_of_words_that_say_nothing() {
    must_fail(|| {
        let slot = Arc::new((AtomicU64::new(1), AtomicU64::new(6)));
        let writer = thread::spawn({
            let slot = slot.clone();
            move || {
                slot.0.swap(u64::MAX, AcqRel);
                slot.1.store(3, Relaxed);
                slot.0.store(2, Release);
            }
        });
        let id = slot.0.load(Acquire);
        let amount = slot.1.load(Relaxed);
        crate::sync::fence(Acquire);
        if slot.0.load(Relaxed) == id && id == 1 {
            assert_eq!(amount, 6, "the amount of another reservation");
        }
        writer.join().unwrap();
    });
}
