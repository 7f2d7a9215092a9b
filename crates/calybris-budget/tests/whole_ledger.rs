//! The whole ledger against plain arithmetic: levels, rules, streaming, debt, refunds. Every step
//! is also logged, and the log replays to the same accounts after each of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step fails the test"
)]

use calybris_budget::{
    Audit, BudgetEngine, BudgetError, BudgetEvent, Microunits, OverrunPolicy, Replay, Reservation,
    ReservationId, Tenant, TenantRules,
};
use proptest::prelude::*;

/// Name, parent and grant: a tree of three levels with two keys, and a flat tenant.
const TENANTS: [(&str, Option<usize>, i128); 5] = [
    ("org", None, 300),
    ("org/team", Some(0), 200),
    ("org/team/a", Some(1), 120),
    ("org/team/b", Some(1), 150),
    ("flat", None, 100),
];

/// An account in the plainest words; nothing is derived.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Plain {
    granted: i128,
    available: i128,
    reserved: i128,
    committed: i128,
    debt: i128,
}

impl Plain {
    /// What may leave the grant.
    fn unowed(&self) -> i128 {
        (self.available - self.debt).max(0)
    }
}

struct Model {
    accounts: Vec<Plain>,
    frozen: Vec<bool>,
    rules: Vec<TenantRules>,
}

struct Held {
    id: ReservationId,
    tenant: usize,
    amount: i128,
    reservation: Reservation,
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(usize, u64),
    Extend(usize, u64),
    CommitPart(usize, u64),
    Commit(usize, u64),
    Release(usize),
    TopUp(usize, u64),
    Reduce(usize, u64),
    Refund(usize, u64),
    Repay(usize, u64),
    Freeze(usize, bool),
    Rules(usize, Option<u64>, OverrunPolicy),
    CarryOver(usize, usize, u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let policy = prop_oneof![
        Just(OverrunPolicy::Reject),
        Just(OverrunPolicy::DrawThenDebt),
        Just(OverrunPolicy::CapAtReserved)
    ];
    let (pick, amount) = (0..TENANTS.len(), 0..130_u64);
    prop_oneof![
        8 => (pick.clone(), amount.clone()).prop_map(|(t, n)| Step::Reserve(t, n)),
        2 => (any::<usize>(), amount.clone()).prop_map(|(h, n)| Step::Extend(h, n)),
        2 => (any::<usize>(), amount.clone()).prop_map(|(h, n)| Step::CommitPart(h, n)),
        6 => (any::<usize>(), amount.clone()).prop_map(|(h, n)| Step::Commit(h, n)),
        2 => any::<usize>().prop_map(Step::Release),
        1 => (pick.clone(), amount.clone()).prop_map(|(t, n)| Step::TopUp(t, n)),
        1 => (pick.clone(), amount.clone()).prop_map(|(t, n)| Step::Reduce(t, n)),
        1 => (pick.clone(), amount.clone()).prop_map(|(t, n)| Step::Refund(t, n)),
        1 => (pick.clone(), amount.clone()).prop_map(|(t, n)| Step::Repay(t, n)),
        1 => (pick.clone(), any::<bool>()).prop_map(|(t, f)| Step::Freeze(t, f)),
        2 => (pick.clone(), prop::option::of(50..200_u64), policy)
            .prop_map(|(t, cap, policy)| Step::Rules(t, cap, policy)),
        1 => (pick.clone(), pick, amount).prop_map(|(a, b, n)| Step::CarryOver(a, b, n)),
    ]
}

impl Step {
    fn times(self, unit: u64) -> Self {
        match self {
            Self::Reserve(t, n) => Self::Reserve(t, n * unit),
            Self::Extend(h, n) => Self::Extend(h, n * unit),
            Self::CommitPart(h, n) => Self::CommitPart(h, n * unit),
            Self::Commit(h, n) => Self::Commit(h, n * unit),
            Self::TopUp(t, n) => Self::TopUp(t, n * unit),
            Self::Reduce(t, n) => Self::Reduce(t, n * unit),
            Self::Refund(t, n) => Self::Refund(t, n * unit),
            Self::Repay(t, n) => Self::Repay(t, n * unit),
            Self::Rules(t, cap, policy) => Self::Rules(t, cap.map(|cap| cap * unit), policy),
            Self::CarryOver(a, b, n) => Self::CarryOver(a, b, n * unit),
            Self::Release(_) | Self::Freeze(..) => self,
        }
    }
}

impl Model {
    fn levels(tenant: usize) -> Vec<usize> {
        let mut levels = vec![tenant];
        while let Some(parent) = TENANTS[levels[levels.len() - 1]].1 {
            levels.push(parent);
        }
        levels
    }

    /// The level that refuses a debit, the lowest first, and the name of the refusal.
    fn refusal(&self, tenant: usize, amount: i128) -> Option<(usize, &'static str)> {
        for level in Self::levels(tenant) {
            let account = &self.accounts[level];
            let cap = self.rules[level].exposure_cap.map_or(i128::MAX, |cap| cap.get().into());
            if self.frozen[level] {
                return Some((level, "frozen"));
            } else if account.debt > 0 {
                return Some((level, "in debt"));
            } else if account.reserved + amount > cap {
                return Some((level, "exposed"));
            } else if amount > account.available {
                return Some((level, "insufficient"));
            }
        }
        None
    }

    fn reserve(&mut self, tenant: usize, amount: i128) {
        self.each(tenant, |account| {
            account.available -= amount;
            account.reserved += amount;
        });
    }

    fn each(&mut self, tenant: usize, change: impl Fn(&mut Plain)) {
        for level in Self::levels(tenant) {
            change(&mut self.accounts[level]);
        }
    }
}

fn refusal_of(error: &BudgetError) -> (String, &'static str) {
    match error {
        BudgetError::Insufficient { tenant, .. } => (tenant.clone(), "insufficient"),
        BudgetError::Frozen { tenant } => (tenant.clone(), "frozen"),
        BudgetError::InDebt { tenant, .. } => (tenant.clone(), "in debt"),
        BudgetError::Exposed { tenant, .. } => (tenant.clone(), "exposed"),
        other => panic!("{other}"),
    }
}

fn plain(tenant: &Tenant) -> Plain {
    let now = tenant.snapshot();
    Plain {
        granted: now.granted.get().into(),
        available: now.available.get().into(),
        reserved: now.reserved.get().into(),
        committed: now.committed.get().into(),
        debt: now.debt.get().into(),
    }
}

/// Runs the steps with every amount of theirs and every grant that many times as large.
fn check(unit: u64, steps: Vec<Step>) {
    let engine = BudgetEngine::new();
    let mut log = Vec::new();
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut model = Model { accounts: vec![], frozen: vec![false; 5], rules: vec![] };
    for (name, parent, granted) in TENANTS {
        let granted = granted * i128::from(unit);
        let tenant = name.to_owned();
        let granted = u64::try_from(granted).unwrap();
        match parent {
            None => {
                log.push(BudgetEvent::TenantOpened { tenant, granted: Microunits::new(granted) });
                tenants.push(engine.ensure_tenant(name, Microunits::new(granted)).unwrap());
            }
            Some(parent) => {
                let parent = &tenants[parent];
                let parent_name = parent.name().to_owned();
                log.push(BudgetEvent::ChildOpened {
                    tenant,
                    parent: parent_name,
                    granted: Microunits::new(granted),
                });
                tenants.push(engine.ensure_child(name, Microunits::new(granted), parent).unwrap());
            }
        }
        let granted = granted.into();
        model.accounts.push(Plain { granted, available: granted, ..Plain::default() });
        model.rules.push(TenantRules::default());
    }
    let mut held: Vec<Held> = Vec::new();
    let mut replay = Replay::new();
    let mut audit = Audit::new();
    let mut replayed = 0;

    for (number, step) in (0_u64..).zip(steps) {
        let id = ReservationId::from(number);
        let at = |pick: usize, held: &Vec<Held>| pick % held.len().max(1);
        match step.times(unit) {
            Step::Reserve(t, amount) => {
                let expected = model.refusal(t, amount.into());
                match tenants[t].try_reserve(Microunits::new(amount)) {
                    Err(BudgetError::ZeroAmount { .. }) => assert_eq!(amount, 0),
                    Err(error) => {
                        let (level, why) = expected.unwrap();
                        assert_eq!(refusal_of(&error), (TENANTS[level].0.to_owned(), why));
                    }
                    Ok(reservation) => {
                        assert_eq!(expected, None);
                        let (tenant, amount) = (TENANTS[t].0.to_owned(), amount);
                        log.push(BudgetEvent::Reserved {
                            tenant,
                            reservation: id,
                            amount: Microunits::new(amount),
                        });
                        let amount = i128::from(amount);
                        model.reserve(t, amount);
                        held.push(Held { id, tenant: t, amount, reservation });
                    }
                }
            }
            Step::Extend(pick, more) if !held.is_empty() => {
                let index = at(pick, &held);
                let (t, n) = (held[index].tenant, i128::from(more));
                let expected = model.refusal(t, n);
                match held[index].reservation.extend(Microunits::new(more)) {
                    Err(BudgetError::ZeroAmount { .. }) => assert_eq!(more, 0),
                    Err(error) => {
                        let (level, why) = expected.unwrap();
                        assert_eq!(refusal_of(&error), (TENANTS[level].0.to_owned(), why));
                    }
                    Ok(()) => {
                        assert_eq!(expected, None);
                        let (reservation, amount) = (held[index].id, more);
                        log.push(BudgetEvent::Extended {
                            reservation,
                            amount: Microunits::new(amount),
                        });
                        held[index].amount += n;
                        model.reserve(t, n);
                    }
                }
            }
            Step::CommitPart(pick, actual) if !held.is_empty() => {
                let index = at(pick, &held);
                let (t, n) = (held[index].tenant, i128::from(actual));
                let fits = n <= held[index].amount;
                assert_eq!(
                    held[index].reservation.commit_part(Microunits::new(actual)).is_ok(),
                    fits
                );
                if fits {
                    let (reservation, actual) = (held[index].id, actual);
                    log.push(BudgetEvent::PartCommitted {
                        reservation,
                        actual: Microunits::new(actual),
                    });
                    held[index].amount -= n;
                    model
                        .each(t, |a| (a.reserved, a.committed) = (a.reserved - n, a.committed + n));
                }
            }
            Step::Commit(pick, actual) if !held.is_empty() => {
                let index = at(pick, &held);
                let mut it = held.swap_remove(index);
                let (t, mut n) = (it.tenant, i128::from(actual));
                let extra = n - it.amount;
                if extra > 0 {
                    match model.rules[t].overrun {
                        OverrunPolicy::Reject => {
                            let refused =
                                it.reservation.commit(Microunits::new(actual)).unwrap_err();
                            assert!(matches!(refused.error, BudgetError::Overrun { .. }));
                            it.reservation = refused.reservation;
                            held.push(it);
                            compare(&tenants, &model);
                            continue;
                        }
                        OverrunPolicy::CapAtReserved => n = it.amount,
                        _ => {
                            let covered =
                                it.reservation.cover_overrun(Microunits::new(actual)).unwrap();
                            let overdraft = covered.overdraft.unwrap();
                            let mut drawn = overdraft.drawn.iter();
                            for level in Model::levels(t) {
                                let account = &mut model.accounts[level];
                                let draw = extra.min(account.available);
                                assert_eq!(i128::from(drawn.next().unwrap().get()), draw);
                                account.available -= draw;
                                account.debt += extra - draw;
                                account.reserved += extra;
                            }
                            log.push(BudgetEvent::Overdrawn {
                                reservation: it.id,
                                extra: overdraft.extra,
                                drawn: overdraft.drawn,
                            });
                            it.amount += extra;
                        }
                    }
                }
                log.push(BudgetEvent::Committed {
                    reservation: it.id,
                    actual: Microunits::new(u64::try_from(n).unwrap()),
                });
                let settled = it.reservation.commit(Microunits::new(actual)).unwrap();
                assert_eq!(i128::from(settled.committed.get()), n);
                assert_eq!(i128::from(settled.released.get()), it.amount - n);
                let (reserved, rest) = (it.amount, it.amount - n);
                model.each(t, |a| {
                    a.reserved -= reserved;
                    a.committed += n;
                    a.available += rest;
                });
            }
            Step::Release(pick) if !held.is_empty() => {
                let index = at(pick, &held);
                let it = held.swap_remove(index);
                log.push(BudgetEvent::Released { reservation: it.id });
                it.reservation.release();
                model.each(it.tenant, |a| {
                    (a.available, a.reserved) = (a.available + it.amount, a.reserved - it.amount);
                });
            }
            Step::TopUp(t, amount) => {
                let (tenant, amount) = (TENANTS[t].0.to_owned(), amount);
                log.push(BudgetEvent::ToppedUp { tenant, amount: Microunits::new(amount) });
                tenants[t].top_up(Microunits::new(amount)).unwrap();
                top_up(&mut model.accounts[t], amount.into());
            }
            Step::Reduce(t, amount) => {
                let n = i128::from(amount);
                let fits = n <= model.accounts[t].unowed();
                assert_eq!(tenants[t].reduce(Microunits::new(amount)).is_ok(), fits);
                if fits {
                    let (tenant, amount) = (TENANTS[t].0.to_owned(), amount);
                    log.push(BudgetEvent::Reduced { tenant, amount: Microunits::new(amount) });
                    model.accounts[t].granted -= n;
                    model.accounts[t].available -= n;
                }
            }
            Step::Refund(t, amount) => {
                let n = i128::from(amount);
                let fits =
                    Model::levels(t).iter().all(|level| n <= model.accounts[*level].committed);
                let answer = tenants[t].refund(Microunits::new(amount));
                assert_eq!(answer.is_ok(), fits);
                if fits {
                    let (tenant, amount) = (TENANTS[t].0.to_owned(), amount);
                    log.push(BudgetEvent::Refunded { tenant, amount: Microunits::new(amount) });
                    model.each(t, |a| {
                        a.available += n;
                        a.committed -= n;
                    });
                }
            }
            Step::Repay(t, most) => {
                let account = &mut model.accounts[t];
                let paid = account.debt.min(account.available).min(most.into());
                let answer = tenants[t].repay(Microunits::new(most)).unwrap();
                assert_eq!(i128::from(answer.get()), paid);
                account.debt -= paid;
                account.available -= paid;
                let (tenant, amount) = (TENANTS[t].0.to_owned(), answer);
                log.push(BudgetEvent::Repaid { tenant, amount });
            }
            Step::Freeze(t, frozen) => {
                let tenant = TENANTS[t].0.to_owned();
                if frozen {
                    tenants[t].freeze();
                    log.push(BudgetEvent::Frozen { tenant });
                } else {
                    tenants[t].unfreeze();
                    log.push(BudgetEvent::Unfrozen { tenant });
                }
                model.frozen[t] = frozen;
            }
            Step::Rules(t, exposure_cap, overrun) => {
                let mut rules = TenantRules::default().with_overrun(overrun);
                rules.exposure_cap = exposure_cap.map(Microunits::new);
                tenants[t].set_rules(rules).unwrap();
                log.push(BudgetEvent::RulesSet { tenant: TENANTS[t].0.to_owned(), rules });
                model.rules[t] = rules;
            }
            Step::CarryOver(from, to, most) => {
                let amount = model.accounts[from].unowed().min(most.into());
                let answer = tenants[from].carry_over(&tenants[to], Microunits::new(most)).unwrap();
                assert_eq!(i128::from(answer.get()), amount);
                log.push(BudgetEvent::CarriedOver {
                    from: TENANTS[from].0.to_owned(),
                    to: TENANTS[to].0.to_owned(),
                    amount: answer,
                });
                model.accounts[from].granted -= amount;
                model.accounts[from].available -= amount;
                top_up(&mut model.accounts[to], amount);
            }
            Step::Extend(..) | Step::CommitPart(..) | Step::Commit(..) | Step::Release(..) => {}
        }
        compare(&tenants, &model);
        for event in &log[replayed..] {
            audit.apply(event).unwrap();
            replay.apply(event.clone()).unwrap();
        }
        audit.prove(&engine).unwrap();
        replayed = log.len();
    }
    for event in &log[replayed..] {
        audit.apply(event).unwrap();
        replay.apply(event.clone()).unwrap();
    }
    let replayed = replay.finish();
    audit.prove(&replayed.engine).unwrap();
    let accounts: Vec<Plain> =
        tenants.iter().map(|t| plain(&replayed.engine.tenant(t.name()).unwrap())).collect();
    assert_eq!(accounts, model.accounts, "the log says something else");
    for (tenant, rules) in tenants.iter().zip(&model.rules) {
        assert_eq!(replayed.engine.tenant(tenant.name()).unwrap().rules(), *rules);
    }
    let open: Vec<(ReservationId, i128)> = {
        let mut open: Vec<_> = held.iter().map(|it| (it.id, it.amount)).collect();
        open.sort_unstable();
        open
    };
    let found: Vec<(ReservationId, i128)> =
        replayed.open_reservations.iter().map(|(id, it)| (*id, it.amount().get().into())).collect();
    assert_eq!(found, open);

    // And when all is given back, nothing is reserved on any level.
    drop(held);
    assert!(tenants.iter().all(|tenant| tenant.snapshot().reserved.get() == 0));
}

fn top_up(account: &mut Plain, amount: i128) {
    let paid = account.debt.min(amount);
    account.granted += amount;
    account.debt -= paid;
    account.available += amount - paid;
}

fn compare(tenants: &[Tenant], model: &Model) {
    let live: Vec<Plain> = tenants.iter().map(plain).collect();
    assert_eq!(live, model.accounts);
    for account in &live {
        assert_eq!(
            account.granted + account.debt,
            account.available + account.reserved + account.committed
        );
    }
}

proptest! {
    #[test]
    fn every_step_is_plain_arithmetic_and_replays(steps in prop::collection::vec(steps(), 1..80)) {
        check(1, steps);
    }

    /// The widths of the two parts of an account's hot word lie among these amounts, so some go
    /// through it, some beside it, and some make it move its content.
    #[test]
    fn large_amounts_are_plain_arithmetic_as_well(
        unit in prop::sample::select(vec![(1_u64 << 26) - 1, 1 << 27, (1 << 31) + 1, 1 << 50]),
        steps in prop::collection::vec(steps(), 1..80),
    ) {
        check(unit, steps);
    }
}
