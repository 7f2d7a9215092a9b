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
        for workload in Workload::random(n) {
            duel(report, &workload);
        }
    }
    for workload in Workload::reject_by_gate(64) {
        duel(report, &workload);
    }
    for n in [22, 64, 1024] {
        for workload in Workload::random(n) {
            rank(report, &workload);
        }
    }
    for n in [22, 1024] {
        counterfactuals(report, &Workload::dense(n));
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

/// Decides the requests of one case so many times over and measures nothing: for a profiler, or to
/// count instructions. Says how many decisions that were.
pub fn decide_only(case: &str, n: usize, laps: usize) -> Result<usize, String> {
    let workload = Workload::named(case, n).ok_or_else(|| format!("`{case}` is no case"))?;
    let snapshot =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    for _ in 0..laps {
        for request in &workload.requests {
            black_box(snapshot.prescribe(black_box(request)));
        }
    }
    Ok(laps * workload.requests.len())
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

/// Measures the best four against the decision, which is the best of them.
fn rank(report: &mut Report, workload: &Workload) {
    let snapshot =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    let requests = &workload.requests;
    let mut turn = (0..requests.len()).cycle();
    let mut other_turn = turn.clone();
    let mut best = [RankedModel::default(); 4];
    report.duel(
        "kernel",
        &format!("rank_4 {}", workload.name),
        workload.models.len(),
        "ns/request",
        Contestant::in_laps(requests.len(), "ours", |iterations| {
            for index in turn.by_ref().take(iterations as usize) {
                black_box(snapshot.rank(black_box(&requests[index]), &mut best));
            }
        }),
        vec![Contestant::in_laps(requests.len(), "decide", |iterations| {
            for index in other_turn.by_ref().take(iterations as usize) {
                black_box(snapshot.prescribe(black_box(&requests[index])));
            }
        })],
    );
}

/// Measures `margin` and `what_would_win` against their time limits.
fn counterfactuals(report: &mut Report, workload: &Workload) {
    const LIMIT_NS: f64 = 50_000.0;
    let snapshot =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    let mut requests = workload.requests.iter().cycle();
    let mut next = || requests.next().expect("workloads have requests");
    let n = workload.models.len();
    let mut would_win = Contestant::new("ours", |iterations| {
        for _ in 0..iterations {
            let request = black_box(next());
            black_box(snapshot.what_would_win(request, request.requested_model_id));
        }
    });
    report.against_limit("kernel", "what_would_win", n, "ns/request", &mut would_win, LIMIT_NS);
    drop(would_win);
    let mut margin = Contestant::new("ours", |iterations| {
        for _ in 0..iterations {
            black_box(snapshot.margin(black_box(next())));
        }
    });
    report.against_limit("kernel", "margin", n, "ns/request", &mut margin, LIMIT_NS);
}

/// Measures the time to build a snapshot, and its memory.
fn build(report: &mut Report, workload: &Workload) {
    let make = || {
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid")
    };
    const LIMIT_BYTES: f64 = 150.0;
    let (snapshot, _, bytes) = measure(make);
    let n = snapshot.models().len();
    let per_model = bytes as f64 / n as f64;
    report.figure("kernel", "memory", n, "bytes/model", per_model, "limit", LIMIT_BYTES);
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
