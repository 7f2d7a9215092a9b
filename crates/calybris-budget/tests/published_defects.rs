//! What the published crate gets wrong, each as a law that holds here.

use calybris_budget::{
    BudgetEngine, BudgetError, BudgetEvent, Microunits, OverrunPolicy, Replay, TenantRules,
    UnixMillis,
};

#[test]
fn a_budget_with_open_reservations_and_caps_is_restored_with_both() {
    let rules = TenantRules::default().with_exposure_cap(Microunits::new(50));
    let mut replay = Replay::new();
    for event in [
        BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
        BudgetEvent::RulesSet { tenant: "acme".into(), rules },
        BudgetEvent::Reserved {
            tenant: "acme".into(),
            reservation: 7.into(),
            amount: Microunits::new(40),
        },
    ] {
        replay.apply(event).unwrap();
    }
    // From a checkpoint of the replay, and from a checkpoint of what became of that.
    let resumed = Replay::from_state(&replay.state().unwrap()).unwrap();
    let live = resumed.finish().keep_reservations();
    let restored = Replay::from_state(&live.state([]).unwrap()).unwrap();
    let engine = restored.finish().keep_reservations();
    assert!(matches!(
        engine.try_reserve("acme", Microunits::new(11)),
        Err(BudgetError::Exposed { .. })
    ));
    engine.commit("acme", 7.into(), Microunits::new(30)).unwrap();
    assert_eq!(engine.tenant("acme").unwrap().snapshot().available, Microunits::new(70));
}

#[test]
fn a_fitting_reservation_is_never_refused_beside_a_doomed_one() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    let rules = TenantRules::default().with_exposure_cap(Microunits::new(500));
    for rules in [TenantRules::default(), rules] {
        acme.set_rules(rules).unwrap();
        std::thread::scope(|scope| {
            // Above what there is, above the cap, and as large as a number can be.
            let doomed = scope.spawn(|| {
                (0..30_000).all(|_| {
                    [1_001, i64::MAX.unsigned_abs()]
                        .into_iter()
                        .all(|n| acme.try_reserve(Microunits::new(n)).is_err())
                })
            });
            for _ in 0..30_000 {
                acme.try_reserve(Microunits::new(500)).unwrap().release();
            }
            assert!(doomed.join().unwrap());
        });
    }
}

#[test]
fn a_commit_that_is_refused_swallows_no_reservation() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let id = engine.try_reserve("acme", Microunits::new(60)).unwrap();
    for actual in [61, u64::MAX] {
        assert!(matches!(
            engine.commit("acme", id, Microunits::new(actual)),
            Err(BudgetError::Overrun { .. })
        ));
        assert_eq!(engine.open_reservations().unwrap().len(), 1);
    }
    engine.release("acme", id).unwrap();
    assert_eq!(acme.snapshot().available, Microunits::new(100));
}

#[test]
fn an_overrun_leaves_its_whole_cost_on_the_books() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let id = engine.try_reserve("acme", Microunits::new(60)).unwrap();
    engine.commit("acme", id, Microunits::new(150)).unwrap();
    assert!(engine.release("acme", id).is_err(), "there is nothing left to release");
    let now = acme.snapshot();
    assert_eq!((now.committed.get(), now.debt.get()), (150, 50));
}

#[test]
fn to_read_everything_uses_no_id_and_stops_nobody() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000)).unwrap();
    let before = engine.try_reserve("acme", Microunits::new(1)).unwrap().as_u64();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..50_000 {
                acme.try_reserve(Microunits::new(10)).unwrap().commit(Microunits::new(5)).unwrap();
            }
        });
        while !writer.is_finished() {
            for tenant in engine.tenants() {
                let now = tenant.snapshot();
                assert_eq!(
                    now.granted.get(),
                    now.available.get() + now.reserved.get() + now.committed.get()
                );
            }
        }
    });
    assert_eq!(engine.try_reserve("acme", Microunits::new(1)).unwrap().as_u64(), before + 1);
}

#[test]
fn a_reservation_moves_to_another_thread_and_into_a_box() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    let boxed: Box<dyn std::any::Any + Send> = Box::new(reservation);
    std::thread::spawn(move || drop(boxed)).join().unwrap();
    assert_eq!(acme.snapshot().available, Microunits::new(100));
}

#[test]
fn two_million_abandoned_reservations_are_listed_and_swept() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(2_500_000)).unwrap();
    for index in 0..2_000_000_u64 {
        engine.detach(
            acme.try_reserve(Microunits::new(1)).unwrap(),
            Some(UnixMillis::new(index % 1_000)),
        );
    }
    assert_eq!(engine.open_reservations().unwrap().len(), 2_000_000);
    assert_eq!(engine.take_expired(UnixMillis::new(499)).len(), 1_000_000);
    assert_eq!(acme.snapshot().reserved, Microunits::new(1_000_000));
    assert_eq!(engine.take_expired(UnixMillis::new(u64::MAX)).len(), 1_000_000);
    assert_eq!(acme.snapshot().available, Microunits::new(2_500_000));
}

#[test]
fn a_hundred_thousand_tenants_are_read_replayed_and_checkpointed() {
    let engine = BudgetEngine::new();
    let mut replay = Replay::new();
    for index in 0..100_000_u64 {
        let tenant = format!("tenant-{index:06}");
        let open = engine.ensure_tenant(&tenant, Microunits::new(1_000)).unwrap();
        open.try_reserve(Microunits::new(10)).unwrap().commit(Microunits::new(7)).unwrap();
        let name = tenant.clone();
        replay
            .apply(BudgetEvent::TenantOpened { tenant, granted: Microunits::new(1_000) })
            .unwrap();
        let (tenant, amount) = (name, Microunits::new(10));
        replay.apply(BudgetEvent::Reserved { tenant, reservation: index.into(), amount }).unwrap();
        replay
            .apply(BudgetEvent::Committed { reservation: index.into(), actual: Microunits::new(7) })
            .unwrap();
    }
    let checkpoint = replay.state().unwrap();
    let replayed = Replay::from_state(&checkpoint).unwrap().finish().engine;
    let (live, replayed) = (engine.tenants(), replayed.tenants());
    assert_eq!(live.len(), 100_000);
    for (live, replayed) in live.iter().zip(&replayed) {
        assert_eq!(live.name(), replayed.name());
        assert_eq!(live.snapshot(), replayed.snapshot());
    }
}
