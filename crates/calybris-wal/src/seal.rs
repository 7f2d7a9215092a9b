//! Reads the end of a finished segment from its seal, without reading its records.

use crate::error::{Damage, WalError};
use crate::format::control::{SEAL_BYTES, Seal, decode_number};
use crate::format::frame::{
    FRAME_OVERHEAD_BYTES, FrameHeader, KIND_KEY_CHANGE, KIND_SEAL, open_frame,
};
use crate::hash::{HASH_BYTES, Hash};
use crate::key::Key;
use crate::segment::{KEY_CHANGE_FRAME_BYTES, Opening, Position, Segment, SegmentEnd};
use crate::storage::{Mode, Storage, io_error, read_up_to};

const SEAL_FRAME_BYTES: usize = FRAME_OVERHEAD_BYTES + SEAL_BYTES;

/// How the segment that begins with the sequence `first` ended, if that with `next` follows it.
/// Its own place in the log is not looked at.
pub(crate) fn end_before(
    storage: &dyn Storage,
    key: Option<&Key>,
    first: u64,
    next: u64,
) -> Result<SegmentEnd, WalError> {
    match Segment::open(storage, first, Mode::Read, key, Position::Anywhere)? {
        Opening::Segment(segment) => sealed_end(storage, &segment, next),
        Opening::Unfinished(_) => Err(WalError::segment_damaged(first, Damage::Header)),
    }
}

/// How a segment that has a successor ended. The successor's first sequence is `next`.
///
/// This verifies the seal's own hash and its statements about the segment as a whole; damage
/// to the records is for [`verify`](crate::verify()) to find.
pub(crate) fn sealed_end(
    storage: &dyn Storage,
    segment: &Segment,
    next: u64,
) -> Result<SegmentEnd, WalError> {
    let name = segment.name();
    let file = segment.cursor.file();
    let length =
        file.length().map_err(|source| io_error(storage, "read the length of", &name, source))?;
    let offset = length.saturating_sub(SEAL_FRAME_BYTES as u64);
    let mut tail = [0; HASH_BYTES + KEY_CHANGE_FRAME_BYTES + SEAL_FRAME_BYTES];
    let from = length.saturating_sub(tail.len() as u64);
    read_up_to(file.as_ref(), from, &mut tail)
        .map_err(|source| io_error(storage, "read", &name, source))?;

    let seal = frame_in(&tail, KEY_CHANGE_FRAME_BYTES, segment, KIND_SEAL)
        .and_then(|(payload, hash)| Some((Seal::decode(payload)?, hash)))
        .filter(|(seal, _)| seal.bytes == offset);
    let Some((seal, hash)) = seal else {
        let (segment, what) = (segment.first_sequence, Damage::Unsealed);
        return Err(WalError::Corrupt { segment, offset, sequence: next, what });
    };
    // A seal may hold any number; one that is too great is not `next`.
    let continued_at = segment.first_sequence.saturating_add(seal.records);
    if continued_at > next {
        return Err(WalError::segment_damaged(next, Damage::Overlap));
    }
    if continued_at < next {
        return Err(WalError::MissingSegment { segment: continued_at });
    }
    let key_change = frame_in(&tail, 0, segment, KIND_KEY_CHANGE)
        .and_then(|(payload, _)| decode_number(payload))
        .filter(|_| segment.progress.keyed);
    Ok(SegmentEnd {
        header: segment.header,
        sequence: next - 1,
        record_hash: seal.record_hash,
        log_start: seal.log_start,
        next_key_id: key_change.unwrap_or(segment.header.key_id),
        seal: hash,
    })
}

/// The payload and the hash of a frame of this kind behind the hash at `at`, if there is one.
fn frame_in<'a>(
    tail: &'a [u8],
    at: usize,
    segment: &Segment,
    kind: u8,
) -> Option<(&'a [u8], Hash)> {
    let bytes = tail.get(at..)?;
    let header = FrameHeader::decode(bytes.get(HASH_BYTES..)?.first_chunk()?)?;
    if header.kind != kind {
        return None;
    }
    let (payload, hash) = open_frame(bytes, &segment.chain, header).ok()?;
    Some((payload, hash))
}
