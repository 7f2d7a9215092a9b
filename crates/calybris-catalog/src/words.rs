//! The errors of the TOML and JSON libraries in words for people who wrote the file.

use std::path::Path;

use crate::error::{InputError, Problem};
use crate::place::Place;
use crate::text::quoted;

/// A finding of the JSON library, without its place.
pub(crate) fn of_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    plain(text.strip_suffix(&place).unwrap_or(&text))
}

/// The refusal of a file for a finding of the TOML library.
pub(crate) fn toml_error(file: &Path, text: &str, error: &toml::de::Error) -> InputError {
    let (place, what) = of_toml(text, error);
    Problem::new(place, what).in_file(file)
}

/// A finding of the TOML library: where, and what. A table that is missing as a whole has no place.
fn of_toml(text: &str, error: &toml::de::Error) -> (Option<Place>, String) {
    let what = plain(error.message());
    let is_missing = error.message().starts_with("missing field");
    let start = match error.span() {
        None if error.message() == RECURSION => return (Some(nested_too_deep(text)), what),
        Some(span) if !(is_missing && span.is_empty()) => span.start,
        _ => return (None, what),
    };
    let place = Place::of(text, start);
    let line = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    match text.lines().nth(line).unwrap_or_default().trim() {
        "" => (Some(place), what),
        content => (Some(place), format!("{}: {what}", quoted(content))),
    }
}

/// The place where a text is nested deeper than the library reads (the library gives none): the last line of the shortest
/// beginning that it refuses for that reason.
fn nested_too_deep(text: &str) -> Place {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).chain([text.len()]).collect();
    let is_too_deep = |end: &usize| {
        let beginning = text.get(..*end).unwrap_or_default();
        toml::from_str::<toml::Table>(beginning).is_err_and(|error| error.message() == RECURSION)
    };
    let lines_before = ends.partition_point(|end| !is_too_deep(end));
    Place::line(u64::try_from(lines_before).unwrap_or(u64::MAX).saturating_add(1))
}

/// The message of the TOML library about a text that is nested too deep.
const RECURSION: &str = "recursion limit";

/// Serde's messages, which name Rust types, in plain words.
fn plain(message: &str) -> String {
    let message = shortened(message);
    for before in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some(rest) = message.strip_prefix(before) {
            return found_and_allowed(rest);
        }
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("{field} is missing");
    }
    for before in ["unknown field ", "unknown variant "] {
        if let Some((name, allowed)) =
            message.strip_prefix(before).and_then(|rest| rest.split_once(", expected "))
        {
            let allowed = allowed.strip_prefix("one of ").unwrap_or(allowed);
            return format!("unknown key {name}; allowed are {allowed}");
        }
    }
    for before in ["duplicate field ", "duplicate key "] {
        if let Some(name) = message.strip_prefix(before) {
            return format!("{name} appears twice");
        }
    }
    if message == "duplicate key" {
        return "this key appears twice in its table".to_owned();
    }
    message
        .replace(RECURSION, "nested too deep")
        .replace("cannot recurse further; max recursion depth met", "nested too deep")
        .replace("EOF while parsing a value", "the file ends where a value is expected")
        .replace("EOF while parsing an object", "the file ends inside an object")
        .replace("EOF while parsing a list", "the file ends inside a list")
        .replace("EOF while parsing a string", "the file ends inside a text")
}

/// `string "x", expected u32` as what was found and what is allowed.
fn found_and_allowed(rest: &str) -> String {
    let Some((found, allowed)) = rest.rsplit_once(", expected ") else { return rest.to_owned() };
    format!("found {}, allowed is {}", found_words(found), allowed_words(allowed))
}

fn found_words(found: &str) -> String {
    for (theirs, ours) in [
        ("map", "a table"),
        ("sequence", "a list"),
        ("null", "null"),
        ("unit value", "nothing"),
        ("newtype struct", "a table"),
    ] {
        if found == theirs {
            return ours.to_owned();
        }
    }
    for kind in ["integer ", "floating point ", "boolean ", "string ", "character ", "byte array"] {
        if let Some(value) = found.strip_prefix(kind) {
            return value.to_owned();
        }
    }
    found.to_owned()
}

fn allowed_words(allowed: &str) -> String {
    let whole = |most: &str| format!("a whole number from 0 to {most}");
    match allowed {
        "u8" => whole("255"),
        "u16" => whole("65,535"),
        "u32" => whole("4,294,967,295"),
        "u64" | "usize" => whole("18,446,744,073,709,551,615"),
        "i64" => format!("a whole number from {} to {}", signed(i64::MIN), signed(i64::MAX)),
        "a string" | "string" | "str" => "a text".to_owned(),
        "a boolean" | "bool" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// A number with a comma before each group of three digits.
fn signed(number: i64) -> String {
    let mut rest = number.unsigned_abs();
    let mut text = String::new();
    while rest >= 1_000 {
        text = format!(",{:03}{text}", rest % 1_000);
        rest /= 1_000;
    }
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{rest}{text}")
}

/// Shortens a message, which may quote a value of any length.
fn shortened(message: &str) -> String {
    if message.chars().count() <= LONGEST_MESSAGE_LETTERS {
        return message.replace('\n', " ");
    }
    let (first, last) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    // What is expected is this crate's own list of keys, and is told whole.
    let tail: String = last.chars().take(LONGEST_LIST_LETTERS).collect();
    let mut head: String = first.chars().take(LONGEST_MESSAGE_LETTERS / 2).collect();
    if head.len() < first.len() {
        head.push_str("...");
    }
    if last.is_empty() { head } else { format!("{head}, expected {tail}") }.replace('\n', " ")
}

const LONGEST_MESSAGE_LETTERS: usize = 400;
const LONGEST_LIST_LETTERS: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_keys_is_told_whole_and_a_long_value_is_not() {
        let keys: Vec<String> = (0..60).map(|n| format!("`long_name_of_a_key_{n}`")).collect();
        let keys = keys.join(", ");
        let told = plain(&format!("unknown field `x`, expected one of {keys}"));
        assert_eq!(told, format!("unknown key `x`; allowed are {keys}"));
        let told = plain(&format!("unknown field `{}`, expected `a`", "x".repeat(1_000)));
        assert!(told.len() < 300 && told.ends_with("...; allowed are `a`"), "{told}");
    }

    #[test]
    fn the_sentences_of_the_libraries_are_put_into_plain_words() {
        for (theirs, ours) in [
            (
                "invalid type: string \"x\", expected u32",
                "found \"x\", allowed is a whole number from 0 to 4,294,967,295",
            ),
            (
                "invalid value: integer `-1`, expected i64",
                "found `-1`, allowed is a whole number from -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807",
            ),
            (
                "invalid type: map, expected a boolean",
                "found a table, allowed is `true` or `false`",
            ),
            (
                "invalid type: floating point `2.5`, expected a string",
                "found `2.5`, allowed is a text",
            ),
            ("missing field `policy`", "`policy` is missing"),
            (
                "unknown field `a`, expected one of `b`, `c`",
                "unknown key `a`; allowed are `b`, `c`",
            ),
            ("unknown field `a`, expected `b`", "unknown key `a`; allowed are `b`"),
            ("duplicate field `a`", "`a` appears twice"),
            ("duplicate key", "this key appears twice in its table"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }

    #[test]
    fn a_text_that_is_nested_too_deep_has_its_line() {
        let deep = [
            format!("c = {}", "[".repeat(2_000)),
            format!("{}a = 1", "b.".repeat(2_000)),
            format!("c = {}", "{a=".repeat(2_000)),
        ];
        for deep in deep {
            let text = format!("a = 1\n\n{deep}\nd = 3\n");
            let error = toml::from_str::<toml::Table>(&text).unwrap_err();
            let (place, what) = of_toml(&text, &error);
            assert_eq!(
                (place.map(|place| place.line), what.contains("too deep")),
                (Some(3), true),
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_missing_at_the_top_has_no_place_and_else_that_of_its_table() {
        #[derive(serde::Deserialize, Debug)]
        struct Top {
            #[serde(rename = "inner")]
            _inner: Inner,
        }
        #[derive(serde::Deserialize, Debug)]
        struct Inner {
            #[serde(rename = "number")]
            _number: u16,
        }
        for (text, place) in [
            ("", None),
            ("a = 1", None),
            ("[inner]", Some((1, 1))),
            ("\n\n[inner]\n", Some((3, 1))),
        ] {
            let error = toml::from_str::<Top>(text).unwrap_err();
            let found = of_toml(text, &error).0;
            assert_eq!(found, place.map(|(line, column)| Place::new(line, column)), "{text}");
        }
        let text = "[inner]\nnumber = ";
        let error = toml::from_str::<Top>(text).unwrap_err();
        assert_eq!(of_toml(text, &error).0, Some(Place::new(2, 10)));
    }

    #[test]
    fn what_was_found_is_repeated_in_part_only() {
        let long = format!("invalid type: string \"{}\", expected u16", "x".repeat(10_000));
        let text = plain(&long);
        assert!(text.chars().count() < 300 && text.ends_with("from 0 to 65,535"), "{text}");
    }
}
