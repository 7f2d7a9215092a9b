//! The engine: one call from decision to settlement, both logged.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark, and criterion's macros")]

use calybris_benches::{catalog, policy, request};
use calybris_core::engine::{Call, Engine, EngineOptions, Names, Snapshot};
use calybris_core::kernel::PolicySnapshot;
use criterion::{Criterion, criterion_group, criterion_main};

fn decide_and_settle(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let policy_snapshot = PolicySnapshot::new(policy(), catalog(22)).unwrap();
    let snapshot = Snapshot::new(policy_snapshot, Names::default());
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.install(snapshot, 0).unwrap();
    engine.ensure_tenant("search", 1_000_000_000_000, 0).unwrap();
    let mut sequence = 0;
    c.bench_function("engine/decide_and_settle/22_models", |b| {
        b.iter(|| {
            sequence += 1;
            let request = request(sequence);
            let call = Call {
                tenant: "search",
                time_unix_ms: sequence,
                correlation_id: "",
                request_key: "",
                request,
            };
            if let Some(ticket) = engine.decide(&call).unwrap().ticket {
                let cost = ticket.reserved_microunits();
                engine.settle(ticket, cost, sequence).unwrap();
            }
        });
    });
}

criterion_group!(engine, decide_and_settle);
criterion_main!(engine);
