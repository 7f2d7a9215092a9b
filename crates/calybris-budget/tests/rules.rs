//! The rules: caps, soft limits, freezing, debt, and what the owner does to a grant.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use calybris_budget::{
    BudgetEngine, BudgetError, BudgetEvent, MAX_AMOUNT_MICROUNITS, OverrunPolicy, Replay,
    ReservationId, Tenant, TenantRules,
};

fn cap(exposure_cap_microunits: u64) -> TenantRules {
    TenantRules { exposure_cap_microunits: Some(exposure_cap_microunits), ..TenantRules::default() }
}

#[test]
fn a_cap_is_exact_at_the_limit() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 1_000).unwrap();
    acme.set_rules(cap(100)).unwrap();
    let open = acme.try_reserve(40).unwrap();
    for (amount, fits) in [(59, true), (60, true), (61, false)] {
        assert_eq!(acme.try_reserve(amount).is_ok(), fits, "{amount}");
    }
    assert_eq!(
        acme.try_reserve(61).unwrap_err(),
        BudgetError::Exposed {
            tenant: "acme".into(),
            requested_microunits: 61,
            reserved_microunits: 40,
            cap_microunits: 100,
        }
    );
    open.commit(40).unwrap();
    assert!(acme.try_reserve(100).is_ok(), "what is spent is not exposed");
    acme.set_rules(cap(0)).unwrap();
    assert!(acme.try_reserve(1).is_err());
    acme.set_rules(TenantRules::default()).unwrap();
    assert!(acme.try_reserve(960).is_ok());
}

#[test]
fn threads_never_exceed_a_cap_and_are_never_refused_below_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 1_000_000_000).unwrap();
    acme.set_rules(cap(20)).unwrap();
    // What each thread holds or is about to hold: at most 10, so two of them always fit.
    let held = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for step in 0..50_000_u64 {
                    let reservation = acme.try_reserve(10).unwrap();
                    assert!(held.fetch_add(10, SeqCst) + 10 <= 20);
                    held.fetch_sub(10, SeqCst);
                    reservation.commit(step % 11).unwrap();
                }
            });
        }
        scope.spawn(|| {
            // 21 never fits under the cap.
            assert!((0..50_000).all(|_| acme.try_reserve(21).is_err()));
        });
    });
    assert_eq!(acme.snapshot().reserved_microunits, 0);
}

#[test]
fn a_soft_limit_warns_once_for_each_time_it_is_set() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 1_000).unwrap();
    let rules = TenantRules { soft_limit_microunits: Some(800), ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    acme.try_reserve(799).unwrap().commit(799).unwrap();
    assert!(engine.take_warnings().is_empty());

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    acme.try_reserve(1).unwrap().commit(1).unwrap();
                }
            });
        }
    });
    let warnings = engine.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].tenant, "acme");
    assert_eq!(warnings[0].soft_limit_microunits, 800);
    assert_eq!(acme.rules(), rules, "it is still the limit");

    acme.set_rules(rules).unwrap();
    acme.try_reserve(1).unwrap().release();
    assert_eq!(engine.take_warnings().len(), 1);
}

#[test]
fn each_period_has_a_soft_limit_of_its_own() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 10_000).unwrap();
    for month in ["acme/2026-11", "acme/2026-12"] {
        let period = engine.ensure_child(month, 1_000, &acme).unwrap();
        let rules = TenantRules { soft_limit_microunits: Some(500), ..TenantRules::default() };
        period.set_rules(rules).unwrap();
        for _ in 0..10 {
            period.try_reserve(100).unwrap().commit(100).unwrap();
        }
        let warned: Vec<_> = engine.take_warnings().into_iter().map(|w| w.tenant).collect();
        assert_eq!(warned, [month]);
    }
    assert_eq!(acme.snapshot().committed_microunits, 2_000);
}

#[test]
fn a_warning_that_was_logged_is_not_repeated_after_a_replay() {
    let rules = TenantRules { soft_limit_microunits: Some(50), ..TenantRules::default() };
    let mut events = vec![
        BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 },
        BudgetEvent::RulesSet { tenant: "acme".into(), rules },
        BudgetEvent::Reserved { tenant: "acme".into(), hold: 1, amount_microunits: 60 },
    ];
    for (logged, warnings) in [(false, 1), (true, 0)] {
        if logged {
            events.push(BudgetEvent::SoftLimitReached { tenant: "acme".into() });
        }
        let replayed = Replay::run(events.clone()).unwrap();
        replayed.engine.tenant("acme").unwrap().try_reserve(1).unwrap().release();
        assert_eq!(replayed.engine.take_warnings().len(), warnings);
    }
}

#[test]
fn frozen_means_no_new_reservation_and_every_old_settlement() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let (first, second) = (acme.try_reserve(30).unwrap(), acme.try_reserve(30).unwrap());
    acme.freeze();
    let before = acme.snapshot();
    let frozen = BudgetError::Frozen { tenant: "acme".into() };
    assert_eq!(acme.try_reserve(1).unwrap_err(), frozen);
    assert_eq!(engine.try_reserve("acme", 1).unwrap_err(), frozen);
    assert_eq!(acme.snapshot(), before);
    first.commit(20).unwrap();
    second.release();
    acme.top_up(10).unwrap();
    assert_eq!(acme.snapshot().available_microunits, 90);
    acme.unfreeze();
    assert!(acme.try_reserve(90).is_ok());
}

#[test]
fn a_freeze_stops_threads_that_are_reserving() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", u64::MAX / 2).unwrap();
    std::thread::scope(|scope| {
        let spenders: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        match acme.try_reserve(3) {
                            Ok(reservation) => drop(reservation.commit(2)),
                            Err(error) => break error,
                        }
                    }
                })
            })
            .collect();
        acme.freeze();
        let after = acme.snapshot().available_microunits;
        for spender in spenders {
            assert_eq!(spender.join().unwrap(), BudgetError::Frozen { tenant: "acme".into() });
        }
        // After the freeze only settlements came: they made more available, never less.
        assert!(acme.snapshot().available_microunits >= after);
    });
    assert_eq!(acme.snapshot().reserved_microunits, 0);
}

#[test]
fn debt_stops_reservations_until_a_top_up_has_paid_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let settled = acme.try_reserve(60).unwrap().commit(130).unwrap();
    assert_eq!((settled.committed_microunits, settled.released_microunits), (130, 0));
    let now = acme.snapshot();
    assert_eq!(
        (now.available_microunits, now.debt_microunits, now.committed_microunits),
        (0, 30, 130)
    );
    assert_eq!(
        acme.try_reserve(1).unwrap_err(),
        BudgetError::InDebt { tenant: "acme".into(), debt_microunits: 30 }
    );
    acme.top_up(29).unwrap();
    assert!(matches!(acme.try_reserve(1), Err(BudgetError::InDebt { debt_microunits: 1, .. })));
    acme.top_up(11).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted_microunits, now.available_microunits), (140, 10));
    assert!(acme.try_reserve(10).is_ok());
}

#[test]
fn what_is_owed_does_not_leave_the_grant() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let next = engine.ensure_tenant("next", 0).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let refused = |amount: u64, available: u64| BudgetError::Insufficient {
        tenant: "acme".into(),
        requested_microunits: amount,
        available_microunits: available,
    };
    acme.try_reserve(60).unwrap().commit(1_000).unwrap();
    // A refund makes more available than was ever granted, and the debt of 900 stays.
    acme.refund(800).unwrap();
    let before = acme.snapshot();
    assert_eq!((before.available_microunits, before.debt_microunits), (800, 900));
    assert_eq!(acme.reduce(101).unwrap_err(), refused(101, 0));
    assert_eq!(acme.reduce(1).unwrap_err(), refused(1, 0));
    assert_eq!(acme.carry_over(&next, 800).unwrap(), 0);
    assert_eq!(acme.snapshot(), before);
    acme.refund(150).unwrap();
    assert_eq!(acme.reduce(51).unwrap_err(), refused(51, 50));
    assert_eq!(acme.carry_over(&next, 20).unwrap(), 20);
    acme.reduce(30).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted_microunits, now.unowed_microunits()), (50, 0));
    assert_eq!((acme.repay(u64::MAX), acme.snapshot().debt_microunits), (900, 0));
}

#[test]
fn a_capped_overrun_is_charged_as_reserved() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::CapAtReserved, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let beyond = acme.try_reserve(60).unwrap().commit(MAX_AMOUNT_MICROUNITS + 1).unwrap_err();
    assert!(matches!(beyond.error, BudgetError::AmountTooLarge { .. }), "a cost is an amount");
    let settled = beyond.reservation.commit(MAX_AMOUNT_MICROUNITS).unwrap();
    assert_eq!(settled.committed_microunits, 60);
    assert_eq!(acme.snapshot().available_microunits, 40);
}

#[test]
fn an_overdraft_beyond_the_maximum_is_refused_and_changes_nothing() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let reservation = acme.try_reserve(60).unwrap();
    acme.try_reserve(1).unwrap().commit(1).unwrap();
    let before = acme.snapshot();
    let refused = reservation.commit(u64::MAX).unwrap_err();
    assert!(matches!(refused.error, BudgetError::AmountTooLarge { .. }));
    // One more than is left, and no tenant with this grant can owe anything.
    let refused = refused.reservation.commit(MAX_AMOUNT_MICROUNITS).unwrap_err();
    assert_eq!(
        refused.error,
        BudgetError::GrantTooLarge {
            tenant: "acme".into(),
            granted_microunits: MAX_AMOUNT_MICROUNITS,
            requested_microunits: 1,
        }
    );
    assert_eq!(acme.snapshot(), before);
    refused.reservation.release();
}

#[test]
fn an_overrun_that_is_available_needs_no_room_for_a_debt() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS).unwrap();
    let web = engine.ensure_child("acme/web", MAX_AMOUNT_MICROUNITS, &acme).unwrap();
    let flat = engine.ensure_tenant("flat", MAX_AMOUNT_MICROUNITS).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    for tenant in [web, flat] {
        tenant.set_rules(rules).unwrap();
        let settled = tenant.try_reserve(60).unwrap().commit(MAX_AMOUNT_MICROUNITS).unwrap();
        assert_eq!(settled.committed_microunits, MAX_AMOUNT_MICROUNITS);
        let now = tenant.snapshot();
        assert_eq!((now.available_microunits, now.debt_microunits), (0, 0));
    }
}

#[test]
fn what_a_reduction_took_comes_back_within_the_maximum_and_beside_the_debt() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS - 60).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let all = acme.try_reserve(MAX_AMOUNT_MICROUNITS - 60).unwrap();
    all.commit(MAX_AMOUNT_MICROUNITS - 10).unwrap();
    let before = acme.snapshot();
    assert_eq!(before.debt_microunits, 50);
    assert_eq!(
        acme.unreduce(11).unwrap_err(),
        BudgetError::GrantTooLarge {
            tenant: "acme".into(),
            granted_microunits: MAX_AMOUNT_MICROUNITS - 10,
            requested_microunits: 11,
        }
    );
    assert_eq!(acme.snapshot(), before);
    acme.unreduce(10).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.available_microunits, now.debt_microunits), (10, 50));
}

#[test]
fn grants_stay_below_the_maximum() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS - 1).unwrap();
    assert!(matches!(acme.top_up(2), Err(BudgetError::GrantTooLarge { .. })));
    assert!(matches!(acme.top_up(u64::MAX), Err(BudgetError::AmountTooLarge { .. })));
    acme.top_up(1).unwrap();
    let poor = engine.ensure_tenant("poor", 5).unwrap();
    assert!(matches!(poor.carry_over(&acme, 5), Err(BudgetError::GrantTooLarge { .. })));
    assert_eq!(poor.snapshot().available_microunits, 5, "nothing has moved");
    assert!(engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS - 1).is_ok(), "as it was opened");
}

#[test]
fn top_ups_and_refunds_under_load_are_seen_whole() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 1_000_000).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20_000 {
                acme.try_reserve(10).unwrap().commit(10).unwrap();
            }
        });
        let owner = scope.spawn(|| {
            for _ in 0..20_000 {
                acme.top_up(1_007).unwrap();
                acme.reduce(1_003).unwrap();
                if acme.snapshot().committed_microunits > 0 {
                    acme.refund(1).unwrap();
                }
            }
        });
        while !owner.is_finished() {
            // A torn reading would show more reserved than the one who reserves ever holds, or
            // wrap.
            let now = acme.snapshot();
            assert!(now.reserved_microunits <= 10, "{now:?}");
        }
    });
    let now = acme.snapshot();
    assert_eq!(now.granted_microunits, 1_000_000 + 20_000 * 4);
    assert_eq!(now.reserved_microunits, 0);
}

#[test]
fn a_stream_extends_commits_in_parts_and_settles() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let mut stream = acme.try_reserve(20).unwrap();
    for _ in 0..3 {
        stream.commit_part(15).unwrap();
        stream.extend(15).unwrap();
    }
    assert_eq!(acme.snapshot().committed_microunits, 45);
    assert!(stream.extend(36).is_err(), "35 are left");
    assert_eq!(stream.amount_microunits(), 20);
    stream.commit_part(20).unwrap();
    assert_eq!(stream.amount_microunits(), 0);
    stream.extend(5).unwrap();
    stream.mark_dispatched(ReservationId::from(1));
    stream.commit(4).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.committed_microunits, now.reserved_microunits), (69, 0));
}

#[test]
fn tenants_that_carry_over_to_each_other_lose_nothing() {
    let engine = BudgetEngine::new();
    let first = engine.ensure_tenant("first", 1_000).unwrap();
    let second = engine.ensure_tenant("second", 1_000).unwrap();
    let below = engine.ensure_child("below", 1_000, &engine.ensure_tenant("top", 1_000).unwrap());
    let below = below.unwrap();
    std::thread::scope(|scope| {
        for (from, to) in
            [(&first, &second), (&second, &first), (&second, &below), (&below, &first)]
        {
            scope.spawn(move || {
                for most in 0..5_000 {
                    from.carry_over(to, most % 700).unwrap();
                    if let Ok(reservation) = from.try_reserve(100) {
                        reservation.release();
                    }
                }
            });
        }
    });
    let all = [&first, &second, &below].map(Tenant::snapshot);
    assert_eq!(all.iter().map(|now| now.granted_microunits).sum::<u64>(), 3_000);
    assert_eq!(all.iter().map(|now| now.available_microunits).sum::<u64>(), 3_000);
    assert_eq!(first.carry_over(&first, 5_000).unwrap(), first.snapshot().available_microunits);
}

#[test]
fn an_overdraft_that_nobody_can_have_made_is_not_replayed() {
    for drawn_microunits in [vec![], vec![6], vec![5, 0], vec![u64::MAX]] {
        let mut replay = Replay::new();
        for event in [
            BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 },
            BudgetEvent::Reserved { tenant: "acme".into(), hold: 7, amount_microunits: 60 },
        ] {
            replay.apply(event).unwrap();
        }
        let before = replay.tenant("acme").unwrap().snapshot();
        let refused = replay
            .apply(BudgetEvent::Overdrawn {
                hold: 7,
                extra_microunits: 5,
                drawn_microunits: drawn_microunits.clone(),
            })
            .unwrap_err();
        let tenant = "acme".to_owned();
        let (levels, extra_microunits) = (1, 5);
        assert_eq!(
            refused.error,
            BudgetError::OverdraftDiffers { tenant, levels, extra_microunits, drawn_microunits }
        );
        assert_eq!(replay.tenant("acme").unwrap().snapshot(), before);
    }
}

#[test]
fn what_is_granted_and_owed_together_reaches_the_maximum_and_does_not_pass_it() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", MAX_AMOUNT_MICROUNITS - 10).unwrap();
    let rules = TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..TenantRules::default() };
    acme.set_rules(rules).unwrap();
    let most = acme.try_reserve(MAX_AMOUNT_MICROUNITS - 11).unwrap();
    let last = acme.try_reserve(1).unwrap();
    most.commit(MAX_AMOUNT_MICROUNITS - 7).unwrap();
    assert_eq!(acme.snapshot().debt_microunits, 4);

    let refused = last.commit(8).unwrap_err();
    assert!(matches!(refused.error, BudgetError::GrantTooLarge { .. }));
    assert_eq!(acme.snapshot().debt_microunits, 4);
    refused.reservation.commit(7).unwrap();
    assert_eq!(acme.snapshot().debt_microunits, 10);

    // What a top-up pays of the debt makes room for it.
    assert!(matches!(acme.top_up(11), Err(BudgetError::GrantTooLarge { .. })));
    acme.top_up(10).unwrap();
    let now = acme.snapshot();
    assert_eq!((now.granted_microunits, now.debt_microunits), (MAX_AMOUNT_MICROUNITS, 0));
}

#[test]
fn rules_beyond_the_maximum_are_refused_and_change_nothing() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    acme.set_rules(cap(30)).unwrap();
    let soft = |limit| TenantRules { soft_limit_microunits: Some(limit), ..TenantRules::default() };
    let beyond = MAX_AMOUNT_MICROUNITS + 1;
    for rules in [cap(beyond), soft(beyond)] {
        let refused = acme.set_rules(rules);
        assert!(matches!(refused, Err(BudgetError::AmountTooLarge { .. })), "{rules:?}");
        assert_eq!(acme.rules(), cap(30));
    }
    acme.set_rules(cap(MAX_AMOUNT_MICROUNITS)).unwrap();
    acme.set_rules(soft(MAX_AMOUNT_MICROUNITS)).unwrap();
}
