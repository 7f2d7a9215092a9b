//! The encoding half of the codec: bincode 2, standard configuration, into memory.
//!
//! An append encodes a record beside hashing it, and the library's own encoder, which writes to any sink and carries a
//! large error through every integer, takes a third of the time that the hashing does. The bytes are the same; a test
//! compares the two on all kinds of values.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::fault::{Fault, Outcome};
use super::{EIGHT_BYTES, FOUR_BYTES, SIXTEEN_BYTES, TWO_BYTES};

/// A payload that stops growing at its limit.
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    limit: usize,
    /// Whether a value would have passed the limit.
    pub(super) over: bool,
}

impl Encoder {
    /// Writes over what `bytes` hold, up to `limit` bytes.
    pub(super) fn new(mut bytes: Vec<u8>, limit: usize) -> Self {
        bytes.clear();
        Self { bytes, limit, over: false }
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        if bytes.len() > self.limit - self.bytes.len() {
            return self.refuse();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn refuse(&mut self) -> Outcome<()> {
        self.over = true;
        Err(Fault::new("the record is over the limit"))
    }

    /// Writes an integer of 16, 32 or 64 bits: its form depends on how great it is and not on its
    /// type. The lengths of integers are hard to foretell, so there is no branch on them.
    #[inline]
    fn integer(&mut self, value: u64) -> Outcome<()> {
        const MARKS: [u8; 4] = [0, TWO_BYTES, FOUR_BYTES, EIGHT_BYTES];
        const LENGTHS: [usize; 4] = [1, 3, 5, 9];
        let alone = value < u64::from(TWO_BYTES);
        let class = usize::from(!alone)
            + usize::from(value > u16::MAX.into())
            + usize::from(value > u32::MAX.into());
        let mark = MARKS.get(class).copied().unwrap_or_default();
        let length = LENGTHS.get(class).copied().unwrap_or_default();
        if length > self.limit - self.bytes.len() {
            return self.refuse();
        }
        let end = self.bytes.len() + length;
        let behind_mark = u128::from(value) << if alone { 0 } else { 8 };
        self.bytes.extend_from_slice(&(behind_mark | u128::from(mark)).to_le_bytes());
        self.bytes.truncate(end);
        Ok(())
    }

    fn integer_u128(&mut self, value: u128) -> Outcome<()> {
        if let Ok(short) = u64::try_from(value) {
            return self.integer(short);
        }
        self.write(&[SIXTEEN_BYTES])?;
        self.write(&value.to_le_bytes())
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.integer(bytes.len() as u64)?;
        self.write(bytes)
    }

    fn elements(&mut self, count: Option<usize>) -> Outcome<&mut Self> {
        let count = count.ok_or_else(|| Fault::new("a list does not say how long it is"))?;
        self.integer(count as u64)?;
        Ok(self)
    }
}

/// The zigzag form of a signed integer: 0, -1, 1, -2, 2 are written 0, 1, 2, 3, 4.
macro_rules! zigzag {
    ($signed:expr) => {{
        let value = $signed;
        ((value << 1) ^ (value >> (8 * size_of_val(&value) - 1))).cast_unsigned()
    }};
}

macro_rules! plain {
    ($($method:ident($type:ty), |$encoder:ident, $value:ident| $write:expr;)*) => {
        $(#[inline]
        fn $method(self, $value: $type) -> Outcome<()> {
            let $encoder = self;
            $write
        })*
    };
}

impl<'a> Serializer for &'a mut Encoder {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = &'a mut Encoder;
    type SerializeTuple = &'a mut Encoder;
    type SerializeTupleStruct = &'a mut Encoder;
    type SerializeTupleVariant = &'a mut Encoder;
    type SerializeMap = &'a mut Encoder;
    type SerializeStruct = &'a mut Encoder;
    type SerializeStructVariant = &'a mut Encoder;

    plain! {
        serialize_bool(bool), |encoder, value| encoder.write(&[value.into()]);
        serialize_u8(u8), |encoder, value| encoder.write(&[value]);
        serialize_u16(u16), |encoder, value| encoder.integer(value.into());
        serialize_u32(u32), |encoder, value| encoder.integer(value.into());
        serialize_u64(u64), |encoder, value| encoder.integer(value);
        serialize_u128(u128), |encoder, value| encoder.integer_u128(value);
        serialize_i8(i8), |encoder, value| encoder.write(&value.to_le_bytes());
        serialize_i16(i16), |encoder, value| encoder.integer(zigzag!(value).into());
        serialize_i32(i32), |encoder, value| encoder.integer(zigzag!(value).into());
        serialize_i64(i64), |encoder, value| encoder.integer(zigzag!(value));
        serialize_i128(i128), |encoder, value| encoder.integer_u128(zigzag!(value));
        serialize_f32(f32), |encoder, value| encoder.write(&value.to_le_bytes());
        serialize_f64(f64), |encoder, value| encoder.write(&value.to_le_bytes());
        serialize_char(char), |encoder, value| {
            encoder.write(value.encode_utf8(&mut [0; 4]).as_bytes())
        };
        serialize_str(&str), |encoder, value| encoder.slice(value.as_bytes());
        serialize_bytes(&[u8]), |encoder, value| encoder.slice(value);
    }

    #[inline]
    fn serialize_none(self) -> Outcome<()> {
        self.write(&[0])
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome<()> {
        self.write(&[1])?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Outcome<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Outcome<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Outcome<()> {
        self.integer(index.into())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Outcome<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Outcome<()> {
        self.integer(index.into())?;
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Outcome<Self> {
        self.elements(count)
    }

    fn serialize_tuple(self, _count: usize) -> Outcome<Self> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _count: usize) -> Outcome<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _count: usize,
    ) -> Outcome<Self> {
        self.integer(index.into())?;
        Ok(self)
    }

    fn serialize_map(self, count: Option<usize>) -> Outcome<Self> {
        self.elements(count)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _count: usize) -> Outcome<Self> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _count: usize,
    ) -> Outcome<Self> {
        self.integer(index.into())?;
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What has parts is its parts, one behind the other.
macro_rules! parts {
    ($($trait:ident: $($method:ident($($name:ident)?)),+;)*) => {
        $(impl $trait for &mut Encoder {
            type Ok = ();
            type Error = Fault;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                part: &T,
            ) -> Outcome<()> {
                $(let _ = $name;)?
                part.serialize(&mut **self)
            })+

            #[inline]
            fn end(self) -> Outcome<()> {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(name);
    SerializeStructVariant: serialize_field(name);
}
