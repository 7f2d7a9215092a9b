//! The events: every prefix replays to a valid ledger, and an independent fold agrees with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, BudgetEvent, Replay, Replayed, Reservation,
};
use parking_lot::Mutex;
use proptest::prelude::*;

fn opened(tenant: &str, granted_microunits: u64) -> BudgetEvent {
    BudgetEvent::TenantOpened { tenant: tenant.to_owned(), granted_microunits }
}

fn reserved(tenant: &str, hold: u64, amount_microunits: u64) -> BudgetEvent {
    BudgetEvent::Reserved { tenant: tenant.to_owned(), hold, amount_microunits }
}

fn committed(hold: u64, actual_microunits: u64) -> BudgetEvent {
    BudgetEvent::Committed { hold, actual_microunits }
}

/// The four quantities (none of them may be negative), each summed up from the events on its own; no identity is used.
fn fold(events: &[BudgetEvent]) -> BTreeMap<String, AccountSnapshot> {
    let mut accounts: BTreeMap<String, [i128; 4]> = BTreeMap::new();
    let mut holds: BTreeMap<u64, (String, i128)> = BTreeMap::new();
    for event in events {
        match event {
            BudgetEvent::TenantOpened { tenant, granted_microunits } => {
                let granted = i128::from(*granted_microunits);
                accounts.entry(tenant.clone()).or_insert([granted, granted, 0, 0]);
            }
            BudgetEvent::Reserved { tenant, hold, amount_microunits }
            | BudgetEvent::ReservedOnce { tenant, hold, amount_microunits, .. } => {
                let amount = i128::from(*amount_microunits);
                let account = accounts.get_mut(tenant).unwrap();
                account[1] -= amount;
                account[2] += amount;
                assert!(holds.insert(*hold, (tenant.clone(), amount)).is_none());
            }
            BudgetEvent::Committed { hold, actual_microunits } => {
                let (tenant, amount) = holds.remove(hold).unwrap();
                let actual = i128::from(*actual_microunits);
                let account = accounts.get_mut(&tenant).unwrap();
                account[2] -= amount;
                account[3] += actual;
                account[1] += amount - actual;
            }
            BudgetEvent::Released { hold } => {
                let (tenant, amount) = holds.remove(hold).unwrap();
                let account = accounts.get_mut(&tenant).unwrap();
                account[2] -= amount;
                account[1] += amount;
            }
            other => panic!("the fold does not know {other:?}"),
        }
    }
    let amount = |signed: i128| u64::try_from(signed).unwrap();
    accounts
        .into_iter()
        .map(|(tenant, [granted, available, reserved, committed])| {
            let snapshot = AccountSnapshot {
                granted_microunits: amount(granted),
                available_microunits: amount(available),
                reserved_microunits: amount(reserved),
                committed_microunits: amount(committed),
                debt_microunits: 0,
            };
            (tenant, snapshot)
        })
        .collect()
}

fn live(engine: &BudgetEngine) -> BTreeMap<String, AccountSnapshot> {
    engine.tenants().iter().map(|t| (t.name().to_owned(), t.snapshot())).collect()
}

fn check_prefix(events: &[BudgetEvent]) -> Replayed {
    let replayed = Replay::run(events.iter().cloned()).unwrap();
    let accounts = live(&replayed.engine);
    assert_eq!(accounts, fold(events));
    let held: u64 = replayed.open_holds.values().map(Reservation::amount_microunits).sum();
    assert_eq!(held, accounts.values().map(|account| account.reserved_microunits).sum::<u64>());
    for account in accounts.values() {
        assert_eq!(
            account.granted_microunits,
            account.available_microunits
                + account.reserved_microunits
                + account.committed_microunits
        );
    }
    replayed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_prefix_replays_to_a_valid_ledger(
        steps in prop::collection::vec((0..3_usize, 1..400_u64, any::<u64>(), 0..5_u8), 0..40)
    ) {
        // A live budget that logs by the ordering rule.
        let engine = BudgetEngine::new();
        let mut log = Vec::new();
        let mut open = BTreeMap::new();
        for (index, name) in ["acme", "globex", "initech"].iter().enumerate() {
            let granted = 1_000 * u64::try_from(index).unwrap();
            log.push(opened(name, granted));
            engine.ensure_tenant(name, granted).unwrap();
        }
        for (hold, (tenant, amount, seed, what)) in (0_u64..).zip(steps) {
            let tenant = &engine.tenants()[tenant];
            if let Ok(reservation) = tenant.try_reserve(amount) {
                log.push(reserved(tenant.name(), hold, amount));
                open.insert(hold, reservation);
            }
            let pick = seed % (hold + 1);
            match (what, open.remove(&pick)) {
                (0..=1, Some(reservation)) => {
                    log.push(committed(pick, seed % (reservation.amount_microunits() + 1)));
                    let actual = seed % (reservation.amount_microunits() + 1);
                    reservation.commit(actual).unwrap();
                }
                (2, Some(reservation)) => {
                    log.push(BudgetEvent::Released { hold: pick });
                    reservation.release();
                }
                (_, Some(reservation)) => { open.insert(pick, reservation); }
                (_, None) => {}
            }
        }
        for length in 0..=log.len() {
            check_prefix(&log[..length]);
        }
        prop_assert_eq!(live(&check_prefix(&log).engine), live(&engine));
    }
}

#[test]
fn threads_that_keep_the_ordering_rule_leave_a_log_whose_prefixes_are_valid() {
    let log = Mutex::new(vec![opened("acme", 50)]);
    let engine = BudgetEngine::new();
    let acme = engine.ensure_tenant("acme", 50).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (acme, log) = (&acme, &log);
            scope.spawn(move || {
                for step in 0..2_000 {
                    let hold = thread * 1_000_000 + step;
                    // Tight enough that most debits spend what another thread gave back.
                    let Ok(reservation) = acme.try_reserve(20) else { continue };
                    log.lock().push(reserved("acme", hold, 20));
                    if step % 100 == 0 && step < 1_000 {
                        log.lock().push(committed(hold, 1));
                        reservation.commit(1).unwrap();
                    } else {
                        log.lock().push(BudgetEvent::Released { hold });
                        reservation.release();
                    }
                }
            });
        }
    });
    // A replay refuses the first event that the ledger before it cannot cover, so one run checks
    // every prefix.
    let log = log.into_inner();
    assert_eq!(live(&check_prefix(&log).engine), live(&engine));
}

#[test]
fn open_holds_come_back_as_reservations() {
    let mut replayed =
        Replay::run([opened("acme", 100), reserved("acme", 7, 60), reserved("acme", 9, 30)])
            .unwrap();
    let acme = replayed.engine.tenant("acme").unwrap();
    assert_eq!(acme.snapshot().reserved_microunits, 90);
    assert_eq!(replayed.open_holds.keys().copied().collect::<Vec<_>>(), [7, 9]);

    replayed.open_holds.remove(&7).unwrap().commit(50).unwrap();
    replayed.open_holds.remove(&9).unwrap().release();
    let now = acme.snapshot();
    assert_eq!((now.available_microunits, now.committed_microunits), (50, 50));
}

#[test]
fn an_event_that_does_not_fit_is_named_by_its_index_and_changes_nothing() {
    let once = |hold, amount_microunits, key: &str| BudgetEvent::ReservedOnce {
        tenant: "acme".to_owned(),
        hold,
        amount_microunits,
        key: key.to_owned(),
    };
    let start = [opened("acme", 100), once(7, 60, "k")];
    let unknown = BudgetError::UnknownTenant { tenant: "globex".to_owned() };
    let refused: [(BudgetEvent, BudgetError); 10] = [
        (
            BudgetEvent::Repaid { tenant: "acme".to_owned(), amount_microunits: 1 },
            BudgetError::RepaymentTooLarge {
                tenant: "acme".to_owned(),
                requested_microunits: 1,
                debt_microunits: 0,
            },
        ),
        (
            once(8, 1, "k"),
            BudgetError::KeyConflict {
                key: "k".to_owned(),
                tenant: "acme".to_owned(),
                amount_microunits: 60,
            },
        ),
        (once(8, 1, ""), BudgetError::KeyLength { bytes: 0 }),
        (reserved("globex", 8, 1), unknown),
        (reserved("acme", 7, 1), BudgetError::HoldExists { hold: 7 }),
        (
            reserved("acme", 8, 41),
            BudgetError::Insufficient {
                tenant: "acme".to_owned(),
                requested_microunits: 41,
                available_microunits: 40,
            },
        ),
        (
            committed(7, 61),
            BudgetError::Overrun {
                tenant: "acme".to_owned(),
                reserved_microunits: 60,
                actual_microunits: 61,
            },
        ),
        (committed(8, 1), BudgetError::UnknownHold { hold: 8 }),
        (BudgetEvent::Released { hold: 8 }, BudgetError::UnknownHold { hold: 8 }),
        (
            opened("acme", 101),
            BudgetError::GrantDiffers {
                tenant: "acme".to_owned(),
                granted_microunits: 100,
                requested_microunits: 101,
            },
        ),
    ];
    let mut replay = Replay::new();
    for event in start.clone() {
        replay.apply(event).unwrap();
    }
    let before = replay.checkpoint().unwrap();
    for (event, error) in refused {
        let refusal = replay.apply(event).unwrap_err();
        assert_eq!((refusal.event_index, refusal.error), (2, error));
        assert_eq!(replay.checkpoint().unwrap(), before);
    }
    let replayed = replay.finish();
    assert_eq!(live(&replayed.engine), fold(&start));
    assert_eq!(replayed.open_holds[&7].amount_microunits(), 60);
}
