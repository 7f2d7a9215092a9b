//! Takes records from many threads and brings them to disk: leader and followers over two buffers.
//!
//! Frames are built in one buffer, in the order of the chain, under the lock. A thread that needs
//! them written becomes the leader: it swaps the buffer for an empty one, gives up the lock, writes, and syncs if
//! asked to. Meanwhile other threads build frames in the empty buffer. A thread that needs those written waits, and one
//! of the waiting threads becomes the next leader and writes for all of them.
//!
//! INVARIANT (one leader): the thread that sets `leading` is the only one to write from a swapped
//! buffer, to rotate, or to sync, until it clears `leading`.
//!
//! INVARIANT (no false acknowledgement): `synced` is raised only by a leader whose sync succeeded,
//! and only to the sequence that stood in the buffer that it took. After a failure nothing raises
//! it any more.
//!
//! INVARIANT (stopped for good): after a broken invariant or a panic, as after a failed write or sync,
//! the writer is poisoned: nothing more is written or acknowledged, and every waiting thread is told.

use std::sync::Arc;

use crate::create_segment::{End, create_segment};
use crate::error::WalError;
use crate::format::header::SegmentHeader;
use crate::format::name::segment_name;
use crate::frame_builder::FrameBuilder;
use crate::key::Key;
use crate::options::Durability;
use crate::receipt::Receipt;
use crate::storage::{Storage, io_error, write_all};
use crate::sync::{Condvar, Mutex, MutexGuard, yield_now};

use state::State;

mod defect;
mod state;

/// How many bytes are gathered before they are written, in `Buffered`. Per byte, writing so many at
/// once costs three quarters of what 64 KiB do.
const BUFFER_BYTES: u64 = 256 << 10;

/// How many bytes may be gathered while a leader is at work, before appending waits.
const BUFFER_BYTES_MAX: u64 = 4 * BUFFER_BYTES;

/// How much longer a file is made at once before it is written, in `Synced`, in bytes. A sync that
/// need not make a new length durable as well takes two thirds of the time.
const ROOM_BYTES: u64 = 1 << 20;

/// How often a leader lets other threads run without one of them joining before it goes ahead.
const YIELDS_WITHOUT_JOINING: u32 = if cfg!(all(test, loom)) { 1 } else { 16 };

/// The end of a log, shared by threads.
pub(crate) struct GroupCommit {
    storage: Arc<dyn Storage>,
    durability: Durability,
    segment_bytes: u64,
    key: Option<Key>,
    state: Mutex<State>,
    /// Told when a leader is done.
    done: Condvar,
}

impl GroupCommit {
    /// At the end of a log, all of which is on disk.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        durability: Durability,
        segment_bytes: u64,
        key: Option<Key>,
        end: End,
    ) -> Self {
        let End { file, builder } = end;
        let state = State {
            synced: builder.head().sequence,
            builder,
            file,
            room: 0,
            spare: Vec::new(),
            leading: false,
            last_group: 0,
            poisoned: None,
            unfinished: false,
        };
        let (state, done) = (Mutex::new(state), Condvar::default());
        Self { storage, durability, segment_bytes, key, state, done }
    }

    /// The last record appended.
    pub(crate) fn head(&self) -> Receipt {
        self.state.lock().builder.head()
    }

    /// The key that the log was opened with.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// The log's storage.
    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// Appends a record, and returns when the durability of the log is met.
    pub(crate) fn append(&self, payload: &[u8]) -> Result<Receipt, WalError> {
        self.or_tell(|| {
            let state = self.make_room(payload.len())?;
            self.append_here(state, payload)
        })
    }

    /// Appends a record as the first of a segment.
    pub(crate) fn append_first(&self, payload: &[u8]) -> Result<Receipt, WalError> {
        self.or_tell(|| {
            let mut state = self.when_nobody_leads()?;
            if state.builder.records() > 0 {
                self.begin_next_segment(&mut state)?;
            }
            self.append_here(state, payload)
        })
    }

    #[inline]
    fn append_here(
        &self,
        mut state: MutexGuard<'_, State>,
        payload: &[u8],
    ) -> Result<Receipt, WalError> {
        let receipt = state.with_builder(|builder| builder.push_record(payload))?;
        match self.durability {
            Durability::Os => self.write_pending(&mut state)?,
            Durability::Buffered => self.write_if_full(state)?,
            Durability::Synced => self.wait_until_synced(state, receipt.sequence)?,
        }
        Ok(receipt)
    }

    /// Hands everything appended so far to the operating system.
    pub(crate) fn flush(&self) -> Result<(), WalError> {
        self.or_tell(|| self.write_pending(&mut *self.when_nobody_leads()?))
    }

    /// Waits until everything appended so far is on disk.
    pub(crate) fn sync(&self) -> Result<(), WalError> {
        self.or_tell(|| {
            let state = self.state.lock();
            state.check()?;
            let sequence = state.builder.head().sequence;
            self.wait_until_synced(state, sequence)
        })
    }

    /// Syncs, and writes the mark that says so at once.
    pub(crate) fn finish(&self) -> Result<Receipt, WalError> {
        self.sync()?;
        self.or_tell(|| {
            let mut state = self.when_nobody_leads()?;
            state.with_builder(FrameBuilder::push_due_mark)?;
            self.write_pending(&mut state)?;
            self.give_up_room(&mut state)?;
            Ok(state.builder.head())
        })
    }

    /// Finishes the segment and begins another, if there is a record in it.
    pub(crate) fn rotate(&self) -> Result<(), WalError> {
        self.or_tell(|| {
            let mut state = self.when_nobody_leads()?;
            if state.builder.records() == 0 {
                return Ok(());
            }
            self.begin_next_segment(&mut state)
        })
    }

    /// Says in the log, durably, that it is kept from the segment on that begins at `start`.
    pub(crate) fn declare_start(&self, start: u64) -> Result<(), WalError> {
        self.or_tell(|| {
            let mut state = self.when_nobody_leads()?;
            if start > state.builder.log_start() {
                state.with_builder(|builder| builder.push_log_start(start))?;
                self.write_pending(&mut state)?;
                if let Err(source) = state.file.sync() {
                    return Err(self.poison(&mut state, "sync", source));
                }
            }
            Ok(())
        })
    }

    /// Rotates if the record would make the segment too long, or if the key changes.
    fn make_room(&self, payload_bytes: usize) -> Result<MutexGuard<'_, State>, WalError> {
        let mut state = self.state.lock();
        loop {
            state.check()?;
            let too_long = state.builder.length_with(payload_bytes) > self.segment_bytes;
            let rotation_due = too_long || self.key_id() != state.builder.header().key_id;
            if !rotation_due || state.builder.records() == 0 {
                return Ok(state);
            }
            if state.leading {
                self.done.wait(&mut state);
            } else {
                self.begin_next_segment(&mut state)?;
            }
        }
    }

    fn key_id(&self) -> u64 {
        self.key.as_ref().map_or(0, Key::id)
    }

    fn when_nobody_leads(&self) -> Result<MutexGuard<'_, State>, WalError> {
        let mut state = self.state.lock();
        loop {
            state.check()?;
            if !state.leading {
                return Ok(state);
            }
            self.done.wait(&mut state);
        }
    }

    /// Writes the pending frames under the lock, so that they are written in the order of the chain.
    fn write_pending(&self, state: &mut State) -> Result<(), WalError> {
        let written = match state.builder.pending() {
            Ok((_, [])) => return Ok(()),
            Ok((at, frames)) => write_all(state.file.as_ref(), at, frames),
            Err(broken) => return Err(state.broken(broken)),
        };
        if let Err(source) = written {
            return Err(self.poison(state, "write", source));
        }
        state.with_builder(FrameBuilder::clear_pending)
    }

    fn write_if_full(&self, mut state: MutexGuard<'_, State>) -> Result<(), WalError> {
        loop {
            let pending = state.builder.pending_bytes();
            if pending < BUFFER_BYTES || (state.leading && pending < BUFFER_BYTES_MAX) {
                return Ok(());
            }
            if !state.leading {
                state.leading = true;
                return self.lead(state, false).map(drop);
            }
            self.done.wait(&mut state);
            state.check()?;
        }
    }

    fn wait_until_synced<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        sequence: u64,
    ) -> Result<(), WalError> {
        loop {
            if state.synced >= sequence {
                return Ok(());
            }
            state.check()?;
            if state.leading {
                self.done.wait(&mut state);
                continue;
            }
            state.leading = true;
            if self.durability == Durability::Synced {
                state = self.batch_delay(state);
            }
            state = self.lead(state, true)?;
        }
    }

    /// Lets threads that the last group has just released append again before this one is synced.
    ///
    /// A sync costs the same for one record as for many. The last group tells how many may come;
    /// a thread that is alone waits for nobody.
    fn batch_delay<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut gathered = state.unsynced();
        let mut yields = 0;
        while gathered < state.last_group && yields < YIELDS_WITHOUT_JOINING {
            drop(state);
            yield_now();
            state = self.state.lock();
            yields = if state.unsynced() > gathered { 0 } else { yields + 1 };
            gathered = state.unsynced();
        }
        state
    }

    /// Writes the pending frames without the lock, and syncs them if asked to.
    ///
    /// The caller has set `leading`; it is cleared here, whatever happens.
    fn lead<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        sync: bool,
    ) -> Result<MutexGuard<'a, State>, WalError> {
        let mut buffer = std::mem::take(&mut state.spare);
        let (at, frames) = match state.hand_over(&mut buffer) {
            Ok(handed_over) => handed_over,
            Err(error) => {
                state.leading = false;
                return Err(error);
            }
        };
        let (sequence, offset) = (state.builder.head().sequence, state.builder.offset());
        let file = Arc::clone(&state.file);
        let make_room = self.durability == Durability::Synced && offset > state.room;
        if make_room {
            state.room = self.segment_bytes.min(offset + ROOM_BYTES).max(offset);
        }
        let room = state.room;
        drop(state);

        let lengthened = if make_room { file.set_length(room) } else { Ok(()) };
        let result = lengthened
            .and_then(|()| write_all(file.as_ref(), at, frames))
            .map_err(|source| ("write", source))
            .and_then(|()| if sync { file.sync().map_err(|e| ("sync", e)) } else { Ok(()) });

        let mut state = self.state.lock();
        state.spare = buffer;
        state.leading = false;
        let outcome = match result {
            // Another thread may have broken an invariant meanwhile.
            Ok(()) => state.check().map(|()| {
                if sync {
                    state.last_group = sequence - state.synced;
                    state.synced = sequence;
                    state.builder.note_synced(sequence, offset);
                }
            }),
            Err((action, source)) => Err(self.poison(&mut state, action, source)),
        };
        self.done.notify_all();
        outcome.map(|()| state)
    }

    /// Ends the segment and begins the next one, under the lock.
    fn begin_next_segment(&self, state: &mut State) -> Result<(), WalError> {
        if state.builder.head().sequence == u64::MAX {
            return Err(WalError::SequencesUsedUp);
        }
        let end = state.with_builder(|builder| builder.push_seal(self.key_id()))?;
        self.write_pending(state)?;
        self.give_up_room(state)?;
        if let Err(source) = state.file.sync() {
            return Err(self.poison(state, "sync", source));
        }
        state.synced = end.sequence;
        let header = SegmentHeader::after(&end);
        let begun = create_segment(self.storage.as_ref(), header, Some(&end), self.key.as_ref());
        let outcome =
            begun.map(|End { file, builder }| (state.file, state.builder) = (file, builder));
        if let Err(error) = &outcome {
            state.poisoned = Some(error.to_string());
        }
        self.done.notify_all();
        outcome
    }

    /// Cuts off the room that was made ahead and not used.
    fn give_up_room(&self, state: &mut State) -> Result<(), WalError> {
        if std::mem::take(&mut state.room) > state.builder.offset() {
            state
                .file
                .set_length(state.builder.offset())
                .map_err(|source| self.poison(state, "set the length of", source))?;
        }
        Ok(())
    }

    fn poison(&self, state: &mut State, action: &'static str, source: std::io::Error) -> WalError {
        let name = segment_name(state.builder.header().first_sequence);
        let error = io_error(self.storage.as_ref(), action, &name, source);
        state.poisoned = Some(error.to_string());
        self.done.notify_all();
        error
    }
}

impl Drop for GroupCommit {
    /// Hands the buffered frames to the operating system, unless an earlier write failed.
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if state.check().is_ok() {
            // There is nobody left to tell of a failure; `close` tells.
            drop(self.write_pending(&mut state));
            drop(self.give_up_room(&mut state));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::OnceLock;

    use super::*;
    use crate::Reader;
    use crate::fault_injection::memory::Memory;
    use crate::hash::Hash;
    use crate::storage::StoredFile;

    #[test]
    fn the_record_after_the_last_sequence_is_refused_and_stops_nothing() {
        let header = SegmentHeader {
            index: 1,
            first_sequence: u64::MAX,
            max_record_bytes: 100,
            previous_hash: Hash::from_bytes([1; 32]),
            ..SegmentHeader::FIRST
        };
        for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
            let storage = Arc::new(Memory::default());
            let end = create_segment(storage.as_ref(), header, None, None).unwrap();
            // The second record would also make the segment too long.
            let log = GroupCommit::new(storage, durability, 200, None, end);
            let last = log.append(b"last").unwrap();
            assert_eq!(last.sequence, u64::MAX);
            for refused in [log.append(b"more"), log.append_first(b"more"), log.append(b"more")] {
                assert!(matches!(refused, Err(WalError::SequencesUsedUp)), "{refused:?}");
            }
            assert!(matches!(log.rotate(), Err(WalError::SequencesUsedUp)));
            assert_eq!(log.finish().unwrap(), last);
        }
    }

    /// An empty log on a disk.
    fn log_on(disk: &Memory, durability: Durability) -> GroupCommit {
        let end = create_segment(disk, SegmentHeader::FIRST, None, None).unwrap();
        GroupCommit::new(Arc::new(disk.clone()), durability, 1 << 20, None, end)
    }

    /// How many records a reader finds on a disk, all of which must verify.
    fn records_on(disk: &Memory) -> usize {
        let reader = Reader::open_in(Arc::new(disk.clone()), None).unwrap();
        reader.map(Result::unwrap).count()
    }

    /// Asks the log for everything, which is refused for a defect that was found before.
    fn is_stopped(log: &GroupCommit, defect: &str) {
        for refused in [
            log.append(b"more").map(drop),
            log.append_first(b"more").map(drop),
            log.flush(),
            log.sync(),
            log.finish().map(drop),
            log.rotate(),
            log.declare_start(1),
        ] {
            match refused {
                Err(WalError::Poisoned { cause }) => assert!(cause.contains(defect), "{cause}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_broken_invariant_stops_the_writer_and_acknowledges_nothing() {
        for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
            let disk = Memory::default();
            let log = log_on(&disk, durability);
            log.append(b"acknowledged").unwrap();
            log.sync().unwrap();
            log.state.lock().builder.lose_last_hash();
            let refused = log.append(b"lost");
            assert!(matches!(refused, Err(WalError::Internal(_))), "{refused:?}");
            is_stopped(&log, "the hash before them");
            drop(log);
            assert_eq!(records_on(&disk), 1);
        }
    }

    #[test]
    fn frames_that_were_lost_before_they_were_written_are_not_acknowledged() {
        type Write = fn(&GroupCommit) -> Result<(), WalError>;
        let writes: [Write; 5] = [
            GroupCommit::flush,
            GroupCommit::sync,
            |log| log.finish().map(drop),
            GroupCommit::rotate,
            |log| log.append_first(b"more").map(drop),
        ];
        for write in writes {
            let disk = Memory::default();
            let log = log_on(&disk, Durability::Buffered);
            log.append(b"written").unwrap();
            log.flush().unwrap();
            log.append(b"lost").unwrap();
            log.state.lock().builder.lose_frames();
            let refused = write(&log);
            assert!(matches!(refused, Err(WalError::Internal(_))), "{refused:?}");
            is_stopped(&log, "handed over");
            drop(log);
            assert_eq!(records_on(&disk), 1);
        }
    }

    #[test]
    fn a_broken_invariant_is_told_to_every_thread_that_waits() {
        const THREADS: u64 = 8;
        let disk = Memory::default();
        let log = log_on(&disk, Durability::Synced);
        log.append(b"acknowledged").unwrap();
        // As if a leader were at work: all others wait for it.
        log.state.lock().leading = true;
        let answers: Vec<_> = std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| log.append(b"lost"))).collect();
            while log.head().sequence < 1 + THREADS {
                yield_now();
            }
            {
                let mut state = log.state.lock();
                state.builder.lose_frames();
                state.leading = false;
            }
            log.done.notify_all();
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let told = |is: fn(&WalError) -> bool| {
            answers.iter().filter(|answer| answer.as_ref().is_err_and(is)).count() as u64
        };
        assert_eq!(told(|error| matches!(error, WalError::Internal(_))), 1, "{answers:?}");
        assert_eq!(told(|error| matches!(error, WalError::Poisoned { .. })), THREADS - 1);
        is_stopped(&log, "handed over");
        drop(log);
        assert_eq!(records_on(&disk), 1);
    }

    /// A file; while it is synced, somebody else breaks an invariant of the log.
    struct Disturbed {
        file: Arc<dyn StoredFile>,
        log: OnceLock<Arc<GroupCommit>>,
    }

    impl StoredFile for Disturbed {
        fn length(&self) -> io::Result<u64> {
            self.file.length()
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.file.read_at(offset, buffer)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            self.file.write_at(offset, bytes)
        }
        fn set_length(&self, length: u64) -> io::Result<()> {
            self.file.set_length(length)
        }
        fn sync(&self) -> io::Result<()> {
            let log = self.log.get().unwrap();
            log.state.lock().builder.lose_last_hash();
            assert!(matches!(log.append(b"lost"), Err(WalError::Internal(_))));
            self.file.sync()
        }
    }

    #[test]
    fn a_leader_acknowledges_nothing_once_another_thread_has_broken_an_invariant() {
        let disk = Memory::default();
        let log = Arc::new(log_on(&disk, Durability::Buffered));
        log.append(b"written").unwrap();
        let file = Arc::clone(&log.state.lock().file);
        let disturbed = Arc::new(Disturbed { file, log: OnceLock::new() });
        assert!(disturbed.log.set(Arc::clone(&log)).is_ok());
        log.state.lock().file = disturbed;
        let refused = log.sync();
        assert!(matches!(refused, Err(WalError::Poisoned { .. })), "{refused:?}");
        assert_eq!(log.state.lock().synced, 0);
        is_stopped(&log, "the hash before them");
        assert_eq!(records_on(&disk), 1);
    }

    #[test]
    fn a_panic_stops_the_writer_and_leaves_nobody_waiting() {
        let disk = Memory::default();
        let log = log_on(&disk, Durability::Synced);
        log.append(b"acknowledged").unwrap();
        log.state.lock().leading = true;
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| log.append(b"lost"))).collect();
            while log.head().sequence < 3 {
                yield_now();
            }
            // Nobody is told that the leader is gone.
            log.state.lock().leading = false;
            let defect = |_: &mut FrameBuilder| -> Result<(), WalError> { panic!("a defect") };
            let work = || log.or_tell(|| log.state.lock().with_builder(defect));
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            assert!(panicked.is_err());
            for thread in waiting {
                let answer = thread.join().unwrap();
                assert!(matches!(answer, Err(WalError::Poisoned { .. })), "{answer:?}");
            }
        });
        is_stopped(&log, "panicked");
        drop(log);
        assert_eq!(records_on(&disk), 1);
    }
}
