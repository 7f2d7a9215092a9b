//! The payloads of control frames.

use crate::format::array_at;
use crate::hash::Hash;

/// A durable mark: how far the log was synced before the mark was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurableMark {
    /// The last sequence that is known to be on disk.
    pub(crate) sequence: u64,
    /// How much of this segment is known to be on disk, in bytes from its start.
    pub(crate) offset: u64,
}

/// The length of a durable mark's payload, in bytes.
pub(crate) const DURABLE_MARK_BYTES: usize = 16;

impl DurableMark {
    pub(crate) fn encode(self) -> [u8; DURABLE_MARK_BYTES] {
        (u128::from(self.sequence) | (u128::from(self.offset) << 64)).to_le_bytes()
    }

    /// `None` when the payload is not of a mark's length.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let whole = (payload.len() == DURABLE_MARK_BYTES).then_some(payload)?;
        Some(Self {
            sequence: u64::from_le_bytes(array_at(whole, 0)?),
            offset: u64::from_le_bytes(array_at(whole, 8)?),
        })
    }
}

/// A seal: the contents of a finished segment, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    /// How many records the segment holds.
    pub(crate) records: u64,
    /// How long the segment is before the seal, in bytes from its start.
    pub(crate) bytes: u64,
    /// The hash of the log's last record.
    pub(crate) record_hash: Hash,
    /// The sequence from which on the log is kept.
    pub(crate) log_start: u64,
}

/// The length of a seal's payload, in bytes.
pub(crate) const SEAL_BYTES: usize = 56;

impl Seal {
    pub(crate) fn encode(self) -> [u8; SEAL_BYTES] {
        let mut payload = [0; SEAL_BYTES];
        let numbers = (u128::from(self.records) | (u128::from(self.bytes) << 64)).to_le_bytes();
        let start = self.log_start.to_le_bytes();
        let fields = numbers.iter().chain(self.record_hash.as_bytes()).chain(&start);
        payload.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        payload
    }

    /// `None` when the payload is not of a seal's length.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let whole = (payload.len() == SEAL_BYTES).then_some(payload)?;
        Some(Self {
            records: u64::from_le_bytes(array_at(whole, 0)?),
            bytes: u64::from_le_bytes(array_at(whole, 8)?),
            record_hash: Hash::from_bytes(array_at(whole, 16)?),
            log_start: u64::from_le_bytes(array_at(whole, 48)?),
        })
    }
}

/// The length of the payload of a key change, which is the id of the next segment's key, and of a
/// log start, which is the sequence from which on the log is kept; in bytes.
pub(crate) const NUMBER_BYTES: usize = 8;

/// The number in a key change or a log start. `None` when the payload is not of its length.
pub(crate) fn decode_number(payload: &[u8]) -> Option<u64> {
    let whole: &[u8; NUMBER_BYTES] = payload.try_into().ok()?;
    Some(u64::from_le_bytes(*whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_payloads_read_back_at_their_own_length_only() {
        let mark = DurableMark { sequence: 3, offset: u64::MAX };
        assert_eq!(DurableMark::decode(&mark.encode()), Some(mark));
        assert_eq!(DurableMark::decode(&mark.encode()[1..]), None);
        let seal = Seal {
            records: 1,
            bytes: u64::MAX,
            record_hash: Hash::from_bytes([7; 32]),
            log_start: 4,
        };
        assert_eq!(Seal::decode(&seal.encode()), Some(seal));
        assert_eq!(Seal::decode(&[0; SEAL_BYTES + 1]), None);
        assert_eq!(decode_number(&9_u64.to_le_bytes()), Some(9));
        assert_eq!(decode_number(&[9]), None);
    }
}
