//! The payloads of control frames.

use crate::chain::Hash;
use crate::format::array_at;

/// A durable mark: what was synced before the mark was written.
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

/// A seal: what a finished segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    /// How many records the segment holds.
    pub(crate) records: u64,
    /// How long the segment is before the seal, in bytes from its start.
    pub(crate) bytes: u64,
    /// The root of the Merkle tree over the segment's records.
    pub(crate) merkle_root: Hash,
    /// The hash of the log's last record.
    pub(crate) record_hash: Hash,
}

/// The length of a seal's payload, in bytes.
pub(crate) const SEAL_BYTES: usize = 80;

impl Seal {
    /// `None` when the payload is not of a seal's length.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let whole = (payload.len() == SEAL_BYTES).then_some(payload)?;
        Some(Self {
            records: u64::from_le_bytes(array_at(whole, 0)?),
            bytes: u64::from_le_bytes(array_at(whole, 8)?),
            merkle_root: array_at(whole, 16)?,
            record_hash: array_at(whole, 48)?,
        })
    }
}
