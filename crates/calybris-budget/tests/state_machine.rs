//! The oracle: any sequence of operations does what a plain map does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step fails the test"
)]

use std::collections::BTreeMap;

use calybris_budget::{
    AccountSnapshot, BudgetEngine, BudgetError, MAX_AMOUNT, Microunits, Reservation, ReservationId,
};
use proptest::prelude::*;

/// What a tenant has, in the plainest words: nothing here is derived from anything else.
#[derive(Clone, Copy)]
struct Plain {
    granted: u64,
    available: u64,
    reserved: u64,
    committed: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Open { tenant: usize, granted: u64 },
    Reserve { tenant: usize, amount: u64 },
    Commit { pick: usize, actual: Actual },
    Release { pick: usize },
    Drop { pick: usize },
}

#[derive(Clone, Copy, Debug)]
enum Actual {
    Nothing,
    Part(u64),
    All,
    OneMore,
}

enum Held {
    Owned(Reservation),
    ById(ReservationId),
}

const NAMES: [&str; 3] = ["acme", "globex", "initech"];

fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..200_u64,
        1 => Just(MAX_AMOUNT.get() - 1),
        1 => Just(MAX_AMOUNT.get()),
        1 => Just(MAX_AMOUNT.get() + 1),
        1 => Just(u64::MAX),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let actual = prop_oneof![
        Just(Actual::Nothing),
        any::<u64>().prop_map(Actual::Part),
        Just(Actual::All),
        Just(Actual::OneMore),
    ];
    prop_oneof![
        1 => (0..NAMES.len(), prop_oneof![4 => Just(500), 1 => amounts()])
            .prop_map(|(tenant, granted)| Step::Open { tenant, granted }),
        6 => (0..NAMES.len(), amounts()).prop_map(|(tenant, amount)| Step::Reserve { tenant, amount }),
        4 => (any::<usize>(), actual).prop_map(|(pick, actual)| Step::Commit { pick, actual }),
        1 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Drop { pick }),
    ]
}

/// Runs every step on the engine (by handle or by name) and on the map, and compares.
fn check(steps: Vec<Step>, by_name: bool) {
    let engine = BudgetEngine::new();
    let mut map: BTreeMap<&str, Plain> = BTreeMap::new();
    let mut held: Vec<(&str, u64, Held)> = Vec::new();

    for step in steps {
        match step {
            Step::Open { tenant, granted } => {
                let name = NAMES[tenant];
                let opened = engine.ensure_tenant(name, Microunits::new(granted));
                match map.get(name) {
                    Some(plain) if plain.granted == granted => assert!(opened.is_ok()),
                    _ if granted > MAX_AMOUNT.get() => {
                        assert!(matches!(opened, Err(BudgetError::AmountTooLarge { .. })));
                    }
                    Some(_) => assert!(matches!(opened, Err(BudgetError::GrantDiffers { .. }))),
                    None => {
                        assert!(opened.is_ok());
                        let plain = Plain {
                            granted,
                            available: granted,
                            reserved: Microunits::new(0).get(),
                            committed: Microunits::new(0).get(),
                        };
                        map.insert(name, plain);
                    }
                }
            }
            Step::Reserve { tenant, amount } => {
                let name = NAMES[tenant];
                let answer = if by_name {
                    engine.try_reserve(name, Microunits::new(amount)).map(Held::ById)
                } else {
                    match engine.tenant(name) {
                        Some(tenant) => {
                            tenant.try_reserve(Microunits::new(amount)).map(Held::Owned)
                        }
                        None => Err(BudgetError::UnknownTenant { tenant: name.to_owned() }),
                    }
                };
                match (map.get_mut(name), answer) {
                    (None, Err(BudgetError::UnknownTenant { .. })) => {}
                    (Some(_), Err(BudgetError::ZeroAmount { .. })) => assert_eq!(amount, 0),
                    (Some(_), Err(BudgetError::AmountTooLarge { .. })) => {
                        assert!(amount > MAX_AMOUNT.get());
                    }
                    (Some(plain), Err(BudgetError::Insufficient { requested, available, .. })) => {
                        assert_eq!(requested, Microunits::new(amount));
                        assert_eq!(available, Microunits::new(plain.available));
                        assert!(amount > plain.available && amount <= MAX_AMOUNT.get());
                    }
                    (Some(plain), Ok(reservation)) => {
                        assert!(amount > 0 && amount <= plain.available);
                        plain.available -= amount;
                        plain.reserved += amount;
                        held.push((name, amount, reservation));
                    }
                    (_, answer) => panic!("{:?}", answer.map(|_| ())),
                }
            }
            Step::Commit { pick, actual } if !held.is_empty() => {
                let (name, amount, reservation) = held.swap_remove(pick % held.len());
                let actual = match actual {
                    Actual::Nothing => 0,
                    Actual::Part(seed) => seed % (amount + 1),
                    Actual::All => amount,
                    Actual::OneMore => amount + 1,
                };
                let refused = match reservation {
                    Held::Owned(reservation) => reservation
                        .commit(Microunits::new(actual))
                        .err()
                        .map(|refused| (refused.error, Held::Owned(refused.reservation))),
                    Held::ById(id) => engine
                        .commit(name, id, Microunits::new(actual))
                        .err()
                        .map(|error| (error, Held::ById(id))),
                };
                if let Some((error, reservation)) = refused {
                    assert!(actual > amount);
                    assert!(matches!(error, BudgetError::Overrun { .. }));
                    held.push((name, amount, reservation));
                } else {
                    assert!(actual <= amount);
                    let plain = map.get_mut(name).unwrap();
                    plain.reserved -= amount;
                    plain.committed += actual;
                    plain.available += amount - actual;
                }
            }
            Step::Release { pick } | Step::Drop { pick } if !held.is_empty() => {
                let (name, amount, reservation) = held.swap_remove(pick % held.len());
                match (reservation, &step) {
                    (Held::Owned(reservation), Step::Release { .. }) => reservation.release(),
                    (Held::Owned(reservation), _) => drop(reservation),
                    (Held::ById(id), _) => {
                        engine.release(name, id).unwrap();
                    }
                }
                let plain = map.get_mut(name).unwrap();
                plain.reserved -= amount;
                plain.available += amount;
            }
            Step::Commit { .. } | Step::Release { .. } | Step::Drop { .. } => {}
        }
        let live: Vec<_> =
            engine.tenants().iter().map(|t| (t.name().to_owned(), t.snapshot())).collect();
        let expected: Vec<_> = map
            .iter()
            .map(|(name, plain)| {
                let mut snapshot = AccountSnapshot::default();
                snapshot.granted = Microunits::new(plain.granted);
                snapshot.available = Microunits::new(plain.available);
                snapshot.reserved = Microunits::new(plain.reserved);
                snapshot.committed = Microunits::new(plain.committed);
                ((*name).to_owned(), snapshot)
            })
            .collect();
        assert_eq!(live, expected);
    }
}

proptest! {
    #[test]
    fn handles_do_what_a_plain_map_does(steps in prop::collection::vec(steps(), 1..60)) {
        check(steps, false);
    }

    #[test]
    fn names_do_what_a_plain_map_does(steps in prop::collection::vec(steps(), 1..60)) {
        check(steps, true);
    }
}
