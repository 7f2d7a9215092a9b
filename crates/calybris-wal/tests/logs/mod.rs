//! Logs that the tests are about, and their layout as `FORMAT.md` says it, read without the crate.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};

use calybris_wal::{Key, LogId, Reader, Record, WalError, WalOptions, WalWriter};

/// The length of a segment's header, in bytes.
pub const HEADER: usize = 144;

/// The kinds of frames.
pub const DATA: u8 = 1;
pub const MARK: u8 = 2;

/// A frame's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub start: usize,
    pub end: usize,
    pub kind: u8,
    pub sequence: u64,
    /// What a mark claims to be on disk, in bytes; 0 in a record.
    pub claim: usize,
}

/// The frames of a whole segment.
pub fn frames(segment: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut start = HEADER;
    while start < segment.len() {
        let length = u32::from_le_bytes(segment[start..start + 4].try_into().unwrap()) as usize;
        let kind = segment[start + 4];
        let sequence = u64::from_le_bytes(segment[start + 8..start + 16].try_into().unwrap());
        let claim = match kind {
            MARK => u64::from_le_bytes(segment[start + 24..start + 32].try_into().unwrap()),
            _ => 0,
        };
        let claim = usize::try_from(claim).unwrap();
        let end = start + 16 + length + 32;
        frames.push(Frame { start, end, kind, sequence, claim });
        start = end;
    }
    frames
}

/// The secret of [`key`].
pub const SECRET: &[u8] = b"a key for tests, of thirty-two b";
/// The secret that replaces it in [`new_key`].
pub const NEW_SECRET: &[u8] =
    b"another key for tests, of more than thirty-two bytes, more than sixty-four";

pub fn key() -> Key {
    Key::new(SECRET).unwrap()
}

/// A key that replaces [`key`].
pub fn new_key() -> Key {
    Key::new(NEW_SECRET).unwrap().replacing(&key())
}

/// Options for a log that comes out the same each time.
pub fn options() -> WalOptions {
    WalOptions::new(0x5eed).log_id(LogId::from_bytes(*b"calybris-wal log"))
}

/// The payloads of the sample log: empty, short, longer than a hash, one that looks like frames.
pub fn payloads() -> Vec<Vec<u8>> {
    vec![
        b"first".to_vec(),
        Vec::new(),
        (0..90).collect(),
        vec![1, 0, 0, 0, 2, 0, 0, 0],
        b"fifth".to_vec(),
        vec![0; 33],
    ]
}

pub fn open(path: &Path, key: Option<&Key>) -> Result<WalWriter, WalError> {
    open_with(path, &options(), key)
}

pub fn open_with(
    path: &Path,
    options: &WalOptions,
    key: Option<&Key>,
) -> Result<WalWriter, WalError> {
    match key {
        None => WalWriter::open(path, options),
        Some(key) => WalWriter::open_keyed(path, options, key),
    }
}

/// Writes the sample log: synced after the second and the fourth record; closed, or left open.
pub fn write_sample(path: &Path, key: Option<&Key>, close: bool) {
    let writer = open(path, key).unwrap();
    for (index, payload) in payloads().iter().enumerate() {
        writer.append_bytes(payload).unwrap();
        if index == 1 || index == 3 {
            writer.flush_and_sync().unwrap();
        }
    }
    if close {
        writer.close().unwrap();
    }
}

/// Writes the sample log in three segments: 1 and 2, 3 and 4, 5 and 6.
pub fn write_segments(path: &Path, options: &WalOptions, key: Option<&Key>) {
    let writer = open_with(path, options, key).unwrap();
    for (index, payload) in payloads().iter().enumerate() {
        writer.append_bytes(payload).unwrap();
        if index == 1 || index == 3 {
            writer.rotate().unwrap();
        }
    }
    writer.close().unwrap();
}

/// A segment of a log, by its first sequence.
pub fn segment_from(path: &Path, first: u64) -> PathBuf {
    path.join(format!("{first:020}.cwal"))
}

/// The only segment of a log.
pub fn segment(path: &Path) -> PathBuf {
    path.join("00000000000000000001.cwal")
}

/// A log whose only segment has these bytes.
pub fn log_of(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path).unwrap();
    fs::write(segment(path), bytes).unwrap();
}

/// All records that a reader hands out, and the error that it ends with, if it does.
pub fn read(path: &Path, key: Option<&Key>) -> (Vec<Record>, Option<WalError>) {
    let mut records = Vec::new();
    match Reader::open(path, key) {
        Err(error) => return (records, Some(error)),
        Ok(reader) => {
            for record in reader {
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => return (records, Some(error)),
                }
            }
        }
    }
    (records, None)
}

/// The payloads of all records of a log that reads without an error.
pub fn read_payloads(path: &Path, key: Option<&Key>) -> Vec<Vec<u8>> {
    let (records, error) = read(path, key);
    assert!(error.is_none(), "{error:?}");
    records.iter().map(|record| record.payload().to_vec()).collect()
}

/// Both kinds of log.
pub fn keys() -> [Option<Key>; 2] {
    [None, Some(key())]
}
