//! Names of numbers: pairs in ascending order of the numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use super::invalid::InvalidField;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// Numbers and their names: a map for serde, so an object in JSON.
#[derive(Debug)]
pub(super) struct NameMap<'a, K>(Vec<(K, &'a str)>);

impl<'a, K: Copy> From<&'a BTreeMap<K, String>> for NameMap<'a, K> {
    fn from(names: &'a BTreeMap<K, String>) -> Self {
        Self(names.iter().map(|(number, name)| (*number, name.as_str())).collect())
    }
}

impl<K: Copy + Ord + fmt::Display> NameMap<'_, K> {
    /// The names, if none is for a number above `last`.
    pub(super) fn up_to(
        self,
        field: &'static str,
        last: K,
    ) -> Result<BTreeMap<K, String>, InvalidField> {
        if let Some((number, _)) = self.0.iter().find(|(number, _)| *number > last) {
            let why = format_args!("it has a name for {number}, and {last} is the highest number");
            return Err(InvalidField::new(field, why));
        }
        Ok(self.0.into_iter().map(|(number, name)| (number, name.to_owned())).collect())
    }
}

impl<K: Serialize> Serialize for NameMap<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(number, name)| (number, name)))
    }
}

impl<'de: 'a, 'a, K: Deserialize<'de> + Ord> Deserialize<'de> for NameMap<'a, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<K>(PhantomData<K>);

        impl<'de, K: Deserialize<'de> + Ord> Visitor<'de> for Pairs<K> {
            type Value = Vec<(K, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Self::Value = Vec::new();
                while let Some((number, name)) = map.next_entry()? {
                    if pairs.last().is_some_and(|(before, _)| *before >= number) {
                        return Err(A::Error::custom(
                            "the names are not in ascending order of their numbers",
                        ));
                    }
                    pairs.push((number, name));
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData)).map(Self)
    }
}
