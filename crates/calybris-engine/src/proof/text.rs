//! How a proof's fields are written as text, in one way only: what reads back as the same value is the same text.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Any number of bytes, as hexadecimal digits in lower case.
pub(super) mod hexadecimal {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base16ct::lower::encode_string(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        base16ct::lower::decode_vec(text)
            .map_err(|_| D::Error::custom("expected pairs of the digits 0 to 9 and a to f"))
    }
}

/// A value in the text form that it displays and parses.
pub(super) mod display {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &impl Display,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
