//! One line of a requests file, whichever its form: named fields as text, and their place for messages.
//!
//! Three forms, recognised by content: JSON lines (the file begins with `{`), our CSV, and a trace whose columns are
//! `TIMESTAMP,ContextTokens,GeneratedTokens`, which is a CSV with other names.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use super::error::{InputError, quoted};
use super::json::Entries;

/// Where requests come from. They are read twice: checked from first to last, then routed.
pub(crate) struct RequestFile {
    name: PathBuf,
    source: Source,
}

enum Source {
    /// A file, which can be read again.
    Disk,
    /// What a pipe gave, or what is bundled with the program.
    Memory(Vec<u8>),
}

/// One request as the file gives it.
pub(crate) struct Row {
    file: PathBuf,
    line: u64,
    cells: [Option<Cell>; FIELDS.len()],
}

/// What a row says of one field.
enum Cell {
    Text(String),
    /// Names; in a CSV they are a text with blanks between.
    Names(Vec<String>),
}

/// The columns of a requests file, or the keys of a JSON line. Every name that a file uses must be one of these.
pub(crate) const FIELDS: [&str; 18] = [
    "time",
    "tenant",
    "correlation_id",
    "request_key",
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

/// Those that are lists of names.
const LISTS: [&str; 3] = ["required_capabilities", "allowed_providers", "required_regions"];

/// Those without which there is no request.
const REQUIRED: [&str; 2] = ["input_tokens", "output_tokens"];

/// What the public LLM inference traces call three of them.
const TRACE_NAMES: [(&str, &str); 3] = [
    ("TIMESTAMP", "time"),
    ("ContextTokens", "input_tokens"),
    ("GeneratedTokens", "output_tokens"),
];

impl RequestFile {
    /// Opens the user's file; `-` is standard input. What is not a regular file is read into memory.
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        let refuse = |error| InputError::in_file(path, error);
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(refuse)?;
            return Ok(Self { name: path.to_path_buf(), source: Source::Memory(bytes) });
        }
        let mut file = File::open(path).map_err(refuse)?;
        if file.metadata().map_err(refuse)?.is_file() {
            return Ok(Self { name: path.to_path_buf(), source: Source::Disk });
        }
        file.read_to_end(&mut bytes).map_err(refuse)?;
        Ok(Self { name: path.to_path_buf(), source: Source::Memory(bytes) })
    }

    /// What is bundled with the program; `name` is what messages call it.
    pub(crate) fn bundled(name: &str, text: &str) -> Self {
        Self { name: PathBuf::from(name), source: Source::Memory(text.as_bytes().to_vec()) }
    }

    /// What messages call the file.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The rows, from the beginning. Memory stays at one row.
    pub(crate) fn rows(&self) -> Result<Rows<'_>, InputError> {
        let file = self.name.clone();
        let refuse = |error: std::io::Error| InputError::in_file(&file, error);
        let source: Box<dyn Read + '_> = match &self.source {
            Source::Disk => Box::new(File::open(&self.name).map_err(refuse)?),
            Source::Memory(bytes) => Box::new(bytes.as_slice()),
        };
        let mut source = BufReader::new(source);
        if source.fill_buf().map_err(refuse)?.starts_with(BYTE_ORDER_MARK) {
            source.consume(BYTE_ORDER_MARK.len());
        }
        let first =
            source.fill_buf().map_err(refuse)?.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{') => Ok(Box::new(json_rows(file, source))),
            Some(b'[') => {
                let what =
                    "a JSON array; JSON lines have one object on each line and no brackets around";
                Err(InputError::at_line(&file, 1, what))
            }
            _ => Ok(Box::new(csv_rows(file, source)?)),
        }
    }
}

/// The rows of a file, or what is wrong with one of them.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, InputError>> + 'a>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn csv_rows<'a>(
    file: PathBuf,
    source: impl Read + 'a,
) -> Result<impl Iterator<Item = Result<Row, InputError>> + 'a, InputError> {
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
    for name in REQUIRED {
        if !header.is_empty() && !field_index(name).is_some_and(|column| columns.contains(&column))
        {
            return Err(InputError::at_line(&file, 1, format!("no column `{name}`")));
        }
    }
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|error| refuse(&file, &error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut row = Row::empty(&file, line);
        for (&column, text) in columns.iter().zip(&record) {
            row.set(column, Cell::Text(text.to_owned()));
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
            let cell =
                json_cell(&name, &value).map_err(|what| InputError::at_line(&file, line, what))?;
            if row.set(column, cell) {
                return Err(InputError::at_line(&file, line, format!("`{name}` stands twice")));
            }
        }
        Ok(row)
    })
}

/// A JSON value as what a row says: a text or a number, `null` as nothing, and for a list of names its strings.
fn json_cell(name: &str, value: &Value) -> Result<Cell, String> {
    let is_list = LISTS.contains(&name);
    match value {
        Value::Null => Ok(Cell::Text(String::new())),
        Value::String(text) => Ok(Cell::Text(text.clone())),
        Value::Number(number) if !is_list => Ok(Cell::Text(number.to_string())),
        Value::Array(items) if is_list => {
            let names = items.iter().map(|item| item.as_str().map(str::to_owned));
            let names: Option<Vec<String>> = names.collect();
            names.map(Cell::Names).ok_or_else(|| unfit(name, value, "a list of names"))
        }
        _ if is_list => Err(unfit(name, value, "a list of names, or names with blanks between")),
        _ => Err(unfit(name, value, "a text or a number")),
    }
}

fn unfit(name: &str, value: &Value, allowed: &str) -> String {
    format!("`{name}`: found {}, allowed is {allowed}", quoted(&value.to_string()))
}

fn field_index(name: &str) -> Option<usize> {
    let ours =
        TRACE_NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
    FIELDS.iter().position(|field| *field == ours)
}

fn unknown_field(file: &Path, line: u64, name: &str) -> InputError {
    let theirs: Vec<&str> = TRACE_NAMES.iter().map(|(theirs, _)| *theirs).collect();
    let hint = if name.contains([';', '\t']) { " (columns are separated by commas)" } else { "" };
    let allowed = format!("{}, or as in a trace {}", FIELDS.join(", "), theirs.join(", "));
    InputError::at_line(
        file,
        line,
        format!("unknown field {}{hint}; allowed are {allowed}", quoted(name)),
    )
}

impl Row {
    fn empty(file: &Path, line: u64) -> Self {
        Self { file: file.to_path_buf(), line, cells: [const { None }; FIELDS.len()] }
    }

    /// Sets a cell and says whether there was one.
    fn set(&mut self, column: usize, cell: Cell) -> bool {
        self.cells.get_mut(column).is_some_and(|old| old.replace(cell).is_some())
    }

    fn cell(&self, field: &str) -> Option<&Cell> {
        self.cells.get(field_index(field)?)?.as_ref()
    }

    /// The text of a field; `None` if it is missing or empty.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        match self.cell(field)? {
            Cell::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            Cell::Names(_) => None,
        }
    }

    /// The names in a field; `None` if it is missing or an empty text. A JSON list may be empty.
    pub(crate) fn names(&self, field: &str) -> Option<Vec<&str>> {
        match self.cell(field)? {
            Cell::Text(_) => self.text(field).map(|text| text.split_whitespace().collect()),
            Cell::Names(names) => Some(names.iter().map(String::as_str).collect()),
        }
    }

    /// The whole number in a field; `allowed` says what is, for the message.
    pub(crate) fn number<T: FromStr>(
        &self,
        field: &str,
        allowed: &str,
    ) -> Result<Option<T>, InputError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                self.refuse(field, format!("found {}, allowed is {allowed}", quoted(text)))
            })
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
        RequestFile::bundled("r", text).rows()?.collect()
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
        let rows = rows("input_tokens,output_tokens\n12,1\n-3,1\n").unwrap();
        let text = rows[1].number::<u32>("input_tokens", "0..=4294967295").unwrap_err().to_string();
        assert_eq!(text, "r:3: `input_tokens`: found `-3`, allowed is 0..=4294967295");
    }

    #[test]
    fn a_json_list_is_its_items_and_may_be_empty() {
        let text = "{\"required_regions\": [\"us west\", \"eu\"], \"allowed_providers\": [], \"tenant\": null}";
        let rows = rows(text).unwrap();
        assert_eq!(rows[0].names("required_regions"), Some(vec!["us west", "eu"]));
        assert_eq!(rows[0].names("allowed_providers"), Some(vec![]));
        assert_eq!(rows[0].names("required_capabilities"), None);
        assert_eq!(rows[0].text("tenant"), None);
    }

    #[test]
    fn a_value_of_another_shape_is_refused() {
        for (text, found) in [
            ("{\"correlation_id\": {\"a\": 1}}", "{\"a\":1}"),
            ("{\"tenant\": true}", "true"),
            ("{\"tenant\": [\"a\"]}", "[\"a\"]"),
            ("{\"required_regions\": [1]}", "[1]"),
            ("{\"required_regions\": 1}", "1"),
        ] {
            let message = refusal(text);
            assert!(message.contains(&format!("found `{found}`")), "{message}");
        }
        assert!(refusal("[{\"input_tokens\": 1}]").contains("a JSON array"));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(rows("\u{feff}{\"input_tokens\": 1}").unwrap().len(), 1);
        assert_eq!(rows("\u{feff}input_tokens,output_tokens\n1,2\n").unwrap().len(), 1);
    }

    #[test]
    fn a_semicolon_or_a_missing_column_is_explained() {
        assert!(refusal("input_tokens;output_tokens\n1;2\n").contains("separated by commas"));
        assert_eq!(refusal("input_tokens,tenant\n1,a\n"), "r:1: no column `output_tokens`");
    }
}
