//! Periods: a budget over two months, from the log's point of view as well as from the
//! caller's. `LEDGER.md` tells the story in words.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use calybris_budget::{Audit, BudgetEngine, BudgetError, BudgetEvent, Replay, Tenant, TenantRules};

/// A live budget that keeps the log by the rule of `BudgetEvent`, and proves its books from it.
struct Ledger {
    engine: BudgetEngine,
    log: Vec<BudgetEvent>,
}

impl Ledger {
    fn open_period(&mut self, name: &str, granted_microunits: u64, year: &Tenant) -> Tenant {
        let (tenant, parent) = (name.to_owned(), year.name().to_owned());
        self.log.push(BudgetEvent::ChildOpened { tenant, parent, granted_microunits });
        let period = self.engine.ensure_child(name, granted_microunits, year).unwrap();
        let rules = TenantRules { soft_limit_microunits: Some(80), ..TenantRules::default() };
        self.log.push(BudgetEvent::RulesSet { tenant: name.to_owned(), rules });
        period.set_rules(rules).unwrap();
        period
    }

    fn reserved(&mut self, period: &Tenant, hold: u64, amount_microunits: u64) {
        let tenant = period.name().to_owned();
        self.log.push(BudgetEvent::Reserved { tenant, hold, amount_microunits });
        for warning in self.engine.take_warnings() {
            self.log.push(BudgetEvent::SoftLimitReached { tenant: warning.tenant });
        }
    }

    fn carry_over(&mut self, from: &Tenant, to: &Tenant, most: u64) -> u64 {
        let amount_microunits = from.carry_over(to, most).unwrap();
        let (from, to) = (from.name().to_owned(), to.name().to_owned());
        self.log.push(BudgetEvent::CarriedOver { from, to, amount_microunits });
        amount_microunits
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
            let checkpoint = replay.checkpoint().unwrap();
            let mut resumed = Replay::from_checkpoint(&checkpoint).unwrap();
            let mut audit = Audit::from_checkpoint(&checkpoint).unwrap();
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
    let granted_microunits = 1_000;
    ledger.log.push(BudgetEvent::TenantOpened { tenant: "acme".to_owned(), granted_microunits });
    let year = ledger.engine.ensure_tenant("acme", granted_microunits).unwrap();
    let november = ledger.open_period("acme/2026-11", 100, &year);

    // November spends 60, and 30 more are still out when it ends. The 90 are above its soft limit.
    let call = november.try_reserve(60).unwrap();
    ledger.reserved(&november, 1, 60);
    ledger.log.push(BudgetEvent::Committed { hold: 1, actual_microunits: 60 });
    call.commit(60).unwrap();
    assert_eq!(ledger.warned(&november), 0);
    let late = november.try_reserve(30).unwrap();
    ledger.reserved(&november, 2, 30);
    assert_eq!(ledger.warned(&november), 1);

    // It is over: nothing new, and what is left by now goes into December.
    ledger.log.push(BudgetEvent::Frozen { tenant: november.name().to_owned() });
    november.freeze();
    let december = ledger.open_period("acme/2026-12", 100, &year);
    assert_eq!(ledger.carry_over(&november, &december, u64::MAX), 10);
    assert!(matches!(november.try_reserve(1), Err(BudgetError::Frozen { .. })));

    // December has 110, and its own warning.
    let call = december.try_reserve(85).unwrap();
    ledger.reserved(&december, 3, 85);
    ledger.log.push(BudgetEvent::Committed { hold: 3, actual_microunits: 85 });
    call.commit(85).unwrap();
    let more = december.try_reserve(5).unwrap();
    ledger.reserved(&december, 4, 5);
    assert_eq!((ledger.warned(&november), ledger.warned(&december)), (1, 1));

    // The late call cost 20 of its 30. That is November's, and what it gives back can follow.
    ledger.log.push(BudgetEvent::Committed { hold: 2, actual_microunits: 20 });
    late.commit(20).unwrap();
    assert_eq!(november.snapshot().committed_microunits, 80);
    assert_eq!(december.snapshot().committed_microunits, 85);
    assert_eq!(ledger.carry_over(&november, &december, 6), 6);
    assert_eq!(ledger.carry_over(&november, &december, u64::MAX), 4);

    let (now, then, all) = (november.snapshot(), december.snapshot(), year.snapshot());
    assert_eq!((now.granted_microunits, now.available_microunits), (80, 0));
    assert_eq!((then.granted_microunits, then.available_microunits), (120, 30));
    assert_eq!((all.committed_microunits, all.reserved_microunits), (165, 5));
    ledger.prove();
    more.release();
}

#[test]
fn what_did_not_move_is_in_the_old_period_and_not_in_the_new() {
    let engine = BudgetEngine::new();
    let november = engine.ensure_tenant("acme/2026-11", 100).unwrap();
    let full =
        engine.ensure_tenant("acme/2026-12", calybris_budget::MAX_AMOUNT_MICROUNITS).unwrap();
    assert!(matches!(november.carry_over(&full, 1), Err(BudgetError::GrantTooLarge { .. })));
    assert_eq!(november.snapshot().available_microunits, 100);

    let december = engine.ensure_tenant("acme/2026-12 again", 0).unwrap();
    let out = november.try_reserve(100).unwrap();
    assert_eq!(november.carry_over(&december, u64::MAX).unwrap(), 0, "it is all out");
    out.release();
    assert_eq!(november.carry_over(&december, 0).unwrap(), 0);
    assert_eq!(november.carry_over(&december, 99).unwrap(), 99);
    assert_eq!(december.snapshot().granted_microunits, 99);
}
