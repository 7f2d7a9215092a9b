//! Replay: re-runs every decision of a log under its recorded snapshot, and under proposed ones.

mod batch;
mod fallback;
mod proposals;
mod replayed;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use calybris_wal::{Anchor, BatchWork, Handed, Hash, Key, LogId, RecordRef, Records, Tail};
use parking_lot::RwLock;

use crate::error::EngineError;
use crate::history::{installed_by, open_reader};
use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::wire::installs_nothing;
use batch::Batch;
use fallback::{Fallbacks, FellBack};
use proposals::{Proposals, Propose};
pub use replayed::Replayed;

/// How a log is replayed.
#[derive(Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "callers build it from the default")]
pub struct ReplayOptions<'a> {
    /// How many threads may decide at the same time, the calling one included; one unless told.
    pub threads: Option<NonZeroUsize>,
    /// Called now and then, by the calling thread, with how far the replay has come.
    pub progress: Option<&'a dyn Fn(ReplayProgress)>,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayProgress {
    /// Records read.
    pub records: u64,
    /// Bytes of the log read.
    pub bytes: u64,
    /// Bytes that the log had when the replay began.
    pub bytes_in_log: u64,
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
/// A proposed policy may so keep the recorded catalog. A proposal numbers its models, providers, capabilities and regions as the
/// recorded snapshot does; the group of a request is the one with the same [name](Snapshot::renumber), and a request whose group
/// a proposal does not have is an invalid request to it. `visit` sees every decision, in the order of the log, with what
/// the proposals decide.
///
/// Every record is verified before it is used. Fallbacks are checked as far as the log tells: the model that the ticket
/// went on to is ranked at those costs and that utility and was not tried, and every untried model above it may cost more
/// than the ticket had reserved. Whether the tenant's budget could have paid for it is for the budget's own audit.
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
///         let models: Vec<_> = kernel.models().collect();
///         let stricter = PolicySnapshot::with_groups(strict, models, kernel.groups())?;
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
    visit: impl FnMut(&Replayed<'_>),
) -> Result<ReplayReport, EngineError> {
    let dir = dir.as_ref();
    let mut reader = open_reader(dir, key)?;
    let bytes_in_log = reader.bytes_in_log()?;
    let proposals = RwLock::new(Proposals::default());
    let tally = Tally::new(&proposals, Fallbacks::new(dir, key), reader.log_id());
    let (alone, installations) = (Batch::default(), 0);
    let mut replay_reader =
        ReplayReader { proposals: &proposals, propose, visit, alone, tally, installations };
    let note_progress = |records, bytes| {
        if let Some(progress) = options.progress {
            progress(ReplayProgress { records, bytes, bytes_in_log });
        }
    };
    if let Some(first) = reader.next_ref().transpose()? {
        replay_reader.begin(first)?;
    }
    let threads = options.threads.unwrap_or(NonZeroUsize::MIN);
    reader.read_batches(threads, &Deciding { proposals: &proposals }, |handed, bytes| {
        match handed {
            Handed::Batch(batch) => replay_reader.take(batch)?,
            Handed::Record(record) => replay_reader.take_alone(record)?,
        }
        note_progress(replay_reader.tally.records, bytes);
        Ok::<(), EngineError>(())
    })?;
    let ReplayReader { tally, installations, .. } = replay_reader;
    note_progress(tally.records, reader.bytes_read());
    Ok(ReplayReport {
        records: tally.records,
        decisions: tally.decisions,
        fallbacks: tally.fallbacks.checked(),
        without_snapshot: tally.without_snapshot,
        installations,
        snapshots: proposals.read().distinct()?,
        bytes: reader.bytes_read(),
        head: tally.head,
        tail: reader.tail(),
    })
}

/// What every thread does: it makes the decisions of a batch again.
struct Deciding<'a> {
    proposals: &'a RwLock<Proposals>,
}

impl BatchWork for Deciding<'_> {
    type Batch = Batch;

    /// A record that installs a snapshot comes alone. So the snapshots that are installed while a batch is decided are
    /// those of the records before it, as in a loop over the history.
    fn is_alone(&self, payload: &[u8]) -> bool {
        !installs_nothing(payload)
    }

    fn work(&self, records: Records<'_>, batch: &mut Batch) {
        batch.decide(records, &self.proposals.read());
    }
}

/// The way through the log, in its order.
struct ReplayReader<'a, P, V> {
    proposals: &'a RwLock<Proposals>,
    propose: P,
    visit: V,
    /// For a record that comes alone.
    alone: Batch,
    tally: Tally<'a>,
    installations: u64,
}

impl<P: Propose, V: FnMut(&Replayed<'_>)> ReplayReader<'_, P, V> {
    /// Takes the first record of the log.
    fn begin(&mut self, first: RecordRef<'_>) -> Result<(), EngineError> {
        let mut proposals = self.proposals.write();
        proposals.begins_at(first.sequence());
        if let Record::Checkpoint(_) = Record::decode(first.sequence(), first.payload())? {
            proposals.begins_with_checkpoint();
        }
        drop(proposals);
        self.take_alone(first)
    }

    /// Takes records that were decided together.
    fn take(&mut self, batch: &mut Batch) -> Result<(), EngineError> {
        batch.hand_to(&mut self.tally, &mut self.visit)
    }

    /// Takes a record by itself: installs what it installs, or decides it.
    fn take_alone(&mut self, record: RecordRef<'_>) -> Result<(), EngineError> {
        if !installs_nothing(record.payload()) {
            let decoded = Record::decode(record.sequence(), record.payload())?;
            if let Some(logged) = installed_by(&decoded) {
                self.installations += 1;
                let mut proposals = self.proposals.write();
                proposals.install(record.sequence(), logged, &mut self.propose)?;
            }
        }
        self.alone.decide([Ok(record)], &self.proposals.read());
        self.alone.hand_to(&mut self.tally, &mut self.visit)
    }
}

/// What was visited.
struct Tally<'a> {
    proposals: &'a RwLock<Proposals>,
    fallbacks: Fallbacks<'a>,
    /// The last record; the log's beginning before the first.
    head: Anchor,
    records: u64,
    decisions: u64,
    without_snapshot: u64,
}

impl<'a> Tally<'a> {
    fn new(proposals: &'a RwLock<Proposals>, fallbacks: Fallbacks<'a>, log_id: LogId) -> Self {
        let head = Anchor { log_id, sequence: 0, hash: Hash::from_bytes([0; 32]) };
        Self { proposals, fallbacks, head, records: 0, decisions: 0, without_snapshot: 0 }
    }

    /// A decision came out as recorded.
    fn decided(&mut self, replayed: &Replayed<'_>) {
        self.decisions += 1;
        self.fallbacks.decided(replayed);
    }

    /// A ticket fell back.
    fn fell_back(&mut self, fell_back: &FellBack) -> Result<(), EngineError> {
        let proposals = self.proposals.read();
        match proposals.named(fell_back.sequence, fell_back.snapshot_sequence)? {
            Some(known) => self.fallbacks.check(fell_back, known.snapshot.policy_snapshot()),
            None => Ok(()),
        }
    }
}
