//! The second opinion: what the events do not say, it does not believe.

use calybris_budget::{Audit, AuditError, BudgetEngine, BudgetEvent};

fn opened() -> BudgetEvent {
    BudgetEvent::TenantOpened { tenant: "acme".into(), granted_microunits: 100 }
}

fn reserved(hold: u64, amount_microunits: u64) -> BudgetEvent {
    BudgetEvent::Reserved { tenant: "acme".into(), hold, amount_microunits }
}

#[test]
fn books_that_do_not_add_up_name_the_event_and_the_tenant() {
    let unbalanced: [&[BudgetEvent]; 4] = [
        &[reserved(1, 101)],
        &[BudgetEvent::Reduced { tenant: "acme".into(), amount_microunits: 101 }],
        &[BudgetEvent::Refunded { tenant: "acme".into(), amount_microunits: 1 }],
        &[BudgetEvent::Repaid { tenant: "acme".into(), amount_microunits: 1 }],
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
fn no_hold_gives_more_than_it_holds_though_its_tenant_could() {
    for (amount, exceeded) in [(30, false), (31, true), (u64::MAX, true)] {
        for event in [
            BudgetEvent::Committed { hold: 1, actual_microunits: amount },
            BudgetEvent::PartCommitted { hold: 1, actual_microunits: amount },
            BudgetEvent::PartReleased { hold: 1, amount_microunits: amount },
        ] {
            let mut audit = Audit::new();
            for before in [opened(), reserved(1, 30), reserved(2, 30)] {
                audit.apply(&before).unwrap();
            }
            let expected = AuditError::HoldExceeded {
                event_index: 3,
                hold: 1,
                held_microunits: 30,
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
    let again = AuditError::HoldOutOfTurn { event_index: 2, hold: 1 };
    assert_eq!(audit.apply(&reserved(1, 1)).unwrap_err(), again);
    audit.apply(&BudgetEvent::Released { hold: 1 }).unwrap();
    let settled = AuditError::HoldOutOfTurn { event_index: 3, hold: 1 };
    assert_eq!(audit.apply(&BudgetEvent::Released { hold: 1 }).unwrap_err(), settled);
}

#[test]
fn a_change_that_was_not_logged_is_found_and_so_is_an_event_that_was_not_done() {
    let engine = BudgetEngine::new();
    let mut audit = Audit::new();
    audit.apply(&opened()).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { live: None, .. })));
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    assert_eq!(audit.prove(&engine).unwrap().granted_microunits, 100);

    let reservation = acme.try_reserve(60).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { .. })));
    audit.apply(&reserved(1, 60)).unwrap();
    assert_eq!(audit.prove(&engine).unwrap(), acme.snapshot());

    audit.apply(&BudgetEvent::Committed { hold: 1, actual_microunits: 50 }).unwrap();
    assert!(audit.prove(&engine).is_err());
    reservation.commit(50).unwrap();
    assert!(audit.prove(&engine).is_ok());

    engine.ensure_tenant("stranger", 0).unwrap();
    assert!(matches!(audit.prove(&engine), Err(AuditError::Differs { logged: None, .. })));
}
