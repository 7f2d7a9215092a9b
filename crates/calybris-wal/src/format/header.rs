//! The header of a segment: 144 bytes that say which log this is and where it continues.

use calybris_units::{BrokenInvariant, invariant};

use crate::chain::{Chain, checksum};
use crate::format::array_at;
use crate::hash::{HASH_BYTES, Hash, LogId};

/// The length of a segment's header, in bytes.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 144;

/// The first bytes of every segment. The bit above ASCII, the line ends and the end-of-file byte
/// are there to be broken by a transfer that rewrites text.
pub(crate) const MAGIC: [u8; 8] = *b"\x89CWL\r\n\x1a\n";

/// The version of the format that this crate writes.
pub(crate) const FORMAT_VERSION: u16 = 1;

/// The greatest payload length that a header may allow, in bytes: 256 MiB.
pub(crate) const RECORD_BYTES_CAP: u32 = 256 << 20;

const HASHED_BYTES: usize = SEGMENT_HEADER_BYTES - HASH_BYTES;
const CHECKSUMMED_BYTES: usize = HASHED_BYTES - 8;
const _: () = assert!(CHECKSUMMED_BYTES == 104);

/// How a log's hashes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    HmacSha256,
}

/// The fields of a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) algorithm: Algorithm,
    pub(crate) codec: u8,
    pub(crate) log_id: LogId,
    /// The segment's place in the log, from 0.
    pub(crate) index: u64,
    /// The sequence of the first record in the segment.
    pub(crate) first_sequence: u64,
    pub(crate) schema_id: u64,
    /// 0 in a log that is not keyed.
    pub(crate) key_id: u64,
    pub(crate) max_record_bytes: u32,
    /// The hash of the seal before; zeros in the first segment.
    pub(crate) previous_hash: Hash,
}

/// Why bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// The bytes are no header, or one that was changed.
    Damaged,
    /// A header of a newer format: the part, and the value found.
    Newer(&'static str, u64),
}

impl SegmentHeader {
    /// The header's bytes, its hash at the end.
    pub(crate) fn encode(
        &self,
        chain: &Chain,
    ) -> Result<[u8; SEGMENT_HEADER_BYTES], BrokenInvariant> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.push(match self.algorithm {
            Algorithm::Sha256 => 1,
            Algorithm::HmacSha256 => 2,
        });
        bytes.push(self.codec);
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(self.log_id.as_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        bytes.extend_from_slice(&self.schema_id.to_le_bytes());
        bytes.extend_from_slice(&self.key_id.to_le_bytes());
        bytes.extend_from_slice(&self.max_record_bytes.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(self.previous_hash.as_bytes());
        bytes.extend_from_slice(&checksum(&bytes));
        bytes.extend_from_slice(chain.segment_hash(&bytes).as_bytes());
        invariant!(bytes.try_into().ok(), "the fields of a header have its length")
    }

    /// Reads a header. Its checksum is checked here; its hash, which needs the key, is checked by
    /// [`SegmentHeader::hash_matches`].
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        let (magic, version, algorithm, codec) = (
            array_at::<8>(bytes, 0),
            u16::from_le_bytes(field(bytes, 8)?),
            u8::from_le_bytes(field(bytes, 10)?),
            u8::from_le_bytes(field(bytes, 11)?),
        );
        let covered: [u8; CHECKSUMMED_BYTES] = field(bytes, 0)?;
        let sums_up = array_at::<8>(bytes, CHECKSUMMED_BYTES) == Some(checksum(&covered));
        if magic != Some(MAGIC) || !sums_up {
            return Err(HeaderFault::Damaged);
        }
        // The checksum stands at the same place in every version, so what follows is not damage.
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Newer("format version", version.into()));
        }
        let algorithm = match algorithm {
            1 => Algorithm::Sha256,
            2 => Algorithm::HmacSha256,
            other => return Err(HeaderFault::Newer("hash algorithm", other.into())),
        };
        if codec != crate::codec::CODEC_BINCODE_2 {
            return Err(HeaderFault::Newer("payload codec", codec.into()));
        }
        let flags = u32::from_le_bytes(field(bytes, 12)?);
        let reserved = u32::from_le_bytes(field(bytes, 68)?);
        if flags != 0 || reserved != 0 {
            return Err(HeaderFault::Newer("header flag", u64::from(flags | reserved)));
        }
        let max_record_bytes = u32::from_le_bytes(field(bytes, 64)?);
        if max_record_bytes > RECORD_BYTES_CAP {
            return Err(HeaderFault::Newer("record limit", max_record_bytes.into()));
        }
        let key_id = u64::from_le_bytes(field(bytes, 56)?);
        if algorithm == Algorithm::Sha256 && key_id != 0 {
            return Err(HeaderFault::Newer("key id", key_id));
        }
        Ok(Self {
            algorithm,
            codec,
            log_id: LogId::from_bytes(field(bytes, 16)?),
            index: u64::from_le_bytes(field(bytes, 32)?),
            first_sequence: u64::from_le_bytes(field(bytes, 40)?),
            schema_id: u64::from_le_bytes(field(bytes, 48)?),
            key_id,
            max_record_bytes,
            previous_hash: Hash::from_bytes(field(bytes, 72)?),
        })
    }

    /// Whether the hash at the end of `bytes` is theirs in `chain`.
    pub(crate) fn hash_matches(bytes: &[u8; SEGMENT_HEADER_BYTES], chain: &Chain) -> bool {
        bytes
            .split_last_chunk()
            .is_some_and(|(hashed, hash)| chain.segment_hash(hashed) == Hash::from_bytes(*hash))
    }
}

/// The hash at the end of a header.
pub(crate) fn hash_in(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Hash, BrokenInvariant> {
    let hash = invariant!(bytes.last_chunk(), "a header is longer than its hash")?;
    Ok(Hash::from_bytes(*hash))
}

/// A field of a header, which always lies inside it.
fn field<const N: usize>(
    bytes: &[u8; SEGMENT_HEADER_BYTES],
    at: usize,
) -> Result<[u8; N], HeaderFault> {
    array_at(bytes, at).ok_or(HeaderFault::Damaged)
}

#[cfg(test)]
impl SegmentHeader {
    /// The first header of a log for tests, which say what else theirs are.
    pub(crate) const FIRST: Self = Self {
        algorithm: Algorithm::Sha256,
        codec: crate::codec::CODEC_BINCODE_2,
        log_id: LogId::from_bytes([1; 16]),
        index: 0,
        first_sequence: 1,
        schema_id: 1,
        key_id: 0,
        max_record_bytes: 1 << 20,
        previous_hash: Hash::ZERO,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            algorithm: Algorithm::Sha256,
            codec: 1,
            log_id: LogId::from_bytes([1; 16]),
            index: 2,
            first_sequence: 3,
            schema_id: 4,
            key_id: 0,
            max_record_bytes: 5,
            previous_hash: Hash::from_bytes([6; 32]),
        }
    }

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_is_damage() {
        let chain = Chain::new(LogId::from_bytes([1; 16]), None);
        let bytes = header().encode(&chain).unwrap();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        assert!(SegmentHeader::hash_matches(&bytes, &chain));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let verdict = SegmentHeader::decode(&flipped);
            if bit < 8 * HASHED_BYTES {
                assert_eq!(verdict, Err(HeaderFault::Damaged), "bit {bit}");
            } else {
                assert!(!SegmentHeader::hash_matches(&flipped, &chain), "bit {bit}");
            }
        }
    }

    #[test]
    fn bytes_of_anything_else_are_damage() {
        for byte in [0, b'x', 0xFF] {
            assert_eq!(SegmentHeader::decode(&[byte; 144]), Err(HeaderFault::Damaged));
        }
    }

    #[test]
    fn what_is_newer_is_named() {
        let chain = Chain::new(LogId::from_bytes([1; 16]), None);
        for (at, value, feature, found) in [
            (8, 2, "format version", 2),
            (10, 3, "hash algorithm", 3),
            (11, 9, "payload codec", 9),
            (15, 128, "header flag", 128 << 24),
            (71, 1, "header flag", 1 << 24),
            (67, 0x20, "record limit", (0x20 << 24) + 5),
        ] {
            let mut bytes = header().encode(&chain).unwrap();
            bytes[at] = value;
            let sum = checksum(&bytes[..CHECKSUMMED_BYTES]);
            bytes[CHECKSUMMED_BYTES..HASHED_BYTES].copy_from_slice(&sum);
            let verdict = SegmentHeader::decode(&bytes);
            assert_eq!(verdict, Err(HeaderFault::Newer(feature, found)));
        }
    }

    #[test]
    fn a_record_limit_may_be_what_any_log_may_have_at_most() {
        let chain = Chain::new(LogId::from_bytes([1; 16]), None);
        let limited = |max_record_bytes| SegmentHeader { max_record_bytes, ..header() };
        let most = limited(RECORD_BYTES_CAP);
        assert_eq!(SegmentHeader::decode(&most.encode(&chain).unwrap()), Ok(most));
        let more = limited(RECORD_BYTES_CAP + 1).encode(&chain).unwrap();
        assert!(matches!(SegmentHeader::decode(&more), Err(HeaderFault::Newer("record limit", _))));
    }
}
