//! Real threads on one tenant: exact admission, exact snapshots, no overspend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use calybris_budget::{BudgetEngine, BudgetError};

#[test]
fn a_doomed_reservation_never_makes_a_fitting_one_fail() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    std::thread::scope(|scope| {
        // 101 can never fit, so no attempt may disturb the one that always does.
        let doomed = || (0..200_000).all(|_| acme.try_reserve(101).is_err());
        let doomed = scope.spawn(doomed);
        for _ in 0..200_000 {
            acme.try_reserve(100).unwrap().release();
        }
        assert!(doomed.join().unwrap());
    });
    assert_eq!(acme.snapshot().available_microunits, 100);
}

#[test]
fn every_snapshot_under_load_is_conserved_and_committed_never_falls() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 10_000_000).unwrap();
    let writers_left = AtomicU64::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2_u64 {
            let (acme, writers_left) = (&acme, &writers_left);
            scope.spawn(move || {
                for step in 0..200_000_u64 {
                    let amount = 1 + (step * 7 + writer) % 20;
                    let reservation = acme.try_reserve(amount).unwrap();
                    if step % 5 == 0 {
                        drop(reservation);
                    } else {
                        reservation.commit(amount / 2).unwrap();
                    }
                }
                writers_left.fetch_sub(1, Relaxed);
            });
        }
        let mut last_committed = 0;
        while writers_left.load(Relaxed) > 0 {
            let now = acme.snapshot();
            // Each of two writers holds at most 20: a torn reading would show far more, or wrap.
            assert!(now.reserved_microunits <= 40, "{now:?}");
            assert!(now.committed_microunits >= last_committed, "{now:?}");
            assert_eq!(
                now.granted_microunits,
                now.available_microunits + now.reserved_microunits + now.committed_microunits
            );
            last_committed = now.committed_microunits;
        }
    });
    assert_eq!(acme.snapshot().reserved_microunits, 0);
}

#[test]
fn threads_spend_exactly_what_was_granted() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100_000).unwrap();
    let spent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match acme.try_reserve(3) {
                        Ok(reservation) => {
                            let settled = reservation.commit(2).unwrap();
                            spent.fetch_add(settled.committed_microunits, Relaxed);
                        }
                        Err(BudgetError::Insufficient { available_microunits, .. }) => {
                            assert!(available_microunits < 3);
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
    assert_eq!(now.committed_microunits, spent.load(Relaxed));
    assert_eq!(now.reserved_microunits, 0);
    assert!(now.available_microunits < 3, "what fits is never refused: {now:?}");
}

#[test]
fn a_tenant_opened_by_many_threads_at_once_is_one_tenant() {
    let engine = BudgetEngine::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for index in 0..100 {
                    let tenant = engine.ensure_tenant(&format!("t{index}"), 100).unwrap();
                    tenant.try_reserve(10).unwrap().commit(10).unwrap();
                }
            });
        }
    });
    let tenants = engine.tenants();
    assert_eq!(tenants.len(), 100);
    assert!(tenants.iter().all(|tenant| tenant.snapshot().committed_microunits == 80));
}
