//! Choosing a supplier: quotes instead of models, a certificate instead of a capability, days instead of milliseconds.
//!
//! The kernel does not know what it chooses. A quote has a fixed price for the lot and a price per million pieces, a
//! quality from past deliveries, a delivery time, the regions it ships from and the certificates its supplier holds.
//!
//! Run it with `cargo run -p calybris-core --example supplier`.

use calybris_core::kernel::{
    BasisPoints, CapabilitySet, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet,
    Request, Verdict,
};

const ISO_9001: u8 = 0;
const CONFLICT_FREE: u8 = 1;
const EUROPE: u8 = 0;
const ASIA: u8 = 1;
const NAMES: [(u32, &str); 4] =
    [(1, "Alba Fasteners"), (2, "Brio Metals"), (3, "Chen Works"), (4, "Dorn & Son")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy::new()
        .with_policy_epoch(7)
        .with_catalog_epoch(2026)
        .with_hard_risk_limit(BasisPoints::percent(80)) // an order this risky goes to nobody
        .with_minimum_confidence(BasisPoints::percent(60))
        .with_risk_penalty_multiplier(BasisPoints::percent(50))
        .with_latency_penalty_per_ms(Microunits::new(100_000_000)); // a "millisecond" is a day here: 100 euros each
    let quote = |model_id, quality_bps, days, lot_euros: u64, euros_per_million_pieces: u64| {
        Model::new(model_id, 0, BasisPoints::new(quality_bps))
            .with_risk_ceiling(BasisPoints::percent(70))
            .with_p95_latency_ms(days)
            .with_capabilities(CapabilitySet::from_bits(1 << ISO_9001 | 1 << CONFLICT_FREE))
            .with_regions(RegionSet::from_bits(1 << EUROPE))
            .with_price(
                Price::per_million_tokens(
                    Microunits::new(euros_per_million_pieces * 1_000_000),
                    Microunits::ZERO,
                )
                .with_fixed_price(Microunits::new(lot_euros * 1_000_000)),
            )
    };
    let quotes = [
        quote(1, 9_600, 12, 900, 21_000),
        quote(2, 9_200, 6, 400, 23_500),
        quote(3, 9_400, 30, 200, 12_000).with_regions(RegionSet::from_bits(1 << ASIA)),
        quote(4, 9_700, 9, 0, 19_000).with_capabilities(CapabilitySet::from_bits(1 << ISO_9001)),
    ];
    let snapshot = PolicySnapshot::new(policy, quotes)?;

    let order = Request::new(41, 1, 250_000, 0)
        // who delivered last time
        // pieces
        .with_business_value_microunits(12_000_000_000) // 12,000 euros
        .with_budget_limit(Microunits::new(7_000_000_000)) // 7,000 euros
        .with_risk(BasisPoints::percent(8))
        .with_confidence(BasisPoints::percent(95))
        .with_minimum_quality(BasisPoints::percent(90))
        .with_max_p95_latency_ms(21) // three weeks
        .with_required_capabilities(CapabilitySet::from_bits(1 << ISO_9001 | 1 << CONFLICT_FREE))
        .with_required_regions(RegionSet::from_bits(1 << EUROPE));

    let decision = snapshot.prescribe(&order);
    println!("{}: {}", decision.action, decision.reason);
    for verdict in snapshot.explain(&order).models {
        let name =
            NAMES.iter().find(|(id, _)| *id == verdict.model_id).map_or("?", |(_, name)| name);
        match verdict.verdict {
            Verdict::Eligible { utility_microunits, terms } => {
                let (worth, cost) = (utility_microunits / 1_000_000, terms.cost.get() / 1_000_000);
                println!("  {name:<15} {worth} euros of utility at a cost of {cost}");
            }
            Verdict::Refused(refusal) => println!("  {name:<15} {refusal:?}"),
        }
    }
    // The quickest of those that may be asked is worth more than the one asked for; the two others fail a hard limit.
    assert_eq!(decision.selected_model_id, Some(2));
    let changes = snapshot.what_would_win(&order, 1).ok_or("no such quote")?;
    let lot_price = changes.fixed_price.map(Microunits::get).ok_or("no price would win")?;
    println!("Alba would win with {} euros or less for the lot", lot_price / 1_000_000);
    Ok(())
}
