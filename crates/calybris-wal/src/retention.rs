//! Drops the oldest segments of a log; the rest still verifies.

use std::path::Path;

use crate::archive::archive;
use crate::error::WalError;
use crate::format::name::segment_name;
use crate::recover::remove_before;
use crate::seal::end_before;
use crate::segment_files::segments_in;
use crate::writer::WalWriter;

/// What to do with segments that a log no longer keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetentionAction<'a> {
    /// They are removed.
    Remove,
    /// They are copied into this directory, which is created if need be, and removed once the
    /// copies are on disk. There they are a log of their own, which verifies. It is for this log
    /// alone: all logs give their segments the same names, and nothing there is overwritten.
    Archive(&'a Path),
}

impl WalWriter {
    /// Drops the segments that hold only records before `sequence`, the oldest first, and says how
    /// many there were. The segment that holds `sequence` is kept whole, and so is the last.
    ///
    /// Before they are removed the log says, durably and in its chain, from which record on it is
    /// kept. So the rest verifies by itself, and a segment that is missing for another reason is
    /// still found. Other threads go on appending meanwhile, but for the one sync of what the log
    /// says, which they wait for.
    ///
    /// ```
    /// use calybris_wal::{RetentionAction, VerifyOptions, WalOptions, WalWriter, verify};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// # let archive = directory.path().join("archive");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// writer.append("old")?;
    /// writer.rotate()?;
    /// writer.append("new")?;
    /// assert_eq!(writer.retain_from(2, RetentionAction::Archive(&archive))?, 1);
    ///
    /// let options = VerifyOptions::default();
    /// assert_eq!(verify(&path, &options)?.first_sequence, 2);
    /// assert_eq!(verify(&archive, &options)?.records, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WalError::Corrupt`] or [`WalError::MissingSegment`] when the segment to begin with does not follow the one before it:
    /// then nothing is dropped. [`WalError::ArchiveTaken`] when the archive holds something else under a segment's name, or is
    /// the log's own directory: then nothing is dropped. [`WalError::Io`]; the segments that were not
    /// dropped yet are dropped by the next call, and those that were archived already are known by
    /// their bytes. [`WalError::Poisoned`] after an earlier failure.
    pub fn retain_from(
        &self,
        sequence: u64,
        action: RetentionAction<'_>,
    ) -> Result<usize, WalError> {
        let storage = self.group_commit.storage();
        // A segment without records says nothing of those before it: the one before it stays.
        let last_kept = self.group_commit.head().sequence.min(sequence);
        let mut segments = segments_in(storage)?;
        segments.retain(|first| *first <= last_kept);
        let Some(start) = segments.pop() else { return Ok(0) };
        if let Some(before) = segments.last() {
            // A file too many would take the place of the segment that holds the record.
            end_before(storage, self.group_commit.key(), *before, start)?;
        }
        // None of these is written to any more.
        if let RetentionAction::Archive(directory) = action {
            for segment in &segments {
                archive(storage, &segment_name(*segment), directory)?;
            }
        }
        self.group_commit.declare_start(start)?;
        remove_before(storage, &segments, start)
    }
}
