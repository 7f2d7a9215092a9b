//! The codec beside the library whose format it is.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "integers of every width from one"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::ser::{SerializeStructVariant, SerializeTupleVariant};
use serde::{Deserialize, Serialize};

use super::encoder::Encoder;
use super::{ELEMENTS_MAX, decoder};

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
        (any::<u32>(), any::<i32>(), 0..70_u32, any::<i64>(), any::<u128>(), 0..128_u32).prop_map(
            |(a, b, shift, d, e, wide)| {
                Anything::Wide(
                    a >> (shift % 32),
                    b >> (shift % 32),
                    u64::MAX.checked_shr(shift).unwrap_or(0),
                    d >> (shift % 64),
                    e >> wide,
                )
            }
        ),
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

/// What the library decodes, and how many bytes it leaves.
fn reference(bytes: &[u8]) -> Option<(Anything, usize)> {
    let decoded = bincode::serde::decode_from_slice(
        bytes,
        bincode::config::standard().with_limit::<{ 256 << 20 }>(),
    );
    decoded.ok().map(|(value, used)| (value, bytes.len() - used))
}

/// What the library encodes.
fn library<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap()
}

/// What we encode, up to a limit.
fn encoded<T: Serialize + ?Sized>(value: &T, limit: usize) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new(), limit);
    let outcome = value.serialize(&mut encoder);
    assert_eq!(outcome.is_err(), encoder.over);
    assert!(encoder.bytes.len() <= limit);
    outcome.ok().map(|()| encoder.bytes)
}

#[test]
fn integers_of_every_width_encode_as_the_library_encodes_them() {
    let edges =
        (0..128).flat_map(|bit| [-1, 0, 1].map(|near| (1_u128 << bit).wrapping_add_signed(near)));
    for wide in edges.chain(0..600).chain([u128::MAX]) {
        let value = (wide as u8, wide as u16, wide as u32, wide as u64, wide, wide as usize);
        assert_eq!(encoded(&value, 100), Some(library(&value)));
        let value = (wide as i8, wide as i16, wide as i32, wide as i64, wide as i128);
        assert_eq!(encoded(&value, 100), Some(library(&value)));
    }
}

#[test]
fn structs_without_names_and_bytes_encode_as_the_library_encodes_them() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Newtype(u32);
    #[derive(Serialize)]
    struct Tuple(u8, u16);
    struct Bytes(Vec<u8>);
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    for length in [0, 1, 250, 251, 65_535, 65_536] {
        let value = (Unit, Newtype(7), Tuple(1, 300), Bytes(vec![9; length]), Some(Unit));
        assert_eq!(encoded(&value, 1 << 20), Some(library(&value)));
    }
}

#[test]
fn variants_of_any_index_encode_as_the_library_encodes_them() {
    /// A variant of each form, of a large enum.
    struct Variants(u32);
    struct Variant(u32, u8);
    impl Serialize for Variant {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let index = self.0;
            match self.1 {
                0 => serializer.serialize_unit_variant("E", index, "V"),
                1 => serializer.serialize_newtype_variant("E", index, "V", &f64::NAN),
                2 => {
                    let mut variant = serializer.serialize_tuple_variant("E", index, "V", 1)?;
                    variant.serialize_field(&f32::NEG_INFINITY)?;
                    variant.end()
                }
                _ => {
                    let mut variant = serializer.serialize_struct_variant("E", index, "V", 1)?;
                    variant.serialize_field("f", &-0.0_f64)?;
                    variant.end()
                }
            }
        }
    }
    impl Serialize for Variants {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq([0, 1, 2, 3].map(|form| Variant(self.0, form)))
        }
    }
    for index in [0, 250, 251, 252, 255, 256, 65_535, 65_536, u32::MAX] {
        assert_eq!(encoded(&Variants(index), 1 << 10), Some(library(&Variants(index))));
    }
}

#[test]
fn a_list_that_does_not_say_how_long_it_is_does_not_encode() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9_u32).filter(|number| number % 2 == 0))
        }
    }
    let mut encoder = Encoder::new(Vec::new(), 100);
    assert!(Endless.serialize(&mut encoder).is_err());
    assert!(!encoder.over);
}

proptest! {
    /// And a limit that is one byte less than a value is long refuses it, wherever the limit falls.
    #[test]
    fn a_value_encodes_as_the_library_encodes_it(value in anything()) {
        let bytes = library(&value);
        prop_assert_eq!(encoded(&value, bytes.len()), Some(bytes.clone()));
        for limit in 0..bytes.len() {
            prop_assert_eq!(encoded(&value, limit), None);
        }
    }

    /// Whole values, cut ones and altered ones are accepted or refused alike, and mean the same.
    #[test]
    fn a_slice_decodes_as_the_library_decodes_it(
        value in anything(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let bytes = library(&value);
        let ours = |bytes: &[u8]| decoder::read::<Anything>(bytes, ELEMENTS_MAX).ok();
        prop_assert_eq!(ours(&bytes), Some((value, 0)));
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert_eq!(ours(cut), reference(cut));
        for with in [with, 0, 1, 250, 251, 252, 253, 254, 255] {
            let mut altered = bytes.clone();
            altered[at.index(bytes.len())] = with;
            // Floats may have become what equals nothing.
            let (ours, reference) = (ours(&altered), reference(&altered));
            prop_assert_eq!(format!("{ours:?}"), format!("{reference:?}"));
        }
    }
}
