//! `calybris verify` and `anchor`: 0 is intact, 1 is not, 2 could not be checked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::{Path, PathBuf};

use program::*;

fn routed(dir: &Path) -> PathBuf {
    let log = dir.join("log");
    let ran = run(&mut route(&input("catalog.toml"), &input("trace.csv"), &log));
    assert_eq!(ran.code, 0, "{}", ran.err);
    log
}

#[test]
fn an_intact_log_says_what_that_establishes_and_what_not() {
    let dir = tempfile::tempdir().unwrap();
    let ran = verify(&routed(dir.path()));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("8 records in 1 segment"), "{}", ran.out);
    assert!(
        ran.out.contains("This establishes that")
            && ran.out.contains("nothing was cut from the end")
    );
}

#[test]
fn a_flipped_byte_is_found_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let log = routed(dir.path());
    let intact = std::fs::read(segment(&log)).unwrap();
    let records = calybris_core::wal::Reader::open(&log, None).unwrap().map(Result::unwrap);
    let last = records.last().unwrap();
    let end_of_records = usize::try_from(last.offset()).unwrap() + 16 + last.payload().len() + 32;
    assert!(end_of_records < intact.len());
    // Every twentieth byte, header included.
    for at in (0..intact.len()).step_by(20) {
        let mut bytes = intact.clone();
        bytes[at] ^= 0x40;
        std::fs::write(segment(&log), &bytes).unwrap();
        let ran = verify(&log);
        let expected = match at {
            // Behind the last record stands only the mark that closing wrote. Without it no record
            // is lost.
            _ if at >= end_of_records => "true",
            _ => "false",
        };
        match (expected, ran.code) {
            ("false", 1) => {
                for part in ["segment", "byte", "record"] {
                    assert!(ran.err.contains(part), "{}", ran.err);
                }
            }
            ("true", 0) => {
                assert!(ran.out.contains("8 records") && ran.out.contains("not a whole record"));
            }
            (_, code) => panic!("byte {at}: {code} {} {}", ran.out, ran.err),
        }
        let json = run(program().arg("verify").arg(&log).arg("--json"));
        assert!(json.out.contains(&format!("\"intact\": {expected}")), "{}", json.out);
        assert!(expected != "false" || json.out.contains("\"offset\":"), "{}", json.out);
    }
}

#[test]
fn an_anchor_shows_a_cut_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = routed(dir.path());
    let anchor = dir.path().join("anchor");
    let printed = run(program().arg("anchor").arg(&log));
    assert_eq!(printed.code, 0, "{}", printed.err);
    std::fs::write(&anchor, &printed.out).unwrap();
    let literal = run(program().arg("verify").arg(&log).arg("--anchor").arg(printed.out.trim()));
    assert_eq!(literal.code, 0, "{}", literal.err);
    assert!(literal.out.contains("everything up to the anchor"), "{}", literal.out);
    let anchored = || run(program().arg("verify").arg(&log).arg("--anchor").arg(&anchor));
    assert_eq!(anchored().code, 0);
    // Cut back to where the log was before the last run: by itself such a log is intact.
    let before = std::fs::read(segment(&log)).unwrap();
    let more = run(route(&input("catalog.toml"), &input("trace.csv"), &log).arg("--append"));
    assert_eq!(more.code, 0, "{}", more.err);
    assert_eq!(anchored().code, 0);
    let later = run(program().arg("anchor").arg(&log));
    std::fs::write(&anchor, &later.out).unwrap();
    std::fs::write(segment(&log), &before).unwrap();
    assert_eq!(verify(&log).code, 0);
    let cut = anchored();
    assert_eq!(cut.code, 1);
    assert!(cut.err.contains("not intact"), "{}", cut.err);
    assert!(cut.err.contains("ends at record 8"), "{}", cut.err);
}

#[test]
fn what_cannot_be_checked_is_never_called_intact() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(verify(&dir.path().join("nothing")).code, 2);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(verify(&empty).code, 2);
    // What has the name of a segment and is none is damage, with a place.
    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(segment(&foreign), [b'x'; 4_096]).unwrap();
    let ran = verify(&foreign);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("at byte 0"), "{}", ran.err);
    let log = routed(dir.path());
    let anchor = dir.path().join("anchor");
    std::fs::write(&anchor, "not an anchor".repeat(1_000)).unwrap();
    let ran = run(program().arg("verify").arg(&log).arg("--anchor").arg(&anchor));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.len() < 500, "{}", ran.err);
    assert_eq!(run(program().arg("verify")).code, 2);
    assert_eq!(run(program().arg("verify").arg(&log).arg("--nonsense")).code, 2);
}

#[test]
fn a_directory_that_has_the_log_in_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let above = verify(dir.path());
    assert!(!above.err.contains("there is a log in"), "{}", above.err);
    let log = routed(dir.path());
    let above = verify(dir.path());
    assert_eq!(above.code, 2);
    let hint = format!("there is a log in `{}`", log.display());
    assert!(above.err.contains(&hint), "{}", above.err);
    let below = verify(&segment(&log));
    assert_eq!(below.code, 2);
    assert!(below.err.contains("is a file, and a log is a directory"), "{}", below.err);
}

#[test]
fn a_log_without_a_beginning_is_not_repaired_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = routed(dir.path());
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    bytes[20] ^= 1;
    std::fs::write(segment(&log), &bytes).unwrap();
    let repaired = run(program().arg("repair").arg(&log));
    assert_eq!(repaired.code, 1);
    assert!(
        repaired.err.contains("there is nothing to keep; nothing was changed"),
        "{}",
        repaired.err
    );
    assert_eq!(std::fs::read(segment(&log)).unwrap(), bytes);
}

#[test]
fn an_explanation_says_that_it_is_not_about_the_whole_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = routed(dir.path());
    let records = calybris_core::wal::Reader::open(&log, None).unwrap().map(Result::unwrap);
    let last = records.last().unwrap();
    let mut bytes = std::fs::read(segment(&log)).unwrap();
    bytes[usize::try_from(last.offset()).unwrap() + 20] ^= 1;
    std::fs::write(segment(&log), &bytes).unwrap();
    assert_eq!(verify(&log).code, 1);
    let explained = run(program().arg("explain").arg(&log).arg("3"));
    assert_eq!(explained.code, 0, "{}", explained.err);
    let what = "verified: records 1 and 3, each against the record before it; not the whole log";
    assert!(explained.out.contains(what), "{}", explained.out);
}
