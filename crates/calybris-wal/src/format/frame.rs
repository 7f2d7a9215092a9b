//! A frame: 16 bytes of header, the payload, 32 bytes of hash.

use calybris_units::{BrokenInvariant, invariant};

use crate::chain::Chain;
use crate::error::Damage;
use crate::format::crc16::crc16;
use crate::hash::{HASH_BYTES, Hash};

/// The length of a frame's header, in bytes.
pub(crate) const FRAME_HEADER_BYTES: usize = 16;

/// How much longer than its payload a frame is, in bytes.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = FRAME_HEADER_BYTES + HASH_BYTES;

/// The kind of a frame that holds a record.
pub(crate) const KIND_DATA: u8 = 1;
/// The kind of a frame that says how much of the segment is known to be synced.
pub(crate) const KIND_DURABLE_MARK: u8 = 2;
/// The kind of the last frame of a finished segment.
pub(crate) const KIND_SEAL: u8 = 3;
/// The kind of the frame with which the old key vouches for the next segment's key.
pub(crate) const KIND_KEY_CHANGE: u8 = 4;
/// The kind of the frame that says where the log begins since its oldest segments were dropped.
pub(crate) const KIND_LOG_START: u8 = 5;

/// The longest payload that a control frame may have, in bytes.
const CONTROL_BYTES_MAX: u32 = 4096;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The payload's length, in bytes.
    pub(crate) length: u32,
    /// The frame's kind.
    pub(crate) kind: u8,
    /// No flag is defined yet.
    pub(crate) flags: u8,
    /// The record's sequence; in a control frame that of the last record before it.
    pub(crate) sequence: u64,
}

impl FrameHeader {
    pub(crate) fn encode(self) -> [u8; FRAME_HEADER_BYTES] {
        let word =
            u64::from(self.length) | (u64::from(self.kind) << 32) | (u64::from(self.flags) << 40);
        let [a, b, c, d, kind, flags, ..] = word.to_le_bytes();
        let [s0, s1, s2, s3, s4, s5, s6, s7] = self.sequence.to_le_bytes();
        let covered = [a, b, c, d, kind, flags, s0, s1, s2, s3, s4, s5, s6, s7];
        let [x, y] = crc16(&covered).to_le_bytes();
        [a, b, c, d, kind, flags, x, y, s0, s1, s2, s3, s4, s5, s6, s7]
    }

    /// Reads a header. `None` when its checksum does not match.
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let [a, b, c, d, kind, flags, x, y, s0, s1, s2, s3, s4, s5, s6, s7] = *bytes;
        let covered = [a, b, c, d, kind, flags, s0, s1, s2, s3, s4, s5, s6, s7];
        (crc16(&covered) == u16::from_le_bytes([x, y])).then_some(Self {
            length: u32::from_le_bytes([a, b, c, d]),
            kind,
            flags,
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        })
    }

    /// Whether the payload is longer than one of this kind may be, in a log with this limit of
    /// records.
    pub(crate) fn is_too_long(self, max_record_bytes: u32) -> bool {
        let most = if self.kind == KIND_DATA { max_record_bytes } else { CONTROL_BYTES_MAX };
        self.length > most
    }

    /// The length of the whole frame, in bytes; that of all memory, if memory is not as long.
    pub(crate) fn frame_bytes(self) -> usize {
        FRAME_OVERHEAD_BYTES.saturating_add(self.length as usize)
    }
}

/// Appends a frame to `buffer`, whose last 32 bytes are the hash before it. If an invariant is broken,
/// the buffer is as it was or unfit for use.
pub(crate) fn push_frame(
    buffer: &mut Vec<u8>,
    chain: &Chain,
    kind: u8,
    sequence: u64,
    payload: &[u8],
) -> Result<Hash, BrokenInvariant> {
    let start = buffer.len().checked_sub(HASH_BYTES);
    let start = invariant!(start, "frames are built behind the hash before them")?;
    // INVARIANT (record limit): every payload is at most RECORD_BYTES_CAP long, which is checked
    // where a record is appended; control payloads are shorter.
    let length = u32::try_from(payload.len()).ok();
    let length = invariant!(length, "a payload is as long as a record may be")?;
    buffer.reserve(FRAME_OVERHEAD_BYTES + payload.len());
    buffer.extend_from_slice(&FrameHeader { length, kind, flags: 0, sequence }.encode());
    buffer.extend_from_slice(payload);
    let hashed = invariant!(buffer.get(start..), "a frame only makes the buffer longer")?;
    let hash = chain.frame_hash(hashed);
    buffer.extend_from_slice(hash.as_bytes());
    Ok(hash)
}

/// Splits the frame off the front of `bytes`, which begin with the 32 bytes of the hash before it
/// and hold the whole frame whose header is `header`.
///
/// Answers the payload and the frame's own hash when that hash verifies.
pub(crate) fn open_frame<'a>(
    bytes: &'a [u8],
    chain: &Chain,
    header: FrameHeader,
) -> Result<(&'a [u8], Hash), Damage> {
    let behind_header = bytes.get(HASH_BYTES + FRAME_HEADER_BYTES..).ok_or(Damage::CutShort)?;
    let parts = behind_header.split_at_checked(header.length as usize);
    let (payload, rest) = parts.ok_or(Damage::CutShort)?;
    let hash = Hash::from_bytes(*rest.first_chunk().ok_or(Damage::CutShort)?);
    let hashed = bytes.get(..bytes.len() - rest.len()).ok_or(Damage::CutShort)?;
    if chain.frame_hash(hashed) != hash {
        return Err(Damage::Hash);
    }
    Ok((payload, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::LogId;

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_is_seen() {
        let header =
            FrameHeader { length: 0x0102_0304, kind: 1, flags: 0x81, sequence: u64::MAX - 6 };
        let bytes = header.encode();
        assert_eq!(FrameHeader::decode(&bytes), Some(header));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_verifies_against_the_hash_before_it_and_no_other() {
        let chain = Chain::new(LogId::from_bytes([3; 16]), None);
        let mut buffer = vec![9; 32];
        let hash = push_frame(&mut buffer, &chain, KIND_DATA, 1, b"payload").unwrap();
        let header = FrameHeader::decode(buffer[32..48].try_into().unwrap()).unwrap();
        assert_eq!(header.frame_bytes(), buffer.len() - 32);
        let (payload, found) = open_frame(&buffer, &chain, header).unwrap();
        assert_eq!((payload, found), (&b"payload"[..], hash));
        let other_log = Chain::new(LogId::from_bytes([4; 16]), None);
        assert_eq!(open_frame(&buffer, &other_log, header), Err(Damage::Hash));
        buffer[0] ^= 1;
        assert_eq!(open_frame(&buffer, &chain, header), Err(Damage::Hash));
    }
}
