//! Several threads verify what one verifies, and find what one finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod logs;

use std::fs;
use std::num::NonZeroUsize;

use calybris_wal::{Anchor, Durability, VerifyOptions, WalError, verify};
use logs::{frames, keys, open_with, options, segment};

#[test]
fn threads_change_no_verdict() {
    for key in keys() {
        let directory = tempfile::tempdir().unwrap();
        let buffered = options().durability(Durability::Buffered);
        let writer = open_with(directory.path(), &buffered, key.as_ref()).unwrap();
        let mut middle = None;
        for number in 0..4500_usize {
            let receipt = writer.append_bytes(&vec![7; number % 300]).unwrap();
            if number == 2500 {
                writer.flush_and_sync().unwrap();
                middle = Some(receipt);
            }
        }
        let head = writer.close().unwrap();
        let middle = middle.map(|receipt| Anchor {
            log_id: head.log_id,
            sequence: receipt.sequence,
            hash: receipt.hash,
        });
        let with = |threads, anchor| VerifyOptions {
            key: key.clone(),
            anchor,
            threads: NonZeroUsize::new(threads),
        };
        let alone = verify(directory.path(), &with(1, Some(head))).unwrap();
        for threads in [2, 8] {
            for anchor in [Some(head), middle] {
                assert_eq!(verify(directory.path(), &with(threads, anchor)).unwrap(), alone);
            }
            let forged = Anchor { hash: [1; 32], ..middle.unwrap() };
            let error = verify(directory.path(), &with(threads, Some(forged))).unwrap_err();
            assert!(matches!(error, WalError::AnchorContradicted { .. }));
            let ahead = Anchor { sequence: 4501, ..head };
            let error = verify(directory.path(), &with(threads, Some(ahead))).unwrap_err();
            assert!(matches!(error, WalError::AnchorAhead { head: 4500, .. }));
        }

        let bytes = fs::read(segment(directory.path())).unwrap();
        let layout = frames(&bytes);
        for step in 0..3 {
            let byte = 144 + (bytes.len() - 145) * step / 3;
            let mut changed = bytes.clone();
            changed[byte] ^= 0x10;
            fs::write(segment(directory.path()), &changed).unwrap();
            let damaged = layout.iter().find(|frame| byte < frame.end).unwrap();
            let [one, four] =
                [1, 4].map(|threads| verify(directory.path(), &with(threads, None)).unwrap_err());
            assert_eq!(one.to_string(), four.to_string());
            assert!(matches!(four, WalError::Corrupt { offset, .. }
                if offset == damaged.start as u64));
        }
    }
}
