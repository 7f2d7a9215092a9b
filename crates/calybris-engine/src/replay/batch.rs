//! Some records of the log that follow one another, decided together and visited together.
//!
//! All that a batch holds is used again for a later one, so that in the long run nothing is allocated.

use std::borrow::Cow;
use std::sync::Arc;

use calybris_kernel::{Decision, Request};
use calybris_units::{BrokenInvariant, UnixMillis, invariant};
use calybris_wal::{Anchor, Hash, RecordRef, WalError};

use super::Tally;
use super::fallback::FellBack;
use super::proposals::{Proposals, SnapshotProposals};
use super::replayed::Replayed;
use crate::error::{EngineError, contradiction};
use crate::record::{Admission, Decided, Record};
use crate::wire::decision_to_replay;

/// Some records of the log.
#[derive(Default)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    /// The texts of the decisions, one behind the other.
    texts: String,
    rows: Vec<Row>,
    /// What the proposals decide, row by row.
    proposed: Vec<Decision>,
    /// The snapshots that the rows name.
    snapshots: Vec<Arc<SnapshotProposals>>,
    /// The snapshot that was named last, and its place.
    last_named: Option<(u64, Option<usize>)>,
    /// How many records there are, and the last one's sequence and hash.
    records: u64,
    last: Option<(u64, Hash)>,
    /// What went wrong after the last row.
    failure: Option<EngineError>,
}

/// What a record says.
enum Entry {
    /// A decision: the next row.
    Decision,
    /// A ticket that fell back.
    FellBack(FellBack),
    /// The ticket of the decision at that sequence was settled or abandoned.
    Closed { decision_sequence: u64 },
}

/// A decision that came out as recorded.
struct Row {
    sequence: u64,
    time: UnixMillis,
    /// Where its tenant, correlation id and request key end in the texts.
    ends: [usize; 3],
    snapshot_sequence: u64,
    request: Request,
    decision: Decision,
    admission: Admission,
    /// Its snapshot's place; `None` if that was dropped with the log's beginning.
    snapshot: Option<usize>,
}

impl Batch {
    /// Takes records, and makes every decision again, up to the first that differs.
    pub(super) fn decide<'a>(
        &mut self,
        records: impl IntoIterator<Item = Result<RecordRef<'a>, WalError>>,
        proposals: &Proposals,
    ) {
        for record in records {
            let pushed = record.map_err(EngineError::from);
            if let Err(error) = pushed.and_then(|record| self.push(record, proposals)) {
                self.failure = Some(error);
                return;
            }
        }
    }

    fn push(&mut self, record: RecordRef<'_>, proposals: &Proposals) -> Result<(), EngineError> {
        let sequence = record.sequence();
        self.records += 1;
        self.last = Some((sequence, record.hash()));
        if let Some(decided) = decision_to_replay(sequence, record.payload()) {
            return self.push_decision(sequence, &decided?, proposals);
        }
        match Record::decode(sequence, record.payload())? {
            Record::FellBack {
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback,
                ..
            } => self.entries.push(Entry::FellBack(FellBack {
                sequence,
                decision_sequence,
                snapshot_sequence,
                failed_model_id,
                fallback,
            })),
            Record::Settled { decision_sequence, .. }
            | Record::Abandoned { decision_sequence, .. } => {
                self.entries.push(Entry::Closed { decision_sequence });
            }
            // Its number was spelled in more bytes than it takes. It must not pass unreplayed.
            Record::Decided(_) => {
                let what = "it is a decision, but not written as an engine writes it";
                return Err(contradiction(sequence, what.to_owned()));
            }
            Record::SnapshotInstalled { .. }
            | Record::BudgetChanged { .. }
            | Record::Checkpoint(_) => {}
        }
        Ok(())
    }

    fn push_decision(
        &mut self,
        sequence: u64,
        decided: &Decided<'_>,
        proposals: &Proposals,
    ) -> Result<(), EngineError> {
        let &Decided { request, decision, admission, snapshot_sequence, .. } = decided;
        let place = self.place_of(sequence, snapshot_sequence, proposals)?;
        if let Some(place) = place {
            let under = snapshot_at(&self.snapshots, place)?;
            let replayed = under.snapshot.policy_snapshot().prescribe(&request);
            if replayed != decision {
                let (recorded, replayed) = (Box::new(decision), Box::new(replayed));
                return Err(EngineError::ReplayDiffers { sequence, recorded, replayed });
            }
            let proposals = under.proposals.iter();
            self.proposed
                .extend(proposals.map(|it| it.decide_in_place_of(&under.snapshot, &request)));
        }
        let mut ends = [0; 3];
        let texts = [&decided.tenant, &decided.correlation_id, &decided.request_key];
        for (end, text) in ends.iter_mut().zip(texts) {
            self.texts.push_str(text);
            *end = self.texts.len();
        }
        self.entries.push(Entry::Decision);
        self.rows.push(Row {
            sequence,
            time: decided.time,
            ends,
            snapshot_sequence,
            request,
            decision,
            admission,
            snapshot: place,
        });
        Ok(())
    }

    /// The place of the snapshot that the record at `sequence` names; `None` if it was dropped with the log's beginning.
    fn place_of(
        &mut self,
        sequence: u64,
        named: u64,
        proposals: &Proposals,
    ) -> Result<Option<usize>, EngineError> {
        if let Some((last, place)) = self.last_named
            && last == named
        {
            return Ok(place);
        }
        let place = proposals.named(sequence, named)?.map(|under| {
            self.snapshots.push(Arc::clone(under));
            self.snapshots.len() - 1
        });
        self.last_named = Some((named, place));
        Ok(place)
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
                Entry::Decision => {}
                Entry::FellBack(fell_back) => {
                    tally.fell_back(&fell_back)?;
                    continue;
                }
                Entry::Closed { decision_sequence } => {
                    tally.fallbacks.closed(decision_sequence);
                    continue;
                }
            }
            let row = invariant!(rows.next(), "every decision of a batch has its row")?;
            let mut texts = [""; 3];
            for (text, end) in texts.iter_mut().zip(row.ends) {
                let found = self.texts.get(text_start..end);
                *text = invariant!(found, "the texts of a row end within those of its batch")?;
                text_start = end;
            }
            let [tenant, correlation_id, request_key] = texts.map(Cow::Borrowed);
            let Some(place) = row.snapshot else {
                tally.without_snapshot += 1;
                continue;
            };
            let under = snapshot_at(&self.snapshots, place)?;
            let proposed_end = proposed_start + under.proposals.len();
            let proposed = invariant!(
                self.proposed.get(proposed_start..proposed_end),
                "every proposal has decided on every row"
            )?;
            let replayed = Replayed {
                sequence: row.sequence,
                decided: Decided {
                    time: row.time,
                    tenant,
                    correlation_id,
                    request_key,
                    snapshot_sequence: row.snapshot_sequence,
                    request: row.request,
                    decision: row.decision,
                    admission: row.admission,
                },
                snapshot: &under.snapshot,
                proposals: &under.proposals,
                proposed,
            };
            proposed_start = proposed_end;
            tally.decided(&replayed);
            visit(&replayed);
        }
        tally.records += std::mem::take(&mut self.records);
        if let Some((sequence, hash)) = self.last.take() {
            tally.head = Anchor { sequence, hash, ..tally.head };
        }
        self.last_named = None;
        self.texts.clear();
        self.rows.clear();
        self.proposed.clear();
        self.snapshots.clear();
        self.failure.take().map_or(Ok(()), Err)
    }
}

fn snapshot_at(
    snapshots: &[Arc<SnapshotProposals>],
    place: usize,
) -> Result<&Arc<SnapshotProposals>, BrokenInvariant> {
    invariant!(snapshots.get(place), "a row names a snapshot of its batch")
}
