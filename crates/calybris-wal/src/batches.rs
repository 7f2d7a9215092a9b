//! Reads a log in batches of records that several threads work on, and hands the batches over in order.
//!
//! One thread at a time reads a chunk ahead and steps over the headers of its frames. Then it verifies the chunk and
//! works on its records, beside the others. The calling thread does the same, and visits the batches in order. At
//! anything that is not in order, at the end of a segment and at a record that has to be alone, the threads finish what
//! was read, and the [`LogScan`] goes on from there by one record.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread::Builder;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::chunk::{Chunk, ReadAhead, Records};
use crate::error::WalError;
use crate::log_scan::LogScan;
use crate::parallel::THREADS_MAX;
use crate::progress::Reached;
use crate::reader::Reader;
use crate::record::RecordRef;
use crate::segment::Segment;

/// How many batches may be under way per thread.
const BATCHES_PER_THREAD: u64 = 4;

/// The work that [`Reader::read_batches`] does on the records of a log, on several threads.
pub trait BatchWork: Sync {
    /// The result of the work on some records. A batch that was visited is used again, in the state in which the visitor
    /// left it.
    type Batch: Default + Send;

    /// Whether the record with this payload is handed over alone: after every record before it was visited, and before any
    /// record behind it is worked on. The payload is not verified yet.
    fn is_alone(&self, payload: &[u8]) -> bool;

    /// Works on records that follow one another. They are verified; records before them may not have been visited yet.
    fn work(&self, records: Records<'_>, batch: &mut Self::Batch);
}

/// A result or a record that [`Reader::read_batches`] hands over.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a record was worked on or it was not")]
pub enum Handed<'a, B> {
    /// The result of the work on the next records.
    Batch(&'a mut B),
    /// The next record, on which nothing was done: one that has to be alone, or one at a place where the log is read
    /// record by record, such as the beginning of a segment or before damage.
    Record(RecordRef<'a>),
}

impl Reader {
    /// Reads the records that are still to come with this many threads, the calling one included (at most 256), and hands
    /// over what came of them in order. `visit` is called by the calling thread, and is told how many bytes of the
    /// segments come before the end of what it is handed.
    ///
    /// Every record is verified before [`work`](BatchWork::work) or `visit` gets it, and what is visited before an error
    /// does not depend on the number of threads. Memory is bounded: at most four batches and chunks of 64 KiB (or one
    /// record of up to 256 KiB) a thread.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    ///
    /// use calybris_wal::{BatchWork, Handed, Reader, Records, WalError, WalOptions, WalWriter};
    ///
    /// /// Adds up numbers.
    /// struct Sum;
    ///
    /// impl BatchWork for Sum {
    ///     type Batch = Option<Result<u64, WalError>>;
    ///
    ///     fn is_alone(&self, _: &[u8]) -> bool {
    ///         false
    ///     }
    ///
    ///     fn work(&self, records: Records<'_>, sum: &mut Option<Result<u64, WalError>>) {
    ///         *sum = Some(records.map(|record| record?.decode::<u64>()).sum());
    ///     }
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("log");
    /// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
    /// for number in 1..=1_000_u64 {
    ///     writer.append(&number)?;
    /// }
    /// let mut total = 0;
    /// let threads = NonZeroUsize::new(2).expect("two is not zero");
    /// Reader::open(&path, None)?.read_batches(threads, &Sum, |handed, _| {
    ///     total += match handed {
    ///         Handed::Batch(sum) => sum.take().unwrap_or(Ok(0))?,
    ///         Handed::Record(record) => record.decode::<u64>()?,
    ///     };
    ///     Ok::<(), WalError>(())
    /// })?;
    /// assert_eq!(total, 500_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of `next`, after everything before the place was visited, and those of `visit`. After an error the reader
    /// answers `None` for good.
    pub fn read_batches<W: BatchWork, E: From<WalError>>(
        &mut self,
        threads: NonZeroUsize,
        work: &W,
        visit: impl FnMut(Handed<'_, W::Batch>, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(scan) = self.scan_mut() else { return Ok(()) };
        let threads = threads.get().min(THREADS_MAX);
        let crew = Crew::new(work, threads as u64);
        let read = std::thread::scope(|scope| {
            let _closed_at_the_end = Closing { crew: &crew, only_in_a_panic: false };
            for _ in 1..threads {
                // Where no more threads are to be had, those that there are do it all.
                if Builder::new().spawn_scoped(scope, || crew.work_until_closed()).is_err() {
                    break;
                }
            }
            read_through(scan, &crew, visit)
        });
        if read.is_err() {
            self.fail();
        }
        read
    }
}

/// Hands over everything up to the end of the log.
fn read_through<W: BatchWork, E: From<WalError>>(
    scan: &mut LogScan,
    crew: &Crew<'_, W>,
    mut visit: impl FnMut(Handed<'_, W::Batch>, u64) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        if scan.may_read_ahead() {
            let (_, bytes) = scan.extent();
            let before_segment = bytes - scan.segment().cursor.offset();
            crew.read_ahead(scan.segment());
            while let Some(mut slot) = crew.next() {
                let end = before_segment + slot.chunk.end_offset();
                visit(Handed::Batch(&mut slot.batch), end)?;
                crew.reuse(slot);
            }
            let Some((reached, not_before)) = crew.stop() else { return Ok(()) };
            scan.go_to(reached, not_before);
        }
        if !scan.advance()? {
            return Ok(());
        }
        let record = scan.segment().record().map_err(WalError::from)?;
        visit(Handed::Record(record), scan.extent().1)?;
    }
}

/// The threads, and the batches between them.
struct Crew<'w, W: BatchWork> {
    work: &'w W,
    most_under_way: u64,
    state: Mutex<State<W::Batch>>,
    changed: Condvar,
}

/// A chunk, and the result of the work on its records.
struct Slot<B> {
    chunk: Chunk,
    batch: B,
    verifies: bool,
}

struct State<B> {
    /// The segment that is read ahead; `None` while the scan goes on by itself.
    ahead: Option<ReadAhead>,
    done: BTreeMap<u64, Slot<B>>,
    spares: Vec<Slot<B>>,
    /// How many chunks were read, and how many were handed back.
    taken: u64,
    returned: u64,
    /// The first chunk that does not verify: where it begins, and the offset at which it ends.
    bad: Option<(Reached, u64)>,
    closed: bool,
}

impl<'w, W: BatchWork> Crew<'w, W> {
    fn new(work: &'w W, threads: u64) -> Self {
        let state = State {
            ahead: None,
            done: BTreeMap::new(),
            spares: Vec::new(),
            taken: 0,
            returned: 0,
            bad: None,
            closed: false,
        };
        // A single thread has nobody to work ahead for.
        let most_under_way = if threads > 1 { threads * BATCHES_PER_THREAD } else { 1 };
        Self { work, most_under_way, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Reads ahead from where the segment was verified.
    fn read_ahead(&self, segment: &Segment) {
        self.state.lock().ahead = Some(ReadAhead::of(segment));
        self.changed.notify_all();
    }

    /// The next batch in order. `None` when everything that was read ahead was handed back.
    fn next(&self) -> Option<Slot<W::Batch>> {
        let mut state = self.state.lock();
        loop {
            let next = state.returned;
            if state.closed {
                return None;
            } else if let Some(slot) = state.done.remove(&next) {
                state.returned += 1;
                if state.bad.is_none() && slot.verifies {
                    drop(state);
                    self.changed.notify_all();
                    return Some(slot);
                }
                // Chunks behind one that does not verify are of no use.
                let bad = (slot.chunk.start(), slot.chunk.end_offset());
                state.bad.get_or_insert(bad);
                if let Some(ahead) = &mut state.ahead {
                    ahead.end();
                }
            } else if let Some((number, slot)) = self.take(&mut state) {
                drop(state);
                self.run(number, slot);
                state = self.state.lock();
            } else if state.taken == state.returned {
                return None;
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Takes back a batch that was visited.
    fn reuse(&self, slot: Slot<W::Batch>) {
        self.state.lock().spares.push(slot);
    }

    /// Reads nothing more ahead. Answers up to where everything verifies, and before which offset nothing is to be read
    /// ahead again. `None` if the work was given up.
    fn stop(&self) -> Option<(Reached, u64)> {
        let mut state = self.state.lock();
        let reached = state.ahead.take()?.place();
        if state.closed {
            return None;
        }
        Some(state.bad.take().unwrap_or((reached, 0)))
    }

    /// Works until there is nothing more to be done.
    fn work_until_closed(&self) {
        // Otherwise the calling thread would wait for ever for the chunk that this thread has taken.
        let _closed_in_a_panic = Closing { crew: self, only_in_a_panic: true };
        let mut state = self.state.lock();
        while !state.closed {
            if let Some((number, slot)) = self.take(&mut state) {
                drop(state);
                self.run(number, slot);
                state = self.state.lock();
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Reads the next chunk ahead, unless enough is under way.
    fn take(&self, state: &mut MutexGuard<'_, State<W::Batch>>) -> Option<(u64, Slot<W::Batch>)> {
        let State { ahead: Some(ahead), spares, taken, returned, .. } = &mut **state else {
            return None;
        };
        if *taken - *returned >= self.most_under_way {
            return None;
        }
        let spare = spares.pop();
        let mut slot = spare.unwrap_or_else(|| Slot {
            chunk: ahead.chunk(),
            batch: W::Batch::default(),
            verifies: false,
        });
        if !ahead.read(&mut slot.chunk, |payload| self.work.is_alone(payload)) {
            spares.push(slot);
            return None;
        }
        let number = *taken;
        *taken += 1;
        Some((number, slot))
    }

    /// Verifies a chunk and works on its records.
    fn run(&self, number: u64, mut slot: Slot<W::Batch>) {
        slot.verifies = slot.chunk.verifies();
        if slot.verifies {
            self.work.work(slot.chunk.records(), &mut slot.batch);
        }
        self.state.lock().done.insert(number, slot);
        self.changed.notify_all();
    }
}

/// Sends the threads home when it is dropped, however the reading ends.
struct Closing<'a, 'w, W: BatchWork> {
    crew: &'a Crew<'w, W>,
    only_in_a_panic: bool,
}

impl<W: BatchWork> Drop for Closing<'_, '_, W> {
    fn drop(&mut self) {
        if !self.only_in_a_panic || std::thread::panicking() {
            self.crew.state.lock().closed = true;
            self.crew.changed.notify_all();
        }
    }
}
