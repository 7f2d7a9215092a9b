//! States that no budget can be in: a replay and an audit refuse each of them, and say why.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use calybris_budget::{
    Audit, BudgetEvent, BudgetState, KEY_WINDOW, KeyState, MAX_LEVELS, Microunits, OverrunPolicy,
    Replay, ReservationState, StateError, TenantRules, TenantState,
};

const fn micro(microunits: u64) -> Microunits {
    Microunits::new(microunits)
}

/// A tree of two tenants with debt, rules, an open reservation of 5 and a key.
fn sound() -> BudgetState {
    let mut replay = Replay::new();
    let (acme, web) = (|| "acme".to_owned(), || "web".to_owned());
    let rules = TenantRules::default()
        .with_exposure_cap(micro(60))
        .with_soft_limit(micro(50))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    let (three, nine) = (3.into(), 9.into());
    for event in [
        BudgetEvent::TenantOpened { tenant: acme(), granted: micro(100) },
        BudgetEvent::ChildOpened { tenant: web(), parent: acme(), granted: micro(60) },
        BudgetEvent::RulesSet { tenant: web(), rules },
        BudgetEvent::ReservedOnce {
            tenant: web(),
            reservation: three,
            amount: micro(50),
            key: "request-1".to_owned(),
        },
        BudgetEvent::SoftLimitReached { tenant: web() },
        BudgetEvent::Overdrawn {
            reservation: three,
            extra: micro(20),
            drawn: vec![micro(10), micro(20)],
        },
        BudgetEvent::PartCommitted { reservation: three, actual: micro(65) },
        BudgetEvent::Dispatched { reservation: three },
        BudgetEvent::Reserved { tenant: acme(), reservation: nine, amount: micro(30) },
        BudgetEvent::Released { reservation: nine },
        BudgetEvent::ToppedUp { tenant: acme(), amount: micro(7) },
        BudgetEvent::Frozen { tenant: acme() },
    ] {
        replay.apply(event).unwrap();
    }
    replay.state().unwrap()
}

#[test]
fn a_state_that_was_taken_apart_and_put_together_is_the_same() {
    let whole = sound();
    let mut again = BudgetState::default();
    for tenant in &whole.tenants {
        let mut state = TenantState::new(tenant.tenant.as_str(), tenant.opened_with);
        state.parent.clone_from(&tenant.parent);
        (state.account, state.rules) = (tenant.account, tenant.rules);
        (state.frozen, state.warned) = (tenant.frozen, tenant.warned);
        again.tenants.push(state);
    }
    for open in &whole.reservations {
        let mut state = ReservationState::new(open.reservation, open.tenant.as_str(), open.amount);
        state.dispatched = open.dispatched;
        again.reservations.push(state);
    }
    for found in &whole.keys {
        let (key, tenant) = (found.key.as_str(), found.tenant.as_str());
        again.keys.push(KeyState::new(key, tenant, found.amount, found.reservation));
    }
    again.last_reservation = whole.last_reservation;
    assert_eq!(again, whole);
    assert_eq!(Replay::from_state(&again).unwrap().state().unwrap(), whole);
}

/// What is done to the sound state, and how the refusal begins.
type Damage = (fn(&mut BudgetState), &'static str);

#[test]
fn a_state_that_no_budget_can_be_in_is_refused() {
    let too_much = |state: &mut BudgetState| {
        let account = &mut state.tenants[0].account;
        (account.granted, account.available) = (micro((1 << 63) + 70), micro(1 << 63));
    };
    let twice = |state: &mut BudgetState| {
        state.reservations.push(ReservationState::new(3.into(), "web", micro(0)));
    };
    let same_key = |state: &mut BudgetState| {
        state.keys.push(KeyState::new("request-1", "web", micro(1), 1.into()));
    };
    let refused: [Damage; 19] = [
        (|s| s.tenants[0].account.available = micro(38), "the books of tenant `acme`"),
        (|s| s.tenants[1].account.debt = micro(9), "the books of tenant `web`"),
        (too_much, "the books of tenant `acme`"),
        (
            |s| s.reservations[0].amount = micro(4),
            "tenant `acme` has 5 microunits reserved, its open reservations add up to 4",
        ),
        (
            |s| s.reservations[0].tenant = "acme".to_owned(),
            "tenant `web` has 5 microunits reserved, its open reservations add up to 0",
        ),
        (|s| s.reservations[0].tenant = "globex".to_owned(), "reservation 3 names tenant `globex`"),
        (twice, "the state has reservation 3 twice"),
        (|s| s.reservations[0].reservation = 10.into(), "the state has reservation 10 twice, or"),
        (
            |s| s.reservations.clear(),
            "tenant `acme` has 5 microunits reserved, its open reservations add up to 0",
        ),
        (|s| s.tenants[1].parent = Some("globex".to_owned()), "tenant `web` names tenant `globex`"),
        (|s| s.tenants[1].parent = Some("web".to_owned()), "tenant `web` names tenant `web`"),
        (|s| s.tenants[1].tenant = "acme".to_owned(), "the state has tenant `acme` twice"),
        (|s| s.tenants[1].tenant.clear(), "tenant `` of the state cannot exist"),
        (|s| s.tenants[1].opened_with = Microunits::MAX, "tenant `web` of the state cannot exist"),
        (
            |s| s.tenants[1].rules.exposure_cap = Some(Microunits::MAX),
            "tenant `web` of the state cannot exist",
        ),
        (|s| s.keys[0].key.clear(), "the state has key ``"),
        (|s| s.keys[0].key = "x".repeat(129), "the state has key `x"),
        (|s| s.keys[0].tenant = "globex".to_owned(), "key `request-1` names tenant `globex`"),
        (same_key, "the state has key `request-1` twice"),
    ];
    Replay::from_state(&sound()).unwrap();
    for (damage, beginning) in refused {
        let mut state = sound();
        damage(&mut state);
        let error = Replay::from_state(&state).unwrap_err();
        assert!(error.to_string().starts_with(beginning), "{beginning}: {error}");
        assert_eq!(Audit::from_state(&state).unwrap_err(), error);
    }
}

#[test]
fn a_state_with_too_many_levels_or_keys_is_refused() {
    let name = |level: usize| format!("level-{level}");
    let mut state = BudgetState::default();
    for level in 1..=MAX_LEVELS {
        let mut tenant = TenantState::new(name(level), micro(100));
        tenant.parent = (level > 1).then(|| name(level - 1));
        state.tenants.push(tenant);
    }
    Replay::from_state(&state).unwrap();

    let mut deeper = state.clone();
    let mut below = TenantState::new("deeper", micro(100));
    below.parent = Some(name(MAX_LEVELS));
    deeper.tenants.push(below);
    let refused = Replay::from_state(&deeper).unwrap_err();
    assert_eq!(refused, StateError::TooDeep { tenant: "deeper".to_owned() });

    let key = |index: usize| KeyState::new(format!("request-{index}"), name(1), micro(1), 0.into());
    state.keys = (0..KEY_WINDOW).map(key).collect();
    Replay::from_state(&state).unwrap();
    state.keys.push(key(KEY_WINDOW));
    let refused = Replay::from_state(&state).unwrap_err();
    assert_eq!(refused, StateError::TooManyKeys { keys: KEY_WINDOW + 1 });
}
