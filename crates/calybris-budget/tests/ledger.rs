//! The laws of one account, one thread: every transition and every refusal.

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, MAX_AMOUNT_MICROUNITS, MAX_NAME_BYTES, Reservation,
    ReservationId, Tenant,
};

fn account(granted: u64, available: u64, reserved: u64, committed: u64) -> AccountSnapshot {
    AccountSnapshot {
        granted_microunits: granted,
        available_microunits: available,
        reserved_microunits: reserved,
        committed_microunits: committed,
        debt_microunits: 0,
    }
}

fn acme(granted: u64) -> Result<Tenant, BudgetError> {
    BudgetEngine::new().ensure_tenant("acme", granted)
}

#[test]
fn surplus_returns_to_the_tenant() {
    let acme = acme(100).unwrap();
    let settled = acme.try_reserve(60).unwrap().commit(45).unwrap();
    assert_eq!((settled.committed_microunits, settled.released_microunits), (45, 15));
    assert_eq!(acme.snapshot(), account(100, 55, 0, 45));
}

#[test]
fn a_call_may_turn_out_to_be_free() {
    let acme = acme(100).unwrap();
    let settled = acme.try_reserve(60).unwrap().commit(0).unwrap();
    assert_eq!((settled.committed_microunits, settled.released_microunits), (0, 60));
    assert_eq!(acme.snapshot(), account(100, 100, 0, 0));
}

#[test]
fn a_dropped_reservation_is_released() {
    let acme = acme(100).unwrap();
    drop(acme.try_reserve(60).unwrap());
    assert_eq!(acme.snapshot(), account(100, 100, 0, 0));
}

#[test]
fn a_panicking_call_gives_its_amount_back() {
    let acme = acme(100).unwrap();
    let reservation = acme.try_reserve(60).unwrap();
    let call = std::thread::spawn(move || {
        let _reservation = reservation;
        panic!("the provider is down");
    });
    assert!(call.join().is_err());
    assert_eq!(acme.snapshot(), account(100, 100, 0, 0));
}

#[test]
fn admission_is_exact_at_the_limit() {
    for (amount, fits) in [(99, true), (100, true), (101, false)] {
        let acme = acme(100).unwrap();
        assert_eq!(acme.try_reserve(amount).is_ok(), fits, "{amount}");
    }
}

#[test]
fn a_refusal_says_what_was_available_and_changes_nothing() {
    let acme = acme(100).unwrap();
    let held = acme.try_reserve(60).unwrap();
    let before = acme.snapshot();
    assert_eq!(
        acme.try_reserve(41).unwrap_err(),
        BudgetError::Insufficient {
            tenant: "acme".to_owned(),
            requested_microunits: 41,
            available_microunits: 40,
        }
    );
    assert_eq!(acme.snapshot(), before);
    drop(held);
}

#[test]
fn nothing_and_too_much_are_refused_for_what_they_are() {
    let acme = acme(MAX_AMOUNT_MICROUNITS).unwrap();
    assert!(matches!(acme.try_reserve(0), Err(BudgetError::ZeroAmount { .. })));
    for amount in [MAX_AMOUNT_MICROUNITS + 1, u64::MAX] {
        assert_eq!(
            acme.try_reserve(amount).unwrap_err(),
            BudgetError::AmountTooLarge { amount_microunits: amount }
        );
    }
    assert_eq!(acme.snapshot(), account(MAX_AMOUNT_MICROUNITS, MAX_AMOUNT_MICROUNITS, 0, 0));
}

#[test]
fn the_largest_amount_is_granted_reserved_and_committed() {
    let acme = acme(MAX_AMOUNT_MICROUNITS).unwrap();
    let reservation = acme.try_reserve(MAX_AMOUNT_MICROUNITS).unwrap();
    reservation.commit(MAX_AMOUNT_MICROUNITS).unwrap();
    assert_eq!(acme.snapshot(), account(MAX_AMOUNT_MICROUNITS, 0, 0, MAX_AMOUNT_MICROUNITS));
    assert!(matches!(acme.try_reserve(1), Err(BudgetError::Insufficient { .. })));
}

#[test]
fn an_overrun_gives_the_reservation_back_open() {
    let acme = acme(100).unwrap();
    let reservation = acme.try_reserve(60).unwrap();
    let before = acme.snapshot();
    for actual in [61, 100, u64::MAX] {
        assert!(reservation.check_commit(actual).is_err());
    }

    let refused = reservation.commit(61).unwrap_err();
    assert!(refused.to_string().starts_with("the reservation stays open: "));
    assert_eq!(
        refused.error,
        BudgetError::Overrun {
            tenant: "acme".to_owned(),
            reserved_microunits: 60,
            actual_microunits: 61
        }
    );
    assert_eq!(acme.snapshot(), before);

    assert!(refused.reservation.check_commit(60).is_ok());
    refused.reservation.commit(60).unwrap();
    assert_eq!(acme.snapshot(), account(100, 40, 0, 60));
}

#[test]
fn a_tenant_is_opened_once() {
    let engine = BudgetEngine::new();
    let first = engine.ensure_tenant("acme", 100).unwrap();
    let held = first.try_reserve(60).unwrap();
    let again = engine.ensure_tenant("acme", 100).unwrap();
    assert_eq!(again.snapshot(), account(100, 40, 60, 0));
    assert_eq!(
        engine.ensure_tenant("acme", 200).unwrap_err(),
        BudgetError::GrantDiffers {
            tenant: "acme".to_owned(),
            granted_microunits: 100,
            requested_microunits: 200
        }
    );
    assert_eq!(engine.tenants().len(), 1);
    drop(held);
}

#[test]
fn names_and_grants_are_checked_at_the_door() {
    let engine = BudgetEngine::new();
    let longest = "a".repeat(MAX_NAME_BYTES);
    assert!(engine.ensure_tenant(&longest, 0).is_ok());
    for name in [String::new(), longest + "a"] {
        assert_eq!(
            engine.ensure_tenant(&name, 0).unwrap_err(),
            BudgetError::NameLength { bytes: name.len() }
        );
    }
    assert!(engine.ensure_tenant("rich", MAX_AMOUNT_MICROUNITS).is_ok());
    assert!(matches!(
        engine.ensure_tenant("richer", MAX_AMOUNT_MICROUNITS + 1),
        Err(BudgetError::AmountTooLarge { .. })
    ));
    assert!(engine.tenant("richer").is_none());
}

#[test]
fn an_id_settles_its_own_reservation_once() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    engine.ensure_tenant("globex", 100).unwrap();
    let id = engine.try_reserve("acme", 60).unwrap();
    let before = acme.snapshot();

    let unknown = |tenant: &str, id: ReservationId| BudgetError::UnknownReservation {
        tenant: tenant.to_owned(),
        reservation: id.as_u64(),
    };
    assert_eq!(engine.commit("globex", id, 1).unwrap_err(), unknown("globex", id));
    assert_eq!(engine.release("nobody", id).unwrap_err(), unknown("nobody", id));
    let other = ReservationId::from(id.as_u64() + 1);
    assert_eq!(engine.release("acme", other).unwrap_err(), unknown("acme", other));
    assert!(matches!(engine.commit("acme", id, 61), Err(BudgetError::Overrun { .. })));
    assert_eq!(acme.snapshot(), before);

    assert_eq!(engine.commit("acme", id, 45).unwrap().released_microunits, 15);
    assert_eq!(engine.commit("acme", id, 45).unwrap_err(), unknown("acme", id));
    assert_eq!(acme.snapshot(), account(100, 55, 0, 45));
}

#[test]
fn an_unknown_name_is_not_a_poor_tenant() {
    let engine = BudgetEngine::new();
    assert_eq!(
        engine.try_reserve("acme", 1).unwrap_err(),
        BudgetError::UnknownTenant { tenant: "acme".to_owned() }
    );
}

#[test]
fn handles_and_reservations_move_between_threads_and_outlive_the_engine() {
    fn moves<T: Send + Sync + 'static>() {}
    moves::<Tenant>();
    moves::<Reservation>();
    moves::<BudgetEngine>();

    let acme = acme(100).unwrap();
    let reservation = acme.try_reserve(60).unwrap();
    std::thread::spawn(move || reservation.commit(60).unwrap()).join().unwrap();
    assert_eq!(acme.snapshot(), account(100, 40, 0, 60));
}

#[test]
fn amounts_around_the_width_of_a_word_are_exact() {
    for width in [31_u32, 32, 33, 62] {
        for edge in [(1_u64 << width) - 1, 1 << width, (1 << width) + 1] {
            let engine = BudgetEngine::new();
            let acme = engine.ensure_tenant("acme", 2 * (edge / 2)).unwrap();
            let half = edge / 2;
            let first = acme.try_reserve(half).unwrap();
            let second = acme.try_reserve(half).unwrap();
            assert!(matches!(
                acme.try_reserve(1),
                Err(BudgetError::Insufficient { available_microunits: 0, .. })
            ));
            first.commit(half - 1).unwrap();
            second.commit(1).unwrap();
            let now = acme.snapshot();
            assert_eq!((now.committed_microunits, now.available_microunits), (half, half));
            assert_eq!(now.reserved_microunits, 0);
            assert!(acme.try_reserve(half + 1).is_err());
            acme.try_reserve(half).unwrap().commit(half).unwrap();
            assert_eq!(acme.snapshot().committed_microunits, 2 * half);
        }
    }
}

#[test]
fn a_long_row_of_small_calls_spends_more_than_a_word_holds() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", u64::from(u32::MAX) * 8).unwrap();
    let cost = 1 << 24;
    for calls in 1..=2_000 {
        acme.try_reserve(cost + 5).unwrap().commit(cost).unwrap();
        assert_eq!(acme.snapshot().committed_microunits, calls * cost);
    }
    assert_eq!(acme.snapshot().reserved_microunits, 0);
}
