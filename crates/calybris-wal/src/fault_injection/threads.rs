//! Power cuts while several threads write.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::{Durability, LogId, Reader, RetentionAction, WalError, WalOptions, WalWriter};

fn open(disk: &Memory, durability: Durability) -> Result<WalWriter, WalError> {
    let options = WalOptions::new(1)
        .log_id(LogId::from_bytes([1; 16]))
        .segment_bytes(1024)
        .durability(durability);
    WalWriter::open_in(Arc::new(disk.clone()), &options, None)
}

/// Appends records of one thread until one fails, and answers those that were acknowledged as on disk.
fn append(writer: &WalWriter, durability: Durability, thread: u8) -> BTreeMap<u64, Vec<u8>> {
    let (mut acknowledged, mut pending) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..12_u8 {
        let payload = vec![thread; 10 + usize::from(number)];
        let outcome = match number % 5 {
            4 => writer.rotate().and_then(|()| writer.append_bytes(&payload)),
            _ => writer.append_bytes(&payload),
        };
        let Ok(receipt) = outcome else { break };
        pending.insert(receipt.sequence, payload);
        let synced = match durability {
            Durability::Synced => true,
            _ => number % 3 == 2 && writer.flush_and_sync().is_ok(),
        };
        if synced {
            acknowledged.append(&mut pending);
        }
    }
    acknowledged
}

#[test]
fn what_any_thread_was_told_is_on_disk_survives_a_power_cut_at_any_call() {
    for durability in [Durability::Os, Durability::Buffered, Durability::Synced] {
        for at in 0..90 {
            let disk = Memory::default();
            disk.fail(at, Fault::Freeze);
            let Ok(writer) = open(&disk, durability) else { continue };
            let mut start = 1;
            let acknowledged: BTreeMap<u64, Vec<u8>> = std::thread::scope(|scope| {
                let writer = &writer;
                let threads: Vec<_> = (0..3)
                    .map(|thread| scope.spawn(move || append(writer, durability, thread)))
                    .collect();
                for sequence in [5, 12] {
                    start = sequence;
                    drop(writer.retain_from(sequence, RetentionAction::Remove));
                }
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            drop(writer);
            disk.crash(&mut Dice(at));
            let context = format!("{durability:?}, call {at}");
            let mut found = BTreeMap::new();
            for record in Reader::open_in(Arc::new(disk.clone()), None).into_iter().flatten() {
                let record = record.unwrap_or_else(|error| panic!("{context}: {error}"));
                found.insert(record.sequence(), record.payload().to_vec());
            }
            for (sequence, payload) in acknowledged.range(start..) {
                assert_eq!(found.get(sequence), Some(payload), "{context}: record {sequence}");
            }
            let last = found.keys().next_back().copied().unwrap_or(0);
            let recovered = open(&disk, durability).unwrap().open_report().sequence;
            assert!(recovered >= last, "{context}: {recovered} of {last}");
        }
    }
}
