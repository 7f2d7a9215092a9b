//! What the proof of one decision shows to who has nothing but a tree head.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod world;

use std::path::Path;

use calybris_engine::{DecisionProof, Engine, EngineError, EngineOptions, Record, SCHEMA_ID};
use calybris_wal::{Hash, Key, LogId, TreeHead, WalError, WalOptions, WalWriter};
use world::*;

/// A log with two snapshots and twelve decisions.
fn log(dir: &Path, options: &EngineOptions) -> Vec<u64> {
    let engine = Engine::open(dir, options).unwrap();
    engine.install(snapshot(), UnixMillis::new(0)).unwrap();
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let mut decisions = Vec::new();
    for sequence in 1..=12 {
        if sequence == 7 {
            engine
                .install(snapshot_under(POLICY.with_policy_epoch(2)), UnixMillis::new(5))
                .unwrap();
        }
        let quality = [9_000, 9_500, 4_000][usize::try_from(sequence % 3).unwrap()];
        let outcome = engine.decide(&call("a", sequence, quality)).unwrap();
        decisions.push(outcome.decision_sequence);
        if let Some(ticket) = outcome.ticket {
            engine.abandon(ticket, UnixMillis::new(9)).unwrap();
        }
    }
    engine.close().unwrap();
    decisions
}

#[test]
fn every_decision_is_proven_in_every_tree_that_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default());
    let logged = records(dir.path());
    let whole = TreeHead::of(dir.path(), None, logged.len() as u64).unwrap();
    for sequence in decisions {
        let proof = DecisionProof::of(dir.path(), None, sequence).unwrap();
        assert_eq!((proof.head(), proof.sequence(), proof.key_id()), (whole, sequence, None));
        for size in [sequence, whole.size - 1, whole.size] {
            let proof = DecisionProof::in_tree(dir.path(), None, sequence, size.max(sequence));
            let head = TreeHead::of(dir.path(), None, size.max(sequence)).unwrap();
            let file = serde_json::to_string(&proof.unwrap()).unwrap();
            let proof: DecisionProof = serde_json::from_str(&file).unwrap();
            let checked = proof.check(&head, None).unwrap();
            let Record::Decided(decided) = &logged[usize::try_from(sequence).unwrap() - 1].1 else {
                panic!("not a decision")
            };
            assert_eq!((checked.sequence, &checked.decided), (sequence, decided));
            let policy = checked.snapshot.policy_snapshot().policy();
            assert_eq!(policy.policy_epoch, decided.decision.policy_epoch);
        }
        let early = DecisionProof::in_tree(dir.path(), None, sequence, sequence - 1).unwrap_err();
        assert!(matches!(early, EngineError::Log(WalError::NoSuchRecord { .. })), "{early}");
    }
    let other = DecisionProof::of(dir.path(), None, 1).unwrap_err();
    assert!(matches!(other, EngineError::NotADecision { sequence: 1, .. }), "{other}");
}

#[test]
fn a_decision_in_a_group_and_under_a_ceiling_is_proven_with_both() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open_with(dir.path(), snapshot_by_class());
    engine.ensure_tenant("a", Microunits::new(10_000), UnixMillis::new(1)).unwrap();
    let outcome = engine.decide(&call_by_class("a", 1, 9_000)).unwrap();
    engine.close().unwrap();
    let proof = DecisionProof::of(dir.path(), None, outcome.decision_sequence).unwrap();
    let file = serde_json::to_string(&proof).unwrap();
    let checked = serde_json::from_str::<DecisionProof>(&file).unwrap();
    let checked = checked.check(&proof.head(), None).unwrap();
    assert_eq!(checked.decided.request, request_by_class(1, 9_000));
    assert_eq!(checked.decided.decision, outcome.decision);
    assert_ne!(outcome.decision.maximum_cost, outcome.decision.estimated_cost);
    assert_eq!(checked.snapshot.digest(), snapshot_by_class().digest());
    assert_eq!(checked.snapshot.names(), snapshot_by_class().names());
}

#[test]
fn every_flipped_bit_of_a_proof_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default());
    let proof = DecisionProof::of(dir.path(), None, decisions[8]).unwrap();
    let head = proof.head();
    let file = serde_json::to_vec(&proof).unwrap();
    let checks = |file: &[u8]| {
        let proof: Result<DecisionProof, _> = serde_json::from_slice(file);
        proof.is_ok_and(|proof| proof.check(&head, None).is_ok())
    };
    assert!(checks(&file));
    for bit in 0..8 * file.len() {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!checks(&flipped), "bit {bit}: {}", String::from_utf8_lossy(&flipped));
    }
    for length in 0..file.len() {
        assert!(!checks(&file[..length]));
    }
}

#[test]
fn a_proof_holds_for_no_other_tree_head() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default());
    let proof = DecisionProof::of(dir.path(), None, decisions[3]).unwrap();
    let head = proof.head();
    for other in [
        TreeHead { size: head.size - 1, ..head },
        TreeHead { log_id: LogId::from_bytes([1; 16]), ..head },
        TreeHead { root: Hash::from_bytes([1; 32]), ..head },
        TreeHead::of(dir.path(), None, head.size - 1).unwrap(),
    ] {
        let refused = proof.check(&other, None).unwrap_err();
        assert!(refused.to_string().contains("it is for the tree head"), "{refused}");
    }
}

#[test]
fn parts_of_true_proofs_make_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default());
    let of = |place: usize| -> serde_json::Value {
        let proof = DecisionProof::of(dir.path(), None, decisions[place]).unwrap();
        serde_json::to_value(proof).unwrap()
    };
    // Decision 3 was made under the first snapshot, decision 10 under the second.
    let (early, late) = (of(3), of(10));
    let head = DecisionProof::of(dir.path(), None, decisions[3]).unwrap().head();
    let check = |proof: serde_json::Value| {
        let proof: DecisionProof = serde_json::from_value(proof).unwrap();
        proof.check(&head, None).map(|_| ())
    };
    check(early.clone()).unwrap();
    let with = |part: &str, from: &serde_json::Value| {
        let mut proof = early.clone();
        proof[part] = from.clone();
        proof
    };
    for (proof, words) in [
        (with("snapshot", &late["snapshot"]), "the decision names the snapshot at record 1"),
        (with("snapshot", &early["decision"]), "the decision names the snapshot at record 1"),
        (with("decision", &early["snapshot"]), "record 1 is not a decision"),
    ] {
        let refused = check(proof).unwrap_err();
        assert!(matches!(refused, EngineError::ProofRefused { .. }));
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let mut newer = early.clone();
    newer["version"] = 2.into();
    assert!(check(newer).unwrap_err().to_string().contains("version is 2"));
    let mut more = early.clone();
    more["remark"] = "true".into();
    assert!(serde_json::from_value::<DecisionProof>(more).is_err());
}

#[test]
fn a_keyed_log_proves_nothing_without_its_key() {
    let key = Key::new(&[7; 32]).unwrap();
    let other = Key::new(&[8; 32]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default().key(key.clone()));
    let proof = DecisionProof::of(dir.path(), Some(&key), decisions[2]).unwrap();
    assert_eq!(proof.key_id(), Some(key.id()));
    let head = TreeHead::of(dir.path(), Some(&key), proof.head().size).unwrap();
    assert_eq!(proof.check(&head, Some(&key)).unwrap().sequence, decisions[2]);
    for wrong in [None, Some(&other)] {
        let refused = proof.check(&head, wrong).unwrap_err();
        let words = format!("is chained with the key {:016x}, which was not given", key.id());
        assert!(refused.to_string().contains(&words), "{refused}");
    }
}

#[test]
fn the_proof_of_a_decision_after_a_checkpoint_shows_no_balance() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path(), &EngineOptions::default());
    let engine = Engine::open(dir.path(), &EngineOptions::default()).unwrap();
    let checkpoint = engine.checkpoint(UnixMillis::new(20)).unwrap();
    let sequence = engine.decide(&call("a", 21, 4_000)).unwrap().decision_sequence;
    engine.close().unwrap();
    let proof = DecisionProof::of(dir.path(), None, sequence).unwrap();
    let head = TreeHead::of(dir.path(), None, sequence).unwrap();
    let checked = proof.check(&head, None).unwrap();
    assert_eq!(checked.decided.snapshot_sequence, checkpoint + 1);
    let (_, named) = records(dir.path()).swap_remove(usize::try_from(checkpoint).unwrap());
    assert!(matches!(named, Record::SnapshotInstalled { .. }), "{named:?}");
    assert_eq!(checked.snapshot.policy_snapshot().policy().policy_epoch, 2);
}

#[test]
fn a_forged_decision_is_not_proven_and_its_proof_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = log(dir.path(), &EngineOptions::default());
    let mut forged = records(dir.path())
        .into_iter()
        .find_map(|(sequence, record)| match record {
            Record::Decided(decided) if decided.decision.selected_model_id.is_some() => {
                assert!(decisions.contains(&sequence));
                Some(decided)
            }
            _ => None,
        })
        .unwrap();
    forged.decision.estimated_cost = Microunits::new(forged.decision.estimated_cost.get() + 1);
    forged.decision.maximum_cost = forged.decision.estimated_cost;
    let writer = WalWriter::open(dir.path(), &WalOptions::new(SCHEMA_ID)).unwrap();
    let sequence = writer.append(&Record::Decided(forged)).unwrap().sequence;
    writer.close().unwrap();
    let refused = DecisionProof::of(dir.path(), None, sequence).unwrap_err();
    assert!(matches!(refused, EngineError::ReplayDiffers { .. }), "{refused}");
    // Somebody who makes the proof by other means gets no further.
    let size = sequence;
    let part = |sequence| {
        let proof = calybris_wal::RecordProof::of(dir.path(), None, sequence, size).unwrap();
        serde_json::json!({
            "sequence": sequence,
            "previous_hash": proof.previous_hash,
            "payload": base16ct::lower::encode_string(&proof.payload),
            "key_id": null,
            "path": proof.path,
        })
    };
    let head = TreeHead::of(dir.path(), None, size).unwrap();
    let proof = |decision| -> DecisionProof {
        serde_json::from_value(serde_json::json!({
            "version": 1, "head": head.to_string(), "decision": part(decision), "snapshot": part(1),
        }))
        .unwrap()
    };
    proof(decisions[0]).check(&head, None).unwrap();
    match proof(sequence).check(&head, None).unwrap_err() {
        EngineError::ReplayDiffers { sequence: at, .. } => assert_eq!(at, sequence),
        other => panic!("{other}"),
    }
}
