//! Our side of the comparison: a log as each case opens it.

use std::path::Path;

use calybris_wal::{Durability, Key, WalOptions, WalWriter};

/// How many records `Buffered` gathers before it writes them, and a few more: so many make a sample
/// at the least, and there is none without a write.
pub const RECORDS_PER_WRITE: usize = 1_300;

pub const KEY: &[u8; 32] = b"a key of thirty-two bytes, here.";

pub fn key(keyed: bool) -> Option<Key> {
    keyed.then(|| Key::new(KEY).expect("the key is long enough"))
}

pub fn ours(path: &Path, durability: Durability, keyed: bool) -> WalWriter {
    let options = WalOptions::new(1).durability(durability);
    match key(keyed) {
        None => WalWriter::open(path, &options).expect("the log opens"),
        Some(key) => WalWriter::open_keyed(path, &options, &key).expect("the log opens"),
    }
}
