//! Periods: a budget over two months, from the log's point of view as well as from the
//! caller's. `LEDGER.md` tells the story in words.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use calybris_budget::{
    Audit, BudgetEngine, BudgetError, BudgetEvent, Microunits, Replay, Tenant, TenantRules,
};

/// A live budget that keeps the log by the rule of `BudgetEvent`, and proves its books from it.
struct Ledger {
    engine: BudgetEngine,
    log: Vec<BudgetEvent>,
}

impl Ledger {
    fn open_period(&mut self, name: &str, granted: u64, year: &Tenant) -> Tenant {
        let (tenant, parent) = (name.to_owned(), year.name().to_owned());
        self.log.push(BudgetEvent::ChildOpened {
            tenant,
            parent,
            granted: Microunits::new(granted),
        });
        let period = self.engine.ensure_child(name, Microunits::new(granted), year).unwrap();
        let rules = TenantRules::default().with_soft_limit(Microunits::new(80));
        self.log.push(BudgetEvent::RulesSet { tenant: name.to_owned(), rules });
        period.set_rules(rules).unwrap();
        period
    }

    fn reserved(&mut self, period: &Tenant, id: u64, amount: u64) {
        let tenant = period.name().to_owned();
        self.log.push(BudgetEvent::Reserved {
            tenant,
            reservation: id.into(),
            amount: Microunits::new(amount),
        });
        for warning in self.engine.take_warnings() {
            self.log.push(BudgetEvent::SoftLimitReached { tenant: warning.tenant });
        }
    }

    fn carry_over(&mut self, from: &Tenant, to: &Tenant, most: u64) -> u64 {
        let amount = from.carry_over(to, Microunits::new(most)).unwrap();
        let (from, to) = (from.name().to_owned(), to.name().to_owned());
        self.log.push(BudgetEvent::CarriedOver { from, to, amount });
        amount.get()
    }

    fn warned(&self, period: &Tenant) -> usize {
        let of_period = |event: &&BudgetEvent| matches!(event, BudgetEvent::SoftLimitReached { tenant } if tenant == period.name());
        self.log.iter().filter(of_period).count()
    }

    /// The log says what the budget says, all of it and from a checkpoint at any place on.
    fn prove(&self) {
        for place in 0..=self.log.len() {
            let (before, after) = self.log.split_at(place);
            let mut replay = Replay::new();
            before.iter().for_each(|event| replay.apply(event.clone()).unwrap());
            let checkpoint = replay.state().unwrap();
            let mut resumed = Replay::from_state(&checkpoint).unwrap();
            let mut audit = Audit::from_state(&checkpoint).unwrap();
            for event in after {
                resumed.apply(event.clone()).unwrap();
                audit.apply(event).unwrap();
            }
            audit.prove(&self.engine).unwrap();
            audit.prove(&resumed.finish().engine).unwrap();
        }
    }
}

#[test]
fn a_call_is_settled_in_the_period_that_reserved_it_and_each_period_warns_once() {
    let mut ledger = Ledger { engine: BudgetEngine::new(), log: Vec::new() };
    let granted = Microunits::new(1_000);
    ledger.log.push(BudgetEvent::TenantOpened { tenant: "acme".to_owned(), granted });
    let year = ledger.engine.ensure_tenant("acme", granted).unwrap();
    let november = ledger.open_period("acme/2026-11", 100, &year);

    // November spends 60, and 30 more are still out when it ends. The 90 are above its soft limit.
    let call = november.try_reserve(Microunits::new(60)).unwrap();
    ledger.reserved(&november, 1, 60);
    ledger.log.push(BudgetEvent::Committed { reservation: 1.into(), actual: Microunits::new(60) });
    call.commit(Microunits::new(60)).unwrap();
    assert_eq!(ledger.warned(&november), 0);
    let late = november.try_reserve(Microunits::new(30)).unwrap();
    ledger.reserved(&november, 2, 30);
    assert_eq!(ledger.warned(&november), 1);

    // It is over: nothing new, and what is left by now goes into December.
    ledger.log.push(BudgetEvent::Frozen { tenant: november.name().to_owned() });
    november.freeze();
    let december = ledger.open_period("acme/2026-12", 100, &year);
    assert_eq!(ledger.carry_over(&november, &december, u64::MAX), 10);
    assert!(matches!(november.try_reserve(Microunits::new(1)), Err(BudgetError::Frozen { .. })));

    // December has 110, and its own warning.
    let call = december.try_reserve(Microunits::new(85)).unwrap();
    ledger.reserved(&december, 3, 85);
    ledger.log.push(BudgetEvent::Committed { reservation: 3.into(), actual: Microunits::new(85) });
    call.commit(Microunits::new(85)).unwrap();
    let more = december.try_reserve(Microunits::new(5)).unwrap();
    ledger.reserved(&december, 4, 5);
    assert_eq!((ledger.warned(&november), ledger.warned(&december)), (1, 1));

    // The late call cost 20 of its 30. That is November's, and what it gives back can follow.
    ledger.log.push(BudgetEvent::Committed { reservation: 2.into(), actual: Microunits::new(20) });
    late.commit(Microunits::new(20)).unwrap();
    assert_eq!(november.snapshot().committed, Microunits::new(80));
    assert_eq!(december.snapshot().committed, Microunits::new(85));
    assert_eq!(ledger.carry_over(&november, &december, 6), 6);
    assert_eq!(ledger.carry_over(&november, &december, u64::MAX), 4);

    let (now, then, all) = (november.snapshot(), december.snapshot(), year.snapshot());
    assert_eq!((now.granted.get(), now.available.get()), (80, 0));
    assert_eq!((then.granted.get(), then.available.get()), (120, 30));
    assert_eq!((all.committed.get(), all.reserved.get()), (165, 5));
    ledger.prove();
    more.release();
}

#[test]
fn what_did_not_move_is_in_the_old_period_and_not_in_the_new() {
    let engine = BudgetEngine::new();
    let november = engine.ensure_tenant("acme/2026-11", Microunits::new(100)).unwrap();
    let full = engine.ensure_tenant("acme/2026-12", calybris_budget::MAX_AMOUNT).unwrap();
    assert!(matches!(
        november.carry_over(&full, Microunits::new(1)),
        Err(BudgetError::GrantTooLarge { .. })
    ));
    assert_eq!(november.snapshot().available, Microunits::new(100));

    let december = engine.ensure_tenant("acme/2026-12 again", Microunits::new(0)).unwrap();
    let out = november.try_reserve(Microunits::new(100)).unwrap();
    assert_eq!(
        november.carry_over(&december, Microunits::MAX).unwrap(),
        Microunits::ZERO,
        "it is all out"
    );
    out.release();
    assert_eq!(november.carry_over(&december, Microunits::new(0)).unwrap(), Microunits::ZERO);
    assert_eq!(november.carry_over(&december, Microunits::new(99)).unwrap(), Microunits::new(99));
    assert_eq!(december.snapshot().granted, Microunits::new(99));
}
