//! Appends records to a log.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::ancestors;
use crate::anchor::Anchor;
use crate::codec;
use crate::disk::Disk;
use crate::emptied::check_not_emptied;
use crate::error::WalError;
use crate::format::header::SegmentHeader;
use crate::group_commit::GroupCommit;
use crate::hash::LogId;
use crate::key::Key;
use crate::locks::{check_files, lock};
use crate::options::WalOptions;
use crate::receipt::Receipt;
use crate::recover::{OpenReport, create, recover};
use crate::segment_files::{existing_segments, segments_in};
use crate::storage::{Lock, Storage};

/// The one writer of a log.
///
/// Threads share it by reference. Unless the [`Durability`](crate::Durability) says otherwise, a
/// record that was appended has reached the operating system and survives the end of the process;
/// [`WalWriter::flush_and_sync`] makes it survive a power cut.
///
/// After a write or a sync has failed, the writer takes nothing more ([`WalError::Poisoned`]):
/// what reached the disk is no longer known. Opening the log again finds out.
///
/// ```
/// use calybris_wal::{WalOptions, WalWriter};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// let receipt = writer.append(&("gpt", 1_250_u64))?;
/// assert_eq!(receipt.sequence, 1);
/// writer.flush_and_sync()?;
/// let anchor = writer.close()?;
/// assert_eq!(anchor.hash, receipt.hash);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WalWriter {
    pub(crate) group_commit: GroupCommit,
    open_report: OpenReport,
    log_id: LogId,
    max_record_bytes: u32,
    /// Dropped last: the lock is held as long as anything can be written.
    _lock: Box<dyn Lock>,
}

impl WalWriter {
    /// Opens the log in `directory`, or creates the directory and an empty log.
    ///
    /// A torn tail is set aside, as [`WalWriter::open_report`] tells; a log that is
    /// damaged otherwise is refused and left as it is.
    ///
    /// ```
    /// use calybris_wal::{WalError, WalOptions, WalWriter};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// assert!(writer.open_report().created);
    /// let second = WalWriter::open(&path, &WalOptions::new(1));
    /// assert!(matches!(second, Err(WalError::Locked { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`WalError::InvalidOption`] for an option that is out of its range: nothing is touched then.
    /// - [`WalError::Locked`] while another writer has the log open.
    /// - [`WalError::KeyRequired`] for a keyed log.
    /// - [`WalError::SchemaMismatch`] and [`WalError::LogIdMismatch`] for a log that the options do not
    ///   describe.
    /// - With an [anchor](WalOptions::anchor): [`WalError::AnchoredLogMissing`], [`WalError::AnchorAhead`],
    ///   [`WalError::AnchorContradicted`] and [`WalError::AnchorOfAnotherLog`].
    /// - [`WalError::Corrupt`] and [`WalError::MissingSegment`] for a log that is damaged.
    /// - [`WalError::Unsupported`] for a log of a newer version.
    /// - [`WalError::Io`] for an operation that the operating system refuses.
    pub fn open(directory: impl AsRef<Path>, options: &WalOptions) -> Result<Self, WalError> {
        Self::open_in(Arc::new(Disk::at(directory.as_ref())), options, None)
    }

    /// Opens a keyed log in `directory`, or creates the directory and an empty keyed log.
    ///
    /// ```
    /// use calybris_wal::{Key, WalError, WalOptions, WalWriter};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let key = Key::new(b"from a secret store, 32 bytes...")?;
    /// drop(WalWriter::open_keyed(&path, &WalOptions::new(1), &key)?);
    /// let without = WalWriter::open(&path, &WalOptions::new(1));
    /// assert!(matches!(without, Err(WalError::KeyRequired { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`WalWriter::open`]; and [`WalError::WrongKey`] for a log with another key,
    /// [`WalError::KeyReplaced`] for one that has given this key up for another, as far as its segments
    /// are still there, [`WalError::NotKeyed`] for one without.
    pub fn open_keyed(
        directory: impl AsRef<Path>,
        options: &WalOptions,
        key: &Key,
    ) -> Result<Self, WalError> {
        Self::open_in(Arc::new(Disk::at(directory.as_ref())), options, Some(key))
    }

    pub(crate) fn open_in(
        storage: Arc<dyn Storage>,
        options: &WalOptions,
        key: Option<&Key>,
    ) -> Result<Self, WalError> {
        options.check()?;
        // A log that an anchor names is not created, and neither is its directory.
        let list = if let Some(anchor) = options.anchor {
            existing_segments(storage.as_ref()).map_err(|error| anchor.judge_absence(error))?;
            existing_segments
        } else {
            ancestors::create(storage.as_ref())?;
            segments_in
        };
        let lock = lock(storage.as_ref())?;
        let segments = list(storage.as_ref())?;
        check_files(storage.as_ref(), &segments)?;
        let (end, report) = if segments.is_empty() {
            check_not_emptied(storage.as_ref(), lock.as_ref())?;
            create(storage.as_ref(), options, key)?
        } else {
            recover(storage.as_ref(), options, key, &segments)?
        };
        lock.note_begun();
        let SegmentHeader { log_id, max_record_bytes, .. } = *end.builder.header();
        let group_commit =
            GroupCommit::new(storage, options.durability, options.segment_bytes, key.cloned(), end);
        Ok(Self { group_commit, open_report: report, log_id, max_record_bytes, _lock: lock })
    }

    /// Appends a record, and returns when it is as safe as the [`Durability`](crate::Durability) of the log demands:
    /// unless told otherwise, when the operating system has it.
    ///
    /// # Errors
    /// [`WalError::Encode`] and [`WalError::RecordTooLarge`] leave the log as it was;
    /// [`WalError::Io`] stops the writer, and from then on the answer is [`WalError::Poisoned`].
    /// [`WalError::SequencesUsedUp`] after the last of 2^64 - 1 records.
    pub fn append<T: Serialize + ?Sized>(&self, record: &T) -> Result<Receipt, WalError> {
        codec::with_encoded(record, self.max_record_bytes, |payload| {
            self.group_commit.append(payload)
        })
    }

    /// Appends a record that is bytes already; they are read back by
    /// [`Record::payload`](crate::Record::payload).
    ///
    /// ```
    /// # use calybris_wal::{Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = WalWriter::open(&path, &WalOptions::new(1))?;
    /// log.append_bytes(br#"{"model":"gpt"}"#)?;
    /// let record = Reader::open(&path, None)?.next().expect("a record was appended")?;
    /// assert_eq!(record.payload(), br#"{"model":"gpt"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`WalWriter::append`].
    pub fn append_bytes(&self, payload: &[u8]) -> Result<Receipt, WalError> {
        if payload.len() > self.max_record_bytes as usize {
            return Err(WalError::RecordTooLarge { limit: self.max_record_bytes });
        }
        self.group_commit.append(payload)
    }

    /// Appends a record as the first of a segment: of the one that is written to if it has none, or else of a new one.
    /// This is for a record with which reading begins, such as a summary of all records before it.
    ///
    /// ```
    /// # use calybris_wal::{Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = WalWriter::open(&path, &WalOptions::new(1))?;
    /// log.append("one")?;
    /// log.append_first("all so far: one")?;
    /// assert_eq!(Reader::segments(&path)?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    ///
    /// # Errors
    /// As [`WalWriter::append`]: a record that cannot be encoded or is too large begins no segment.
    pub fn append_first<T: Serialize + ?Sized>(&self, record: &T) -> Result<Receipt, WalError> {
        codec::with_encoded(record, self.max_record_bytes, |payload| {
            self.group_commit.append_first(payload)
        })
    }

    /// Hands everything appended so far to the operating system, which matters only in
    /// [`Durability::Buffered`](crate::Durability::Buffered).
    ///
    /// ```
    /// # use calybris_wal::{Durability, Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let options = WalOptions::new(1).durability(Durability::Buffered);
    /// let log = WalWriter::open(&path, &options)?;
    /// log.append("in memory")?;
    /// assert_eq!(Reader::open(&path, None)?.count(), 0);
    /// log.flush()?;
    /// assert_eq!(Reader::open(&path, None)?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Io`] stops the writer; [`WalError::Poisoned`] after it has stopped.
    pub fn flush(&self) -> Result<(), WalError> {
        self.group_commit.flush()
    }

    /// Waits until everything appended so far is on disk.
    ///
    /// ```
    /// # use calybris_wal::{WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = WalWriter::open(&path, &WalOptions::new(1))?;
    /// for decision in ["one", "two", "three"] {
    ///     log.append(decision)?;
    /// }
    /// // One sync for all three; only now may anyone be told that they outlast a power cut.
    /// log.flush_and_sync()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Io`] stops the writer: records that were not acknowledged as synced before may be lost.
    /// [`WalError::Poisoned`] after it has stopped.
    pub fn flush_and_sync(&self) -> Result<(), WalError> {
        self.group_commit.sync()
    }

    /// The findings and actions of opening the log.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.open_report
    }

    /// The last record appended, which may not be on disk yet; sequence 0 when there is none.
    ///
    /// To keep an anchor elsewhere, take the head first, then sync, and only then keep it. An anchor
    /// of a record that a power cut took would accuse a log that nobody has cut.
    ///
    /// ```
    /// # use calybris_wal::{VerifyOptions, WalOptions, WalWriter, verify};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = WalWriter::open(&path, &WalOptions::new(1))?;
    /// log.append("a decision")?;
    ///
    /// let anchor = log.head();
    /// log.flush_and_sync()?;
    /// let kept_elsewhere = anchor.to_string();
    ///
    /// let anchor = Some(kept_elsewhere.parse()?);
    /// assert!(verify(&path, &VerifyOptions::default().with_anchor(anchor))?.anchored);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn head(&self) -> Anchor {
        let receipt = self.group_commit.head();
        Anchor { log_id: self.log_id, sequence: receipt.sequence, hash: receipt.hash }
    }

    /// The sequence of the first record of the segment that is written to: that of a record still to
    /// come, right after a rotation. By the time the answer is used another thread may have
    /// appended and begun the next; [`Receipt::segment`] cannot be overtaken so.
    #[must_use]
    pub fn segment_first_sequence(&self) -> u64 {
        self.group_commit.head().segment
    }

    /// Finishes the segment and begins another, as happens by itself when a segment has reached
    /// its length. Does nothing while the segment holds no record.
    ///
    /// ```
    /// # use calybris_wal::{Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let log = WalWriter::open(&path, &WalOptions::new(1))?;
    /// log.append("monday")?;
    /// log.rotate()?;
    /// log.rotate()?;
    /// assert_eq!(log.append("tuesday")?.segment, 2);
    /// assert_eq!(Reader::segments(&path)?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Io`] stops the writer; [`WalError::Poisoned`] after it has stopped.
    /// [`WalError::SequencesUsedUp`] after the last of 2^64 - 1 records.
    pub fn rotate(&self) -> Result<(), WalError> {
        self.group_commit.rotate()
    }

    /// Syncs the log, notes in it that it was synced, and gives up the lock.
    ///
    /// Dropping the writer instead gives up the lock and syncs nothing; what was buffered is handed
    /// to the operating system, without a word if that fails.
    ///
    /// # Errors
    /// As [`WalWriter::flush_and_sync`].
    pub fn close(self) -> Result<Anchor, WalError> {
        self.group_commit.finish()?;
        Ok(self.head())
    }
}

impl std::fmt::Debug for WalWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WalWriter")
            .field("path", &self.group_commit.storage().path(""))
            .finish_non_exhaustive()
    }
}
