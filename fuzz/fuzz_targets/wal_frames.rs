//! Any frames whose hashes verify, as a key holder with bad intentions could write them: what they
//! say is checked, and nothing panics.
//!
//! `cargo +nightly fuzz run wal_frames`
#![no_main]

use std::fs;

use calybris_wal::{LogId, Reader, VerifyOptions, WalError, WalOptions, WalWriter, verify};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const LOG_ID: [u8; 16] = [7; 16];

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// Appends a frame, its hash and checksum right, to a log that ends with a hash.
fn push(log: &mut Vec<u8>, kind: u8, flags: u8, sequence: u64, payload: &[u8]) {
    let start = log.len() - 32;
    let mut covered = u32::try_from(payload.len()).expect("short").to_le_bytes().to_vec();
    covered.extend([kind, flags]);
    covered.extend(sequence.to_le_bytes());
    log.extend_from_slice(&covered[..6]);
    log.extend(crc16(&covered).to_le_bytes());
    log.extend_from_slice(&covered[6..]);
    log.extend_from_slice(payload);
    let mut label = b"calybris-wal 1 frame".to_vec();
    label.resize(48, 0);
    let hash = Sha256::new_with_prefix(label).chain_update(LOG_ID).chain_update(&log[start..]);
    log.extend_from_slice(&hash.finalize());
}

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let options = WalOptions::new(7).log_id(LogId::from_bytes(LOG_ID)).max_record_bytes(4096);
    drop(WalWriter::open(path, &options).expect("a new log"));
    let segment = path.join("00000000000000000001.cwal");
    let mut log = fs::read(&segment).expect("its segment");
    let (mut rest, mut sequence) = (bytes, 0_u64);
    while let [kind, twist, length, after @ ..] = rest {
        let (payload, next) = after.split_at((*length as usize).min(after.len()));
        rest = next;
        let kind = kind % 7;
        sequence += u64::from(kind == 1);
        let claimed = if twist % 16 == 0 { sequence ^ u64::from(*twist >> 4) } else { sequence };
        let flags = u8::from(twist % 32 == 1);
        let offset = log.len() as u64;
        match (kind, twist % 4) {
            // Half of the control frames claim what they may claim.
            (2, 2 | 3) => {
                let mark = [sequence.to_le_bytes(), offset.to_le_bytes()].concat();
                push(&mut log, kind, flags, claimed, &mark);
            }
            (4 | 5, 2 | 3) => push(&mut log, kind, flags, claimed, &sequence.to_le_bytes()),
            _ => push(&mut log, kind, flags, claimed, payload),
        }
    }
    fs::write(&segment, &log).expect("a file");

    let mut records = 0;
    let mut hashes = Vec::new();
    let mut failed = None;
    for record in Reader::open(path, None).expect("the header verifies") {
        match record {
            Ok(record) => {
                records += 1;
                assert_eq!(record.sequence(), records);
                hashes.push(record.hash());
            }
            Err(error) => failed = Some(error.to_string()),
        }
    }
    // Every record that verifies from the beginning on is also found by its sequence.
    for (from, hash) in (1..).zip(&hashes) {
        let mut reader = Reader::open_at(path, None, from).expect("the record is there");
        let record = reader.next().expect("a record").expect("it verifies");
        assert_eq!((record.sequence(), &record.hash()), (from, hash));
    }
    for past in [0, records + 1, records + 2, u64::MAX] {
        let _ = Reader::open_at(path, None, past).map(Iterator::count);
    }
    match verify(path, &VerifyOptions::default()) {
        Ok(report) => assert!(failed.is_none() && report.records == records),
        Err(WalError::Empty { .. }) => assert_eq!(records, 0),
        Err(error) => assert_eq!(Some(error.to_string()), failed),
    }
    match WalWriter::open(path, &options) {
        Ok(writer) => {
            assert_eq!(writer.open_report().sequence, records);
            assert_eq!(writer.append("one more").expect("it takes one").sequence, records + 1);
        }
        Err(_) => assert!(failed.is_some()),
    }
});
