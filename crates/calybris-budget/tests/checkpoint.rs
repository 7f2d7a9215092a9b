//! Checkpoints: from each place of a log the budget goes on as if it had seen all before it, and
//! what no budget can have given is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use calybris_budget::{
    AccountSnapshot, Audit, BudgetEngine, BudgetError, BudgetEvent, CheckpointError, OverrunPolicy,
    Replay, TenantRules,
};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Every kind of event, over few enough names, holds and keys that many of them fit.
fn events() -> impl Strategy<Value = BudgetEvent> {
    let tenant = || prop::sample::select(&NAMES[..]).prop_map(str::to_owned);
    let hold = || 1..6_u64;
    let amount = || 0..60_u64;
    let policy = prop::sample::select(vec![
        OverrunPolicy::Reject,
        OverrunPolicy::DrawThenDebt,
        OverrunPolicy::CapAtReserved,
    ]);
    let limit = || prop::option::of(40..120_u64);
    let rules = (limit(), limit(), policy).prop_map(|(cap, soft, overrun)| TenantRules {
        exposure_cap_microunits: cap,
        soft_limit_microunits: soft,
        overrun,
    });
    let key = prop::sample::select(vec!["k1", "k2", "k3"]).prop_map(str::to_owned);
    let drawn = prop::collection::vec(0..10_u64, 1..4);
    let of_hold = |make: fn(u64, u64) -> BudgetEvent| {
        (hold(), amount()).prop_map(move |(hold, amount)| make(hold, amount))
    };
    let of_tenant = |make: fn(String, u64) -> BudgetEvent| {
        (tenant(), amount()).prop_map(move |(tenant, amount)| make(tenant, amount))
    };
    prop_oneof![
        3 => of_tenant(|tenant, _| BudgetEvent::TenantOpened { tenant, granted_microunits: 100 }),
        6 => (tenant(), tenant()).prop_map(|(tenant, parent)| BudgetEvent::ChildOpened {
            tenant,
            parent,
            granted_microunits: 80,
        }),
        8 => (tenant(), hold(), amount()).prop_map(|(tenant, hold, amount_microunits)| {
            BudgetEvent::Reserved { tenant, hold, amount_microunits }
        }),
        3 => (tenant(), hold(), 1..3_u64, key).prop_map(|(tenant, hold, amount_microunits, key)| {
            BudgetEvent::ReservedOnce { tenant, hold, amount_microunits, key }
        }),
        2 => of_hold(|hold, amount_microunits| BudgetEvent::Extended { hold, amount_microunits }),
        4 => (hold(), 1..60_u64, drawn).prop_map(|(hold, extra_microunits, drawn_microunits)| {
            BudgetEvent::Overdrawn { hold, extra_microunits, drawn_microunits }
        }),
        3 => of_hold(|hold, actual_microunits| {
            BudgetEvent::PartCommitted { hold, actual_microunits }
        }),
        3 => of_hold(|hold, actual_microunits| BudgetEvent::Committed { hold, actual_microunits }),
        1 => of_hold(|hold, _| BudgetEvent::Released { hold }),
        1 => of_hold(|hold, _| BudgetEvent::Expired { hold }),
        2 => of_hold(|hold, _| BudgetEvent::Dispatched { hold }),
        1 => of_tenant(|tenant, amount_microunits| {
            BudgetEvent::ToppedUp { tenant, amount_microunits }
        }),
        1 => of_tenant(|tenant, amount_microunits| {
            BudgetEvent::Reduced { tenant, amount_microunits }
        }),
        1 => of_tenant(|tenant, amount_microunits| {
            BudgetEvent::Refunded { tenant, amount_microunits }
        }),
        1 => of_tenant(|tenant, amount| {
            BudgetEvent::Repaid { tenant, amount_microunits: amount % 9 }
        }),
        1 => of_tenant(|tenant, _| BudgetEvent::Frozen { tenant }),
        1 => of_tenant(|tenant, _| BudgetEvent::Unfrozen { tenant }),
        3 => (tenant(), rules).prop_map(|(tenant, rules)| BudgetEvent::RulesSet { tenant, rules }),
        2 => of_tenant(|tenant, _| BudgetEvent::SoftLimitReached { tenant }),
        1 => (tenant(), tenant(), amount()).prop_map(|(from, to, amount_microunits)| {
            BudgetEvent::CarriedOver { from, to, amount_microunits }
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
        let opened = [80, 100].map(|grant| match tenant.parent() {
            None => replayed.engine.ensure_tenant(tenant.name(), grant).is_ok(),
            Some(parent) => replayed.engine.ensure_child(tenant.name(), grant, parent).is_ok(),
        });
        found.push(format!("opened with 80 or 100: {opened:?}"));
    }
    for (hold, reservation) in &replayed.open_holds {
        let parts = (reservation.tenant().name(), reservation.amount_microunits());
        found.push(format!("{hold}: {parts:?}, dispatched {}", reservation.is_dispatched()));
    }
    let engine = replayed.keep_holds();
    for tenant in NAMES {
        for key in ["k1", "k2", "k3"] {
            for amount in 1..3 {
                let answer = engine.try_reserve_once(key, tenant, amount);
                found.push(format!("{key} of {tenant}, {amount}: {answer:?}"));
            }
        }
        for amount in [40, 10, 1] {
            found.push(format!("{amount} of {tenant}: {:?}", engine.try_reserve(tenant, amount)));
        }
        found.push(format!("warned: {:?}", engine.take_warnings()));
    }
    for open in engine.open_holds() {
        found.push(format!(
            "{:?}",
            engine.commit(&open.tenant, open.id, open.amount_microunits + 5)
        ));
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
        let whole = replayed(&events).checkpoint().unwrap();
        let answers = interrogate(replayed(&events));
        let mut all = Replay::new();
        for place in 0..=events.len() {
            let (before, after) = events.split_at(place);
            let checkpoint = replayed(before).checkpoint().unwrap();
            let mut resumed = Replay::from_checkpoint(&checkpoint).unwrap();
            prop_assert_eq!(&resumed.checkpoint().unwrap(), &checkpoint);
            let again = Replay::from_checkpoint(&checkpoint).unwrap();
            prop_assert_eq!(interrogate(again), interrogate(replayed(before)));

            prop_assert_eq!(go_on(&mut resumed, after), go_on(&mut replayed(before), after));
            prop_assert_eq!(&resumed.checkpoint().unwrap(), &whole);
            prop_assert_eq!(&interrogate(resumed), &answers);

            // The audit goes on as well, over the events that were not refused.
            let mut audit = Audit::from_checkpoint(&checkpoint).unwrap();
            let mut resumed = Replay::from_checkpoint(&checkpoint).unwrap();
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
        prop_assert_eq!(&all.checkpoint().unwrap(), &whole);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_checkpoint_is_the_same_after_it_was_encoded(
        events in prop::collection::vec(events(), 0..70)
    ) {
        use calybris_budget::Checkpoint;

        let checkpoint = replayed(&events).checkpoint().unwrap();
        let line = serde_json::to_string(&checkpoint).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Checkpoint>(&line).unwrap(), &checkpoint);
        let bytes = bincode::serde::encode_to_vec(&checkpoint, bincode::config::standard()).unwrap();
        let (decoded, read): (Checkpoint, _) =
            bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        prop_assert_eq!((decoded, read), (checkpoint, bytes.len()));
    }
}

/// A live budget that logs what it does, with holds in its own hands and in the engine's.
fn live() -> (BudgetEngine, Vec<BudgetEvent>, BTreeMap<u64, calybris_budget::Reservation>) {
    let engine = BudgetEngine::new();
    let tenant = || "acme".to_owned();
    let mut log = Vec::new();
    log.push(BudgetEvent::TenantOpened { tenant: tenant(), granted_microunits: 1_000 });
    let acme = engine.ensure_tenant("acme", 1_000).unwrap();
    log.push(BudgetEvent::ChildOpened {
        tenant: "a key".to_owned(),
        parent: tenant(),
        granted_microunits: 500,
    });
    let key = engine.ensure_child("a key", 500, &acme).unwrap();
    let rules = TenantRules {
        soft_limit_microunits: Some(100),
        exposure_cap_microunits: Some(400),
        overrun: OverrunPolicy::DrawThenDebt,
    };
    key.set_rules(rules).unwrap();
    log.push(BudgetEvent::RulesSet { tenant: "a key".to_owned(), rules });
    let id = engine.try_reserve_once("request-1", "a key", 70).unwrap();
    log.push(BudgetEvent::ReservedOnce {
        tenant: "a key".to_owned(),
        hold: id.as_u64(),
        amount_microunits: 70,
        key: "request-1".to_owned(),
    });
    let mut owned = BTreeMap::new();
    for hold in [20, 21] {
        let mut reservation = key.try_reserve(30).unwrap();
        log.push(BudgetEvent::Reserved { tenant: "a key".to_owned(), hold, amount_microunits: 30 });
        log.push(BudgetEvent::Dispatched { hold });
        reservation.mark_dispatched(hold.into());
        owned.insert(hold, reservation);
    }
    (engine, log, owned)
}

#[test]
fn a_live_checkpoint_is_that_of_its_log() {
    let (engine, mut log, owned) = live();
    let live = || engine.checkpoint(owned.iter().map(|(hold, held)| (*hold, held))).unwrap();
    let logged = |log: &[BudgetEvent]| replayed(log).checkpoint().unwrap();
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
    let acme = engine.ensure_tenant("acme", 100).unwrap();
    let id = engine.try_reserve_once("request-1", "acme", 5).unwrap();
    engine.commit("acme", id, 5).unwrap();
    let chosen = u64::MAX - 7;
    engine.detach_as(chosen.into(), acme.try_reserve(10).unwrap(), None).unwrap();

    let checkpoint = engine.checkpoint([]).unwrap();
    let restored = Replay::from_checkpoint(&checkpoint).unwrap();
    assert_eq!(restored.checkpoint().unwrap(), checkpoint);
    let restored = restored.finish().keep_holds();
    // What the key answers with must not be somebody else's hold.
    let other = restored.try_reserve("acme", 20).unwrap();
    assert_ne!(restored.try_reserve_once("request-1", "acme", 5).unwrap(), other);
    restored.commit("acme", chosen.into(), 10).unwrap();
}

#[test]
fn a_live_checkpoint_without_all_its_holds_is_refused() {
    let (engine, _, owned) = live();
    let refused = engine.checkpoint([(20, &owned[&20])]).unwrap_err();
    assert_eq!(
        refused,
        CheckpointError::HeldDiffers {
            tenant: "a key".to_owned(),
            reserved_microunits: 130,
            held_microunits: 100,
        }
    );
    let twice = engine.checkpoint([(20, &owned[&20]), (20, &owned[&21])]).unwrap_err();
    assert_eq!(twice, CheckpointError::HoldOutOfTurn { hold: 20 });
}

#[test]
fn a_hundred_thousand_tenants_and_their_holds_fit_in_a_checkpoint() {
    let mut replay = Replay::new();
    for hold in 0..100_000_u64 {
        let tenant = format!("tenant-{hold:06}");
        let opened =
            BudgetEvent::TenantOpened { tenant: tenant.clone(), granted_microunits: 1_000 };
        replay.apply(opened).unwrap();
        replay.apply(BudgetEvent::Reserved { tenant, hold, amount_microunits: 10 }).unwrap();
    }
    let checkpoint = replay.checkpoint().unwrap();
    let resumed = Replay::from_checkpoint(&checkpoint).unwrap().finish();
    assert_eq!(resumed.open_holds.len(), 100_000);
    let reserved = |now: AccountSnapshot| (now.available_microunits, now.reserved_microunits);
    assert!(resumed.engine.tenants().iter().all(|t| reserved(t.snapshot()) == (990, 10)));
}
