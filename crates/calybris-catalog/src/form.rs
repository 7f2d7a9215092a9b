//! Names, shares and amounts as TOML files write them: each is checked where it is read, so that a refusal has its place.

use std::collections::BTreeMap;
use std::fmt;

use calybris_units::{BasisPoints, Microunits};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::text::name_fault;

/// The form of a value in a file, and the value that it stands for.
pub(crate) trait Form {
    type Value;

    fn value(self) -> Self::Value;
}

/// Reads a value in the form `F`.
pub(crate) fn read<'de, D, F>(deserializer: D) -> Result<F::Value, D::Error>
where
    D: Deserializer<'de>,
    F: Form + Deserialize<'de>,
{
    F::deserialize(deserializer).map(Form::value)
}

/// A name without invisible characters around it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

/// A share of 0 to 10,000 basis points.
pub(crate) struct Share(BasisPoints);

/// An amount or a price, 0 or more microunits.
pub(crate) struct Amount(Microunits);

impl Form for Name {
    type Value = String;

    fn value(self) -> String {
        self.0
    }
}

impl Form for Share {
    type Value = BasisPoints;

    fn value(self) -> BasisPoints {
        self.0
    }
}

impl Form for Amount {
    type Value = Microunits;

    fn value(self) -> Microunits {
        self.0
    }
}

impl<F: Form> Form for Option<F> {
    type Value = Option<F::Value>;

    fn value(self) -> Self::Value {
        self.map(Form::value)
    }
}

impl<F: Form> Form for Vec<F> {
    type Value = Vec<F::Value>;

    fn value(self) -> Self::Value {
        self.into_iter().map(Form::value).collect()
    }
}

impl<K: Form<Value: Ord>, F: Form> Form for BTreeMap<K, F> {
    type Value = BTreeMap<K::Value, F::Value>;

    fn value(self) -> Self::Value {
        self.into_iter().map(|(key, form)| (key.value(), form.value())).collect()
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name_fault(&name) {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(Self(name)),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = deserializer.deserialize_u64(WholeVisitor {
            most: BasisPoints::WHOLE.get().into(),
            what: "a whole number from 0 to 10,000 (basis points)",
        })?;
        u16::try_from(whole).map(|share| Self(BasisPoints::new(share))).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let what = "a whole number of microunits from 0 on (1,000,000 are one currency unit)";
        let whole = deserializer.deserialize_u64(WholeVisitor { most: u64::MAX, what })?;
        Ok(Self(Microunits::new(whole)))
    }
}

/// A whole number of `0..=most`.
struct WholeVisitor {
    most: u64,
    what: &'static str,
}

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        let in_range = u64::try_from(value).ok().filter(|whole| *whole <= self.most);
        in_range.ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Some(value)
            .filter(|whole| *whole <= self.most)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}
