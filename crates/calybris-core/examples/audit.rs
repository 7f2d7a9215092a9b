//! Auditing a log: is it whole, does every decision come out again, does the money add up, what would a stricter policy
//! have done, and what can be shown to somebody who has no log?
//!
//! Run it with `cargo run -p calybris-core --example audit`.

use std::path::Path;
use std::sync::Arc;

use calybris_core::engine::{
    Call, Comparison, DecisionProof, Engine, EngineOptions, Ledger, Names, ReplayOptions, Snapshot,
    UnixMillis, replay,
};
use calybris_core::kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet, Request,
};
use calybris_core::wal::{Anchor, TreeHead, VerifyOptions, verify};

const POLICY: Policy = Policy::new()
    .with_policy_epoch(1)
    .with_catalog_epoch(1)
    .with_hard_risk_limit(BasisPoints::percent(90))
    .with_minimum_confidence(BasisPoints::percent(50))
    .with_risk_penalty_multiplier(BasisPoints::percent(25))
    .with_latency_penalty_per_ms(Microunits::new(1));

/// What the gateway did: forty calls, each a little riskier than the one before. The anchor is what it gave away.
fn gateway(log: &Path) -> Result<Anchor, Box<dyn std::error::Error>> {
    let model = |model_id, quality_bps, output_price| {
        Model::new(model_id, 0, BasisPoints::new(quality_bps))
            .with_risk_ceiling(BasisPoints::percent(95))
            .with_p95_latency_ms(300)
            .with_regions(RegionSet::EMPTY)
            .with_price(Price::per_million_tokens(
                Microunits::new(500_000),
                Microunits::new(output_price),
            ))
    };
    let catalog = [model(1, 9_200, 8_000_000), model(2, 8_000, 600_000)];
    let engine = Engine::open(log, &EngineOptions::default())?;
    let snapshot = Snapshot::new(PolicySnapshot::new(POLICY, catalog)?, Names::default());
    engine.install(snapshot, UnixMillis::new(1_000))?;
    engine.ensure_tenant("chat", Microunits::new(100_000), UnixMillis::new(1_000))?;
    for number in 1..=40_u16 {
        let request = Request::new(number.into(), 1, 800, 400)
            .with_business_value_microunits(30_000)
            .with_budget_limit(Microunits::new(10_000))
            .with_risk(BasisPoints::new(number * 200))
            .with_confidence(BasisPoints::percent(90))
            .with_minimum_quality(BasisPoints::percent(75));
        let time_unix_ms = 1_000 + u64::from(number);
        let call = Call::new("chat", UnixMillis::new(time_unix_ms), request);
        if let Some(ticket) = engine.decide(&call)?.ticket {
            let cost_microunits = ticket.reserved().get() / 2;
            engine.settle(
                ticket,
                Microunits::new(cost_microunits),
                UnixMillis::new(time_unix_ms),
            )?;
        }
    }
    Ok(engine.close()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("log");
    let anchor = gateway(&log)?;

    // Is it whole, up to the anchor that was kept elsewhere?
    let options = VerifyOptions::default().with_anchor(anchor);
    let report = verify(&log, &options)?;
    println!("{} records are what was written", report.records);

    // Does the money add up, by two countings that share no code?
    let ledger = Ledger::read(&log, None)?;
    let books = ledger.conservation?;
    println!("spent {} of {} microunits", books.committed_microunits, books.granted_microunits);
    assert!(ledger.open_tickets.is_empty());

    // Does every decision come out again? And what if nothing above a risk of 40 percent had been taken?
    let stricter = |recorded: &Arc<Snapshot>| {
        let policy = POLICY.with_policy_epoch(2).with_hard_risk_limit(BasisPoints::percent(40));
        let models = recorded.policy_snapshot().models().collect::<Vec<_>>();
        Ok(vec![Arc::new(Snapshot::new(PolicySnapshot::new(policy, models)?, Names::default()))])
    };
    let mut comparison = Comparison::new(3);
    let replayed = replay(&log, None, &ReplayOptions::default(), stricter, |one| {
        if let ([snapshot], [decision]) = (one.proposals, one.proposed) {
            comparison.add(one.sequence, &one.decided, one.snapshot, snapshot, decision);
        }
    })?;
    let what_if = comparison.finish()?;
    println!("{} decisions came out as recorded", replayed.decisions);
    println!(
        "a stricter limit would have rejected {} more, for {} microunits less",
        what_if.total.newly_rejected,
        -what_if.total.cost_delta_microunits()
    );
    assert_eq!((replayed.decisions, what_if.total.newly_rejected > 0), (40, true));

    // One decision for somebody who has no log, but the tree head that was published.
    let published = TreeHead::of(&log, None, report.records)?;
    let proof = DecisionProof::of(&log, None, 3)?;
    let checked = proof.check(&published, None)?;
    println!(
        "proven: {} was answered with {:?}",
        checked.decided.tenant, checked.decided.decision.action
    );
    Ok(())
}
