//! Falling back: each step goes to the best model that is left, and the money goes with it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use calybris_budget::TenantRules;
use calybris_engine::{EngineError, FellBack, Ledger, Record};
use calybris_kernel::{BasisPoints, RankedModel};
use proptest::prelude::*;
use world::*;

fn assert_survives(dir: &std::path::Path, engine: calybris_engine::Engine) {
    let before = state(&engine);
    assert_eq!(balances(&engine), fold(&records(dir)).0);
    drop(engine);
    Ledger::read(dir, None).unwrap().conservation.unwrap();
    assert_eq!(state(&open(dir)), before);
}

#[test]
fn a_ticket_falls_back_along_the_rank_and_its_reservation_becomes_each_models_cost() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    // Cheapest first: SMALL is worth most here, then LARGE, then FREE.
    let mut call = call("a", 1, 0);
    call.request.business_value_microunits = 10_000;
    let mut ranking = [RankedModel::default(); 3];
    assert_eq!(snapshot().policy_snapshot().rank(&call.request, &mut ranking), 3);
    let mut ticket = engine.decide(&call).unwrap().ticket.unwrap();
    assert_eq!(ticket.model_id(), ranking[0].model_id);
    for next in &ranking[1..] {
        let fell_back = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
        let fallback = fell_back.fallback.unwrap();
        assert_eq!(fallback.model_id, next.model_id);
        assert_eq!(fallback.estimated_cost.get(), next.cost.get());
        assert_eq!(fallback.expected_utility_microunits, next.utility_microunits);
        ticket = fell_back.ticket;
        assert_eq!(ticket.model_id(), next.model_id);
        assert_eq!(ticket.reserved().get(), next.cost.get());
        assert_eq!(balances(&engine)["a"].2, next.cost.get());
    }
    let FellBack { fallback, ticket, .. } = engine.fall_back(ticket, UnixMillis::new(3)).unwrap();
    assert_eq!((fallback, ticket.model_id()), (None, ranking[2].model_id));
    let failed: Vec<u32> = ranking.iter().map(|ranked| ranked.model_id).collect();
    assert_eq!(engine.open_tickets()[0].failed_model_ids, failed);
    assert_survives(dir.path(), engine);
    // After a restart it still knows what it has tried.
    let engine = open(dir.path());
    let ticket = engine.ticket(ticket.decision_sequence()).unwrap();
    let fell_back = engine.fall_back(ticket, UnixMillis::new(4)).unwrap();
    assert_eq!(fell_back.fallback, None);
    engine.abandon(fell_back.ticket, UnixMillis::new(5)).unwrap();
    assert_eq!(balances(&engine)["a"], (10_000, 10_000, 0, 0));
}

#[test]
fn a_second_ticket_that_does_not_know_of_a_fallback_cannot_fail_the_next_model() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    // A caller makes his call again, so that two of him carry out the same decision.
    let call = call("a", 1, 7_000).with_request_key("key");
    let [first, second] = [(); 2].map(|()| engine.decide(&call).unwrap().ticket.unwrap());
    let fell_back = engine.fall_back(first, UnixMillis::new(2)).unwrap();
    assert_eq!(fell_back.ticket.model_id(), LARGE);
    let (before, logged) = (state(&engine), engine.head());
    let refused = engine.fall_back(second, UnixMillis::new(3)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("the ticket at sequence 3 has gone on from model {SMALL} to model {LARGE}")
    );
    assert!(matches!(refused.error, EngineError::TicketMovedOn { .. }));
    assert_eq!((state(&engine), engine.head()), (before, logged));
    // The ticket as it is now can go on.
    let ticket = engine.ticket(3).unwrap();
    assert_eq!(engine.fall_back(ticket, UnixMillis::new(4)).unwrap().fallback, None);
    engine.settle(refused.ticket, Microunits::new(150), UnixMillis::new(5)).unwrap();
    assert_survives(dir.path(), engine);
}

#[test]
fn a_model_that_the_budget_cannot_pay_is_passed_over() {
    // LARGE costs 2,000, SMALL 200. At a quality of 7,000 SMALL wins and only LARGE is left.
    for (granted, affordable) in [(1_999, false), (2_000, true)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        engine.ensure_tenant("a", Microunits::new(granted), UnixMillis::new(1)).unwrap();
        let ticket = engine.decide(&call("a", 1, 7_000)).unwrap().ticket.unwrap();
        assert_eq!(ticket.model_id(), SMALL);
        let fell_back = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
        assert_eq!(
            fell_back.fallback.map(|fallback| fallback.model_id),
            affordable.then_some(LARGE)
        );
        let reserved = if affordable { 2_000 } else { 200 };
        assert_eq!(fell_back.ticket.reserved().get(), reserved);
        assert_eq!(balances(&engine)["a"], (granted, granted - reserved, reserved, 0));
        if !affordable {
            // What failed for lack of budget may go on when there is more.
            engine.top_up("a", Microunits::new(1), UnixMillis::new(3)).unwrap();
            let fell_back = engine.fall_back(fell_back.ticket, UnixMillis::new(4)).unwrap();
            assert_eq!(fell_back.fallback.unwrap().model_id, LARGE);
        }
        assert_survives(dir.path(), engine);
    }
}

#[test]
fn a_frozen_tenant_falls_back_only_on_what_its_ticket_can_pay() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 0)).unwrap().ticket.unwrap();
    assert_eq!(ticket.model_id(), SMALL);
    engine.freeze("a", UnixMillis::new(2)).unwrap();
    let fell_back = engine.fall_back(ticket, UnixMillis::new(3)).unwrap();
    assert_eq!(fell_back.fallback.unwrap().model_id, FREE);
    let cap = TenantRules::default().with_exposure_cap(Microunits::new(0));
    engine.set_rules("a", cap, UnixMillis::new(4)).unwrap();
    engine.unfreeze("a", UnixMillis::new(4)).unwrap();
    assert_eq!(engine.fall_back(fell_back.ticket, UnixMillis::new(5)).unwrap().fallback, None);
    assert_survives(dir.path(), engine);
}

#[test]
fn falling_back_asks_the_snapshot_in_force_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 7_000)).unwrap().ticket.unwrap();
    let strict = POLICY.with_policy_epoch(2).with_hard_risk_limit(BasisPoints::percent(1));
    let installed_at = engine.install(snapshot_under(strict), UnixMillis::new(2)).unwrap();
    let fell_back = engine.fall_back(ticket, UnixMillis::new(3)).unwrap();
    assert_eq!(fell_back.fallback, None);
    let (_, last) = records(dir.path()).pop().unwrap();
    let Record::FellBack { snapshot_sequence, failed_model_id, .. } = last else {
        panic!("{last:?}")
    };
    assert_eq!((snapshot_sequence, failed_model_id), (installed_at, SMALL));
    engine.settle(fell_back.ticket, Microunits::new(1), UnixMillis::new(4)).unwrap();
    let closed = engine.ticket(3);
    assert!(closed.is_none());
}

#[test]
fn a_settled_ticket_falls_back_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let ticket = engine.decide(&call("a", 1, 9_000)).unwrap().ticket.unwrap();
    let same = engine.ticket(ticket.decision_sequence()).unwrap();
    engine.settle(ticket, Microunits::new(1), UnixMillis::new(2)).unwrap();
    let refused = engine.fall_back(same, UnixMillis::new(3)).unwrap_err();
    assert!(matches!(refused.error, EngineError::TicketNotOpen { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The next model is the first in the whole ranking that was not tried and that can be paid.
    #[test]
    fn the_next_model_is_the_best_that_is_left(
        qualities in prop::collection::vec((0_u16..=10_000, 0_u64..12_000_000), 1..24),
        granted in 0_u64..8_000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(dir.path());
        let models = (10..).zip(&qualities);
        let models: Vec<_> = models.map(|(id, &(quality, price))| model(id, quality, price)).collect();
        let policy_snapshot = calybris_kernel::PolicySnapshot::new(POLICY, models).unwrap();
        let names = calybris_engine::Names::default();
        engine.install(calybris_engine::Snapshot::new(policy_snapshot.clone(), names), UnixMillis::new(1)).unwrap();
        engine.ensure_tenant("a", Microunits::new(granted), UnixMillis::new(1)).unwrap();
        let call = call("a", 1, 0);
        let mut ranking = vec![RankedModel::default(); qualities.len()];
        let found = policy_snapshot.rank(&call.request, &mut ranking);
        let Some(mut ticket) = engine.decide(&call).unwrap().ticket else { return Ok(()) };
        let mut tried = vec![ticket.model_id()];
        loop {
            let expected = ranking[..found].iter().find(|ranked| {
                !tried.contains(&ranked.model_id) && ranked.cost.get() <= granted
            });
            prop_assert!(tried.len() <= qualities.len(), "no model is tried twice");
            let fell_back = engine.fall_back(ticket, UnixMillis::new(2)).unwrap();
            let went_to = fell_back.fallback.map(|fallback| fallback.model_id);
            prop_assert_eq!(went_to, expected.map(|ranked| ranked.model_id));
            ticket = fell_back.ticket;
            match went_to {
                Some(model_id) => tried.push(model_id),
                None => break,
            }
        }
        prop_assert_eq!(balances(&engine), fold(&records(dir.path())).0);
    }
}
