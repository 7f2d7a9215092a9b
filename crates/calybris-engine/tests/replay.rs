//! What reading, replay and what-if promise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use calybris_engine::{
    Admission, Decided, Engine, EngineError, EngineOptions, Fallback, History, Ledger, Names,
    Record, RecordedDecision, ReplayOptions, ReplayReport, SCHEMA_ID, Snapshot, replay,
};
use calybris_kernel::{BasisPoints, Decision, PolicySnapshot};
use calybris_wal::{RetentionAction, Tail, WalError, WalOptions, WalWriter};
use world::*;

const THREADS: [usize; 3] = [1, 2, 5];

fn threads(threads: usize) -> ReplayOptions<'static> {
    ReplayOptions { threads: NonZeroUsize::new(threads), progress: None }
}

/// Replays with nothing proposed; answers what was visited too.
fn replayed(dir: &Path, count: usize) -> Result<(ReplayReport, Vec<u64>), EngineError> {
    let mut visited = Vec::new();
    let report = replay(
        dir,
        None,
        &threads(count),
        |_| Ok(Vec::new()),
        |replayed| visited.push(replayed.sequence),
    )?;
    Ok((report, visited))
}

/// A log with settlements, rejections, refusals and three snapshots, one of them twice.
fn lively_log(dir: &Path, decisions: u64) {
    let engine = open(dir);
    engine.ensure_tenant("a", Microunits::new(3_000_000), UnixMillis::new(1)).unwrap();
    engine.ensure_tenant("poor", Microunits::new(100), UnixMillis::new(1)).unwrap();
    for sequence in 1..=decisions {
        if sequence % 700 == 0 {
            let strict = POLICY.with_policy_epoch(2 + (sequence / 700) % 2);
            engine.install(snapshot_under(strict), UnixMillis::new(sequence)).unwrap();
        }
        let quality = [9_000, 7_000, 4_000, 9_500][usize::try_from(sequence % 4).unwrap()];
        let tenant = if sequence % 5 == 0 { "poor" } else { "a" };
        let id = format!("trace-{sequence}");
        let call = call(tenant, sequence, quality).with_correlation_id(&id);
        if let Some(ticket) = engine.decide(&call).unwrap().ticket {
            match sequence % 3 {
                0 => drop(
                    engine.settle(ticket, Microunits::new(0), UnixMillis::new(sequence)).unwrap(),
                ),
                1 => drop(engine.abandon(ticket, UnixMillis::new(sequence)).unwrap()),
                _ => {}
            }
        }
    }
    engine.close().unwrap();
}

/// Appends authentic records behind an engine's.
fn append(dir: &Path, records: &[Record<'_>]) {
    let log = WalWriter::open(dir, &WalOptions::new(SCHEMA_ID)).unwrap();
    for record in records {
        log.append(record).unwrap();
    }
    log.close().unwrap();
}

/// A record of a decision made under the snapshot at sequence 1, as the kernel makes it.
fn decided(sequence: u64, quality: u16) -> Decided<'static> {
    let request = request(sequence, quality);
    Decided {
        time: UnixMillis::new(0),
        tenant: "a".into(),
        correlation_id: "".into(),
        request_key: "".into(),
        snapshot_sequence: 1,
        request,
        decision: snapshot().policy_snapshot().prescribe(&request),
        admission: Admission::Reserved,
    }
}

#[test]
fn history_gives_every_record_and_keeps_equal_snapshots_once() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 3_000);
    let mut history = History::open(dir.path(), None).unwrap();
    let entries: Vec<_> = history.by_ref().map(Result::unwrap).collect();
    let expected = records(dir.path());
    assert_eq!(entries.len(), expected.len());
    let mut installed = Vec::new();
    for (entry, (sequence, record)) in entries.iter().zip(&expected) {
        assert_eq!((entry.sequence, &entry.record), (*sequence, record));
        if let Record::SnapshotInstalled { snapshot, .. } = record {
            let kept = history.snapshot(*sequence).unwrap();
            assert_eq!(kept.digest(), snapshot.digest);
            installed.push(Arc::clone(kept));
        } else {
            assert!(history.snapshot(*sequence).is_none());
        }
    }
    assert_eq!(installed.len(), 5);
    assert!(Arc::ptr_eq(&installed[1], &installed[3]));
    assert!(!Arc::ptr_eq(&installed[1], &installed[2]));
    assert!(history.next().is_none());
}

#[test]
fn snapshots_that_differ_in_their_names_alone_are_kept_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let renamed = || {
        let names = Names { models: [(FREE, "another".to_owned())].into(), ..Names::default() };
        Snapshot::new(snapshot().policy_snapshot().clone(), names)
    };
    for time_unix_ms in 2..5 {
        engine.install(renamed(), UnixMillis::new(time_unix_ms)).unwrap();
        engine.install(snapshot(), UnixMillis::new(time_unix_ms)).unwrap();
    }
    engine.close().unwrap();
    let mut proposals = 0;
    let propose = |_: &Arc<Snapshot>| {
        proposals += 1;
        Ok(Vec::new())
    };
    let report = replay(dir.path(), None, &threads(1), propose, |_| {}).unwrap();
    assert_eq!((report.installations, report.snapshots, proposals), (7, 2, 2));

    let mut history = History::open(dir.path(), None).unwrap();
    assert_eq!(history.by_ref().map(Result::unwrap).count(), 7);
    for sequence in 3..=7 {
        let (kept, before) = (history.snapshot(sequence), history.snapshot(sequence - 2));
        assert!(Arc::ptr_eq(kept.unwrap(), before.unwrap()), "{sequence}");
    }
}

#[test]
fn a_log_that_no_engine_wrote_is_refused_by_every_door() {
    let dir = tempfile::tempdir().unwrap();
    let log = WalWriter::open(dir.path(), &WalOptions::new(42)).unwrap();
    log.append("not ours").unwrap();
    log.close().unwrap();
    let refused = [
        History::open(dir.path(), None).err().unwrap(),
        RecordedDecision::find(dir.path(), None, 1).unwrap_err(),
        replayed(dir.path(), 1).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, EngineError::Log(WalError::SchemaMismatch { .. })), "{error}");
    }
}

#[test]
fn a_decision_is_found_by_its_sequence_with_the_snapshot_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 1_500);
    let logged = records(dir.path());
    let few = |sequence: u64| !(120..2_000).contains(&sequence) || sequence.is_multiple_of(97);
    for (sequence, record) in logged.iter().filter(|(sequence, _)| few(*sequence)) {
        let found = RecordedDecision::find(dir.path(), None, *sequence);
        if let Record::Decided(decided) = record {
            let found = found.unwrap();
            assert_eq!((found.sequence, &found.decided), (*sequence, decided));
            let again = found.snapshot.policy_snapshot().prescribe(&decided.request);
            assert_eq!(again, decided.decision);
        } else {
            assert!(matches!(found, Err(EngineError::NotADecision { .. })));
        }
    }
    let last = logged.len() as u64;
    for sequence in [0, last + 1, u64::MAX] {
        let error = RecordedDecision::find(dir.path(), None, sequence).unwrap_err();
        let expected = format!("there is no record {sequence} among {last} records");
        assert_eq!(error.to_string(), expected);
    }
    let error = RecordedDecision::find(dir.path(), None, 1).unwrap_err();
    assert_eq!(error.to_string(), "record 1 is the installation of a snapshot, not a decision");
}

#[test]
fn a_log_replays_bit_for_bit_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 3_000);
    let logged = records(dir.path());
    let decisions = logged.iter().filter(|(_, record)| matches!(record, Record::Decided(_)));
    let sequences: Vec<u64> = decisions.map(|(sequence, _)| *sequence).collect();
    for count in THREADS {
        let (report, visited) = replayed(dir.path(), count).unwrap();
        assert_eq!(visited, sequences);
        assert_eq!((report.records, report.decisions), (logged.len() as u64, 3_000));
        assert_eq!((report.installations, report.snapshots, report.without_snapshot), (5, 3, 0));
        assert_eq!((report.head.sequence, report.tail), (report.records, Tail::Clean));
    }
}

#[test]
fn a_forged_decision_is_caught_with_its_sequence() {
    let alterations: [fn(&mut Decision); 6] = [
        |decision| {
            decision.estimated_cost = Microunits::new(decision.estimated_cost.get() + 1);
            decision.maximum_cost = decision.estimated_cost;
        },
        |decision| decision.maximum_cost = Microunits::new(decision.maximum_cost.get() + 1),
        |decision| decision.selected_model_id = Some(FREE),
        |decision| decision.expected_utility_microunits += 1,
        |decision| decision.runner_up_model_id = None,
        |decision| decision.eligible_models += 1,
    ];
    for alter in alterations {
        for count in THREADS {
            let dir = tempfile::tempdir().unwrap();
            lively_log(dir.path(), 1_000);
            let before = records(dir.path()).len() as u64;
            let mut forged = decided(1, 4_000);
            alter(&mut forged.decision);
            let honest = decided(2, 4_000);
            append(
                dir.path(),
                &[
                    Record::Decided(honest.clone()),
                    Record::Decided(forged.clone()),
                    Record::Decided(honest),
                ],
            );
            match replayed(dir.path(), count).unwrap_err() {
                EngineError::ReplayDiffers { sequence, recorded, replayed } => {
                    assert_eq!(sequence, before + 2);
                    assert_eq!(*recorded, forged.decision);
                    let kernel = snapshot();
                    assert_eq!(*replayed, kernel.policy_snapshot().prescribe(&forged.request));
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_decision_cannot_hide_from_replay_behind_another_spelling_of_its_kind() {
    let mut forged = decided(1, 4_000);
    forged.decision.estimated_cost = Microunits::new(forged.decision.estimated_cost.get() + 1);
    forged.decision.maximum_cost = forged.decision.estimated_cost;
    // The codec reads 2, the kind of a decision, from any of these.
    let spellings: [&[u8]; 3] = [&[2], &[251, 2, 0], &[252, 2, 0, 0, 0]];
    for spelling in spellings {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
        let payload = payload(&Record::Decided(forged.clone()));
        let sequence = log.append_bytes(&[spelling, &payload[1..]].concat()).unwrap().sequence;
        log.close().unwrap();
        assert_eq!(records(dir.path()).last().unwrap().1, Record::Decided(forged.clone()));
        for count in THREADS {
            match replayed(dir.path(), count).unwrap_err() {
                EngineError::ReplayDiffers { sequence: at, .. } => {
                    assert_eq!((at, spelling.len()), (sequence, 1));
                }
                EngineError::Contradiction { sequence: at, contradiction } => {
                    assert_eq!(at, sequence);
                    assert!(
                        contradiction.contains("not written as an engine writes it"),
                        "{contradiction}"
                    );
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_decision_names_the_snapshot_in_force_or_the_one_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    engine.install(snapshot_under(POLICY.with_policy_epoch(9)), UnixMillis::new(2)).unwrap();
    engine.close().unwrap();
    // One that was under way while the second was installed.
    append(dir.path(), &[Record::Decided(decided(1, 4_000))]);
    for count in THREADS {
        assert_eq!(replayed(dir.path(), count).unwrap().0.decisions, 1);
    }
    Ledger::read(dir.path(), None).unwrap();
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    engine.install(snapshot_under(POLICY.with_policy_epoch(10)), UnixMillis::new(3)).unwrap();
    engine.close().unwrap();
    // One by somebody who liked the first policy better, with everything else as it should be.
    append(dir.path(), &[Record::Decided(decided(2, 4_000))]);
    for count in THREADS {
        let error = replayed(dir.path(), count).unwrap_err();
        assert!(matches!(error, EngineError::Contradiction { sequence: 6, .. }), "{error}");
    }
    for error in [
        Ledger::read(dir.path(), None).unwrap_err(),
        Engine::open(dir.path(), &EngineOptions::default()).unwrap_err(),
    ] {
        assert!(matches!(error, EngineError::Contradiction { sequence: 6, .. }), "{error}");
    }
}

#[test]
fn a_decision_may_name_only_a_snapshot_before_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let named =
        |snapshot_sequence| Record::Decided(Decided { snapshot_sequence, ..decided(1, 4_000) });
    for (later, count) in THREADS.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let names = [0, 3, 2][later];
        let other = snapshot_under(POLICY.with_policy_epoch(9));
        append(
            dir.path(),
            &[
                named(names),
                Record::SnapshotInstalled {
                    time: UnixMillis::new(0),
                    snapshot: calybris_engine::LoggedSnapshot {
                        digest: other.digest(),
                        policy: *other.policy_snapshot().policy(),
                        models: other.policy_snapshot().models().collect(),
                        groups: std::borrow::Cow::Borrowed(&[]),
                        names: std::borrow::Cow::Owned(other.names().clone()),
                    },
                },
            ],
        );
        let error = replayed(dir.path(), count).unwrap_err();
        let words = format!("record {names} installed no snapshot");
        assert!(error.to_string().contains(&words), "{error}");
        assert!(matches!(error, EngineError::Contradiction { sequence: 2, .. }));
    }
}

#[test]
fn what_was_read_before_damage_is_visited_first() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 2_000);
    let path = segment(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut seen = Vec::new();
    for count in THREADS {
        let mut visited = Vec::new();
        let outcome = replay(
            dir.path(),
            None,
            &threads(count),
            |_| Ok(Vec::new()),
            |replayed| visited.push(replayed.sequence),
        );
        match outcome {
            Err(EngineError::Log(WalError::Corrupt { .. })) => seen.push(visited),
            other => panic!("{other:?}"),
        }
    }
    assert!(seen[0].len() > 500);
    assert!(seen.iter().all(|visited| *visited == seen[0]));
}

#[test]
fn the_recorded_policy_proposed_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 2_000);
    for count in THREADS {
        let mut asked = 0;
        let mut visited = 0;
        replay(
            dir.path(),
            None,
            &threads(count),
            |recorded| {
                asked += 1;
                Ok(vec![Arc::clone(recorded), Arc::clone(recorded)])
            },
            |replayed| {
                visited += 1;
                assert_eq!(replayed.proposed, [replayed.decided.decision; 2]);
                assert!(replayed.proposals.iter().all(|one| Arc::ptr_eq(one, replayed.snapshot)));
            },
        )
        .unwrap();
        assert_eq!((asked, visited), (3, 2_000));
    }
}

#[test]
fn a_proposal_that_is_refused_ends_the_replay() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 100);
    let invalid = |_: &Arc<Snapshot>| {
        let policy = POLICY.with_hard_risk_limit(BasisPoints::new(10_001));
        let kernel = PolicySnapshot::new(policy, vec![])?;
        Ok(vec![Arc::new(Snapshot::new(kernel, Names::default()))])
    };
    for count in THREADS {
        let refused = replay(dir.path(), None, &threads(count), invalid, |_| {}).unwrap_err();
        assert!(matches!(refused, EngineError::InvalidProposal(_)), "{refused}");
    }
}

#[test]
fn progress_ends_with_the_whole_log() {
    let dir = tempfile::tempdir().unwrap();
    lively_log(dir.path(), 3_000);
    let seen = std::cell::RefCell::new(Vec::new());
    let note = |progress| seen.borrow_mut().push(progress);
    let options = ReplayOptions { progress: Some(&note), ..threads(2) };
    let report = replay(dir.path(), None, &options, |_| Ok(Vec::new()), |_| {}).unwrap();
    let seen = seen.into_inner();
    assert!(seen.len() > 3);
    assert!(seen.is_sorted_by_key(|progress| progress.bytes));
    let last = seen.last().unwrap();
    assert_eq!((last.records, last.bytes), (report.records, report.bytes));
    assert_eq!(last.bytes, last.bytes_in_log);
}

fn fell_back(
    decision_sequence: u64,
    failed_model_id: u32,
    fallback: Option<(u32, u64, i64)>,
) -> Record<'static> {
    let fallback = fallback.map(|(model_id, cost, utility)| Fallback {
        model_id,
        estimated_cost: Microunits::new(cost),
        maximum_cost: Microunits::new(cost),
        expected_utility_microunits: utility,
    });
    Record::FellBack {
        time: UnixMillis::new(0),
        decision_sequence,
        snapshot_sequence: 1,
        failed_model_id,
        fallback,
    }
}

/// The models of the small world for a request that all can serve, in their rank: id, cost, utility.
fn ranked() -> Vec<(u32, u64, i64)> {
    let snapshot = snapshot();
    let mut best = [calybris_kernel::RankedModel::default(); 3];
    let found = snapshot.policy_snapshot().rank(&request(1, 4_000), &mut best);
    let model = |model: &calybris_kernel::RankedModel| {
        (model.model_id, model.cost.get(), model.utility_microunits)
    };
    best[..found].iter().map(model).collect()
}

#[test]
fn a_fallback_goes_down_the_rank() {
    let ranked = ranked();
    let [first, second, third] = ranked[..] else { panic!("{ranked:?}") };
    let failed = |model: (u32, u64, i64), to| fell_back(2, model.0, to);
    let wrong_cost = (second.0, second.1 + 1, second.2);
    let wrong_utility = (second.0, second.1, second.2 - 1);
    for (steps, error) in [
        (vec![failed(first, Some(second)), failed(second, Some(third)), failed(third, None)], None),
        (vec![failed(third, Some(second))], Some((3, "was at model"))),
        (vec![failed(first, Some(wrong_cost))], Some((3, "the rank has"))),
        (vec![failed(first, Some(wrong_utility))], Some((3, "the rank has"))),
        (vec![failed(first, Some(first))], Some((3, ""))),
        (vec![failed(first, Some(second)), failed(second, Some(first))], Some((4, ""))),
        (vec![fell_back(1, first.0, Some(second))], Some((3, "not a decision"))),
        (vec![fell_back(99, first.0, Some(second))], Some((3, "no record 99"))),
    ] {
        for count in THREADS {
            let dir = tempfile::tempdir().unwrap();
            drop(open(dir.path()));
            append(dir.path(), &[Record::Decided(decided(1, 4_000))]);
            append(dir.path(), &steps);
            match (replayed(dir.path(), count), error) {
                (Ok((report, _)), None) => assert_eq!(report.fallbacks, steps.len() as u64),
                (Err(found), Some((sequence, words))) => {
                    assert!(found.to_string().contains(words), "{found}");
                    if let EngineError::Contradiction { sequence: at, .. } = found {
                        assert_eq!(at, sequence);
                    }
                }
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        }
    }
}

#[test]
fn a_model_that_the_reservation_can_pay_is_not_passed_over() {
    let [small, large, free] = ranked()[..] else { panic!("three models are eligible") };
    assert_eq!((small.1, large.1, free.1), (200, 2_000, 0));
    let step = |failed: (u32, u64, i64), to| fell_back(2, failed.0, to);
    for (steps, right) in [
        // A ticket with 200 reserved may be too poor for the large model, but not for the free one.
        (vec![step(small, Some(free))], true),
        (vec![step(small, None)], false),
        // One that has gone on to the large model has enough reserved for all.
        (vec![step(small, Some(large)), step(large, Some(free))], true),
        (vec![step(small, Some(large)), step(large, None)], false),
        // And one that is left with nothing is too poor for the large one.
        (vec![step(small, Some(free)), step(free, None)], true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        append(dir.path(), &[Record::Decided(decided(1, 4_000))]);
        append(dir.path(), &steps);
        match replayed(dir.path(), 1) {
            Ok((report, _)) => assert!(right && report.fallbacks == steps.len() as u64),
            Err(error) => {
                assert!(!right && error.to_string().contains("the ticket had reserved"), "{error}");
                assert!(matches!(error, EngineError::Contradiction { .. }));
            }
        }
    }
}

#[test]
fn what_a_real_engine_falls_back_to_is_confirmed_across_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let mut tickets = Vec::new();
    for sequence in 1..=6 {
        tickets.push(engine.decide(&call("a", sequence, 4_000)).unwrap().ticket.unwrap());
        if sequence == 3 {
            engine.checkpoint(UnixMillis::new(9)).unwrap();
        }
    }
    let mut steps = 0;
    for (place, ticket) in tickets.into_iter().enumerate() {
        let mut ticket = ticket;
        for _ in 0..=place {
            ticket = engine.fall_back(ticket, UnixMillis::new(7)).unwrap().ticket;
            steps += 1;
        }
    }
    engine.close().unwrap();
    for count in THREADS {
        let (report, visited) = replayed(dir.path(), count).unwrap();
        assert_eq!((report.decisions, report.fallbacks), (6, steps));
        assert_eq!((report.installations, report.snapshots), (3, 1));
        let last = RecordedDecision::find(dir.path(), None, visited[5]).unwrap();
        assert_eq!(last.decided.snapshot_sequence, 7);
        assert_eq!(last.snapshot.digest(), snapshot().digest());
    }
}

#[test]
fn a_log_whose_beginning_was_dropped_replays_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let old = engine.decide(&call("a", 1, 4_000)).unwrap().ticket.unwrap();
    engine.checkpoint(UnixMillis::new(2)).unwrap();
    assert_eq!(engine.retain_from_checkpoint(RetentionAction::Remove).unwrap(), 1);
    let new = engine.decide(&call("a", 2, 4_000)).unwrap().ticket.unwrap();
    let _open = engine.fall_back(old, UnixMillis::new(3)).unwrap();
    let _open = engine.fall_back(new, UnixMillis::new(3)).unwrap();
    engine.close().unwrap();
    let (report, visited) = replayed(dir.path(), 2).unwrap();
    assert_eq!((report.decisions, report.fallbacks, report.without_snapshot), (1, 1, 0));
    assert_eq!(visited, [6]);
    // Nothing behind a checkpoint needs anything before it, so a decision that says so was slipped in.
    let last = records(dir.path()).last().unwrap().0;
    append(dir.path(), &[Record::Decided(decided(3, 4_000))]);
    let slipped_in = replayed(dir.path(), 2).unwrap_err();
    let EngineError::Contradiction { sequence, contradiction } = slipped_in else {
        panic!("{slipped_in}")
    };
    assert_eq!(sequence, last + 1);
    assert_eq!(contradiction, "the snapshot of record 1 was superseded before it");
    let gone = RecordedDecision::find(dir.path(), None, 3).unwrap_err();
    assert!(matches!(gone, EngineError::Log(WalError::Dropped { .. })), "{gone}");

    // Dropped in the middle of what a snapshot was in force for: the rest cannot be decided again, and is counted.
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let log = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    log.append(&Record::Decided(decided(1, 4_000))).unwrap();
    log.rotate().unwrap();
    log.append(&Record::Decided(decided(2, 4_000))).unwrap();
    log.retain_from(3, RetentionAction::Remove).unwrap();
    log.close().unwrap();
    let (report, visited) = replayed(dir.path(), 2).unwrap();
    assert_eq!((report.decisions, report.without_snapshot), (0, 1));
    assert!(visited.is_empty());
}
