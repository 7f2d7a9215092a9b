//! The engine against what the published crate's gateway puts together by hand: the same models, the same requests, the
//! same decisions, and then the time. Work for which the published crate has no equal is compared with a fixed limit.

use std::path::Path;
use std::time::Instant;

use calybris_engine::{
    Admission, Call, Decided, Engine, EngineOptions, Microunits, Names, RecordedDecision,
    ReplayOptions, ReplayReport, SCHEMA_ID, Snapshot, UnixMillis, replay,
};
use calybris_kernel::{PolicySnapshot, Request};
use calybris_wal::{Durability, WalOptions, WalWriter};
use peer_1_3::budget::BudgetEngine as PeerBudget;
use peer_1_3::wal as peer_wal;

use crate::harness::{Contestant, Effort, Report};
use crate::kernel::peers::v1_3;
use crate::kernel::workload::Workload;

/// Enough for every iteration of a run.
const GRANTED: u64 = 1 << 50;

/// The record that the published crate logs for a call.
type PeerRecord = peer_wal::AuditedRecord<&'static str>;

pub fn run(report: &mut Report) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let stage = Stage::new();
    decide_settle(report, &stage, root);
    replay_against(report, &stage, root);
    replay_1m(report, &stage, root);
    recover_1m(report, &stage, root);
    explain_1gb(report, &stage, root);
}

/// 22 models, and requests that most of them can serve.
struct Stage {
    workload: Workload,
    snapshot: Snapshot,
    peer: v1_3::Peer,
}

impl Stage {
    fn new() -> Self {
        let workload = Workload::dense(22);
        let kernel = PolicySnapshot::new(workload.policy, workload.models.clone());
        let snapshot = Snapshot::new(kernel.expect("workloads are valid"), Names::default());
        let peer = v1_3::Peer::new(&workload);
        for request in &workload.requests {
            let ours = snapshot.policy_snapshot().prescribe(request);
            v1_3::assert_agrees(&ours, &peer, &workload, request);
        }
        Self { workload, snapshot, peer }
    }

    /// The requests, again and again, with sequences that go on.
    fn requests(&self) -> impl Iterator<Item = Request> {
        let pool = self.workload.requests.iter().cycle();
        pool.zip(1..).map(|(request, sequence)| request.with_sequence(sequence))
    }

    /// A log of that many decisions and nothing else, as an engine writes them.
    fn write_log(&self, path: &Path, decisions: u64) {
        let engine = Engine::open(path, &EngineOptions::default()).expect("the engine opens");
        engine.install(self.snapshot.clone(), UnixMillis::new(0)).expect("the snapshot is logged");
        engine
            .ensure_tenant("search", Microunits::new(GRANTED), UnixMillis::new(0))
            .expect("the name is new");
        engine.close().expect("the log closes");
        let options = WalOptions::new(SCHEMA_ID).durability(Durability::Buffered);
        let log = WalWriter::open(path, &options).expect("the log opens");
        let mut id = String::new();
        for (number, request) in (0..decisions).zip(self.requests()) {
            let decision = self.snapshot.policy_snapshot().prescribe(&request);
            id.clear();
            std::fmt::Write::write_fmt(&mut id, format_args!("{number:032x}")).expect("a string");
            let admission = match decision.selected_model_id {
                Some(_) => Admission::Reserved,
                None => Admission::NotAsked,
            };
            let decided = Decided {
                time: UnixMillis::new(1_760_000_000_000 + number),
                tenant: "search".into(),
                correlation_id: id.as_str().into(),
                request_key: "".into(),
                snapshot_sequence: 1,
                request,
                decision,
                admission,
            };
            log.append(&calybris_engine::Record::Decided(decided)).expect("the log takes it");
        }
        log.close().expect("the log closes");
    }
}

/// One call from its decision to its settlement, both in the log: one thread, handed to the operating system.
fn decide_settle(report: &mut Report, stage: &Stage, root: &Path) {
    let options = EngineOptions::default();
    let engine = Engine::open(root.join("engine"), &options).expect("the engine opens");
    engine.install(stage.snapshot.clone(), UnixMillis::new(0)).expect("the snapshot is logged");
    engine
        .ensure_tenant("search", Microunits::new(GRANTED), UnixMillis::new(0))
        .expect("the name is new");

    let budget = PeerBudget::new();
    budget.ensure_tenant("search", GRANTED.cast_signed());
    let mut log: peer_wal::WalWriter<PeerRecord> =
        peer_wal::WalWriter::open(&root.join("peer.jsonl")).expect("the peer's log opens");
    let inputs = stage.peer.inputs(&stage.workload.requests);

    let requests = &stage.workload.requests;
    let (mut turn, mut peer_turn) = (requests.iter().cycle(), inputs.iter().cycle());
    report.duel(
        "engine",
        "decide_settle",
        22,
        "ns/call",
        Contestant::new("ours", |iterations| {
            for request in turn.by_ref().take(iterations as usize) {
                let call = Call::new("search", UnixMillis::new(1_760_000_000_000), *request)
                    .with_correlation_id("4bf92f3577b34da6a3ce929d0e0e4736");
                if let Some(ticket) = engine.decide(&call).expect("the log takes it").ticket {
                    let cost = ticket.reserved().get();
                    engine
                        .settle(ticket, Microunits::new(cost), UnixMillis::new(1_760_000_000_001))
                        .expect("the ticket is open");
                }
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            for input in peer_turn.by_ref().take(iterations as usize) {
                let snapshot = &stage.peer.snapshot;
                let decision = snapshot.prescribe(*input);
                let cost = decision.estimated_cost_microunits.cast_signed();
                let reservation = (decision.selected_model_id != 0 && cost > 0)
                    .then(|| budget.try_reserve("search", cost).1.expect("there is enough"));
                log.append_verified_audited(snapshot, *input, decision, "search")
                    .expect("the peer's log takes it");
                if let Some(reservation) = reservation {
                    budget.commit(reservation, cost);
                }
            }
        })],
    );
}

/// Replays a log; all decisions must come out again.
fn replayed(path: &Path, threads: usize) -> ReplayReport {
    let threads = std::num::NonZeroUsize::new(threads);
    let options = ReplayOptions { threads, progress: None };
    replay(path, None, &options, |_| Ok(Vec::new()), |_| {}).expect("the log replays")
}

/// The published crate replays an audited log as well: chain, digests, decision. It keeps all entries in memory.
fn replay_against(report: &mut Report, stage: &Stage, root: &Path) {
    let decisions = 5_000;
    let (ours, theirs) = (root.join("replay"), root.join("replay.jsonl"));
    stage.write_log(&ours, decisions);
    let mut log: peer_wal::WalWriter<PeerRecord> =
        peer_wal::WalWriter::open(&theirs).expect("the peer's log opens");
    let inputs = stage.peer.inputs(&stage.workload.requests);
    for (_, input) in (0..decisions).zip(inputs.iter().cycle()) {
        let decision = stage.peer.snapshot.prescribe(*input);
        log.append_verified_audited(&stage.peer.snapshot, *input, decision, "search")
            .expect("the peer's log takes it");
    }
    log.flush_and_sync().expect("the peer syncs");
    drop(log);
    report.duel(
        "engine",
        "replay",
        5_000,
        "ns/log",
        Contestant::new("ours", |iterations| {
            for _ in 0..iterations {
                assert_eq!(replayed(&ours, 1).decisions, decisions);
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            for _ in 0..iterations {
                let verdicts = peer_wal::replay_audited_wal(&theirs, &stage.peer.snapshot);
                assert_eq!(verdicts.expect("the peer replays").len() as u64, decisions);
            }
        })],
    );
}

/// A million decisions (a quick run has a fifth), on one core and on two. The limit is 1.5 million a second.
fn replay_1m(report: &mut Report, stage: &Stage, root: &Path) {
    let (decisions, rounds) = match report.effort {
        Effort::Full => (1_000_000, 7),
        Effort::Quick => (200_000, 3),
    };
    let path = root.join("replay_1m");
    stage.write_log(&path, decisions);
    let time = |threads| {
        let rounds = (0..rounds).map(|_| {
            let started = Instant::now();
            assert_eq!(replayed(&path, threads).decisions, decisions);
            started.elapsed().as_nanos() as f64 / decisions as f64
        });
        rounds.fold(f64::MAX, f64::min)
    };
    let (one, two) = (time(1), time(2));
    let limit = 1e9 / 1.5e6;
    report.figure("engine", "replay_1m", 22, "ns/decision", one, "limit", limit);
    report.figure("engine", "replay_1m_2t", 22, "ns/decision", two, "ours 1t", one);
}

/// Opens a log of a million records (a quick run has a fifth) whose last checkpoint is as old as checkpoints get, with
/// a thousand tickets open. The limit is 100 ms.
fn recover_1m(report: &mut Report, stage: &Stage, root: &Path) {
    let records = if report.effort == Effort::Full { 1_000_000 } else { 200_000 };
    let path = root.join("recover_1m");
    let every = 32_768;
    let options = EngineOptions::default().checkpoint_every_records(every);
    let engine = Engine::open(&path, &options).expect("the engine opens");
    engine.install(stage.snapshot.clone(), UnixMillis::new(0)).expect("the snapshot is logged");
    engine
        .ensure_tenant("search", Microunits::new(GRANTED), UnixMillis::new(0))
        .expect("the name is new");
    let mut open = std::collections::VecDeque::new();
    for request in stage.requests() {
        let call = Call::new("search", UnixMillis::new(1_760_000_000_000), request)
            .with_correlation_id("4bf92f3577b34da6a3ce929d0e0e4736");
        let outcome = engine.decide(&call).expect("the log takes it");
        open.extend(outcome.ticket);
        if open.len() > 1_000
            && let Some(ticket) = open.pop_front()
        {
            engine
                .settle(ticket, Microunits::new(0), UnixMillis::new(1_760_000_000_001))
                .expect("the ticket is open");
        }
        let last = engine.head().sequence;
        // Up to just before the next checkpoint.
        if last >= records && last % every > every - 4 {
            break;
        }
    }
    drop(engine);
    let rounds = (0..5).map(|_| {
        let started = Instant::now();
        let engine = Engine::open(&path, &options).expect("the engine opens");
        let elapsed = started.elapsed().as_secs_f64() * 1e3;
        assert_eq!(engine.open_tickets().len(), 1_000);
        elapsed
    });
    let fastest = rounds.fold(f64::MAX, f64::min);
    report.figure("engine", "recover_1m", 22, "ms/open", fastest, "limit", 100.0);
}

/// Finds decisions anywhere in a log of a gigabyte (a quick run has a tenth) and explains them. The limit is 50 ms for
/// the slowest.
fn explain_1gb(report: &mut Report, stage: &Stage, root: &Path) {
    let megabytes = match report.effort {
        Effort::Full => 1_000,
        Effort::Quick => 100,
    };
    let path = root.join("explain_1gb");
    let probe = root.join("probe");
    stage.write_log(&probe, 10_000);
    let bytes_per_decision = crate::wal::length_of(&probe) / 10_000;
    let decisions = megabytes * 1_000_000 / bytes_per_decision + 1;
    stage.write_log(&path, decisions);
    let mut slowest = 0.0_f64;
    for step in 0..64 {
        // Sequence 3 is the first decision.
        let sequence = 3 + (decisions - 1) * step / 63;
        let started = Instant::now();
        let found = RecordedDecision::find(&path, None, sequence).expect("the decision is there");
        let kernel = found.snapshot.policy_snapshot();
        let explanation = kernel.explain(&found.decided.request);
        slowest = slowest.max(started.elapsed().as_secs_f64() * 1e3);
        assert_eq!(explanation.decision, found.decided.decision);
    }
    report.figure(
        "engine",
        "explain_1gb",
        megabytes as usize,
        "ms, slowest",
        slowest,
        "limit",
        50.0,
    );
}
