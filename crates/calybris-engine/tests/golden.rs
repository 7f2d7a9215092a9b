//! Records keep their bytes, and a log written once opens forever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use calybris_budget::{BudgetEvent, Replay};
use calybris_engine::{
    Admission, Checkpoint, Decided, DecisionProof, Engine, EngineOptions, Fallback, KeyedDecision,
    LoggedSnapshot, LoggedTicket, Record, SCHEMA_ID,
};
use calybris_wal::{Reader, WalOptions, WalWriter};
use world::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var("CALYBRIS_BLESS").as_deref() == Ok("1")
}

/// One record of each kind, and a decision of each admission.
fn every_record() -> Vec<Record<'static>> {
    let snapshot = snapshot();
    let decide =
        |sequence, quality| snapshot.policy_snapshot().prescribe(&request(sequence, quality));
    let decided = |sequence, quality, admission| {
        Record::Decided(Decided {
            time_unix_ms: 1_700_000_000_000 + sequence,
            tenant: Cow::Borrowed("search"),
            correlation_id: Cow::Borrowed("4bf92f3577b34da6a3ce929d0e0e4736"),
            request_key: Cow::Owned(format!("order-{sequence}")),
            snapshot_sequence: 1,
            request: request(sequence, quality),
            decision: decide(sequence, quality),
            admission,
        })
    };
    let logged_snapshot = LoggedSnapshot {
        digest: snapshot.digest(),
        policy: POLICY,
        models: Cow::Owned(snapshot.policy_snapshot().models().to_vec()),
        names: Cow::Owned(snapshot.names().clone()),
    };
    let fell_back = |failed_model_id, fallback| Record::FellBack {
        time_unix_ms: 1_700_000_000_011,
        decision_sequence: 9,
        snapshot_sequence: 1,
        failed_model_id,
        fallback,
    };
    let to_small = Fallback {
        model_id: SMALL,
        estimated_cost_microunits: 200,
        expected_utility_microunits: 5_991,
    };
    let mut records = vec![
        Record::SnapshotInstalled {
            time_unix_ms: 1_700_000_000_000,
            snapshot: logged_snapshot.clone(),
        },
        Record::BudgetChanged {
            time_unix_ms: 1_700_000_000_000,
            event: BudgetEvent::TenantOpened {
                tenant: "search".to_owned(),
                granted_microunits: 4_000,
            },
        },
        decided(1, 9_000, Admission::Reserved),
        Record::Settled {
            time_unix_ms: 1_700_000_000_009,
            decision_sequence: 3,
            actual_cost_microunits: 1_500,
        },
        decided(2, 9_000, Admission::Reserved),
        decided(3, 9_000, Admission::Insufficient { available_microunits: 500 }),
        Record::Abandoned { time_unix_ms: 1_700_000_000_010, decision_sequence: 5 },
        decided(4, 9_500, Admission::NotAsked),
        decided(5, 9_000, Admission::Reserved),
        fell_back(LARGE, Some(to_small)),
        fell_back(SMALL, None),
        Record::BudgetChanged {
            time_unix_ms: 1_700_000_000_012,
            event: BudgetEvent::Extended { hold: 9, amount_microunits: 50 },
        },
    ];
    let keyed = (1_u64..).zip(&records).filter_map(|(decision_sequence, record)| match record {
        Record::Decided(decided) => Some(KeyedDecision {
            decision_sequence,
            request_key: decided.request_key.clone(),
            tenant: decided.tenant.clone(),
            request: decided.request,
            decision: decided.decision,
            admission: decided.admission,
        }),
        _ => None,
    });
    let ticket = LoggedTicket {
        decision_sequence: 9,
        model_id: SMALL,
        failed_model_ids: vec![LARGE, SMALL],
        request: request(5, 9_000),
    };
    let checkpoint = Checkpoint {
        time_unix_ms: 1_700_000_000_013,
        snapshot: Some(logged_snapshot),
        budget: books().numbered_up_to(12),
        tickets: Cow::Owned(vec![ticket]),
        keyed_decisions: keyed.collect(),
        decisions: 5,
    };
    records.push(Record::Checkpoint(checkpoint));
    for (sequence, admission) in [
        (6, Admission::Frozen),
        (7, Admission::InDebt { debt_microunits: 7 }),
        (8, Admission::Exposed { reserved_microunits: 250, cap_microunits: 300 }),
    ] {
        let Record::Decided(decided) = decided(sequence, 9_000, admission) else { continue };
        records.push(Record::Decided(Decided { snapshot_sequence: 13, ..decided }));
    }
    records
}

/// The budget that the first twelve records lead to.
fn books() -> calybris_budget::Checkpoint {
    let mut replay = Replay::new();
    let reserved =
        |hold| BudgetEvent::Reserved { tenant: "search".into(), hold, amount_microunits: 2_000 };
    for event in [
        BudgetEvent::TenantOpened { tenant: "search".into(), granted_microunits: 4_000 },
        reserved(3),
        BudgetEvent::Committed { hold: 3, actual_microunits: 1_500 },
        reserved(5),
        BudgetEvent::Released { hold: 5 },
        reserved(9),
        BudgetEvent::PartReleased { hold: 9, amount_microunits: 1_800 },
        BudgetEvent::Extended { hold: 9, amount_microunits: 50 },
    ] {
        replay.apply(event).unwrap();
    }
    replay.checkpoint().unwrap()
}

/// Writes the records into a log with a fixed id.
fn write_log(dir: &Path) {
    let options = WalOptions::new(SCHEMA_ID).log_id(*b"calybris golden!");
    let log = WalWriter::open(dir, &options).unwrap();
    for record in every_record() {
        log.append(&record).unwrap();
    }
    log.close().unwrap();
}

#[test]
fn records_keep_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path());
    let mut text = String::new();
    for entry in Reader::open(dir.path(), None).unwrap().map(Result::unwrap) {
        let bytes: String = entry.payload().iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{} {bytes}", entry.sequence()).unwrap();
    }
    let file = golden("records.txt");
    if blessing() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(file).unwrap());
}

#[test]
fn records_keep_their_json() {
    let lines = (1..).zip(every_record()).map(|(sequence, record)| {
        format!("{sequence} {}\n", serde_json::to_string(&record).unwrap())
    });
    let text: String = lines.collect();
    let file = golden("records.json.txt");
    if blessing() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(file).unwrap());
}

#[test]
fn a_log_written_once_opens_forever() {
    let dir = tempfile::tempdir().unwrap();
    let kept = golden("log.cwal");
    if blessing() {
        write_log(dir.path());
        std::fs::copy(segment(dir.path()), &kept).unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(kept, copy.path().join("00000000000000000001.cwal")).unwrap();
    let records: Vec<_> = records(copy.path()).into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, every_record());
    let engine = Engine::open(copy.path(), &EngineOptions::default()).unwrap();
    // Its checkpoint was not finished, so opening put the snapshot behind it; it is the one given here.
    assert_eq!(engine.install(snapshot(), 1).unwrap(), 17);
    assert_eq!(balances(&engine)["search"], (4_000, 2_250, 250, 1_500));
    assert_eq!(engine.open_tickets().len(), 1);
    assert_eq!(engine.head().sequence, 17);
}

#[test]
fn a_proof_made_once_holds_forever() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path());
    let made = DecisionProof::in_tree(dir.path(), None, 6, 9).unwrap();
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    let file = golden("proof.json");
    if blessing() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap();
    assert_eq!(kept, text);
    let head = "cwal1-tree:63616c796272697320676f6c64656e21:9:\
        d0602e22113998f2a264bc8c518b7e211e7ea48c8b44a78c162882fd58a13492";
    let proof: DecisionProof = serde_json::from_str(&kept).unwrap();
    let checked = proof.check(&head.parse().unwrap(), None).unwrap();
    assert_eq!((checked.sequence, &*checked.decided.tenant), (6, "search"));
}
