//! Any bytes as a log: reading, verifying, opening and repairing never panic, and agree.
//!
//! `cargo +nightly fuzz run wal_open`
#![no_main]

use std::fs;

use calybris_wal::{
    LogId, Reader, RepairOptions, VerifyOptions, WalError, WalOptions, WalWriter, repair, verify,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let options = WalOptions::new(7).log_id(LogId::from_bytes([7; 16])).max_record_bytes(4096);
    // Most inputs follow a header that verifies, or nothing of them is looked at.
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let segment = path.join("00000000000000000001.cwal");
    if first % 8 != 0 {
        drop(WalWriter::open(path, &options).expect("a new log"));
    }
    let mut log = fs::read(&segment).unwrap_or_default();
    log.extend_from_slice(rest);
    fs::write(&segment, &log).expect("a file");

    let mut records = 0;
    let failed = match Reader::open(path, None) {
        Err(error) => Some(error),
        Ok(reader) => {
            let mut failed = None;
            for record in reader {
                match record {
                    Ok(record) => {
                        records += 1;
                        assert_eq!(record.sequence(), records);
                        let _ = record.decode::<Vec<String>>();
                    }
                    Err(error) => failed = Some(error),
                }
            }
            failed
        }
    };
    for from in 1..=records {
        let mut reader = Reader::open_at(path, None, from).expect("the record is there");
        assert_eq!(reader.next().expect("a record").expect("it verifies").sequence(), from);
    }
    let _ = Reader::open_at(path, None, records + 2).map(Iterator::count);
    match verify(path, &VerifyOptions::default()) {
        Ok(report) => assert!(failed.is_none() && report.records == records && records > 0),
        Err(WalError::Empty { .. }) => assert_eq!(records, 0),
        Err(error) => assert_eq!(error.to_string(), failed.expect("both fail").to_string()),
    }
    match WalWriter::open(path, &options) {
        Ok(writer) => assert_eq!(writer.open_report().sequence, records),
        Err(error) => {
            assert_eq!(fs::read(&segment).expect("the file"), log);
            if error.is_tampering()
                && matches!(repair(path, &RepairOptions::default()), Ok(Some(_)))
            {
                let writer = WalWriter::open(path, &options).expect("a repaired log opens");
                assert_eq!(writer.open_report().sequence, records);
            }
        }
    }
});
