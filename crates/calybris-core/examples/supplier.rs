//! Choosing a supplier: quotes instead of models, a certificate instead of a capability, days instead of milliseconds.
//!
//! The kernel does not know what it chooses. A quote has a fixed price for the lot and a price per million pieces, a
//! quality from past deliveries, a delivery time, the regions it ships from and the certificates its supplier holds.
//!
//! Run it with `cargo run -p calybris-core --example supplier`.

use calybris_core::kernel::{
    CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request, Verdict,
};

const ISO_9001: u8 = 0;
const CONFLICT_FREE: u8 = 1;
const EUROPE: u8 = 0;
const ASIA: u8 = 1;
const NAMES: [(u32, &str); 4] =
    [(1, "Alba Fasteners"), (2, "Brio Metals"), (3, "Chen Works"), (4, "Dorn & Son")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy {
        policy_epoch: 7,
        catalog_epoch: 2026,
        hard_risk_limit_bps: 8_000, // an order this risky goes to nobody
        minimum_confidence_bps: 6_000,
        risk_penalty_multiplier_bps: 5_000,
        latency_penalty_microunits_per_ms: 100_000_000, // a "millisecond" is a day here: 100 euros each
    };
    let quote =
        |model_id, quality_bps, days, lot_euros: u64, euros_per_million_pieces: u64| Model {
            model_id,
            provider_id: 0,
            quality_bps,
            risk_ceiling_bps: 7_000,
            enabled: true,
            p95_latency_ms: days,
            capabilities: CapabilitySet(1 << ISO_9001 | 1 << CONFLICT_FREE),
            regions: RegionSet(1 << EUROPE),
            input_price_microunits_per_million_tokens: euros_per_million_pieces * 1_000_000,
            output_price_microunits_per_million_tokens: 0,
            fixed_price_microunits: lot_euros * 1_000_000,
        };
    let quotes = [
        quote(1, 9_600, 12, 900, 21_000),
        quote(2, 9_200, 6, 400, 23_500),
        Model { regions: RegionSet(1 << ASIA), ..quote(3, 9_400, 30, 200, 12_000) },
        Model { capabilities: CapabilitySet(1 << ISO_9001), ..quote(4, 9_700, 9, 0, 19_000) },
    ];
    let snapshot = PolicySnapshot::new(policy, quotes)?;

    let order = Request {
        sequence: 41,
        requested_model_id: 1, // who delivered last time
        input_tokens: 250_000, // pieces
        output_tokens: 0,
        business_value_microunits: 12_000_000_000, // 12,000 euros
        budget_limit_microunits: 7_000_000_000,    // 7,000 euros
        risk_bps: 800,
        confidence_bps: 9_500,
        minimum_quality_bps: 9_000,
        max_p95_latency_ms: 21, // three weeks
        required_capabilities: CapabilitySet(1 << ISO_9001 | 1 << CONFLICT_FREE),
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet(1 << EUROPE),
    };

    let decision = snapshot.prescribe(&order);
    println!("{}: {}", decision.action, decision.reason);
    for verdict in snapshot.explain(&order).models {
        let name =
            NAMES.iter().find(|(id, _)| *id == verdict.model_id).map_or("?", |(_, name)| name);
        match verdict.verdict {
            Verdict::Eligible { utility_microunits, terms } => {
                let (worth, cost) =
                    (utility_microunits / 1_000_000, terms.cost_microunits / 1_000_000);
                println!("  {name:<15} {worth} euros of utility at a cost of {cost}");
            }
            Verdict::Refused(refusal) => println!("  {name:<15} {refusal:?}"),
        }
    }
    // The quickest of those that may be asked is worth more than the one asked for; the two others fail a hard limit.
    assert_eq!(decision.selected_model_id, Some(2));
    let changes = snapshot.what_would_win(&order, 1).ok_or("no such quote")?;
    let lot_price = changes.fixed_price_microunits.ok_or("no price would win")?;
    println!("Alba would win with {} euros or less for the lot", lot_price / 1_000_000);
    Ok(())
}
