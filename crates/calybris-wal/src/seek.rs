//! Finds a record in a log by its sequence, without hashing the records before it.
//!
//! The names of the segments say in which of them the record is. Inside it the frames before the
//! record are passed over by the lengths in their headers. Only what is rare and says something
//! about the log, the control frames other than durable marks, is verified on the way, and the
//! record before the wanted one; anything that is not in order is left to [`LogScan::advance`], which
//! alone knows what damage means.

use std::sync::Arc;

use calybris_units::invariant;

use crate::cursor::Unreadable;
use crate::error::{Damage, WalError};
use crate::first_segment::open_from_first;
use crate::format::frame::{KIND_DATA, KIND_DURABLE_MARK};
use crate::key::Key;
use crate::log_scan::LogScan;
use crate::seal::end_before;
use crate::segment::{Opening, Position, Segment, unreadable};
use crate::storage::{Mode, Storage};

impl LogScan {
    /// Stands before the record with this sequence, or at the end of the log if the record is the
    /// next that will be appended.
    pub(crate) fn open_at(
        storage: &Arc<dyn Storage>,
        key: Option<&Key>,
        sequence: u64,
    ) -> Result<Self, WalError> {
        open_from_first(storage.as_ref(), key, |segments| {
            Log { storage, key, segments }.seek(sequence)
        })
    }

    /// Goes on until the last record before `wanted` has been verified, or the beginning of its
    /// segment if it has none. `false` when the log ends before.
    fn go_before(&mut self, wanted: u64) -> Result<bool, WalError> {
        // The record 0, which there is not, has none before it.
        let before = wanted.saturating_sub(1);
        while self.segment().progress.sequence < before {
            let passed = self.segment_mut().pass_records(before);
            passed
                .map_err(|failure| unreadable(self.storage(), &self.segment().name(), failure))?;
            if !self.advance()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Segment {
    /// Passes over the records before the one with the sequence `wanted` that are next in order in
    /// this segment, and over the durable marks between them.
    ///
    /// What these marks claim to be on disk ends before them, and damage is looked for behind.
    pub(crate) fn pass_records(&mut self, wanted: u64) -> Result<(), Unreadable> {
        let Self { cursor, progress, .. } = self;
        let mut behind_record = false;
        loop {
            let next = cursor.peek()?;
            if std::mem::take(&mut behind_record) {
                progress.record_hash = cursor.hash_before()?;
            }
            let following = progress.next_sequence();
            let header = match next {
                Some(header) if header.flags == 0 && following < wanted => header,
                _ => return Ok(()),
            };
            match header.kind {
                KIND_DATA if header.sequence == following => {
                    progress.sequence = following;
                    progress.records += 1;
                    behind_record = true;
                }
                KIND_DURABLE_MARK if header.sequence == progress.sequence => {}
                _ => return Ok(()),
            }
            cursor.pass(header);
        }
    }
}

/// A log whose segments have been listed.
struct Log<'a> {
    storage: &'a Arc<dyn Storage>,
    key: Option<&'a Key>,
    segments: &'a [u64],
}

impl Log<'_> {
    fn seek(&self, sequence: u64) -> Result<LogScan, WalError> {
        let first = *invariant!(self.segments.first(), "a log that is sought in has a segment")?;
        if sequence >= first {
            let mut scan = self.scan_from(sequence)?;
            if scan.go_before(sequence)? {
                return Ok(scan);
            }
        }
        // The error names the log's end, so the log is verified up to there.
        let mut scan = self.scan_from(u64::MAX)?;
        while scan.advance()? {}
        let head = scan.segment().progress.sequence;
        if !(1..first).contains(&sequence) {
            return Err(WalError::NoSuchRecord { sequence, head });
        }
        // The end was reached, so the log itself says that it is kept from `first` on.
        Err(WalError::Dropped { sequence, first })
    }

    /// Stands at the beginning of the last segment whose first sequence is not above `sequence`.
    fn scan_from(&self, sequence: u64) -> Result<LogScan, WalError> {
        let count = self.segments.partition_point(|first| *first <= sequence);
        let (upto, after) = self.segments.split_at(count);
        let &[.., before, last] = upto else {
            return LogScan::at_first(self.segments, Arc::clone(self.storage), self.key);
        };
        let end = end_before(self.storage.as_ref(), self.key, before, last)?;
        let (storage, position) = (self.storage.as_ref(), Position::Behind(&end));
        let segment = match Segment::open(storage, last, Mode::Read, self.key, position)? {
            Opening::Segment(segment) => segment,
            // The writer is creating it, or a crash came between: the log ends before it.
            Opening::Unfinished(_) if after.is_empty() => return self.scan_from(last - 1),
            Opening::Unfinished(_) => return Err(WalError::segment_damaged(last, Damage::Header)),
        };
        let first = *invariant!(self.segments.first(), "a log that is sought in has a segment")?;
        Ok(LogScan::at(Arc::clone(self.storage), self.key, segment, first))
    }
}
