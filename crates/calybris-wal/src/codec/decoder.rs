//! The decoding half of the codec: bincode 2, standard configuration, from a slice.
//!
//! Replay decodes a million records a second, and the library's own decoder, which reads from any source and carries a
//! large error through every integer, takes more of that time than the hashing does. What is accepted is the same; a
//! test compares the two on all kinds of values and on damaged ones.

use serde::de::value::U32Deserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::fault::{Fault, Outcome};
use super::{EIGHT_BYTES, FOUR_BYTES, SIXTEEN_BYTES, TWO_BYTES};

/// What is left of a payload.
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    /// The most elements that a sequence may claim to have.
    most_elements: u64,
}

impl<'de> Decoder<'de> {
    pub(super) fn new(payload: &'de [u8], most_elements: u64) -> Self {
        Self { rest: payload, most_elements }
    }

    /// How many bytes were not read.
    pub(super) fn left_over(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        match self.rest.split_first_chunk() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(*array)
            }
            None => Err(Fault::new("the bytes end inside a value")),
        }
    }

    #[inline]
    fn byte(&mut self) -> Outcome<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    fn integer_u16(&mut self) -> Outcome<u16> {
        match self.byte()? {
            TWO_BYTES => self.array().map(u16::from_le_bytes),
            small @ ..TWO_BYTES => Ok(small.into()),
            _ => Err(too_long("16")),
        }
    }

    #[inline]
    fn integer_u32(&mut self) -> Outcome<u32> {
        match self.byte()? {
            small @ ..TWO_BYTES => Ok(small.into()),
            TWO_BYTES => self.array().map(|bytes| u16::from_le_bytes(bytes).into()),
            FOUR_BYTES => self.array().map(u32::from_le_bytes),
            _ => Err(too_long("32")),
        }
    }

    #[inline]
    fn integer_u64(&mut self) -> Outcome<u64> {
        match self.byte()? {
            small @ ..TWO_BYTES => Ok(small.into()),
            TWO_BYTES => self.array().map(|bytes| u16::from_le_bytes(bytes).into()),
            FOUR_BYTES => self.array().map(|bytes| u32::from_le_bytes(bytes).into()),
            EIGHT_BYTES => self.array().map(u64::from_le_bytes),
            _ => Err(too_long("64")),
        }
    }

    fn integer_u128(&mut self) -> Outcome<u128> {
        match self.byte()? {
            small @ ..TWO_BYTES => Ok(small.into()),
            TWO_BYTES => self.array().map(|bytes| u16::from_le_bytes(bytes).into()),
            FOUR_BYTES => self.array().map(|bytes| u32::from_le_bytes(bytes).into()),
            EIGHT_BYTES => self.array().map(|bytes| u64::from_le_bytes(bytes).into()),
            SIXTEEN_BYTES => self.array().map(u128::from_le_bytes),
            _ => Err(too_long("128")),
        }
    }

    #[inline]
    fn slice(&mut self) -> Outcome<&'de [u8]> {
        let length = self.integer_u64()?;
        let halves = usize::try_from(length).ok().and_then(|at| self.rest.split_at_checked(at));
        match halves {
            Some((slice, rest)) => {
                self.rest = rest;
                Ok(slice)
            }
            None => Err(Fault::new("the bytes end inside a text or a list of bytes")),
        }
    }

    #[inline]
    fn text(&mut self) -> Outcome<&'de str> {
        str::from_utf8(self.slice()?).map_err(|_| Fault::new("a text is not UTF-8"))
    }

    fn elements(&mut self) -> Outcome<usize> {
        let claimed = self.integer_u64()?;
        let allowed = usize::try_from(claimed).ok().filter(|_| claimed <= self.most_elements);
        allowed.ok_or_else(|| Fault::new("a list claims more elements than are allowed"))
    }
}

#[cold]
fn too_long(bits: &str) -> Fault {
    Fault::new(&format!("an integer of {bits} bits has a mark that such integers have not"))
}

/// A signed integer from its zigzag form: 0, -1, 1, -2, 2 are written 0, 1, 2, 3, 4.
macro_rules! zigzag {
    ($unsigned:expr) => {{
        let value = $unsigned;
        (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
    }};
}

macro_rules! plain {
    ($($method:ident, $visit:ident, |$decoder:ident| $value:expr;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
            let $decoder = self;
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Fault;

    plain! {
        deserialize_u8, visit_u8, |decoder| decoder.byte()?;
        deserialize_u16, visit_u16, |decoder| decoder.integer_u16()?;
        deserialize_u32, visit_u32, |decoder| decoder.integer_u32()?;
        deserialize_u64, visit_u64, |decoder| decoder.integer_u64()?;
        deserialize_u128, visit_u128, |decoder| decoder.integer_u128()?;
        deserialize_i8, visit_i8, |decoder| decoder.byte()?.cast_signed();
        deserialize_i16, visit_i16, |decoder| zigzag!(decoder.integer_u16()?);
        deserialize_i32, visit_i32, |decoder| zigzag!(decoder.integer_u32()?);
        deserialize_i64, visit_i64, |decoder| zigzag!(decoder.integer_u64()?);
        deserialize_i128, visit_i128, |decoder| zigzag!(decoder.integer_u128()?);
        deserialize_f32, visit_f32, |decoder| f32::from_le_bytes(decoder.array()?);
        deserialize_f64, visit_f64, |decoder| f64::from_le_bytes(decoder.array()?);
        deserialize_str, visit_borrowed_str, |decoder| decoder.text()?;
        deserialize_string, visit_borrowed_str, |decoder| decoder.text()?;
        deserialize_bytes, visit_borrowed_bytes, |decoder| decoder.slice()?;
        deserialize_byte_buf, visit_borrowed_bytes, |decoder| decoder.slice()?;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(Fault::new("a truth value is neither 0 nor 1")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let first = self.rest.first().copied().unwrap_or_default();
        let width = match first {
            ..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        let fault = || Fault::new("a character is not UTF-8");
        let (bytes, rest) = self.rest.split_at_checked(width).ok_or_else(fault)?;
        self.rest = rest;
        let text = str::from_utf8(bytes).map_err(|_| fault())?;
        visitor.visit_char(text.chars().next().ok_or_else(fault)?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(Fault::new("an option is neither 0 nor 1")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let left = self.elements()?;
        visitor.visit_seq(Elements { decoder: self, left })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Outcome<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        left: usize,
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let left = self.elements()?;
        visitor.visit_map(Elements { decoder: self, left })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left: fields.len() })
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Outcome<V::Value> {
        Err(Fault::new("the bytes do not say of which type they are"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A number of values, one behind the other.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Outcome<Option<K::Value>> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Outcome<T::Value> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Outcome<(T::Value, Self)> {
        let variant: U32Deserializer<Fault> = self.integer_u32()?.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Outcome<()> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Outcome<T::Value> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Outcome<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left: fields.len() })
    }
}

/// Reads one value, and says how many bytes are behind it.
pub(super) fn read<'de, T: Deserialize<'de>>(
    payload: &'de [u8],
    most_elements: u64,
) -> Result<(T, usize), Fault> {
    let mut decoder = Decoder::new(payload, most_elements);
    let value = T::deserialize(&mut decoder)?;
    Ok((value, decoder.left_over()))
}
