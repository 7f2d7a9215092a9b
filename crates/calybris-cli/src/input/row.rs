//! One request of a file, whichever its form: fields as text, each with its place for messages.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use calybris_catalog::json::{Node, Value};
use calybris_catalog::text::{has_blanks_around, name_fault, quoted};
use calybris_catalog::{InputError, Place};
use calybris_core::units::invariant;

use super::columns::{FIELDS, LISTS, NAMES, Trace, Unit, index_of};
use super::whole::is_whole;
use crate::time::{lacks_zone, parse_unix_ms};

/// One request as the file gives it.
pub(crate) struct Row {
    file: PathBuf,
    line: u64,
    time_base: TimeBase,
    cells: [Option<Cell>; FIELDS.len()],
}

/// What the numbers in `time` count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeBase {
    pub(crate) trace: Option<&'static Trace>,
    /// When times that are numbers begin to count, if the user said so.
    pub(crate) start_unix_ms: Option<u64>,
}

struct Cell {
    place: Place,
    said: Said,
}

/// What a row says of one field.
enum Said {
    Text(String),
    /// Names; in a CSV they are a text with blanks between.
    Names(Vec<String>),
}

impl Row {
    pub(crate) fn new(file: &Path, line: u64, time_base: TimeBase) -> Self {
        Self { file: file.to_path_buf(), line, time_base, cells: [const { None }; FIELDS.len()] }
    }

    /// Sets a field to the text of a CSV cell.
    pub(crate) fn set_text(
        &mut self,
        field: usize,
        place: Place,
        text: String,
    ) -> Result<(), InputError> {
        if let Some(letter) = text.chars().find(|letter| letter.is_control()) {
            let what = match letter {
                '\n' => "a line break".to_owned(),
                letter => format!("the control character {}", quoted(&letter.to_string())),
            };
            let what = format!("found {what} inside of {}", quoted(&text));
            return Err(self.refuse_at(field, place, what));
        }
        self.set(field, place, Said::Text(text))
    }

    /// Sets a field to a JSON value: a text or a number, `null` as nothing, and for a list of names its texts.
    pub(crate) fn set_json(
        &mut self,
        field: usize,
        place: Place,
        node: &Node<'_>,
        text: &str,
    ) -> Result<(), InputError> {
        let is_list = FIELDS.get(field).is_some_and(|field| LISTS.contains(field));
        let said = match &node.value {
            Value::Null => Said::Text(String::new()),
            Value::Text(text) => Said::Text(text.clone()),
            Value::Number(digits) if !is_list => Said::Text((*digits).to_owned()),
            Value::List(items) if is_list => {
                let mut names = Vec::with_capacity(items.len());
                for item in items {
                    let name = item.value.as_text();
                    let Some(name) = name else {
                        return Err(self.unfit(field, place, item, text, "a list of names"));
                    };
                    if let Some(fault) = name_fault(name) {
                        return Err(self.refuse_at(field, place, fault));
                    }
                    names.push(name.to_owned());
                }
                Said::Names(names)
            }
            _ if is_list => {
                let allowed = "a list of names, or names with blanks between";
                return Err(self.unfit(field, place, node, text, allowed));
            }
            _ => return Err(self.unfit(field, place, node, text, "a text or a number")),
        };
        self.set(field, place, said)
    }

    /// A cell is one text, and no blank around it is taken for a part of it or for nothing.
    fn set(&mut self, field: usize, place: Place, said: Said) -> Result<(), InputError> {
        if let Said::Text(text) = &said
            && !text.is_empty()
        {
            let is_name = FIELDS.get(field).is_some_and(|field| NAMES.contains(field));
            let blanks = || format!("found {}: take away the blanks around it", quoted(text));
            let fault =
                if is_name { name_fault(text) } else { has_blanks_around(text).then(blanks) };
            if let Some(fault) = fault {
                return Err(self.refuse_at(field, place, fault));
            }
        }
        let cell = self.cells.get_mut(field);
        *invariant!(cell, "a field is an index of the fields")? = Some(Cell { place, said });
        Ok(())
    }

    fn unfit(
        &self,
        field: usize,
        place: Place,
        node: &Node<'_>,
        text: &str,
        allowed: &str,
    ) -> InputError {
        let what = format!("found {}, allowed is {allowed}", quoted(node.written(text)));
        self.refuse_at(field, place, what)
    }

    fn cell(&self, field: &str) -> Option<&Cell> {
        self.cells.get(index_of(field)?)?.as_ref()
    }

    /// The text of a field; `None` if it is missing or empty.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        match &self.cell(field)?.said {
            Said::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Said::Names(_) => None,
        }
    }

    /// The names in a field; `None` if it is missing or an empty text. A JSON list may be empty.
    pub(crate) fn names(&self, field: &str) -> Option<Vec<&str>> {
        match &self.cell(field)?.said {
            Said::Text(_) => self.text(field).map(|text| text.split_whitespace().collect()),
            Said::Names(names) => Some(names.iter().map(String::as_str).collect()),
        }
    }

    /// The whole number in a field; `allowed` says what is, for the message.
    pub(crate) fn number<T: FromStr>(
        &self,
        field: &str,
        allowed: &str,
    ) -> Result<Option<T>, InputError> {
        let parse = |text: &str| {
            let number = is_whole(text).then(|| text.parse().ok()).flatten();
            let what = || format!("found {}, allowed is {allowed}", quoted(text));
            number.ok_or_else(|| self.refuse(field, what()))
        };
        self.text(field).map(parse).transpose()
    }

    /// Whether it has a time that says nothing of its zone.
    pub(crate) fn time_lacks_zone(&self) -> bool {
        let TimeBase { trace, start_unix_ms } = self.time_base;
        let is_dated = trace.is_none_or(|trace| trace.unit == Unit::Dated);
        is_dated && start_unix_ms.is_none() && self.text("time").is_some_and(lacks_zone)
    }

    /// The time, if there is one: milliseconds since 1970.
    pub(crate) fn time(&self) -> Result<Option<u64>, InputError> {
        let TimeBase { trace, start_unix_ms } = self.time_base;
        let unit = trace.map_or(Unit::Dated, |trace| trace.unit);
        let allowed = |text: &str, allowed: &str| {
            self.refuse("time", format!("found {}, allowed is {allowed}", quoted(text)))
        };
        match (self.text("time"), start_unix_ms, unit) {
            (None, None, _) => Ok(None),
            (None, Some(_), _) => Err(self.refuse(
                "time",
                "missing, and --start is for files in which every request has one",
            )),
            (Some(text), None, Unit::Dated) => {
                parse_unix_ms(text).map(Some).map_err(|words| allowed(text, words))
            }
            (Some(_), None, unit) => {
                let name = trace.map_or("trace", |trace| trace.name);
                let counted = if unit == Unit::Seconds { "seconds" } else { "milliseconds" };
                let what = format!(
                    "in a {name} trace it is {counted} since the trace began: say when that was, \
                     as in `--start 2026-11-02T09:00:00Z`"
                );
                Err(self.refuse("time", what))
            }
            (Some(text), Some(start), unit) => {
                let (since, words) = match unit {
                    Unit::Milliseconds => {
                        let whole = is_whole(text).then(|| text.parse().ok()).flatten();
                        (whole, "a whole number of milliseconds since --start")
                    }
                    _ => (
                        thousandths(text),
                        "a number of seconds since --start, such as `12` or `12.5`",
                    ),
                };
                let time = since.and_then(|since: u64| start.checked_add(since));
                time.filter(|time| *time <= LAST_UNIX_MS)
                    .map(Some)
                    .ok_or_else(|| allowed(text, words))
            }
        }
    }

    /// A finding about a field of this row.
    pub(crate) fn refuse(&self, field: &str, what: impl std::fmt::Display) -> InputError {
        let place = self.cell(field).map_or(Place::line(self.line), |cell| cell.place);
        InputError::at(&self.file, place, format!("`{field}`: {what}"))
    }

    fn refuse_at(&self, field: usize, place: Place, what: impl std::fmt::Display) -> InputError {
        let field = FIELDS.get(field).copied().unwrap_or_default();
        InputError::at(&self.file, place, format!("`{field}`: {what}"))
    }
}

/// The end of the year 9999, as calendars go here.
const LAST_UNIX_MS: u64 = 253_402_207_200_000;

/// A decimal number, 0 or more, in thousandths, cut off after them.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.is_empty() || !is_whole(whole) || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: String = part.chars().chain("00".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_thousandths() {
        for (text, expected) in
            [("0", Some(0)), ("5", Some(5_000)), ("5.5", Some(5_500)), ("61.1149", Some(61_114))]
        {
            assert_eq!(thousandths(text), expected);
        }
        for text in ["", "-1", "5.", ".5", "1e3", "5.5.5", "18446744073709551615"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
