//! A million seeded scenarios: no phantom refusal, no overspend, no reservation lost.

use calybris_budget::{BudgetEngine, Microunits};

/// A number that looks random and is the same on every machine (xorshift, Marsaglia 2003).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_million_scenarios_admit_exactly_what_fits_and_end_balanced() {
    let engine = BudgetEngine::new();
    let (mut admitted, mut refused) = (0_u64, 0_u64);
    let mut open = Vec::new();
    for group in 0..100_u64 {
        let org = engine.ensure_tenant(&format!("org-{group}"), Microunits::new(1_000)).unwrap();
        let key = engine.ensure_child(&format!("key-{group}"), Microunits::new(700), &org).unwrap();
        let flat = engine.ensure_tenant(&format!("flat-{group}"), Microunits::new(700)).unwrap();
        for seed in 1..=10_000_u64 {
            // Each scenario starts with nothing reserved and ends so.
            let mut state = (group << 32) + seed;
            for tenant in [&key, &flat] {
                let before = tenant.snapshot();
                let mut available = before.available.get();
                if let Some(parent) = tenant.parent() {
                    available = available.min(parent.snapshot().available.get());
                }
                let mut spent = 0;
                for _ in 0..3 {
                    let amount = 1 + next(&mut state) % 400;
                    let answer = tenant.try_reserve_scoped(Microunits::new(amount));
                    assert_eq!(answer.is_ok(), amount <= available, "seed {seed} of {group}");
                    match answer {
                        Ok(reservation) => {
                            available -= amount;
                            admitted += 1;
                            open.push(reservation.into_owned());
                        }
                        Err(_) => refused += 1,
                    }
                }
                for reservation in open.drain(..) {
                    match next(&mut state) % 4 {
                        0 => drop(reservation),
                        1 => reservation.release(),
                        2 => {
                            let id = engine.detach(reservation, None);
                            engine.release(tenant.name(), id).unwrap();
                        }
                        _ => {
                            let actual = next(&mut state) % (reservation.amount().get() + 1);
                            spent += reservation
                                .commit(Microunits::new(actual))
                                .unwrap()
                                .committed
                                .get();
                        }
                    }
                }
                let after = tenant.snapshot();
                assert_eq!(after.committed.get(), before.committed.get() + spent);
                assert_eq!(after.reserved, Microunits::new(0));
                // What was spent is refunded, so that the next scenario has room.
                tenant.refund(Microunits::new(spent)).unwrap();
                assert_eq!(tenant.snapshot(), before);
            }
        }
    }
    assert!(admitted > 1_000_000 && refused > 100_000, "{admitted} and {refused}");
    assert!(engine.open_reservations().unwrap().is_empty());
}
