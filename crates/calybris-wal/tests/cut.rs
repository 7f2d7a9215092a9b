//! A log that was cut at any byte opens with exactly the records that are whole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;

use calybris_wal::{Tail, VerifyOptions, WalError, verify};
use logs::{DATA, HEADER, frames, keys, log_of, open, payloads, read_payloads, segment};

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_record_and_takes_more() {
    for key in keys() {
        let original = tempfile::tempdir().unwrap();
        logs::write_sample(original.path(), key.as_ref(), true);
        let bytes = fs::read(segment(original.path())).unwrap();
        let frames = frames(&bytes);
        for cut in 0..=bytes.len() {
            let directory = tempfile::tempdir().unwrap();
            log_of(directory.path(), &bytes[..cut]);
            let whole =
                frames.iter().filter(|frame| frame.kind == DATA && frame.end <= cut).count();
            let kept_end = frames.iter().map(|f| f.end).filter(|end| *end <= cut).max();
            let kept_end = if cut < HEADER { 0 } else { kept_end.unwrap_or(HEADER) };
            // Zeros are room, and nothing that could be torn.
            let room = cut >= HEADER && bytes[kept_end..cut].iter().all(|byte| *byte == 0);

            let options = VerifyOptions::default().with_key(key.clone());
            match verify(directory.path(), &options) {
                Ok(report) => {
                    assert_eq!(report.records, whole as u64);
                    let expected = if room {
                        Tail::Clean
                    } else {
                        let (offset, bytes) = (kept_end as u64, (cut - kept_end) as u64);
                        Tail::Torn { segment: 1, offset, bytes }
                    };
                    // `Tail` is non-exhaustive outside the crate, so it is compared whole.
                    assert_eq!(report.tail, expected, "cut at {cut}");
                }
                Err(WalError::Empty { .. }) => assert_eq!(whole, 0, "cut at {cut}"),
                Err(error) => panic!("cut at {cut}: {error}"),
            }

            let writer = open(directory.path(), key.as_ref()).unwrap();
            let report = writer.open_report().clone();
            assert_eq!(report.sequence, whole as u64, "cut at {cut}");
            assert_eq!(report.created, cut < HEADER);
            assert_eq!(report.quarantined.is_some(), kept_end < cut && !room, "cut at {cut}");
            if let Some(cut_off) = report.quarantined {
                assert_eq!(fs::read(cut_off.path).unwrap(), &bytes[kept_end..cut]);
            }
            assert_eq!(read_payloads(directory.path(), key.as_ref()), payloads()[..whole]);

            assert_eq!(writer.append("one more").unwrap().sequence, whole as u64 + 1);
            drop(writer);
            let reopened = open(directory.path(), key.as_ref()).unwrap();
            assert_eq!(reopened.open_report().sequence, whole as u64 + 1);
            assert_eq!(reopened.open_report().quarantined, None);
        }
    }
}

#[test]
fn a_quarantined_tail_never_replaces_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    logs::write_sample(directory.path(), None, false);
    let bytes = fs::read(segment(directory.path())).unwrap();
    for torn in [5, 9] {
        log_of(directory.path(), &[&bytes[..], &vec![7; torn]].concat());
        let writer = open(directory.path(), None).unwrap();
        let cut_off = writer.open_report().quarantined.clone().unwrap();
        assert_eq!(fs::read(cut_off.path).unwrap(), vec![7; torn]);
    }
    let torn = fs::read_dir(directory.path()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "torn")
    });
    assert_eq!(torn.count(), 2);
}
