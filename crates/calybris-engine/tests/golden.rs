//! Records keep their bytes, and a log written once opens forever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod world;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use calybris_budget::{BudgetEvent, OverrunPolicy, Replay, TenantRules};
use calybris_engine::{
    Admission, Checkpoint, Decided, DecisionProof, Engine, EngineOptions, Fallback, KeyedDecision,
    LoggedSnapshot, LoggedTicket, Names, Record, SCHEMA_ID,
};
use calybris_kernel::{Action, CapabilitySet, Decision, Model, Price, Reason, RegionSet};
use calybris_units::BasisPoints;
use calybris_wal::{LogId, WalOptions, WalWriter};
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
            time: UnixMillis::new(1_700_000_000_000 + sequence),
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
        time: UnixMillis::new(1_700_000_000_011),
        decision_sequence: 9,
        snapshot_sequence: 1,
        failed_model_id,
        fallback,
    };
    let to_small = Fallback {
        model_id: SMALL,
        estimated_cost: Microunits::new(200),
        expected_utility_microunits: 5_991,
    };
    let mut records = vec![
        Record::SnapshotInstalled {
            time: UnixMillis::new(1_700_000_000_000),
            snapshot: logged_snapshot.clone(),
        },
        Record::BudgetChanged {
            time: UnixMillis::new(1_700_000_000_000),
            event: BudgetEvent::TenantOpened {
                tenant: "search".to_owned(),
                granted: Microunits::new(4_000),
            },
        },
        decided(1, 9_000, Admission::Reserved),
        Record::Settled {
            time: UnixMillis::new(1_700_000_000_009),
            decision_sequence: 3,
            actual_cost: Microunits::new(1_500),
        },
        decided(2, 9_000, Admission::Reserved),
        decided(3, 9_000, Admission::Insufficient { available: Microunits::new(500) }),
        Record::Abandoned { time: UnixMillis::new(1_700_000_000_010), decision_sequence: 5 },
        decided(4, 9_500, Admission::NotAsked),
        decided(5, 9_000, Admission::Reserved),
        fell_back(LARGE, Some(to_small)),
        fell_back(SMALL, None),
        Record::BudgetChanged {
            time: UnixMillis::new(1_700_000_000_012),
            event: BudgetEvent::Extended { reservation: 9.into(), amount: Microunits::new(50) },
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
        time: UnixMillis::new(1_700_000_000_013),
        snapshot: Some(logged_snapshot),
        budget: books().numbered_up_to(12.into()),
        tickets: Cow::Owned(vec![ticket]),
        keyed_decisions: keyed.collect(),
        decisions: 5,
    };
    records.push(Record::Checkpoint(checkpoint));
    for (sequence, admission) in [
        (6, Admission::Frozen),
        (7, Admission::InDebt { debt: Microunits::new(7) }),
        (8, Admission::Exposed { reserved: Microunits::new(250), cap: Microunits::new(300) }),
    ] {
        let Record::Decided(decided) = decided(sequence, 9_000, admission) else { continue };
        records.push(Record::Decided(Decided { snapshot_sequence: 13, ..decided }));
    }
    records
}

/// The budget that the first twelve records lead to.
fn books() -> calybris_budget::BudgetState {
    let mut replay = Replay::new();
    let reserved = |id: u64| BudgetEvent::Reserved {
        tenant: "search".into(),
        reservation: id.into(),
        amount: Microunits::new(2_000),
    };
    for event in [
        BudgetEvent::TenantOpened { tenant: "search".into(), granted: Microunits::new(4_000) },
        reserved(3),
        BudgetEvent::Committed { reservation: 3.into(), actual: Microunits::new(1_500) },
        reserved(5),
        BudgetEvent::Released { reservation: 5.into() },
        reserved(9),
        BudgetEvent::PartReleased { reservation: 9.into(), amount: Microunits::new(1_800) },
        BudgetEvent::Extended { reservation: 9.into(), amount: Microunits::new(50) },
    ] {
        replay.apply(event).unwrap();
    }
    replay.state().unwrap()
}

/// One record of every form that those do not have: each change of a budget, sets that are neither empty nor full, numbers
/// of every length, texts of several scripts.
fn other_forms() -> Vec<Record<'static>> {
    let tenant = || "acme/web".to_owned();
    let rules = |overrun, exposure_cap: Option<u64>, soft_limit: Option<u64>| {
        let mut rules = TenantRules::default().with_overrun(overrun);
        rules.exposure_cap = exposure_cap.map(Microunits::new);
        rules.soft_limit = soft_limit.map(Microunits::new);
        BudgetEvent::RulesSet { tenant: tenant(), rules }
    };
    let money = Microunits::new;
    let events = [
        BudgetEvent::TenantOpened { tenant: tenant(), granted: money(250) },
        BudgetEvent::ChildOpened {
            tenant: tenant(),
            parent: "acme".to_owned(),
            granted: money(251),
        },
        BudgetEvent::ToppedUp { tenant: tenant(), amount: money(65_535) },
        BudgetEvent::Reduced { tenant: tenant(), amount: money(65_536) },
        BudgetEvent::Refunded { tenant: tenant(), amount: money(u64::from(u32::MAX)) },
        BudgetEvent::Repaid { tenant: tenant(), amount: money(1 << 32) },
        BudgetEvent::CarriedOver { from: tenant(), to: "acme".to_owned(), amount: money(1) },
        BudgetEvent::Frozen { tenant: tenant() },
        BudgetEvent::Unfrozen { tenant: tenant() },
        rules(OverrunPolicy::Reject, None, None),
        rules(OverrunPolicy::DrawThenDebt, Some(0), Some(900)),
        rules(OverrunPolicy::CapAtReserved, Some(1_000), None),
        BudgetEvent::SoftLimitReached { tenant: tenant() },
        BudgetEvent::Extended { reservation: 9.into(), amount: money(50) },
        BudgetEvent::Overdrawn {
            reservation: 9.into(),
            extra: money(300),
            drawn: [300, 0, 299].map(money).into(),
        },
    ];
    let mut records: Vec<Record<'static>> =
        events.map(|event| Record::BudgetChanged { time: UnixMillis::new(0), event }).into();
    let names = Names {
        models: [(0, "a".to_owned()), (u32::MAX, "\u{e9}\u{1f980}".to_owned())].into(),
        providers: [(0, "first".to_owned()), (255, "last".to_owned())].into(),
        capabilities: [(63, "tools".to_owned())].into(),
        regions: [(0, "eu".to_owned())].into(),
    };
    let everything = Model::new(u32::MAX, 255, BasisPoints::WHOLE)
        .with_risk_ceiling(BasisPoints::percent(90))
        .with_enabled(false)
        .with_p95_latency_ms(100)
        .with_capabilities(CapabilitySet::from_bits(1 << 63))
        .with_price(
            Price::per_million_tokens(Microunits::new(1), Microunits::new(1))
                .with_fixed_price(Microunits::MAX),
        );
    let snapshot = LoggedSnapshot {
        digest: snapshot().digest(),
        policy: POLICY.with_risk_penalty_multiplier(BasisPoints::new(u16::MAX)),
        models: Cow::Owned(vec![model(0, 0, 0), everything]),
        names: Cow::Owned(names),
    };
    records.push(Record::SnapshotInstalled { time: UnixMillis::new(u64::MAX), snapshot });
    let asked = request(u64::MAX, 10_001)
        .with_business_value_microunits(i64::MIN)
        .with_required_capabilities(CapabilitySet::from_bits(0b101))
        .with_allowed_providers([3, 200].into_iter().collect())
        .with_required_regions(RegionSet::from_bits(0b10));
    for reason in Reason::ALL.into_iter().filter(|reason| reason.code() < 112) {
        let mut decision = Decision::rejected(u64::MAX, 300, reason);
        decision.evaluated_models = 70_000;
        let selected = match reason {
            Reason::RequestedModelMaximizesUtility => Some((Action::ExecuteRequested, 300)),
            Reason::AlternativeMaximizesUtility => Some((Action::Substitute, 301)),
            _ => None,
        };
        if let Some((action, model_id)) = selected {
            decision.action = action;
            decision.selected_model_id = Some(model_id);
            decision.estimated_cost = Microunits::new(251);
            decision.maximum_cost = decision.estimated_cost;
            decision.expected_utility_microunits = 125;
            decision.runner_up_model_id = Some(u32::MAX);
            decision.runner_up_utility_microunits = 1;
            decision.eligible_models = 65_536;
        }
        records.push(Record::Decided(Decided {
            time: UnixMillis::new(0),
            tenant: Cow::Borrowed("\u{e9}"),
            correlation_id: Cow::Borrowed(""),
            request_key: Cow::Borrowed(""),
            snapshot_sequence: 300,
            request: asked,
            decision,
            admission: Admission::NotAsked,
        }));
    }
    let checkpoint = Checkpoint {
        time: UnixMillis::new(0),
        snapshot: None,
        budget: Replay::new().state().unwrap(),
        tickets: Cow::Owned(vec![]),
        keyed_decisions: Cow::Owned(vec![]),
        decisions: 0,
    };
    records.push(Record::Checkpoint(checkpoint));
    records
}

/// Every form of every record, with a number.
fn every_form() -> impl Iterator<Item = (usize, Record<'static>)> {
    (1..).zip(every_record().into_iter().chain(other_forms()))
}

/// Writes the records into a log with a fixed id.
fn write_log(dir: &Path) {
    let options = WalOptions::new(SCHEMA_ID).log_id(LogId::from_bytes(*b"calybris golden!"));
    let log = WalWriter::open(dir, &options).unwrap();
    for record in every_record() {
        log.append(&record).unwrap();
    }
    log.close().unwrap();
}

#[test]
fn records_keep_their_bytes() {
    let mut text = String::new();
    for (number, record) in every_form() {
        let bytes = base16ct::lower::encode_string(&payload(&record));
        writeln!(text, "{number} {bytes}").unwrap();
    }
    assert_eq!(text, kept("records.txt", &text));
}

#[test]
fn kept_bytes_read_as_what_was_written() {
    let kept = std::fs::read_to_string(golden("records.txt")).unwrap();
    for ((number, record), line) in every_form().zip(kept.lines()) {
        let (_, digits) = line.split_once(' ').unwrap();
        let bytes = base16ct::lower::decode_vec(digits).unwrap();
        assert_eq!(Record::decode(7, &bytes).unwrap(), record, "{number}");
    }
    assert_eq!(kept.lines().count(), every_form().count());
}

#[test]
fn every_variant_is_pinned() {
    let payloads: Vec<_> = every_form().map(|(_, record)| payload(&record)).collect();
    let records: BTreeSet<u8> = payloads.iter().map(|bytes| bytes[0]).collect();
    // Behind the variant and a time of 0.
    let events: BTreeSet<u8> =
        payloads.iter().filter(|bytes| bytes.starts_with(&[1, 0])).map(|bytes| bytes[2]).collect();
    assert_eq!(records, (0..7).collect());
    assert_eq!(events, (0..13).collect());
    // The next one is nothing yet: a new variant stands in this test, in the golden file and in `RECORDS.md`.
    assert!(Record::decode(7, &[7, 0, 0, 0]).is_err());
    assert!(Record::decode(7, &[1, 0, 13, 0, 0]).is_err());
}

#[test]
fn records_keep_their_json() {
    let lines = every_form()
        .map(|(number, record)| format!("{number} {}\n", serde_json::to_string(&record).unwrap()));
    let text: String = lines.collect();
    assert_eq!(text, kept("records.json.txt", &text));
}

/// The golden file, written anew if the tests are told to.
fn kept(name: &str, text: &str) -> String {
    if blessing() {
        std::fs::write(golden(name), text).unwrap();
    }
    std::fs::read_to_string(golden(name)).unwrap()
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
    assert_eq!(engine.install(snapshot(), UnixMillis::new(1)).unwrap(), 17);
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
    let kept = kept("proof.json", &text);
    assert_eq!(kept, text);
    let head = "cwal1-tree:63616c796272697320676f6c64656e21:9:\
        27016ad47ddfc1de9d6e78387f71b3bb365df642e4b428aab8637af7bc37cb86";
    let proof: DecisionProof = serde_json::from_str(&kept).unwrap();
    let checked = proof.check(&head.parse().unwrap(), None).unwrap();
    assert_eq!((checked.sequence, &*checked.decided.tenant), (6, "search"));
}
