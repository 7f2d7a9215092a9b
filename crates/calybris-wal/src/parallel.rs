//! Verifies the frames of a segment in chunks, on one core or several.
//!
//! The threads take turns at reading ahead, and each verifies its own chunk beside the others. This only goes ahead over
//! frames that are in order: at anything else it stops, and the [`LogScan`](crate::log_scan::LogScan) goes on from there, which
//! alone knows what damage means.

use std::io;
use std::num::NonZeroUsize;
use std::thread::Builder;

use parking_lot::Mutex;

use crate::chunk::{CHUNK_BYTES, Chunk, ReadAhead};
use crate::hash::Hash;
use crate::progress::Reached;
use crate::segment::Segment;

/// The most threads: more than a machine has cores are of no use, and each keeps a chunk.
pub(crate) const THREADS_MAX: usize = 256;

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
    let ahead = ReadAhead::of(segment);
    let front = Mutex::new(Front { ahead, first_bad: None, wanted, found: None });
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(chunks).min(THREADS_MAX) {
            // Where no more threads are to be had, those that there are do it all.
            if Builder::new().spawn_scoped(scope, || work(&front)).is_err() {
                break;
            }
        }
        work(&front);
    });
    let Front { ahead, first_bad, found, .. } = front.into_inner();
    // Of all chunks those before the first that does not verify count.
    let place = first_bad.unwrap_or(ahead.place());
    segment.go_to(place);
    Ok(found.filter(|(sequence, _)| *sequence <= place.progress.sequence).map(|(_, hash)| hash))
}

/// Verifies chunks until there are no more.
fn work(front: &Mutex<Front>) {
    let mut chunk = front.lock().ahead.chunk();
    while front.lock().take(&mut chunk) {
        if !chunk.verifies() {
            front.lock().refuse(chunk.start());
        }
    }
}

/// How far the segment was read, and the results so far.
struct Front {
    ahead: ReadAhead,
    /// The beginning of the first chunk that does not verify.
    first_bad: Option<Reached>,
    wanted: Option<u64>,
    found: Option<(u64, Hash)>,
}

impl Front {
    /// Reads the next chunk; `false` when there is none.
    fn take(&mut self, chunk: &mut Chunk) -> bool {
        let before = self.ahead.place().progress.sequence;
        let taken = self.ahead.read(chunk, |_| false);
        let after = self.ahead.place().progress.sequence;
        if let Some(wanted) = self.wanted.filter(|wanted| before < *wanted && *wanted <= after) {
            self.found = chunk.hash_of(wanted).map(|hash| (wanted, hash));
        }
        taken
    }

    /// Notes a chunk that does not verify. Chunks behind it are of no use.
    fn refuse(&mut self, start: Reached) {
        self.ahead.end();
        if self.first_bad.is_none_or(|bad| start.offset < bad.offset) {
            self.first_bad = Some(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fault_injection::memory::Memory;
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
