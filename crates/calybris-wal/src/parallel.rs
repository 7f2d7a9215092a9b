//! Verifies the frames of a segment on several cores.
//!
//! Any frame verifies from the bytes before it, so one thread reads, cuts what it reads at the ends
//! of frames and checks their order, while others hash. This only goes ahead over what is in
//! order: at anything else it stops, and the [`Walk`](crate::walk::Walk) goes on from there, which
//! alone knows what damage means.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::chain::{Chain, HASH_BYTES, Hash};
use crate::cursor::Frame;
use crate::format::frame::{FRAME_HEADER_BYTES, FrameHeader, KIND_DATA, open_frame};
use crate::segment::{Progress, Segment};
use crate::storage::read_up_to;

/// How much is read and handed to a thread at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// How much is worth starting threads for, in bytes.
pub(crate) const WORTH_THREADS_BYTES: u64 = 2 * CHUNK_BYTES as u64;

/// How many chunks may wait per thread. With the bounds above, memory stays below two megabytes
/// per thread.
const CHUNKS_PER_THREAD: usize = 4;

/// Goes over as many frames of the segment as are in order, with this many threads. Answers the
/// hash of the record with the sequence `wanted`, if that was among them.
pub(crate) fn fast_forward(
    segment: &mut Segment,
    threads: NonZeroUsize,
    wanted: Option<u64>,
) -> io::Result<Option<Hash>> {
    let remaining = segment.cursor.file().length()?.saturating_sub(segment.cursor.offset());
    if remaining < WORTH_THREADS_BYTES {
        return Ok(None);
    }
    let crew = Crew::new(segment.chain, threads.get() * CHUNKS_PER_THREAD);
    let mut scout = Scout::new(segment, wanted);
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            scope.spawn(|| crew.work());
        }
        let outcome = scout.go(&crew);
        crew.close();
        // The scout has a core too: it helps with what is left.
        crew.work();
        outcome
    })?;
    // Of all chunks those before the first that does not verify count.
    let verified = match crew.first_bad() {
        None => scout.place,
        Some(bad) => scout.starts.get(bad).copied().unwrap_or(scout.place),
    };
    segment.progress = verified.progress;
    segment.cursor.move_to(verified.offset);
    Ok(scout.found.filter(|(sequence, _)| *sequence <= verified.progress.sequence).map(|(_, h)| h))
}

/// A place between two frames, and what those before it said.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    progress: Progress,
}

/// Reads ahead of the hashing and checks the order of the frames.
struct Scout {
    file: Arc<dyn crate::storage::StoredFile>,
    max_record_bytes: u32,
    place: Place,
    /// Where each chunk begins.
    starts: Vec<Place>,
    wanted: Option<u64>,
    found: Option<(u64, Hash)>,
}

impl Scout {
    fn new(segment: &Segment, wanted: Option<u64>) -> Self {
        Self {
            file: Arc::clone(segment.cursor.file()),
            max_record_bytes: segment.header.max_record_bytes,
            place: Place { offset: segment.cursor.offset(), progress: segment.progress },
            starts: Vec::new(),
            wanted,
            found: None,
        }
    }

    /// Hands chunks of whole frames to the crew until something is not in order.
    fn go(&mut self, crew: &Crew) -> io::Result<()> {
        while !crew.has_failed() {
            let mut chunk = crew.spare();
            chunk.resize(HASH_BYTES + CHUNK_BYTES, 0);
            let from = self.place.offset - HASH_BYTES as u64;
            let filled = read_up_to(self.file.as_ref(), from, &mut chunk)?;
            chunk.truncate(filled);
            let start = self.place;
            let whole = self.scan(&chunk);
            if whole <= HASH_BYTES {
                return Ok(());
            }
            chunk.truncate(whole);
            self.starts.push(start);
            crew.take(self.starts.len() - 1, chunk);
        }
        Ok(())
    }

    /// Steps over the frames that are whole and in order; says where they end in the chunk.
    fn scan(&mut self, chunk: &[u8]) -> usize {
        let mut at = HASH_BYTES;
        while let Some(frame) = self.frame_at(chunk, at) {
            // Accepted before it is verified: if it does not verify, this is taken back.
            let mut progress = self.place.progress;
            if progress.accept(&frame).is_err() {
                break;
            }
            if frame.header.kind == KIND_DATA && self.wanted == Some(frame.header.sequence) {
                self.found = Some((frame.header.sequence, *frame.hash));
            }
            at += frame.header.frame_bytes();
            self.place.progress = progress;
            self.place.offset += frame.header.frame_bytes() as u64;
        }
        at
    }

    fn frame_at<'a>(&self, chunk: &'a [u8], at: usize) -> Option<Frame<'a>> {
        let bytes = chunk.get(at..)?;
        let header = FrameHeader::decode(bytes.first_chunk()?)?;
        if header.length > self.max_record_bytes {
            return None;
        }
        let payload_end = FRAME_HEADER_BYTES + header.length as usize;
        let payload = bytes.get(FRAME_HEADER_BYTES..payload_end)?;
        let hash = bytes.get(payload_end..)?.first_chunk()?;
        Some(Frame { header, offset: self.place.offset, payload, hash })
    }
}

/// The threads that hash, and the chunks between them and the scout.
struct Crew {
    chain: Chain,
    most_waiting: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(usize, Vec<u8>)>,
    spares: Vec<Vec<u8>>,
    closed: bool,
    first_bad: Option<usize>,
}

impl Crew {
    fn new(chain: Chain, most_waiting: usize) -> Self {
        let (queue, changed) = (Mutex::new(Queue::default()), Condvar::new());
        Self { chain, most_waiting, queue, changed }
    }

    /// Takes a chunk. When enough are waiting, the caller hashes one itself.
    fn take(&self, index: usize, chunk: Vec<u8>) {
        let mut queue = self.queue.lock();
        queue.waiting.push_back((index, chunk));
        let own =
            if queue.waiting.len() > self.most_waiting { queue.waiting.pop_front() } else { None };
        drop(queue);
        self.changed.notify_one();
        if let Some((index, chunk)) = own {
            self.hash(index, chunk);
        }
    }

    /// Hashes chunks until there are no more.
    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some((index, chunk)) = queue.waiting.pop_front() {
                drop(queue);
                self.hash(index, chunk);
                queue = self.queue.lock();
            } else if queue.closed {
                return;
            } else {
                self.changed.wait(&mut queue);
            }
        }
    }

    fn hash(&self, index: usize, chunk: Vec<u8>) {
        let verifies = self.verifies(&chunk);
        let mut queue = self.queue.lock();
        if !verifies {
            queue.first_bad = Some(queue.first_bad.map_or(index, |bad| bad.min(index)));
        }
        queue.spares.push(chunk);
    }

    fn verifies(&self, chunk: &[u8]) -> bool {
        let mut rest = chunk;
        while rest.len() > HASH_BYTES {
            let header = rest.get(HASH_BYTES..).and_then(<[u8]>::first_chunk);
            let Some(header) = header.and_then(FrameHeader::decode) else { return false };
            if open_frame(rest, &self.chain, header).is_err() {
                return false;
            }
            rest = rest.get(header.frame_bytes()..).unwrap_or_default();
        }
        true
    }

    fn spare(&self) -> Vec<u8> {
        self.queue.lock().spares.pop().unwrap_or_default()
    }

    fn has_failed(&self) -> bool {
        self.queue.lock().first_bad.is_some()
    }

    fn first_bad(&self) -> Option<usize> {
        self.queue.lock().first_bad
    }

    fn close(&self) {
        self.queue.lock().closed = true;
        self.changed.notify_all();
    }
}
