//! Finds the segment that a log begins with, where a retention was cut short.
//!
//! A retention says in the log from which segment on the log is kept, and then removes those before
//! it. A crash in between leaves some of them, and not always the last ones: a file system may
//! bring removals to the disk in any order. A gap wholly before the segment that the log says it is
//! kept from is therefore no damage, and the log begins behind it.

use std::io;

use calybris_units::invariant;

use crate::chain::Chain;
use crate::claims::claims_behind;
use crate::error::WalError;
use crate::format::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::format::name::segment_name;
use crate::hash::{HASH_BYTES, LogId};
use crate::key::Key;
use crate::seal::end_before;
use crate::segment::{Opening, Position, Segment, SegmentStep, unreadable};
use crate::segment_files::existing_segments;
use crate::storage::{Mode, Storage, io_error, read_up_to};

/// Opens something in the segments of a log, from its first on; once more whenever a writer has dropped one of them since
/// they were listed.
pub(crate) fn open_from_first<T>(
    storage: &dyn Storage,
    key: Option<&Key>,
    open: impl Fn(&[u64]) -> Result<T, WalError>,
) -> Result<T, WalError> {
    let mut segments = existing_segments(storage)?;
    loop {
        let opened = first_of(storage, key, &segments).and_then(|first| {
            let kept = segments.get(first..);
            open(invariant!(kept, "the first segment is one of them")?)
        });
        if let Err(WalError::Io { source, .. }) = &opened
            && source.kind() == io::ErrorKind::NotFound
        {
            let listed = std::mem::replace(&mut segments, existing_segments(storage)?);
            if listed != segments {
                continue;
            }
        }
        return opened;
    }
}

/// Which of the segments in a directory is the first of the log.
///
/// Where their count is that of their indexes, none is missing between them, and two headers are all
/// that is read.
pub(crate) fn first_of(
    storage: &dyn Storage,
    key: Option<&Key>,
    segments: &[u64],
) -> Result<usize, WalError> {
    if is_gapless(storage, key, segments) {
        return Ok(0);
    }
    let start = claimed_start(storage, key, segments, None)?;
    if start == 1 {
        // Nothing was dropped, so all of them belong to it.
        return Ok(0);
    }
    // Readers of the log report a missing segment; this only finds the beginning.
    let Ok(kept) = segments.binary_search(&start) else { return Ok(0) };
    // Segments that are left from before belong to it as far as each continues the one before.
    let mut first = kept;
    let upto_kept = invariant!(segments.get(..=kept), "the segment was found among them")?;
    for pair in upto_kept.windows(2).rev() {
        if !is_joined(storage, key, pair)? {
            break;
        }
        first -= 1;
    }
    Ok(first)
}

/// Whether no segment is missing between the first and the last, by the indexes in their headers. A segment that cannot
/// be opened counts as present: readers of the log report it.
fn is_gapless(storage: &dyn Storage, key: Option<&Key>, segments: &[u64]) -> bool {
    let [first, .., last] = segments else { return true };
    let (index, log_id) = match standing_of(storage, key, *first) {
        Ok(Standing::At(index, log_id)) => (index, log_id),
        Ok(Standing::NotBegun | Standing::Damaged) => return false,
        Err(_) => return true,
    };
    match standing_of(storage, key, *last) {
        Ok(Standing::At(last, of)) => {
            of == log_id && last.wrapping_sub(index) == segments.len() as u64 - 1
        }
        // It has not begun yet.
        Ok(Standing::NotBegun) => {
            segments.split_last().is_none_or(|(_, others)| is_gapless(storage, key, others))
        }
        Ok(Standing::Damaged) => false,
        Err(_) => true,
    }
}

/// A segment's place in the log, by its header.
enum Standing {
    /// The index, and the id of the log.
    At(u64, LogId),
    /// The header is not whole yet.
    NotBegun,
    Damaged,
}

fn standing_of(
    storage: &dyn Storage,
    key: Option<&Key>,
    segment: u64,
) -> Result<Standing, WalError> {
    match Segment::open(storage, segment, Mode::Read, key, Position::Anywhere) {
        Ok(Opening::Segment(segment)) => {
            Ok(Standing::At(segment.header.index, segment.header.log_id))
        }
        Ok(Opening::Unfinished(_)) => Ok(Standing::NotBegun),
        Err(error) if error.is_tampering() => Ok(Standing::Damaged),
        // The index is no secret, and a reader with a former key must not be told that a segment is missing.
        Err(WalError::WrongKey { .. }) => {
            let name = segment_name(segment);
            let failed = |source| io_error(storage, "read", &name, source);
            let mut bytes = [0; SEGMENT_HEADER_BYTES];
            storage
                .open(&name, Mode::Read)
                .and_then(|file| read_up_to(file.as_ref(), 0, &mut bytes))
                .map_err(failed)?;
            let header = SegmentHeader::decode(&bytes);
            Ok(header.map_or(Standing::Damaged, |header| Standing::At(header.index, header.log_id)))
        }
        Err(error) => Err(error),
    }
}

/// Whether a segment continues the one before. One that is damaged or cannot be checked does not; one
/// that the operating system does not let be read is an error.
fn is_joined(storage: &dyn Storage, key: Option<&Key>, pair: &[u64]) -> Result<bool, WalError> {
    let &[first, next] = pair else { return Ok(false) };
    let joined = end_before(storage, key, first, next).and_then(|end| {
        let position = Position::Behind(&end);
        Segment::open(storage, next, Mode::Read, key, position).map(drop)
    });
    match joined {
        Ok(()) => Ok(true),
        Err(error @ WalError::Io { .. }) => Err(error),
        Err(_) => Ok(false),
    }
}

/// The sequence from which on these segments, the last of the log, say that it is kept; 1 when they
/// say nothing.
///
/// A damaged segment is asked as well: frames that say so verify by themselves. `log` is the log's id
/// and the chain of segments without a header; another log's segments are not asked.
pub(crate) fn claimed_start(
    storage: &dyn Storage,
    key: Option<&Key>,
    segments: &[u64],
    log: Option<(LogId, &Chain)>,
) -> Result<u64, WalError> {
    for segment in segments.iter().rev() {
        let opened = Segment::open(storage, *segment, Mode::Read, key, Position::Anywhere);
        let start = match (opened, log) {
            (Ok(Opening::Segment(segment)), Some((id, _))) if segment.header.log_id != id => 1,
            (Ok(Opening::Segment(segment)), _) => start_in(storage, *segment)?,
            (Err(error), _) if !error.is_tampering() => return Err(error),
            (_, None) => 1,
            (_, Some((_, chain))) => {
                let name = segment_name(*segment);
                storage
                    .open(&name, Mode::Read)
                    .and_then(|file| {
                        claims_behind(file.as_ref(), chain, *segment, HASH_BYTES as u64)
                    })
                    .map_err(|source| io_error(storage, "read", &name, source))?
                    .log_start
            }
        };
        // The log start only moves on, so the last that says something says all.
        if start > 1 {
            return Ok(start);
        }
    }
    Ok(1)
}

/// The log's start by the control frames of a segment, without hashing its records.
fn start_in(storage: &dyn Storage, mut segment: Segment) -> Result<u64, WalError> {
    loop {
        segment
            .pass_records(u64::MAX)
            .map_err(|failure| unreadable(storage, &segment.name(), failure))?;
        match segment.step(storage) {
            Ok(SegmentStep::Record | SegmentStep::Control) => {}
            Ok(SegmentStep::End) => return Ok(segment.progress.log_start),
            Ok(SegmentStep::Damaged(_)) | Err(WalError::Corrupt { .. }) => {
                let (file, offset) = (segment.cursor.file().as_ref(), segment.cursor.offset());
                let claims = claims_behind(file, &segment.chain, segment.first_sequence, offset)
                    .map_err(|source| io_error(storage, "read", &segment.name(), source))?;
                return Ok(segment.progress.log_start.max(claims.log_start));
            }
            Err(error) => return Err(error),
        }
    }
}
