//! What the door promises: keys, limits, locks, anchors, threads, and what each refusal leaves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;

use calybris_wal::verify;
use calybris_wal::{
    Anchor, Damage, Hash, Key, LogId, Reader, Tail, VerifyOptions, WalError, WalOptions, WalWriter,
};
use logs::{key, keys, log_of, open, options, read, read_payloads, segment, write_sample};

fn without_key() -> VerifyOptions {
    VerifyOptions::default()
}

#[test]
fn a_keyed_log_opens_with_its_key_alone() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), Some(&key()), true);
    let before = fs::read(segment(directory.path())).unwrap();
    let wrong = Key::new(&[9; 32]).unwrap();
    assert!(matches!(open(directory.path(), None), Err(WalError::KeyRequired { .. })));
    assert!(matches!(read(directory.path(), None).1, Some(WalError::KeyRequired { .. })));
    let error = verify(directory.path(), &without_key()).unwrap_err();
    assert!(matches!(error, WalError::KeyRequired { .. }) && !error.is_tampering());
    for error in [
        open(directory.path(), Some(&wrong)).unwrap_err(),
        read(directory.path(), Some(&wrong)).1.unwrap(),
        verify(directory.path(), &VerifyOptions::default().with_key(wrong.clone())).unwrap_err(),
    ] {
        assert!(!error.is_tampering());
        assert!(matches!(error, WalError::WrongKey { expected, found, .. }
            if expected == key().id() && found == wrong.id()));
    }
    assert_eq!(fs::read(segment(directory.path())).unwrap(), before);
    assert!(verify(directory.path(), &VerifyOptions::default().with_key(key())).is_ok());
}

#[test]
fn a_log_without_a_key_does_not_pass_for_a_keyed_one() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), None, true);
    assert!(matches!(open(directory.path(), Some(&key())), Err(WalError::NotKeyed { .. })));
    assert!(matches!(read(directory.path(), Some(&key())).1, Some(WalError::NotKeyed { .. })));
}

#[test]
fn one_log_does_not_stand_in_for_another_under_the_same_key() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_sample(one.path(), Some(&key()), true);
    let writer = WalWriter::open_keyed(other.path(), &WalOptions::new(0x5eed), &key()).unwrap();
    writer.append("other").unwrap();
    let anchor = writer.close().unwrap();
    let with_anchor = VerifyOptions::default().with_key(key()).with_anchor(anchor);
    assert!(verify(other.path(), &with_anchor).unwrap().anchored);
    let error = verify(one.path(), &with_anchor).unwrap_err();
    assert!(matches!(error, WalError::AnchorOfAnotherLog { .. }) && error.is_tampering());
    assert!(matches!(open(other.path(), Some(&key())), Err(WalError::LogIdMismatch { .. })));
}

#[test]
fn an_anchor_finds_a_log_that_was_cut_at_its_end() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        write_sample(directory.path(), key.as_ref(), true);
        let report = verify(directory.path(), &VerifyOptions::default().with_key(key.clone()));
        let report = report.unwrap();
        assert!(!report.anchored);
        let with = |anchor| VerifyOptions::default().with_key(key.clone()).with_anchor(anchor);
        assert!(verify(directory.path(), &with(report.head)).unwrap().anchored);

        let bytes = fs::read(segment(directory.path())).unwrap();
        let fifth = logs::frames(&bytes).iter().find(|frame| frame.sequence == 5).unwrap().end;
        log_of(directory.path(), &bytes[..fifth]);
        assert!(verify(directory.path(), &VerifyOptions::default().with_key(key.clone())).is_ok());
        let error = verify(directory.path(), &with(report.head)).unwrap_err();
        assert!(matches!(error, WalError::AnchorAhead { head: 5, .. }) && error.is_tampering());

        let rewritten = Anchor { hash: Hash::from_bytes([1; 32]), sequence: 3, ..report.head };
        let error = verify(directory.path(), &with(rewritten)).unwrap_err();
        assert!(matches!(error, WalError::AnchorContradicted { .. }) && error.is_tampering());
    }
}

#[test]
fn a_report_says_what_was_verified() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), None, true);
    let report = verify(directory.path(), &without_key()).unwrap();
    let length = fs::metadata(segment(directory.path())).unwrap().len();
    assert_eq!((report.segments, report.records, report.bytes), (1, 6, length));
    assert_eq!((report.schema_id, report.keyed, report.durable_through), (0x5eed, false, 6));
    assert_eq!(
        (report.log_id, report.tail),
        (LogId::from_bytes(*b"calybris-wal log"), Tail::Clean)
    );
    assert_eq!(report.head.sequence, 6);
}

#[test]
fn neither_an_empty_nor_a_missing_log_is_a_success() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let missing = verify(&path, &without_key()).unwrap_err();
    assert!(matches!(missing, WalError::Missing { .. }) && !missing.is_tampering());
    fs::create_dir(&path).unwrap();
    assert!(matches!(verify(&path, &without_key()), Err(WalError::Missing { .. })));
    drop(WalWriter::open(&path, &options()).unwrap());
    let empty = verify(&path, &without_key()).unwrap_err();
    assert!(matches!(empty, WalError::Empty { .. }) && !empty.is_tampering());
    log_of(&path, b"");
    assert!(matches!(verify(&path, &without_key()), Err(WalError::Empty { .. })));
    assert!(matches!(Reader::open(&path, None), Err(WalError::Empty { .. })));
}

#[test]
fn a_file_that_has_a_segments_name_is_damage_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = "a file that is no log\n".repeat(20);
    log_of(directory.path(), text.as_bytes());
    for error in [
        open(directory.path(), None).map(drop).unwrap_err(),
        verify(directory.path(), &without_key()).map(drop).unwrap_err(),
    ] {
        let found = matches!(error, WalError::Corrupt { offset: 0, what: Damage::Header, .. });
        assert!(found, "{error}");
    }
    assert_eq!(fs::read_to_string(segment(directory.path())).unwrap(), text);
}

#[test]
fn a_log_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    assert!(matches!(open(directory.path(), None), Err(WalError::Locked { .. })));
    writer.append("still here").unwrap();
    drop(writer);
    assert_eq!(open(directory.path(), None).unwrap().open_report().sequence, 1);
}

#[test]
fn a_record_may_reach_the_limit_and_not_pass_it() {
    let directory = tempfile::tempdir().unwrap();
    let writer = WalWriter::open(directory.path(), &options().max_record_bytes(100)).unwrap();
    let before = (fs::read(segment(directory.path())).unwrap(), writer.head());
    for refused in
        [writer.append_bytes(&[1; 101]).unwrap_err(), writer.append(&vec![1_u8; 100]).unwrap_err()]
    {
        assert!(matches!(refused, WalError::RecordTooLarge { limit: 100 }));
    }
    assert_eq!((fs::read(segment(directory.path())).unwrap(), writer.head()), before);
    writer.append_bytes(&[1; 99]).unwrap();
    writer.append_bytes(&[1; 100]).unwrap();
    assert_eq!(writer.append(&vec![1_u8; 99]).unwrap().sequence, 3);
    assert_eq!(read_payloads(directory.path(), None).len(), 3);
}

#[test]
fn options_out_of_range_create_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for bytes in [0, (256 << 20) + 1, u32::MAX] {
        let refused = WalWriter::open(&path, &options().max_record_bytes(bytes));
        assert!(matches!(refused, Err(WalError::InvalidOption { .. })));
        assert!(!path.exists());
    }
}

#[test]
fn a_record_that_does_not_encode_leaves_the_log_as_it_was() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("refused"))
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    assert!(matches!(writer.append(&Refuses), Err(WalError::Encode { .. })));
    assert_eq!(writer.append("next").unwrap().sequence, 1);
    assert_eq!(read_payloads(directory.path(), None), [b"\x04next"]);
}

#[test]
fn a_record_decodes_as_what_it_is_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    writer.append(&(7_u32, "seven".to_owned())).unwrap();
    let record = Reader::open(directory.path(), None).unwrap().next().unwrap().unwrap();
    assert_eq!(record.decode::<(u32, String)>().unwrap(), (7, "seven".to_owned()));
    assert!(matches!(record.decode::<u32>(), Err(WalError::Decode { sequence: 1, .. })));
    assert!(matches!(record.decode::<(u32, String, u8)>(), Err(WalError::Decode { .. })));
}

#[test]
fn a_log_keeps_its_schema_and_its_id() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), None).unwrap());
    let other = WalOptions::new(1);
    assert!(matches!(
        WalWriter::open(directory.path(), &other),
        Err(WalError::SchemaMismatch { expected: 0x5eed, found: 1, .. })
    ));
    let reader = Reader::open(directory.path(), None).unwrap();
    assert_eq!((reader.schema_id(), reader.is_keyed()), (0x5eed, false));
    assert_eq!(reader.log_id(), LogId::from_bytes(*b"calybris-wal log"));
}

#[test]
fn logs_have_different_ids_unless_told() {
    let ids = [0, 1].map(|_| {
        let directory = tempfile::tempdir().unwrap();
        WalWriter::open(directory.path(), &WalOptions::new(1)).unwrap().head().log_id
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_chain_goes_on_after_reopening() {
    for key in keys() {
        let (once, often) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let writer = open(once.path(), key.as_ref()).unwrap();
        for number in 0..5_u32 {
            writer.append(&number).unwrap();
            let again = open(often.path(), key.as_ref()).unwrap();
            again.append(&number).unwrap();
            assert_eq!(again.head().sequence, writer.head().sequence);
        }
        let payloads = read_payloads(once.path(), key.as_ref());
        assert_eq!(payloads, read_payloads(often.path(), key.as_ref()));
        let report = verify(often.path(), &VerifyOptions::default().with_key(key.clone()));
        assert_eq!(report.unwrap().records, 5);
    }
}

#[test]
fn a_log_that_is_opened_and_closed_does_not_grow() {
    let directory = tempfile::tempdir().unwrap();
    write_sample(directory.path(), None, true);
    let before = fs::read(segment(directory.path())).unwrap();
    for _ in 0..3 {
        open(directory.path(), None).unwrap().close().unwrap();
    }
    assert_eq!(fs::read(segment(directory.path())).unwrap(), before);
}

#[test]
fn threads_share_one_writer_and_no_record_is_lost_or_doubled() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    let mut receipts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let writer = &writer;
                scope.spawn(move || {
                    (0..100_u64)
                        .map(|number| {
                            let receipt = writer.append(&(thread, number)).unwrap();
                            if number % 10 == 0 {
                                writer.flush_and_sync().unwrap();
                            }
                            (receipt.sequence, (thread, number), receipt.hash)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    receipts.sort_unstable_by_key(|receipt| receipt.0);
    let (records, error) = read(directory.path(), None);
    assert!(error.is_none());
    let found: Vec<_> = records
        .iter()
        .map(|record| (record.sequence(), record.decode::<(u64, u64)>().unwrap(), record.hash()))
        .collect();
    assert_eq!(found, receipts);
    assert_eq!(found.len(), 400);
}

#[test]
fn a_reader_beside_a_writer_never_sees_damage() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path(), None).unwrap();
    writer.append(&0_u64).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 1..3000_u64 {
                writer.append(&vec![number; 40]).unwrap();
                if number % 500 == 0 {
                    writer.flush_and_sync().unwrap();
                }
            }
        });
        while !writing.is_finished() {
            let report = verify(directory.path(), &without_key()).unwrap();
            assert!(report.records >= 1);
            assert!(read(directory.path(), None).1.is_none());
        }
    });
    assert_eq!(verify(directory.path(), &without_key()).unwrap().records, 3000);
}

#[test]
fn opening_with_an_anchor_refuses_a_log_that_does_not_reach_it() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        write_sample(&path, key.as_ref(), true);
        let report = verify(&path, &without_key().with_key(key.clone())).unwrap();
        let head = report.head;
        let open_with = |anchor| logs::open_with(&path, &options().anchor(anchor), key.as_ref());
        assert_eq!(open_with(head).unwrap().open_report().sequence, 6);

        let bytes = fs::read(segment(&path)).unwrap();
        let fifth = logs::frames(&bytes).iter().find(|frame| frame.sequence == 5).unwrap().end;
        // Cut at a frame, and inside one: neither is touched.
        for cut in [fifth, fifth + 7] {
            log_of(&path, &bytes[..cut]);
            assert!(matches!(open_with(head), Err(WalError::AnchorAhead { head: 5, .. })));
            assert_eq!(fs::read(segment(&path)).unwrap(), &bytes[..cut]);
        }
        log_of(&path, &bytes);
        let rewritten = Anchor { sequence: 3, ..head };
        assert!(matches!(open_with(rewritten), Err(WalError::AnchorContradicted { .. })));
        let other = Anchor { log_id: LogId::from_bytes([1; 16]), ..head };
        assert!(matches!(open_with(other), Err(WalError::AnchorOfAnotherLog { .. })));

        fs::remove_file(segment(&path)).unwrap();
        assert!(matches!(open_with(head), Err(WalError::AnchoredLogMissing { .. })));
        fs::remove_dir_all(&path).unwrap();
        assert!(matches!(open_with(head), Err(WalError::AnchoredLogMissing { .. })));
        assert!(!path.exists(), "nothing is created in the place of what is missing");
    }
}

#[test]
fn with_an_anchor_whatever_is_left_of_a_log_that_was_emptied_is_a_verdict() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        write_sample(&path, key.as_ref(), true);
        let with = |anchor| without_key().with_key(key.clone()).with_anchor(anchor);
        let head = verify(&path, &with(None)).unwrap().head;
        let before_the_first = Anchor { sequence: 0, hash: Hash::from_bytes([0; 32]), ..head };
        let bytes = fs::read(segment(&path)).unwrap();
        let left: [&dyn Fn(); 6] = [
            &|| log_of(&path, &bytes[..160]),
            &|| log_of(&path, &bytes[..144]),
            &|| log_of(&path, &bytes[..100]),
            &|| log_of(&path, b""),
            &|| fs::remove_file(segment(&path)).unwrap(),
            &|| fs::remove_dir_all(&path).unwrap(),
        ];
        for (step, leave) in left.into_iter().enumerate() {
            leave();
            let without = verify(&path, &with(None)).unwrap_err();
            assert!(!without.is_tampering(), "{step}: {without}");
            let judged = verify(&path, &with(Some(head))).unwrap_err();
            assert!(judged.is_tampering(), "{step}: {judged}");
            assert!(judged.to_string().contains(&head.to_string()), "{step}: {judged}");
            // What is there ends before the anchor; where nothing is, that is said.
            let ends_before = matches!(judged, WalError::AnchorAhead { head: 0, .. });
            assert_eq!(ends_before, step < 4, "{step}: {judged}");
            let judged = verify(&path, &with(Some(before_the_first))).unwrap_err();
            assert!(judged.is_tampering(), "{step}: {judged}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_looked_for_is_not_called_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    write_sample(&path, None, false);
    let anchor = open(&path, None).unwrap().close().unwrap();
    let no_directory = directory.path().join("file");
    fs::write(&no_directory, "no directory").unwrap();
    let with_anchor = options().anchor(anchor);
    let error = WalWriter::open(&no_directory, &with_anchor).unwrap_err();
    assert!(matches!(&error, WalError::Io { action: "list", .. }), "{error}");
    let error = WalWriter::open(directory.path().join("none"), &with_anchor).unwrap_err();
    assert!(matches!(error, WalError::AnchoredLogMissing { .. }));
    assert!(!directory.path().join("none").exists());
}

#[test]
fn an_anchor_in_an_earlier_segment_does_not_stop_opening() {
    let directory = tempfile::tempdir().unwrap();
    logs::write_segments(directory.path(), &options(), None);
    let (records, _) = read(directory.path(), None);
    for record in &records {
        let anchor = Anchor {
            log_id: LogId::from_bytes(*b"calybris-wal log"),
            sequence: record.sequence(),
            hash: record.hash(),
        };
        logs::open_with(directory.path(), &options().anchor(anchor), None).unwrap();
    }
}
