//! How long it takes to open a log: from its last checkpoint, and without one.
//!
//! ```text
//! cargo run --release -p calybris-engine --example recovery            # a million records
//! cargo run --release -p calybris-engine --example recovery 10000000
//! ```
#![allow(clippy::unwrap_used, reason = "an example that ends at the first error")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use calybris_engine::{Call, Engine, EngineOptions, Ledger, Names, Snapshot};
use calybris_kernel::{
    CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request,
};
use calybris_wal::{Reader, VerifyOptions, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let dir = tempfile::tempdir()?;
    // The one has checkpoints as often as by default, the other has none.
    for (name, every) in [("checkpoints", EVERY), ("none", 0)] {
        let path = dir.path().join(name);
        let options = EngineOptions::default().checkpoint_every_records(every);
        let started = Instant::now();
        write(&path, &options, records)?;
        let written = started.elapsed();
        let verified = fastest(|| verify(&path, &VerifyOptions::default()).unwrap());
        let opened = fastest(|| Engine::open(&path, &options).unwrap());
        let engine = Engine::open(&path, &options)?;
        println!(
            "{name}: {} records in {} segments, written in {written:?}, verified in {verified:?}, opened in {opened:?} \
             from record {} ({} read, {} open tickets)",
            engine.head().sequence,
            Reader::segments(&path)?.len(),
            engine.recovery().first_sequence,
            engine.recovery().records,
            engine.recovery().open_tickets,
        );
        engine.checkpoint(1)?;
        drop(engine);
        let opened = fastest(|| Engine::open(&path, &options).unwrap());
        println!("{name}: with a checkpoint as its last record, opened in {opened:?}");
        let started = Instant::now();
        let ledger = Ledger::read(&path, None)?;
        println!("{name}: read as a ledger in {:?}, {:?}", started.elapsed(), ledger.conservation?);
    }
    Ok(())
}

/// As the default of [`EngineOptions`].
const EVERY: u64 = 32_768;

fn fastest<T>(mut step: impl FnMut() -> T) -> Duration {
    let run = |_| {
        let started = Instant::now();
        let kept = step();
        let took = started.elapsed();
        drop(kept);
        took
    };
    (0..5).map(run).min().unwrap_or_default()
}

/// Decides and settles, leaves every hundredth ticket open, and gives every tenth call a key.
fn write(path: &Path, options: &EngineOptions, records: u64) -> Result<(), Box<dyn Error>> {
    let engine = Engine::open(path, options)?;
    let policy = Policy {
        policy_epoch: 1,
        catalog_epoch: 1,
        hard_risk_limit_bps: 9_000,
        minimum_confidence_bps: 5_000,
        risk_penalty_multiplier_bps: 2_500,
        latency_penalty_microunits_per_ms: 1,
    };
    let models: Vec<Model> = (1..=22)
        .map(|model_id| Model {
            model_id,
            provider_id: 0,
            quality_bps: 8_000,
            risk_ceiling_bps: 9_000,
            enabled: true,
            p95_latency_ms: 400,
            capabilities: CapabilitySet::EMPTY,
            regions: RegionSet::EMPTY,
            input_price_microunits_per_million_tokens: 0,
            output_price_microunits_per_million_tokens: 0,
            fixed_price_microunits: u64::from(model_id) * 10,
        })
        .collect();
    engine.install(Snapshot::new(PolicySnapshot::new(policy, models)?, Names::default()), 1)?;
    for tenant in 0..100 {
        engine.ensure_tenant(&format!("tenant-{tenant}"), 1 << 50, 1)?;
    }
    let mut sequence = 0;
    // Stop short of a checkpoint, where opening takes longest.
    while engine.head().sequence < records {
        sequence += 1;
        let request = Request {
            sequence,
            requested_model_id: 1,
            input_tokens: 1_000,
            output_tokens: 500,
            business_value_microunits: 20_000,
            budget_limit_microunits: 10_000,
            risk_bps: 500,
            confidence_bps: 9_000,
            minimum_quality_bps: 7_000,
            max_p95_latency_ms: 0,
            required_capabilities: CapabilitySet::EMPTY,
            allowed_providers: ProviderSet::ALL,
            required_regions: RegionSet::EMPTY,
        };
        let (tenant, key) = (format!("tenant-{}", sequence % 100), format!("key-{sequence}"));
        let request_key = if sequence % 10 == 0 { key.as_str() } else { "" };
        let call = Call {
            tenant: &tenant,
            time_unix_ms: sequence,
            correlation_id: "",
            request_key,
            request,
        };
        let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
        if sequence % 100 > 0 {
            engine.settle(ticket, 5, sequence)?;
        }
    }
    engine.close()?;
    Ok(())
}
