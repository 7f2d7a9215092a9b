//! Logs of other projects, for the one job that they share with ours: threads append records and
//! each goes on when its record is on disk.

use std::io;
use std::path::Path;
use std::time::Instant;

use calybris_wal::Durability;
use okaywal::{EntryId, LogManager, ReadChunkResult, SegmentReader, WriteAheadLog};
use raft_engine::{Config, Engine, LogBatch};

use super::ours::ours;
use super::record::Record;
use crate::harness::{Effort, Report};

pub fn append_synced(report: &mut Report, root: &Path) {
    let rounds = if report.effort == Effort::Quick { 15 } else { 60 };
    for threads in [1, 4, 16] {
        let path = |name: &str| root.join(format!("{name}-{threads}"));
        let writer = ours(&path("ours"), Durability::Synced, false);
        let log = WriteAheadLog::recover(path("okaywal"), Forget).expect("okaywal opens");
        let directory = path("raft").to_string_lossy().into_owned();
        let engine = Engine::open(Config { dir: directory, ..Config::default() })
            .expect("raft-engine opens");
        // The disk has moods: many short rounds, and the best of each contestant.
        let mut best = [f64::MAX; 3];
        for _ in 0..rounds {
            let mine = time(threads, &|record| {
                writer.append(record).expect("ours appends");
            });
            let okay = time(threads, &|record| {
                let mut entry = log.begin_entry().expect("okaywal begins");
                entry.write_chunk(&encode(record)).expect("okaywal writes");
                entry.commit().expect("okaywal commits");
            });
            let raft = time(threads, &|record| {
                let mut batch = LogBatch::default();
                batch
                    .put(1, record.decision.to_le_bytes().to_vec(), encode(record))
                    .expect("raft-engine takes it");
                engine.write(&mut batch, true).expect("raft-engine writes");
            });
            for (best, time) in best.iter_mut().zip([mine, okay, raft]) {
                *best = best.min(time);
            }
        }
        let [mine, okay, raft] = best;
        report.figure("wal", "append_synced", threads, "us/append", mine, "okaywal", okay);
        report.figure("wal", "append_synced", threads, "us/append", mine, "raft-e", raft);
    }
}

fn encode(record: &Record) -> Vec<u8> {
    bincode::serde::encode_to_vec(record, bincode::config::standard()).expect("a record encodes")
}

/// Microseconds per record when threads append at the same time.
fn time(threads: usize, append: &(dyn Fn(&Record) + Sync)) -> f64 {
    let records = (64 / threads).max(16);
    let many = Record::many();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let many = &many;
            scope.spawn(move || {
                for record in many.iter().cycle().skip(thread).take(records) {
                    append(record);
                }
            });
        }
    });
    started.elapsed().as_secs_f64() * 1e6 / (threads * records) as f64
}

/// okaywal asks what to do with old entries: nothing.
#[derive(Debug)]
struct Forget;

impl LogManager for Forget {
    fn recover(&mut self, entry: &mut okaywal::Entry<'_>) -> io::Result<()> {
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            chunk.read_all()?;
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: EntryId,
        _: &mut SegmentReader,
        _: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}
