//! Records keep their bytes, and a log written once opens forever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use calybris_budget::BudgetEvent;
use calybris_engine::{
    Admission, Decided, DecisionProof, Engine, EngineOptions, LoggedSnapshot, Record, SCHEMA_ID,
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
            request_key: Cow::Borrowed("order-17"),
            snapshot_sequence: 1,
            request: request(sequence, quality),
            decision: decide(sequence, quality),
            admission,
        })
    };
    vec![
        Record::SnapshotInstalled {
            time_unix_ms: 1_700_000_000_000,
            snapshot: LoggedSnapshot {
                digest: snapshot.digest(),
                policy: POLICY,
                models: Cow::Owned(snapshot.policy_snapshot().models().to_vec()),
                names: Cow::Owned(snapshot.names().clone()),
            },
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
    ]
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
    // The snapshot in force is the one given, so nothing is logged.
    assert_eq!(engine.install(snapshot(), 1).unwrap(), 1);
    assert_eq!(balances(&engine)["search"], (4_000, 500, 2_000, 1_500));
    assert_eq!(engine.open_tickets().len(), 1);
    assert_eq!(engine.head().sequence, 9);
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
        6fcd5ad7a1277104835b1485991667f16d5be35af24cfc7dfb1de8be6fc1d71c";
    let proof: DecisionProof = serde_json::from_str(&kept).unwrap();
    let checked = proof.check(&head.parse().unwrap(), None).unwrap();
    assert_eq!((checked.sequence, &*checked.decided.tenant), (6, "search"));
}
