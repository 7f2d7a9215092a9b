//! The laws of one account, one thread: every transition and every refusal.

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, MAX_AMOUNT, MAX_NAME_BYTES, Microunits,
    Reservation, ReservationId, Tenant,
};

fn account(granted: u64, available: u64, reserved: u64, committed: u64) -> AccountSnapshot {
    let mut account = AccountSnapshot::default();
    account.granted = Microunits::new(granted);
    account.available = Microunits::new(available);
    account.reserved = Microunits::new(reserved);
    account.committed = Microunits::new(committed);
    account
}

fn acme(granted: u64) -> Result<Tenant, BudgetError> {
    BudgetEngine::new().ensure_tenant("acme", Microunits::new(granted))
}

#[test]
fn surplus_returns_to_the_tenant() {
    let acme = acme(100).unwrap();
    let settled =
        acme.try_reserve(Microunits::new(60)).unwrap().commit(Microunits::new(45)).unwrap();
    assert_eq!((settled.committed.get(), settled.released.get()), (45, 15));
    assert_eq!(acme.snapshot(), account(100, 55, 0, 45));
}

#[test]
fn a_call_may_turn_out_to_be_free() {
    let acme = acme(100).unwrap();
    let settled =
        acme.try_reserve(Microunits::new(60)).unwrap().commit(Microunits::new(0)).unwrap();
    assert_eq!((settled.committed.get(), settled.released.get()), (0, 60));
    assert_eq!(acme.snapshot(), account(100, 100, 0, 0));
}

#[test]
fn a_dropped_reservation_is_released() {
    let acme = acme(100).unwrap();
    drop(acme.try_reserve(Microunits::new(60)).unwrap());
    assert_eq!(acme.snapshot(), account(100, 100, 0, 0));
}

#[test]
fn a_panicking_call_gives_its_amount_back() {
    let acme = acme(100).unwrap();
    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
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
        assert_eq!(acme.try_reserve(Microunits::new(amount)).is_ok(), fits, "{amount}");
    }
}

#[test]
fn a_refusal_says_what_was_available_and_changes_nothing() {
    let acme = acme(100).unwrap();
    let held = acme.try_reserve(Microunits::new(60)).unwrap();
    let before = acme.snapshot();
    assert_eq!(
        acme.try_reserve(Microunits::new(41)).unwrap_err(),
        BudgetError::Insufficient {
            tenant: "acme".to_owned(),
            requested: Microunits::new(41),
            available: Microunits::new(40),
        }
    );
    assert_eq!(acme.snapshot(), before);
    drop(held);
}

#[test]
fn nothing_and_too_much_are_refused_for_what_they_are() {
    let acme = acme(MAX_AMOUNT.get()).unwrap();
    assert!(matches!(acme.try_reserve(Microunits::new(0)), Err(BudgetError::ZeroAmount { .. })));
    for amount in [Microunits::new(MAX_AMOUNT.get() + 1), Microunits::MAX] {
        assert_eq!(acme.try_reserve(amount).unwrap_err(), BudgetError::AmountTooLarge { amount });
    }
    assert_eq!(acme.snapshot(), account(MAX_AMOUNT.get(), MAX_AMOUNT.get(), 0, 0));
}

#[test]
fn the_largest_amount_is_granted_reserved_and_committed() {
    let acme = acme(MAX_AMOUNT.get()).unwrap();
    let reservation = acme.try_reserve(MAX_AMOUNT).unwrap();
    reservation.commit(MAX_AMOUNT).unwrap();
    assert_eq!(acme.snapshot(), account(MAX_AMOUNT.get(), 0, 0, MAX_AMOUNT.get()));
    assert!(matches!(acme.try_reserve(Microunits::new(1)), Err(BudgetError::Insufficient { .. })));
}

#[test]
fn an_overrun_gives_the_reservation_back_open() {
    let acme = acme(100).unwrap();
    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    let before = acme.snapshot();
    for actual in [61, 100, u64::MAX] {
        assert!(reservation.check_commit(Microunits::new(actual)).is_err());
    }

    let refused = reservation.commit(Microunits::new(61)).unwrap_err();
    assert!(refused.to_string().starts_with("the reservation stays open: "));
    assert_eq!(
        refused.error,
        BudgetError::Overrun {
            tenant: "acme".to_owned(),
            reserved: Microunits::new(60),
            actual: Microunits::new(61)
        }
    );
    assert_eq!(acme.snapshot(), before);

    assert!(refused.reservation.check_commit(Microunits::new(60)).is_ok());
    refused.reservation.commit(Microunits::new(60)).unwrap();
    assert_eq!(acme.snapshot(), account(100, 40, 0, 60));
}

#[test]
fn a_tenant_is_opened_once() {
    let engine = BudgetEngine::new();
    let first = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let held = first.try_reserve(Microunits::new(60)).unwrap();
    let again = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    assert_eq!(again.snapshot(), account(100, 40, 60, 0));
    assert_eq!(
        engine.ensure_tenant("acme", Microunits::new(200)).unwrap_err(),
        BudgetError::GrantDiffers {
            tenant: "acme".to_owned(),
            granted: Microunits::new(100),
            requested: Microunits::new(200)
        }
    );
    assert_eq!(engine.tenants().len(), 1);
    drop(held);
}

#[test]
fn names_and_grants_are_checked_at_the_door() {
    let engine = BudgetEngine::new();
    let longest = "a".repeat(MAX_NAME_BYTES);
    assert!(engine.ensure_tenant(&longest, Microunits::new(0)).is_ok());
    for name in [String::new(), longest + "a"] {
        assert_eq!(
            engine.ensure_tenant(&name, Microunits::new(0)).unwrap_err(),
            BudgetError::NameLength { bytes: name.len() }
        );
    }
    assert!(engine.ensure_tenant("rich", MAX_AMOUNT).is_ok());
    assert!(matches!(
        engine.ensure_tenant("richer", Microunits::new(MAX_AMOUNT.get() + 1)),
        Err(BudgetError::AmountTooLarge { .. })
    ));
    assert!(engine.tenant("richer").is_none());
}

#[test]
fn an_id_settles_its_own_reservation_once() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    engine.ensure_tenant("globex", Microunits::new(100)).unwrap();
    let id = engine.try_reserve("acme", Microunits::new(60)).unwrap();
    let before = acme.snapshot();

    let unknown = |tenant: &str, id: ReservationId| BudgetError::UnknownReservation {
        tenant: tenant.to_owned(),
        reservation: id.as_u64().into(),
    };
    assert_eq!(engine.commit("globex", id, Microunits::new(1)).unwrap_err(), unknown("globex", id));
    assert_eq!(engine.release("nobody", id).unwrap_err(), unknown("nobody", id));
    let other = ReservationId::from(id.as_u64() + 1);
    assert_eq!(engine.release("acme", other).unwrap_err(), unknown("acme", other));
    assert!(matches!(
        engine.commit("acme", id, Microunits::new(61)),
        Err(BudgetError::Overrun { .. })
    ));
    assert_eq!(acme.snapshot(), before);

    assert_eq!(
        engine.commit("acme", id, Microunits::new(45)).unwrap().released,
        Microunits::new(15)
    );
    assert_eq!(engine.commit("acme", id, Microunits::new(45)).unwrap_err(), unknown("acme", id));
    assert_eq!(acme.snapshot(), account(100, 55, 0, 45));
}

#[test]
fn an_unknown_name_is_not_a_poor_tenant() {
    let engine = BudgetEngine::new();
    assert_eq!(
        engine.try_reserve("acme", Microunits::new(1)).unwrap_err(),
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
    let reservation = acme.try_reserve(Microunits::new(60)).unwrap();
    std::thread::spawn(move || reservation.commit(Microunits::new(60)).unwrap()).join().unwrap();
    assert_eq!(acme.snapshot(), account(100, 40, 0, 60));
}

#[test]
fn amounts_around_the_width_of_a_word_are_exact() {
    for width in [31_u32, 32, 33, 62] {
        for edge in [(1_u64 << width) - 1, 1 << width, (1 << width) + 1] {
            let engine = BudgetEngine::new();
            let acme = engine.ensure_tenant("acme", Microunits::new(2 * (edge / 2))).unwrap();
            let half = edge / 2;
            let first = acme.try_reserve(Microunits::new(half)).unwrap();
            let second = acme.try_reserve(Microunits::new(half)).unwrap();
            assert!(matches!(
                acme.try_reserve(Microunits::new(1)),
                Err(BudgetError::Insufficient { available, .. }) if available.is_zero()
            ));
            first.commit(Microunits::new(half - 1)).unwrap();
            second.commit(Microunits::new(1)).unwrap();
            let now = acme.snapshot();
            assert_eq!((now.committed.get(), now.available.get()), (half, half));
            assert_eq!(now.reserved, Microunits::new(0));
            assert!(acme.try_reserve(Microunits::new(half + 1)).is_err());
            acme.try_reserve(Microunits::new(half)).unwrap().commit(Microunits::new(half)).unwrap();
            assert_eq!(acme.snapshot().committed, Microunits::new(2 * half));
        }
    }
}

#[test]
fn a_long_row_of_small_calls_spends_more_than_a_word_holds() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(u64::from(u32::MAX) * 8)).unwrap();
    let cost = 1 << 24;
    for calls in 1..=2_000 {
        let reservation = acme.try_reserve(Microunits::new(cost + 5)).unwrap();
        reservation.commit(Microunits::new(cost)).unwrap();
        assert_eq!(acme.snapshot().committed, Microunits::new(calls * cost));
    }
    assert_eq!(acme.snapshot().reserved, Microunits::new(0));
}
