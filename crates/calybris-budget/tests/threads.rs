//! Real threads on one tenant: exact admission, exact snapshots, no overspend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use calybris_budget::{BudgetEngine, BudgetError, Microunits};

#[test]
fn a_doomed_reservation_never_makes_a_fitting_one_fail() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    std::thread::scope(|scope| {
        // 101 can never fit, so no attempt may disturb the one that always does.
        let doomed = || (0..200_000).all(|_| acme.try_reserve(Microunits::new(101)).is_err());
        let doomed = scope.spawn(doomed);
        for _ in 0..200_000 {
            acme.try_reserve(Microunits::new(100)).unwrap().release();
        }
        assert!(doomed.join().unwrap());
    });
    assert_eq!(acme.snapshot().available, Microunits::new(100));
}

#[test]
fn every_snapshot_under_load_is_conserved_and_committed_never_falls() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(10_000_000)).unwrap();
    let writers_left = AtomicU64::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2_u64 {
            let (acme, writers_left) = (&acme, &writers_left);
            scope.spawn(move || {
                for step in 0..200_000_u64 {
                    let amount = 1 + (step * 7 + writer) % 20;
                    let reservation = acme.try_reserve(Microunits::new(amount)).unwrap();
                    if step % 5 == 0 {
                        drop(reservation);
                    } else {
                        reservation.commit(Microunits::new(amount / 2)).unwrap();
                    }
                }
                writers_left.fetch_sub(1, Relaxed);
            });
        }
        let mut last_committed = 0;
        while writers_left.load(Relaxed) > 0 {
            let now = acme.snapshot();
            // Each of two writers holds at most 20: a torn reading would show far more, or wrap.
            assert!(now.reserved.get() <= 40, "{now:?}");
            assert!(now.committed.get() >= last_committed, "{now:?}");
            assert_eq!(
                now.granted.get(),
                now.available.get() + now.reserved.get() + now.committed.get()
            );
            last_committed = now.committed.get();
        }
    });
    assert_eq!(acme.snapshot().reserved, Microunits::new(0));
}

#[test]
fn threads_spend_exactly_what_was_granted() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100_000)).unwrap();
    let spent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match acme.try_reserve(Microunits::new(3)) {
                        Ok(reservation) => {
                            let settled = reservation.commit(Microunits::new(2)).unwrap();
                            spent.fetch_add(settled.committed.get(), Relaxed);
                        }
                        Err(BudgetError::Insufficient { available, .. }) => {
                            assert!(available.get() < 3);
                            // The others may still return a surplus; they will then spend it.
                            break;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let now = acme.snapshot();
    assert_eq!(now.committed, Microunits::new(spent.load(Relaxed)));
    assert_eq!(now.reserved, Microunits::new(0));
    assert!(now.available.get() < 3, "what fits is never refused: {now:?}");
}

#[test]
fn a_tenant_opened_by_many_threads_at_once_is_one_tenant() {
    let engine = BudgetEngine::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for index in 0..100 {
                    let tenant =
                        engine.ensure_tenant(&format!("t{index}"), Microunits::new(100)).unwrap();
                    tenant
                        .try_reserve(Microunits::new(10))
                        .unwrap()
                        .commit(Microunits::new(10))
                        .unwrap();
                }
            });
        }
    });
    let tenants = engine.tenants();
    assert_eq!(tenants.len(), 100);
    assert!(tenants.iter().all(|tenant| tenant.snapshot().committed.get() == 80));
}
