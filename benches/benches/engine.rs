//! The engine: one call from decision to settlement, both logged, and reading the log again.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark, and criterion's macros")]

use std::num::NonZeroUsize;

use calybris_benches::{catalog, policy, request};
use calybris_core::engine::{
    Call, Engine, EngineOptions, Microunits, Names, RecordedDecision, ReplayOptions, Snapshot,
    UnixMillis, replay,
};
use calybris_core::kernel::PolicySnapshot;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn decide_and_settle(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let policy_snapshot = PolicySnapshot::new(policy(), catalog(22)).unwrap();
    let snapshot = Snapshot::new(policy_snapshot, Names::default());
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.install(snapshot, UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("search", Microunits::new(1_000_000_000_000), UnixMillis::new(0)).unwrap();
    let mut sequence = 0;
    c.bench_function("engine/decide_and_settle/22_models", |b| {
        b.iter(|| {
            sequence += 1;
            let request = request(sequence);
            let call = Call::new("search", UnixMillis::new(sequence), request);
            if let Some(ticket) = engine.decide(&call).unwrap().ticket {
                let cost = ticket.reserved().get();
                engine.settle(ticket, Microunits::new(cost), UnixMillis::new(sequence)).unwrap();
            }
        });
    });
}

/// Reads a log of decisions and their settlements, verifies it and makes every decision again; finds one of them.
fn read(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let policy_snapshot = PolicySnapshot::new(policy(), catalog(22)).unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.install(Snapshot::new(policy_snapshot, Names::default()), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("search", Microunits::new(1_000_000_000_000), UnixMillis::new(0)).unwrap();
    let decisions = 50_000;
    for sequence in 1..=decisions {
        let request = request(sequence);
        let call = Call::new("search", UnixMillis::new(sequence), request);
        if let Some(ticket) = engine.decide(&call).unwrap().ticket {
            let cost = ticket.reserved().get();
            engine.settle(ticket, Microunits::new(cost), UnixMillis::new(sequence)).unwrap();
        }
    }
    engine.close().unwrap();

    let mut group = c.benchmark_group("engine/replay/22_models");
    group.throughput(Throughput::Elements(decisions)).sample_size(20);
    for threads in [1, 2] {
        let options = ReplayOptions { threads: NonZeroUsize::new(threads), progress: None };
        group.bench_function(format!("{threads} threads"), |b| {
            b.iter(|| replay(dir.path(), None, &options, |_| Ok(Vec::new()), |_| {}).unwrap());
        });
    }
    group.finish();

    let middle = decisions / 2;
    let decision = (middle..).find(|at| RecordedDecision::find(dir.path(), None, *at).is_ok());
    c.bench_function("engine/find", |b| {
        b.iter(|| RecordedDecision::find(dir.path(), None, decision.unwrap()).unwrap());
    });
}

criterion_group!(engine, decide_and_settle, read);
criterion_main!(engine);
