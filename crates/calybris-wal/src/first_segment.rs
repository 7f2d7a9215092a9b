//! Finds the segment that a log begins with, where a retention was cut short.
//!
//! A retention says in the log from which segment on the log is kept, and then removes those before
//! it. A crash in between leaves some of them, and not always the last ones: a file system may
//! bring removals to the disk in any order. A gap wholly before the segment that the log says it is
//! kept from is therefore no damage, and the log begins behind it.

use crate::chain::{Chain, HASH_BYTES};
use crate::error::WalError;
use crate::key::Key;
use crate::seal::end_before;
use crate::segment::{Opening, Position, Segment, SegmentStep, io_error, segment_name};
use crate::storage::{Mode, Storage};
use crate::tail::claims_behind;

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
    // What is missing is for those to judge who read the log from its first segment on.
    let Ok(kept) = segments.binary_search(&start) else { return Ok(0) };
    // Segments that are left from before belong to it as far as each continues the one before.
    let before = segments.get(..=kept).unwrap_or_default();
    let joined = before.windows(2).rev().take_while(|pair| is_joined(storage, key, pair));
    Ok(kept - joined.count())
}

/// Whether none is missing between the first and the last. What cannot be opened is left to those to
/// report who read it.
fn is_gapless(storage: &dyn Storage, key: Option<&Key>, segments: &[u64]) -> bool {
    let [first, .., last] = segments else { return true };
    let open = |segment| Segment::open(storage, segment, Mode::Read, key, Position::Anywhere);
    let header = match open(*first) {
        Ok(Opening::Segment(segment)) => segment.header,
        Ok(Opening::Unfinished(_)) => return false,
        Err(error) => return !error.is_tampering(),
    };
    match open(*last) {
        Ok(Opening::Segment(segment)) => {
            segment.header.log_id == header.log_id
                && segment.header.index.wrapping_sub(header.index) == segments.len() as u64 - 1
        }
        // It has not begun yet.
        Ok(Opening::Unfinished(_)) => {
            segments.split_last().is_none_or(|(_, others)| is_gapless(storage, key, others))
        }
        Err(error) => !error.is_tampering(),
    }
}

fn is_joined(storage: &dyn Storage, key: Option<&Key>, pair: &[u64]) -> bool {
    let &[first, next] = pair else { return false };
    end_before(storage, key, first, next).is_ok_and(|end| {
        let position = Position::Behind(&end);
        Segment::open(storage, next, Mode::Read, key, position).is_ok()
    })
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
    log: Option<([u8; 16], &Chain)>,
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
                    .and_then(|file| claims_behind(file.as_ref(), chain, HASH_BYTES as u64))
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

/// What a segment says of the log's start, without hashing its records.
fn start_in(storage: &dyn Storage, mut segment: Segment) -> Result<u64, WalError> {
    loop {
        let unreadable =
            |source, segment: &Segment| io_error(storage, "read", &segment.name(), source);
        segment.pass_records(u64::MAX).map_err(|source| unreadable(source, &segment))?;
        match segment.step(storage) {
            Ok(SegmentStep::Record | SegmentStep::Control) => {}
            Ok(SegmentStep::End) => return Ok(segment.progress.log_start),
            Ok(SegmentStep::Damaged(_)) | Err(WalError::Corrupt { .. }) => {
                let (file, offset) = (segment.cursor.file().as_ref(), segment.cursor.offset());
                let claims = claims_behind(file, &segment.chain, offset)
                    .map_err(|source| unreadable(source, &segment))?;
                return Ok(segment.progress.log_start.max(claims.log_start));
            }
            Err(error) => return Err(error),
        }
    }
}
