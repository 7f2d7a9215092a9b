//! Walks a log from its first record to its last, verifying as it goes.
//!
//! A writer may be at work meanwhile. What was read may therefore be older than what is found out
//! about it later, so before a verdict the evidence is gathered first and the bytes are read again
//! after: bytes that a mark claims to be synced were whole before the mark was written.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::sync::Arc;

use calybris_units::BrokenInvariant;

use crate::anchor::Anchor;
use crate::cursor::Frame;
use crate::error::{Damage, WalError};
use crate::first_segment::open_from_first;
use crate::format::name::segment_name;
use crate::hash::Hash;
use crate::key::Key;
use crate::parallel::{WORTH_BYTES, fast_forward};
use crate::progress::{Progress, Reached};
use crate::segment::{Opening, Position, Segment, SegmentEnd, SegmentStep, Unfinished};
use crate::segment_files::{check_start, missing, segments_in};
use crate::storage::{Mode, Storage, io_error};
use crate::torn_tail::{Evidence, Place, Verdict, judge};

/// The bytes behind the last record that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tail {
    /// Nothing: the log ends with a whole frame.
    Clean,
    /// Bytes that are no frame, or no whole header, and that nothing claims to have been synced: a
    /// write that a crash cut short, or one that is still under way. Opening the log for writing
    /// sets them aside.
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
pub(crate) struct LogScan {
    storage: Arc<dyn Storage>,
    key: Option<Key>,
    segment: Box<Segment>,
    /// The offset of the damage at the cursor and the evidence about it, until the bytes are read again.
    suspect: Option<(u64, Evidence)>,
    tail: Tail,
    /// Where in the segment it may be of use again to go fast forward.
    fast_forward_at: u64,
    /// The first segment that there is.
    first_segment: u64,
    /// How many segments were finished, and their length in bytes.
    finished: (u64, u64),
}

impl LogScan {
    /// Stands before the first record of the log.
    pub(crate) fn open(storage: Arc<dyn Storage>, key: Option<&Key>) -> Result<Self, WalError> {
        open_from_first(storage.as_ref(), key, |segments| {
            Self::at_first(segments, Arc::clone(&storage), key)
        })
    }

    /// Stands before the first record of the log that has these segments.
    pub(crate) fn at_first(
        segments: &[u64],
        storage: Arc<dyn Storage>,
        key: Option<&Key>,
    ) -> Result<Self, WalError> {
        let first = *segments.first().ok_or_else(|| missing(storage.as_ref()))?;
        let opened = Segment::open(storage.as_ref(), first, Mode::Read, key, Position::First)?;
        match opened {
            Opening::Segment(segment) => Ok(Self::at(storage, key, segment, first)),
            Opening::Unfinished(_) if segments.len() > 1 => {
                Err(WalError::segment_damaged(first, Damage::Header))
            }
            Opening::Unfinished(_) => {
                check_start(first, 1)?;
                Err(WalError::Empty { path: storage.path("") })
            }
        }
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

    /// The segment that the scan has come to, to be gone on in.
    pub(crate) fn segment_mut(&mut self) -> &mut Segment {
        &mut self.segment
    }

    /// The segment that the scan has come to, without the scan.
    pub(crate) fn into_segment(self) -> Segment {
        *self.segment
    }

    /// The segment that the scan has come to.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The last record that the scan has come to; the log's beginning if there was none.
    pub(crate) fn head(&self) -> Anchor {
        let Progress { sequence, record_hash, .. } = self.segment.progress;
        Anchor { log_id: self.segment.header.log_id, sequence, hash: record_hash }
    }

    /// How many segments the scan has come to, and how many bytes of them verify.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.finished.0 + 1, self.finished.1 + self.segment.cursor.offset())
    }

    /// How many bytes the segments have that there are now.
    pub(crate) fn bytes_in_log(&self) -> Result<u64, WalError> {
        let storage = self.storage.as_ref();
        let mut bytes = 0;
        let segments = segments_in(storage)?.into_iter();
        for segment in segments.filter(|segment| *segment >= self.first_segment) {
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

    /// The bytes behind the last record, after [`LogScan::advance`] has found no more.
    pub(crate) fn tail(&self) -> Tail {
        self.tail
    }

    /// The sequence of the first record that there is, or will be.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.first_segment
    }

    /// The record that [`LogScan::advance`] has stepped over last.
    pub(crate) fn record(&self) -> Result<Frame<'_>, BrokenInvariant> {
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
        let found = fast_forward(&mut self.segment, threads, wanted)
            .map_err(|source| self.unreadable(source))?;
        self.fast_forward_at = self.segment.cursor.offset() + WORTH_BYTES;
        Ok((self.segment.progress.sequence - before, found))
    }

    /// Whether reading ahead may be of use here: not over frames that did not verify when they were read ahead.
    pub(crate) fn may_read_ahead(&self) -> bool {
        self.segment.cursor.offset() >= self.fast_forward_at
    }

    /// Goes on to where reading ahead has come, and reads nothing ahead up to that offset in the segment.
    pub(crate) fn go_to(&mut self, reached: Reached, not_before: u64) {
        self.segment.go_to(reached);
        self.fast_forward_at = not_before;
    }

    /// Steps over the next record. `false` at the end of the log, where a writer may append more
    /// before the next call.
    pub(crate) fn advance(&mut self) -> Result<bool, WalError> {
        loop {
            let damage = match self.segment.step(self.storage.as_ref())? {
                SegmentStep::Record => return Ok(true),
                SegmentStep::Control => continue,
                SegmentStep::End => None,
                SegmentStep::Damaged(damage) => Some(damage),
            };
            let offset = self.segment.cursor.offset();
            let end = self.segment.end();
            if let (Some(end), None) = (&end, damage) {
                match self.enter_next_segment(end)? {
                    None => continue,
                    Some(tail) => return self.end_with(tail),
                }
            }
            let evidence = match self.suspect {
                Some((at, evidence)) if at == offset => evidence,
                _ => {
                    let first = self.segment.first_sequence;
                    let segments = segments_in(self.storage.as_ref())?;
                    let has_successor = segments.into_iter().any(|segment| segment > first);
                    if damage.is_none() && !has_successor {
                        return self.end_with(Tail::Clean);
                    }
                    let evidence = self
                        .segment
                        .evidence(self.first_segment, has_successor)
                        .map_err(|source| self.unreadable(source))?;
                    self.suspect = Some((offset, evidence));
                    self.segment.cursor.refresh();
                    continue;
                }
            };
            let what = match damage {
                _ if end.is_some() => Damage::AfterSeal,
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
            sequence: self.segment.progress.next_sequence(),
            what,
        }
    }

    fn length(&self) -> Result<u64, WalError> {
        let name = self.segment.name();
        let length = self.segment.cursor.file().length();
        length
            .map_err(|source| io_error(self.storage.as_ref(), "read the length of", &name, source))
    }

    fn unreadable(&self, source: std::io::Error) -> WalError {
        io_error(self.storage.as_ref(), "read", &self.segment.name(), source)
    }

    /// Goes on to the segment behind the sealed one with this end. If the next segment is not there yet, returns the
    /// tail of the log.
    fn enter_next_segment(&mut self, end: &SegmentEnd) -> Result<Option<Tail>, WalError> {
        let next = self.segment.progress.next_sequence();
        let segments = segments_in(self.storage.as_ref())?;
        let mut between = segments.iter().filter(|segment| **segment < next);
        if let Some(inside) = between.find(|segment| **segment > self.segment.first_sequence) {
            return Err(WalError::segment_damaged(*inside, Damage::Overlap));
        }
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
            return Ok(Some(Tail::Clean));
        }
        let is_last = segments.last() == Some(&next);
        let (storage, position) = (self.storage.as_ref(), Position::Behind(end));
        let opened = match Segment::open(storage, next, Mode::Read, self.key.as_ref(), position) {
            Err(WalError::Io { source, .. })
                if source.kind() == ErrorKind::NotFound
                    && !segments_in(storage)?.contains(&next) =>
            {
                // Dropped since it was listed.
                return self.enter_next_segment(end);
            }
            opened => opened?,
        };
        match opened {
            Opening::Segment(segment) => {
                self.finished.0 += 1;
                self.finished.1 += self.segment.cursor.offset();
                self.segment = segment;
                self.suspect = None;
                self.fast_forward_at = 0;
                Ok(None)
            }
            Opening::Unfinished(_) if !is_last => {
                Err(WalError::segment_damaged(next, Damage::Header))
            }
            // The writer is creating it, or a crash came between.
            Opening::Unfinished(Unfinished { bytes: 0, .. }) => Ok(Some(Tail::Clean)),
            Opening::Unfinished(Unfinished { bytes, .. }) => {
                Ok(Some(Tail::Torn { segment: next, offset: 0, bytes }))
            }
        }
    }
}
