//! The encoding of payloads: the bytes that `FORMAT.md` describes, all of them used, and lengths that
//! lie claim no memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use allocation_counter::measure;
use calybris_wal::{Reader, WalOptions, WalWriter, decode, decode_borrowed};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Something of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Anything {
    Unit,
    Newtype(Box<Anything>),
    Tuple(u8, i8, u16, i16, bool),
    Wide(u32, i32, u64, i64, u128),
    Wider(i128, char, (), [u8; 3]),
    Fields { text: String, list: Vec<u32>, map: BTreeMap<u16, String>, option: Option<i64> },
    Many(Vec<Anything>),
    Float(u32, f32, f64),
}

fn anything() -> impl Strategy<Value = Anything> {
    let leaf = prop_oneof![
        Just(Anything::Unit),
        any::<(u8, i8, u16, i16, bool)>()
            .prop_map(|(a, b, c, d, e)| Anything::Tuple(a, b, c, d, e)),
        (any::<u32>(), any::<i32>(), any::<u64>(), any::<i64>(), any::<u128>(), 0..128_u32)
            .prop_map(|(a, b, c, d, e, shift)| Anything::Wide(
                a >> (shift % 32),
                b >> (shift % 32),
                c >> (shift % 64),
                d >> (shift % 64),
                e >> shift,
            )),
        any::<(i128, char, [u8; 3])>().prop_map(|(a, b, c)| Anything::Wider(a, b, (), c)),
        (any::<String>(), any::<Vec<u32>>(), any::<BTreeMap<u16, String>>(), any::<Option<i64>>())
            .prop_map(|(text, list, map, option)| Anything::Fields { text, list, map, option }),
        (any::<u32>(), -1e9_f32..1e9, -1e9_f64..1e9).prop_map(|(a, b, c)| Anything::Float(a, b, c)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Anything::Newtype(Box::new(one))),
            prop::collection::vec(inner, 0..4).prop_map(Anything::Many),
        ]
    })
}

/// The payload that a log keeps of a record.
fn payload<T: Serialize + ?Sized>(record: &T) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = WalOptions::new(1).max_record_bytes(256 << 20);
    WalWriter::open(&path, &options).unwrap().append(record).unwrap();
    Reader::open(&path, None).unwrap().next().unwrap().unwrap().payload().to_vec()
}

fn is<'a, T: Serialize + Deserialize<'a> + PartialEq + Debug>(value: T, bytes: &'a [u8]) {
    assert_eq!(payload(&value), bytes, "{value:?}");
    assert_eq!(decode::<T>(bytes).unwrap(), value);
    assert_eq!(decode_borrowed::<T>(bytes).unwrap(), value);
}

#[test]
fn values_have_the_bytes_that_the_format_says() {
    is((0_u8, 250_u8, 251_u8, 255_u8), &[0, 250, 251, 255]);
    is((-1_i8, i8::MIN), &[0xff, 0x80]);
    is((0_u16, 250_u16, 251_u16), &[0, 250, 251, 251, 0]);
    is((65_535_u32, 65_536_u32), &[251, 0xff, 0xff, 252, 0, 0, 1, 0]);
    is((1_u64 << 32, u64::from(u32::MAX)), &[253, 0, 0, 0, 0, 1, 0, 0, 0, 252, 255, 255, 255, 255]);
    is(1_u128 << 64, &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    is((0_i16, -1_i32, 1_i64, -2_i128, -126_i64), &[0, 1, 2, 3, 251, 251, 0]);
    is((1.0_f32, -2.0_f64), &[0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0]);
    is((false, true), &[0, 1]);
    is(('a', '\u{e4}', '\u{1f600}'), "a\u{e4}\u{1f600}".as_bytes());
    is(("", "\u{e4}"), &[0, 2, 0xc3, 0xa4]);
    is((None::<u8>, Some(7_u8), Some(None::<u8>)), &[0, 1, 7, 1, 0]);
    is(((), [1_u8, 2], (3_u8,)), &[1, 2, 3]);
    is((vec![1_u16, 300], Vec::<u16>::new()), &[2, 1, 251, 44, 1, 0]);
    is(BTreeMap::from([(1_u8, "x"), (2, "")]), &[2, 1, 1, b'x', 2, 0]);
    is(Anything::Unit, &[0]);
    is(Anything::Tuple(1, -1, 2, -2, true), &[2, 1, 0xff, 2, 3, 1]);
    is(
        (7_u8, 300_u32, -2_i64, "hi", Some(true), [1_u8, 2], vec![5_u16]),
        &[7, 0xfb, 0x2c, 1, 3, 2, b'h', b'i', 1, 1, 1, 2, 1, 5],
    );
    let (text, list, map, option) = ("t".to_owned(), vec![5], BTreeMap::new(), Some(-3));
    is(Anything::Fields { text, list, map, option }, &[5, 1, b't', 1, 5, 0, 1, 5]);
}

#[test]
fn a_value_that_the_format_does_not_have_is_refused() {
    for bytes in [
        &[253, 1, 0, 0, 0, 0, 0, 0, 0][..], // a mark of 64 bits where the type has 32
        &[255],                             // no mark
        &[252, 1, 0],                       // cut short
        &[5, 5],                            // left over
    ] {
        assert!(decode::<u32>(bytes).is_err(), "{bytes:?}");
        assert!(decode_borrowed::<u32>(bytes).is_err(), "{bytes:?}");
    }
    assert!(decode::<bool>(&[2]).is_err());
    assert!(decode::<Option<u8>>(&[2, 0]).is_err());
    assert!(decode::<char>(&[0xc3, 0x28]).is_err());
    assert!(decode::<&str>(&[1, 0xff]).is_err());
    assert!(decode::<Anything>(&[8]).is_err(), "there are eight variants");
}

#[test]
fn an_integer_in_a_longer_form_than_it_needs_is_read() {
    assert_eq!(decode::<u32>(&[251, 5, 0]).unwrap(), 5);
    assert_eq!(decode::<u64>(&[252, 5, 0, 0, 0]).unwrap(), 5);
}

/// What decoding claims at once, in bytes.
fn claimed<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> u64 {
    measure(|| assert!(decode::<T>(payload).is_err())).bytes_max
}

#[test]
fn a_length_that_lies_claims_no_memory() {
    const KIB: u64 = 1 << 10;
    for length in (10..64).map(|bit| 1_u64 << bit).chain([u64::MAX]) {
        let lie = [&[253][..], &length.to_le_bytes(), b"abc"].concat();
        assert!(claimed::<String>(&lie) <= 64 * KIB, "{length}");
        assert!(claimed::<(String, u8)>(&lie) <= 64 * KIB, "{length}");
        assert!(claimed::<Vec<String>>(&[&[1][..], &lie].concat()) <= 65 * KIB, "{length}");
        assert!(claimed::<BTreeMap<String, u8>>(&[&[1][..], &lie].concat()) <= 64 * KIB);
        assert!(claimed::<Vec<u64>>(&lie) <= 1025 * KIB, "{length}");
        assert!(claimed::<Vec<Anything>>(&lie) <= 1025 * KIB, "{length}");
        assert!(claimed::<&str>(&lie) <= KIB);
        // What borrows its texts claims no more without a limit.
        let borrowed = |decoded: fn(&[u8]) -> bool| measure(|| assert!(decoded(&lie))).bytes_max;
        assert!(borrowed(|lie| decode_borrowed::<&str>(lie).is_err()) <= KIB, "{length}");
        assert!(borrowed(|lie| decode_borrowed::<Vec<&str>>(lie).is_err()) <= 1025 * KIB);
        assert!(borrowed(|lie| decode_borrowed::<Vec<u64>>(lie).is_err()) <= 1025 * KIB);
    }
    // A longer payload may claim more, in proportion.
    for filled in [4 << 10, 64 << 10, 1 << 20] {
        let bytes = vec![0; filled];
        let lie = |length: u64| [&[253][..], &length.to_le_bytes(), &bytes].concat();
        for length in [u64::MAX, 1 << 40, 256 * filled as u64 + (1 << 16)] {
            assert!(claimed::<String>(&lie(length)) <= 256 * filled as u64 + 64 * KIB);
        }
    }
}

#[test]
fn a_limit_of_memory_refuses_nothing_that_was_encoded() {
    // Integers of 128 bits that take a byte each are what a payload can hold the most of.
    for payload_bytes in [4 << 10, 64 << 10, 1 << 20] {
        for near in [payload_bytes - 6, payload_bytes - 5, payload_bytes - 3, payload_bytes] {
            let list = vec![7_u128; near];
            let bytes = payload(&list);
            assert_eq!(decode::<Vec<u128>>(&bytes).unwrap(), list, "{} bytes", bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn a_value_decodes_from_its_payload_and_from_no_part_of_it(value in anything()) {
        let bytes = payload(&value);
        prop_assert_eq!(decode::<Anything>(&bytes).unwrap(), value);
        for length in 0..bytes.len() {
            prop_assert!(decode::<Anything>(&bytes[..length]).is_err());
        }
        prop_assert!(decode::<Anything>(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn any_bytes_decode_or_do_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(value) = decode::<Vec<Anything>>(&bytes) {
            prop_assert!(payload(&value).len() <= bytes.len(), "no form is shorter than the written one");
        }
    }
}
