//! What goes wrong with the log of the published crate (1.3.0), and does not here.
//!
//! Some have their tests elsewhere: a log cut at any byte in `cut.rs`, an empty log and a keyed log
//! that stands in for another in `door.rs`, verification beside a writer in `door.rs` and
//! `segments.rs`, a full disk, the number of writes and the cost of opening in `src/faults`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use logs::{open, read, read_payloads, segment, write_sample};

#[test]
fn losing_the_last_byte_does_not_hide_what_is_appended_and_synced_later() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), None, false);
    let bytes = fs::read(segment(directory.path())).unwrap();
    fs::write(segment(directory.path()), &bytes[..bytes.len() - 1]).unwrap();
    let writer = open(directory.path(), None).unwrap();
    writer.append("synced later").unwrap();
    writer.flush_and_sync().unwrap();
    let payloads = read_payloads(directory.path(), None);
    assert_eq!(payloads.len(), 6);
    assert_eq!(payloads[5], b"\x0csynced later");
}

#[test]
fn an_append_that_is_abandoned_in_its_middle_leaves_no_trace() {
    struct Abandoned;
    impl serde::Serialize for Abandoned {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;
            let mut tuple = serializer.serialize_tuple(2)?;
            tuple.serialize_element("half of a record")?;
            panic!("abandoned")
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    writer.append("before").unwrap();
    let bytes = fs::read(segment(directory.path())).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| writer.append(&Abandoned))).is_err());
    assert_eq!(fs::read(segment(directory.path())).unwrap(), bytes);
    assert_eq!(writer.append("after").unwrap().sequence, 2);
    assert_eq!(read_payloads(directory.path(), None), [&b"\x06before"[..], b"\x05after"]);
}

#[test]
fn no_record_is_handed_out_before_it_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), None, true);
    let mut bytes = fs::read(segment(directory.path())).unwrap();
    let third = logs::frames(&bytes).into_iter().find(|frame| frame.sequence == 3).unwrap();
    bytes[third.start + 20] ^= 1;
    fs::write(segment(directory.path()), &bytes).unwrap();
    let (records, error) = read(directory.path(), None);
    assert_eq!(records.len(), 2, "the changed record does not come out");
    assert!(error.unwrap().is_tampering());
}
