//! Hashes and log ids as types, with their one text form: hexadecimal digits in lower case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;

/// The length of a hash, in bytes.
pub(crate) const HASH_BYTES: usize = 32;

/// The length of a log id, in bytes.
const LOG_ID_BYTES: usize = 16;

/// The hash of a record, of a segment's header or of a node of a tree: 32 bytes of SHA-256 or HMAC-SHA-256.
///
/// Two hashes are compared in a time that does not depend on where they differ, because in a log with a key one of them
/// may be a secret until it is written. The text form is 64 hexadecimal digits in lower case; serde writes that text to
/// formats for people, such as JSON, and the 32 bytes to all others.
///
/// ```
/// use calybris_wal::Hash;
///
/// let hash = Hash::from_bytes([0xab; 32]);
/// assert_eq!(hash.to_string(), "ab".repeat(32));
/// assert_eq!("ab".repeat(32).parse(), Ok(hash));
/// assert!("AB".repeat(32).parse::<Hash>().is_err());
/// ```
#[derive(Clone, Copy)]
pub struct Hash([u8; HASH_BYTES]);

/// The id of a log: 16 bytes that are drawn at random when the log is created, unless the creator chooses them.
///
/// The text form is 32 hexadecimal digits in lower case; serde writes that text to formats for people, such as JSON, and
/// the 16 bytes to all others.
///
/// ```
/// use calybris_wal::LogId;
///
/// let log_id = LogId::from_bytes(*b"calybris example");
/// assert_eq!(log_id.to_string(), "63616c7962726973206578616d706c65");
/// assert_eq!("63616c7962726973206578616d706c65".parse(), Ok(log_id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; LOG_ID_BYTES]);

impl Hash {
    /// 32 zero bytes: the hash before the first segment.
    pub(crate) const ZERO: Self = Self([0; HASH_BYTES]);
}

impl PartialEq for Hash {
    /// Compares all bytes, wherever the first difference is.
    fn eq(&self, other: &Self) -> bool {
        // Word by word: the same comparison in an eighth of the steps.
        let words = self.0.as_chunks().0.iter().zip(other.0.as_chunks().0);
        let differing = words.fold(0, |differing, (left, right)| {
            differing | (u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right))
        });
        differing.ct_eq(&0).into()
    }
}

impl Eq for Hash {}

impl std::hash::Hash for Hash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// The text is not the hexadecimal form of a [`Hash`](struct@Hash) or a [`LogId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected_digits} hexadecimal digits in lower case, found {found}")]
#[non_exhaustive]
pub struct ParseHexError {
    /// How many digits the form has.
    pub expected_digits: usize,
    /// How the text differs.
    pub found: HexFault,
}

/// How a text differs from the hexadecimal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexFault {
    /// The text has another length.
    #[error("{bytes} bytes of text")]
    Length {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// The text has the right length, and a character that is none of `0` to `9` and `a` to `f`.
    #[error("another character")]
    Character,
}

/// Gives an array of bytes its accessors, its text form and its serde form.
macro_rules! bytes_in_hexadecimal {
    ($type:ident, $bytes:expr, $name:literal) => {
        impl $type {
            #[doc = concat!("The ", $name, " with these bytes.")]
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(base16ct::lower::encode_str(&self.0, &mut [0; 2 * $bytes])?)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = ParseHexError;

            /// Reads the text form exactly as `Display` writes it: no capitals, no spaces, no prefix.
            fn from_str(text: &str) -> Result<Self, ParseHexError> {
                let refuse = |found| ParseHexError { expected_digits: 2 * $bytes, found };
                if text.len() != 2 * $bytes {
                    return Err(refuse(HexFault::Length { bytes: text.len() }));
                }
                let mut bytes = [0; $bytes];
                match base16ct::lower::decode(text, &mut bytes) {
                    Ok(_) => Ok(Self(bytes)),
                    Err(_) => Err(refuse(HexFault::Character)),
                }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    return serializer.collect_str(self);
                }
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return Deserialize::deserialize(deserializer).map(Self);
                }
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_in_hexadecimal!(Hash, HASH_BYTES, "hash");
bytes_in_hexadecimal!(LogId, LOG_ID_BYTES, "id");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_that_differ_alike_in_several_places_are_not_equal() {
        let bytes = [0x5A; HASH_BYTES];
        assert_eq!(Hash(bytes), Hash(bytes));
        for first in 0..HASH_BYTES {
            for second in first..HASH_BYTES {
                let mut other = bytes;
                other[first] ^= 0x11;
                other[second] ^= if second == first { 0 } else { 0x11 };
                assert_ne!(Hash(bytes), Hash(other), "{first} {second}");
            }
        }
    }

    #[test]
    fn only_the_exact_text_form_is_read() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(good.parse::<Hash>().unwrap().to_string(), good);
        let character = HexFault::Character;
        for (bad, found) in [
            (good.to_uppercase(), character),
            (good.replacen('0', "g", 1), character),
            (good.replacen('0', "`", 1), character),
            (good.replacen('0', "/", 1), character),
            (good.replacen('0', ":", 1), character),
            (good.replacen("01", "0x", 1), character),
            (good.replacen("01", "\u{e9}", 1), character),
            (good[1..].to_owned(), HexFault::Length { bytes: 63 }),
            (format!(" {good}"), HexFault::Length { bytes: 65 }),
            (format!("{good}00"), HexFault::Length { bytes: 66 }),
            (String::new(), HexFault::Length { bytes: 0 }),
        ] {
            let refused = ParseHexError { expected_digits: 64, found };
            assert_eq!(bad.parse::<Hash>(), Err(refused), "{bad}");
            assert!(bad.parse::<LogId>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// The oracle writes each byte by the standard library.
        #[test]
        fn the_text_form_is_two_digits_a_byte_and_reads_back(hash: [u8; 32], id: [u8; 16]) {
            let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let (hash, id) = (Hash(hash), LogId(id));
            prop_assert_eq!(hash.to_string(), digits(hash.as_bytes()));
            prop_assert_eq!(id.to_string(), digits(id.as_bytes()));
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(format!("{hash:?}"), format!("Hash({hash})"));
            let json = serde_json::to_string(&(hash, id)).unwrap();
            prop_assert_eq!(&json, &format!("[\"{hash}\",\"{id}\"]"));
            prop_assert_eq!(serde_json::from_str::<(Hash, LogId)>(&json).unwrap(), (hash, id));
            let config = bincode::config::standard();
            let binary = bincode::serde::encode_to_vec((hash, id), config).unwrap();
            prop_assert_eq!(&binary, &[&hash.as_bytes()[..], id.as_bytes()].concat());
            let (read, _) = bincode::serde::decode_from_slice::<(Hash, LogId), _>(&binary, config).unwrap();
            prop_assert_eq!(read, (hash, id));
        }
    }
}
