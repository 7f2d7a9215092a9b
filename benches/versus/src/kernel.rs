//! The kernel against the published kernels: the same catalogs, the same requests, the same
//! answers, and then the time.

mod catalog;
pub mod peers;
mod real;
pub mod workload;

use std::hint::black_box;
use std::path::PathBuf;

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
    if let Some(directory) = data(report.data.clone()) {
        match real::workload(&directory) {
            Ok(workload) => duel(report, &workload),
            Err(message) => eprintln!("{}: {message}", directory.display()),
        }
        for shape in real::shapes(&directory).unwrap_or_default() {
            against_flat_form(report, &shape);
        }
    }
}

/// The folder with real data, if the caller has any.
fn data(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| std::env::var_os("CALYBRIS_DATA").map(Into::into))
}

/// Decides the requests of one case so many times over and measures nothing: for a profiler, or to
/// count instructions. Says how many decisions that were.
pub fn decide_only(case: &str, n: usize, laps: usize) -> Result<usize, String> {
    let workload = match (case.strip_prefix("list-"), case.strip_prefix("flat-")) {
        (None, None) => Workload::named(case, n),
        (listed, flat) => real::shapes(&data(None).ok_or("CALYBRIS_DATA says no directory")?)?
            .into_iter()
            .find(|shape| listed.or(flat).is_some_and(|name| shape.name.replace(' ', "") == name))
            .map(|shape| if listed.is_some() { shape.listed } else { shape.flat }),
    };
    let workload = workload.ok_or_else(|| format!("`{case}` is no case"))?;
    let snapshot =
        PolicySnapshot::new(workload.policy, workload.models.clone()).expect("workloads are valid");
    for _ in 0..laps {
        for request in &workload.requests {
            black_box(snapshot.prescribe(black_box(request)));
        }
    }
    Ok(laps * workload.requests.len())
}

/// Compares so many decisions of random catalogs with those of both published crates, and says how many it compared.
/// Panics where they differ.
pub fn differ(wanted: usize) -> usize {
    let mut compared = 0;
    for seed in 0.. {
        let n = [4, 9, 22, 40, 64, 65, 130, 300][seed as usize % 8];
        for workload in Workload::of_seed(n, seed) {
            let ours = PolicySnapshot::new(workload.policy, workload.models.clone())
                .expect("workloads are valid");
            let old = peers::v0_2::Peer::new(&workload);
            let new = peers::v1_3::Peer::new(&workload);
            for request in &workload.requests {
                let decision = ours.prescribe(request);
                peers::v0_2::assert_agrees(&decision, &old, &workload, request);
                peers::v1_3::assert_agrees(&decision, &new, &workload, request);
                compared += 1;
            }
            if compared >= wanted {
                return compared;
            }
        }
    }
    compared
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

/// Measures decisions on the list as it is against those on its flat form, and what a model takes of memory.
fn against_flat_form(report: &mut Report, shape: &real::Shape) {
    let snapshot = |workload: &Workload| {
        let models = workload.models.as_slice();
        measure(|| PolicySnapshot::new(workload.policy, models).expect("workloads are valid"))
    };
    let ((listed, _, bytes), (flat, _, flat_bytes)) =
        (snapshot(&shape.listed), snapshot(&shape.flat));
    let n = listed.models().len();
    if shape.name == "windows" {
        let per_model = |bytes: i64| bytes as f64 / n as f64;
        let (ours, theirs) = (per_model(bytes), per_model(flat_bytes));
        report.figure("kernel", "list index", n, "bytes/model", ours, "flat", theirs);
    }
    for request in &shape.listed.requests {
        let (_, allocations, _) = measure(|| listed.prescribe(request));
        assert_eq!(allocations, 0, "a decision allocates");
    }
    let (requests, flat_requests) = (&shape.listed.requests, &shape.flat.requests);
    let mut turn = (0..requests.len()).cycle();
    let mut flat_turn = turn.clone();
    report.duel(
        "kernel",
        &format!("list {}", shape.name),
        n,
        "ns/decision",
        Contestant::in_laps(requests.len(), "ours", |iterations| {
            for index in turn.by_ref().take(iterations as usize) {
                black_box(listed.prescribe(black_box(&requests[index])));
            }
        }),
        vec![Contestant::in_laps(requests.len(), "flat", |iterations| {
            for index in flat_turn.by_ref().take(iterations as usize) {
                black_box(flat.prescribe(black_box(&flat_requests[index])));
            }
        })],
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
