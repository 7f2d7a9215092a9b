//! A replay on any number of threads is a plain loop over the history, whatever the log has been through.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use calybris_engine::{
    Decided, Engine, EngineError, EngineOptions, History, Names, Record, ReplayOptions,
    ReplayProgress, SCHEMA_ID, Snapshot, SnapshotDigest, replay,
};
use calybris_kernel::{Decision, Policy, PolicySnapshot};
use calybris_units::BasisPoints;
use calybris_wal::{Anchor, Durability, Key, Reader, RetentionAction, Tail, WalOptions, WalWriter};
use proptest::prelude::*;
use world::*;

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// One decision as a replay shows it.
type Seen = (u64, Decided<'static>, SnapshotDigest, Vec<Decision>);

/// All that a replay tells.
#[derive(Debug, PartialEq)]
struct Told {
    seen: Vec<Seen>,
    /// Records, installations and distinct snapshots, the last record and what stands behind it; or the error.
    end: Result<(u64, u64, u64, Anchor, Tail), String>,
}

fn propose(policies: &[Policy], recorded: &Snapshot) -> Result<Vec<Arc<Snapshot>>, EngineError> {
    let models: Vec<_> = recorded.policy_snapshot().models().collect();
    let proposed = policies.iter().map(|policy| {
        let kernel = PolicySnapshot::new(*policy, &*models)?;
        Ok(Arc::new(Snapshot::new(kernel, Names::default())))
    });
    proposed.collect()
}

/// The oracle: one record after the other, and nothing of the replay's own.
fn loop_over(dir: &Path, key: Option<&Key>, policies: &[Policy]) -> Told {
    let mut history = match History::open(dir, key) {
        Ok(history) => history,
        Err(error) => return Told { seen: Vec::new(), end: Err(error.to_string()) },
    };
    let (mut seen, mut records, mut installed) = (Vec::new(), 0, Vec::new());
    let mut head = Anchor {
        log_id: history.log_id(),
        sequence: 0,
        hash: calybris_wal::Hash::from_bytes([0; 32]),
    };
    while let Some(entry) = history.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Told { seen, end: Err(error.to_string()) },
        };
        records += 1;
        head = Anchor { sequence: entry.sequence, hash: entry.hash, ..head };
        if history.snapshot(entry.sequence).is_some() {
            installed.push(entry.sequence);
        }
        if let Record::Decided(decided) = entry.record {
            let snapshot = history.snapshot(decided.snapshot_sequence).unwrap();
            let again = snapshot.policy_snapshot().prescribe(&decided.request);
            assert_eq!(again, decided.decision, "the logs of these tests are an engine's");
            let proposed = propose(policies, snapshot).unwrap();
            let proposed = proposed
                .iter()
                .map(|proposal| proposal.policy_snapshot().prescribe(&decided.request))
                .collect();
            seen.push((entry.sequence, decided, snapshot.digest(), proposed));
        }
    }
    let kept = |sequence: &u64| Arc::as_ptr(history.snapshot(*sequence).unwrap()).addr();
    let mut distinct: Vec<usize> = installed.iter().map(kept).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let end = (records, installed.len() as u64, distinct.len() as u64, head, history.tail());
    Told { seen, end: Ok(end) }
}

/// The replay on so many threads, and what it told of its progress.
fn replayed(
    dir: &Path,
    key: Option<&Key>,
    policies: &[Policy],
    threads: usize,
) -> (Told, Vec<ReplayProgress>) {
    let mut seen = Vec::new();
    let progress = std::cell::RefCell::new(Vec::new());
    let note = |progressed| progress.borrow_mut().push(progressed);
    let options = ReplayOptions { threads: NonZeroUsize::new(threads), progress: Some(&note) };
    let report = replay(
        dir,
        key,
        &options,
        |recorded| propose(policies, recorded),
        |replayed| {
            let decided = replayed.decided.clone().into_owned();
            let (digest, proposed) = (replayed.snapshot.digest(), replayed.proposed.to_vec());
            seen.push((replayed.sequence, decided, digest, proposed));
        },
    );
    let end = report.map_err(|error| error.to_string()).map(|report| {
        assert_eq!(report.decisions, seen.len() as u64);
        let last = *progress.borrow().last().unwrap();
        assert_eq!((last.records, last.bytes), (report.records, report.bytes));
        (report.records, report.installations, report.snapshots, report.head, report.tail)
    });
    (Told { seen, end }, progress.into_inner())
}

/// Compares every number of threads with the loop, and their progress with one another.
fn all_agree(dir: &Path, key: Option<&Key>, policies: &[Policy]) -> Told {
    let expected = loop_over(dir, key, policies);
    let (alone, progress_alone) = replayed(dir, key, policies, 1);
    assert_eq!(alone, expected);
    assert!(progress_alone.is_sorted_by_key(|progress| (progress.bytes, progress.records)));
    for threads in &THREADS[1..] {
        let (told, progress) = replayed(dir, key, policies, *threads);
        assert_eq!(told, expected, "{threads} threads");
        assert_eq!(progress, progress_alone, "{threads} threads");
    }
    expected
}

/// What a log goes through between two stretches of decisions.
#[derive(Clone, Copy, Debug)]
enum Step {
    Install(u16),
    Checkpoint,
    /// Another segment begins, in the middle of everything.
    Rotate,
    /// The log goes on under another key.
    NewKey,
    /// The log's beginning is dropped up to the last checkpoint.
    Retain,
}

fn secret(number: u8) -> Key {
    Key::new(&[number; 32]).unwrap()
}

/// Writes stretches of decisions with steps between them. Answers the key that the log has at last.
fn write(dir: &Path, keyed: bool, stretches: &[(u64, Step)]) -> Option<Key> {
    let mut key = keyed.then(|| secret(1));
    // No key comes back: a log refuses one that was replaced.
    let mut keys_so_far = 1;
    let options = |key: &Option<Key>| {
        let options = EngineOptions::default().durability(Durability::Buffered);
        let options = options.checkpoint_every_records(0);
        key.iter().cloned().fold(options, EngineOptions::key)
    };
    let engine = |key: &Option<Key>| Engine::open(dir, &options(key)).unwrap();
    let mut open = engine(&key);
    open.install(snapshot(), UnixMillis::new(0)).unwrap();
    open.ensure_tenant("a", Microunits::new(3_000_000), UnixMillis::new(1)).unwrap();
    open.ensure_tenant("poor", Microunits::new(100), UnixMillis::new(1)).unwrap();
    let (mut number, mut left_open) = (0, Vec::new());
    for (decisions, step) in stretches {
        for _ in 0..*decisions {
            number += 1;
            let quality = [9_000, 7_000, 4_000, 9_500][usize::try_from(number % 4).unwrap()];
            let tenant = if number % 5 == 0 { "poor" } else { "a" };
            let id = format!("trace-{number}");
            let call = call(tenant, number, quality).with_correlation_id(&id);
            if let Some(ticket) = open.decide(&call).unwrap().ticket {
                match number % 4 {
                    0 => drop(
                        open.settle(ticket, Microunits::new(0), UnixMillis::new(number)).unwrap(),
                    ),
                    1 => drop(open.abandon(ticket, UnixMillis::new(number)).unwrap()),
                    2 => drop(open.fall_back(ticket, UnixMillis::new(number)).unwrap()),
                    _ => left_open.push(ticket.decision_sequence()),
                }
            }
        }
        match *step {
            Step::Install(epoch) => {
                let policy = POLICY.with_policy_epoch(u64::from(epoch));
                open.install(snapshot_under(policy), UnixMillis::new(number)).unwrap();
            }
            Step::Checkpoint => drop(open.checkpoint(UnixMillis::new(number)).unwrap()),
            Step::Retain => {
                open.checkpoint(UnixMillis::new(number)).unwrap();
                open.retain_from_checkpoint(RetentionAction::Remove).unwrap();
            }
            Step::Rotate | Step::NewKey => {
                open.close().unwrap();
                if let (Step::NewKey, Some(old)) = (step, &key) {
                    keys_so_far += 1;
                    key = Some(secret(keys_so_far).replacing(old));
                } else {
                    let options = WalOptions::new(SCHEMA_ID);
                    let log = match &key {
                        Some(key) => WalWriter::open_keyed(dir, &options, key),
                        None => WalWriter::open(dir, &options),
                    };
                    let log = log.unwrap();
                    log.rotate().unwrap();
                    log.close().unwrap();
                }
                open = engine(&key);
            }
        }
        // A ticket that falls back long after its decision, in another segment and under another snapshot.
        if let Some(ticket) = left_open.pop().and_then(|sequence| open.ticket(sequence)) {
            drop(open.fall_back(ticket, UnixMillis::new(number)).unwrap());
        }
    }
    open.close().unwrap();
    key
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (0..=10_000_u16, 0..=10_000_u16, 0..=20_000_u16, 0..=50_u64).prop_map(
        |(risk, confidence, multiplier, latency)| {
            Policy::new()
                .with_policy_epoch(7)
                .with_catalog_epoch(1)
                .with_hard_risk_limit(BasisPoints::new(risk))
                .with_minimum_confidence(BasisPoints::new(confidence))
                .with_risk_penalty_multiplier(BasisPoints::new(multiplier))
                .with_latency_penalty_per_ms(Microunits::new(latency))
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (2..4_u16).prop_map(Step::Install),
        3 => Just(Step::Checkpoint),
        4 => Just(Step::Rotate),
        2 => Just(Step::NewKey),
        1 => Just(Step::Retain),
    ]
}

/// A flipped bit, or an end that is cut off; each at that many thousandths of all bytes of the log.
#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    Flip(usize),
    Cut(usize),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => Just(Damage::None),
        2 => (0..1_000_usize).prop_map(Damage::Flip),
        1 => (0..1_000_usize).prop_map(Damage::Cut),
    ]
}

/// Damages that byte, or cuts off the segment from it on.
fn damage(dir: &Path, damage: Damage) {
    let (Damage::Flip(thousandths) | Damage::Cut(thousandths)) = damage else { return };
    let segments: Vec<_> =
        segments(dir).into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    let bytes: usize = segments.iter().map(|(bytes, _)| bytes.len()).sum();
    let mut at = bytes * thousandths / 1_000;
    for (mut bytes, path) in segments {
        if at < bytes.len() {
            match damage {
                Damage::Flip(_) => bytes[at] ^= 4,
                _ => bytes.truncate(at),
            }
            std::fs::write(path, bytes).unwrap();
            return;
        }
        at -= bytes.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What a replay says of any policies is what a plain loop over the history says: over any segments, snapshots,
    /// checkpoints, keys, dropped beginnings and damage.
    #[test]
    fn a_replay_is_a_loop_over_the_history(
        policies in prop::collection::vec(any_policy(), 0..3),
        stretches in prop::collection::vec((0..500_u64, any_step()), 1..8),
        keyed: bool,
        damaged in any_damage(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let key = write(dir.path(), keyed, &stretches);
        damage(dir.path(), damaged);
        all_agree(dir.path(), key.as_ref(), &policies);
    }
}

#[test]
fn damage_at_any_place_is_found_where_a_loop_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let stretches = [
        (700, Step::Rotate),
        (900, Step::Install(2)),
        (100, Step::Checkpoint),
        (400, Step::Rotate),
        (300, Step::Rotate),
    ];
    write(dir.path(), false, &stretches);
    assert_eq!(segments(dir.path()).len(), 5);
    let sound = all_agree(dir.path(), None, &[]);
    assert_eq!((sound.seen.len(), sound.end.is_ok()), (2_400, true));
    let copies: Vec<_> = segments(dir.path())
        .into_iter()
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .collect();
    let mut errors = std::collections::BTreeSet::new();
    for step in 0..14 {
        for kind in [Damage::Flip, Damage::Cut] {
            damage(dir.path(), kind(step * 1_000 / 14));
            if let Err(error) = all_agree(dir.path(), None, &[]).end {
                errors.insert(error);
            }
            for (bytes, path) in &copies {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    assert!(errors.len() > 20, "{errors:?}");
    for (bytes, path) in &copies {
        std::fs::remove_file(path).unwrap();
        all_agree(dir.path(), None, &[]);
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_log_that_is_written_meanwhile_is_replayed_up_to_some_record() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), false, &[(50, Step::Rotate)]);
    let (mut replays, written) = (Vec::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
            for number in 1_000..4_000 {
                drop(engine.decide(&call("a", number, 4_000)).unwrap());
                match number % 1_000 {
                    0 => drop(engine.checkpoint(UnixMillis::new(number)).unwrap()),
                    500 => drop(engine.install(snapshot(), UnixMillis::new(number)).unwrap()),
                    _ => {}
                }
            }
            engine.close().unwrap();
            written.store(true, Ordering::Release);
        });
        for threads in THREADS.into_iter().cycle() {
            let last = written.load(Ordering::Acquire);
            replays.push(replayed(dir.path(), None, &[], threads).0);
            if last {
                break;
            }
        }
    });
    let whole = loop_over(dir.path(), None, &[]);
    let hashes: Vec<_> =
        Reader::open(dir.path(), None).unwrap().map(|record| record.unwrap().hash()).collect();
    assert_eq!(replays.last().unwrap(), &whole, "the last began when everything was written");
    for replay in replays {
        let (records, _, _, head, _) = replay.end.unwrap();
        assert_eq!(records, head.sequence);
        assert_eq!(head.hash, hashes[usize::try_from(records).unwrap() - 1]);
        let before = |seen: &&Seen| seen.0 <= head.sequence;
        assert!(whole.seen.iter().take_while(before).eq(&replay.seen));
    }
}
