//! The kernel against the published kernels: the same catalogs, the same requests, the same
//! answers, and then the time.

mod catalog;
mod peers;
mod real;
mod workload;

use std::hint::black_box;

use calybris_kernel::PolicySnapshot;

use crate::harness::{Contestant, Report};
use workload::Workload;

pub fn run(report: &mut Report) {
    for n in [4, 22, 64] {
        measure(report, &Workload::seed(n));
    }
    measure(report, &Workload::reject());
    for n in [22, 64, 256, 1024, 4096, 16384] {
        measure(report, &Workload::dense(n));
        measure(report, &Workload::selective(n));
        measure(report, &Workload::boundary(n));
        measure(report, &Workload::reject_all(n));
    }
    let data = report.data.clone().or_else(|| std::env::var_os("CALYBRIS_DATA").map(Into::into));
    if let Some(directory) = data {
        match real::workload(&directory) {
            Ok(workload) => measure(report, &workload),
            Err(message) => eprintln!("{}: {message}", directory.display()),
        }
    }
}

/// Checks that all agree on every request, then measures the decisions.
fn measure(report: &mut Report, workload: &Workload) {
    let ours =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    let old = peers::v0_2::Peer::new(workload);
    let new = peers::v1_3::Peer::new(workload);

    let mut eligible = 0_u64;
    for request in &workload.requests {
        let decision = ours.prescribe(request);
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
        Contestant::new("ours", |iterations| {
            for index in turn.by_ref().take(iterations as usize) {
                black_box(ours.prescribe(black_box(&requests[index])));
            }
        }),
        vec![
            Contestant::new("0.2.1", |iterations| {
                for index in old_turn.by_ref().take(iterations as usize) {
                    black_box(old.snapshot.prescribe(*black_box(&old_inputs[index])));
                }
            }),
            Contestant::new("1.3.0", |iterations| {
                for index in new_turn.by_ref().take(iterations as usize) {
                    black_box(new.snapshot.prescribe(*black_box(&new_inputs[index])));
                }
            }),
        ],
    );
}
