//! Bytes as lower-case hexadecimal, in one way only: what reads back as the same bytes is the same text.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn to_text(bytes: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_text(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks();
    let bytes = pairs.iter().map(|[high, low]| Some((nibble(*high)? << 4) | nibble(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

fn array_from_text<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_text(text)?.try_into().ok()
}

/// Any number of bytes.
pub(super) mod bytes {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_text(&text)
            .ok_or_else(|| D::Error::custom("these are not pairs of the digits 0 to 9 and a to f"))
    }
}

/// A hash.
pub(super) mod array {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        hash: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(hash))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        array_from_text(&text)
            .ok_or_else(|| D::Error::custom("a hash has 64 of the digits 0 to 9 and a to f"))
    }
}

/// A list of hashes.
pub(super) mod arrays {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        hashes: &[[u8; 32]],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = hashes.iter().map(|hash| to_text(hash)).collect();
        texts.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<[u8; 32]>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let hashes = texts.iter().map(|text| array_from_text(text));
        hashes
            .collect::<Option<_>>()
            .ok_or_else(|| D::Error::custom("a hash has 64 of the digits 0 to 9 and a to f"))
    }
}

/// A tree head, in its own text form.
pub(super) mod text {
    use super::*;
    use calybris_wal::TreeHead;

    pub(in super::super) fn serialize<S: Serializer>(
        head: &TreeHead,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(head)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TreeHead, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
