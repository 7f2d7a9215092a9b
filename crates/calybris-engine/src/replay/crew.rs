//! The threads that decide, and the batches between them and the one that reads.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::{Condvar, Mutex, RwLock};

use super::batch::Batch;
use super::trial::Trials;

/// How many batches may be under way per thread.
const BATCHES_PER_THREAD: u64 = 4;

/// The threads that decide. The one that reads helps whenever enough is waiting, so one alone does all.
pub(super) struct Crew<'a> {
    trials: &'a RwLock<Trials>,
    most_under_way: u64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(u64, Batch)>,
    done: BTreeMap<u64, Batch>,
    spares: Vec<Batch>,
    /// How many batches were taken, and how many were handed back.
    taken: u64,
    returned: u64,
    closed: bool,
}

/// Sends the threads home when it is dropped, however the reading ends.
pub(super) struct Open<'a, 'b>(&'b Crew<'a>);

impl<'a> Crew<'a> {
    pub(super) fn new(trials: &'a RwLock<Trials>, threads: usize) -> Self {
        let threads = u64::try_from(threads).unwrap_or(1);
        // Alone, there is nobody to work ahead for.
        let most_under_way =
            if threads > 1 { threads.saturating_mul(BATCHES_PER_THREAD) } else { 1 };
        Self { trials, most_under_way, queue: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn open(&self) -> Open<'a, '_> {
        Open(self)
    }

    /// An empty batch.
    pub(super) fn spare(&self) -> Batch {
        self.queue.lock().spares.pop().unwrap_or_default()
    }

    /// Takes a batch to be decided.
    pub(super) fn take(&self, batch: Batch) {
        let mut queue = self.queue.lock();
        let number = queue.taken;
        queue.taken += 1;
        queue.waiting.push_back((number, batch));
        drop(queue);
        self.changed.notify_all();
    }

    /// The next batch in order, decided. `None` while none is there and another may be read, or, when nothing more will
    /// be, after the last.
    pub(super) fn next_done(&self, all_taken: bool) -> Option<Batch> {
        let mut queue = self.queue.lock();
        loop {
            let next = queue.returned;
            if let Some(batch) = queue.done.remove(&next) {
                queue.returned += 1;
                return Some(batch);
            }
            let under_way = queue.taken - queue.returned;
            if under_way == 0 || (!all_taken && under_way < self.most_under_way) {
                return None;
            }
            if let Some((number, batch)) = queue.waiting.pop_front() {
                drop(queue);
                self.decide(number, batch);
                queue = self.queue.lock();
            } else {
                self.changed.wait(&mut queue);
            }
        }
    }

    /// Takes back a batch that was visited.
    pub(super) fn reuse(&self, batch: Batch) {
        self.queue.lock().spares.push(batch);
    }

    /// Decides batches until there are no more.
    pub(super) fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some((number, batch)) = queue.waiting.pop_front() {
                drop(queue);
                self.decide(number, batch);
                queue = self.queue.lock();
            } else if queue.closed {
                return;
            } else {
                self.changed.wait(&mut queue);
            }
        }
    }

    fn decide(&self, number: u64, mut batch: Batch) {
        batch.decide(&self.trials.read());
        self.queue.lock().done.insert(number, batch);
        self.changed.notify_all();
    }
}

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.closed = true;
        queue.waiting.clear();
        drop(queue);
        self.0.changed.notify_all();
    }
}
