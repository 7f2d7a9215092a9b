//! The latency of one pair of reserve and commit while another thread keeps reading every account:
//! not the mean but the slow pairs, which are those that waited.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use calybris_budget::Tenant;

use super::{Books, ours_by_handle, peer_pair};
use crate::harness::{Effort, Report};

/// How many pairs a round times, one by one: two hundred are above the quantile.
const PAIRS: usize = 200_000;

/// The 99.9th percentile.
const SLOW: usize = PAIRS / 1_000;

/// How many times the reader has to have read everything during a round, for the round to count: on
/// a busy machine it may not have run at all.
const READINGS: u64 = 10;

/// The median and the 99.9th percentile of a pair, in nanoseconds with the reading of the clock: the
/// smallest of all rounds, as a round may be disturbed and none is quicker than it can be.
#[derive(Clone, Copy)]
struct Quantiles {
    median: f64,
    slow: f64,
}

pub(super) fn run(report: &mut Report, books: &Books) {
    let rounds = match report.effort {
        Effort::Full => 40,
        Effort::Quick => 3,
    };
    let (tenant, name) = (&books.handles[0], &books.names[0]);
    let (mut idle, mut beside) = ([Quantiles::WORST; 2], [Quantiles::WORST; 2]);
    for _ in 0..rounds {
        // Interleaved, so that what disturbs one disturbs the others as well.
        let ours = || ours_by_handle(tenant);
        let peer = || peer_pair(&books.peer, name);
        idle[0].keep(round(ours));
        idle[1].keep(round(peer));
        let mut all = Vec::new();
        beside[0].keep(beside_reader(ours, || {
            all.clear();
            all.extend(books.handles.iter().map(Tenant::snapshot));
            std::hint::black_box(&all);
        }));
        beside[1].keep(beside_reader(peer, || drop(std::hint::black_box(books.peer.snapshot()))));
    }
    let n = books.handles.len();
    for (case, [ours, peer]) in [("pair_idle", idle), ("pair_beside", beside)] {
        report.figure("budget", case, n, "ns, median", ours.median, "1.3.0", peer.median);
        report.figure("budget", case, n, "ns, p99.9", ours.slow, "1.3.0", peer.slow);
    }
}

/// Times each pair by itself.
fn round(pair: impl Fn()) -> Quantiles {
    let mut taken: Vec<u64> = (0..PAIRS)
        .map(|_| {
            let start = Instant::now();
            pair();
            u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
        })
        .collect();
    taken.sort_unstable();
    Quantiles { median: taken[PAIRS / 2] as f64, slow: taken[PAIRS - SLOW - 1] as f64 }
}

/// The same while another thread reads; [`Quantiles::WORST`] if that thread hardly ran.
fn beside_reader(pair: impl Fn(), mut read: impl FnMut() + Send) -> Quantiles {
    let (readings, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                read();
                readings.fetch_add(1, Ordering::Relaxed);
            }
        });
        while readings.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let before = readings.load(Ordering::Relaxed);
        let quantiles = round(pair);
        let during = readings.load(Ordering::Relaxed) - before;
        done.store(true, Ordering::Relaxed);
        if during < READINGS { Quantiles::WORST } else { quantiles }
    })
}

impl Quantiles {
    const WORST: Self = Self { median: f64::INFINITY, slow: f64::INFINITY };

    fn keep(&mut self, other: Self) {
        self.median = self.median.min(other.median);
        self.slow = self.slow.min(other.slow);
    }
}
