//! Any bytes as a payload: decoding ends, never panics, claims no memory that the bytes do not account
//! for (the fuzzer stops at a claim of 64 MB), and gives the same value with a limit and without.
//!
//! `cargo +nightly fuzz run wal_payload -- -malloc_limit_mb=64`
#![no_main]

use std::collections::BTreeMap;

use calybris_wal::{decode, decode_borrowed};
use libfuzzer_sys::fuzz_target;

/// What owns texts, which the limit is for.
type Owned = (u64, String, Vec<Option<(char, i128, String)>>, BTreeMap<u16, (bool, String)>);

/// The same, with texts that are borrowed.
type Borrowed<'a> =
    (u64, &'a str, Vec<Option<(char, i128, &'a str)>>, BTreeMap<u16, (bool, &'a str)>);

fuzz_target!(|bytes: &[u8]| {
    let owned = decode::<Owned>(bytes).ok().map(|value| format!("{value:?}"));
    let borrowed = decode::<Borrowed<'_>>(bytes).ok().map(|value| format!("{value:?}"));
    let unlimited = decode_borrowed::<Borrowed<'_>>(bytes).ok().map(|value| format!("{value:?}"));
    assert_eq!(owned, borrowed);
    assert_eq!(owned, unlimited);
});
