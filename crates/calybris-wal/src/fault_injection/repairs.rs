//! The law of repair: what could be read before can be read after, and what is left verifies.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::chain::Chain;
use crate::fault_injection::memory::{Dice, Fault, Memory};
use crate::format::frame::{
    FRAME_OVERHEAD_BYTES, KIND_DATA, KIND_KEY_CHANGE, KIND_LOG_START, push_frame,
};
use crate::format::header::SEGMENT_HEADER_BYTES;
use crate::format::name::segment_name;
use crate::repair::{Repair, RepairOptions, repair_in};
use crate::storage::Storage;
use crate::verify::verify_in;
use crate::{Key, LogId, Reader, RetentionAction, VerifyOptions, WalError, WalOptions, WalWriter};

/// A kind of log: what it is called, its key, and its files.
struct Sample {
    name: &'static str,
    key: Option<Key>,
    files: Vec<(String, Vec<u8>)>,
}

fn open(disk: &Memory, key: Option<&Key>) -> WalWriter {
    let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16])).max_record_bytes(200);
    WalWriter::open_in(Arc::new(disk.clone()), &options, key).unwrap()
}

fn append(writer: &WalWriter, count: u64) {
    for _ in 0..count {
        let next = writer.head().sequence + 1;
        writer.append_bytes(&next.to_le_bytes()[..usize::try_from(next % 5).unwrap()]).unwrap();
    }
}

/// Logs of every kind: of one segment and of several, keyed, rekeyed, retained.
fn samples() -> Vec<Sample> {
    let old = Key::new(&[7; 32]).unwrap();
    let new = Key::new(&[8; 32]).unwrap().replacing(&old);
    let mut samples = Vec::new();
    let mut sample = |name, key: Option<&Key>, write: &dyn Fn(&Memory)| {
        let disk = Memory::default();
        write(&disk);
        let files = disk.segments().into_iter().map(|name| (name.clone(), disk.read(&name)));
        samples.push(Sample { name, key: key.cloned(), files: files.collect() });
    };
    for (kinds, key) in [
        (["one segment", "segments", "retained", "half retained", "retained twice"], None),
        (["keyed", "keyed segments", "keyed retained", "keyed half", "keyed twice"], Some(&old)),
    ] {
        sample(kinds[0], key, &|disk| {
            let writer = open(disk, key);
            append(&writer, 2);
            writer.flush_and_sync().unwrap();
            append(&writer, 2);
            writer.close().unwrap();
        });
        sample(kinds[1], key, &|disk| {
            let writer = open(disk, key);
            for _ in 0..3 {
                append(&writer, 2);
                writer.rotate().unwrap();
            }
            append(&writer, 1);
        });
        sample(kinds[2], key, &|disk| {
            let writer = open(disk, key);
            for _ in 0..4 {
                append(&writer, 2);
                writer.rotate().unwrap();
            }
            append(&writer, 2);
            writer.retain_from(5, RetentionAction::Remove).unwrap();
            append(&writer, 2);
            writer.close().unwrap();
        });
        sample(kinds[3], key, &|disk| {
            let writer = open(disk, key);
            for _ in 0..3 {
                append(&writer, 2);
                writer.rotate().unwrap();
            }
            append(&writer, 2);
            let left = disk.read(&segment_name(3));
            writer.retain_from(5, RetentionAction::Remove).unwrap();
            disk.put(&segment_name(3), &left);
        });
        sample(kinds[4], key, &|disk| {
            let writer = open(disk, key);
            for start in [3, 7, 9] {
                append(&writer, 2);
                writer.rotate().unwrap();
                append(&writer, 2);
                writer.retain_from(start, RetentionAction::Remove).unwrap();
            }
            writer.rotate().unwrap();
            append(&writer, 1);
            writer.rotate().unwrap();
        });
    }
    sample("rekeyed", Some(&new), &|disk| {
        let writer = open(disk, Some(&old));
        append(&writer, 3);
        drop(writer);
        append(&open(disk, Some(&new)), 3);
    });
    sample("rekeyed and retained", Some(&new), &|disk| {
        let writer = open(disk, Some(&old));
        append(&writer, 3);
        writer.rotate().unwrap();
        append(&writer, 3);
        drop(writer);
        let writer = open(disk, Some(&new));
        append(&writer, 3);
        writer.rotate().unwrap();
        append(&writer, 1);
        writer.retain_from(4, RetentionAction::Remove).unwrap();
        append(&writer, 1);
    });
    samples
}

/// The sequences and payloads that a reader hands out before it ends, and what it ends with.
fn read(disk: &Memory, key: Option<&Key>) -> (Vec<(u64, Vec<u8>)>, Option<WalError>) {
    let mut records = Vec::new();
    let reader = match Reader::open_in(Arc::new(disk.clone()), key) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    for record in reader {
        match record {
            Ok(record) => records.push((record.sequence(), record.payload().to_vec())),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

fn image(disk: &Memory) -> Vec<(String, Vec<u8>)> {
    disk.files().into_iter().map(|name| (name.clone(), disk.read(&name))).collect()
}

fn repair(
    disk: &Memory,
    key: Option<&Key>,
    accept_beginning: bool,
) -> Result<Option<Repair>, WalError> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    repair_in(
        &storage,
        &RepairOptions::default().with_key(key.cloned()).with_accept_beginning(accept_beginning),
    )
}

/// Repairs what a damage has made of a log and checks the law. Answers whether something was wrong,
/// and whether a beginning had to be accepted that nothing vouches for.
fn check(disk: &Memory, key: Option<&Key>, context: &str) -> (bool, bool) {
    let (before, fault) = read(disk, key);
    let files = image(disk);
    let mut accepted = false;
    let mut outcome = repair(disk, key, false);
    if let Err(WalError::MissingSegment { .. }) = outcome {
        assert_eq!(image(disk), files, "{context}: a refused repair changes nothing");
        accepted = true;
        outcome = repair(disk, key, true);
    }
    let repaired = match outcome {
        Ok(None) => {
            assert!(fault.is_none(), "{context}: {fault:?}");
            return (false, accepted);
        }
        Err(refused) => {
            assert!(fault.is_some(), "{context}: {refused}");
            assert_eq!(image(disk), files, "{context}: a refused repair changes nothing");
            assert!(before.is_empty(), "{context}: {} to be read, {refused}", before.len());
            return (true, accepted);
        }
        Ok(Some(repaired)) => repaired,
    };
    let (after, fault) = read(disk, key);
    assert!(fault.is_none(), "{context}: {fault:?}");
    still_read(disk, key, &before, context);
    for aside in &repaired.quarantined {
        let name = aside.path.file_name().unwrap().to_str().unwrap();
        assert_eq!(disk.read(name).len() as u64, aside.bytes, "{context}");
    }
    if !after.is_empty() {
        let options = VerifyOptions::default().with_key(key.cloned());
        let report = verify_in(Arc::new(disk.clone()), &options);
        assert_eq!(report.unwrap().head.sequence, repaired.sequence, "{context}");
    }
    let writer = open(disk, key);
    assert_eq!(writer.open_report().sequence, repaired.sequence, "{context}");
    append(&writer, 1);
    (true, accepted)
}

#[test]
fn what_could_be_read_before_a_repair_can_be_read_after_it() {
    for (turn, Sample { name, key, files }) in samples().into_iter().enumerate() {
        let key = key.as_ref();
        let disk_with = |changed: usize, bytes: &[u8]| {
            let disk = Memory::default();
            for (number, (name, whole)) in files.iter().enumerate() {
                disk.put(name, if number == changed { bytes } else { whole });
            }
            disk
        };
        let mut repaired = 0;
        for (number, (segment, whole)) in files.iter().enumerate() {
            let mut damage = |bytes: &[u8], what: String| {
                let context = format!("{name}, {segment}, {what}");
                let (wrong, accepted) = check(&disk_with(number, bytes), key, &context);
                repaired += u64::from(wrong);
                accepted
            };
            // Another part of the places in each log.
            for at in (0..whole.len()).filter(|at| (at + turn) % 11 == 0) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                let accepted = damage(&bytes, format!("byte {at} changed"));
                assert!(!accepted, "{name}, {segment}, {at}: damage to one byte silences nothing");
                damage(&whole[..at], format!("cut at {at}"));
            }
            for at in (0..whole.len()).skip(turn).step_by(48) {
                let mut bytes = whole.clone();
                bytes[at..(at + 48).min(whole.len())].fill(0);
                damage(&bytes, format!("zeros from {at}"));
            }
            damage(&vec![0xAA; whole.len()], "overwritten".to_owned());
            damage(&[whole, &[9; 70][..]].concat(), "longer".to_owned());

            let disk = disk_with(number, whole);
            disk.remove_file(segment);
            if !disk.segments().is_empty() {
                check(&disk, key, &format!("{name}, {segment}, removed"));
            }
            let first: u64 = segment[..20].parse().unwrap();
            let inside = segment_name(first + 1);
            if !files.iter().any(|(name, _)| *name == inside) {
                let disk = disk_with(number, whole);
                disk.put(&inside, whole);
                let context = format!("{name}, {segment}, as {inside} too");
                // Among what a retention was about to remove it is removed with that.
                let wrong = check(&disk, key, &context).0;
                assert!(wrong || name.contains("half") && first < 5, "{context}");
            }
        }
        assert!(repaired > 50, "{name}: {repaired}");
    }
}

#[test]
fn a_frame_that_contradicts_its_place_is_cut_off_a_retained_log_as_well() {
    for Sample { name, key, files } in samples() {
        let key = key.as_ref();
        if !name.contains("retained") || name.contains("rekeyed") {
            continue;
        }
        for (number, (segment, whole)) in files.iter().enumerate() {
            let first: u64 = segment[..20].parse().unwrap();
            if whole.len() <= SEGMENT_HEADER_BYTES {
                continue;
            }
            for (kinds, sequence) in [
                (&[KIND_DATA][..], first + 9),
                (&[KIND_LOG_START], first + 9),
                (&[KIND_KEY_CHANGE, KIND_DATA], first),
            ] {
                if key.is_none() && kinds.len() > 1 {
                    continue;
                }
                let chain = Chain::new(LogId::from_bytes([1; 16]), key);
                let record_end = SEGMENT_HEADER_BYTES
                    + usize::try_from(first % 5).unwrap()
                    + FRAME_OVERHEAD_BYTES;
                let mut bytes = whole[..record_end].to_vec();
                for kind in kinds {
                    let payload = first.to_le_bytes();
                    push_frame(&mut bytes, &chain, *kind, sequence, &payload).unwrap();
                }
                bytes.extend_from_slice(&whole[record_end..]);
                let disk = Memory::default();
                for (other, (name, whole)) in files.iter().enumerate() {
                    disk.put(name, if other == number { &bytes } else { whole });
                }
                let context = format!("{name}, {segment}, {kinds:?}");
                assert_eq!(check(&disk, key, &context), (true, false), "{context}");
            }
        }
    }
}

#[test]
fn a_repair_that_is_interrupted_at_any_call_is_finished_by_the_next() {
    for (turn, Sample { name, key, files }) in samples().into_iter().enumerate() {
        let key = key.as_ref();
        for (number, (segment, whole)) in files.iter().enumerate() {
            let mut damages = vec![(None, "removed".to_owned())];
            damages.push((Some([&[0; 144][..], &whole[144..]].concat()), "header".to_owned()));
            for at in (144 + turn % 7..whole.len()).step_by(23) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                damages.push((Some(bytes), format!("byte {at}")));
            }
            for (bytes, what) in damages {
                let damaged = || {
                    let disk = Memory::default();
                    for (other, (name, whole)) in files.iter().enumerate() {
                        match &bytes {
                            _ if other != number => disk.put(name, whole),
                            Some(bytes) => disk.put(name, bytes),
                            None => {}
                        }
                    }
                    disk
                };
                let disk = damaged();
                if disk.segments().is_empty() {
                    continue;
                }
                let (before, _) = read(&disk, key);
                let start = disk.calls();
                let accept =
                    matches!(repair(&disk, key, false), Err(WalError::MissingSegment { .. }));
                if accept && repair(&disk, key, true).is_err() {
                    continue;
                }
                for at in 0..disk.calls() - start {
                    for fault in [Fault::Error(ErrorKind::Other), Fault::Freeze] {
                        let context = format!("{name}, {segment}, {what}, call {at}, {fault:?}");
                        let disk = damaged();
                        disk.fail(at, fault);
                        drop(repair(&disk, key, accept));
                        disk.heal();
                        if fault == Fault::Freeze {
                            disk.crash(&mut Dice(at + turn as u64));
                        }
                        still_read(&disk, key, &before, &context);
                        let opened = disk.copy();
                        let options = WalOptions::new(1)
                            .log_id(LogId::from_bytes([1; 16]))
                            .max_record_bytes(200);
                        if WalWriter::open_in(Arc::new(opened.clone()), &options, key).is_ok() {
                            still_read(&opened, key, &before, &format!("{context}, opened"));
                        }
                        let again = repair(&disk, key, accept).map(drop);
                        assert!(again.is_ok(), "{context}: {again:?}");
                        still_read(&disk, key, &before, &context);
                        let found = check(&disk, key, &context);
                        assert_eq!(found, (false, false), "{context}");
                    }
                }
            }
        }
    }
}

/// Expects that what could be read before still can be, but for what a retention was about to remove.
fn still_read(disk: &Memory, key: Option<&Key>, before: &[(u64, Vec<u8>)], context: &str) {
    let (after, _) = read(disk, key);
    let first: u64 = disk.segments().first().map_or(0, |name| name[..20].parse().unwrap());
    let begins = after.first().map_or(first, |(sequence, _)| *sequence);
    let expected: Vec<_> = before.iter().filter(|(sequence, _)| *sequence >= begins).collect();
    assert!(after.iter().zip(&expected).all(|(after, before)| after == *before), "{context}");
    assert!(after.len() >= expected.len(), "{context}: {} of {}", after.len(), expected.len());
}
