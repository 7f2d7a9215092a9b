//! Reads the frames of one segment in order, through a buffer of bounded size.

use std::io;
use std::sync::Arc;

use calybris_units::{BrokenInvariant, invariant};

use crate::chain::Chain;
use crate::error::Damage;
use crate::format::frame::{FRAME_HEADER_BYTES, FrameHeader, open_frame};
use crate::hash::{HASH_BYTES, Hash};
use crate::storage::{StoredFile, read_up_to};

/// How much is read at once, in bytes. The buffer grows beyond it only for a longer frame.
const READ_BYTES: usize = 64 << 10;

/// The result of looking at the bytes behind the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame whose hash verifies. The cursor has moved behind it, and
    /// [`FrameCursor::frame`] shows it.
    Frame,
    /// The end of the file.
    End,
    /// Bytes that are not a frame. The cursor has not moved.
    Damaged(Damage),
}

/// A frame whose hash verifies against the hash before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) header: FrameHeader,
    /// Where the frame begins, in bytes from the segment's start.
    pub(crate) offset: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) hash: &'a [u8; HASH_BYTES],
}

impl Frame<'_> {
    /// The hash, as a value.
    pub(crate) fn hash(&self) -> Hash {
        Hash::from_bytes(*self.hash)
    }
}

/// Why the next frame could not be looked at.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Io(io::Error),
    Internal(BrokenInvariant),
}

impl From<io::Error> for Unreadable {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

impl From<BrokenInvariant> for Unreadable {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Internal(broken)
    }
}

/// A place between two frames of a segment.
pub(crate) struct FrameCursor {
    file: Arc<dyn StoredFile>,
    chain: Chain,
    max_record_bytes: u32,
    /// The next frame's place, in bytes from the segment's start.
    offset: u64,
    /// Bytes that were read and not yet stepped over; the first 32 are those before `offset`.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// The header of the frame that was stepped over last.
    last: FrameHeader,
}

/// Stands for the last frame before the cursor has stepped over any.
const NO_FRAME: FrameHeader = FrameHeader { length: 0, kind: 0, flags: 0, sequence: 0 };

impl FrameCursor {
    /// A cursor at `offset`, which is the end of the segment's header or of a frame.
    pub(crate) fn new(
        file: Arc<dyn StoredFile>,
        chain: Chain,
        max_record_bytes: u32,
        offset: u64,
    ) -> Self {
        let (buffer, start, filled, last) = (Vec::new(), 0, 0, NO_FRAME);
        Self { file, chain, max_record_bytes, offset, buffer, start, filled, last }
    }

    /// Where the next frame begins, in bytes from the segment's start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The segment's file.
    pub(crate) fn file(&self) -> &Arc<dyn StoredFile> {
        &self.file
    }

    /// Goes on in the same file as it was opened another time.
    pub(crate) fn replace_file(&mut self, file: Arc<dyn StoredFile>) {
        self.file = file;
        self.refresh();
    }

    /// Discards the bytes that were read ahead, so that the next step reads the file again.
    pub(crate) fn refresh(&mut self) {
        self.start = 0;
        self.filled = 0;
    }

    /// Moves to another place between two frames.
    pub(crate) fn move_to(&mut self, offset: u64) {
        self.offset = offset;
        self.refresh();
    }

    /// The header of the next frame, whose hash is not looked at. `None` when no header stands
    /// there whose checksum and length are in order, or when the file ends before the frame does.
    pub(crate) fn peek(&mut self) -> Result<Option<FrameHeader>, Unreadable> {
        if self.fill(HASH_BYTES + FRAME_HEADER_BYTES)? < HASH_BYTES + FRAME_HEADER_BYTES {
            return Ok(None);
        }
        let bytes = self.buffer.get(self.start + HASH_BYTES..self.filled);
        let bytes = invariant!(bytes, "what was read lies in the buffer")?;
        let Some(header) = bytes.first_chunk().and_then(FrameHeader::decode) else {
            return Ok(None);
        };
        if header.is_too_long(self.max_record_bytes) {
            return Ok(None);
        }
        let buffered = self.filled - self.start >= HASH_BYTES + header.frame_bytes();
        let whole = buffered || self.file.length()? >= self.offset + header.frame_bytes() as u64;
        Ok(whole.then_some(header))
    }

    /// Moves behind the frame whose header [`FrameCursor::peek`] has shown.
    pub(crate) fn pass(&mut self, header: FrameHeader) {
        let behind = self.start + header.frame_bytes();
        self.offset += header.frame_bytes() as u64;
        if behind + HASH_BYTES <= self.filled {
            self.start = behind;
        } else {
            self.refresh();
        }
        self.last = NO_FRAME;
    }

    /// The hash before the next frame, which [`FrameCursor::peek`] has read.
    ///
    /// It may be gone by now: a file can become shorter while it is read.
    pub(crate) fn hash_before(&self) -> io::Result<Hash> {
        let bytes = self.buffer.get(self.start..self.filled).and_then(<[u8]>::first_chunk);
        bytes.map(|hash| Hash::from_bytes(*hash)).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    /// Looks at the next frame and steps over it if it verifies.
    pub(crate) fn step(&mut self) -> Result<Step, Unreadable> {
        let least = HASH_BYTES + FRAME_HEADER_BYTES;
        let available = self.fill(least)?;
        if available < least {
            return Ok(if available <= HASH_BYTES {
                Step::End
            } else {
                Step::Damaged(Damage::CutShort)
            });
        }
        let bytes = self.buffer.get(self.start + HASH_BYTES..self.filled);
        let bytes = invariant!(bytes, "what was read lies in the buffer")?;
        let Some(header) = bytes.first_chunk().and_then(FrameHeader::decode) else {
            return Ok(Step::Damaged(Damage::FrameHeader));
        };
        if header.is_too_long(self.max_record_bytes) {
            return Ok(Step::Damaged(Damage::Length));
        }
        let whole = HASH_BYTES + header.frame_bytes();
        if self.filled - self.start < whole {
            // A length is believed only as far as the file reaches, so it claims no memory.
            let end = self.offset + header.frame_bytes() as u64;
            if self.file.length()? < end || self.fill(whole)? < whole {
                return Ok(Step::Damaged(Damage::CutShort));
            }
        }
        let bytes = self.buffer.get(self.start..self.start + whole);
        let bytes = invariant!(bytes, "a whole frame was read")?;
        if let Err(damage) = open_frame(bytes, &self.chain, header) {
            return Ok(Step::Damaged(damage));
        }
        self.offset += header.frame_bytes() as u64;
        self.start += header.frame_bytes();
        self.last = header;
        Ok(Step::Frame)
    }

    /// The frame that the last step went over.
    pub(crate) fn frame(&self) -> Result<Frame<'_>, BrokenInvariant> {
        let header = self.last;
        let payload = self.start.checked_sub(header.length as usize);
        let payload = payload.and_then(|payload| self.buffer.get(payload..self.start));
        let hash = self.buffer.get(self.start..).and_then(<[u8]>::first_chunk);
        let offset = self.offset.checked_sub(header.frame_bytes() as u64);
        Ok(Frame {
            header,
            offset: invariant!(offset, "the cursor is behind a frame")?,
            payload: invariant!(payload, "a frame that was stepped over is in the buffer")?,
            hash: invariant!(hash, "a frame that was stepped over is in the buffer")?,
        })
    }

    /// The 32 bytes before the frame that the last step went over, which its hash covers.
    pub(crate) fn previous_hash(&self) -> Result<Hash, BrokenInvariant> {
        let before = self.start.checked_sub(self.last.frame_bytes());
        let bytes = before.and_then(|before| self.buffer.get(before..));
        let hash = bytes.and_then(<[u8]>::first_chunk);
        let hash = invariant!(hash, "a frame that was stepped over is in the buffer")?;
        Ok(Hash::from_bytes(*hash))
    }

    /// Reads until at least `needed` bytes lie between `start` and `filled`, and says how many do.
    fn fill(&mut self, needed: usize) -> Result<usize, Unreadable> {
        if self.filled - self.start >= needed {
            return Ok(self.filled - self.start);
        }
        if self.buffer.len() < needed.max(READ_BYTES) {
            // Zeros from the allocator cost nothing; those that `resize` writes do.
            let mut longer = vec![0; needed.max(READ_BYTES)];
            let unread = self.buffer.get(self.start..self.filled);
            let unread = invariant!(unread, "what was read lies in the buffer")?;
            longer.iter_mut().zip(unread).for_each(|(to, from)| *to = *from);
            self.buffer = longer;
        } else {
            self.buffer.copy_within(self.start..self.filled, 0);
        }
        self.filled -= self.start;
        self.start = 0;
        let next = self.offset - HASH_BYTES as u64 + self.filled as u64;
        let rest = self.buffer.get_mut(self.filled..);
        let rest = invariant!(rest, "what was read lies in the buffer")?;
        self.filled += read_up_to(self.file.as_ref(), next, rest)?;
        Ok(self.filled)
    }
}
