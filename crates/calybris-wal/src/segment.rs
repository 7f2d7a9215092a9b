//! One segment: its name, its opening, and its frames in their order.

use std::io;
use std::sync::Arc;

use calybris_units::BrokenInvariant;

use crate::chain::Chain;
use crate::claims::{claims_behind, only_zeros_behind};
use crate::cursor::{FrameCursor, Step, Unreadable};
use crate::error::{Damage, WalError};
use crate::format::control::NUMBER_BYTES;
use crate::format::frame::FRAME_OVERHEAD_BYTES;
use crate::format::header::{Algorithm, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader, hash_in};
use crate::format::name::segment_name;
use crate::hash::Hash;
use crate::key::Key;
use crate::progress::{Misplaced, Progress, Reached};
use crate::record::RecordRef;
use crate::storage::{Mode, Storage, StoredFile, io_error, read_up_to};
use crate::torn_tail::{Evidence, Place, Verdict, judge};

/// The length of a key change's frame, in bytes.
pub(crate) const KEY_CHANGE_FRAME_BYTES: usize = FRAME_OVERHEAD_BYTES + NUMBER_BYTES;

/// Why the next frame of a segment could not be looked at.
pub(crate) fn unreadable(storage: &dyn Storage, name: &str, failure: Unreadable) -> WalError {
    match failure {
        Unreadable::Io(source) => io_error(storage, "read", name, source),
        Unreadable::Internal(broken) => broken.into(),
    }
}

/// An open segment and how far it was read.
pub(crate) struct Segment {
    /// The sequence in its name.
    pub(crate) first_sequence: u64,
    pub(crate) header: SegmentHeader,
    pub(crate) chain: Chain,
    pub(crate) cursor: FrameCursor,
    pub(crate) progress: Progress,
}

/// How a sealed segment ended: all that the next one must continue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentEnd {
    pub(crate) header: SegmentHeader,
    /// The last record's sequence.
    pub(crate) sequence: u64,
    pub(crate) record_hash: Hash,
    /// The sequence from which on the log is kept.
    pub(crate) log_start: u64,
    /// The id of the key that the next segment has.
    pub(crate) next_key_id: u64,
    /// The hash of the seal.
    pub(crate) seal: Hash,
}

impl SegmentHeader {
    /// The header of the segment after a sealed one, but for a record limit of its own. Numbers that are
    /// used up stay as they are: no log gets there, and a forged header that does is refused.
    pub(crate) fn after(end: &SegmentEnd) -> Self {
        Self {
            index: end.header.index.saturating_add(1),
            first_sequence: end.sequence.saturating_add(1),
            key_id: end.next_key_id,
            previous_hash: end.seal,
            ..end.header
        }
    }

    /// The key that the segment is hashed with, of those that `key` leads to; `None` in a log that has
    /// none. A keyed segment is neither read nor written without its key.
    pub(crate) fn key_among<'a>(
        &self,
        storage: &dyn Storage,
        key: Option<&'a Key>,
    ) -> Result<Option<&'a Key>, WalError> {
        let path = storage.path("");
        match (self.algorithm, key) {
            (Algorithm::Sha256, None) => Ok(None),
            (Algorithm::Sha256, Some(_)) => Err(WalError::NotKeyed { path }),
            (Algorithm::HmacSha256, None) => Err(WalError::KeyRequired { path }),
            (Algorithm::HmacSha256, Some(key)) => match key.with_id(self.key_id) {
                Some(key) => Ok(Some(key)),
                None => Err(WalError::WrongKey { path, expected: self.key_id, found: key.id() }),
            },
        }
    }

    /// Whether a segment with this header can stand there.
    fn fits(&self, position: Position<'_>) -> bool {
        match position {
            Position::First => matches!(
                [self.index == 0, self.first_sequence == 1, self.previous_hash == Hash::ZERO],
                [true, true, true] | [false, false, false]
            ),
            Position::Behind(end) => {
                *self == Self { max_record_bytes: self.max_record_bytes, ..Self::after(end) }
            }
            Position::Anywhere => true,
        }
    }
}

/// Where in its log a segment stands, which its header must agree with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Position<'a> {
    /// It is the first that is kept. Whether those before it were dropped rightly is for the log
    /// itself to say: see [`check_start`](crate::segment_files::check_start).
    First,
    /// It continues this sealed segment.
    Behind(&'a SegmentEnd),
    /// Its place is not looked at.
    Anywhere,
}

/// A segment file whose header is not whole: the file ends with the header or inside it.
pub(crate) struct Unfinished {
    pub(crate) file: Arc<dyn StoredFile>,
    /// The file's length, in bytes.
    pub(crate) bytes: u64,
}

/// The result of opening a segment.
pub(crate) enum Opening {
    Segment(Box<Segment>),
    Unfinished(Unfinished),
}

impl Segment {
    /// Opens a segment and checks its header against its name and its place in the log.
    ///
    /// A file whose name is a segment's is a segment, or it is damage. `key` decides how it is
    /// checked: a keyed log is not read without its key, nor a log without a key as if it had one.
    pub(crate) fn open(
        storage: &dyn Storage,
        first_sequence: u64,
        mode: Mode,
        key: Option<&Key>,
        position: Position<'_>,
    ) -> Result<Opening, WalError> {
        let name = segment_name(first_sequence);
        let failed = |action| {
            let name = name.clone();
            move |source| io_error(storage, action, &name, source)
        };
        let file = storage.open(&name, mode).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidInput => {
                WalError::segment_damaged(first_sequence, Damage::NotAFile)
            }
            _ => failed("open")(source),
        })?;
        // Before the header: a writer may be at work, and a file that is longer has a whole one.
        let length = file.length().map_err(failed("read the length of"))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        read_up_to(file.as_ref(), 0, &mut bytes).map_err(failed("read"))?;
        let corrupt = |what| WalError::segment_damaged(first_sequence, what);
        if first_sequence == 0 {
            // Records have sequences from 1.
            return Err(corrupt(Damage::Discontinuity));
        }
        // Callers that know of a successor judge an unfinished segment by it.
        let place = Place::Header { file_ends: length <= SEGMENT_HEADER_BYTES as u64 };
        let unfinished = judge(place, Evidence::NONE) == Verdict::Torn;
        let header = match SegmentHeader::decode(&bytes) {
            _ if length < SEGMENT_HEADER_BYTES as u64 => {
                return Ok(Opening::Unfinished(Unfinished { file, bytes: length }));
            }
            Ok(header) => header,
            Err(HeaderFault::Newer(feature, found)) => {
                return Err(WalError::Unsupported { path: storage.path(&name), feature, found });
            }
            Err(HeaderFault::Damaged) if unfinished => {
                return Ok(Opening::Unfinished(Unfinished { file, bytes: length }));
            }
            Err(HeaderFault::Damaged) => return Err(corrupt(Damage::Header)),
        };
        // Before any key is asked for: a header from elsewhere may name any.
        if header.first_sequence != first_sequence || !header.fits(position) {
            if unfinished {
                return Ok(Opening::Unfinished(Unfinished { file, bytes: length }));
            }
            return Err(corrupt(Damage::Discontinuity));
        }
        let key = header.key_among(storage, key)?;
        let chain = Chain::new(header.log_id, key);
        if !SegmentHeader::hash_matches(&bytes, &chain) {
            if unfinished {
                return Ok(Opening::Unfinished(Unfinished { file, bytes: length }));
            }
            return Err(corrupt(Damage::Header));
        }
        let header_hash = hash_in(&bytes)?;
        let cursor = FrameCursor::new(
            file,
            chain.clone(),
            header.max_record_bytes,
            SEGMENT_HEADER_BYTES as u64,
        );
        let mut progress = Progress::at_start(&header, header_hash);
        if let Position::Behind(end) = position {
            // They carry over: the segment may be empty, and says of a log start only what is new.
            progress.record_hash = end.record_hash;
            progress.log_start = end.log_start;
        }
        Ok(Opening::Segment(Box::new(Self { first_sequence, header, chain, cursor, progress })))
    }

    /// The record that the cursor has stepped over last.
    pub(crate) fn record(&self) -> Result<RecordRef<'_>, BrokenInvariant> {
        let previous_hash = self.cursor.previous_hash()?;
        Ok(RecordRef::new(self.cursor.frame()?, previous_hash, self.first_sequence))
    }

    /// How the segment ended, if it is sealed.
    pub(crate) fn end(&self) -> Option<SegmentEnd> {
        let progress = self.progress;
        Some(SegmentEnd {
            header: self.header,
            sequence: progress.sequence,
            record_hash: progress.record_hash,
            log_start: progress.log_start,
            next_key_id: progress.next_key_id.unwrap_or(self.header.key_id),
            seal: progress.seal?,
        })
    }

    /// Moves to another place between two frames of the segment, up to which it was verified.
    pub(crate) fn go_to(&mut self, place: Reached) {
        self.progress = place.progress;
        self.cursor.move_to(place.offset);
    }

    /// The segment's name.
    pub(crate) fn name(&self) -> String {
        segment_name(self.first_sequence)
    }

    /// The evidence about the damage at the cursor, in a log whose first segment that there is begins with the sequence
    /// `first`.
    pub(crate) fn evidence(&self, first: u64, has_successor: bool) -> io::Result<Evidence> {
        let (file, offset, progress) =
            (self.cursor.file().as_ref(), self.cursor.offset(), self.progress);
        let claims = claims_behind(file, &self.chain, self.first_sequence, offset)?;
        Ok(Evidence {
            has_successor,
            sealed: progress.seal.is_some(),
            zeros: only_zeros_behind(file, offset)?,
            vouches_for_beginning: progress.log_start < first && first <= claims.log_start,
            durable_offset: progress.durable_offset.max(claims.durable_offset),
        })
    }

    /// Steps to the next frame and updates the progress. The cursor shows a record.
    ///
    /// INVARIANT (a key change counts with its seal): the two are one write, so a key change whose
    /// seal is not there is damaged itself, and the cursor goes back to where it begins. Behind a frame that contradicts
    /// its place the cursor does not stay either: a repair writes where the cursor is.
    pub(crate) fn step(&mut self, storage: &dyn Storage) -> Result<SegmentStep, WalError> {
        let at = self.cursor.offset();
        let (segment, sequence) = (self.first_sequence, self.progress.next_sequence());
        match self.cursor.step() {
            Ok(Step::Frame) => {}
            Ok(Step::End) if self.take_back_key_change() => {
                return Ok(SegmentStep::Damaged(Damage::CutShort));
            }
            Ok(Step::End) => return Ok(SegmentStep::End),
            Ok(Step::Damaged(damage)) => {
                self.take_back_key_change();
                return Ok(SegmentStep::Damaged(damage));
            }
            Err(failure) => return Err(unreadable(storage, &segment_name(segment), failure)),
        }
        match self.progress.accept(&self.cursor.frame()?) {
            Ok(true) => Ok(SegmentStep::Record),
            Ok(false) => Ok(SegmentStep::Control),
            Err(Misplaced::Contradiction(what)) => {
                // The cursor stays behind the last frame that can be kept.
                self.cursor.move_to(at);
                self.take_back_key_change();
                Err(WalError::Corrupt { segment, offset: at, sequence, what })
            }
            Err(Misplaced::Newer(feature, found)) => Err(WalError::Unsupported {
                path: storage.path(&segment_name(segment)),
                feature,
                found,
            }),
        }
    }

    /// Goes back before a key change that no seal follows, and says whether there was one.
    fn take_back_key_change(&mut self) -> bool {
        if self.progress.seal.is_some() || self.progress.next_key_id.take().is_none() {
            return false;
        }
        self.cursor.move_to(self.cursor.offset() - KEY_CHANGE_FRAME_BYTES as u64);
        true
    }
}

/// The result of a step through a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentStep {
    Record,
    Control,
    End,
    Damaged(Damage),
}
