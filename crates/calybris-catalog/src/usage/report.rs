//! An object of a report: its fields are read, or refused by their path.

use super::error::UsageError;
use crate::json::{self, Node, Value};
use crate::place::Place;
use crate::text::quoted;

/// Reads the text of a report. `wrapper` is the name under which a response has it.
pub(super) fn parse<'a>(
    vendor: &'static str,
    wrapper: &str,
    text: &'a str,
) -> Result<Node<'a>, UsageError> {
    let node = json::parse(text).map_err(|fault| UsageError::Json {
        vendor,
        place: fault.place,
        what: fault.what,
    })?;
    if !matches!(node.value, Value::Object(_)) {
        let place = Place::of(text, node.offset);
        let what = format!("found {}, allowed is an object", found(&node.value));
        return Err(UsageError::Json { vendor, place, what });
    }
    if let Some(Node { value: Value::Object(_), .. }) = node.value.entry(wrapper) {
        let whole = Object::root(vendor, &node);
        return Err(whole.refused(wrapper, "it inside a response", "the report alone"));
    }
    Ok(node)
}

/// An object of a report. One that is absent has no fields.
pub(super) struct Object<'a> {
    vendor: &'static str,
    /// The path to it, with a dot at the end; empty for the report itself.
    path: String,
    value: &'a Value<'a>,
    /// Has the fields that `value` lacks.
    beneath: &'a Value<'a>,
}

static ABSENT: Value<'static> = Value::Null;

const A_COUNT: &str = "a whole number from 0 to 4,294,967,295";

impl<'a> Object<'a> {
    pub(super) fn root(vendor: &'static str, node: &'a Node<'a>) -> Self {
        Self { vendor, path: String::new(), value: &node.value, beneath: &ABSENT }
    }

    /// This object, with the fields that it lacks taken from another.
    pub(super) fn over(self, beneath: &'a Node<'a>) -> Self {
        Self { beneath: &beneath.value, ..self }
    }

    /// Whether the report has it.
    pub(super) const fn is_present(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// Whether it has a field of that name that is not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// A count; `None` if it is absent.
    pub(super) fn count(&self, name: &str) -> Result<Option<u32>, UsageError> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let count = match value {
            Value::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        count.map(Some).ok_or_else(|| self.refused(name, found(value), A_COUNT))
    }

    /// A count that must be there.
    pub(super) fn required(&self, name: &str) -> Result<u32, UsageError> {
        self.count(name)?.ok_or_else(|| self.missing(name, A_COUNT))
    }

    /// Checks a total against the sum of its parts, whose names are given for the message; `false` if it is absent.
    pub(super) fn check_total(
        &self,
        name: &str,
        parts: &[(&str, u32)],
    ) -> Result<bool, UsageError> {
        let Some(value) = self.field(name) else { return Ok(false) };
        let sum: u64 = parts.iter().map(|(_, count)| u64::from(*count)).sum();
        let total = match value {
            Value::Number(digits) => digits.parse::<u64>().ok(),
            _ => None,
        };
        if total == Some(sum) {
            return Ok(true);
        }
        Err(self.refused(name, found(value), format!("{sum}, the sum of {}", names(parts))))
    }

    /// As [`check_total`](Self::check_total), of a total that must be there.
    pub(super) fn require_total(
        &self,
        name: &str,
        parts: &[(&str, u32)],
    ) -> Result<(), UsageError> {
        if self.check_total(name, parts)? {
            return Ok(());
        }
        Err(self.missing(name, &format!("the sum of {}", names(parts))))
    }

    /// An object within this one.
    pub(super) fn object(&self, name: &str) -> Result<Object<'a>, UsageError> {
        let value = self.field(name).unwrap_or(&ABSENT);
        if !matches!(value, Value::Null | Value::Object(_)) {
            return Err(self.refused(name, found(value), "an object"));
        }
        Ok(self.child(name, value))
    }

    /// The objects of a list within this one; none if the list is absent.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, UsageError> {
        let items = match self.field(name) {
            None => return Ok(Vec::new()),
            Some(Value::List(items)) => items,
            Some(other) => return Err(self.refused(name, found(other), "a list")),
        };
        let child = |(index, item): (usize, &'a Node<'a>)| {
            let name = format!("{name}[{index}]");
            match &item.value {
                value @ Value::Object(_) => Ok(self.child(&name, value)),
                other => Err(self.refused(&name, found(other), "an object")),
            }
        };
        items.iter().enumerate().map(child).collect()
    }

    /// A text; `None` if it is absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, UsageError> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.refused(name, found(other), "a text")),
        }
    }

    /// The refusal of a field that must be there.
    pub(super) fn missing(&self, name: &str, allowed: &str) -> UsageError {
        let is_null = self.value.entry(name).is_some();
        self.refused(name, if is_null { "null" } else { "nothing" }, allowed)
    }

    pub(super) fn refused(
        &self,
        name: &str,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> UsageError {
        UsageError::Field {
            vendor: self.vendor,
            field: format!("{}{name}", self.path),
            found: found.into(),
            allowed: allowed.into(),
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value<'a>> {
        let of = |value: &'a Value<'a>| {
            value.entry(name).map(|node| &node.value).filter(|it| !matches!(it, Value::Null))
        };
        of(self.value).or_else(|| of(self.beneath))
    }

    fn child(&self, name: &str, value: &'a Value<'a>) -> Object<'a> {
        let path = format!("{}{name}.", self.path);
        Object { vendor: self.vendor, path, value, beneath: &ABSENT }
    }
}

/// What is left of a whole whose disjoint parts are taken out one by one.
pub(super) struct Rest {
    of: &'static str,
    whole: u32,
    left: u32,
}

impl Rest {
    pub(super) const fn of(name: &'static str, whole: u32) -> Self {
        Self { of: name, whole, left: whole }
    }

    /// Takes the part that a field states; an absent field states none.
    pub(super) fn take(&mut self, object: &Object<'_>, name: &str) -> Result<u32, UsageError> {
        let tokens = object.count(name)?.unwrap_or(0);
        self.take_exactly(object, name, tokens)
    }

    /// Takes a part that follows from a field.
    pub(super) fn take_exactly(
        &mut self,
        object: &Object<'_>,
        name: &str,
        tokens: u32,
    ) -> Result<u32, UsageError> {
        let Some(left) = self.left.checked_sub(tokens) else {
            let Self { of, whole, left } = self;
            let allowed = format!("at most {left} of the {whole} in `{of}`");
            return Err(object.refused(name, format!("`{tokens}`"), allowed));
        };
        self.left = left;
        Ok(tokens)
    }

    /// Takes the audio of a prompt that is in no cache.
    ///
    /// If the report does not say how much of the audio is cached, it counts as uncached as far as there is room: the reading
    /// that is never too cheap where audio costs more than text.
    pub(super) fn take_audio(
        &mut self,
        object: &Object<'_>,
        name: &str,
        audio: u32,
        cached: Option<u32>,
    ) -> Result<u32, UsageError> {
        let Some(cached) = cached else {
            return self.take_exactly(object, name, audio.min(self.left));
        };
        let uncached = audio.checked_sub(cached).ok_or_else(|| {
            let allowed = format!("at least {cached}, of which caches have so many");
            object.refused(name, format!("{audio} tokens of audio"), allowed)
        })?;
        self.take_exactly(object, name, uncached)
    }

    /// What no part has taken.
    pub(super) const fn left(&self) -> u32 {
        self.left
    }
}

/// A value in a message.
fn found(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(digits) => quoted(digits),
        Value::Text(text) => format!("the text {}", quoted(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn names(parts: &[(&str, u32)]) -> String {
    let names: Vec<_> = parts.iter().map(|(name, _)| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use calybris_kernel::Usage;

    use super::*;

    type Reader = fn(&str) -> Result<Usage, UsageError>;

    /// Checks that each change of a report that is read makes one that is refused with the words given.
    pub(in crate::usage) fn refusals(read: Reader, report: &str, changes: &[(&str, &str, &str)]) {
        assert!(read(report).is_ok(), "{:?}", read(report));
        for (from, to, words) in changes {
            assert_eq!(report.matches(from).count(), 1, "{from}");
            let refused = read(&report.replace(from, to)).unwrap_err().to_string();
            assert!(refused.contains(words), "{from} -> {to}: {refused}");
        }
    }

    #[test]
    fn a_list_of_parts_is_told_in_words() {
        assert_eq!(names(&[("a", 1)]), "`a`");
        assert_eq!(names(&[("a", 1), ("b", 2), ("c", 3)]), "`a`, `b` and `c`");
    }
}
