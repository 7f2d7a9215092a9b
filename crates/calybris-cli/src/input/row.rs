//! One line of a requests file, whichever its form: named fields as text, and their place for messages.
//!
//! Three forms, recognised by content: JSON lines (the file begins with `{`), our CSV, and a trace whose columns are
//! `TIMESTAMP,ContextTokens,GeneratedTokens`, which is a CSV with other names.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::error::InputError;
use super::json::Entries;

/// Where requests come from.
pub(crate) enum RequestFile {
    /// The user's file.
    OnDisk(PathBuf),
    /// Bundled with the program, under the name that messages call it.
    Bundled(&'static str, &'static str),
}

/// One request as the file gives it.
pub(crate) struct Row {
    file: PathBuf,
    line: u64,
    values: [Option<String>; FIELDS.len()],
}

/// The columns of a requests file, or the keys of a JSON line. Every name that a file uses must be one of these.
pub(crate) const FIELDS: [&str; 17] = [
    "time",
    "tenant",
    "correlation_id",
    "sequence",
    "requested_model",
    "input_tokens",
    "output_tokens",
    "actual_output_tokens",
    "business_value_microunits",
    "budget_limit_microunits",
    "risk_bps",
    "confidence_bps",
    "minimum_quality_bps",
    "max_p95_latency_ms",
    "required_capabilities",
    "allowed_providers",
    "required_regions",
];

/// What the public LLM inference traces call three of them.
const TRACE_NAMES: [(&str, &str); 3] = [
    ("TIMESTAMP", "time"),
    ("ContextTokens", "input_tokens"),
    ("GeneratedTokens", "output_tokens"),
];

impl RequestFile {
    /// What messages call the file.
    pub(crate) fn name(&self) -> &Path {
        match self {
            Self::OnDisk(path) => path,
            Self::Bundled(name, _) => Path::new(name),
        }
    }

    /// The rows, from the beginning. Memory stays at one row.
    pub(crate) fn rows(
        &self,
    ) -> Result<Box<dyn Iterator<Item = Result<Row, InputError>>>, InputError> {
        let file = self.name().to_path_buf();
        let refuse = |error: std::io::Error| InputError::in_file(&file, error);
        let source: Box<dyn Read> = match self {
            Self::OnDisk(path) => Box::new(File::open(path).map_err(refuse)?),
            Self::Bundled(_, text) => Box::new(text.as_bytes()),
        };
        let mut source = BufReader::new(source);
        let begins_with =
            source.fill_buf().map_err(refuse)?.iter().find(|byte| !byte.is_ascii_whitespace());
        if begins_with == Some(&b'{') {
            return Ok(Box::new(json_rows(file, source)));
        }
        Ok(Box::new(csv_rows(file, source)?))
    }
}

fn csv_rows(
    file: PathBuf,
    source: impl Read + 'static,
) -> Result<impl Iterator<Item = Result<Row, InputError>>, InputError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let refuse = |file: &Path, error: &csv::Error| match error.position() {
        Some(position) => InputError::at_line(file, position.line(), error),
        None => InputError::in_file(file, error),
    };
    let header = reader.headers().map_err(|error| refuse(&file, &error))?.clone();
    let mut columns = Vec::with_capacity(header.len());
    for name in &header {
        let column = field_index(name).ok_or_else(|| unknown_field(&file, 1, name))?;
        if columns.contains(&column) {
            return Err(InputError::at_line(&file, 1, format!("column `{name}` stands twice")));
        }
        columns.push(column);
    }
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|error| refuse(&file, &error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut row = Row::empty(&file, line);
        for (&column, text) in columns.iter().zip(&record) {
            row.set(column, text.to_owned());
        }
        Ok(row)
    }))
}

fn json_rows(file: PathBuf, source: impl BufRead) -> impl Iterator<Item = Result<Row, InputError>> {
    let numbered = (1_u64..).zip(source.lines());
    let filled =
        numbered.filter(|(_, text)| !text.as_ref().is_ok_and(|text| text.trim().is_empty()));
    filled.map(move |(line, text)| {
        let text = text.map_err(|error| InputError::at_line(&file, line, error))?;
        let Entries(entries) = serde_json::from_str(&text).map_err(|error| {
            InputError::at_line(&file, line, format!("not a JSON object: {error}"))
        })?;
        let mut row = Row::empty(&file, line);
        for (name, value) in entries {
            let column = field_index(&name).ok_or_else(|| unknown_field(&file, line, &name))?;
            if row.set(column, json_text(&value)) {
                return Err(InputError::at_line(&file, line, format!("`{name}` stands twice")));
            }
        }
        Ok(row)
    })
}

/// A JSON value as a cell of a CSV would write it: a list as its items with blanks between, `null` as nothing.
fn json_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(json_text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn field_index(name: &str) -> Option<usize> {
    let ours =
        TRACE_NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
    FIELDS.iter().position(|field| *field == ours)
}

fn unknown_field(file: &Path, line: u64, name: &str) -> InputError {
    let what = format!("unknown field `{name}`; allowed are {}", FIELDS.join(", "));
    InputError::at_line(file, line, what)
}

impl Row {
    fn empty(file: &Path, line: u64) -> Self {
        Self { file: file.to_path_buf(), line, values: Default::default() }
    }

    /// Sets a value and says whether there was one.
    fn set(&mut self, column: usize, text: String) -> bool {
        self.values.get_mut(column).is_some_and(|value| value.replace(text).is_some())
    }

    /// The text of a field; `None` if it is missing or empty.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        let column = field_index(field)?;
        self.values.get(column)?.as_deref().filter(|text| !text.is_empty())
    }

    /// The whole number in a field; `allowed` says what is, for the message.
    pub(crate) fn number<T: FromStr>(
        &self,
        field: &str,
        allowed: &str,
    ) -> Result<Option<T>, InputError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| self.refuse(field, format!("found `{text}`, allowed is {allowed}")))
        };
        self.text(field).map(parse).transpose()
    }

    /// A finding about a field of this row.
    pub(crate) fn refuse(&self, field: &str, what: impl std::fmt::Display) -> InputError {
        InputError::at_line(&self.file, self.line, format!("`{field}`: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &'static str) -> Result<Vec<Row>, InputError> {
        RequestFile::Bundled("r", text).rows()?.collect()
    }

    fn refusal(text: &'static str) -> String {
        rows(text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn three_forms_give_the_same_row() {
        let csv = rows("time,input_tokens,output_tokens\n2023-11-16 18:15:46,374,44\n").unwrap();
        let trace =
            rows("TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46,374,44\r\n")
                .unwrap();
        let json = rows("{\"time\": \"2023-11-16 18:15:46\", \"input_tokens\": 374, \"output_tokens\": \"44\"}\n\n").unwrap();
        for rows in [csv, trace, json] {
            let [row] = rows.as_slice() else { panic!("one row") };
            assert_eq!(row.text("time"), Some("2023-11-16 18:15:46"));
            assert_eq!(row.number::<u32>("input_tokens", "").unwrap(), Some(374));
            assert_eq!(row.number::<u32>("output_tokens", "").unwrap(), Some(44));
            assert_eq!(row.text("tenant"), None);
        }
    }

    #[test]
    fn an_unknown_or_repeated_name_is_refused() {
        assert!(
            refusal("input_tokens,tokens\n1,2\n")
                .starts_with("r:1: unknown field `tokens`; allowed are time")
        );
        assert!(
            refusal("{\"input_tokens\": 1}\n{\"tokens\": 1}\n")
                .starts_with("r:2: unknown field `tokens`")
        );
        assert_eq!(refusal("TIMESTAMP,time\n1,2\n"), "r:1: column `time` stands twice");
        assert_eq!(refusal("{\"time\": 1, \"TIMESTAMP\": 2}"), "r:1: `TIMESTAMP` stands twice");
    }

    #[test]
    fn a_ragged_or_broken_line_is_named() {
        assert!(refusal("input_tokens,output_tokens\n1,2\n3\n").starts_with("r:3:"));
        assert!(refusal("{\"time\": 1}\n{\"time\": \n").starts_with("r:2: not a JSON object"));
        assert!(refusal("{\"time\": 1}\n[]\n").starts_with("r:2: not a JSON object"));
    }

    #[test]
    fn a_bad_number_names_line_field_found_and_allowed() {
        let rows = rows("input_tokens\n12\n-3\n").unwrap();
        let text = rows[1].number::<u32>("input_tokens", "0..=4294967295").unwrap_err().to_string();
        assert_eq!(text, "r:3: `input_tokens`: found `-3`, allowed is 0..=4294967295");
    }

    #[test]
    fn a_json_list_is_its_items() {
        let rows = rows("{\"required_regions\": [\"us\", \"eu\"], \"tenant\": null}").unwrap();
        assert_eq!(rows[0].text("required_regions"), Some("us eu"));
        assert_eq!(rows[0].text("tenant"), None);
    }
}
