//! The kernel: decisions by workload and catalog, each idea of the fast path, and the other doors.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark, and criterion's macros")]

use std::hint::black_box;

use calybris_benches::kernel::{Workload, dense, rejected, selective, tight};
use calybris_core::kernel::{BasisPoints, Microunits, PolicySnapshot, Price, RankedModel};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn snapshot(workload: &Workload) -> PolicySnapshot {
    PolicySnapshot::new(workload.policy, workload.models.clone()).unwrap()
}

/// Decisions per workload: how much is left of each idea where requests differ.
fn prescribe(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel/prescribe");
    for count in [4, 22, 64, 1_024, 16_384] {
        let workloads = [
            ("dense", dense(count)),
            ("selective", selective(count)),
            ("tight", tight(count)),
            ("rejected", rejected(count)),
        ];
        for (name, workload) in workloads {
            let snapshot = snapshot(&workload);
            let mut requests = workload.requests.iter().cycle();
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| requests.next().map(|request| snapshot.prescribe(black_box(request))));
            });
        }
    }
    group.finish();
}

/// The gain of each idea of the fast path: the same decisions with it and without it.
fn ideas(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel/ideas");
    let mut measure = |name: &str, workload: &Workload| {
        let snapshot = snapshot(workload);
        let mut requests = workload.requests.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| requests.next().map(|request| snapshot.prescribe(black_box(request))));
        });
    };

    // Models bounded by their codes; or, as the fixed prices of a few are beyond the guards, scanned.
    for count in [64, 1_024] {
        let bounded = dense(count);
        let mut scanned = bounded.clone();
        for model in scanned.models.iter_mut().step_by(32) {
            model.price = model.price.with_fixed_price(Microunits::new(1 << 50));
        }
        measure(&format!("codes/bounded/{count}"), &bounded);
        measure(&format!("codes/scanned/{count}"), &scanned);
    }
    // Rows: no request constrains, or each constrains capabilities, providers and regions.
    measure("rows/open/1024", &dense(1_024));
    measure("rows/constrained/1024", &selective(1_024));
    // A single block, which has a path of its own; or one model more than it has room for.
    measure("blocks/single/64", &dense(64));
    measure("blocks/two/65", &dense(65));
    // Blocks counted whole; or, as a budget cuts through most of them, visited.
    measure("blocks/counted/16384", &dense(16_384));
    measure("blocks/visited/16384", &tight(16_384));
    // Models of one score, of which two outdo the others and are valued alone; or, as each is served
    // elsewhere and no request goes everywhere, none outdoes another and all are valued.
    let mut outdone = dense(64);
    for model in &mut outdone.models {
        model.quality = BasisPoints::percent(90);
        model.p95_latency_ms = 500;
        model.price =
            Price::per_million_tokens(Microunits::new(1_000_000), Microunits::new(1_000_000));
        model.risk_ceiling = BasisPoints::WHOLE;
    }
    let mut apart = outdone.clone();
    for (model, provider_id) in apart.models.iter_mut().zip(0..) {
        model.provider_id = provider_id;
    }
    for request in &mut apart.requests {
        request.allowed_providers.remove(0);
    }
    measure("challengers/outdone/64", &outdone);
    measure("challengers/apart/64", &apart);
    group.finish();
}

fn doors(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel");
    for count in [22, 1_024, 16_384] {
        let workload = dense(count);
        group.bench_function(BenchmarkId::new("build", count), |b| {
            b.iter(|| snapshot(black_box(&workload)));
        });
    }
    for count in [22, 1_024] {
        let workload = dense(count);
        let snapshot = snapshot(&workload);
        let mut requests = workload.requests.iter().cycle();
        let mut next = || requests.next().unwrap();
        let mut best = [RankedModel::default(); 4];
        group.bench_function(BenchmarkId::new("rank_4", count), |b| {
            b.iter(|| snapshot.rank(black_box(next()), &mut best));
        });
        group.bench_function(BenchmarkId::new("margin", count), |b| {
            b.iter(|| snapshot.margin(black_box(next())));
        });
        group.bench_function(BenchmarkId::new("what_would_win", count), |b| {
            b.iter(|| {
                let request = next();
                snapshot.what_would_win(black_box(request), request.requested_model_id)
            });
        });
        group.bench_function(BenchmarkId::new("explain", count), |b| {
            b.iter(|| snapshot.explain(black_box(next())));
        });
    }
    group.finish();
}

criterion_group!(kernel, prescribe, ideas, doors);
criterion_main!(kernel);
