//! Some records of the log, read together, decided together, visited together.
//!
//! All that a batch holds is used again for a later one, so that in the long run nothing is allocated.

use std::borrow::Cow;
use std::sync::Arc;

use calybris_kernel::{Decision, Request};

use super::fallback::FellBack;
use super::trial::{Trial, Trials};
use super::{Replayed, Tally};
use crate::error::EngineError;
use crate::record::{Admission, Decided};
use crate::wire::{decision_bytes, decode_decision};

/// How many records a batch takes.
const RECORDS: usize = 512;

/// After how many bytes of decisions a batch is full as well.
const BYTES: usize = 256 << 10;

/// Some records of the log.
#[derive(Default)]
pub(super) struct Batch {
    /// The decisions as they were read, one behind the other.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The texts of the decisions, one behind the other.
    texts: String,
    rows: Vec<Row>,
    /// What the proposals decide, row by row.
    proposed: Vec<Decision>,
    /// The trials that the rows name.
    trials: Vec<Arc<Trial>>,
    /// What went wrong after the last row.
    failure: Option<EngineError>,
}

/// A record as it was read.
enum Entry {
    /// A decision, and where its bytes end.
    Decision { sequence: u64, end: usize },
    /// A ticket that fell back.
    FellBack(FellBack),
    /// The ticket of the decision at that sequence was settled or abandoned.
    Closed { decision_sequence: u64 },
}

/// A decision that came out as recorded.
struct Row {
    sequence: u64,
    time_unix_ms: u64,
    /// Where its tenant, correlation id and request key end in the texts.
    ends: [usize; 3],
    snapshot_sequence: u64,
    request: Request,
    decision: Decision,
    admission: Admission,
    /// Its trial's place; `None` if that was dropped with the log's beginning.
    trial: Option<usize>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= RECORDS || self.bytes.len() >= BYTES
    }

    /// Takes a record if it is a decision.
    pub(super) fn push_decision(&mut self, sequence: u64, payload: &[u8]) -> bool {
        let Some(bytes) = decision_bytes(payload) else { return false };
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Entry::Decision { sequence, end: self.bytes.len() });
        true
    }

    /// Takes a ticket that fell back.
    pub(super) fn push_fallback(&mut self, fell_back: FellBack) {
        self.entries.push(Entry::FellBack(fell_back));
    }

    /// Takes the sequence of a decision whose ticket was closed.
    pub(super) fn push_closed(&mut self, decision_sequence: u64) {
        self.entries.push(Entry::Closed { decision_sequence });
    }

    /// Makes every decision again, up to the first that differs.
    pub(super) fn decide(&mut self, trials: &Trials) {
        self.failure = self.rerun(trials).err();
    }

    fn rerun(&mut self, trials: &Trials) -> Result<(), EngineError> {
        let mut start = 0;
        let mut last = None;
        for entry in &self.entries {
            let Entry::Decision { sequence, end } = *entry else { continue };
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            let wire = decode_decision(sequence, bytes)?;
            let (request, decision, admission) =
                wire.to_replay().map_err(|invalid| invalid.of_record("a decision", sequence))?;
            let named = wire.snapshot_sequence;
            let place = match last {
                Some((same, until, place))
                    if same == named && named < sequence && sequence < until =>
                {
                    place
                }
                _ => {
                    let (trial, until) = trials.named(sequence, named)?;
                    let place = trial.map(|trial| {
                        self.trials.push(Arc::clone(trial));
                        self.trials.len() - 1
                    });
                    last = Some((named, until, place));
                    place
                }
            };
            if let Some(trial) = place.and_then(|place| self.trials.get(place)) {
                let replayed = trial.snapshot.policy_snapshot().prescribe(&request);
                if replayed != decision {
                    let (recorded, replayed) = (Box::new(decision), Box::new(replayed));
                    return Err(EngineError::ReplayDiffers { sequence, recorded, replayed });
                }
                let proposals = trial.proposals.iter();
                self.proposed.extend(
                    proposals.map(|proposal| proposal.policy_snapshot().prescribe(&request)),
                );
            }
            let mut ends = [0; 3];
            let texts = [wire.tenant, wire.correlation_id, wire.request_key];
            for (end, text) in ends.iter_mut().zip(texts) {
                self.texts.push_str(text);
                *end = self.texts.len();
            }
            self.rows.push(Row {
                sequence,
                time_unix_ms: wire.time_unix_ms,
                ends,
                snapshot_sequence: named,
                request,
                decision,
                admission,
                trial: place,
            });
        }
        Ok(())
    }

    /// Hands what was decided to the tally, in order, and empties the batch.
    pub(super) fn hand_to(
        &mut self,
        tally: &mut Tally<'_>,
        visit: &mut impl FnMut(&Replayed<'_>),
    ) -> Result<(), EngineError> {
        let mut rows = self.rows.iter();
        let (mut text_start, mut proposed_start) = (0, 0);
        for entry in self.entries.drain(..) {
            match entry {
                Entry::Decision { .. } => {}
                Entry::FellBack(fell_back) => {
                    tally.fell_back(&fell_back)?;
                    continue;
                }
                Entry::Closed { decision_sequence } => {
                    tally.fallbacks.closed(decision_sequence);
                    continue;
                }
            }
            let Some(row) = rows.next() else { break };
            let [tenant, correlation_id, request_key] = row.ends.map(|end| {
                let text = self.texts.get(text_start..end).unwrap_or_default();
                text_start = end;
                Cow::Borrowed(text)
            });
            let Some(trial) = row.trial.and_then(|place| self.trials.get(place)) else {
                tally.without_snapshot += 1;
                continue;
            };
            let proposed_end = proposed_start + trial.proposals.len();
            let replayed = Replayed {
                sequence: row.sequence,
                decided: Decided {
                    time_unix_ms: row.time_unix_ms,
                    tenant,
                    correlation_id,
                    request_key,
                    snapshot_sequence: row.snapshot_sequence,
                    request: row.request,
                    decision: row.decision,
                    admission: row.admission,
                },
                snapshot: &trial.snapshot,
                proposals: &trial.proposals,
                proposed: self.proposed.get(proposed_start..proposed_end).unwrap_or_default(),
            };
            proposed_start = proposed_end;
            tally.decided(&replayed);
            visit(&replayed);
        }
        self.bytes.clear();
        self.texts.clear();
        self.rows.clear();
        self.proposed.clear();
        self.trials.clear();
        self.failure.take().map_or(Ok(()), Err)
    }
}
