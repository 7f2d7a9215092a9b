//! Frames of a segment that were read and are not verified yet, and how far the segment was read.
//!
//! Any frame verifies from the bytes before it. Stepping over the headers of frames is quickly done, so one thread can
//! read ahead while others verify what was read before.

use std::io;
use std::sync::Arc;

use calybris_units::invariant;

use crate::chain::Chain;
use crate::cursor::Frame;
use crate::error::WalError;
use crate::format::frame::{FRAME_HEADER_BYTES, FrameHeader, KIND_DATA, open_frame};
use crate::hash::{HASH_BYTES, Hash};
use crate::progress::Reached;
use crate::record::RecordRef;
use crate::segment::Segment;
use crate::storage::{StoredFile, read_up_to};

/// How much is read at once, in bytes.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// The longest frame that is read ahead, in bytes. A chunk that is longer than the others holds just one.
const FRAME_BYTES_MAX: usize = 256 << 10;

/// Whole frames of one segment, in order. They are not verified yet.
pub(crate) struct Chunk {
    chain: Arc<Chain>,
    /// The segment, by the sequence of its first record.
    segment: u64,
    /// Where the frames begin.
    start: Reached,
    /// The hash before the frames, the frames, and what was read behind them.
    bytes: Vec<u8>,
    /// The headers of the frames.
    headers: Vec<FrameHeader>,
}

impl Chunk {
    /// Whether every frame verifies.
    pub(crate) fn verifies(&self) -> bool {
        let mut rest = self.bytes.as_slice();
        self.headers.iter().all(|header| {
            let verifies = open_frame(rest, &self.chain, *header).is_ok();
            let behind = rest.get(header.frame_bytes()..);
            rest = behind.unwrap_or_default();
            verifies && behind.is_some()
        })
    }

    /// Where the frames begin.
    pub(crate) fn start(&self) -> Reached {
        self.start
    }

    /// Where the frames end, in bytes from the segment's start.
    pub(crate) fn end_offset(&self) -> u64 {
        let bytes: usize = self.headers.iter().map(|header| header.frame_bytes()).sum();
        self.start.offset + bytes as u64
    }

    /// The records among the frames. They mean something only if the chunk [verifies](Self::verifies).
    pub(crate) fn records(&self) -> Records<'_> {
        Records {
            segment: self.segment,
            offset: self.start.offset,
            rest: &self.bytes,
            headers: self.headers.iter(),
        }
    }

    /// The hash of the record with that sequence, if it is among the frames.
    pub(crate) fn hash_of(&self, sequence: u64) -> Option<Hash> {
        let mut records = self.records().flatten();
        records.find(|record| record.sequence() == sequence).map(|record| record.hash())
    }
}

/// Records of a log that follow one another, each verified and lent.
#[derive(Debug)]
pub struct Records<'a> {
    segment: u64,
    offset: u64,
    /// The hash before the next frame, the frame, and what follows it.
    rest: &'a [u8],
    headers: std::slice::Iter<'a, FrameHeader>,
}

impl<'a> Records<'a> {
    /// The next frame, and the hash before it.
    fn step(&mut self, header: FrameHeader) -> Option<(Frame<'a>, Hash)> {
        let bytes = self.rest;
        let frame = frame_in(bytes.get(HASH_BYTES..)?, header, self.offset)?;
        let previous_hash = Hash::from_bytes(*bytes.first_chunk()?);
        self.rest = bytes.get(header.frame_bytes()..)?;
        self.offset += header.frame_bytes() as u64;
        Some((frame, previous_hash))
    }
}

impl<'a> Iterator for Records<'a> {
    /// The error is [`WalError::Internal`] and no other.
    type Item = Result<RecordRef<'a>, WalError>;

    fn next(&mut self) -> Option<Result<RecordRef<'a>, WalError>> {
        loop {
            let header = *self.headers.next()?;
            let read = self.step(header);
            let (frame, previous_hash) = match invariant!(read, "a chunk holds whole frames") {
                Ok(read) => read,
                Err(broken) => return Some(Err(broken.into())),
            };
            if header.kind == KIND_DATA {
                return Some(Ok(RecordRef::new(frame, previous_hash, self.segment)));
            }
        }
    }
}

/// The frame with this header that `bytes` begin with.
fn frame_in(bytes: &[u8], header: FrameHeader, offset: u64) -> Option<Frame<'_>> {
    let payload_end = FRAME_HEADER_BYTES + header.length as usize;
    let payload = bytes.get(FRAME_HEADER_BYTES..payload_end)?;
    let hash = bytes.get(payload_end..)?.first_chunk()?;
    Some(Frame { header, offset, payload, hash })
}

/// How far a segment was read ahead.
pub(crate) struct ReadAhead {
    file: Arc<dyn StoredFile>,
    chain: Arc<Chain>,
    segment: u64,
    max_record_bytes: u32,
    place: Reached,
    ended: bool,
}

impl ReadAhead {
    /// Reads ahead from where the segment was verified.
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            file: Arc::clone(segment.cursor.file()),
            chain: Arc::new(segment.chain.clone()),
            segment: segment.first_sequence,
            max_record_bytes: segment.header.max_record_bytes,
            place: Reached { offset: segment.cursor.offset(), progress: segment.progress },
            ended: false,
        }
    }

    /// Where the next frame begins.
    pub(crate) fn place(&self) -> Reached {
        self.place
    }

    /// Reads nothing more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// An empty chunk.
    pub(crate) fn chunk(&self) -> Chunk {
        let (chain, bytes, headers) = (Arc::clone(&self.chain), Vec::new(), Vec::new());
        Chunk { chain, segment: self.segment, start: self.place, bytes, headers }
    }

    /// Reads the next whole frames that are in order into the chunk, up to the first record for which `stop` answers
    /// yes. `false` when there are none: then nothing more is read.
    ///
    /// What is not in order, or cannot be read, is left to the [`LogScan`](crate::log_scan::LogScan), which alone knows what damage
    /// means.
    pub(crate) fn read(&mut self, chunk: &mut Chunk, stop: impl Fn(&[u8]) -> bool) -> bool {
        self.ended = self.ended || self.read_whole(chunk, stop).is_none();
        !self.ended
    }

    /// Reads a chunk of the usual length, or one frame that is longer.
    fn read_whole(&mut self, chunk: &mut Chunk, stop: impl Fn(&[u8]) -> bool) -> Option<()> {
        if chunk.segment != self.segment {
            chunk.segment = self.segment;
            chunk.chain = Arc::clone(&self.chain);
        }
        chunk.start = self.place;
        self.read_frames(chunk, CHUNK_BYTES, &stop).ok()?;
        if chunk.headers.is_empty() {
            let header = chunk.bytes.get(HASH_BYTES..)?.first_chunk();
            let frame_bytes = header.and_then(FrameHeader::decode)?.frame_bytes();
            if frame_bytes > CHUNK_BYTES && frame_bytes <= FRAME_BYTES_MAX {
                self.read_frames(chunk, frame_bytes, &stop).ok()?;
            }
        }
        (!chunk.headers.is_empty()).then_some(())
    }

    /// Reads this many bytes, or as many as there are, and steps over the frames that are whole and in order.
    fn read_frames(
        &mut self,
        chunk: &mut Chunk,
        bytes: usize,
        stop: &impl Fn(&[u8]) -> bool,
    ) -> io::Result<()> {
        chunk.bytes.resize(HASH_BYTES + bytes, 0);
        chunk.headers.clear();
        let from = self.place.offset - HASH_BYTES as u64;
        let filled = read_up_to(self.file.as_ref(), from, &mut chunk.bytes)?;
        chunk.bytes.truncate(filled);
        // A file that ends before the place has become shorter, which is for the scan to find.
        let mut rest = chunk.bytes.get(HASH_BYTES..).unwrap_or_default();
        while let Some(frame) = self.whole_frame(rest) {
            if frame.header.kind == KIND_DATA && stop(frame.payload) {
                break;
            }
            // Accepted before it is verified: if it does not verify, this is taken back.
            if self.place.progress.accept(&frame).is_err() {
                break;
            }
            chunk.headers.push(frame.header);
            self.place.offset += frame.header.frame_bytes() as u64;
            let Some(behind) = rest.get(frame.header.frame_bytes()..) else { break };
            rest = behind;
        }
        Ok(())
    }

    fn whole_frame<'a>(&self, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let header = FrameHeader::decode(bytes.first_chunk()?)?;
        if header.is_too_long(self.max_record_bytes) {
            return None;
        }
        frame_in(bytes, header, self.place.offset)
    }
}
