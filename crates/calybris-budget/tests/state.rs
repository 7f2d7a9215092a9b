//! Checkpoints: from each place of a log the budget goes on as if it had seen all before it, and
//! what no budget can have given is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use calybris_budget::{
    AccountSnapshot, Audit, BudgetEngine, BudgetError, BudgetEvent, Microunits, OverrunPolicy,
    Replay, ReservationId, StateError, TenantRules,
};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Every kind of event, over few enough names, holds and keys that many of them fit.
fn events() -> impl Strategy<Value = BudgetEvent> {
    let tenant = || prop::sample::select(&NAMES[..]).prop_map(str::to_owned);
    let id = || 1..6_u64;
    let amount = || 0..60_u64;
    let policy = prop::sample::select(vec![
        OverrunPolicy::Reject,
        OverrunPolicy::DrawThenDebt,
        OverrunPolicy::CapAtReserved,
    ]);
    let limit = || prop::option::of(40..120_u64);
    let rules = (limit(), limit(), policy).prop_map(|(cap, soft, overrun)| {
        let mut rules = TenantRules::default().with_overrun(overrun);
        rules.exposure_cap = cap.map(Microunits::new);
        rules.soft_limit = soft.map(Microunits::new);
        rules
    });
    let key = prop::sample::select(vec!["k1", "k2", "k3"]).prop_map(str::to_owned);
    let drawn = prop::collection::vec(0..10_u64, 1..4);
    let of_reservation = |make: fn(ReservationId, u64) -> BudgetEvent| {
        (id(), amount()).prop_map(move |(id, amount)| make(id.into(), amount))
    };
    let of_tenant = |make: fn(String, u64) -> BudgetEvent| {
        (tenant(), amount()).prop_map(move |(tenant, amount)| make(tenant, amount))
    };
    prop_oneof![
        3 => of_tenant(|tenant, _| BudgetEvent::TenantOpened { tenant, granted: Microunits::new(100) }),
        6 => (tenant(), tenant()).prop_map(|(tenant, parent)| BudgetEvent::ChildOpened {
            tenant,
            parent,
            granted: Microunits::new(80),
        }),
        8 => (tenant(), id(), amount()).prop_map(|(tenant, id, amount)| {
            BudgetEvent::Reserved { tenant, reservation: id.into(), amount: Microunits::new(amount) }
        }),
        3 => (tenant(), id(), 1..3_u64, key).prop_map(|(tenant, id, amount, key)| {
            BudgetEvent::ReservedOnce { tenant, reservation: id.into(), amount: Microunits::new(amount), key }
        }),
        2 => of_reservation(|id, amount| BudgetEvent::Extended { reservation: id, amount: Microunits::new(amount) }),
        4 => (id(), 1..60_u64, drawn).prop_map(|(id, extra, drawn)| {
            BudgetEvent::Overdrawn { reservation: id.into(), extra: Microunits::new(extra), drawn: drawn.into_iter().map(Microunits::new).collect() }
        }),
        3 => of_reservation(|id, actual| {
            BudgetEvent::PartCommitted { reservation: id, actual: Microunits::new(actual) }
        }),
        3 => of_reservation(|id, actual| BudgetEvent::Committed { reservation: id, actual: Microunits::new(actual) }),
        1 => of_reservation(|id, _| BudgetEvent::Released { reservation: id }),
        1 => of_reservation(|id, _| BudgetEvent::Expired { reservation: id }),
        2 => of_reservation(|id, _| BudgetEvent::Dispatched { reservation: id }),
        1 => of_tenant(|tenant, amount| {
            BudgetEvent::ToppedUp { tenant, amount: Microunits::new(amount) }
        }),
        1 => of_tenant(|tenant, amount| {
            BudgetEvent::Reduced { tenant, amount: Microunits::new(amount) }
        }),
        1 => of_tenant(|tenant, amount| {
            BudgetEvent::Refunded { tenant, amount: Microunits::new(amount) }
        }),
        1 => of_tenant(|tenant, amount| {
            BudgetEvent::Repaid { tenant, amount: Microunits::new(amount % 9) }
        }),
        1 => of_tenant(|tenant, _| BudgetEvent::Frozen { tenant }),
        1 => of_tenant(|tenant, _| BudgetEvent::Unfrozen { tenant }),
        3 => (tenant(), rules).prop_map(|(tenant, rules)| BudgetEvent::RulesSet { tenant, rules }),
        2 => of_tenant(|tenant, _| BudgetEvent::SoftLimitReached { tenant }),
        1 => (tenant(), tenant(), amount()).prop_map(|(from, to, amount)| {
            BudgetEvent::CarriedOver { from, to, amount: Microunits::new(amount) }
        }),
    ]
}

/// The answers of a replay to further events, refusals included.
fn go_on(replay: &mut Replay, events: &[BudgetEvent]) -> Vec<Result<(), BudgetError>> {
    events.iter().map(|event| replay.apply(event.clone()).map_err(|error| error.error)).collect()
}

/// All that anybody can learn from a budget through its door: what there is, and then what a fixed
/// row of calls is answered.
fn interrogate(replay: Replay) -> Vec<String> {
    let mut found = Vec::new();
    let replayed = replay.finish();
    for tenant in replayed.engine.tenants() {
        let above = tenant.parent().map(|parent| parent.name().to_owned());
        let parts = (tenant.snapshot(), tenant.rules(), tenant.is_frozen());
        found.push(format!("{} below {above:?}: {parts:?}", tenant.name()));
        let opened = [80, 100].map(Microunits::new).map(|grant| match tenant.parent() {
            None => replayed.engine.ensure_tenant(tenant.name(), grant).is_ok(),
            Some(parent) => replayed.engine.ensure_child(tenant.name(), grant, parent).is_ok(),
        });
        found.push(format!("opened with 80 or 100: {opened:?}"));
    }
    for (id, reservation) in &replayed.open_reservations {
        let parts = (reservation.tenant().name(), reservation.amount());
        found.push(format!("{id}: {parts:?}, dispatched {}", reservation.is_dispatched()));
    }
    let engine = replayed.keep_reservations();
    for tenant in NAMES {
        for key in ["k1", "k2", "k3"] {
            for amount in (1..3).map(Microunits::new) {
                let answer = engine.try_reserve_once(key, tenant, amount);
                found.push(format!("{key} of {tenant}, {amount}: {answer:?}"));
            }
        }
        for amount in [40, 10, 1].map(Microunits::new) {
            found.push(format!("{amount} of {tenant}: {:?}", engine.try_reserve(tenant, amount)));
        }
        found.push(format!("warned: {:?}", engine.take_warnings()));
    }
    for open in engine.open_reservations().unwrap() {
        let actual = Microunits::new(open.amount.get() + 5);
        found.push(format!("{:?}", engine.commit(&open.tenant, open.id, actual)));
    }
    found.push(format!("{:?}", engine.tenants()));
    found
}

fn replayed(events: &[BudgetEvent]) -> Replay {
    let mut replay = Replay::new();
    go_on(&mut replay, events);
    replay
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_budget_goes_on_from_a_checkpoint_at_any_place(
        events in prop::collection::vec(events(), 1..70)
    ) {
        let whole = replayed(&events).state().unwrap();
        let answers = interrogate(replayed(&events));
        let mut all = Replay::new();
        for place in 0..=events.len() {
            let (before, after) = events.split_at(place);
            let checkpoint = replayed(before).state().unwrap();
            let mut resumed = Replay::from_state(&checkpoint).unwrap();
            prop_assert_eq!(&resumed.state().unwrap(), &checkpoint);
            let again = Replay::from_state(&checkpoint).unwrap();
            prop_assert_eq!(interrogate(again), interrogate(replayed(before)));

            prop_assert_eq!(go_on(&mut resumed, after), go_on(&mut replayed(before), after));
            prop_assert_eq!(&resumed.state().unwrap(), &whole);
            prop_assert_eq!(&interrogate(resumed), &answers);

            // The audit goes on as well, over the events that were not refused.
            let mut audit = Audit::from_state(&checkpoint).unwrap();
            let mut resumed = Replay::from_state(&checkpoint).unwrap();
            for event in after {
                if resumed.apply(event.clone()).is_ok() {
                    audit.apply(event).unwrap();
                }
            }
            audit.prove(&resumed.finish().engine).unwrap();
            if let Some(event) = after.first() {
                let _refused = all.apply(event.clone());
            }
        }
        prop_assert_eq!(&all.state().unwrap(), &whole);
    }
}

/// A live budget that logs what it does, with reservations of its own and of the engine.
fn live() -> (BudgetEngine, Vec<BudgetEvent>, BTreeMap<ReservationId, calybris_budget::Reservation>)
{
    let engine = BudgetEngine::new();
    let tenant = || "acme".to_owned();
    let mut log = Vec::new();
    log.push(BudgetEvent::TenantOpened { tenant: tenant(), granted: Microunits::new(1_000) });
    let acme = engine.ensure_tenant("acme", Microunits::new(1_000)).unwrap();
    log.push(BudgetEvent::ChildOpened {
        tenant: "a key".to_owned(),
        parent: tenant(),
        granted: Microunits::new(500),
    });
    let key = engine.ensure_child("a key", Microunits::new(500), &acme).unwrap();
    let rules = TenantRules::default()
        .with_exposure_cap(Microunits::new(400))
        .with_soft_limit(Microunits::new(100))
        .with_overrun(OverrunPolicy::DrawThenDebt);
    key.set_rules(rules).unwrap();
    log.push(BudgetEvent::RulesSet { tenant: "a key".to_owned(), rules });
    let id = engine.try_reserve_once("request-1", "a key", Microunits::new(70)).unwrap();
    log.push(BudgetEvent::ReservedOnce {
        tenant: "a key".to_owned(),
        reservation: id,
        amount: Microunits::new(70),
        key: "request-1".to_owned(),
    });
    let mut owned = BTreeMap::new();
    for id in [20, 21].map(ReservationId::from) {
        let mut reservation = key.try_reserve(Microunits::new(30)).unwrap();
        log.push(BudgetEvent::Reserved {
            tenant: "a key".to_owned(),
            reservation: id,
            amount: Microunits::new(30),
        });
        log.push(BudgetEvent::Dispatched { reservation: id });
        reservation.mark_dispatched(id);
        owned.insert(id, reservation);
    }
    (engine, log, owned)
}

#[test]
fn a_live_checkpoint_is_that_of_its_log() {
    let (engine, mut log, owned) = live();
    let live = || engine.state(owned.iter().map(|(id, held)| (*id, held))).unwrap();
    let logged = |log: &[BudgetEvent]| replayed(log).state().unwrap();
    // Nobody has taken the warning yet, so it is not in the log, and not lost.
    assert_eq!(live(), logged(&log));
    assert_eq!(engine.take_warnings().len(), 1);
    assert_ne!(live(), logged(&log));
    log.push(BudgetEvent::SoftLimitReached { tenant: "a key".to_owned() });
    assert_eq!(live(), logged(&log));
}

#[test]
fn no_number_is_given_out_twice_where_a_caller_chose_one_above_those_of_the_budget() {
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", Microunits::new(100)).unwrap();
    let id = engine.try_reserve_once("request-1", "acme", Microunits::new(5)).unwrap();
    engine.commit("acme", id, Microunits::new(5)).unwrap();
    let chosen = u64::MAX - 7;
    engine.detach_as(chosen.into(), acme.try_reserve(Microunits::new(10)).unwrap(), None).unwrap();

    let checkpoint = engine.state([]).unwrap();
    let restored = Replay::from_state(&checkpoint).unwrap();
    assert_eq!(restored.state().unwrap(), checkpoint);
    let restored = restored.finish().keep_reservations();
    // What the key answers with must not be somebody else's reservation.
    let other = restored.try_reserve("acme", Microunits::new(20)).unwrap();
    assert_ne!(restored.try_reserve_once("request-1", "acme", Microunits::new(5)).unwrap(), other);
    restored.commit("acme", chosen.into(), Microunits::new(10)).unwrap();
}

#[test]
fn a_live_checkpoint_without_all_its_reservations_is_refused() {
    let (engine, _, owned) = live();
    let first = ReservationId::from(20);
    let refused = engine.state([(first, &owned[&first])]).unwrap_err();
    assert_eq!(
        refused,
        StateError::ReservedDiffers {
            tenant: "a key".to_owned(),
            reserved: Microunits::new(130),
            open_microunits: 100,
        }
    );
    let twice = engine
        .state([(first, &owned[&first]), (first, &owned[&ReservationId::from(21)])])
        .unwrap_err();
    assert_eq!(twice, StateError::ReservationOutOfTurn { reservation: first });
}

#[test]
fn a_hundred_thousand_tenants_and_their_reservations_fit_in_a_checkpoint() {
    let mut replay = Replay::new();
    for id in 0..100_000_u64 {
        let tenant = format!("tenant-{id:06}");
        let opened =
            BudgetEvent::TenantOpened { tenant: tenant.clone(), granted: Microunits::new(1_000) };
        replay.apply(opened).unwrap();
        replay
            .apply(BudgetEvent::Reserved {
                tenant,
                reservation: id.into(),
                amount: Microunits::new(10),
            })
            .unwrap();
    }
    let checkpoint = replay.state().unwrap();
    let resumed = Replay::from_state(&checkpoint).unwrap().finish();
    assert_eq!(resumed.open_reservations.len(), 100_000);
    let reserved = |now: AccountSnapshot| (now.available.get(), now.reserved.get());
    assert!(resumed.engine.tenants().iter().all(|t| reserved(t.snapshot()) == (990, 10)));
}
