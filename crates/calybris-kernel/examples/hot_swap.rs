//! How a gateway replaces its snapshot under load without a reader ever waiting.
//!
//! Every worker owns a handle to the snapshot it decides with, and a channel on which newer ones
//! arrive. Between two requests it looks whether one has: that is a few atomic loads if none
//! has, and no lock is shared with anybody. The new snapshot is built and checked on the thread that found
//! out about the change; a catalog that is refused never reaches a worker. The worker that
//! moves on last frees the old snapshot: about fifteen deallocations, however large the catalog. A decision holds the epochs it was made under, so a log
//! shows which side of the change it is on.
#![allow(clippy::expect_used, reason = "an example may panic")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use calybris_kernel::{
    CapabilitySet, Model, Policy, PolicySnapshot, ProviderSet, RegionSet, Request, SnapshotError,
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
    let policy = Policy {
        policy_epoch: 1,
        catalog_epoch: 1,
        hard_risk_limit_bps: 9_000,
        minimum_confidence_bps: 0,
        risk_penalty_multiplier_bps: 0,
        latency_penalty_microunits_per_ms: 0,
    };
    let model = Model {
        model_id: 1,
        provider_id: 0,
        quality_bps: 9_000,
        risk_ceiling_bps: 10_000,
        enabled: true,
        p95_latency_ms: 300,
        capabilities: CapabilitySet::EMPTY,
        regions: RegionSet::ALL,
        input_price_microunits_per_million_tokens: 150_000,
        output_price_microunits_per_million_tokens: 600_000,
        fixed_price_microunits: 0,
    };
    let request = Request {
        sequence: 1,
        requested_model_id: 1,
        input_tokens: 1_000,
        output_tokens: 500,
        business_value_microunits: 50_000,
        budget_limit_microunits: 20_000,
        risk_bps: 0,
        confidence_bps: 9_000,
        minimum_quality_bps: 0,
        max_p95_latency_ms: 0,
        required_capabilities: CapabilitySet::EMPTY,
        allowed_providers: ProviderSet::ALL,
        required_regions: RegionSet::EMPTY,
    };
    let first = Arc::new(PolicySnapshot::new(policy, [model]).expect("the catalog is good"));

    let (send_newer, newer) = channel();
    let (send_request, requests) = channel();
    let worker = thread::spawn(move || work(first, &newer, &requests));
    let workers = [send_newer];

    send_request.send(request).expect("the worker lives");
    let cheaper = Model { input_price_microunits_per_million_tokens: 100_000, ..model };
    let next = Policy { catalog_epoch: 2, ..policy };
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
