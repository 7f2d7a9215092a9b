//! Replay: re-runs every decision of a log under its recorded snapshot, and under proposed ones.

mod batch;
mod crew;
mod fallback;
mod trial;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use calybris_kernel::Decision;
use calybris_wal::{Anchor, Hash, Key, Reader, Tail};
use parking_lot::RwLock;

use crate::error::{EngineError, contradiction};
use crate::history::{installed_by, open_reader};
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;
use batch::Batch;
use crew::Crew;
use fallback::{Fallbacks, FellBack};
use trial::{Propose, Trials};

/// How a log is replayed.
#[derive(Clone, Copy, Default)]
pub struct ReplayOptions<'a> {
    /// How many threads may decide at the same time, the calling one included; one unless told.
    pub threads: Option<NonZeroUsize>,
    /// Called now and then, by the calling thread, with how far the replay has come.
    pub progress: Option<&'a dyn Fn(ReplayProgress)>,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Records read.
    pub records: u64,
    /// Bytes of the log read.
    pub bytes: u64,
    /// Bytes that the log had when the replay began.
    pub bytes_in_log: u64,
}

/// A decision of the log that came out again as it was recorded.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// Its sequence in the log.
    pub sequence: u64,
    /// What was asked and answered.
    pub decided: Decided<'a>,
    /// What it was decided under.
    pub snapshot: &'a Arc<Snapshot>,
    /// The snapshots that were proposed in place of `snapshot`, as `propose` answered them.
    pub proposals: &'a [Arc<Snapshot>],
    /// What each of them decides on the same request.
    pub proposed: &'a [Decision],
}

/// What a replay went over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Records read.
    pub records: u64,
    /// Decisions that came out again as recorded.
    pub decisions: u64,
    /// Fallbacks that agree with the rank of the models at that moment. One whose decision was dropped with the log's
    /// beginning is not compared and not counted.
    pub fallbacks: u64,
    /// Decisions that could not be run again, because the snapshot they name was dropped with the log's beginning; 0 in
    /// a log that is whole or begins with a checkpoint.
    pub without_snapshot: u64,
    /// Records that installed a snapshot.
    pub installations: u64,
    /// Snapshots that differ from one another in policy, catalog or names.
    pub snapshots: u64,
    /// Bytes of the log read.
    pub bytes: u64,
    /// The last record.
    pub head: Anchor,
    /// What stands behind it: a torn end is not part of the log, and was not replayed.
    pub tail: Tail,
}

/// Re-runs every decision of the log in `dir` under the snapshot that it names, and compares.
///
/// `propose` is called once for each recorded snapshot that differs from those before it, and answers what to try in its
/// place: nothing, one snapshot, or as many as you like; each decides on every request that the recorded one decided on.
/// A proposed policy may so keep the recorded catalog. `visit` sees every decision, in the order of the log, with what
/// the proposals decide.
///
/// Every record is verified before it is used. Fallbacks are checked as far as the log tells: the model that the ticket
/// went on to is ranked at that cost and utility and was not tried, and every untried model above it costs more than the
/// ticket held. Whether the tenant's budget could have paid for it is for the budget's own audit.
///
/// Memory does not grow with the log: a bounded number of batches per thread, the distinct snapshots, and the last
/// 65,536 decisions for the fallbacks.
///
/// ```
#[doc = include_str!("doc_world.txt")]
/// # let _ticket = engine.decide(&call)?.ticket;
/// use std::sync::Arc;
///
/// use calybris_engine::{ReplayOptions, replay};
///
/// // Does the log come out again, bit for bit?
/// let report = replay(&dir, None, &ReplayOptions::default(), |_| Ok(vec![]), |_| {})?;
/// assert_eq!(report.decisions, 1);
///
/// // What would a stricter policy have decided, with the catalogs as they were?
/// let mut rejected = 0;
/// replay(
///     &dir,
///     None,
///     &ReplayOptions::default(),
///     |recorded| {
///         let kernel = recorded.policy_snapshot();
///         let strict = kernel.policy().with_hard_risk_limit(BasisPoints::percent(4));
///         let stricter = PolicySnapshot::new(strict, kernel.models())?;
///         Ok(vec![Arc::new(Snapshot::new(stricter, recorded.names().clone()))])
///     },
///     |replayed| {
///         let rejects = replayed.proposed.iter().all(|d| d.action == Action::Reject);
///         rejected += u64::from(rejects && replayed.decided.decision.action != Action::Reject);
///     },
/// )?;
/// assert_eq!(rejected, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EngineError::ReplayDiffers`] at the first decision that does not come out as recorded;
/// [`EngineError::Contradiction`] at one that names no snapshot or is not spelled as an engine spells it, and at a fallback
/// that the rank does not allow;
/// [`EngineError::InvalidSnapshot`]; [`EngineError::Log`] if the log cannot be read, does not verify, or was not written
/// by an engine; and what `propose` answers. What was visited before stays visited.
pub fn replay(
    dir: impl AsRef<Path>,
    key: Option<&Key>,
    options: &ReplayOptions<'_>,
    propose: impl FnMut(&Arc<Snapshot>) -> Result<Vec<Arc<Snapshot>>, EngineError>,
    mut visit: impl FnMut(&Replayed<'_>),
) -> Result<ReplayReport, EngineError> {
    let dir = dir.as_ref();
    let mut reader = open_reader(dir, key)?;
    let bytes_in_log = reader.bytes_in_log()?;
    let threads = options.threads.map_or(1, NonZeroUsize::get);
    let trials = RwLock::new(Trials::default());
    let crew = Crew::new(&trials, threads);
    let mut course = Course { trials: &trials, propose, head: None, installations: 0, records: 0 };
    let mut tally = Tally {
        trials: &trials,
        fallbacks: Fallbacks::new(dir, key),
        decisions: 0,
        without_snapshot: 0,
    };
    std::thread::scope(|scope| {
        let _closed_at_the_end = crew.open();
        for _ in 1..threads {
            scope.spawn(|| crew.work());
        }
        loop {
            let mut batch = crew.spare();
            let read = course.fill(&mut reader, &mut batch);
            let ended = !matches!(read, Ok(true));
            crew.take(batch);
            while let Some(mut batch) = crew.next_done(ended) {
                batch.hand_to(&mut tally, &mut visit)?;
                crew.reuse(batch);
            }
            if let Some(progress) = options.progress {
                let (records, bytes) = (course.records, reader.bytes_read());
                progress(ReplayProgress { records, bytes, bytes_in_log });
            }
            if ended {
                // What was read before an error was visited first: the error is about what comes after.
                return read.map(|_| ());
            }
        }
    })?;
    let start = Anchor { log_id: reader.log_id(), sequence: 0, hash: Hash::from_bytes([0; 32]) };
    Ok(ReplayReport {
        records: course.records,
        decisions: tally.decisions,
        fallbacks: tally.fallbacks.checked(),
        without_snapshot: tally.without_snapshot,
        installations: course.installations,
        snapshots: trials.read().distinct(),
        bytes: reader.bytes_read(),
        head: course.head.unwrap_or(start),
        tail: reader.tail(),
    })
}

/// The reading of the log.
struct Course<'a, P> {
    trials: &'a RwLock<Trials>,
    propose: P,
    head: Option<Anchor>,
    installations: u64,
    records: u64,
}

impl<P: Propose> Course<'_, P> {
    /// Reads records into the batch until it is full; `false` at the end of the log.
    fn fill(&mut self, reader: &mut Reader, batch: &mut Batch) -> Result<bool, EngineError> {
        let log_id = reader.log_id();
        while !batch.is_full() {
            let Some(record) = reader.lend().transpose()? else { return Ok(false) };
            let sequence = record.sequence();
            let is_first = self.head.is_none();
            if is_first {
                self.trials.write().begins_at(sequence);
            }
            self.head = Some(Anchor { log_id, sequence, hash: record.hash() });
            self.records += 1;
            if batch.push_decision(sequence, record.payload()) {
                continue;
            }
            let record = Record::decode(sequence, record.payload())?;
            if let Some(logged) = installed_by(&record) {
                self.installations += 1;
                self.trials.write().install(sequence, logged, &mut self.propose)?;
            }
            match record {
                Record::Checkpoint(_) if is_first => self.trials.write().begins_with_checkpoint(),
                Record::FellBack {
                    decision_sequence,
                    snapshot_sequence,
                    failed_model_id,
                    fallback,
                    ..
                } => batch.push_fallback(FellBack {
                    sequence,
                    decision_sequence,
                    snapshot_sequence,
                    failed_model_id,
                    fallback,
                }),
                Record::Settled { decision_sequence, .. }
                | Record::Abandoned { decision_sequence, .. } => {
                    batch.push_closed(decision_sequence);
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
        }
        Ok(true)
    }
}

/// What was visited.
struct Tally<'a> {
    trials: &'a RwLock<Trials>,
    fallbacks: Fallbacks<'a>,
    decisions: u64,
    without_snapshot: u64,
}

impl Tally<'_> {
    /// A decision came out as recorded.
    fn decided(&mut self, replayed: &Replayed<'_>) {
        self.decisions += 1;
        self.fallbacks.decided(replayed);
    }

    /// A ticket fell back.
    fn fell_back(&mut self, fell_back: &FellBack) -> Result<(), EngineError> {
        let trials = self.trials.read();
        let named = trials.named(fell_back.sequence, fell_back.snapshot_sequence)?.0;
        match named {
            Some(trial) => self.fallbacks.check(fell_back, trial.snapshot.policy_snapshot()),
            None => Ok(()),
        }
    }
}
