//! A log of several segments that was cut at any byte.

use std::sync::Arc;

use crate::chain::Chain;
use crate::fault_injection::memory::Memory;
use crate::format::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::format::name::segment_name;
use crate::{Damage, Hash, Key, LogId, Reader, VerifyOptions, WalError, WalOptions, WalWriter};

const RECORDS: [&[u8]; 6] = [b"one", b"", &[3; 90], b"four", &[0; 33], b"six"];

fn open(disk: &Memory, key: Option<&Key>) -> Result<WalWriter, WalError> {
    WalWriter::open_in(
        Arc::new(disk.clone()),
        &WalOptions::new(1).log_id(LogId::from_bytes([1; 16])),
        key,
    )
}

/// Six records in three segments, and for each byte of each segment how many records end before.
fn sample(key: Option<&Key>) -> Vec<(String, Vec<u8>, Vec<usize>)> {
    let disk = Memory::default();
    let writer = open(&disk, key).unwrap();
    let mut ends = Vec::new();
    for (index, record) in RECORDS.iter().enumerate() {
        let first = index as u64 / 2 * 2 + 1;
        writer.append_bytes(record).unwrap();
        ends.push((first, disk.read(&segment_name(first)).len()));
        if index == 1 || index == 3 {
            writer.flush_and_sync().unwrap();
            writer.rotate().unwrap();
        }
    }
    writer.close().unwrap();
    let whole =
        |first, cut| ends.iter().filter(|(segment, end)| *segment == first && *end <= cut).count();
    [1, 3, 5]
        .into_iter()
        .map(|first| {
            let name = segment_name(first);
            let bytes = disk.read(&name);
            let counts = (0..=bytes.len()).map(|cut| whole(first, cut)).collect();
            (name, bytes, counts)
        })
        .collect()
}

#[test]
fn a_log_of_segments_cut_at_any_byte_keeps_every_whole_record_and_takes_more() {
    for key in [None, Some(Key::new(&[7; 32]).unwrap())] {
        let key = key.as_ref();
        let segments = sample(key);
        for (last, (name, bytes, counts)) in segments.iter().enumerate() {
            for cut in 0..=bytes.len() {
                let disk = Memory::default();
                for (name, bytes, _) in &segments[..last] {
                    disk.put(name, bytes);
                }
                disk.put(name, &bytes[..cut]);
                let whole = 2 * last + counts[cut];

                let options = VerifyOptions::default().with_key(key.cloned());
                match crate::verify::verify_in(Arc::new(disk.clone()), &options) {
                    Ok(report) => assert_eq!(report.records, whole as u64),
                    Err(error) => assert!(
                        whole == 0 && matches!(error, WalError::Empty { .. }),
                        "{name} cut at {cut}: {error}"
                    ),
                }
                let writer = open(&disk, key).unwrap();
                assert_eq!(writer.open_report().sequence, whole as u64, "{name} cut at {cut}");
                assert_eq!(writer.open_report().created, last == 0 && cut < SEGMENT_HEADER_BYTES);
                assert_eq!(writer.append_bytes(b"more").unwrap().sequence, whole as u64 + 1);
                drop(writer);
                let writer = open(&disk, key).unwrap();
                assert_eq!(writer.open_report().quarantined, None);
                drop(writer);
                let records: Vec<Vec<u8>> = Reader::open_in(Arc::new(disk), key)
                    .unwrap()
                    .map(|record| record.unwrap().payload().to_vec())
                    .collect();
                assert_eq!(records[..whole], RECORDS[..whole]);
                assert_eq!(records[whole..], [b"more"]);
            }
        }
    }
}

#[test]
fn an_empty_file_leaves_nothing_to_set_aside() {
    let disk = Memory::default();
    disk.put(&segment_name(1), &[]);
    let writer = open(&disk, None).unwrap();
    assert_eq!(writer.open_report().quarantined, None);
    assert!(writer.open_report().created);
    assert_eq!(
        disk.segments(),
        disk.files().into_iter().filter(|name| name != "LOCK").collect::<Vec<_>>()
    );
}

#[test]
fn an_unfinished_segment_alone_is_a_log_only_if_it_is_the_first() {
    for bytes in [0, 10, SEGMENT_HEADER_BYTES] {
        let disk = Memory::default();
        disk.put(&segment_name(5), &vec![0; bytes]);
        let refused = open(&disk, None).map(drop);
        assert!(
            matches!(refused, Err(WalError::MissingSegment { segment: 1 })),
            "{bytes}: {refused:?}"
        );
        assert_eq!(disk.read(&segment_name(5)), vec![0; bytes]);
    }
}

#[test]
fn a_first_segment_whose_header_is_cut_is_damage_if_others_follow() {
    let disk = Memory::default();
    for (name, bytes, _) in sample(None) {
        let end = if name == segment_name(1) { 10 } else { bytes.len() };
        disk.put(&name, &bytes[..end]);
    }
    let damage = Reader::open_in(Arc::new(disk), None).map(drop).unwrap_err();
    assert!(matches!(damage, WalError::Corrupt { segment: 1, offset: 0, .. }), "{damage}");
}

#[test]
fn a_first_segment_is_the_beginning_of_its_log_or_kept_from_within_and_nothing_between() {
    let sound = SegmentHeader::FIRST;
    let opened = |header: SegmentHeader| {
        let disk = Memory::default();
        let chain = Chain::new(header.log_id, None);
        let bytes = [&header.encode(&chain).unwrap()[..], &[7]].concat();
        disk.put(&segment_name(header.first_sequence), &bytes);
        Reader::open_in(Arc::new(disk), None).map(drop)
    };
    assert!(opened(sound).is_ok());
    for header in [
        SegmentHeader { index: 1, ..sound },
        SegmentHeader { first_sequence: 2, ..sound },
        SegmentHeader { previous_hash: Hash::from_bytes([7; 32]), ..sound },
        SegmentHeader { index: 1, previous_hash: Hash::from_bytes([7; 32]), ..sound },
    ] {
        let refused = opened(header);
        assert!(
            matches!(refused, Err(WalError::Corrupt { what: Damage::Discontinuity, .. })),
            "{refused:?}"
        );
    }
}
