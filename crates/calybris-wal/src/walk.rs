//! Walks a log from its first record to its last, verifying as it goes.
//!
//! A writer may be at work meanwhile. What was read may therefore be older than what is found out
//! about it later, so before a verdict the evidence is gathered first and the bytes are read again
//! after: bytes that a mark claims to be synced were whole before the mark was written.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::anchor::Anchor;
use crate::chain::Hash;
use crate::cursor::Frame;
use crate::error::{Damage, WalError};
use crate::key::Key;
use crate::parallel::{WORTH_BYTES, fast_forward};
use crate::segment::{
    Opening, Progress, Segment, SegmentStep, check_start, io_error, segment_name, segments_in,
};
use crate::storage::{Mode, Storage};
use crate::tail::{Evidence, Place, Verdict, claims_behind, judge, only_zeros_behind};

/// What stands behind the last record that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tail {
    /// Nothing: the log ends with a whole frame.
    Clean,
    /// Bytes that are no frame and that nothing claims to have been synced: a write that a crash
    /// cut short, or one that is still under way. Opening the log for writing sets them aside.
    Torn {
        /// The segment, by the sequence that its name says.
        segment: u64,
        /// Where they begin, in bytes from the segment's start.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
}

/// A place in a log.
pub(crate) struct Walk {
    storage: Arc<dyn Storage>,
    key: Option<Key>,
    segment: Box<Segment>,
    /// The damage at the cursor and what was found out about it, until the bytes are read again.
    suspect: Option<(u64, Evidence)>,
    tail: Tail,
    /// Where in the segment it may be of use again to go fast forward.
    fast_forward_at: u64,
    /// The first segment that there is.
    first_segment: u64,
    /// How many segments were finished, and their length in bytes.
    finished: (u64, u64),
}

impl Walk {
    /// Stands before the first record of the log.
    pub(crate) fn open(storage: Arc<dyn Storage>, key: Option<&Key>) -> Result<Self, WalError> {
        let segments = existing_segments(storage.as_ref())?;
        Self::at_first(&segments, storage, key)
    }

    /// Stands before the first record of the log that has these segments.
    pub(crate) fn at_first(
        segments: &[u64],
        storage: Arc<dyn Storage>,
        key: Option<&Key>,
    ) -> Result<Self, WalError> {
        let first = *segments.first().ok_or_else(|| missing(storage.as_ref()))?;
        let segment = match Segment::open(storage.as_ref(), first, Mode::Read, key)? {
            Opening::Segment(segment) => segment,
            Opening::Unfinished(_) if segments.len() == 1 => {
                return Err(WalError::Empty { path: storage.path("") });
            }
            Opening::Unfinished(_) => return Err(header_damage(first)),
        };
        segment.check_is_first()?;
        Ok(Self::at(storage, key, segment, first))
    }

    /// Stands before the first frame of a segment of the log that is kept from `first` on.
    pub(crate) fn at(
        storage: Arc<dyn Storage>,
        key: Option<&Key>,
        segment: Box<Segment>,
        first: u64,
    ) -> Self {
        Self {
            storage,
            key: key.cloned(),
            segment,
            suspect: None,
            tail: Tail::Clean,
            fast_forward_at: 0,
            first_segment: first,
            finished: (0, 0),
        }
    }

    /// The log's directory, for messages.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.storage.path("")
    }

    /// The log's storage.
    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// The segment that the walk has come to, to be gone on in.
    pub(crate) fn segment_mut(&mut self) -> &mut Segment {
        &mut self.segment
    }

    /// The segment that the walk has come to.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The last record that the walk has come to; the log's beginning if there was none.
    pub(crate) fn head(&self) -> Anchor {
        let Progress { sequence, record_hash, .. } = self.segment.progress;
        Anchor { log_id: self.segment.header.log_id, sequence, hash: record_hash }
    }

    /// How many segments the walk has come to, and how many bytes of them verify.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.finished.0 + 1, self.finished.1 + self.segment.cursor.offset())
    }

    /// How many bytes the segments have that there are now.
    pub(crate) fn bytes_in_log(&self) -> Result<u64, WalError> {
        let storage = self.storage.as_ref();
        let mut bytes = 0;
        for segment in segments_in(storage)? {
            let name = segment_name(segment);
            match storage.open(&name, Mode::Read).and_then(|file| file.length()) {
                Ok(length) => bytes += length,
                // The writer has dropped the segment since it was listed.
                Err(source) if source.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(io_error(storage, "read the length of", &name, source)),
            }
        }
        Ok(bytes)
    }

    /// What stands behind the last record, after [`Walk::advance`] has found no more.
    pub(crate) fn tail(&self) -> Tail {
        self.tail
    }

    /// The sequence of the first record that there is, or will be.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.first_segment
    }

    /// The record that [`Walk::advance`] has stepped over last.
    pub(crate) fn record(&self) -> Frame<'_> {
        self.segment.cursor.frame()
    }

    /// Goes over as many records of the segment as are in order, with this many threads. Answers how
    /// many, and the hash of the one with the sequence `wanted` if it was among them.
    pub(crate) fn fast_forward(
        &mut self,
        threads: NonZeroUsize,
        wanted: Option<u64>,
    ) -> Result<(u64, Option<Hash>), WalError> {
        let before = self.segment.progress.sequence;
        if self.segment.cursor.offset() < self.fast_forward_at {
            return Ok((0, None));
        }
        let found = fast_forward(&mut self.segment, threads, wanted).map_err(|source| {
            io_error(self.storage.as_ref(), "read", &self.segment.name(), source)
        })?;
        self.fast_forward_at = self.segment.cursor.offset() + WORTH_BYTES;
        Ok((self.segment.progress.sequence - before, found))
    }

    /// Steps over the next record. `false` at the end of the log, where a writer may append more
    /// before the next call.
    pub(crate) fn advance(&mut self) -> Result<bool, WalError> {
        loop {
            let damage = match self.segment.step(self.storage.as_ref())? {
                SegmentStep::Record => {
                    self.suspect = None;
                    return Ok(true);
                }
                SegmentStep::Control => {
                    self.suspect = None;
                    continue;
                }
                SegmentStep::End => None,
                SegmentStep::Damaged(damage) => Some(damage),
            };
            let offset = self.segment.cursor.offset();
            let sealed = self.segment.progress.seal.is_some();
            if sealed && damage.is_none() {
                if self.enter_next_segment()? {
                    continue;
                }
                return self.end_with(Tail::Clean);
            }
            let evidence = match self.suspect {
                Some((at, evidence)) if at == offset => evidence,
                _ => {
                    let evidence = self.gather(damage.is_some())?;
                    if damage.is_none() && !evidence.has_successor {
                        return self.end_with(Tail::Clean);
                    }
                    self.suspect = Some((offset, evidence));
                    self.segment.cursor.refresh();
                    continue;
                }
            };
            let what = match damage {
                _ if sealed => Damage::AfterSeal,
                Some(damage) => damage,
                None => Damage::Unsealed,
            };
            match judge(Place::Frames { offset }, evidence) {
                Verdict::Corrupt => return Err(self.corrupt(offset, what)),
                Verdict::Room => return self.end_with(Tail::Clean),
                Verdict::Torn => {
                    let segment = self.segment.first_sequence;
                    let length = self.length()?;
                    let bytes = length.saturating_sub(offset);
                    return self.end_with(Tail::Torn { segment, offset, bytes });
                }
            }
        }
    }

    fn end_with(&mut self, tail: Tail) -> Result<bool, WalError> {
        check_start(self.first_segment, self.segment.progress.log_start)?;
        self.suspect = None;
        self.segment.cursor.refresh();
        self.tail = tail;
        Ok(false)
    }

    fn corrupt(&self, offset: u64, what: Damage) -> WalError {
        WalError::Corrupt {
            segment: self.segment.first_sequence,
            offset,
            sequence: self.segment.progress.sequence.saturating_add(1),
            what,
        }
    }

    fn length(&self) -> Result<u64, WalError> {
        let name = self.segment.name();
        let length = self.segment.cursor.file().length();
        length
            .map_err(|source| io_error(self.storage.as_ref(), "read the length of", &name, source))
    }

    /// Finds out what is claimed about the bytes at the cursor.
    fn gather(&self, scan: bool) -> Result<Evidence, WalError> {
        let first = self.segment.first_sequence;
        let later = segments_in(self.storage.as_ref())?.into_iter().any(|segment| segment > first);
        let progress = self.segment.progress;
        let mut durable_offset = progress.durable_offset;
        let mut zeros = false;
        if scan {
            let (offset, name) = (self.segment.cursor.offset(), self.segment.name());
            let chain = self.segment.chain;
            let claimed = claims_behind(self.segment.cursor.file().as_ref(), &chain, offset)
                .map_err(|source| io_error(self.storage.as_ref(), "read", &name, source))?;
            durable_offset = durable_offset.max(claimed);
            zeros = only_zeros_behind(self.segment.cursor.file().as_ref(), offset)
                .map_err(|source| io_error(self.storage.as_ref(), "read", &name, source))?;
        }
        let sealed = progress.seal.is_some();
        Ok(Evidence { has_successor: later, sealed, zeros, durable_offset })
    }

    /// Goes on to the segment after a sealed one. `false` if it is not there yet.
    fn enter_next_segment(&mut self) -> Result<bool, WalError> {
        let next = self.segment.progress.sequence.saturating_add(1);
        let segments = segments_in(self.storage.as_ref())?;
        if !segments.contains(&next) {
            if let Some(&first) = segments.first().filter(|first| **first > next)
                && !segments.contains(&self.segment.first_sequence)
            {
                // The writer has dropped this segment too meanwhile.
                return Err(WalError::Dropped { sequence: next, first });
            }
            if segments.iter().any(|segment| *segment > next) {
                return Err(WalError::MissingSegment { segment: next });
            }
            return Ok(false);
        }
        let is_last = segments.last() == Some(&next);
        let opened = Segment::open(self.storage.as_ref(), next, Mode::Read, self.key.as_ref())?;
        let mut segment = match opened {
            Opening::Segment(segment) => segment,
            // The writer is creating it, or a crash came between.
            Opening::Unfinished(_) if is_last => return Ok(false),
            Opening::Unfinished(_) => return Err(header_damage(next)),
        };
        if let Some(end) = self.segment.end() {
            segment.check_continues(&end)?;
        }
        // The last record's hash carries over: the next segment may be empty.
        segment.progress.record_hash = self.segment.progress.record_hash;
        segment.progress.log_start = self.segment.progress.log_start;
        self.finished.0 += 1;
        self.finished.1 += self.segment.cursor.offset();
        self.segment = segment;
        self.fast_forward_at = 0;
        Ok(true)
    }
}

/// The segments of a log that exists.
pub(crate) fn existing_segments(storage: &dyn Storage) -> Result<Vec<u64>, WalError> {
    match segments_in(storage) {
        Err(WalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Err(missing(storage))
        }
        Ok(segments) if segments.is_empty() => Err(missing(storage)),
        other => other,
    }
}

fn missing(storage: &dyn Storage) -> WalError {
    WalError::Missing { path: storage.path("") }
}

/// The error for a segment without a whole header that has a successor.
pub(crate) fn header_damage(segment: u64) -> WalError {
    WalError::Corrupt { segment, offset: 0, sequence: segment, what: Damage::Header }
}
