//! How a gateway replaces its snapshot under load without a reader ever waiting.
//!
//! Every worker owns a handle to the snapshot it decides with, and a channel on which newer ones
//! arrive. Between two requests it looks whether one has: that is a few atomic loads if none
//! has, and no lock is shared. The new snapshot is built and checked on the thread that found
//! out about the change; a catalog that is refused never reaches a worker. The worker that
//! moves on last frees the old snapshot: about fifteen deallocations, however large the catalog. A decision holds the epochs it was made under, so a log
//! shows which side of the change it is on.
#![allow(clippy::expect_used, reason = "an example may panic")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use calybris_kernel::{
    BasisPoints, Microunits, Model, Policy, PolicySnapshot, Price, Request, SnapshotError,
};

/// One worker: decides requests until there are no more, always with the newest snapshot it got.
fn work(
    mut snapshot: Arc<PolicySnapshot>,
    newer: &Receiver<Arc<PolicySnapshot>>,
    requests: &Receiver<Request>,
) -> Vec<u64> {
    let mut epochs = Vec::new();
    for request in requests {
        while let Ok(newest) = newer.try_recv() {
            snapshot = newest;
        }
        epochs.push(snapshot.prescribe(&request).catalog_epoch);
    }
    epochs
}

/// Builds the next snapshot and hands it to every worker; on an error all keep what they have.
fn publish(
    policy: Policy,
    models: Vec<Model>,
    workers: &[Sender<Arc<PolicySnapshot>>],
) -> Result<(), SnapshotError> {
    let snapshot = Arc::new(PolicySnapshot::new(policy, models)?);
    for worker in workers {
        // A worker that is gone needs no snapshot.
        let _ = worker.send(Arc::clone(&snapshot));
    }
    Ok(())
}

fn main() {
    let policy = Policy::new()
        .with_policy_epoch(1)
        .with_catalog_epoch(1)
        .with_hard_risk_limit(BasisPoints::percent(90));
    let model = Model::new(1, 0, BasisPoints::percent(90))
        .with_p95_latency_ms(300)
        .with_price(Price::per_million_tokens(Microunits::new(150_000), Microunits::new(600_000)));
    let request = Request::new(1, 1, 1_000, 500)
        .with_business_value_microunits(50_000)
        .with_budget_limit(Microunits::new(20_000))
        .with_confidence(BasisPoints::percent(90));
    let first = Arc::new(PolicySnapshot::new(policy, [model]).expect("the catalog is good"));

    let (send_newer, newer) = channel();
    let (send_request, requests) = channel();
    let worker = thread::spawn(move || work(first, &newer, &requests));
    let workers = [send_newer];

    send_request.send(request).expect("the worker lives");
    let cheaper = model
        .with_price(Price::per_million_tokens(Microunits::new(100_000), Microunits::new(600_000)));
    let next = policy.with_catalog_epoch(2);
    publish(next, vec![cheaper], &workers).expect("the catalog is good");
    let refused = publish(next, vec![cheaper, cheaper], &workers).expect_err("an id twice");
    println!("refused: {refused}");
    for _ in 0..3 {
        send_request.send(request).expect("the worker lives");
    }
    drop(send_request);

    let epochs = worker.join().expect("the worker lives");
    println!("catalog epochs, decision by decision: {epochs:?}");
    assert!(epochs.is_sorted() && epochs.last() == Some(&2));
}
