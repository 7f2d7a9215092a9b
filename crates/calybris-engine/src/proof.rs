//! The proof of one decision, that a stranger can check without the log.

use std::path::Path;
use std::sync::Arc;

use calybris_units::invariant;
#[cfg(doc)]
use calybris_wal::WalError;
use calybris_wal::{Hash, Key, Reader, RecordProof, TreeHead};
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, installed_nothing};
use crate::history::{installed_by, open_reader_at};
use crate::record::Record;
use crate::recorded::RecordedDecision;

mod text;

/// The version of the proof's form.
const VERSION: u32 = 1;

/// Shows that a decision was made under its snapshot, in a log of which one tree head is known.
///
/// It holds the decision's record and the record that installed its snapshot, each with all that its hash covers and
/// with its way to the root of the tree, and nothing else of the log. It is what the log's keeper hands out for one
/// decision, as JSON or in any other form that serde writes.
///
/// # What a check proves
///
/// A checker gets the [`TreeHead`] from elsewhere: it is published, say, or sent every day. If [`check`](Self::check)
/// succeeds, the checker knows:
///
/// * exactly these bytes are the record with that sequence in the log that the tree head names, and were there before
///   the tree head was given away: nobody can alter, move or slip in a record afterwards;
/// * the same of the snapshot, which stands before the decision: policy, catalog, names;
/// * the decision is what the kernel decides on that request under that snapshot: it was run again here.
///
/// Bytes are a decision by the way they decode. A tree head does not say what kind of log it is of (its schema id stands in
/// the log's header, where [`of`](Self::of) checks it); that it is an engine's is the publisher's word.
///
/// It does not prove that the request was true, that the model was called, what was settled, or that there is no other
/// decision about the same thing: the last takes the whole log.
///
/// # Logs with a key
///
/// The hashes of a keyed log cannot be computed without its key, so a stranger without it can check nothing of the
/// contents, and `check` says so instead of half agreeing. With the key the proof is as good as without one, provided
/// that the tree head was given away before the key was: who knows the key could write another log, but not one with
/// the same tree head. A key that was shown is no secret any more; replace it ([`Key::replacing`]). Logs whose decisions
/// are to be proven to strangers are better kept without a key, and their tree heads published.
///
/// ```
#[doc = include_str!("doc_world.txt")]
/// # let outcome = engine.decide(&call)?;
/// # let sequence = outcome.decision_sequence;
/// use calybris_engine::DecisionProof;
///
/// // The keeper makes the proof, and published its tree head.
/// let proof = DecisionProof::of(&dir, None, sequence)?;
/// let published: String = proof.head().to_string();
/// let file: String = serde_json::to_string(&proof)?;
///
/// // A stranger has the two, and no log.
/// let proof: DecisionProof = serde_json::from_str(&file)?;
/// let checked = proof.check(&published.parse()?, None)?;
/// assert_eq!(checked.decided.tenant, "acme");
/// assert_eq!(checked.decided.decision, outcome.decision);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Limits
///
/// The record that installed the snapshot is part of the proof, whole: with a catalog of 22 models a proof has about 7 kB
/// as JSON, with one of a hundred thousand some 10 MB. It shows the whole catalog and policy, but no other tenant: behind a
/// [`Checkpoint`](crate::Checkpoint) the snapshot is installed once more, and decisions name that record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionProof {
    version: u32,
    #[serde(with = "text::display")]
    head: TreeHead,
    decision: ProvenRecord,
    snapshot: ProvenRecord,
}

/// A [`RecordProof`] as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvenRecord {
    sequence: u64,
    previous_hash: Hash,
    #[serde(with = "text::hexadecimal")]
    payload: Vec<u8>,
    key_id: Option<u64>,
    path: Vec<Hash>,
}

impl DecisionProof {
    /// The proof of the decision at that sequence, for the tree over all records that the log in `dir` has now.
    ///
    /// Reads the whole log twice.
    ///
    /// # Errors
    /// Those of [`RecordedDecision::find`]; [`EngineError::ReplayDiffers`] if the decision does not come out again;
    /// [`EngineError::Log`] with [`WalError::Dropped`] if the log's beginning was dropped, on which every tree stands.
    pub fn of(
        dir: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
    ) -> Result<Self, EngineError> {
        let dir = dir.as_ref();
        let size = records_in(dir, key)?;
        Self::in_tree(dir, key, sequence, size)
    }

    /// The proof of the decision at that sequence for the tree over the first `size` records: for a tree head that was
    /// given away when the log had that many.
    ///
    /// # Errors
    /// Those of [`of`](Self::of), and [`EngineError::Log`] with [`WalError::NoSuchRecord`] if the decision is not among
    /// the first `size` records, or the log has fewer.
    pub fn in_tree(
        dir: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
        size: u64,
    ) -> Result<Self, EngineError> {
        let dir = dir.as_ref();
        let recorded = RecordedDecision::find(dir, key, sequence)?;
        recorded.replay()?;
        let decision = RecordProof::of(dir, key, sequence, size)?;
        let snapshot = RecordProof::of(dir, key, recorded.decided.snapshot_sequence, size)?;
        let log_id = Reader::open_at(dir, key, sequence)?.log_id();
        let root = decision.root(log_id, size, key).ok_or_else(changed)?;
        let head = TreeHead { log_id, size, root };
        if !snapshot.proves(&head, key) {
            return Err(changed());
        }
        let (decision, snapshot) = (decision.into(), snapshot.into());
        Ok(Self { version: VERSION, head, decision, snapshot })
    }

    /// The tree head that the proof is for. It proves something only to who has the same from elsewhere.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The decision's sequence.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.decision.sequence
    }

    /// The id of the key that a check takes; `None` if it takes none.
    #[must_use]
    pub fn key_id(&self) -> Option<u64> {
        self.decision.key_id
    }

    /// Checks everything: that decision and snapshot are in the log of `head`, and that the one follows from the other.
    /// Answers the decision with its snapshot, as they were decoded from the proven bytes.
    ///
    /// `head` must come from elsewhere than the proof. `key` is needed if the log has one.
    ///
    /// # Errors
    /// [`EngineError::ProofRefused`] with what does not hold; [`EngineError::ReplayDiffers`] if the kernel decides
    /// otherwise; [`EngineError::InvalidSnapshot`] or [`EngineError::Contradiction`] if the snapshot is not one.
    pub fn check(
        &self,
        head: &TreeHead,
        key: Option<&Key>,
    ) -> Result<RecordedDecision, EngineError> {
        if self.version != VERSION {
            return refused(format!(
                "its version is {}, this release knows {VERSION}",
                self.version
            ));
        }
        if self.head != *head {
            return refused(format!("it is for the tree head {}, not {head}", self.head));
        }
        let (decision, snapshot) =
            (RecordProof::from(&self.decision), RecordProof::from(&self.snapshot));
        let mut hashes = [Hash::from_bytes([0; 32]); 2];
        for (hash, record) in hashes.iter_mut().zip([&decision, &snapshot]) {
            let sequence = record.sequence;
            *hash = match record.record_hash(head.log_id, key) {
                Some(hash) => hash,
                None => {
                    return refused(match record.key_id {
                        Some(id) => format!(
                            "record {sequence} is chained with the key {id:016x}, which was not given"
                        ),
                        None => format!("record {sequence} is longer than any record can be"),
                    });
                }
            };
            if !record.proves(head, key) {
                return refused(format!("record {sequence} is not in that log as it is here"));
            }
        }
        let [hash, _] = hashes;
        let Record::Decided(decided) = decoded(&decision)? else {
            return refused(format!("record {} is not a decision", decision.sequence));
        };
        let named = decided.snapshot_sequence;
        if named != snapshot.sequence || named >= decision.sequence {
            return refused(format!(
                "the decision names the snapshot at record {named}, the proof has record {}",
                snapshot.sequence
            ));
        }
        let installation = decoded(&snapshot)?;
        let logged = installed_by(&installation)
            .ok_or_else(|| installed_nothing(decision.sequence, named))?;
        let snapshot = Arc::new(logged.restore(named)?);
        let recorded = RecordedDecision { sequence: decision.sequence, hash, decided, snapshot };
        recorded.replay()?;
        Ok(recorded)
    }
}

fn refused<T>(what: String) -> Result<T, EngineError> {
    Err(EngineError::ProofRefused { what })
}

/// The log changed while it was read: what was proven first is not in the tree of what came later.
fn changed() -> EngineError {
    EngineError::ProofRefused { what: "the log changed while it was read".to_owned() }
}

fn decoded(record: &RecordProof) -> Result<Record<'static>, EngineError> {
    Record::decode(record.sequence, &record.payload)
}

/// How many records the log has now.
fn records_in(dir: &Path, key: Option<&Key>) -> Result<u64, EngineError> {
    // The last segment may be empty: its name is then the sequence of a record to come.
    let last_segment = *invariant!(Reader::segments(dir)?.last(), "a log has a segment")?;
    let mut reader = open_reader_at(dir, key, last_segment)?;
    let mut last = last_segment.saturating_sub(1);
    while let Some(record) = reader.next_ref() {
        last = record?.sequence();
    }
    Ok(last)
}

impl From<RecordProof> for ProvenRecord {
    fn from(proof: RecordProof) -> Self {
        let RecordProof { sequence, previous_hash, payload, key_id, path } = proof;
        Self { sequence, previous_hash, payload, key_id, path }
    }
}

impl From<&ProvenRecord> for RecordProof {
    fn from(proven: &ProvenRecord) -> Self {
        Self {
            sequence: proven.sequence,
            previous_hash: proven.previous_hash,
            payload: proven.payload.clone(),
            key_id: proven.key_id,
            path: proven.path.clone(),
        }
    }
}
