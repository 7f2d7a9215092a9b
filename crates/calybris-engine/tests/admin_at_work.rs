//! The administrator of a budget at work while calls go on: whatever comes first, the log leads to what the engine has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use calybris_budget::{OverrunPolicy, TenantRules};
use calybris_engine::{Engine, EngineOptions, Ledger, ReplayOptions, replay};
use world::*;

const TENANTS: [&str; 4] = ["root", "root/child", "root/child/grandchild", "other"];

/// One caller: decides for one tenant after another, and does something else with each ticket.
fn call_on(engine: &Engine, caller: u64) {
    for step in 0..60_u64 {
        let tenant = TENANTS[usize::try_from((caller + step) % 4).unwrap()];
        let key = format!("{}", step % 20);
        let request_key = if step % 3 == 0 { key.as_str() } else { "" };
        let sequence = if request_key.is_empty() { step } else { 0 };
        let quality = if request_key.is_empty() && step % 2 == 0 { 9_000 } else { 7_000 };
        let call = call(tenant, sequence, quality).with_request_key(request_key);
        let Some(mut ticket) = engine.decide(&call).unwrap().ticket else { continue };
        let reserved = ticket.reserved().get();
        match (caller + step) % 7 {
            0 => drop(engine.settle(ticket, Microunits::new(reserved / 2), UnixMillis::new(2))),
            1 => drop(engine.settle(ticket, Microunits::new(reserved * 3), UnixMillis::new(2))),
            2 => drop(engine.abandon(ticket, UnixMillis::new(2))),
            3 => drop(engine.extend(&mut ticket, Microunits::new(50), UnixMillis::new(2))),
            4 => drop(engine.fall_back(ticket, UnixMillis::new(2))),
            5 => {
                drop(engine.settle(ticket, Microunits::new(reserved + 20_000), UnixMillis::new(2)));
            }
            _ => {}
        }
    }
}

/// The administrator does all that administrators do, again and again. A no is an answer here.
fn own(engine: &Engine) {
    for step in 0..60_u64 {
        let tenant = TENANTS[usize::try_from(step % 4).unwrap()];
        let next = TENANTS[usize::try_from((step + 1) % 4).unwrap()];
        let overruns =
            [OverrunPolicy::DrawThenDebt, OverrunPolicy::CapAtReserved, OverrunPolicy::Reject];
        let overrun = overruns[usize::try_from(step / 3 % 3).unwrap()];
        let mut rules = TenantRules::default().with_overrun(overrun);
        rules.exposure_cap = (step % 5 == 0).then_some(Microunits::new(6_000));
        rules.soft_limit = (step % 2 == 0).then_some(Microunits::new(1_000 * step));
        drop(engine.set_rules(tenant, rules, UnixMillis::new(3)));
        drop(engine.top_up(tenant, Microunits::new(700), UnixMillis::new(3)));
        drop(engine.reduce(next, Microunits::new(300), UnixMillis::new(3)));
        drop(engine.refund(tenant, Microunits::new(40), UnixMillis::new(3)));
        drop(engine.repay(tenant, Microunits::new(900), UnixMillis::new(3)));
        drop(engine.carry_over(tenant, next, Microunits::new(500), UnixMillis::new(3)));
        drop(engine.freeze(next, UnixMillis::new(3)));
        drop(engine.ensure_child(
            &format!("other/{step}"),
            "other",
            Microunits::new(10),
            UnixMillis::new(3),
        ));
        let policy = POLICY.with_policy_epoch(step % 3);
        engine.install(snapshot_under(policy), UnixMillis::new(3)).unwrap();
        engine.unfreeze(next, UnixMillis::new(3)).unwrap();
    }
}

#[test]
fn whatever_an_owner_does_while_calls_go_on_the_log_leads_to_what_the_engine_has() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().checkpoint_every_records(11).request_keys(7);
    let engine = Engine::open(dir.path(), &options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("root", Microunits::new(60_000), UnixMillis::new(1)).unwrap();
    engine.ensure_child("root/child", "root", Microunits::new(40_000), UnixMillis::new(1)).unwrap();
    engine
        .ensure_child(
            "root/child/grandchild",
            "root/child",
            Microunits::new(30_000),
            UnixMillis::new(1),
        )
        .unwrap();
    engine.ensure_tenant("other", Microunits::new(40_000), UnixMillis::new(1)).unwrap();
    std::thread::scope(|scope| {
        let engine = &engine;
        (0..3).for_each(|caller| drop(scope.spawn(move || call_on(engine, caller))));
        scope.spawn(move || own(engine));
    });
    let before = (state(&engine), balances(&engine));
    drop(engine);
    // Each checkpoint is held against the records before it, and the money is added up twice.
    let ledger = Ledger::read(dir.path(), None).unwrap();
    ledger.conservation.unwrap();
    assert_eq!(fold(&records(dir.path())).0, before.1);
    let report = replay(dir.path(), None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {});
    assert_eq!(report.unwrap().decisions, ledger.decisions);
    assert_eq!(state(&Engine::open(dir.path(), &options).unwrap()), before.0);
}
