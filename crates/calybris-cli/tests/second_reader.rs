//! `calybris export --format jsonl` prints what the reader in Python prints, byte for byte. That reader was written from
//! `RECORDS.md` and `FORMAT.md` alone, so the two pages suffice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;
#[path = "../../calybris-engine/tests/python/mod.rs"]
mod python;
mod recorded;

use std::ffi::OsStr;
use std::path::Path;

use calybris_core::engine::{Engine, EngineOptions, Record, SCHEMA_ID};
use calybris_core::units::UnixMillis;
use calybris_core::wal::{LogId, Reader, RetentionAction, WalOptions, WalWriter};
use program::log;
use program::*;
use python::*;
use recorded::HOSTILE;
use serde_json::Value;

/// The lines that both print of a log, and the exit code of the program. The key file is the program's: a key in
/// hexadecimal on each line.
fn alike(log: &Path, key_file: Option<&Path>) -> (String, i32) {
    let export = |output: &[&OsStr]| {
        let mut command = program();
        command.arg("export").arg(log).args(["--format", "jsonl"]).args(output);
        run(key_file.iter().fold(&mut command, |command, file| command.arg("--key-file").arg(file)))
    };
    let dir = tempfile::tempdir().unwrap();
    let keys = key_file.map_or_else(String::new, |file| std::fs::read_to_string(file).unwrap());
    let secrets = keys.lines().enumerate().map(|(number, line)| {
        let secret = dir.path().join(number.to_string());
        std::fs::write(&secret, base16ct::lower::decode_vec(line).unwrap()).unwrap();
        secret
    });
    let other = read_log(log, &secrets.collect::<Vec<_>>());
    let lines = String::from_utf8(other.stdout).unwrap();
    let errors = String::from_utf8(other.stderr).unwrap();
    // What a terminal would hide is written as an escape there, and means the same.
    let printed = export(&[]);
    let values = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert!(values(&printed.out) == values(&lines), "{}\n{errors}\n{lines}", printed.err);
    assert_eq!(printed.code == 0, other.status.success(), "{}\n{errors}", printed.err);
    assert_eq!(errors.is_empty(), printed.code == 0, "{errors}");
    // A file has the data as it is. There is one if the log was read as far as it is intact.
    let file = dir.path().join("lines.jsonl");
    assert_eq!(export(&["--output".as_ref(), file.as_os_str()]).code, printed.code);
    if printed.code < 2 {
        let written = std::fs::read_to_string(&file).unwrap();
        let first = written.lines().zip(lines.lines()).find(|(own, other)| own != other);
        assert_eq!(first, None, "{}", log.display());
        assert!(written == lines, "{}", log.display());
    }
    (lines, printed.code)
}

/// How many lines both print of a log that is intact.
fn lines(log: &Path) -> usize {
    let (lines, code) = alike(log, None);
    assert_eq!(code, 0, "{}", log.display());
    lines.lines().count()
}

fn routed(log: &Path, options: &[&str]) {
    let mut command = route(&input("catalog.toml"), &input("trace.csv"), log);
    let ran = run(command.args(options));
    assert_eq!(ran.code, 0, "{}", ran.err);
}

fn with_engine<T>(log: &Path, work: impl FnOnce(&Engine) -> T) -> T {
    let engine = Engine::open(log, &EngineOptions::default()).unwrap();
    let answer = work(&engine);
    engine.close().unwrap();
    answer
}

/// A log of these payloads in small segments, as no engine would have written it.
fn write_payloads(log: &Path, payloads: &[Vec<u8>]) {
    let options = WalOptions::new(SCHEMA_ID).log_id(LogId::from_bytes([7; 16]));
    let writer = WalWriter::open(log, &options.segment_bytes(16 << 10)).unwrap();
    for payload in payloads {
        writer.append_bytes(payload).unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn logs_of_an_engine_are_read_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);

    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../calybris-engine/tests/golden");
    for (name, count) in [("log", 16), ("second_log", 9)] {
        let golden = path(name);
        std::fs::create_dir(&golden).unwrap();
        std::fs::copy(kept.join(name).with_extension("cwal"), segment(&golden)).unwrap();
        assert_eq!(lines(&golden), count);
    }

    let every_kind = path("every-kind");
    log::write_log(&every_kind);
    assert_eq!(lines(&every_kind), 19);

    let by_hand = path("by-hand");
    log::write_log(&by_hand);
    let reason = "caf\u{e9} \u{202e}\u{1f980}\"\\";
    for change in [
        &["top-up", "1,500.25"][..],
        &["rules", "--exposure-cap", "2", "--soft-limit", "none", "--overrun", "cap-at-reserved"],
        &["freeze"],
    ] {
        let mut command = program();
        command.args(["tenant", change[0]]).arg(&by_hand).arg("acme").args(&change[1..]);
        let ran = run(command.args(["--reason", reason]));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    assert_eq!(lines(&by_hand), 22);

    let hostile = path("hostile");
    recorded::write_decisions(&hostile, 40, |_, decided| decided.tenant = HOSTILE.into());
    assert!(lines(&hostile) > 40);

    let demo = path("demo");
    assert_eq!(run(program().arg("demo").arg("--dir").arg(&demo)).code, 0);
    assert!(lines(&demo.join("log")) > 500);
}

#[test]
fn checkpoints_and_dropped_segments_are_read_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    routed(&log, &[]);
    for time in 1..4 {
        with_engine(&log, |engine| engine.checkpoint(UnixMillis::new(time)).unwrap());
        routed(&log, &["--append"]);
    }
    let segments = Reader::segments(&log).unwrap();
    assert_eq!(segments.len(), 4);
    let whole = lines(&log);
    let file = |first: u64| format!("{first:020}.cwal");
    let kept: Vec<_> =
        segments.iter().map(|first| std::fs::read(log.join(file(*first))).unwrap()).collect();
    assert!(
        with_engine(&log, |engine| engine.retain_from_checkpoint(RetentionAction::Remove).unwrap())
            > 0
    );
    let rest = lines(&log);
    assert!(rest < whole);
    // The removal was interrupted: of the segments that the log no longer needs, these are left.
    for left in [&[0][..], &[1, 2], &[0, 2], &[0, 1, 2]] {
        for place in 0..3 {
            let name = log.join(file(segments[place]));
            if left.contains(&place) {
                std::fs::write(name, &kept[place]).unwrap();
            } else if name.exists() {
                std::fs::remove_file(name).unwrap();
            }
        }
        lines(&log);
    }
}

/// A segment of a length does not begin with a checkpoint. One that is left in front of the checkpoint is no part of the log.
#[test]
fn what_is_left_in_front_of_the_checkpoint_is_passed_over_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let options = WalOptions::new(SCHEMA_ID).segment_bytes(4 << 10);
    let writer = WalWriter::open(&log, &options).unwrap();
    let golden = golden_payloads();
    for payload in golden.iter().take(12).cycle().take(200) {
        writer.append_bytes(payload).unwrap();
    }
    let checkpoint = Record::decode(1, &golden[12]).unwrap();
    let sequence = writer.append_first(&checkpoint).unwrap().sequence;
    writer.append_bytes(&golden[3]).unwrap();
    let segments = Reader::segments(&log).unwrap();
    assert_eq!(segments.last(), Some(&sequence));
    let left = segments[segments.len() - 2];
    let left = log.join(format!("{left:020}.cwal"));
    let kept = std::fs::read(&left).unwrap();
    assert!(writer.retain_from(sequence, RetentionAction::Remove).unwrap() > 2);
    writer.close().unwrap();
    assert_eq!(lines(&log), 2);
    std::fs::write(&left, kept).unwrap();
    assert_eq!(lines(&log), 2);
    // The log itself has them all: it is the checkpoint that an engine's log begins with.
    assert!(Reader::open(&log, None).unwrap().count() > 2);
}

#[test]
fn a_keyed_log_is_read_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (log, old, new) = (path("log"), path("old.key"), path("new.key"));
    assert_eq!(run(program().arg("keygen").arg(&old)).code, 0);
    assert_eq!(run(program().arg("keygen").arg(&new).arg("--replaces").arg(&old)).code, 0);
    routed(&log, &["--key-file", old.to_str().unwrap()]);
    let (first, code) = alike(&log, Some(&old));
    assert_eq!(code, 0);
    routed(&log, &["--append", "--key-file", new.to_str().unwrap()]);
    let (both, code) = alike(&log, Some(&new));
    assert_eq!(code, 0);
    assert!(both.len() > first.len() && both.starts_with(&first));
    assert_eq!(alike(&log, Some(&old)).1, 2);
    assert_eq!(alike(&log, None), (String::new(), 2));
}

/// Whether a record may stand in a log that is exported. A snapshot says what its digest is, so most of it may not be other.
fn is_readable(payload: &[u8]) -> bool {
    match Record::decode(1, payload) {
        Ok(Record::SnapshotInstalled { snapshot, .. }) => snapshot.restore(1).is_ok(),
        Ok(Record::Checkpoint(checkpoint)) => {
            checkpoint.snapshot.is_none_or(|snapshot| snapshot.restore(1).is_ok())
        }
        record => record.is_ok(),
    }
}

#[test]
fn records_that_no_engine_writes_are_read_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut payloads = golden_payloads();
    payloads.extend(golden_payloads().iter().flat_map(|payload| mutations(payload, 31)));
    payloads.retain(|payload| is_readable(payload));
    assert!(payloads.len() > 900, "{}", payloads.len());
    let log = dir.path().join("log");
    write_payloads(&log, &payloads);
    assert!(Reader::segments(&log).unwrap().len() > 3);
    assert_eq!(lines(&log), payloads.len());
}

#[test]
fn names_are_those_of_the_snapshot_that_a_record_names() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let golden = golden_payloads();
    let renamed = replaced(&golden[0], b"\x05large\x02\x05small", b"\x05grand\x02\x05petit");
    // A checkpoint without a snapshot is the third.
    let mut payloads = vec![golden[0].clone(), renamed, golden[46].clone()];
    for snapshot_sequence in [0, 1, 2, 3, 4, 9, 250] {
        let part = [b"\x07order-1", [1].as_slice()].concat();
        let by = [b"\x07order-1", [snapshot_sequence].as_slice()].concat();
        payloads.push(replaced(&golden[2], &part, &by));
        payloads.push(replaced(&golden[9], &[9, 1, 1, 1, 2], &[9, snapshot_sequence, 1, 1, 2]));
    }
    // A reject, its reason, and the requested model: the last number of a catalog, and the first behind it.
    for requested in [(1 << 31) - 1, 1 << 31, u32::MAX] {
        let by = [[3, 103, 252].as_slice(), &requested.to_le_bytes(), &[0]].concat();
        payloads.push(replaced(&golden[7], &[3, 103, 1, 0], &by));
    }
    let log = dir.path().join("log");
    write_payloads(&log, &payloads);
    let (lines, code) = alike(&log, None);
    assert_eq!((lines.lines().count(), code), (payloads.len(), 0));
    let count = |text: &str| lines.matches(text).count();
    assert_eq!(count("\"requested_model\":\"grand\""), 1);
    assert_eq!(count("\"fallback_model\":\"petit\""), 1);
    assert_eq!(count("\"fallback_model\":\"model 2\""), 5);
    assert_eq!(count("\"requested_model\":\"(not in the catalog)\""), 2);
    assert_eq!(count("\"requested_model\":\"model 2147483647\""), 1);
}

#[test]
fn times_are_written_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Leap days, the last millisecond of a `Timestamp`, that of the year 9999, and what no calendar has.
    let times = [0, 1, 999, 951_782_400_000, 4_107_542_400_000, 253_402_207_200_999];
    let ends = [253_402_207_201_000, 253_402_300_799_999, 253_402_300_800_000, 1 << 63, u64::MAX];
    let payloads = [times.as_slice(), &ends]
        .concat()
        .into_iter()
        .map(|time: u64| [[4, 253].as_slice(), &time.to_le_bytes(), &[1]].concat());
    let log = dir.path().join("log");
    write_payloads(&log, &payloads.collect::<Vec<_>>());
    let (lines, _) = alike(&log, None);
    assert!(lines.contains("\"1970-01-01T00:00:00.000Z\""), "{lines}");
    assert!(lines.contains("\"9999-12-31T23:59:59.999Z\""), "{lines}");
    assert!(lines.contains("\"253402300800000\""), "{lines}");
}

#[test]
fn what_stands_before_a_record_that_is_refused_is_read_alike() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let golden = golden_payloads();
    // The variant and a time, the digest, two epochs of 1, and the hard risk limit of 9,000, which becomes another.
    let limited = |limit: u16, digest: Option<&str>| {
        let at = 10 + 32 + 2;
        assert_eq!(golden[0][at..at + 3], [251, 0x28, 0x23]);
        let digest = digest.map(|digits| base16ct::lower::decode_vec(digits).unwrap());
        let digest = digest.unwrap_or_else(|| golden[0][10..42].to_vec());
        let limit = limit.to_le_bytes();
        [&golden[0][..10], &digest, &[1, 1, 251], &limit, &golden[0][at + 3..]].concat()
    };
    // As Python's `hashlib` has them.
    let of_the_whole = "7bef1a76302f3e684002b2ff3e590cccd6a6d27f120d361b480adbf8a299c8f1";
    let of_more = "d39f5418d5109396d6ca9c4af73f37969af86cf4c61f9ef8af98527d40641140";
    let highest = dir.path().join("highest");
    write_payloads(&highest, &[limited(10_000, Some(of_the_whole))]);
    assert_eq!(lines(&highest), 1);
    let no_records = [vec![7], vec![1, 0, 13], Vec::new()];
    let not_intact = [limited(10_001, Some(of_more)), limited(8_999, None)];
    for (number, payload) in no_records.into_iter().chain(not_intact).enumerate() {
        let log = dir.path().join(number.to_string());
        write_payloads(&log, &[golden[0].clone(), golden[1].clone(), payload, golden[3].clone()]);
        let (lines, code) = alike(&log, None);
        assert_eq!((lines.lines().count(), code == 0), (2, false), "{number}");
    }
    let damaged = dir.path().join("damaged");
    log::write_log(&damaged);
    let file = segment(&damaged);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() * 2 / 3;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (lines, code) = alike(&damaged, None);
    assert!(lines.lines().count() > 3 && code == 1);
    let other = dir.path().join("other");
    let writer = WalWriter::open(&other, &WalOptions::new(SCHEMA_ID + 1)).unwrap();
    writer.append_bytes(&golden[1]).unwrap();
    writer.close().unwrap();
    assert_eq!(alike(&other, None), (String::new(), 2));
}
