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

use calybris_engine::{Call, Engine, EngineOptions, Ledger, Names, Snapshot, UnixMillis};
use calybris_kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, RegionSet, Request,
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
        engine.checkpoint(UnixMillis::new(1))?;
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
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90))
        .with_minimum_confidence(BasisPoints::percent(50))
        .with_risk_penalty_multiplier(BasisPoints::percent(25))
        .with_latency_penalty_per_ms(Microunits::new(1));
    let models: Vec<Model> = (1..=22)
        .map(|model_id| {
            Model::new(model_id, 0, BasisPoints::percent(80))
                .with_risk_ceiling(BasisPoints::percent(90))
                .with_p95_latency_ms(400)
                .with_regions(RegionSet::EMPTY)
                .with_price(Price::FREE.with_fixed_price(Microunits::new(u64::from(model_id) * 10)))
        })
        .collect();
    engine.install(
        Snapshot::new(PolicySnapshot::new(policy, models)?, Names::default()),
        UnixMillis::new(1),
    )?;
    for tenant in 0..100 {
        engine.ensure_tenant(
            &format!("tenant-{tenant}"),
            Microunits::new(1 << 50),
            UnixMillis::new(1),
        )?;
    }
    let mut sequence = 0;
    // Stop short of a checkpoint, where opening takes longest.
    while engine.head().sequence < records {
        sequence += 1;
        let request = Request::new(sequence, 1, 1_000, 500)
            .with_business_value_microunits(20_000)
            .with_budget_limit(Microunits::new(10_000))
            .with_risk(BasisPoints::percent(5))
            .with_confidence(BasisPoints::percent(90))
            .with_minimum_quality(BasisPoints::percent(70));
        let (tenant, key) = (format!("tenant-{}", sequence % 100), format!("key-{sequence}"));
        let request_key = if sequence % 10 == 0 { key.as_str() } else { "" };
        let call =
            Call::new(&tenant, UnixMillis::new(sequence), request).with_request_key(request_key);
        let ticket = engine.decide(&call)?.ticket.ok_or("refused")?;
        if sequence % 100 > 0 {
            engine.settle(ticket, Microunits::new(5), UnixMillis::new(sequence))?;
        }
    }
    engine.close()?;
    Ok(())
}
