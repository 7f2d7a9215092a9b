//! The log: an append in each durability, and verification on one core and on two.
#![allow(missing_docs, reason = "criterion's macros")]

use std::num::NonZeroUsize;
use std::path::Path;

use calybris_core::wal::{Durability, Key, VerifyOptions, WalError, WalOptions, WalWriter, verify};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A payload of the length that a decision has.
const PAYLOAD: [u8; 150] = [7; 150];

fn open(path: &Path, durability: Durability, key: Option<&Key>) -> Result<WalWriter, WalError> {
    let options = WalOptions::new(1).durability(durability);
    match key {
        None => WalWriter::open(path, &options),
        Some(key) => WalWriter::open_keyed(path, &options, key),
    }
}

fn measure(criterion: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let key = Key::new(&[1; 32])?;

    let mut group = criterion.benchmark_group("wal/append");
    for (name, durability, key) in [
        ("buffered", Durability::Buffered, None),
        ("buffered_keyed", Durability::Buffered, Some(&key)),
        ("os", Durability::Os, None),
        ("os_keyed", Durability::Os, Some(&key)),
        ("synced", Durability::Synced, None),
    ] {
        let writer = open(&directory.path().join(name), durability, key)?;
        group
            .bench_function(name, |bencher| bencher.iter(|| writer.append_bytes(&PAYLOAD).is_ok()));
    }
    group.finish();

    let path = directory.path().join("verified");
    let writer = open(&path, Durability::Buffered, None)?;
    for _ in 0..50_000 {
        writer.append_bytes(&PAYLOAD)?;
    }
    writer.close()?;
    let mut group = criterion.benchmark_group("wal/verify");
    group.throughput(Throughput::Elements(50_000)).sample_size(20);
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads);
        let options = VerifyOptions::default().with_threads(threads);
        let name = format!("{} threads", threads.map_or(1, NonZeroUsize::get));
        group.bench_function(name, |bencher| bencher.iter(|| verify(&path, &options).is_ok()));
    }
    group.finish();
    Ok(())
}

fn wal(criterion: &mut Criterion) {
    if let Err(error) = measure(criterion) {
        eprintln!("error: {error}");
    }
}

criterion_group!(benches, wal);
criterion_main!(benches);
