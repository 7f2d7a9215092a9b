//! Pre-trade admission: which venue may take an order, and may the desk still afford it?
//!
//! A venue is a candidate: a fee per order, a fee per million shares, a fill quality, a latency, an instrument class it
//! trades. The desk's exposure limit is its budget, with a cap on what may be open at once. Every order, refused ones
//! too, is in the log before it is sent.
//!
//! Run it with `cargo run -p calybris-core --example pre_trade`.

use calybris_core::engine::{Admission, Call, Engine, EngineOptions, Names, Snapshot, UnixMillis};
use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet,
    Request,
};

const EQUITIES: CapabilitySet = CapabilitySet::from_bits(1);
const OPTIONS: CapabilitySet = CapabilitySet::from_bits(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy::new()
        .with_policy_epoch(3)
        .with_catalog_epoch(12)
        .with_hard_risk_limit(BasisPoints::percent(60)) // the desk's model of market risk; at or above it nothing is sent
        .with_minimum_confidence(BasisPoints::percent(70))
        .with_risk_penalty_multiplier(BasisPoints::WHOLE)
        .with_latency_penalty_per_ms(Microunits::new(2_000));
    let venue = |model_id, fill_bps, latency_ms, order_fee, fee_per_million_shares| {
        Model::new(model_id, 0, BasisPoints::new(fill_bps))
            .with_risk_ceiling(BasisPoints::percent(50))
            .with_p95_latency_ms(latency_ms)
            .with_capabilities(EQUITIES)
            .with_regions(RegionSet::EMPTY)
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(fee_per_million_shares),
                    Microunits::ZERO,
                )
                .with_fixed_price(Microunits::new(order_fee)),
            )
    };
    let venues = [
        venue(1, 9_700, 2, 150_000, 900_000_000),
        venue(2, 9_300, 9, 20_000, 400_000_000),
        venue(3, 9_900, 3, 300_000, 700_000_000).with_capabilities(OPTIONS),
    ];
    let snapshot = Snapshot::new(PolicySnapshot::new(policy, venues)?, Names::default());

    let directory = tempfile::tempdir()?;
    let engine = Engine::open(directory.path().join("orders"), &EngineOptions::default())?;
    engine.install(snapshot, UnixMillis::new(1_000))?;
    engine.ensure_tenant("desk-7", Microunits::new(10_000_000), UnixMillis::new(1_000))?; // ten dollars of fees today

    let order = |sequence, shares, risk_bps| {
        Request::new(sequence, 1, shares, 0)
            .with_business_value_microunits(40_000_000) // what the signal is worth
            .with_budget_limit(Microunits::new(8_000_000))
            .with_risk(BasisPoints::new(risk_bps))
            .with_confidence(BasisPoints::percent(90))
            .with_minimum_quality(BasisPoints::percent(90))
            .with_max_p95_latency_ms(20)
            .with_required_capabilities(EQUITIES)
    };
    let mut answers = Vec::new();
    for (sequence, shares, risk_bps) in
        [(1, 5_000, 400), (2, 12_000, 6_000), (3, 15_000, 800), (4, 9_000, 300)]
    {
        let order_id = format!("order-{sequence}");
        let request = order(sequence, shares, risk_bps);
        let call = Call::new("desk-7", UnixMillis::new(1_000 + sequence), request)
            .with_correlation_id(&order_id)
            .with_request_key(&order_id); // sent twice, an order is decided once
        let outcome = engine.decide(&call)?;
        let answer = match (&outcome.ticket, outcome.admission) {
            (Some(ticket), _) => format!("send to venue {}", ticket.model_id()),
            (None, Admission::NotAsked) => format!("not sent: {}", outcome.decision.reason),
            (None, refused) => format!("not sent: {refused:?}"),
        };
        println!("{order_id}: {answer}");
        answers.push(outcome.ticket.is_some());
        if let Some(ticket) = outcome.ticket {
            let fee_microunits = ticket.reserved().get(); // filled whole
            engine.settle(
                ticket,
                Microunits::new(fee_microunits),
                UnixMillis::new(1_000 + sequence),
            )?;
        }
    }
    // Too risky, and the last one is more than what is left.
    assert_eq!(answers, [true, false, true, false]);
    let account = engine.account("desk-7").ok_or("the desk was opened above")?;
    println!("left: {} microunits of {}", account.available.get(), account.granted.get());
    println!("anchor: {}", engine.close()?);
    Ok(())
}
