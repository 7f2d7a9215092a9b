//! Builds the next frames of a log in memory.

use calybris_units::{BrokenInvariant, invariant};

use crate::chain::Chain;
use crate::error::WalError;
use crate::format::control::{DurableMark, SEAL_BYTES, Seal};
use crate::format::frame::{
    FRAME_OVERHEAD_BYTES, KIND_DATA, KIND_DURABLE_MARK, KIND_KEY_CHANGE, KIND_LOG_START, KIND_SEAL,
    push_frame,
};
use crate::format::header::SegmentHeader;
use crate::hash::{HASH_BYTES, Hash};
use crate::progress::Progress;
use crate::receipt::Receipt;
use crate::segment::SegmentEnd;

/// How much memory a buffer keeps for the next frames, in bytes: more than is gathered in it as a
/// rule. Memory that a long record took beyond that is given back.
const BUFFER_BYTES_KEPT: usize = 2 << 20;

/// The end of a log, with the frames that were built and not yet handed over to be written.
pub(crate) struct FrameBuilder {
    header: SegmentHeader,
    chain: Chain,
    /// INVARIANT (hash in front): it begins with the 32 bytes that stand before the first frame
    /// in it. Frames are built behind them, so the bytes to hash are always one slice.
    buffer: Vec<u8>,
    /// Where the frame after those in the buffer goes, in bytes from the segment's start.
    offset: u64,
    /// Where the bytes end that were handed over to be written, in bytes from the segment's start.
    handed_over: u64,
    /// The last record's sequence and hash, and the segment that is written.
    head: Receipt,
    /// How many records the segment holds.
    records: u64,
    /// The last sequence that a durable mark, or the beginning of the segment, claims.
    marked: u64,
    /// The mark that the next frame follows.
    due_mark: Option<DurableMark>,
    /// The sequence from which on the log is kept.
    log_start: u64,
}

impl FrameBuilder {
    /// At `offset` in a segment, behind `last_hash` and the frames that `progress` counts.
    pub(crate) fn new(
        header: SegmentHeader,
        chain: Chain,
        offset: u64,
        last_hash: Hash,
        progress: &Progress,
    ) -> Self {
        Self {
            header,
            chain,
            buffer: last_hash.as_bytes().to_vec(),
            offset,
            handed_over: offset,
            head: Receipt {
                sequence: progress.sequence,
                hash: progress.record_hash,
                segment: header.first_sequence,
            },
            records: progress.records,
            marked: progress.durable_sequence,
            due_mark: None,
            log_start: progress.log_start,
        }
    }

    /// The last record.
    pub(crate) fn head(&self) -> Receipt {
        self.head
    }

    /// The header of the segment that is written.
    pub(crate) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// How many records the segment holds.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Where the next frame goes, in bytes from the segment's start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// How long the segment would be if it ended with one more record, in bytes.
    pub(crate) fn length_with(&self, payload_bytes: usize) -> u64 {
        const MARK_BYTES: usize = FRAME_OVERHEAD_BYTES + 16;
        const ENDING_BYTES: usize = FRAME_OVERHEAD_BYTES + 8 + FRAME_OVERHEAD_BYTES + SEAL_BYTES;
        let record_bytes = FRAME_OVERHEAD_BYTES + payload_bytes;
        self.offset + (MARK_BYTES + record_bytes + ENDING_BYTES) as u64
    }

    /// Builds the frame of a record, behind the mark that is due.
    ///
    /// # Errors
    /// [`WalError::SequencesUsedUp`], and nothing is built; [`WalError::Internal`], after which nothing
    /// more may be built or written.
    pub(crate) fn push_record(&mut self, payload: &[u8]) -> Result<Receipt, WalError> {
        let sequence = self.head.sequence.checked_add(1).ok_or(WalError::SequencesUsedUp)?;
        self.push_due_mark()?;
        let hash = self.push(KIND_DATA, sequence, payload)?;
        self.head = Receipt { sequence, hash, segment: self.header.first_sequence };
        self.records += 1;
        Ok(self.head)
    }

    /// Takes note of a sync that covers the segment up to `offset` and the log up to `sequence`.
    pub(crate) fn note_synced(&mut self, sequence: u64, offset: u64) {
        if sequence > self.marked {
            self.marked = sequence;
            self.due_mark = Some(DurableMark { sequence, offset });
        }
    }

    /// Builds the mark that is due, if one is.
    pub(crate) fn push_due_mark(&mut self) -> Result<(), BrokenInvariant> {
        if let Some(mark) = self.due_mark.take() {
            self.push(KIND_DURABLE_MARK, self.head.sequence, &mark.encode())?;
        }
        Ok(())
    }

    /// The sequence from which on the log is kept.
    pub(crate) fn log_start(&self) -> u64 {
        self.log_start
    }

    /// Builds the frames that say that the log is kept from this sequence on.
    ///
    /// It says so twice, so that damage to one of the two frames does not make a log of what is left
    /// that lost its beginning.
    pub(crate) fn push_log_start(&mut self, sequence: u64) -> Result<(), BrokenInvariant> {
        self.push_due_mark()?;
        self.log_start = sequence;
        for _ in 0..2 {
            self.push(KIND_LOG_START, self.head.sequence, &sequence.to_le_bytes())?;
        }
        Ok(())
    }

    /// Builds the end of the segment, and returns the state that the next one continues.
    pub(crate) fn push_seal(&mut self, next_key_id: u64) -> Result<SegmentEnd, BrokenInvariant> {
        self.due_mark = None;
        let Receipt { sequence, hash: record_hash, .. } = self.head;
        if next_key_id != self.header.key_id {
            self.push(KIND_KEY_CHANGE, sequence, &next_key_id.to_le_bytes())?;
        }
        let (records, bytes, log_start) = (self.records, self.offset, self.log_start);
        let seal = Seal { records, bytes, record_hash, log_start };
        let seal = self.push(KIND_SEAL, sequence, &seal.encode())?;
        Ok(SegmentEnd { header: self.header, sequence, record_hash, log_start, next_key_id, seal })
    }

    fn push(&mut self, kind: u8, sequence: u64, payload: &[u8]) -> Result<Hash, BrokenInvariant> {
        let hash = push_frame(&mut self.buffer, &self.chain, kind, sequence, payload)?;
        self.offset += (FRAME_OVERHEAD_BYTES + payload.len()) as u64;
        Ok(hash)
    }

    /// The frames that were built and not handed over, and where they go.
    ///
    /// INVARIANT (nothing is left out): they follow the bytes that were handed over before, so no frame
    /// that was built can be missing from what is written.
    pub(crate) fn pending(&self) -> Result<(u64, &[u8]), BrokenInvariant> {
        let frames = self.buffer.get(HASH_BYTES..);
        let frames = invariant!(frames, "frames are built behind the hash before them")?;
        let follow = self.handed_over.checked_add(frames.len() as u64) == Some(self.offset);
        invariant!(follow.then_some(()), "frames follow the bytes that were handed over")?;
        Ok((self.handed_over, frames))
    }

    /// How many bytes of frames were built and not handed over.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.offset - self.handed_over
    }

    /// Forgets the pending frames, which were written.
    pub(crate) fn clear_pending(&mut self) -> Result<(), BrokenInvariant> {
        let last_hash = self.buffer.len().checked_sub(HASH_BYTES);
        let last_hash = invariant!(last_hash, "frames are built behind the hash before them")?;
        self.buffer.copy_within(last_hash.., 0);
        self.buffer.truncate(HASH_BYTES);
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.handed_over = self.offset;
        Ok(())
    }

    /// Hands the pending frames over in exchange for an empty buffer, behind 32 bytes of it.
    /// Says where they go.
    pub(crate) fn swap_pending(&mut self, other: &mut Vec<u8>) -> Result<u64, BrokenInvariant> {
        let (at, _) = self.pending()?;
        let last_hash = self.buffer.last_chunk::<HASH_BYTES>();
        let last_hash = invariant!(last_hash, "frames are built behind the hash before them")?;
        other.clear();
        other.shrink_to(BUFFER_BYTES_KEPT);
        other.extend_from_slice(last_hash);
        std::mem::swap(&mut self.buffer, other);
        self.handed_over = self.offset;
        Ok(at)
    }
}

#[cfg(test)]
impl FrameBuilder {
    /// Loses the frames that were built and not handed over, as a defect would.
    pub(crate) fn lose_frames(&mut self) {
        self.buffer.truncate(HASH_BYTES);
    }

    /// Loses a part of the hash that the next frame continues.
    pub(crate) fn lose_last_hash(&mut self) {
        self.buffer.truncate(HASH_BYTES - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::LogId;

    #[test]
    fn a_long_record_leaves_no_memory_behind() {
        let header = SegmentHeader { max_record_bytes: 256 << 20, ..SegmentHeader::FIRST };
        let chain = Chain::new(LogId::from_bytes([1; 16]), None);
        let progress = Progress::at_start(&header, Hash::ZERO);
        let mut builder = FrameBuilder::new(header, chain, 144, Hash::ZERO, &progress);
        let long = vec![7; 3 * BUFFER_BYTES_KEPT];
        builder.push_record(&long).unwrap();
        builder.clear_pending().unwrap();
        assert!(builder.buffer.capacity() <= BUFFER_BYTES_KEPT);

        // One buffer is written while the other is filled: each is given back when its turn comes.
        let mut other = Vec::new();
        builder.push_record(&long).unwrap();
        builder.swap_pending(&mut other).unwrap();
        assert!(other.len() > long.len());
        builder.swap_pending(&mut other).unwrap();
        assert!(builder.buffer.capacity() <= BUFFER_BYTES_KEPT);
    }
}
