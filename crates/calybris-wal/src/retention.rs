//! Drops the oldest segments of a log, so that what is kept still verifies.

use std::path::Path;

use crate::error::WalError;
use crate::segment::{io_error, segment_name};
use crate::writer::WalWriter;

/// What becomes of segments that a log keeps no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposal<'a> {
    /// They are removed.
    Remove,
    /// They are copied into this directory, which is created if need be, and removed once the
    /// copies are on disk. There they are a log of their own, which verifies.
    Archive(&'a Path),
}

impl WalWriter {
    /// Drops the segments that hold only records before `sequence`, the oldest first, and says how
    /// many there were. The segment that holds `sequence` is kept whole, and so is the last.
    ///
    /// First the log says, durably and in its chain, from which record on it is kept. So what is
    /// kept verifies by itself, and a segment that is missing for another reason is still found.
    ///
    /// ```
    /// use calybris_wal::{Disposal, VerifyOptions, WalOptions, WalWriter, verify};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// # let archive = directory.path().join("archive");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// writer.append("old")?;
    /// writer.rotate()?;
    /// writer.append("new")?;
    /// assert_eq!(writer.retain_from(2, Disposal::Archive(&archive))?, 1);
    ///
    /// let options = VerifyOptions::default();
    /// assert_eq!(verify(&path, &options)?.first_sequence, 2);
    /// assert_eq!(verify(&archive, &options)?.records, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Io`]; the segments that were not dropped yet are dropped by the next call.
    pub fn retain_from(&self, sequence: u64, disposal: Disposal<'_>) -> Result<usize, WalError> {
        let storage = self.committer.storage();
        let segments = self.committer.declare_start(sequence)?;
        for segment in &segments {
            let name = segment_name(*segment);
            if let Disposal::Archive(directory) = disposal {
                storage
                    .copy_to(&name, directory)
                    .map_err(|source| io_error(storage, "archive", &name, source))?;
            }
            storage.remove(&name).map_err(|source| io_error(storage, "remove", &name, source))?;
        }
        storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
        Ok(segments.len())
    }
}
