//! Verifies the frames of a segment in chunks, on one core or several.
//!
//! Any frame verifies from the bytes before it. So the threads take turns at the front: the one
//! that is there reads a chunk into its own buffer and steps over the headers of the frames in it,
//! which is quickly done, and leaves the place behind them to the next. Then it hashes its chunk,
//! beside the others. This only goes ahead over what is in order: at anything else it stops, and
//! the [`Walk`](crate::walk::Walk) goes on from there, which alone knows what damage means.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::Builder;

use parking_lot::Mutex;

use crate::chain::Chain;
use crate::cursor::Frame;
use crate::format::frame::{FRAME_HEADER_BYTES, FrameHeader, KIND_DATA, open_frame};
use crate::hash::{HASH_BYTES, Hash};
use crate::progress::Progress;
use crate::segment::Segment;
use crate::storage::{StoredFile, read_up_to};

/// How much a thread reads and hashes at once, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// The longest frame that a thread reads, in bytes. A chunk that is longer holds just one.
const FRAME_BYTES_MAX: usize = 256 << 10;

/// The most threads: more than a machine has cores are of no use, and each keeps a chunk.
const THREADS_MAX: usize = 256;

/// How much is worth it, in bytes.
pub(crate) const WORTH_BYTES: u64 = 8 * CHUNK_BYTES as u64;

/// Goes over as many frames of the segment as are in order, with this many threads. Answers the
/// hash of the record with the sequence `wanted`, if that was among them.
pub(crate) fn fast_forward(
    segment: &mut Segment,
    threads: NonZeroUsize,
    wanted: Option<u64>,
) -> io::Result<Option<Hash>> {
    let remaining = segment.cursor.file().length()?.saturating_sub(segment.cursor.offset());
    if remaining < WORTH_BYTES {
        return Ok(None);
    }
    let chunks = usize::try_from(remaining / CHUNK_BYTES as u64).unwrap_or(usize::MAX);
    let (chain, front) = (segment.chain.clone(), Mutex::new(Front::new(segment, wanted)));
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(chunks).min(THREADS_MAX) {
            // Where no more threads are to be had, those that there are do it all.
            if Builder::new().spawn_scoped(scope, || work(&front, &chain)).is_err() {
                break;
            }
        }
        work(&front, &chain);
    });
    let Front { place, first_bad, found, .. } = front.into_inner();
    // Of all chunks those before the first that does not verify count.
    let Place { offset, progress } = first_bad.unwrap_or(place);
    segment.progress = progress;
    segment.cursor.move_to(offset);
    Ok(found.filter(|(sequence, _)| *sequence <= progress.sequence).map(|(_, hash)| hash))
}

/// Verifies chunks until there are no more.
fn work(front: &Mutex<Front>, chain: &Chain) {
    let mut chunk = Chunk::default();
    loop {
        let Some(start) = front.lock().take(&mut chunk) else { return };
        if !chunk.verifies(chain) {
            front.lock().refuse(start);
        }
    }
}

/// Whole frames in their order, not verified yet.
#[derive(Default)]
struct Chunk {
    /// The hash before the frames, the frames, and what was read behind them.
    bytes: Vec<u8>,
    /// The headers of the frames.
    headers: Vec<FrameHeader>,
}

impl Chunk {
    fn verifies(&self, chain: &Chain) -> bool {
        let mut rest = self.bytes.as_slice();
        self.headers.iter().all(|header| {
            let verifies = open_frame(rest, chain, *header).is_ok();
            rest = rest.get(header.frame_bytes()..).unwrap_or_default();
            verifies
        })
    }
}

/// A place between two frames, and what those before it said.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    progress: Progress,
}

/// How far the segment has been handed out, and what came of it.
struct Front {
    file: Arc<dyn StoredFile>,
    max_record_bytes: u32,
    place: Place,
    /// Whether nothing more is handed out.
    ended: bool,
    /// The beginning of the first chunk that does not verify.
    first_bad: Option<Place>,
    wanted: Option<u64>,
    found: Option<(u64, Hash)>,
}

impl Front {
    fn new(segment: &Segment, wanted: Option<u64>) -> Self {
        Self {
            file: Arc::clone(segment.cursor.file()),
            max_record_bytes: segment.header.max_record_bytes,
            place: Place { offset: segment.cursor.offset(), progress: segment.progress },
            ended: false,
            first_bad: None,
            wanted,
            found: None,
        }
    }

    /// Reads the next whole frames that are in order and says where they begin. `None` when there
    /// are none: then nothing more is handed out.
    fn take(&mut self, chunk: &mut Chunk) -> Option<Place> {
        let start = self.place;
        self.ended = self.ended || self.read_whole(chunk).is_none();
        (!self.ended).then_some(start)
    }

    /// Reads a chunk, or the one frame that is longer.
    fn read_whole(&mut self, chunk: &mut Chunk) -> Option<()> {
        self.read(chunk, HASH_BYTES + CHUNK_BYTES)?;
        if chunk.headers.is_empty() {
            let header = chunk.bytes.get(HASH_BYTES..)?.first_chunk();
            let frame_bytes = header.and_then(FrameHeader::decode)?.frame_bytes();
            if frame_bytes > CHUNK_BYTES && frame_bytes <= FRAME_BYTES_MAX {
                self.read(chunk, HASH_BYTES + frame_bytes)?;
            }
        }
        (!chunk.headers.is_empty()).then_some(())
    }

    /// Reads this many bytes, or as many as there are, from the hash before the place on, and steps
    /// over the frames that are whole and in order. What cannot be read is left to the walk to
    /// report, if nothing before it is damaged.
    fn read(&mut self, chunk: &mut Chunk, bytes: usize) -> Option<()> {
        chunk.bytes.resize(bytes, 0);
        let from = self.place.offset - HASH_BYTES as u64;
        let filled = read_up_to(self.file.as_ref(), from, &mut chunk.bytes).ok()?;
        chunk.bytes.truncate(filled);
        chunk.headers.clear();
        let mut at = HASH_BYTES;
        while let Some(frame) = self.frame_at(&chunk.bytes, at) {
            // Accepted before it is verified: if it does not verify, this is taken back.
            if self.place.progress.accept(&frame).is_err() {
                break;
            }
            if frame.header.kind == KIND_DATA && self.wanted == Some(frame.header.sequence) {
                self.found = Some((frame.header.sequence, frame.hash()));
            }
            chunk.headers.push(frame.header);
            at += frame.header.frame_bytes();
            self.place.offset += frame.header.frame_bytes() as u64;
        }
        Some(())
    }

    fn frame_at<'a>(&self, chunk: &'a [u8], at: usize) -> Option<Frame<'a>> {
        let bytes = chunk.get(at..)?;
        let header = FrameHeader::decode(bytes.first_chunk()?)?;
        if header.is_too_long(self.max_record_bytes) {
            return None;
        }
        let payload_end = FRAME_HEADER_BYTES + header.length as usize;
        let payload = bytes.get(FRAME_HEADER_BYTES..payload_end)?;
        let hash = bytes.get(payload_end..)?.first_chunk()?;
        Some(Frame { header, offset: self.place.offset, payload, hash })
    }

    /// Takes note of a chunk that does not verify. What stands behind it is of no use.
    fn refuse(&mut self, start: Place) {
        self.ended = true;
        if self.first_bad.is_none_or(|bad| start.offset < bad.offset) {
            self.first_bad = Some(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::memory::Memory;
    use crate::segment::{Opening, Position};
    use crate::storage::Mode;
    use crate::{Durability, WalOptions, WalWriter};

    #[test]
    fn marks_that_are_longer_than_any_record_do_not_end_the_way() {
        let disk = Memory::default();
        let options = WalOptions::new(1).max_record_bytes(8).durability(Durability::Buffered);
        let writer = WalWriter::open_in(Arc::new(disk.clone()), &options, None).unwrap();
        for number in 0..12_000_u64 {
            writer.append_bytes(&number.to_le_bytes()).unwrap();
            if number % 4_000 == 0 {
                writer.flush_and_sync().unwrap();
            }
        }
        writer.close().unwrap();
        let Opening::Segment(mut segment) =
            Segment::open(&disk, 1, Mode::Read, None, Position::First).unwrap()
        else {
            panic!("the header is whole")
        };
        fast_forward(&mut segment, NonZeroUsize::MIN, None).unwrap();
        assert_eq!(segment.progress.sequence, 12_000);
        assert_eq!(segment.cursor.offset(), segment.cursor.file().length().unwrap());
    }
}
