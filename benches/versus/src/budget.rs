//! The budget against the published one: the same tenants, the same amounts, the same books, and
//! then the time. One iteration reserves 100 microunits and commits 90 of them, if not said
//! otherwise.

mod latency;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use calybris_budget::{BudgetEngine, Microunits, Tenant};
use peer_1_3::budget::BudgetEngine as Peer;

use crate::allocation;
use crate::harness::{Contestant, Report};

const RESERVED: u64 = 100;
const ACTUAL: u64 = 90;
/// Enough for every iteration of a run, and for the sum of all tenants to fit in an `i64`.
const GRANTED: u64 = 1 << 48;
const TENANTS: usize = 10_000;
/// How many pairs each of two threads makes in one iteration: long enough that to start the
/// threads costs little beside it.
const PAIRS_PER_THREAD: usize = 20_000;
/// How many pairs of a walk over all tenants make a sample, at the least: most tenants come up in it
/// more than once, so the caches are not just what another contestant has left behind; and it is
/// short enough to pass between two interruptions.
const LAP: usize = 1 << 14;
/// How many snapshots make a sample, for the same reasons.
const SNAPSHOTS: usize = 20;

pub fn run(report: &mut Report) {
    let books = Books::new();
    memory(report);
    floor(report, &books);
    handle_one(report, &books);
    handle_10k(report, &books);
    name_10k(report, &books);
    hot_2t(report, &books);
    many_2t(report, &books);
    snapshot_10k(report, &books);
    latency::run(report, &books);
    levels_3(report, &books);
    books.check();
}

/// Both engines with the same tenants.
struct Books {
    ours: BudgetEngine,
    peer: Peer,
    names: Vec<String>,
    handles: Vec<Tenant>,
    /// Which tenant is next: a fixed random walk.
    walk: Vec<usize>,
}

impl Books {
    fn new() -> Self {
        let (ours, peer) = (BudgetEngine::new(), Peer::new());
        let names: Vec<String> = (0..TENANTS).map(|index| format!("tenant-{index:05}")).collect();
        // One engine after the other, so that neither stands scattered among the other's memory.
        let open = |name: &String| {
            ours.ensure_tenant(name, Microunits::new(GRANTED)).expect("the name is new")
        };
        let handles = names.iter().map(open).collect();
        for name in &names {
            peer.ensure_tenant(name, GRANTED.cast_signed());
        }
        let mut state = 1_u64;
        let walk = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % TENANTS
        })
        .take(1 << 16)
        .collect();
        Self { ours, peer, names, handles, walk }
    }

    /// Each tenant has spent what it lacks, and nothing is reserved.
    fn check(&self) {
        for (name, handle) in self.names.iter().zip(&self.handles) {
            let now = handle.snapshot();
            assert_eq!(now.reserved.get(), 0);
            assert_eq!(now.available.get() + now.committed.get(), GRANTED);
            let remaining = self.peer.remaining_microcents(name);
            let committed = self.peer.committed_microcents(name);
            assert_eq!(remaining.zip(committed).map(|(r, c)| r + c), Some(GRANTED.cast_signed()));
        }
    }
}

fn ours_by_handle(tenant: &Tenant) {
    ours_commits(tenant, ACTUAL);
}

fn ours_exact(tenant: &Tenant) {
    ours_commits(tenant, RESERVED);
}

fn ours_commits(tenant: &Tenant, actual: u64) {
    match black_box(tenant).try_reserve_scoped(black_box(Microunits::new(RESERVED))) {
        Ok(reservation) => {
            let _: bool = black_box(reservation.commit(black_box(Microunits::new(actual))).is_ok());
        }
        Err(error) => panic!("{error}"),
    }
}

fn ours_owned(tenant: &Tenant) {
    match black_box(tenant).try_reserve(black_box(Microunits::new(RESERVED))) {
        Ok(reservation) => {
            let _: bool = black_box(reservation.commit(black_box(Microunits::new(ACTUAL))).is_ok());
        }
        Err(error) => panic!("{error}"),
    }
}

fn peer_pair(peer: &Peer, name: &str) {
    peer_commits(peer, name, ACTUAL);
}

fn peer_commits(peer: &Peer, name: &str, actual: u64) {
    let (_, id) = peer.try_reserve(black_box(name), black_box(RESERVED.cast_signed()));
    let id = id.expect("the tenant has enough");
    black_box(peer.commit(id, black_box(actual.cast_signed())));
}

/// The memory of a tenant, and the allocations of a pair by handle.
fn memory(report: &mut Report) {
    let names: Vec<String> = (0..TENANTS).map(|index| format!("tenant-{index:05}")).collect();
    let (ours, _, bytes) = allocation::measure(|| {
        let engine = BudgetEngine::new();
        for name in &names {
            engine.ensure_tenant(name, Microunits::new(GRANTED)).expect("the name is new");
        }
        engine
    });
    let (peer, _, peer_bytes) = allocation::measure(|| {
        let peer = Peer::new();
        for name in &names {
            peer.ensure_tenant(name, GRANTED.cast_signed());
        }
        peer
    });
    let each = |bytes: i64| bytes as f64 / TENANTS as f64;
    let (bytes, peer_bytes) = (each(bytes), each(peer_bytes));
    report.figure("budget", "tenant", TENANTS, "bytes/tenant", bytes, "1.3.0", peer_bytes);

    let tenant = ours.tenant(&names[0]).expect("it was opened");
    let ((), count, _) = allocation::measure(|| ours_by_handle(&tenant));
    assert_eq!(count, 0, "a pair by handle asks for memory");
    let ((), peer_count, _) = allocation::measure(|| peer_pair(&peer, &names[0]));
    let (count, peer_count) = (count as f64, peer_count as f64);
    report.figure("budget", "allocations", 1, "allocations/pair", count, "1.3.0", peer_count);
}

/// The floor for a budget that admits and settles exactly: two bare compare-and-swaps on one word.
fn floor(report: &mut Report, books: &Books) {
    let word = AtomicU64::new(GRANTED);
    let swap = |by: u64| {
        let seen = word.load(Ordering::Relaxed);
        let next = seen.wrapping_add(by);
        black_box(word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed).is_ok());
    };
    report.duel(
        "budget",
        "floor",
        1,
        "ns/2 swaps",
        Contestant::new("ours", |iterations| {
            for _ in 0..iterations {
                swap(1);
                swap(u64::MAX);
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            for _ in 0..iterations {
                peer_pair(&books.peer, &books.names[0]);
            }
        })],
    );
}

/// One tenant, again and again: with a reservation that borrows the handle, the same with no surplus
/// to return, and with one that owns a clone of the handle.
fn handle_one(report: &mut Report, books: &Books) {
    let (tenant, name) = (&books.handles[0], &books.names[0]);
    let cases = [
        ("handle_one", ours_by_handle as fn(&Tenant), ACTUAL),
        ("exact_one", ours_exact as fn(&Tenant), RESERVED),
        ("owned_one", ours_owned as fn(&Tenant), ACTUAL),
    ];
    for (case, pair, actual) in cases {
        report.duel(
            "budget",
            case,
            1,
            "ns/pair",
            Contestant::new("ours", |iterations| {
                for _ in 0..iterations {
                    pair(tenant);
                }
            }),
            vec![Contestant::new("1.3.0", |iterations| {
                for _ in 0..iterations {
                    peer_commits(&books.peer, name, actual);
                }
            })],
        );
    }
}

fn handle_10k(report: &mut Report, books: &Books) {
    let (mut turn, mut peer_turn) = (books.walk.iter().cycle(), books.walk.iter().cycle());
    report.duel(
        "budget",
        "handle_10k",
        TENANTS,
        "ns/pair",
        Contestant::in_laps(LAP, "ours", |iterations| {
            for &index in turn.by_ref().take(iterations as usize) {
                ours_by_handle(&books.handles[index]);
            }
        }),
        vec![Contestant::in_laps(LAP, "1.3.0", |iterations| {
            for &index in peer_turn.by_ref().take(iterations as usize) {
                peer_pair(&books.peer, &books.names[index]);
            }
        })],
    );
}

fn name_10k(report: &mut Report, books: &Books) {
    let (mut turn, mut peer_turn) = (books.walk.iter().cycle(), books.walk.iter().cycle());
    report.duel(
        "budget",
        "name_10k",
        TENANTS,
        "ns/pair",
        Contestant::in_laps(LAP, "ours", |iterations| {
            for &index in turn.by_ref().take(iterations as usize) {
                let name = black_box(books.names[index].as_str());
                let id = books
                    .ours
                    .try_reserve(name, Microunits::new(RESERVED))
                    .expect("there is enough");
                black_box(books.ours.commit(name, id, Microunits::new(ACTUAL)).is_ok());
            }
        }),
        vec![Contestant::in_laps(LAP, "1.3.0", |iterations| {
            for &index in peer_turn.by_ref().take(iterations as usize) {
                peer_pair(&books.peer, &books.names[index]);
            }
        })],
    );
}

/// Two threads at once; `pair` is told its thread and its turn.
fn two_threads(iterations: u64, pair: impl Fn(usize, usize) + Sync) {
    for _ in 0..iterations {
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let pair = &pair;
                scope.spawn(move || (0..PAIRS_PER_THREAD).for_each(|turn| pair(thread, turn)));
            }
        });
    }
}

fn hot_2t(report: &mut Report, books: &Books) {
    let (tenant, name) = (&books.handles[0], &books.names[0]);
    report.duel(
        "budget",
        "hot_2t",
        1,
        "ns/2x20000 pairs",
        Contestant::new("ours", |iterations| {
            two_threads(iterations, |_, _| ours_by_handle(tenant));
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            two_threads(iterations, |_, _| peer_pair(&books.peer, name));
        })],
    );
}

fn many_2t(report: &mut Report, books: &Books) {
    let index = |thread: usize, turn: usize| {
        books.walk[(thread * books.walk.len() / 2 + turn) % books.walk.len()]
    };
    report.duel(
        "budget",
        "many_2t",
        TENANTS,
        "ns/2x20000 pairs",
        Contestant::new("ours", |iterations| {
            two_threads(iterations, |thread, turn| {
                ours_by_handle(&books.handles[index(thread, turn)]);
            });
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            two_threads(iterations, |thread, turn| {
                peer_pair(&books.peer, &books.names[index(thread, turn)]);
            });
        })],
    );
}

/// Every account, exactly. Ours are read into a list that is used again and again, as the published
/// crate's snapshot cannot be.
fn snapshot_10k(report: &mut Report, books: &Books) {
    let mut all = Vec::new();
    report.duel(
        "budget",
        "snapshot_10k",
        TENANTS,
        "ns/snapshot",
        Contestant::in_laps(SNAPSHOTS, "ours", |iterations| {
            for _ in 0..iterations {
                all.clear();
                all.extend(books.handles.iter().map(Tenant::snapshot));
                black_box(&all);
            }
        }),
        vec![Contestant::in_laps(SNAPSHOTS, "1.3.0", |iterations| {
            for _ in 0..iterations {
                black_box(books.peer.snapshot());
            }
        })],
    );
}

/// Organisation, team and key, admitted together; the published crate has one level.
fn levels_3(report: &mut Report, books: &Books) {
    let engine = BudgetEngine::new();
    let open = || {
        let organisation = engine.ensure_tenant("organisation", Microunits::new(GRANTED))?;
        let team = engine.ensure_child("team", Microunits::new(GRANTED), &organisation)?;
        engine.ensure_child("key", Microunits::new(GRANTED), &team)
    };
    let key = open().expect("the names are new");
    let name = &books.names[0];
    report.duel(
        "budget",
        "levels_3",
        3,
        "ns/pair",
        Contestant::new("ours", |iterations| {
            for _ in 0..iterations {
                ours_by_handle(&key);
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
            for _ in 0..iterations {
                peer_pair(&books.peer, name);
            }
        })],
    );
}
