//! Reads the records of a log in order, each verified before it is handed out.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::codec;
use crate::disk::Disk;
use crate::error::WalError;
use crate::format::header::Algorithm;
use crate::key::Key;
use crate::record_ref::RecordRef;
use crate::storage::Storage;
use crate::walk::{Tail, Walk};

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
    walk: Walk,
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

    pub(crate) fn open_in(storage: Arc<dyn Storage>, key: Option<&Key>) -> Result<Self, WalError> {
        Ok(Self { walk: Walk::open(storage, key)?, failed: false })
    }

    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> [u8; 16] {
        self.walk.segment().header.log_id
    }

    /// The schema id that the log was created with.
    #[must_use]
    pub fn schema_id(&self) -> u64 {
        self.walk.segment().header.schema_id
    }

    /// Whether the log is chained with a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.walk.segment().header.algorithm == Algorithm::HmacSha256
    }

    /// The next record, lent until the call after: what `next` answers, without a copy of it.
    ///
    /// ```
    /// # use calybris_wal::{Reader, WalOptions, WalWriter};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// WalWriter::open(&path, &WalOptions::new(1))?.append("first")?;
    ///
    /// let mut reader = Reader::open(&path, None)?;
    /// let record = reader.lend().expect("a record was appended")?;
    /// assert_eq!(record.decode::<&str>()?, "first");
    /// assert!(reader.lend().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `next`; after an error it answers `None` for good.
    pub fn lend(&mut self) -> Option<Result<RecordRef<'_>, WalError>> {
        if self.failed {
            return None;
        }
        match self.walk.advance() {
            Ok(false) => None,
            Ok(true) => Some(Ok(RecordRef::new(self.walk.segment()))),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }

    /// How many bytes of the segments it has gone over, headers and control frames included.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.walk.extent().1
    }

    /// How many bytes the log's segments have now, so that a long reading can say how far it is.
    ///
    /// # Errors
    /// [`WalError::Io`].
    pub fn bytes_in_log(&self) -> Result<u64, WalError> {
        self.walk.bytes_in_log()
    }

    /// What stands behind the last record; only known after `next` has answered `None`.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.walk.tail()
    }
}

impl Iterator for Reader {
    type Item = Result<Record, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.lend()?.map(RecordRef::to_record))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.walk.path()).finish_non_exhaustive()
    }
}

/// A record of a log, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

impl Record {
    /// Its place among the records of the log, from 1, without gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its hash, which covers the record and everything before it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The segment that it stands in, by the sequence that the segment's name says.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// Where its frame begins, in bytes from the segment's start.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that were appended.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The value that was appended, if it was one of this type.
    ///
    /// # Errors
    /// [`WalError::Decode`] when the payload does not decode, or not to its last byte.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, WalError> {
        codec::decode(&self.payload)
            .map_err(|source| WalError::Decode { sequence: self.sequence, source })
    }
}
