//! The second opinion: what the events do not say, it does not believe.

use calybris_budget::{
    Audit, AuditError, BudgetEngine, BudgetEvent, MAX_AMOUNT, Microunits, Replay, ReservationId,
};

fn opened() -> BudgetEvent {
    BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) }
}

fn reserved(id: u64, amount: u64) -> BudgetEvent {
    BudgetEvent::Reserved {
        tenant: "acme".into(),
        reservation: id.into(),
        amount: Microunits::new(amount),
    }
}

#[test]
fn books_that_do_not_add_up_name_the_event_and_the_tenant() {
    let unbalanced: [&[BudgetEvent]; 4] = [
        &[reserved(1, 101)],
        &[BudgetEvent::Reduced { tenant: "acme".into(), amount: Microunits::new(101) }],
        &[BudgetEvent::Refunded { tenant: "acme".into(), amount: Microunits::new(1) }],
        &[BudgetEvent::Repaid { tenant: "acme".into(), amount: Microunits::new(1) }],
    ];
    for events in unbalanced {
        let mut audit = Audit::new();
        audit.apply(&opened()).unwrap();
        let answers: Vec<_> = events.iter().map(|event| audit.apply(event)).collect();
        let (last, before) = answers.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok));
        match last {
            Err(AuditError::Unbalanced { event_index, tenant, .. }) => {
                assert_eq!(*event_index, u64::try_from(events.len()).unwrap());
                assert_eq!(tenant, "acme");
            }
            other => panic!("{events:?}: {other:?}"),
        }
    }
}

#[test]
fn no_reservation_gives_more_than_it_has_though_its_tenant_could() {
    for (amount, exceeded) in [(30, false), (31, true), (u64::MAX, true)] {
        for event in [
            BudgetEvent::Committed { reservation: 1.into(), actual: Microunits::new(amount) },
            BudgetEvent::PartCommitted { reservation: 1.into(), actual: Microunits::new(amount) },
            BudgetEvent::PartReleased { reservation: 1.into(), amount: Microunits::new(amount) },
        ] {
            let mut audit = Audit::new();
            for before in [opened(), reserved(1, 30), reserved(2, 30)] {
                audit.apply(&before).unwrap();
            }
            let expected = AuditError::ReservationExceeded {
                event_index: 3,
                reservation: 1.into(),
                open_microunits: 30,
                taken_microunits: amount.into(),
            };
            let expected = if exceeded { Err(expected) } else { Ok(()) };
            assert_eq!(audit.apply(&event), expected, "{event:?}");
        }
    }
}

#[test]
fn events_out_of_turn_are_found() {
    let mut audit = Audit::new();
    assert!(matches!(audit.apply(&reserved(1, 1)), Err(AuditError::UnknownTenant { .. })));
    let mut audit = Audit::new();
    audit.apply(&opened()).unwrap();
    audit.apply(&reserved(1, 1)).unwrap();
    let again = AuditError::ReservationOutOfTurn { event_index: 2, reservation: 1.into() };
    assert_eq!(audit.apply(&reserved(1, 1)).unwrap_err(), again);
    audit.apply(&BudgetEvent::Released { reservation: 1.into() }).unwrap();
    let settled = AuditError::ReservationOutOfTurn { event_index: 3, reservation: 1.into() };
    assert_eq!(audit.apply(&BudgetEvent::Released { reservation: 1.into() }).unwrap_err(), settled);
}

#[test]
fn a_change_that_was_not_logged_is_found_and_so_is_an_event_that_was_not_done() {
    let engine = BudgetEngine::new();
    let mut audit = Audit::new();
    audit.apply(&opened()).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { live: None, .. })));
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    assert_eq!(audit.prove(&engine).unwrap().granted_microunits, 100);

    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { .. })));
    audit.apply(&reserved(1, 60)).unwrap();
    assert_eq!(audit.prove(&engine).unwrap(), acme.snapshot().into());

    audit
        .apply(&BudgetEvent::Committed { reservation: 1.into(), actual: Microunits::new(50) })
        .unwrap();
    assert!(audit.prove(&engine).is_err());
    reservation.commit(Microunits::new(50)).unwrap();
    assert!(audit.prove(&engine).is_ok());

    engine.ensure_tenant("stranger", Microunits::new(0)).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { logged: None, .. })));
}

#[test]
fn what_is_left_of_a_reservation_in_parts_is_what_its_end_gives_back() {
    let mut audit = Audit::new();
    let part = BudgetEvent::PartReleased { reservation: 1.into(), amount: Microunits::new(20) };
    for event in [opened(), reserved(1, 70), part, BudgetEvent::Released { reservation: 1.into() }]
    {
        audit.apply(&event).unwrap();
    }
    let engine = BudgetEngine::new();
    engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    assert_eq!(audit.prove(&engine).unwrap().available_microunits, 100);
}

#[test]
fn a_proof_sums_up_every_term_of_the_tenants_without_a_parent() {
    let (mut replay, mut audit) = (Replay::new(), Audit::new());
    let mut apply = |event: BudgetEvent| {
        audit.apply(&event).unwrap();
        replay.apply(event).unwrap();
    };
    for (index, name) in [(0, "acme"), (1, "globex")] {
        let tenant = name.to_owned();
        let id = |number: u64| ReservationId::from(10 * index + number);
        apply(BudgetEvent::TenantOpened { tenant: tenant.clone(), granted: Microunits::new(100) });
        for (number, amount) in [(1, 70), (2, 10)] {
            let (tenant, amount) = (tenant.clone(), Microunits::new(amount));
            apply(BudgetEvent::Reserved { tenant, reservation: id(number), amount });
        }
        // 20 are available, so 5 of the 25 are debt; the 2 that come back are available.
        let drawn = vec![Microunits::new(20)];
        apply(BudgetEvent::Overdrawn { reservation: id(1), extra: Microunits::new(25), drawn });
        apply(BudgetEvent::Committed { reservation: id(1), actual: Microunits::new(93) });
    }
    let parent = "globex".to_owned();
    apply(BudgetEvent::ChildOpened { tenant: "below".into(), parent, granted: Microunits::new(9) });
    let total = audit.prove(&replay.finish().engine).unwrap();
    let sums = [
        total.granted_microunits,
        total.available_microunits,
        total.reserved_microunits,
        total.committed_microunits,
        total.debt_microunits,
    ];
    assert_eq!(sums, [200, 4, 20, 186, 10]);
}

/// One account holds at most 2^63 - 1, so the third tenant takes the sum beyond a `u64`.
#[test]
fn grants_that_were_each_accepted_have_a_total_however_large_it_is() {
    let (mut replay, mut audit) = (Replay::new(), Audit::new());
    let mut granted: u128 = 0;
    let grants = [("a", MAX_AMOUNT), ("b", MAX_AMOUNT), ("c", Microunits::ZERO), ("d", MAX_AMOUNT)];
    let opened = grants
        .map(|(tenant, granted)| BudgetEvent::TenantOpened { tenant: tenant.to_owned(), granted });
    let topped_up = || BudgetEvent::ToppedUp { tenant: "c".to_owned(), amount: Microunits::new(1) };
    let [a, b, c, d] = opened;
    let mut totals = Vec::new();
    for event in [a, b, c, topped_up(), topped_up(), topped_up(), d] {
        granted += match &event {
            BudgetEvent::TenantOpened { granted, .. } => granted.get().into(),
            _ => 1,
        };
        audit.apply(&event).unwrap();
        replay.apply(event).unwrap();
        // The books are read at every step, from the events and from a checkpoint of them.
        let checkpoint = replay.state().unwrap();
        let resumed = Replay::from_state(&checkpoint).unwrap().finish();
        let total = audit.prove(&resumed.engine).unwrap();
        assert_eq!(total, Audit::from_state(&checkpoint).unwrap().prove(&resumed.engine).unwrap());
        assert_eq!((total.granted_microunits, total.available_microunits), (granted, granted));
        totals.push(total.granted_microunits);
    }
    let last_u64 = u128::from(u64::MAX);
    assert_eq!(totals[3..6], [last_u64, last_u64 + 1, last_u64 + 2]);
}
