//! The log against the published log, and against two logs of other projects that sync.

mod cost;
mod others;
mod ours;
mod record;

use std::path::Path;
use std::time::Instant;

use calybris_wal::{Durability, VerifyOptions, verify};
use ours::{KEY, RECORDS_PER_WRITE, key, ours};
use peer_1_3::wal as peer;
use record::Record;

use crate::harness::{Contestant, Effort, Report};

pub fn run(report: &mut Report) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    for keyed in [false, true] {
        append(report, &root.join("append"), keyed);
    }
    cost::append_cost(report, root);
    bytes_per_record(report, root);
    for keyed in [false, true] {
        verification(report, root, keyed);
    }
    reopen(report, root);
    others::append_synced(report, root);
}

fn theirs<'a>(path: &Path, keyed: bool) -> peer::WalWriter<&'a Record> {
    let opened =
        if keyed { peer::WalWriter::open_keyed(path, KEY) } else { peer::WalWriter::open(path) };
    opened.expect("the peer's log opens")
}

/// One thread appends records; the peer has one durability, which is that of `Os`.
fn append(report: &mut Report, root: &Path, keyed: bool) {
    for (case, durability) in
        [("append_buffered", Durability::Buffered), ("append_os", Durability::Os)]
    {
        let case = if keyed { format!("{case}_keyed") } else { case.to_owned() };
        let _ = std::fs::remove_dir_all(root);
        std::fs::create_dir_all(root).expect("a directory");
        let writer = ours(&root.join("ours"), durability, keyed);
        let mut other = theirs(&root.join("theirs"), keyed);
        let records = Record::many();
        report.duel(
            "wal",
            &case,
            150,
            "ns/append",
            Contestant::in_laps(RECORDS_PER_WRITE, "calybris-wal", |iterations| {
                for (_, record) in (0..iterations).zip(records.iter().cycle()) {
                    writer.append(record).expect("ours appends");
                }
            }),
            vec![Contestant::new("1.3.0", |iterations| {
                for (_, record) in (0..iterations).zip(records.iter().cycle()) {
                    other.append(record).expect("the peer appends");
                }
            })],
        );
    }
}

/// Writes the same records to a log of ours and to one of the peer's.
fn write_logs(root: &Path, records: u64, keyed: bool) {
    let _ = std::fs::remove_dir_all(root);
    std::fs::create_dir_all(root).expect("a directory");
    let writer = ours(&root.join("ours"), Durability::Buffered, keyed);
    let many = Record::many();
    let mut other = theirs(&root.join("theirs"), keyed);
    for (_, record) in (0..records).zip(many.iter().cycle()) {
        writer.append(record).expect("ours appends");
        other.append(record).expect("the peer appends");
    }
    writer.close().expect("ours closes");
    other.flush_and_sync().expect("the peer syncs");
}

/// The bytes of a file, or of all files in a directory.
pub fn length_of(path: &Path) -> u64 {
    let metadata = std::fs::metadata(path).expect("the log exists");
    if metadata.is_file() {
        return metadata.len();
    }
    let entries = std::fs::read_dir(path).expect("a directory");
    entries.map(|entry| entry.expect("an entry").metadata().expect("its length").len()).sum()
}

fn bytes_per_record(report: &mut Report, root: &Path) {
    let root = root.join("bytes");
    let records = 10_000;
    write_logs(&root, records, false);
    let [ours, theirs] =
        ["ours", "theirs"].map(|name| length_of(&root.join(name)) as f64 / records as f64);
    report.figure("wal", "bytes_per_record", 150, "B/record", ours, "1.3.0", theirs);
}

/// Verifies a log of some megabytes on one core, keyed or not, and on two.
fn verification(report: &mut Report, root: &Path, keyed: bool) {
    let root = root.join("verify");
    let records = 20_000;
    write_logs(&root, records, keyed);
    let log = root.join("ours");
    let options = |threads| {
        VerifyOptions::default()
            .with_key(key(keyed))
            .with_threads(std::num::NonZeroUsize::new(threads))
    };
    let run = |threads| {
        let (log, options) = (&log, options(threads));
        move |iterations| {
            for _ in 0..iterations {
                let found = verify(log, &options).expect("ours verifies");
                assert_eq!(found.records, records);
            }
        }
    };
    let theirs = |iterations| {
        for _ in 0..iterations {
            let path = root.join("theirs");
            let verified =
                if keyed { peer::verify_wal_keyed(&path, KEY) } else { peer::verify_wal(&path) };
            assert_eq!(verified.expect("the peer verifies").0, records);
        }
    };
    report.duel(
        "wal",
        if keyed { "verify_keyed" } else { "verify" },
        20_000,
        "ns/log",
        Contestant::new("calybris-wal", run(1)),
        vec![Contestant::new("1.3.0", theirs)],
    );
    if !keyed {
        // Both cores must be free at the same time, so this takes more rounds.
        let rounds = if report.effort == Effort::Quick { 40 } else { 600 };
        let (mut best, mut contestants) = ([f64::MAX; 2], [run(2), run(1)]);
        for _ in 0..rounds {
            for (best, contestant) in best.iter_mut().zip(&mut contestants) {
                let started = Instant::now();
                contestant(1);
                *best = best.min(started.elapsed().as_nanos() as f64);
            }
        }
        report.figure("wal", "verify_2t", 20_000, "ns/log", best[0], "ours 1t", best[1]);
    }
}

/// Opens a log of a million records for writing; of a tenth of them, when in haste.
fn reopen(report: &mut Report, root: &Path) {
    let root = root.join("reopen");
    let (case, records, rounds) = match report.effort {
        Effort::Quick => ("reopen_100k", 100_000, 1),
        Effort::Full => ("reopen_1m", 1_000_000, 3),
    };
    write_logs(&root, records, false);
    let time = |open: &dyn Fn()| {
        let seconds = (0..rounds).map(|_| {
            let started = Instant::now();
            open();
            started.elapsed().as_secs_f64()
        });
        seconds.fold(f64::MAX, f64::min) * 1e3
    };
    let mine = time(&|| {
        let writer = ours(&root.join("ours"), Durability::Os, false);
        assert_eq!(writer.head().sequence, records);
    });
    let yours = time(&|| assert_eq!(theirs(&root.join("theirs"), false).sequence(), records));
    report.figure("wal", case, records as usize, "ms/open", mine, "1.3.0", yours);
}
