//! An entry of a price list: typed access to its fields, and refusals that name the model, the field and the place.

use std::path::Path;

use crate::error::InputError;
use crate::json::{Node, Value};
use crate::number::{Number, NumberFault, Rounded};
use crate::place::Place;
use crate::text::{name_fault, quoted};

/// An entry, or an object within one.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// The name of the model.
    pub(super) name: &'a str,
    /// Where the entry begins.
    pub(super) offset: usize,
    pub(super) value: &'a Value<'a>,
}

impl<'a> Entry<'a> {
    /// The value of a key; `null` counts as absent.
    pub(super) fn field(self, key: &str) -> Option<&'a Node<'a>> {
        self.value.entry(key).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The keys with their values, except those that are `null`.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, &'a Node<'a>)> {
        let entries = match self.value {
            Value::Object(entries) => entries.as_slice(),
            _ => &[],
        };
        let fields = entries.iter().map(|(key, node)| (key.name.as_str(), node));
        fields.filter(|(_, node)| !matches!(node.value, Value::Null))
    }

    /// The value of a node of this entry, to be read in the same way.
    pub(super) fn within(self, node: &'a Node<'a>) -> Self {
        Self { offset: node.offset, value: &node.value, ..self }
    }

    pub(super) fn refuse(
        self,
        offset: usize,
        key: &str,
        what: impl std::fmt::Display,
    ) -> InputError {
        let what = format!("model {}: `{key}`: {what}", quoted(self.name));
        InputError::at(self.file, Place::of(self.text, offset), what)
    }

    /// A refusal of the value of a key for what it is.
    pub(super) fn refuse_found(self, node: &Node<'_>, key: &str, allowed: &str) -> InputError {
        let found = match &node.value {
            Value::Text(text) => quoted(text),
            _ => quoted(node.written(self.text)),
        };
        self.refuse(node.offset, key, format!("found {found}; {allowed}"))
    }

    /// A name that has to be there.
    pub(super) fn required_name(self, key: &str, what: &str) -> Result<&'a str, InputError> {
        match self.field(key) {
            Some(Node { value: Value::Text(name), offset }) => match name_fault(name) {
                Some(fault) => Err(self.refuse(*offset, key, fault)),
                None => Ok(name),
            },
            Some(node) => Err(self.refuse_found(node, key, "it is a name")),
            None => Err(self.refuse(self.offset, key, format!("missing; {what}"))),
        }
    }

    /// The price per token of a key, in microunits per million tokens.
    pub(super) fn rate(
        self,
        key: &str,
        times: Option<Number>,
    ) -> Result<Option<Rounded>, InputError> {
        self.amount(key, times, Number::per_million_tokens)
    }

    /// The price per piece of a key, in microunits.
    pub(super) fn fee(self, key: &str) -> Result<Option<Rounded>, InputError> {
        self.amount(key, None, Number::microunits)
    }

    fn amount(
        self,
        key: &str,
        times: Option<Number>,
        round: fn(Number) -> Option<Rounded>,
    ) -> Result<Option<Rounded>, InputError> {
        let Some(node) = self.field(key) else { return Ok(None) };
        let number = self.number(node, key, "a price is a number")?;
        let product = times.map_or(Some(number), |times| number.times(times));
        let Some(product) = product else {
            return Err(self.refuse_found(node, key, NOT_A_DECIMAL));
        };
        round(product).map(Some).ok_or_else(|| {
            let allowed = format!("a price is at most {} microunits", u64::MAX);
            self.refuse_found(node, key, &allowed)
        })
    }

    /// A number, written as one or as a text.
    pub(super) fn number(
        self,
        node: &Node<'_>,
        key: &str,
        what: &str,
    ) -> Result<Number, InputError> {
        let digits = match &node.value {
            Value::Number(digits) => *digits,
            Value::Text(digits) => digits.as_str(),
            _ => return Err(self.refuse_found(node, key, what)),
        };
        Number::parse(digits).map_err(|fault| {
            let allowed = match fault {
                NumberFault::NotADecimal => NOT_A_DECIMAL,
                NumberFault::Negative => "a price is at least 0",
            };
            self.refuse_found(node, key, allowed)
        })
    }

    /// A number of tokens.
    pub(super) fn tokens(self, key: &str) -> Result<Option<u32>, InputError> {
        let Some(node) = self.field(key) else { return Ok(None) };
        let digits = match &node.value {
            Value::Number(digits) => Some(*digits),
            Value::Text(digits) => Some(digits.as_str()),
            _ => None,
        };
        let whole = digits.and_then(|digits| Number::parse(digits).ok()).and_then(Number::whole);
        let tokens = whole.and_then(|whole| u32::try_from(whole).ok());
        let allowed = "allowed is a whole number of tokens from 0 to 4,294,967,295";
        tokens.map(Some).ok_or_else(|| self.refuse_found(node, key, allowed))
    }
}

const NOT_A_DECIMAL: &str = "a price is a decimal number in currency units per token with at most 28 digits, such as `0.0000025` or `2.5e-06`";
