//! The kernel against the published kernels: the same catalogs, the same requests, the same
//! answers, and then the time.

mod catalog;
pub mod peers;
mod real;
pub mod workload;

use std::hint::black_box;

use calybris_kernel::{PolicySnapshot, RankedModel};

use crate::allocation::measure;
use crate::harness::{Contestant, Report};
use workload::Workload;

pub fn run(report: &mut Report) {
    for n in [4, 22, 64] {
        duel(report, &Workload::seed(n));
    }
    duel(report, &Workload::reject());
    for n in [22, 64, 256, 1024, 4096, 16384] {
        duel(report, &Workload::dense(n));
        duel(report, &Workload::selective(n));
        duel(report, &Workload::boundary(n));
        duel(report, &Workload::reject_all(n));
    }
    for workload in Workload::reject_by_gate(64) {
        duel(report, &workload);
    }
    for n in [22, 64, 256, 1024, 4096, 16384] {
        build(report, &Workload::dense(n));
    }
    let data = report.data.clone().or_else(|| std::env::var_os("CALYBRIS_DATA").map(Into::into));
    if let Some(directory) = data {
        match real::workload(&directory) {
            Ok(workload) => duel(report, &workload),
            Err(message) => eprintln!("{}: {message}", directory.display()),
        }
    }
}

/// Checks that all agree on every request, then measures the decisions.
fn duel(report: &mut Report, workload: &Workload) {
    let ours =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    let old = peers::v0_2::Peer::new(workload);
    let new = peers::v1_3::Peer::new(workload);

    let mut eligible = 0_u64;
    let mut best = [RankedModel::default(); 4];
    for request in &workload.requests {
        let (decision, allocations, _) = measure(|| {
            black_box(ours.rank(request, &mut best));
            black_box(ours.margin(request));
            black_box(ours.what_would_win(request, request.requested_model_id));
            ours.prescribe(request)
        });
        assert_eq!(allocations, 0, "a decision allocates");
        eligible += u64::from(decision.eligible_models);
        peers::v0_2::assert_agrees(&decision, &old, workload, request);
        peers::v1_3::assert_agrees(&decision, &new, workload, request);
    }
    if std::env::var_os("CALYBRIS_SHARES").is_some() {
        let looked_at = (workload.models.len() * workload.requests.len()) as f64;
        eprintln!(
            "{} {}: {:.3} eligible",
            workload.name,
            workload.models.len(),
            eligible as f64 / looked_at
        );
    }

    let requests = &workload.requests;
    let (old_inputs, new_inputs) = (old.inputs(requests), new.inputs(requests));
    let mut turn = (0..requests.len()).cycle();
    let (mut old_turn, mut new_turn) = (turn.clone(), turn.clone());
    report.duel(
        "kernel",
        workload.name,
        workload.models.len(),
        "ns/decision",
        Contestant::in_laps(requests.len(), "ours", |iterations| {
            for index in turn.by_ref().take(iterations as usize) {
                black_box(ours.prescribe(black_box(&requests[index])));
            }
        }),
        vec![
            Contestant::in_laps(requests.len(), "0.2.1", |iterations| {
                for index in old_turn.by_ref().take(iterations as usize) {
                    black_box(old.snapshot.prescribe(*black_box(&old_inputs[index])));
                }
            }),
            Contestant::in_laps(requests.len(), "1.3.0", |iterations| {
                for index in new_turn.by_ref().take(iterations as usize) {
                    black_box(new.snapshot.prescribe(*black_box(&new_inputs[index])));
                }
            }),
        ],
    );
}

/// Measures what a snapshot costs to build, and what it takes in memory.
fn build(report: &mut Report, workload: &Workload) {
    let make = || {
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid")
    };
    let (snapshot, _, bytes) = measure(make);
    if !report.json {
        let per_model = bytes as f64 / snapshot.models().len() as f64;
        println!("snapshot of {} models: {per_model:.0} bytes per model", snapshot.models().len());
    }
    report.duel(
        "kernel",
        "build",
        workload.models.len(),
        "ns/snapshot",
        Contestant::new("ours", |iterations| {
            for _ in 0..iterations {
                black_box(make());
            }
        }),
        vec![
            Contestant::new("0.2.1", |iterations| {
                for _ in 0..iterations {
                    black_box(peers::v0_2::Peer::new(workload));
                }
            }),
            Contestant::new("1.3.0", |iterations| {
                for _ in 0..iterations {
                    black_box(peers::v1_3::Peer::new(workload));
                }
            }),
        ],
    );
}
