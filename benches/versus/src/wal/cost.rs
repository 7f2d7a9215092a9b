//! The cost of an append against its lower bound: encoding the record and hashing it with SHA-256.

use std::path::Path;

use bincode::config::standard;
use calybris_wal::Durability;
use sha2::block_api::compress256;

use super::ours::{RECORDS_PER_WRITE, ours};
use super::record::Record;
use crate::harness::{Contestant, Report};

/// The hash before the frame and the frame's header, which are hashed with the payload.
const HASHED_BESIDE_PAYLOAD_BYTES: usize = 32 + 16;

/// The least padding of SHA-256.
const PADDING_BYTES: usize = 9;

/// Appends in `Buffered`, against the same encoding and as many blocks as the chain hashes. Our
/// figure includes the write of every 256 KiB.
pub fn append_cost(report: &mut Report, root: &Path) {
    let writer = ours(&root.join("cost"), Durability::Buffered, false);
    let records = Record::many();
    let mut payload = Vec::new();
    report.duel(
        "wal",
        "append_cost",
        150,
        "ns/append",
        Contestant::in_laps(RECORDS_PER_WRITE, "calybris-wal", |iterations| {
            for (_, record) in (0..iterations).zip(records.iter().cycle()) {
                writer.append(record).expect("ours appends");
            }
        }),
        vec![Contestant::new("sha+enc", |iterations| {
            let mut state = [1; 8];
            for (_, record) in (0..iterations).zip(records.iter().cycle()) {
                payload.clear();
                bincode::serde::encode_into_std_write(record, &mut payload, standard())
                    .expect("a record encodes");
                let hashed = HASHED_BESIDE_PAYLOAD_BYTES + payload.len() + PADDING_BYTES;
                payload.resize(hashed.next_multiple_of(64), 0);
                compress256(&mut state, payload.as_chunks().0);
            }
            std::hint::black_box(state);
        })],
    );
}
