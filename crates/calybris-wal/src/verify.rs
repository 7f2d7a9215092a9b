//! Verifies a whole log without knowing what its records mean.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use crate::anchor::Anchor;
use crate::disk::Disk;
use crate::error::WalError;
use crate::format::header::Algorithm;
use crate::hash::LogId;
use crate::key::Key;
use crate::log_scan::{LogScan, Tail};
use crate::storage::Storage;

/// How a log is verified.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// The key, if the log is keyed.
    pub key: Option<Key>,
    /// An anchor that was kept elsewhere. Without one, a log that was cut at its end, or replaced
    /// as a whole, verifies.
    pub anchor: Option<Anchor>,
    /// How many threads may verify at the same time; one unless told, and never more than 256.
    pub threads: Option<NonZeroUsize>,
}

impl VerifyOptions {
    /// With this key, or with none.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Option<Key>>) -> Self {
        self.key = key.into();
        self
    }

    /// With this anchor, or with none.
    #[must_use]
    pub fn with_anchor(mut self, anchor: impl Into<Option<Anchor>>) -> Self {
        self.anchor = anchor.into();
        self
    }

    /// With so many threads, the calling one included; `None` is one.
    #[must_use]
    pub fn with_threads(mut self, threads: impl Into<Option<NonZeroUsize>>) -> Self {
        self.threads = threads.into();
        self
    }
}

/// The facts about a log that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The log's id.
    pub log_id: LogId,
    /// The schema id that the log was created with.
    pub schema_id: u64,
    /// Whether the log is chained with a key.
    pub keyed: bool,
    /// How many segments there are.
    pub segments: u64,
    /// The sequence of the first record that is kept; 1 unless segments were dropped.
    pub first_sequence: u64,
    /// How many records verify.
    pub records: u64,
    /// How many bytes of the segments verify.
    pub bytes: u64,
    /// The last record. For keeping elsewhere only once it is on disk, which it is if its sequence is
    /// not over `durable_through`, or if the writer has closed the log or synced since.
    pub head: Anchor,
    /// The last sequence that the log itself claims to be on disk; 0 when it claims none.
    pub durable_through: u64,
    /// The bytes behind the last record.
    pub tail: Tail,
    /// Whether an anchor was supplied, and confirmed. Without one, nothing here rules out that
    /// the log's end was cut off.
    pub anchored: bool,
}

/// Verifies every hash of the log in `directory`, from the first record to the last.
///
/// Memory is bounded: a read buffer and one record, and at most 320 KiB for each thread. No lock is
/// taken: a writer may be at work, and
/// a record that it is just writing is reported as the [`Tail`], not as damage.
///
/// ```
/// use calybris_wal::{VerifyOptions, WalError, WalOptions, WalWriter, verify};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// assert!(matches!(verify(&path, &VerifyOptions::default()), Err(WalError::Empty { .. })));
///
/// writer.append(&(7_u32, "a decision"))?;
/// let anchor = writer.close()?;
///
/// let options = VerifyOptions::default().with_anchor(anchor);
/// let report = verify(&path, &options)?;
/// assert_eq!((report.records, report.anchored), (1, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those for which [`WalError::is_tampering`] is true say that the log was changed after it was written;
/// all others, that it could not be checked. A log without records, or no log at all, is an error of the second kind,
/// unless an anchor names a record that should be there.
pub fn verify(directory: impl AsRef<Path>, options: &VerifyOptions) -> Result<Report, WalError> {
    verify_in(Arc::new(Disk::at(directory.as_ref())), options)
}

pub(crate) fn verify_in(
    storage: Arc<dyn Storage>,
    options: &VerifyOptions,
) -> Result<Report, WalError> {
    let scan = LogScan::open(storage, options.key.as_ref());
    let mut scan = scan.map_err(|error| match &options.anchor {
        Some(anchor) => anchor.judge_absence(error),
        None => error,
    })?;
    let header = scan.segment().header;
    if let Some(anchor) = options.anchor {
        anchor.check_log(scan.storage(), header.log_id)?;
        let (sequence, first) = (anchor.sequence, scan.first_sequence());
        if first > 1 && sequence < first {
            return Err(WalError::Dropped { sequence, first });
        }
        anchor.check_record(scan.head().sequence, scan.head().hash)?;
    }
    let threads = options.threads.unwrap_or(NonZeroUsize::MIN);
    let wanted = options.anchor.map(|anchor| anchor.sequence);
    let mut records = 0;
    loop {
        let (passed, hash) = scan.fast_forward(threads, wanted)?;
        records += passed;
        if let (Some(anchor), Some(hash)) = (options.anchor, hash) {
            anchor.check_record(anchor.sequence, hash)?;
        }
        if !scan.advance()? {
            break;
        }
        records += 1;
        if let Some(anchor) = options.anchor {
            anchor.check_record(scan.head().sequence, scan.head().hash)?;
        }
    }
    let head = scan.head();
    if let Some(anchor) = options.anchor {
        anchor.check_head(head.sequence)?;
    }
    if records == 0 {
        return Err(WalError::Empty { path: scan.path() });
    }
    let (segments, bytes) = scan.extent();
    Ok(Report {
        log_id: header.log_id,
        schema_id: header.schema_id,
        keyed: header.algorithm == Algorithm::HmacSha256,
        segments,
        first_sequence: scan.first_sequence(),
        records,
        bytes,
        head,
        durable_through: scan.segment().progress.durable_sequence,
        tail: scan.tail(),
        anchored: options.anchor.is_some(),
    })
}
