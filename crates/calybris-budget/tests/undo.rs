//! What goes back while a reservation stays open goes back on every level, and a replay says the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use calybris_budget::{
    AccountSnapshot, Audit, BudgetEngine, BudgetError, BudgetEvent, Microunits, OverrunPolicy,
    Replay, TenantRules,
};
use proptest::prelude::*;

fn accounts(engine: &BudgetEngine) -> Vec<AccountSnapshot> {
    engine.tenants().iter().map(calybris_budget::Tenant::snapshot).collect()
}

/// `acme` with `acme/web` below it, which overdraws.
fn tree(granted: u64, below: u64) -> BudgetEngine {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(granted)).unwrap();
    let web = engine.ensure_child("acme/web", Microunits::new(below), &acme).unwrap();
    let rules = TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt);
    web.set_rules(rules).unwrap();
    engine
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_overdraft_that_is_undone_leaves_no_trace(
        (granted, below) in (0_u64..100, 0_u64..100),
        held in 0_u64..100,
        costs in prop::collection::vec(0_u64..200, 1..4),
    ) {
        let engine = tree(granted, below);
        let web = engine.tenant("acme/web").unwrap();
        let mut reservation = web.try_reserve_allowing_zero(Microunits::new(held.min(granted).min(below))).unwrap();
        for cost in costs {
            let (before, held_before) = (accounts(&engine), reservation.amount());
            if let Some(overdraft) = reservation.cover_overrun(Microunits::new(cost)).unwrap().overdraft {
                reservation.undo_overdraft(&overdraft).unwrap();
            }
            prop_assert_eq!((accounts(&engine), reservation.amount()), (before, held_before));
        }
        reservation.release();
    }

    #[test]
    fn a_part_that_was_released_is_replayed_and_audited(held in 0_u64..=60, part in 0_u64..=61) {
        let engine = tree(100, 60);
        let web = engine.tenant("acme/web").unwrap();
        let mut reservation = web.try_reserve_allowing_zero(Microunits::new(held)).unwrap();
        let before = accounts(&engine);
        let released = reservation.release_part(Microunits::new(part));
        if part > held {
            let refused = matches!(released, Err(BudgetError::Overrun { .. }));
            prop_assert!(refused && accounts(&engine) == before);
            return Ok(());
        }
        released.unwrap();
        let events = [
            BudgetEvent::TenantOpened { tenant: "acme".into(), granted: Microunits::new(100) },
            BudgetEvent::ChildOpened {
                tenant: "acme/web".into(),
                parent: "acme".into(),
                granted: Microunits::new(60),
            },
            BudgetEvent::Reserved { tenant: "acme/web".into(), reservation: 1.into(), amount: Microunits::new(held) },
            BudgetEvent::PartReleased { reservation: 1.into(), amount: Microunits::new(part) },
        ];
        let (mut replay, mut audit) = (Replay::new(), Audit::new());
        for event in events {
            audit.apply(&event).unwrap();
            replay.apply(event).unwrap();
        }
        let replayed = replay.finish();
        prop_assert_eq!(replayed.open_reservations[&1.into()].amount().get(), held - part);
        prop_assert_eq!(accounts(&replayed.engine), accounts(&engine));
        let total = audit.prove(&engine).unwrap();
        prop_assert_eq!(total.reserved_microunits, u128::from(held - part));
    }
}

#[test]
fn an_overdraft_of_somebody_else_is_not_undone() {
    let engine = tree(100, 60);
    let web = engine.tenant("acme/web").unwrap();
    let mut indebted = web.try_reserve(Microunits::new(10)).unwrap();
    let overdraft = indebted.cover_overrun(Microunits::new(100)).unwrap().overdraft.unwrap();
    let before = accounts(&engine);
    let mut small = engine
        .ensure_tenant("globex", Microunits::new(200))
        .unwrap()
        .try_reserve(Microunits::new(200))
        .unwrap();
    assert!(matches!(small.undo_overdraft(&overdraft), Err(BudgetError::OverdraftDiffers { .. })));
    assert_eq!(accounts(&engine)[..2], before[..2]);
    for drawn in [vec![], vec![50], vec![50, 90, 0], vec![50, 91]] {
        let mut other = overdraft.clone();
        other.drawn = drawn.into_iter().map(Microunits::new).collect();
        assert!(matches!(
            indebted.undo_overdraft(&other),
            Err(BudgetError::OverdraftDiffers { .. })
        ));
        assert_eq!(accounts(&engine)[..2], before[..2]);
    }
    indebted.undo_overdraft(&overdraft).unwrap();
    indebted.release();
}

#[test]
fn what_is_asked_beforehand_is_refused_as_it_would_be() {
    let engine = tree(100, 60);
    let acme = engine.tenant("acme").unwrap();
    let web = engine.tenant("acme/web").unwrap();
    let other = BudgetEngine::new().ensure_tenant("acme", Microunits::new(100)).unwrap();
    for (name, granted, parent) in [
        ("", 1, None),
        ("new", u64::MAX, None),
        ("acme", 99, None),
        ("acme", 100, None),
        ("acme", 100, Some(&web)),
        ("acme/web", 60, None),
        ("acme/web", 60, Some(&acme)),
        ("new", 1, Some(&other)),
        ("new", 1, Some(&web)),
        ("newer", 1, None),
    ] {
        let asked = engine.check_open(name, Microunits::new(granted), parent);
        let made = match parent {
            None => engine.ensure_tenant(name, Microunits::new(granted)),
            Some(parent) => engine.ensure_child(name, Microunits::new(granted), parent),
        };
        assert_eq!(asked, made.map(drop), "{name}");
    }
}

#[test]
fn a_top_up_and_a_refund_are_refused_beforehand_as_they_would_be() {
    let engine = BudgetEngine::new();
    let most = calybris_budget::MAX_AMOUNT.get();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    acme.try_reserve(Microunits::new(40)).unwrap().commit(Microunits::new(40)).unwrap();
    for amount in [41, 40, 1].map(Microunits::new) {
        let asked = acme.check_refund(amount);
        assert_eq!(asked.is_ok(), amount.get() <= 40);
        assert_eq!(asked, acme.clone().refund(amount).map(drop));
        if asked.is_ok() {
            acme.try_reserve(amount).unwrap().commit(amount).unwrap();
        }
    }
    for amount in [most + 1, most, most - 99, most - 100].map(Microunits::new) {
        let asked = acme.check_top_up(amount);
        assert_eq!(asked.is_ok(), amount.get() == most - 100);
        assert_eq!(asked, acme.top_up(amount));
    }
}
