//! Holds with an id: expiry, suspense, listing, idempotency keys.

use calybris_budget::{
    BudgetEngine, BudgetError, BudgetEvent, KEY_WINDOW, MAX_NAME_BYTES, Microunits, Replay,
    ReservationId, UnixMillis,
};

#[test]
fn a_kept_reservation_outlives_its_caller_and_is_settled_by_another() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let id = engine.detach(acme.try_reserve(Microunits::new(60)).unwrap(), None);
    assert_eq!(acme.snapshot().reserved, Microunits::new(60));

    let taken: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| engine.attach(id))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.len(), 1, "one taker");
    drop(taken);
    assert_eq!(acme.snapshot().available, Microunits::new(100));
}

#[test]
fn a_sweep_takes_what_is_due_and_nothing_else() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    let at = |time| Some(UnixMillis::new(time));
    let id = |expires_at| engine.detach(acme.try_reserve(Microunits::new(10)).unwrap(), expires_at);
    let (early, exact, late, never) = (id(at(99)), id(at(100)), id(at(101)), id(None));
    let mut sent = acme.try_reserve(Microunits::new(10)).unwrap();
    sent.mark_dispatched(ReservationId::from(1_000));
    let sent = engine.detach(sent, Some(UnixMillis::new(50)));

    let swept: Vec<_> =
        engine.take_expired(UnixMillis::new(100)).into_iter().map(|(id, _)| id).collect();
    assert_eq!(swept, [early, exact]);
    assert_eq!(acme.snapshot().reserved, Microunits::new(30));
    assert!(engine.take_expired(UnixMillis::new(100)).is_empty());
    assert!(matches!(
        engine.commit("acme", early, Microunits::new(1)),
        Err(BudgetError::UnknownReservation { .. })
    ));

    let open: Vec<_> =
        engine.open_reservations().unwrap().iter().map(|id| (id.id, id.dispatched)).collect();
    assert_eq!(open, [(late, false), (never, false), (sent, true)]);
}

#[test]
fn what_was_dispatched_is_kept_in_suspense_until_somebody_settles_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let call = {
        let mut reservation = acme.try_reserve(Microunits::new(60)).unwrap();
        reservation.mark_dispatched(ReservationId::from(7));
        std::thread::spawn(move || {
            let _reservation = reservation;
            panic!("the answer never came");
        })
    };
    assert!(call.join().is_err());
    assert_eq!(acme.snapshot().reserved, Microunits::new(60));

    let open = engine.open_reservations().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].id.as_u64(), open[0].dispatched), (7, true));

    // To take it and to lose it again is no release either.
    drop(engine.attach(ReservationId::from(7)));
    assert_eq!(acme.snapshot().reserved, Microunits::new(60));
    engine.commit("acme", ReservationId::from(7), Microunits::new(45)).unwrap();
    assert_eq!(acme.snapshot().available, Microunits::new(55));
    assert!(engine.open_reservations().unwrap().is_empty());
}

#[test]
fn what_was_dispatched_is_kept_in_suspense_though_nothing_is_reserved() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let mut free = acme.try_reserve_allowing_zero(Microunits::new(0)).unwrap();
    free.mark_dispatched(ReservationId::from(7));
    let mut paid = acme.try_reserve(Microunits::new(60)).unwrap();
    paid.mark_dispatched(ReservationId::from(8));
    paid.commit_part(Microunits::new(60)).unwrap();
    drop((free, paid.into_owned()));

    let open: Vec<_> =
        engine.open_reservations().unwrap().iter().map(|open| open.id.as_u64()).collect();
    assert_eq!(open, [7, 8]);
    let mut found = engine.attach(ReservationId::from(7)).unwrap();
    found.extend(Microunits::new(5)).unwrap();
    found.commit(Microunits::new(5)).unwrap();
    engine.attach(ReservationId::from(8)).unwrap().release();
    assert!(engine.open_reservations().unwrap().is_empty());
    assert_eq!(acme.snapshot().available, Microunits::new(35));
}

#[test]
fn two_suspended_reservations_of_one_number_are_both_kept() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    for _ in 0..2 {
        let mut reservation = acme.try_reserve(Microunits::new(10)).unwrap();
        reservation.mark_dispatched(ReservationId::from(1));
        drop(reservation);
    }
    assert_eq!(engine.open_reservations().unwrap().len(), 2);
    // An id of the engine's own never meets one that is taken.
    let id = engine.try_reserve("acme", Microunits::new(10)).unwrap();
    assert_eq!(engine.open_reservations().unwrap().len(), 3);
    engine.release("acme", id).unwrap();
}

#[test]
fn a_settled_reservation_leaves_nothing_in_suspense() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let mut reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    reservation.mark_dispatched(ReservationId::from(7));
    reservation.commit(Microunits::new(60)).unwrap();
    assert!(engine.open_reservations().unwrap().is_empty());
}

#[test]
fn a_call_that_was_sent_and_is_known_to_be_free_is_released() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let mut reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    reservation.mark_dispatched(ReservationId::from(7));
    reservation.release();
    assert_eq!(acme.snapshot().available, Microunits::new(100));
    assert!(engine.open_reservations().unwrap().is_empty());
}

#[test]
fn after_a_crash_the_undispatched_are_released_and_the_dispatched_are_in_suspense() {
    let opened = BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) };
    let reserved = |id: u64| BudgetEvent::Reserved {
        tenant: "acme".into(),
        reservation: id.into(),
        amount: Microunits::new(30),
    };
    let events =
        [opened, reserved(7), reserved(8), BudgetEvent::Dispatched { reservation: 8.into() }];
    let replayed = Replay::run(events).unwrap();
    let engine = replayed.engine;
    drop(replayed.open_reservations);

    let acme = engine.tenant("acme").unwrap().snapshot();
    assert_eq!((acme.available.get(), acme.reserved.get()), (70, 30));
    assert_eq!(engine.open_reservations().unwrap()[0].id, ReservationId::from(8));
}

#[test]
fn kept_reservations_have_their_numbers_after_a_crash_and_new_ones_get_others() {
    let events = [
        BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
        BudgetEvent::Reserved {
            tenant: "acme".into(),
            reservation: 1.into(),
            amount: Microunits::new(30),
        },
        BudgetEvent::Reserved {
            tenant: "acme".into(),
            reservation: 3.into(),
            amount: Microunits::new(30),
        },
    ];
    let engine = Replay::run(events).unwrap().keep_reservations();
    let new: Vec<_> =
        (0..3).map(|_| engine.try_reserve("acme", Microunits::new(10)).unwrap()).collect();
    assert!(new.iter().all(|id| ![1, 3].contains(&id.as_u64())));
    assert_eq!(
        engine.commit("acme", 3.into(), Microunits::new(20)).unwrap().released,
        Microunits::new(10)
    );
    assert_eq!(engine.open_reservations().unwrap().len(), 4);
}

#[test]
fn a_key_gives_the_same_answer_to_the_same_question() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    engine.ensure_tenant("globex", Microunits::new(100)).unwrap();
    let id = engine.try_reserve_once("k", "acme", Microunits::new(60)).unwrap();
    assert_eq!(engine.try_reserve_once("k", "acme", Microunits::new(60)).unwrap(), id);
    assert_eq!(acme.snapshot().reserved, Microunits::new(60));

    let conflict = BudgetError::KeyConflict {
        key: "k".into(),
        tenant: "acme".into(),
        amount: Microunits::new(60),
    };
    assert_eq!(engine.try_reserve_once("k", "acme", Microunits::new(61)).unwrap_err(), conflict);
    assert_eq!(engine.try_reserve_once("k", "globex", Microunits::new(60)).unwrap_err(), conflict);

    engine.commit("acme", id, Microunits::new(60)).unwrap();
    assert_eq!(
        engine.try_reserve_once("k", "acme", Microunits::new(60)).unwrap(),
        id,
        "a late retry"
    );
    assert_eq!(acme.snapshot().committed, Microunits::new(60));
}

#[test]
fn a_refused_key_may_try_again() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(50)).unwrap();
    assert!(engine.try_reserve_once("k", "acme", Microunits::new(60)).is_err());
    acme.top_up(Microunits::new(10)).unwrap();
    assert!(engine.try_reserve_once("k", "acme", Microunits::new(60)).is_ok());
}

#[test]
fn one_key_from_many_threads_reserves_once() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    let ids: Vec<_> = std::thread::scope(|scope| {
        let ask = || engine.try_reserve_once("k", "acme", Microunits::new(10)).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(acme.snapshot().reserved, Microunits::new(10));
}

#[test]
fn the_window_forgets_the_oldest_key_and_no_other() {
    let engine = BudgetEngine::new();
    engine.ensure_tenant("acme", Microunits::new(u64::from(u32::MAX))).unwrap();
    let ask =
        |key: usize| engine.try_reserve_once(&key.to_string(), "acme", Microunits::new(1)).unwrap();
    let first = ask(0);
    let second = ask(1);
    for key in 2..KEY_WINDOW {
        ask(key);
    }
    assert_eq!(ask(0), first, "the window is full, nothing is forgotten");
    ask(KEY_WINDOW);
    assert_eq!(ask(1), second);
    assert_ne!(ask(0), first);
}

#[test]
fn keys_have_a_length() {
    let engine = BudgetEngine::new();
    engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let longest = "k".repeat(MAX_NAME_BYTES);
    assert!(engine.try_reserve_once(&longest, "acme", Microunits::new(1)).is_ok());
    for key in [String::new(), longest + "k"] {
        let bytes = key.len();
        let error = engine.try_reserve_once(&key, "acme", Microunits::new(1)).unwrap_err();
        assert_eq!(error, BudgetError::KeyLength { bytes });
    }
}

#[test]
fn a_replay_remembers_the_keys() {
    let events = [
        BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
        BudgetEvent::ReservedOnce {
            tenant: "acme".into(),
            reservation: 7.into(),
            amount: Microunits::new(60),
            key: "k".into(),
        },
    ];
    let engine = Replay::run(events).unwrap().keep_reservations();
    assert_eq!(engine.try_reserve_once("k", "acme", Microunits::new(60)).unwrap().as_u64(), 7);
    assert!(engine.try_reserve_once("k", "acme", Microunits::new(61)).is_err());
}

#[test]
fn a_settled_number_is_not_given_out_again_after_a_crash() {
    let tenant = || "acme".to_owned();
    let (id, amount) = (ReservationId::from(7), Microunits::new(60));
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant(), granted: Microunits::new(100) },
        BudgetEvent::ReservedOnce { tenant: tenant(), reservation: id, amount, key: "k".into() },
        BudgetEvent::Committed { reservation: id, actual: Microunits::new(60) },
    ];
    let engine = Replay::run(events).unwrap().keep_reservations();
    let new = engine.try_reserve("acme", Microunits::new(10)).unwrap();
    let late = engine.try_reserve_once("k", "acme", Microunits::new(60)).unwrap();
    assert_eq!((late.as_u64(), new.as_u64()), (7, 8));
    assert!(
        engine.commit("acme", late, Microunits::new(1)).is_err(),
        "it was settled, and nobody else has it"
    );
}

#[test]
fn no_number_that_was_never_given_out_settles_anything() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let id = engine.try_reserve("acme", Microunits::new(60)).unwrap();
    for number in [0, id.as_u64() + 1, id.as_u64() + 4_096, u64::MAX] {
        let refused = engine.commit("acme", number.into(), Microunits::new(0)).unwrap_err();
        let tenant = "acme".to_owned();
        assert_eq!(refused, BudgetError::UnknownReservation { tenant, reservation: number.into() });
        assert!(engine.release("acme", number.into()).is_err());
        assert!(engine.attach(number.into()).is_none());
    }
    engine.commit("acme", id, Microunits::new(60)).unwrap();
    assert!(engine.commit("acme", id, Microunits::new(0)).is_err(), "settled twice");
    assert_eq!(acme.snapshot().available, Microunits::new(40));
}

#[test]
fn ids_go_on_around_the_half_that_is_the_callers() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    for chosen in [(1 << 63) + 1, 1 << 63, (1 << 63) - 1, u64::MAX, 0] {
        let chosen = ReservationId::from(chosen);
        engine.detach_as(chosen, acme.try_reserve(Microunits::new(5)).unwrap(), None).unwrap();
    }
    for _ in 0..3 {
        engine.try_reserve("acme", Microunits::new(7)).unwrap();
    }
    let open = engine.open_reservations().unwrap();
    assert_eq!(open.len(), 8, "two reservations have one id");
    for open in open {
        assert_eq!(engine.attach(open.id).unwrap().amount(), open.amount);
    }
    assert_eq!(acme.snapshot().available, Microunits::new(1_000));
}

/// More than the engine keeps in its ring, settled in another order than they came.
#[test]
fn ten_thousand_reservations_by_name_are_kept_listed_and_settled() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000)).unwrap();
    let globex = engine.ensure_tenant("globex", Microunits::new(1_000_000)).unwrap();
    let ids: Vec<_> = (0..10_000_u64)
        .map(|index| {
            let tenant = if index % 2 == 0 { "acme" } else { "globex" };
            (
                tenant,
                engine.try_reserve(tenant, Microunits::new(10 + index % 7)).unwrap(),
                10 + index % 7,
            )
        })
        .collect();
    let listed = engine.open_reservations().unwrap();
    assert_eq!(listed.len(), ids.len());
    for (open, (tenant, id, amount)) in listed.iter().zip(&ids) {
        assert_eq!((open.tenant.as_str(), open.id), (*tenant, *id));
        assert_eq!(open.amount, Microunits::new(*amount));
    }
    for (tenant, id, amount) in ids.iter().rev() {
        let other = if *tenant == "acme" { "globex" } else { "acme" };
        assert!(engine.commit(other, *id, Microunits::new(1)).is_err());
        assert!(matches!(
            engine.commit(tenant, *id, Microunits::new(amount + 1)),
            Err(BudgetError::Overrun { .. })
        ));
        let settled = engine.commit(tenant, *id, Microunits::new(7)).unwrap();
        assert_eq!(settled.released, Microunits::new(amount - 7));
        assert!(engine.commit(tenant, *id, Microunits::new(0)).is_err());
    }
    assert!(engine.open_reservations().unwrap().is_empty());
    for tenant in [acme, globex] {
        let now = tenant.snapshot();
        assert_eq!((now.committed.get(), now.reserved.get()), (35_000, 0));
    }
}

/// Threads settle each other's reservations by id, each by two threads at once: one of them does it.
#[test]
fn of_two_threads_that_settle_one_id_one_does() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000)).unwrap();
    for round in 0..200 {
        let ids: Vec<_> =
            (0..50).map(|_| engine.try_reserve("acme", Microunits::new(10)).unwrap()).collect();
        let settle = || {
            ids.iter()
                .filter(|id| match id.as_u64() % 3 {
                    0 => engine.commit("acme", **id, Microunits::new(4)).is_ok(),
                    1 => engine.release("acme", **id).is_ok(),
                    _ => engine
                        .attach(**id)
                        .map(|held| held.commit(Microunits::new(4)).unwrap())
                        .is_some(),
                })
                .count()
        };
        let settled = std::thread::scope(|scope| {
            let [first, second] = [scope.spawn(settle), scope.spawn(settle)];
            first.join().unwrap() + second.join().unwrap()
        });
        assert_eq!(settled, ids.len(), "round {round}");
        assert_eq!(acme.snapshot().reserved, Microunits::new(0));
    }
}

/// A caller's number that the engine may be giving out at the same moment: one of the two gets it.
#[test]
fn a_number_of_the_callers_and_one_of_the_engines_never_name_two_holds() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000)).unwrap();
    for _ in 0..500 {
        let last = engine.try_reserve("acme", Microunits::new(1)).unwrap();
        engine.release("acme", last).unwrap();
        let chosen = ReservationId::from(last.as_u64() + 2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Err(back) =
                    engine.detach_as(chosen, acme.try_reserve(Microunits::new(5)).unwrap(), None)
                {
                    back.release();
                }
            });
            for _ in 0..4 {
                engine.try_reserve("acme", Microunits::new(3)).unwrap();
            }
        });
        let open = engine.open_reservations().unwrap();
        let held: u64 = open.iter().map(|open| open.amount.get()).sum();
        assert_eq!(held, acme.snapshot().reserved.get(), "two reservations have one id");
        for open in open {
            engine.release("acme", open.id).unwrap();
        }
        assert_eq!(acme.snapshot().reserved, Microunits::new(0));
    }
}
