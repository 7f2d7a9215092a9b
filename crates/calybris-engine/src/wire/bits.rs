//! Sets as bit masks. A set of everything takes one byte in the log, and so does an empty one of 64 bits.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 64 bits, as a signed number: all bits are -1, which the codec writes as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits64(pub(super) u64);

/// 256 bits, bit `n % 64` of word `n / 64` for `n`: nothing if all are set, else the four words as signed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits256(pub(super) [u64; 4]);

const ALL_256: [u64; 4] = [u64::MAX; 4];

impl Serialize for Bits64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_u64(self.0)
        } else {
            serializer.serialize_i64(self.0.cast_signed())
        }
    }
}

impl<'de> Deserialize<'de> for Bits64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(i64::deserialize(deserializer)?.cast_unsigned()))
    }
}

impl Serialize for Bits256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.serialize(serializer)
        } else {
            let words = (self.0 != ALL_256).then(|| self.0.map(u64::cast_signed));
            words.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Bits256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Option::<[i64; 4]>::deserialize(deserializer)?;
        match words.map(|words| words.map(i64::cast_unsigned)) {
            None => Ok(Self(ALL_256)),
            // So that equal records have equal bytes.
            Some(ALL_256) => {
                Err(de::Error::custom("a set of all 256 has its four words written out"))
            }
            Some(words) => Ok(Self(words)),
        }
    }
}
