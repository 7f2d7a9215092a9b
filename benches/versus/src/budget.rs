//! The budget against the published one: the same tenants, the same amounts, the same books, and
//! then the time. One iteration reserves 100 microunits and commits 90 of them, if not said
//! otherwise.

use std::hint::black_box;

use calybris_budget::{BudgetEngine, Tenant};
use peer_1_3::budget::BudgetEngine as Peer;

use crate::harness::{Contestant, Report};

const RESERVED: u64 = 100;
const ACTUAL: u64 = 90;
/// Enough for every iteration of a run, and for the sum of all tenants to fit in an `i64`.
const GRANTED: u64 = 1 << 48;
const TENANTS: usize = 10_000;
/// How many pairs each of two threads makes in one iteration: long enough that to start the
/// threads costs little beside it.
const PAIRS_PER_THREAD: usize = 5_000;

pub fn run(report: &mut Report) {
    let books = Books::new();
    handle_one(report, &books);
    handle_10k(report, &books);
    name_10k(report, &books);
    hot_2t(report, &books);
    many_2t(report, &books);
    snapshot_10k(report, &books);
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
        let handles = names
            .iter()
            .map(|name| {
                peer.ensure_tenant(name, GRANTED.cast_signed());
                ours.ensure_tenant(name, GRANTED).expect("the name is new")
            })
            .collect();
        let mut state = 1_u64;
        let walk = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % TENANTS
        })
        .take(1 << 16)
        .collect();
        Self { ours, peer, names, handles, walk }
    }

    /// What each has spent is what it has not got any more, and nothing is held.
    fn check(&self) {
        for (name, handle) in self.names.iter().zip(&self.handles) {
            let now = handle.snapshot();
            assert_eq!(now.reserved_microunits, 0);
            assert_eq!(now.available_microunits + now.committed_microunits, GRANTED);
            let remaining = self.peer.remaining_microcents(name);
            let committed = self.peer.committed_microcents(name);
            assert_eq!(remaining.zip(committed).map(|(r, c)| r + c), Some(GRANTED.cast_signed()));
        }
    }
}

fn ours_by_handle(tenant: &Tenant) {
    match black_box(tenant).try_reserve_scoped(black_box(RESERVED)) {
        Ok(reservation) => drop(black_box(reservation.commit(black_box(ACTUAL)).is_ok())),
        Err(error) => panic!("{error}"),
    }
}

fn ours_owned(tenant: &Tenant) {
    match black_box(tenant).try_reserve(black_box(RESERVED)) {
        Ok(reservation) => drop(black_box(reservation.commit(black_box(ACTUAL)).is_ok())),
        Err(error) => panic!("{error}"),
    }
}

fn peer_pair(peer: &Peer, name: &str) {
    let (_, id) = peer.try_reserve(black_box(name), black_box(RESERVED.cast_signed()));
    let id = id.expect("the tenant has enough");
    black_box(peer.commit(id, black_box(ACTUAL.cast_signed())));
}

/// One tenant, again and again: with a reservation that borrows the handle, and with one that owns
/// a clone of it.
fn handle_one(report: &mut Report, books: &Books) {
    let (tenant, name) = (&books.handles[0], &books.names[0]);
    for (case, pair) in
        [("handle_one", ours_by_handle as fn(&Tenant)), ("owned_one", ours_owned as fn(&Tenant))]
    {
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
                    peer_pair(&books.peer, name);
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
        Contestant::new("ours", |iterations| {
            for &index in turn.by_ref().take(iterations as usize) {
                ours_by_handle(&books.handles[index]);
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
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
        Contestant::new("ours", |iterations| {
            for &index in turn.by_ref().take(iterations as usize) {
                let name = black_box(books.names[index].as_str());
                let id = books.ours.try_reserve(name, RESERVED).expect("there is enough");
                black_box(books.ours.commit(name, id, ACTUAL).is_ok());
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
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
        "ns/2x5000 pairs",
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
        "ns/2x5000 pairs",
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

/// Every account, exactly.
fn snapshot_10k(report: &mut Report, books: &Books) {
    report.duel(
        "budget",
        "snapshot_10k",
        TENANTS,
        "ns/snapshot",
        Contestant::new("ours", |iterations| {
            for _ in 0..iterations {
                let all: Vec<_> = books.handles.iter().map(Tenant::snapshot).collect();
                black_box(all);
            }
        }),
        vec![Contestant::new("1.3.0", |iterations| {
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
        let organisation = engine.ensure_tenant("organisation", GRANTED)?;
        let team = engine.ensure_child("team", GRANTED, &organisation)?;
        engine.ensure_child("key", GRANTED, &team)
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
