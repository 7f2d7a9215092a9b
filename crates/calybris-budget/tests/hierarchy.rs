//! Trees of tenants: admitted on every level or on none, whatever the threads do.

use calybris_budget::{BudgetEngine, BudgetError, MAX_LEVELS, Microunits};

#[test]
fn a_refusal_names_the_level_and_takes_from_none() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(100)).unwrap();
    let team = engine.ensure_child("org/team", Microunits::new(50), &org).unwrap();
    let key = engine.ensure_child("org/team/key", Microunits::new(80), &team).unwrap();
    for (amount, expected) in [(50, None), (51, Some("org/team")), (81, Some("org/team/key"))] {
        match key.try_reserve(Microunits::new(amount)) {
            Ok(reservation) => {
                assert_eq!(expected, None);
                for level in [&org, &team, &key] {
                    assert_eq!(level.snapshot().reserved.get(), amount);
                }
                drop(reservation);
            }
            Err(BudgetError::Insufficient { tenant, .. }) => {
                assert_eq!(Some(tenant.as_str()), expected);
            }
            Err(error) => panic!("{error}"),
        }
        for level in [&org, &team, &key] {
            assert_eq!(level.snapshot().reserved, Microunits::new(0), "{amount}");
        }
    }
}

#[test]
fn siblings_share_what_is_above_them_to_the_last_microunit() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(30_000)).unwrap();
    let keys: Vec<_> = (0..4)
        .map(|index| {
            let team = engine
                .ensure_child(&format!("team{index}"), Microunits::new(20_000), &org)
                .unwrap();
            engine.ensure_child(&format!("key{index}"), Microunits::new(10_000), &team).unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for key in &keys {
            scope.spawn(|| {
                while let Ok(reservation) = key.try_reserve(Microunits::new(3)) {
                    reservation.commit(Microunits::new(2)).unwrap();
                }
            });
        }
    });
    // A thread stops when it is refused; a surplus that came back later is for whoever asks again.
    for key in &keys {
        while let Ok(reservation) = key.try_reserve(Microunits::new(3)) {
            reservation.commit(Microunits::new(2)).unwrap();
        }
    }
    let spent: u64 = keys.iter().map(|key| key.snapshot().committed.get()).sum();
    let org = org.snapshot();
    assert_eq!(org.committed, Microunits::new(spent));
    assert_eq!(org.reserved, Microunits::new(0));
    let stopped_by_org = org.available.get() < 3;
    let stopped_by_keys = keys.iter().all(|key| key.snapshot().available.get() < 3);
    assert!(stopped_by_org || stopped_by_keys, "what fits on every level is admitted: {org:?}");
}

#[test]
fn a_doomed_child_never_makes_a_fitting_sibling_fail() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(100)).unwrap();
    let fits = engine.ensure_child("fits", Microunits::new(100), &org).unwrap();
    let doomed = engine.ensure_child("doomed", Microunits::new(200), &org).unwrap();
    std::thread::scope(|scope| {
        let doomed =
            scope.spawn(|| (0..100_000).all(|_| doomed.try_reserve(Microunits::new(101)).is_err()));
        for _ in 0..100_000 {
            fits.try_reserve(Microunits::new(100)).unwrap().release();
        }
        assert!(doomed.join().unwrap());
    });
    assert_eq!(org.snapshot().available, Microunits::new(100));
}

#[test]
fn a_parent_spends_beside_its_children() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(1_000_000)).unwrap();
    let key = engine.ensure_child("key", Microunits::new(1_000_000), &org).unwrap();
    std::thread::scope(|scope| {
        let spenders = [&org, &key].map(|tenant| {
            scope.spawn(move || {
                for _ in 0..50_000 {
                    tenant
                        .try_reserve(Microunits::new(5))
                        .unwrap()
                        .commit(Microunits::new(3))
                        .unwrap();
                }
            })
        });
        while !spenders.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let now = org.snapshot();
            assert!(now.reserved.get() <= 10, "{now:?}");
        }
    });
    assert_eq!(org.snapshot().committed, Microunits::new(300_000));
    assert_eq!(key.snapshot().committed, Microunits::new(150_000));
}

#[test]
fn a_frozen_parent_freezes_all_below_it() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(100)).unwrap();
    let key = engine.ensure_child("key", Microunits::new(100), &org).unwrap();
    let open = key.try_reserve(Microunits::new(10)).unwrap();
    org.freeze();
    let refused = BudgetError::Frozen { tenant: "org".into() };
    assert_eq!(key.try_reserve(Microunits::new(1)).unwrap_err(), refused);
    open.commit(Microunits::new(10)).unwrap();
    org.unfreeze();
    assert!(key.try_reserve(Microunits::new(1)).is_ok());
}

#[test]
fn a_tenant_in_use_becomes_a_parent_when_it_is_free() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(100)).unwrap();
    let open = org.try_reserve(Microunits::new(10)).unwrap();
    let refused = engine.ensure_child("key", Microunits::new(100), &org).unwrap_err();
    assert_eq!(
        refused,
        BudgetError::ParentInUse { tenant: "org".into(), reserved: Microunits::new(10) }
    );
    assert!(engine.tenant("key").is_none());
    assert!(org.try_reserve(Microunits::new(90)).is_ok(), "it is as it was");
    drop(open);
    let key = engine.ensure_child("key", Microunits::new(100), &org).unwrap();
    assert!(engine.ensure_child("key", Microunits::new(100), &org).is_ok(), "again is the same");
    assert!(key.try_reserve(Microunits::new(100)).is_ok());
}

#[test]
fn a_child_has_one_parent_of_the_same_engine() {
    let engine = BudgetEngine::new();
    let org = engine.ensure_tenant("org", Microunits::new(100)).unwrap();
    let other = engine.ensure_tenant("other", Microunits::new(100)).unwrap();
    engine.ensure_child("key", Microunits::new(50), &org).unwrap();
    let differs = BudgetError::ParentDiffers { tenant: "key".into() };
    assert_eq!(engine.ensure_child("key", Microunits::new(50), &other).unwrap_err(), differs);
    assert_eq!(engine.ensure_tenant("key", Microunits::new(50)).unwrap_err(), differs);

    let stranger = BudgetEngine::new().ensure_tenant("org", Microunits::new(100)).unwrap();
    assert!(matches!(
        engine.ensure_child("new", Microunits::new(50), &stranger),
        Err(BudgetError::UnknownTenant { .. })
    ));
}

#[test]
fn a_tree_is_as_deep_as_it_may_be_and_no_deeper() {
    let engine = BudgetEngine::new();
    let mut tenant = engine.ensure_tenant("0", Microunits::new(100)).unwrap();
    for level in 1..MAX_LEVELS {
        tenant = engine.ensure_child(&level.to_string(), Microunits::new(100), &tenant).unwrap();
    }
    assert!(matches!(
        engine.ensure_child("deeper", Microunits::new(100), &tenant),
        Err(BudgetError::TooDeep { .. })
    ));
    tenant.try_reserve(Microunits::new(60)).unwrap().commit(Microunits::new(60)).unwrap();
    assert!(engine.tenants().iter().all(|t| t.snapshot().committed.get() == 60));
}
