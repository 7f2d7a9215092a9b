//! Reads the records of a log in order, each verified before it is handed out.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::WalError;
use crate::format::header::Algorithm;
use crate::hash::LogId;
use crate::key::Key;
use crate::log_scan::{LogScan, Tail};
use crate::record::{Record, RecordRef};
use crate::segment_files::existing_segments;
use crate::storage::Storage;

/// An iterator over the records of a log.
///
/// A record comes out only after its hash, and all hashes before it, have been verified. The
/// reader takes no lock and may run beside a writer: at the end of the log it answers `None`, and
/// later calls answer what was appended meanwhile. After an error it answers `None` for good.
///
/// Memory is bounded: a read buffer and one record.
///
/// ```
/// use calybris_wal::{Reader, WalOptions, WalWriter};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// writer.append("first")?;
///
/// let mut reader = Reader::open(&path, None)?;
/// let record = reader.next().expect("a record was appended")?;
/// assert_eq!((record.sequence(), record.decode::<String>()?), (1, "first".to_owned()));
/// assert!(reader.next().is_none());
///
/// writer.append("second")?;
/// assert_eq!(reader.next().expect("one more came")?.sequence(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader {
    scan: LogScan,
    failed: bool,
}

impl Reader {
    /// Opens the log in `directory`, with its key if it is keyed.
    ///
    /// # Errors
    /// [`WalError::Missing`] when there is no log, [`WalError::Empty`] when its creation was not
    /// finished, the errors of a wrong or missing key, and [`WalError::Corrupt`] when the first
    /// segment's header does not verify.
    pub fn open(directory: impl AsRef<Path>, key: Option<&Key>) -> Result<Self, WalError> {
        Self::open_in(Arc::new(Disk::at(directory.as_ref())), key)
    }

    /// Opens the log in `directory` at the record with this sequence, from 1, which `next` answers
    /// first. With the sequence after the last record it stands at the end, and answers what is
    /// appended from then on.
    ///
    /// The time does not depend on how much of the log lies before: the names of the segments tell
    /// in which the record is, and inside that one the headers of the frames before the record are
    /// read, without hashing them.
    ///
    /// So less is proven. Verified are the header of the segment, the seal of the
    /// one before it, which that header names, the record before the wanted one, and as always
    /// everything that is handed out: it was written to this log with this sequence (with a key, by
    /// a holder of the key), directly behind the records that came out before it. Not verified is
    /// that the records passed over are what their hashes say, nor that their hashes lead to the
    /// first that is handed out: for that there is [`verify`](crate::verify()). Where the reader
    /// comes to a record whose hash was kept as an [`Anchor`](crate::Anchor), those handed out are
    /// proven to be the ones that the anchor covers.
    ///
    /// ```
    /// use calybris_wal::{Reader, WalError, WalOptions, WalWriter};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// for number in 1..=5_u64 {
    ///     writer.append(&number)?;
    /// }
    /// let mut reader = Reader::open_at(&path, None, 4)?;
    /// assert_eq!(reader.next().expect("record 4")?.decode::<u64>()?, 4);
    /// assert_eq!(reader.next().expect("record 5")?.decode::<u64>()?, 5);
    /// assert!(reader.next().is_none());
    ///
    /// let past = Reader::open_at(&path, None, 7);
    /// assert!(matches!(past, Err(WalError::NoSuchRecord { sequence: 7, head: 5 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Reader::open`]; and [`WalError::NoSuchRecord`] for sequence 0 and for one past the end,
    /// [`WalError::Dropped`] for one before the first that the log says it is kept from,
    /// [`WalError::MissingSegment`] for one in a segment that is gone without the log saying so,
    /// [`WalError::Corrupt`] when a part that has to be verified on the way is damaged.
    pub fn open_at(
        directory: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
    ) -> Result<Self, WalError> {
        let storage: Arc<dyn Storage> = Arc::new(Disk::at(directory.as_ref()));
        Ok(Self { scan: LogScan::open_at(&storage, key, sequence)?, failed: false })
    }

    /// The sequence that each segment of the log in `directory` begins with, in order, as the names
    /// of the files say. The last may be that of a record that is still to come.
    ///
    /// From here a reader begins at a segment of its choice, such as the last:
    ///
    /// ```
    /// use calybris_wal::{Reader, WalOptions, WalWriter};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// writer.append("one")?;
    /// writer.append("two")?;
    /// writer.rotate()?;
    /// writer.append("three")?;
    ///
    /// let segments = Reader::segments(&path)?;
    /// assert_eq!(segments, [1, 3]);
    /// let last = segments.last().copied().unwrap_or(1);
    /// assert_eq!(Reader::open_at(&path, None, last)?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Missing`] when there is no log, and [`WalError::Io`]. Nothing is verified.
    pub fn segments(directory: impl AsRef<Path>) -> Result<Vec<u64>, WalError> {
        existing_segments(&Disk::at(directory.as_ref()))
    }

    pub(crate) fn open_in(storage: Arc<dyn Storage>, key: Option<&Key>) -> Result<Self, WalError> {
        Ok(Self { scan: LogScan::open(storage, key)?, failed: false })
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.scan.segment().header.log_id
    }

    /// The schema id that the log was created with.
    #[must_use]
    pub fn schema_id(&self) -> u64 {
        self.scan.segment().header.schema_id
    }

    /// Whether the log is chained with a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.scan.segment().header.algorithm == Algorithm::HmacSha256
    }

    /// The id of the key that the segment at hand is hashed with; `None` in a log without a key.
    pub(crate) fn key_id(&self) -> Option<u64> {
        self.is_keyed().then_some(self.scan.segment().header.key_id)
    }

    /// The record that `next` would return, borrowed from the read buffer until the following call.
    ///
    /// ```
    /// # use calybris_wal::{Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// WalWriter::open(&path, &WalOptions::new(1))?.append("first")?;
    ///
    /// let mut reader = Reader::open(&path, None)?;
    /// let record = reader.next_ref().expect("a record was appended")?;
    /// assert_eq!(record.decode::<&str>()?, "first");
    /// assert!(reader.next_ref().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `next`; after an error it answers `None` for good.
    pub fn next_ref(&mut self) -> Option<Result<RecordRef<'_>, WalError>> {
        if self.failed {
            return None;
        }
        match self.scan.advance() {
            Ok(false) => None,
            Ok(true) => Some(self.scan.segment().record().map_err(WalError::from)),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }

    /// The scan, unless an error came before.
    pub(crate) fn scan_mut(&mut self) -> Option<&mut LogScan> {
        (!self.failed).then_some(&mut self.scan)
    }

    /// Answers `None` from now on.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// How many bytes of the segments it has gone over, headers and control frames included.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.scan.extent().1
    }

    /// How many bytes the log's segments have now, so that a long reading can say how far it is.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn bytes_in_log(&self) -> Result<u64, WalError> {
        self.scan.bytes_in_log()
    }

    /// The bytes behind the last record; only known after `next` has answered `None`.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.scan.tail()
    }
}

impl Iterator for Reader {
    type Item = Result<Record, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_ref()?.map(RecordRef::to_record))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.scan.path()).finish_non_exhaustive()
    }
}
