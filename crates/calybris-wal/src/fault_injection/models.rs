//! The group commit under every order in which its threads can run (loom).
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p calybris-wal --lib --release models`

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::fault_injection::memory::{Fault, Memory};
use crate::format::name::segment_name;
use crate::{Durability, LogId, Receipt, WalError, WalOptions, WalWriter};

fn open(disk: &Memory, durability: Durability) -> Arc<WalWriter> {
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).durability(durability);
    Arc::new(WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap())
}

/// Whether the record of this receipt would survive a power cut.
fn is_durable(disk: &Memory, receipt: &Receipt) -> bool {
    disk.segments()
        .iter()
        .any(|name| disk.durable(name).windows(32).any(|bytes| bytes == receipt.hash.as_bytes()))
}

/// Runs the model in every order of its threads with at most three preemptions.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders > 5, "the threads of the model do not meet");
}

#[test]
fn every_acknowledged_append_is_on_disk() {
    explore(|| {
        let disk = Memory::default();
        let writer = open(&disk, Durability::Synced);
        let threads: Vec<_> = (0..3_u8)
            .map(|thread| {
                let (writer, disk) = (Arc::clone(&writer), disk.clone());
                thread::spawn(move || {
                    for number in 0..if thread == 0 { 2 } else { 1 } {
                        let receipt = writer.append_bytes(&[thread, number]).unwrap();
                        assert!(is_durable(&disk, &receipt));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(writer.head().sequence, 4);
    });
}

#[test]
fn every_waiting_thread_is_told_of_a_failed_sync() {
    for at in [0, 1] {
        explore(move || {
            let disk = Memory::default();
            let writer = open(&disk, Durability::Synced);
            // The first call is the leader's write, the second its sync.
            disk.fail(at, Fault::Error(ErrorKind::Other));
            let threads: Vec<_> = (0..2_u8)
                .map(|thread| {
                    let writer = Arc::clone(&writer);
                    thread::spawn(move || writer.append_bytes(&[thread]))
                })
                .collect();
            let outcomes: Vec<_> =
                threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let failed =
                |error: &WalError| matches!(error, WalError::Io { .. } | WalError::Poisoned { .. });
            assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(failed)));
            assert!(matches!(writer.append_bytes(&[9]), Err(WalError::Poisoned { .. })));
        });
    }
}

#[test]
fn rotating_while_others_sync_loses_nothing() {
    explore(|| {
        let disk = Memory::default();
        let writer = open(&disk, Durability::Synced);
        let appending = {
            let (writer, disk) = (Arc::clone(&writer), disk.clone());
            thread::spawn(move || {
                let receipt = writer.append_bytes(b"one").unwrap();
                assert!(is_durable(&disk, &receipt));
            })
        };
        writer.rotate().unwrap();
        let receipt = writer.append_bytes(b"two").unwrap();
        assert!(is_durable(&disk, &receipt));
        appending.join().unwrap();
        let first = disk.durable(&segment_name(1));
        assert!(!first.is_empty());
        assert_eq!(writer.head().sequence, 2);
    });
}

#[test]
fn a_sync_beside_appends_to_the_operating_system_covers_what_came_before_it() {
    explore(|| {
        let disk = Memory::default();
        let writer = open(&disk, Durability::Os);
        let before = writer.append_bytes(b"before").unwrap();
        let appending = {
            let writer = Arc::clone(&writer);
            thread::spawn(move || writer.append_bytes(b"beside").unwrap())
        };
        writer.flush_and_sync().unwrap();
        assert!(is_durable(&disk, &before));
        appending.join().unwrap();
        writer.flush_and_sync().unwrap();
        assert_eq!(writer.head().sequence, 2);
    });
}
