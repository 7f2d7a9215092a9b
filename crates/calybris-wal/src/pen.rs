//! The place where a log is written: the end of its last segment.

use crate::chain::{Chain, HASH_BYTES, Hash};
use crate::error::WalError;
use crate::format::control::DurableMark;
use crate::format::frame::{KIND_DATA, KIND_DURABLE_MARK, push_frame};
use crate::segment::{Segment, io_error, segment_name};
use crate::storage::{Storage, StoredFile, write_all};
use crate::writer::Receipt;

/// The end of a log and what is known about it.
pub(crate) struct Pen {
    first_sequence: u64,
    file: Box<dyn StoredFile>,
    chain: Chain,
    /// INVARIANT (hash in front): between two calls it holds the 32 bytes before `offset`, which
    /// are the hash that the next frame continues. Frames are built behind them, so that what is
    /// hashed is always one slice.
    buffer: Vec<u8>,
    /// Where the next frame goes, in bytes from the segment's start.
    offset: u64,
    /// How much of the segment is on disk, in bytes from its start.
    synced_offset: u64,
    sequence: u64,
    record_hash: Hash,
    /// Whether a record was written since the last durable mark.
    unmarked: bool,
    /// What the next write begins with: that everything before it is on disk.
    due_mark: Option<DurableMark>,
    /// Why nothing more is written.
    poisoned: Option<String>,
}

impl Pen {
    /// At the end of a segment that was recovered, all of which is on disk.
    pub(crate) fn at_end_of(storage: &dyn Storage, segment: Segment) -> Result<Self, WalError> {
        let name = segment.name();
        let Segment { first_sequence, chain, mut cursor, progress, .. } = segment;
        let offset = cursor.offset();
        let mut buffer = vec![0; HASH_BYTES];
        crate::storage::read_up_to(cursor.file(), offset - HASH_BYTES as u64, &mut buffer)
            .map_err(|source| io_error(storage, "read", &name, source))?;
        let mark = DurableMark { sequence: progress.sequence, offset };
        Ok(Self {
            first_sequence,
            file: cursor.into_file(),
            chain,
            buffer,
            offset,
            synced_offset: offset,
            sequence: progress.sequence,
            record_hash: progress.record_hash,
            unmarked: false,
            due_mark: progress.unmarked.then_some(mark),
            poisoned: None,
        })
    }

    /// The last record.
    pub(crate) fn head(&self) -> Receipt {
        Receipt { sequence: self.sequence, hash: self.record_hash }
    }

    /// Writes a record, with the mark that is due before it, in one call.
    pub(crate) fn append(
        &mut self,
        storage: &dyn Storage,
        payload: &[u8],
    ) -> Result<Receipt, WalError> {
        self.check()?;
        let sequence = self.sequence.checked_add(1).ok_or_else(|| WalError::Poisoned {
            cause: "the log has used up its sequences".to_owned(),
        })?;
        self.push_due_mark();
        let hash = push_frame(&mut self.buffer, &self.chain, KIND_DATA, sequence, payload);
        self.write_out(storage)?;
        self.sequence = sequence;
        self.record_hash = hash;
        self.unmarked = true;
        Ok(self.head())
    }

    /// Waits until everything written is on disk. The mark that says so goes with the next write.
    pub(crate) fn sync(&mut self, storage: &dyn Storage) -> Result<(), WalError> {
        self.check()?;
        if self.synced_offset == self.offset {
            return Ok(());
        }
        if let Err(source) = self.file.sync() {
            return Err(self.poison(storage, "sync", source));
        }
        self.synced_offset = self.offset;
        if self.unmarked {
            self.due_mark = Some(DurableMark { sequence: self.sequence, offset: self.offset });
            self.unmarked = false;
        }
        Ok(())
    }

    /// Syncs, and writes the mark that says so at once.
    pub(crate) fn finish(&mut self, storage: &dyn Storage) -> Result<(), WalError> {
        self.sync(storage)?;
        self.push_due_mark();
        self.write_out(storage)
    }

    fn push_due_mark(&mut self) {
        if let Some(mark) = self.due_mark.take() {
            let (sequence, payload) = (self.sequence, mark.encode());
            push_frame(&mut self.buffer, &self.chain, KIND_DURABLE_MARK, sequence, &payload);
        }
    }

    /// Writes the frames in the buffer and leaves the last one's hash in front.
    fn write_out(&mut self, storage: &dyn Storage) -> Result<(), WalError> {
        let frames = self.buffer.get(HASH_BYTES..).unwrap_or_default();
        if let Err(source) = write_all(self.file.as_mut(), self.offset, frames) {
            return Err(self.poison(storage, "write", source));
        }
        self.offset += frames.len() as u64;
        let last_hash = self.buffer.len() - HASH_BYTES;
        self.buffer.copy_within(last_hash.., 0);
        self.buffer.truncate(HASH_BYTES);
        Ok(())
    }

    fn check(&self) -> Result<(), WalError> {
        match &self.poisoned {
            None => Ok(()),
            Some(cause) => Err(WalError::Poisoned { cause: cause.clone() }),
        }
    }

    fn poison(
        &mut self,
        storage: &dyn Storage,
        action: &'static str,
        source: std::io::Error,
    ) -> WalError {
        let error = io_error(storage, action, &segment_name(self.first_sequence), source);
        self.poisoned = Some(error.to_string());
        error
    }
}
