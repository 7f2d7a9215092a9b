//! The rules: caps, soft limits, freezing, debt, and what the administrator does to a grant.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use calybris_budget::{
    BudgetEngine, BudgetError, BudgetEvent, MAX_AMOUNT, Microunits, OverrunPolicy, Replay,
    ReservationId, Tenant, TenantRules,
};

fn cap(exposure_cap: u64) -> TenantRules {
    TenantRules::default().with_exposure_cap(Microunits::new(exposure_cap))
}

#[test]
fn a_cap_is_exact_at_the_limit() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    acme.set_rules(cap(100)).unwrap();
    let open = acme.try_reserve(Microunits::new(40)).unwrap();
    for (amount, fits) in [(59, true), (60, true), (61, false)] {
        assert_eq!(acme.try_reserve(Microunits::new(amount)).is_ok(), fits, "{amount}");
    }
    assert_eq!(
        acme.try_reserve(Microunits::new(61)).unwrap_err(),
        BudgetError::Exposed {
            tenant: "acme".into(),
            requested: Microunits::new(61),
            reserved: Microunits::new(40),
            cap: Microunits::new(100),
        }
    );
    open.commit(Microunits::new(40)).unwrap();
    assert!(acme.try_reserve(Microunits::new(100)).is_ok(), "what is spent is not exposed");
    acme.set_rules(cap(0)).unwrap();
    assert!(acme.try_reserve(Microunits::new(1)).is_err());
    acme.set_rules(TenantRules::default()).unwrap();
    assert!(acme.try_reserve(Microunits::new(960)).is_ok());
}

#[test]
fn threads_never_exceed_a_cap_and_are_never_refused_below_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000_000)).unwrap();
    acme.set_rules(cap(20)).unwrap();
    // What each thread holds or is about to hold: at most 10, so two of them always fit.
    let held = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for step in 0..50_000_u64 {
                    let reservation = acme.try_reserve(Microunits::new(10)).unwrap();
                    assert!(held.fetch_add(10, SeqCst) + 10 <= 20);
                    held.fetch_sub(10, SeqCst);
                    reservation.commit(Microunits::new(step % 11)).unwrap();
                }
            });
        }
        scope.spawn(|| {
            // 21 never fits under the cap.
            assert!((0..50_000).all(|_| acme.try_reserve(Microunits::new(21)).is_err()));
        });
    });
    assert_eq!(acme.snapshot().reserved, Microunits::new(0));
}

#[test]
fn a_soft_limit_warns_once_for_each_time_it_is_set() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    let rules = TenantRules::default().with_soft_limit(Microunits::new(800));
    acme.set_rules(rules).unwrap();
    acme.try_reserve(Microunits::new(799)).unwrap().commit(Microunits::new(799)).unwrap();
    assert!(engine.take_warnings().is_empty());

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    acme.try_reserve(Microunits::new(1))
                        .unwrap()
                        .commit(Microunits::new(1))
                        .unwrap();
                }
            });
        }
    });
    let warnings = engine.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].tenant, "acme");
    assert_eq!(warnings[0].soft_limit, Microunits::new(800));
    assert_eq!(acme.rules(), rules, "it is still the limit");

    acme.set_rules(rules).unwrap();
    acme.try_reserve(Microunits::new(1)).unwrap().release();
    assert_eq!(engine.take_warnings().len(), 1);
}

#[test]
fn each_period_has_a_soft_limit_of_its_own() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(10_000)).unwrap();
    for month in ["acme/2026-11", "acme/2026-12"] {
        let period = engine.ensure_child(month, Microunits::new(1_000), &acme).unwrap();
        let rules = TenantRules::default().with_soft_limit(Microunits::new(500));
        period.set_rules(rules).unwrap();
        for _ in 0..10 {
            period.try_reserve(Microunits::new(100)).unwrap().commit(Microunits::new(100)).unwrap();
        }
        let warned: Vec<_> = engine.take_warnings().into_iter().map(|w| w.tenant).collect();
        assert_eq!(warned, [month]);
    }
    assert_eq!(acme.snapshot().committed, Microunits::new(2_000));
}

#[test]
fn a_warning_that_was_logged_is_not_repeated_after_a_replay() {
    let rules = TenantRules::default().with_soft_limit(Microunits::new(50));
    let mut events = vec![
        BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
        BudgetEvent::RulesSet { tenant: "acme".into(), rules },
        BudgetEvent::Reserved {
            tenant: "acme".into(),
            reservation: 1.into(),
            amount: Microunits::new(60),
        },
    ];
    for (logged, warnings) in [(false, 1), (true, 0)] {
        if logged {
            events.push(BudgetEvent::SoftLimitReached { tenant: "acme".into() });
        }
        let replayed = Replay::run(events.clone()).unwrap();
        replayed.engine.tenant("acme").unwrap().try_reserve(Microunits::new(1)).unwrap().release();
        assert_eq!(replayed.engine.take_warnings().len(), warnings);
    }
}

#[test]
fn frozen_means_no_new_reservation_and_every_old_settlement() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let (first, second) = (
        acme.try_reserve(Microunits::new(30)).unwrap(),
        acme.try_reserve(Microunits::new(30)).unwrap(),
    );
    acme.freeze();
    let before = acme.snapshot();
    let frozen = BudgetError::Frozen { tenant: "acme".into() };
    assert_eq!(acme.try_reserve(Microunits::new(1)).unwrap_err(), frozen);
    assert_eq!(engine.try_reserve("acme", Microunits::new(1)).unwrap_err(), frozen);
    assert_eq!(acme.snapshot(), before);
    first.commit(Microunits::new(20)).unwrap();
    second.release();
    acme.top_up(Microunits::new(10)).unwrap();
    assert_eq!(acme.snapshot().available, Microunits::new(90));
    acme.unfreeze();
    assert!(acme.try_reserve(Microunits::new(90)).is_ok());
}

#[test]
fn a_freeze_stops_threads_that_are_reserving() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(u64::MAX / 2)).unwrap();
    std::thread::scope(|scope| {
        let spenders: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        match acme.try_reserve(Microunits::new(3)) {
                            Ok(reservation) => drop(reservation.commit(Microunits::new(2))),
                            Err(error) => break error,
                        }
                    }
                })
            })
            .collect();
        acme.freeze();
        let after = acme.snapshot().available;
        for spender in spenders {
            assert_eq!(spender.join().unwrap(), BudgetError::Frozen { tenant: "acme".into() });
        }
        // After the freeze only settlements came: they made more available, never less.
        assert!(acme.snapshot().available.get() >= after.get());
    });
    assert_eq!(acme.snapshot().reserved, Microunits::new(0));
}

#[test]
fn debt_stops_reservations_until_a_top_up_has_paid_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let settled =
        acme.try_reserve(Microunits::new(60)).unwrap().commit(Microunits::new(130)).unwrap();
    assert_eq!((settled.committed.get(), settled.released.get()), (130, 0));
    let now = acme.snapshot();
    assert_eq!((now.available.get(), now.debt.get(), now.committed.get()), (0, 30, 130));
    assert_eq!(
        acme.try_reserve(Microunits::new(1)).unwrap_err(),
        BudgetError::InDebt { tenant: "acme".into(), debt: Microunits::new(30) }
    );
    acme.top_up(Microunits::new(29)).unwrap();
    assert!(matches!(
        acme.try_reserve(Microunits::new(1)),
        Err(BudgetError::InDebt { debt, .. }) if debt == Microunits::new(1)
    ));
    acme.top_up(Microunits::new(11)).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted.get(), now.available.get()), (140, 10));
    assert!(acme.try_reserve(Microunits::new(10)).is_ok());
}

#[test]
fn what_is_owed_does_not_leave_the_grant() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let next = engine.ensure_tenant("next", Microunits::new(0)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let refused = |amount: u64, available: u64| BudgetError::Insufficient {
        tenant: "acme".into(),
        requested: Microunits::new(amount),
        available: Microunits::new(available),
    };
    acme.try_reserve(Microunits::new(60)).unwrap().commit(Microunits::new(1_000)).unwrap();
    // A refund makes more available than was ever granted, and the debt of 900 stays.
    acme.refund(Microunits::new(800)).unwrap();
    let before = acme.snapshot();
    assert_eq!((before.available.get(), before.debt.get()), (800, 900));
    assert_eq!(acme.reduce(Microunits::new(101)).unwrap_err(), refused(101, 0));
    assert_eq!(acme.reduce(Microunits::new(1)).unwrap_err(), refused(1, 0));
    assert_eq!(acme.carry_over(&next, Microunits::new(800)).unwrap(), Microunits::ZERO);
    assert_eq!(acme.snapshot(), before);
    acme.refund(Microunits::new(150)).unwrap();
    assert_eq!(acme.reduce(Microunits::new(51)).unwrap_err(), refused(51, 50));
    assert_eq!(acme.carry_over(&next, Microunits::new(20)).unwrap(), Microunits::new(20));
    acme.reduce(Microunits::new(30)).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted.get(), now.withdrawable().get()), (50, 0));
    assert_eq!(acme.repay(Microunits::MAX), Ok(Microunits::new(900)));
    assert_eq!(acme.snapshot().debt, Microunits::ZERO);
}

#[test]
fn a_capped_overrun_is_charged_as_reserved() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::CapAtReserved);
    acme.set_rules(rules).unwrap();
    let beyond = acme
        .try_reserve(Microunits::new(60))
        .unwrap()
        .commit(Microunits::new(MAX_AMOUNT.get() + 1))
        .unwrap_err();
    assert!(matches!(beyond.error, BudgetError::AmountTooLarge { .. }), "a cost is an amount");
    let settled = beyond.reservation.commit(MAX_AMOUNT).unwrap();
    assert_eq!(settled.committed, Microunits::new(60));
    assert_eq!(acme.snapshot().available, Microunits::new(40));
}

#[test]
fn an_overdraft_beyond_the_maximum_is_refused_and_changes_nothing() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    acme.try_reserve(Microunits::new(1)).unwrap().commit(Microunits::new(1)).unwrap();
    let before = acme.snapshot();
    let refused = reservation.commit(Microunits::new(u64::MAX)).unwrap_err();
    assert!(matches!(refused.error, BudgetError::AmountTooLarge { .. }));
    // One more than is left, and no tenant with this grant can owe anything.
    let refused = refused.reservation.commit(MAX_AMOUNT).unwrap_err();
    assert_eq!(
        refused.error,
        BudgetError::GrantTooLarge {
            tenant: "acme".into(),
            granted: MAX_AMOUNT,
            requested: Microunits::new(1),
        }
    );
    assert_eq!(acme.snapshot(), before);
    refused.reservation.release();
}

#[test]
fn an_overrun_that_is_available_needs_no_room_for_a_debt() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT).unwrap();
    let web = engine.ensure_child("acme/web", MAX_AMOUNT, &acme).unwrap();
    let flat = engine.ensure_tenant("flat", MAX_AMOUNT).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    for tenant in [web, flat] {
        tenant.set_rules(rules).unwrap();
        let settled = tenant.try_reserve(Microunits::new(60)).unwrap().commit(MAX_AMOUNT).unwrap();
        assert_eq!(settled.committed, MAX_AMOUNT);
        let now = tenant.snapshot();
        assert_eq!((now.available.get(), now.debt.get()), (0, 0));
    }
}

#[test]
fn what_a_reduction_took_comes_back_within_the_maximum_and_beside_the_debt() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(MAX_AMOUNT.get() - 60)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let all = acme.try_reserve(Microunits::new(MAX_AMOUNT.get() - 60)).unwrap();
    all.commit(Microunits::new(MAX_AMOUNT.get() - 10)).unwrap();
    let before = acme.snapshot();
    assert_eq!(before.debt, Microunits::new(50));
    assert_eq!(
        acme.undo_reduce(Microunits::new(11)).unwrap_err(),
        BudgetError::GrantTooLarge {
            tenant: "acme".into(),
            granted: Microunits::new(MAX_AMOUNT.get() - 10),
            requested: Microunits::new(11),
        }
    );
    assert_eq!(acme.snapshot(), before);
    acme.undo_reduce(Microunits::new(10)).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.available.get(), now.debt.get()), (10, 50));
}

#[test]
fn grants_stay_below_the_maximum() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(MAX_AMOUNT.get() - 1)).unwrap();
    assert!(matches!(acme.top_up(Microunits::new(2)), Err(BudgetError::GrantTooLarge { .. })));
    assert!(matches!(
        acme.top_up(Microunits::new(u64::MAX)),
        Err(BudgetError::AmountTooLarge { .. })
    ));
    acme.top_up(Microunits::new(1)).unwrap();
    let poor = engine.ensure_tenant("poor", Microunits::new(5)).unwrap();
    assert!(matches!(
        poor.carry_over(&acme, Microunits::new(5)),
        Err(BudgetError::GrantTooLarge { .. })
    ));
    assert_eq!(poor.snapshot().available, Microunits::new(5), "nothing has moved");
    assert!(
        engine.ensure_tenant("acme", Microunits::new(MAX_AMOUNT.get() - 1)).is_ok(),
        "as it was opened"
    );
}

#[test]
fn top_ups_and_refunds_under_load_are_seen_whole() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000_000)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20_000 {
                acme.try_reserve(Microunits::new(10)).unwrap().commit(Microunits::new(10)).unwrap();
            }
        });
        let owner = scope.spawn(|| {
            for _ in 0..20_000 {
                acme.top_up(Microunits::new(1_007)).unwrap();
                acme.reduce(Microunits::new(1_003)).unwrap();
                if acme.snapshot().committed.get() > 0 {
                    acme.refund(Microunits::new(1)).unwrap();
                }
            }
        });
        while !owner.is_finished() {
            // A torn reading would show more reserved than the one who reserves ever holds, or
            // wrap.
            let now = acme.snapshot();
            assert!(now.reserved.get() <= 10, "{now:?}");
        }
    });
    let now = acme.snapshot();
    assert_eq!(now.granted, Microunits::new(1_000_000 + 20_000 * 4));
    assert_eq!(now.reserved, Microunits::new(0));
}

#[test]
fn a_stream_extends_commits_in_parts_and_settles() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let mut stream = acme.try_reserve(Microunits::new(20)).unwrap();
    for _ in 0..3 {
        stream.commit_part(Microunits::new(15)).unwrap();
        stream.extend(Microunits::new(15)).unwrap();
    }
    assert_eq!(acme.snapshot().committed, Microunits::new(45));
    assert!(stream.extend(Microunits::new(36)).is_err(), "35 are left");
    assert_eq!(stream.amount(), Microunits::new(20));
    stream.commit_part(Microunits::new(20)).unwrap();
    assert_eq!(stream.amount(), Microunits::new(0));
    stream.extend(Microunits::new(5)).unwrap();
    stream.mark_dispatched(ReservationId::from(1));
    stream.commit(Microunits::new(4)).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.committed.get(), now.reserved.get()), (69, 0));
}

#[test]
fn tenants_that_carry_over_to_each_other_lose_nothing() {
    let engine = BudgetEngine::new();
    let first = engine.ensure_tenant("first", Microunits::new(1_000)).unwrap();
    let second = engine.ensure_tenant("second", Microunits::new(1_000)).unwrap();
    let below = engine.ensure_child(
        "below",
        Microunits::new(1_000),
        &engine.ensure_tenant("top", Microunits::new(1_000)).unwrap(),
    );
    let below = below.unwrap();
    std::thread::scope(|scope| {
        for (from, to) in
            [(&first, &second), (&second, &first), (&second, &below), (&below, &first)]
        {
            scope.spawn(move || {
                for most in 0..5_000 {
                    from.carry_over(to, Microunits::new(most % 700)).unwrap();
                    if let Ok(reservation) = from.try_reserve(Microunits::new(100)) {
                        reservation.release();
                    }
                }
            });
        }
    });
    let all = [&first, &second, &below].map(Tenant::snapshot);
    assert_eq!(all.iter().map(|now| now.granted.get()).sum::<u64>(), 3_000);
    assert_eq!(all.iter().map(|now| now.available.get()).sum::<u64>(), 3_000);
    assert_eq!(
        first.carry_over(&first, Microunits::new(5_000)).unwrap(),
        first.snapshot().available
    );
}

#[test]
fn an_overdraft_that_nobody_can_have_made_is_not_replayed() {
    for drawn in [vec![], vec![6], vec![5, 0], vec![u64::MAX]] {
        let drawn: Vec<_> = drawn.into_iter().map(Microunits::new).collect();
        let mut replay = Replay::new();
        for event in [
            BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
            BudgetEvent::Reserved {
                tenant: "acme".into(),
                reservation: 7.into(),
                amount: Microunits::new(60),
            },
        ] {
            replay.apply(event).unwrap();
        }
        let before = replay.tenant("acme").unwrap().snapshot();
        let refused = replay
            .apply(BudgetEvent::Overdrawn {
                reservation: 7.into(),
                extra: Microunits::new(5),
                drawn: drawn.clone(),
            })
            .unwrap_err();
        let tenant = "acme".to_owned();
        let (levels, extra) = (1, Microunits::new(5));
        assert_eq!(refused.error, BudgetError::OverdraftDiffers { tenant, levels, extra, drawn });
        assert_eq!(replay.tenant("acme").unwrap().snapshot(), before);
    }
}

#[test]
fn what_is_granted_and_owed_together_reaches_the_maximum_and_does_not_pass_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(MAX_AMOUNT.get() - 10)).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    acme.set_rules(rules).unwrap();
    let most = acme.try_reserve(Microunits::new(MAX_AMOUNT.get() - 11)).unwrap();
    let last = acme.try_reserve(Microunits::new(1)).unwrap();
    most.commit(Microunits::new(MAX_AMOUNT.get() - 7)).unwrap();
    assert_eq!(acme.snapshot().debt, Microunits::new(4));

    let refused = last.commit(Microunits::new(8)).unwrap_err();
    assert!(matches!(refused.error, BudgetError::GrantTooLarge { .. }));
    assert_eq!(acme.snapshot().debt, Microunits::new(4));
    refused.reservation.commit(Microunits::new(7)).unwrap();
    assert_eq!(acme.snapshot().debt, Microunits::new(10));

    // What a top-up pays of the debt makes room for it.
    assert!(matches!(acme.top_up(Microunits::new(11)), Err(BudgetError::GrantTooLarge { .. })));
    acme.top_up(Microunits::new(10)).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted, now.debt), (MAX_AMOUNT, Microunits::ZERO));
}

#[test]
fn rules_beyond_the_maximum_are_refused_and_change_nothing() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    acme.set_rules(cap(30)).unwrap();
    let soft = |limit| TenantRules::default().with_soft_limit(limit);
    let beyond = Microunits::new(MAX_AMOUNT.get() + 1);
    for rules in [cap(beyond.get()), soft(beyond)] {
        let refused = acme.set_rules(rules);
        assert!(matches!(refused, Err(BudgetError::AmountTooLarge { .. })), "{rules:?}");
        assert_eq!(acme.rules(), cap(30));
    }
    acme.set_rules(cap(MAX_AMOUNT.get())).unwrap();
    acme.set_rules(soft(MAX_AMOUNT)).unwrap();
}
