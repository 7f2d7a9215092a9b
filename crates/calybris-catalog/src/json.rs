//! Strict JSON: every value has its place, and duplicate keys are refused at any depth.
//!
//! The library reads the grammar. Its maps would drop all but the last of two equal keys, and its values lose their digits
//! and places; so an object is read as a list of entries, and each value as its raw text.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::place::Place;
use crate::text::quoted;
use crate::words;

/// A value and the offset at which it begins in its text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Node<'a> {
    /// The byte at which it begins.
    pub offset: usize,
    /// What it is.
    pub value: Value<'a>,
}

/// What a value is.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no other values")]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// The digits as they are written.
    Number(&'a str),
    /// A text, its escapes resolved.
    Text(String),
    /// An array.
    List(Vec<Node<'a>>),
    /// Keys with their offsets, in the order of the text; no two are equal.
    Object(Vec<(Key, Node<'a>)>),
}

/// A key of an object.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// The byte at which it begins.
    pub offset: usize,
    /// The key, its escapes resolved.
    pub name: String,
}

/// What is wrong with a text, and where.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault {
    /// Where in the text.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
    /// Whether the text is valid JSON that was refused for a duplicate key or for its depth.
    pub is_json: bool,
}

/// The deepest nesting that is read; our deepest input has eight levels. Each level is read once more for every level above.
const DEEPEST: usize = 32;

/// Reads a text that is one JSON value.
///
/// # Errors
/// [`Fault`] if the text is not JSON, an object has a key twice, or the value is nested more than 32 levels deep.
///
/// ```
/// use calybris_catalog::json::{Value, parse};
///
/// let node = parse(r#"{"price": 2.50}"#).unwrap();
/// let price = node.value.entry("price").unwrap();
/// assert!(matches!(price.value, Value::Number("2.50")));
///
/// let fault = parse(r#"{"a": 1, "a": 2}"#).unwrap_err();
/// assert_eq!((fault.place.column, fault.what.as_str()), (Some(10), "`a` appears twice in one object"));
/// ```
pub fn parse(text: &str) -> Result<Node<'_>, Fault> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| fault_of(text, &error))?;
    if let Some(offset) = too_deep(text) {
        let what = format!("nested more than {DEEPEST} levels deep");
        return Err(Fault { place: Place::of(text, offset), what, is_json: true });
    }
    node(text, raw)
}

/// The offset at which a JSON text is nested too deep, if it is.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(offset);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// What `serde_json` found wrong with `text`, with its place in characters and in plain words.
#[must_use]
pub fn fault_of(text: &str, error: &serde_json::Error) -> Fault {
    let begin = match error.line() {
        0 | 1 => 0,
        line => text.match_indices('\n').nth(line - 2).map_or(text.len(), |(at, _)| at + 1),
    };
    // The library counts columns in bytes, and names the last byte that it read.
    let place = Place::of(text, begin + error.column().saturating_sub(1));
    Fault { place, what: words::of_json(error), is_json: false }
}

fn node<'a>(text: &'a str, raw: &'a RawValue) -> Result<Node<'a>, Fault> {
    let raw = raw.get();
    let offset = offset_in(text, raw);
    let fault = |offset, what, is_json| Fault { place: Place::of(text, offset), what, is_json };
    let library = |error: serde_json::Error| fault(offset, words::of_json(&error), false);
    let value = match raw.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(serde_json::from_str(raw).map_err(library)?),
        Some(b'[') => {
            let items: Vec<&'a RawValue> = serde_json::from_str(raw).map_err(library)?;
            let nodes = items.into_iter().map(|raw| node(text, raw));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let Entries::<'a>(entries) = serde_json::from_str(raw).map_err(library)?;
            let mut nodes = Vec::with_capacity(entries.len());
            let mut names = BTreeSet::new();
            for (key, raw) in entries {
                let offset = offset_in(text, key.get());
                let name: String = serde_json::from_str(key.get()).map_err(library)?;
                if !names.insert(name.clone()) {
                    let what = format!("{} appears twice in one object", quoted(&name));
                    return Err(fault(offset, what, true));
                }
                nodes.push((Key { offset, name }, node(text, raw)?));
            }
            Value::Object(nodes)
        }
        _ => Value::Number(raw),
    };
    Ok(Node { offset, value })
}

/// Where a part of a text begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

/// The entries of an object in file order, duplicates included, keys and values as they are written.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl Fault {
    /// What is wrong, prefixed with `is_not` if the text is not JSON: `not a price list: the file ends inside an object`.
    #[must_use]
    pub fn explained(&self, is_not: &str) -> String {
        if self.is_json { self.what.clone() } else { format!("{is_not}: {}", self.what) }
    }
}

impl<'a> Value<'a> {
    /// The value of a key of an object; `None` if it has no such key, or is no object.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Self::Object(entries) => {
                entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Node<'_> {
    /// The value as it is written in `text`, from which it was parsed.
    #[must_use]
    pub fn written<'t>(&self, text: &'t str) -> &'t str {
        let rest = text.get(self.offset..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        values.next().and_then(Result::ok).map_or(rest, RawValue::get)
    }
}

/// Whether a text is a number as JSON writes it: no plus sign, no leading zero, no `_`.
#[must_use]
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_bare = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    is_bare && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let Fault { place, what, .. } = parse(text).unwrap_err();
        format!("{place}: {what}")
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_every_depth() {
        assert_eq!(fault("{\"a\": 1,\n \"a\": 1}"), "2:2: `a` appears twice in one object");
        assert_eq!(
            fault("{\"\u{fc}\": [0, {\"b\": {}, \"\\u0062\": 1}]}"),
            "1:21: `b` appears twice in one object"
        );
        assert!(parse("{\"a\": {\"b\": 1}, \"b\": {\"a\": 1}}").is_ok());
    }

    #[test]
    fn a_value_keeps_its_digits_and_its_place() {
        let text = "{\"a\": [ 1E-007, \"x\"], \"b\": null}";
        let node = parse(text).unwrap();
        let Some(Node { value: Value::List(items), offset }) = node.value.entry("a") else {
            panic!("a list")
        };
        assert_eq!(text.get(*offset..*offset + 1), Some("["));
        assert!(
            matches!(items.as_slice(), [Node { value: Value::Number("1E-007"), offset: 8 }, x] if x.value.as_text() == Some("x"))
        );
        assert_eq!(items[0].written(text), "1E-007");
        // The library's internal form of a number is an object like any other.
        let text = "{\"$serde_json::private::Number\": \"1\"}";
        assert!(matches!(parse(text).unwrap().value, Value::Object(_)));
    }

    #[test]
    fn what_is_no_json_has_its_place() {
        for (text, place) in [
            ("", "1:1: "),
            ("{\"a\": 1,}", "1:9: "),
            ("{\"a\": 01}", "1:8: "),
            ("{\"a\": NaN}", "1:7: "),
            ("{\n\"\u{fc}\": x}", "2:6: "),
            ("{\n\"a\": \"x", "2:7: "),
            ("{} {}", "1:4: "),
            ("{\"a\": \"\\ud800\"}", "1:7: "),
        ] {
            let fault = fault(text);
            assert!(fault.starts_with(place), "{text}: {fault}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEEPEST)).is_ok());
        assert!(fault(&nested(DEEPEST + 1)).starts_with("1:33: nested more than 32 levels"));
        assert!(fault(&nested(1_000_000)).starts_with("1:33: nested more than 32 levels"));
        // Brackets inside a string do not count.
        let text = format!("[\"{}\\\"{}\"]", "[".repeat(100), "{".repeat(100));
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn a_number_has_the_digits_of_json() {
        for text in ["0", "-0", "1.5", "2.5e-06", "1E+7", "18446744073709551616"] {
            assert!(is_number(text), "{text}");
        }
        for text in
            ["", "1_0", "+1", "01", ".5", "1.", "1e", "0x1", "NaN", " 1", "1 ", "--1", "Infinity"]
        {
            assert!(!is_number(text), "{text}");
        }
    }
}
