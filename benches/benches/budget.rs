//! The budget: a pair of reserve and commit through each door, an exact snapshot, a checkpoint.
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use calybris_core::budget::{BudgetEngine, BudgetError, Microunits, Tenant};
use criterion::{Criterion, criterion_group, criterion_main};

const GRANTED: u64 = 1 << 50;

fn pair(tenant: &Tenant, actual: u64) -> bool {
    match black_box(tenant).try_reserve_scoped(black_box(Microunits::new(100))) {
        Ok(reservation) => reservation.commit(black_box(Microunits::new(actual))).is_ok(),
        Err(_) => false,
    }
}

fn tenants(engine: &BudgetEngine) -> Result<Vec<Tenant>, BudgetError> {
    (0..10_000)
        .map(|index| engine.ensure_tenant(&format!("tenant-{index:05}"), Microunits::new(GRANTED)))
        .collect()
}

fn measure(criterion: &mut Criterion) -> Result<(), BudgetError> {
    let engine = BudgetEngine::new();
    let flat = engine.ensure_tenant("flat", Microunits::new(GRANTED))?;
    let organisation = engine.ensure_tenant("organisation", Microunits::new(GRANTED))?;
    let team = engine.ensure_child("team", Microunits::new(GRANTED), &organisation)?;
    let key = engine.ensure_child("key", Microunits::new(GRANTED), &team)?;
    let many = tenants(&engine)?;

    let mut group = criterion.benchmark_group("budget");
    group.bench_function("pair/exact", |bencher| bencher.iter(|| pair(&flat, 100)));
    group.bench_function("pair/surplus", |bencher| bencher.iter(|| pair(&flat, 90)));
    group.bench_function("pair/owned", |bencher| {
        bencher.iter(|| match black_box(&flat).try_reserve(black_box(Microunits::new(100))) {
            Ok(reservation) => reservation.commit(black_box(Microunits::new(90))).is_ok(),
            Err(_) => false,
        });
    });
    group.bench_function("pair/three levels", |bencher| bencher.iter(|| pair(&key, 90)));
    group.bench_function("pair/by name", |bencher| {
        bencher.iter(|| match engine.try_reserve(black_box("flat"), Microunits::new(100)) {
            Ok(id) => engine.commit("flat", id, Microunits::new(90)).is_ok(),
            Err(_) => false,
        });
    });
    group.bench_function("snapshot/10000 tenants", |bencher| {
        bencher.iter(|| many.iter().map(Tenant::snapshot).collect::<Vec<_>>());
    });
    group.bench_function("checkpoint/10000 tenants", |bencher| {
        bencher.iter(|| engine.state([]).is_ok());
    });
    group.finish();
    Ok(())
}

fn budget(criterion: &mut Criterion) {
    if let Err(error) = measure(criterion) {
        eprintln!("error: {error}");
    }
}

criterion_group!(benches, budget);
criterion_main!(benches);
