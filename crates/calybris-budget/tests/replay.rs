//! The events: every prefix replays to a valid ledger, and an independent fold agrees with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, BudgetEvent, Microunits, RebuiltBudget, Replay,
    ReservationId,
};
use parking_lot::Mutex;
use proptest::prelude::*;

fn opened(tenant: &str, granted: u64) -> BudgetEvent {
    BudgetEvent::TenantOpened { tenant: tenant.to_owned(), granted: Microunits::new(granted) }
}

fn reserved(tenant: &str, id: u64, amount: u64) -> BudgetEvent {
    BudgetEvent::Reserved {
        tenant: tenant.to_owned(),
        reservation: id.into(),
        amount: Microunits::new(amount),
    }
}

fn committed(id: u64, actual: u64) -> BudgetEvent {
    BudgetEvent::Committed { reservation: id.into(), actual: Microunits::new(actual) }
}

/// The four quantities (none of them may be negative), each summed up from the events on its own; no identity is used.
fn fold(events: &[BudgetEvent]) -> BTreeMap<String, AccountSnapshot> {
    let mut accounts: BTreeMap<String, [i128; 4]> = BTreeMap::new();
    let mut open: BTreeMap<ReservationId, (String, i128)> = BTreeMap::new();
    for event in events {
        match event {
            BudgetEvent::TenantOpened { tenant, granted } => {
                let granted = i128::from(granted.get());
                accounts.entry(tenant.clone()).or_insert([granted, granted, 0, 0]);
            }
            BudgetEvent::Reserved { tenant, reservation: id, amount }
            | BudgetEvent::ReservedOnce { tenant, reservation: id, amount, .. } => {
                let amount = i128::from(amount.get());
                let account = accounts.get_mut(tenant).unwrap();
                account[1] -= amount;
                account[2] += amount;
                assert!(open.insert(*id, (tenant.clone(), amount)).is_none());
            }
            BudgetEvent::Committed { reservation: id, actual } => {
                let (tenant, amount) = open.remove(id).unwrap();
                let actual = i128::from(actual.get());
                let account = accounts.get_mut(&tenant).unwrap();
                account[2] -= amount;
                account[3] += actual;
                account[1] += amount - actual;
            }
            BudgetEvent::Released { reservation: id } => {
                let (tenant, amount) = open.remove(id).unwrap();
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
            let mut snapshot = AccountSnapshot::default();
            snapshot.granted = Microunits::new(amount(granted));
            snapshot.available = Microunits::new(amount(available));
            snapshot.reserved = Microunits::new(amount(reserved));
            snapshot.committed = Microunits::new(amount(committed));
            (tenant, snapshot)
        })
        .collect()
}

fn live(engine: &BudgetEngine) -> BTreeMap<String, AccountSnapshot> {
    engine.tenants().iter().map(|t| (t.name().to_owned(), t.snapshot())).collect()
}

fn check_prefix(events: &[BudgetEvent]) -> RebuiltBudget {
    let replayed = Replay::run(events.iter().cloned()).unwrap();
    let accounts = live(&replayed.engine);
    assert_eq!(accounts, fold(events));
    let held: u64 = replayed.open_reservations.values().map(|open| open.amount().get()).sum();
    assert_eq!(held, accounts.values().map(|account| account.reserved.get()).sum::<u64>());
    for account in accounts.values() {
        let parts = [account.available, account.reserved, account.committed];
        assert_eq!(account.granted.get(), parts.map(Microunits::get).iter().sum::<u64>());
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
            engine.ensure_tenant(name, Microunits::new(granted)).unwrap();
        }
        for (id, (tenant, amount, seed, what)) in (0_u64..).zip(steps) {
            let tenant = &engine.tenants()[tenant];
            if let Ok(reservation) = tenant.try_reserve(Microunits::new(amount)) {
                log.push(reserved(tenant.name(), id, amount));
                open.insert(id, reservation);
            }
            let pick = seed % (id + 1);
            match (what, open.remove(&pick)) {
                (0..=1, Some(reservation)) => {
                    log.push(committed(pick, seed % (reservation.amount().get() + 1)));
                    let actual = seed % (reservation.amount().get() + 1);
                    reservation.commit(Microunits::new(actual)).unwrap();
                }
                (2, Some(reservation)) => {
                    log.push(BudgetEvent::Released { reservation: pick.into() });
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
    let acme = engine.ensure_tenant("acme", Microunits::new(50)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (acme, log) = (&acme, &log);
            scope.spawn(move || {
                for step in 0..2_000 {
                    let id = thread * 1_000_000 + step;
                    // Tight enough that most debits spend what another thread gave back.
                    let Ok(reservation) = acme.try_reserve(Microunits::new(20)) else { continue };
                    log.lock().push(reserved("acme", id, 20));
                    if step % 100 == 0 && step < 1_000 {
                        log.lock().push(committed(id, 1));
                        reservation.commit(Microunits::new(1)).unwrap();
                    } else {
                        log.lock().push(BudgetEvent::Released { reservation: id.into() });
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
fn open_reservations_come_back_as_reservations() {
    let mut replayed =
        Replay::run([opened("acme", 100), reserved("acme", 7, 60), reserved("acme", 9, 30)])
            .unwrap();
    let acme = replayed.engine.tenant("acme").unwrap();
    assert_eq!(acme.snapshot().reserved, Microunits::new(90));
    assert_eq!(
        replayed.open_reservations.keys().copied().collect::<Vec<_>>(),
        [7.into(), 9.into()]
    );

    replayed.open_reservations.remove(&7.into()).unwrap().commit(Microunits::new(50)).unwrap();
    replayed.open_reservations.remove(&9.into()).unwrap().release();
    let now = acme.snapshot();
    assert_eq!((now.available.get(), now.committed.get()), (50, 50));
}

#[test]
fn an_event_that_does_not_fit_is_named_by_its_index_and_changes_nothing() {
    let once = |id: u64, amount, key: &str| BudgetEvent::ReservedOnce {
        tenant: "acme".to_owned(),
        reservation: id.into(),
        amount: Microunits::new(amount),
        key: key.to_owned(),
    };
    let start = [opened("acme", 100), once(7, 60, "k")];
    let unknown = BudgetError::UnknownTenant { tenant: "globex".to_owned() };
    let refused: [(BudgetEvent, BudgetError); 10] = [
        (
            BudgetEvent::Repaid { tenant: "acme".to_owned(), amount: Microunits::new(1) },
            BudgetError::RepaymentTooLarge {
                tenant: "acme".to_owned(),
                requested: Microunits::new(1),
                debt: Microunits::new(0),
            },
        ),
        (
            once(8, 1, "k"),
            BudgetError::KeyConflict {
                key: "k".to_owned(),
                tenant: "acme".to_owned(),
                amount: Microunits::new(60),
            },
        ),
        (once(8, 1, ""), BudgetError::KeyLength { bytes: 0 }),
        (reserved("globex", 8, 1), unknown),
        (reserved("acme", 7, 1), BudgetError::AlreadyOpen { reservation: 7.into() }),
        (
            reserved("acme", 8, 41),
            BudgetError::Insufficient {
                tenant: "acme".to_owned(),
                requested: Microunits::new(41),
                available: Microunits::new(40),
            },
        ),
        (
            committed(7, 61),
            BudgetError::Overrun {
                tenant: "acme".to_owned(),
                reserved: Microunits::new(60),
                actual: Microunits::new(61),
            },
        ),
        (committed(8, 1), BudgetError::NotOpen { reservation: 8.into() }),
        (
            BudgetEvent::Released { reservation: 8.into() },
            BudgetError::NotOpen { reservation: 8.into() },
        ),
        (
            opened("acme", 101),
            BudgetError::GrantDiffers {
                tenant: "acme".to_owned(),
                granted: Microunits::new(100),
                requested: Microunits::new(101),
            },
        ),
    ];
    let mut replay = Replay::new();
    for event in start.clone() {
        replay.apply(event).unwrap();
    }
    let before = replay.state().unwrap();
    for (event, error) in refused {
        let refusal = replay.apply(event).unwrap_err();
        assert_eq!((refusal.event_index, refusal.error), (2, error));
        assert_eq!(replay.state().unwrap(), before);
    }
    let replayed = replay.finish();
    assert_eq!(live(&replayed.engine), fold(&start));
    assert_eq!(replayed.open_reservations[&7.into()].amount(), Microunits::new(60));
}
