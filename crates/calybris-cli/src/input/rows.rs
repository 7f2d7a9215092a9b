//! The rows of a requests file: the meaning of every column or key is known, or the file is refused at its place.

use std::io::BufRead;
use std::path::Path;

use calybris_catalog::json::{self, Value};
use calybris_catalog::text::quoted;
use calybris_catalog::{InputError, Place};

use super::columns::{FIELDS, Meaning, REQUIRED, Trace, index_of, meant_by};
use super::csv::{Cell, Records};
use super::lines::Lines;
use super::requests::RequestFile;
use super::row::{Row, TimeBase};
use crate::amount::counted;
use crate::terminal::shell_word;

/// The bytes of a requests file after its byte order mark.
pub(super) type Input<'a> = Box<dyn BufRead + 'a>;

/// The rows of a file, in order.
pub(crate) struct Rows<'a> {
    of: &'a RequestFile,
    form: Form<'a>,
    /// Names that were ignored, without repetition.
    ignored: Vec<String>,
    /// The user's mappings that a JSON line has used.
    used: Vec<String>,
}

enum Form<'a> {
    Csv {
        records: Records<Input<'a>>,
        header: Vec<Cell>,
        meanings: Vec<Meaning>,
        trace: Option<&'static Trace>,
    },
    Json(Lines<Input<'a>>),
}

impl<'a> Rows<'a> {
    /// The rows of a CSV file; its header is read and checked here.
    pub(super) fn of_csv(
        of: &'a RequestFile,
        mut records: Records<Input<'a>>,
    ) -> Result<Self, InputError> {
        let refuse = |place, what: String| Err(InputError::at(&of.name, place, what));
        let header = records.read()?.unwrap_or_default();
        let trace = of.columns.trace(header.iter().map(|cell| cell.text.as_str()));
        let mut meanings: Vec<Meaning> = Vec::with_capacity(header.len());
        for cell in &header {
            let meaning = of.columns.meaning(&cell.text, trace);
            if matches!(meaning, Meaning::Field(_)) && meanings.contains(&meaning) {
                return refuse(
                    cell.place,
                    format!("column {} appears twice", same_as(meaning, &cell.text)),
                );
            }
            meanings.push(meaning);
        }
        if let Some(place) = header.first().map(|cell| Place::line(cell.place.line)) {
            let has = |name: &str| {
                header.iter().any(|cell| cell.text.to_lowercase() == name.to_lowercase())
            };
            if let Some(mapping) = of.columns.mapped.iter().find(|mapping| !has(&mapping.name)) {
                let what = format!(
                    "--columns names {}, and there is no such column",
                    quoted(&mapping.name)
                );
                return refuse(place, what);
            }
            let unknown =
                header.iter().zip(&meanings).filter(|(_, meaning)| **meaning == Meaning::Unknown);
            let unknown: Vec<_> =
                unknown.map(|(cell, _)| (cell.text.as_str(), cell.place)).collect();
            check_known(of, &unknown, &meanings, "column")?;
            for name in REQUIRED {
                let is_there =
                    index_of(name).is_some_and(|field| meanings.contains(&Meaning::Field(field)));
                if !is_there {
                    let what = format!(
                        "no column `{name}`; if it has another name, say so with `--columns NAME={name}`"
                    );
                    return refuse(place, what);
                }
            }
        }
        let ignored =
            header.iter().zip(&meanings).filter(|(_, meaning)| **meaning == Meaning::Ignored);
        let ignored = ignored.map(|(cell, _)| cell.text.clone()).collect();
        Ok(Self {
            of,
            form: Form::Csv { records, header, meanings, trace },
            ignored,
            used: Vec::new(),
        })
    }

    /// The rows of a file of JSON lines.
    pub(super) fn of_json(of: &'a RequestFile, lines: Lines<Input<'a>>) -> Self {
        Self { of, form: Form::Json(lines), ignored: Vec::new(), used: Vec::new() }
    }

    /// The names that were ignored so far, at most [`MOST_NAMES`] of JSON keys.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Refuses a mapping that no row used. It is called after the last row.
    pub(crate) fn check_mappings(&self) -> Result<(), InputError> {
        let is_used = |name: &str| self.used.iter().any(|used| *used == name.to_lowercase());
        let mut mapped = self.of.columns.mapped.iter();
        match (&self.form, mapped.find(|mapping| !is_used(&mapping.name))) {
            (Form::Json(_), Some(mapping)) => {
                let what = format!(
                    "--columns names {}, and no line has such a key",
                    quoted(&mapping.name)
                );
                Err(InputError::in_file(&self.of.name, what))
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> Result<Option<Row>, InputError> {
        let (file, start_unix_ms) = (self.of.name.as_path(), self.of.start_unix_ms);
        match &mut self.form {
            Form::Csv { records, header, meanings, trace } => {
                let Some(cells) = records.read()? else { return Ok(None) };
                let line = cells.first().map_or(0, |cell| cell.place.line);
                if cells.len() != header.len() {
                    let place =
                        cells.get(header.len()).map_or(Place::line(line), |cell| cell.place);
                    let what = format!(
                        "found {}, the header has {}: a cell with a comma must be in quotes",
                        counted(cells.len(), "cell"),
                        header.len()
                    );
                    return Err(InputError::at(file, place, what));
                }
                let mut row = Row::new(file, line, TimeBase { trace: *trace, start_unix_ms });
                for (meaning, cell) in meanings.iter().zip(cells) {
                    if let Meaning::Field(field) = *meaning {
                        row.set_text(field, cell.place, cell.text)?;
                    }
                }
                Ok(Some(row))
            }
            Form::Json(lines) => {
                let (number, text) = loop {
                    match lines.read()? {
                        None => return Ok(None),
                        Some((_, text)) if text.trim().is_empty() => {}
                        Some(line) => break line,
                    }
                };
                self.json_row(number, &text).map(Some)
            }
        }
    }

    fn json_row(&mut self, line: u64, text: &str) -> Result<Row, InputError> {
        let RequestFile { name: file, columns, start_unix_ms, .. } = self.of;
        let place = |offset| Place::of(text, offset).moved_to(line);
        let node = json::parse(text).map_err(|fault| {
            let what = fault.explained("not a JSON object on one line");
            InputError::at(file, fault.place.moved_to(line), what)
        })?;
        let Value::Object(entries) = &node.value else {
            let what =
                format!("found {}; each line is one JSON object", quoted(node.written(text)));
            return Err(InputError::at(file, place(node.offset), what));
        };
        let trace = columns.trace(entries.iter().map(|(key, _)| key.name.as_str()));
        let mut row = Row::new(file, line, TimeBase { trace, start_unix_ms: *start_unix_ms });
        let mut fields = Vec::with_capacity(entries.len());
        let mut unknown = Vec::new();
        for (key, node) in entries {
            let meaning = columns.meaning(&key.name, trace);
            match meaning {
                Meaning::Field(_) if fields.contains(&meaning) => {
                    let what = format!("{} appears twice", same_as(meaning, &key.name));
                    return Err(InputError::at(file, place(key.offset), what));
                }
                Meaning::Field(field) => {
                    fields.push(meaning);
                    row.set_json(field, place(node.offset), node, text)?;
                    let name = key.name.to_lowercase();
                    let is_mapped =
                        columns.mapped.iter().any(|mapping| mapping.name.to_lowercase() == name);
                    if is_mapped && !self.used.contains(&name) {
                        self.used.push(name);
                    }
                }
                Meaning::Ignored => {
                    if self.ignored.len() < MOST_NAMES && !self.ignored.contains(&key.name) {
                        self.ignored.push(key.name.clone());
                    }
                }
                Meaning::Unknown => unknown.push((key.name.as_str(), place(key.offset))),
            }
        }
        check_known(self.of, &unknown, &fields, "key")?;
        Ok(row)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Refuses all unknown names at once. The message maps names of other programs to fields that are missing.
fn check_known(
    of: &RequestFile,
    unknown: &[(&str, Place)],
    there: &[Meaning],
    kind: &str,
) -> Result<(), InputError> {
    let [(first, place), more @ ..] = unknown else { return Ok(()) };
    let hint = if first.contains([';', '\t']) { " (columns are separated by commas)" } else { "" };
    let names: Vec<String> =
        unknown.iter().map(|(name, _)| quoted(name)).take(MOST_NAMES).collect();
    let plural = if more.is_empty() { "" } else { "s" };
    let mut mapped: Vec<(&str, &str)> = Vec::new();
    for (name, _) in unknown.iter().take(MOST_NAMES) {
        let field = meant_by(name).filter(|field| {
            let is_there =
                index_of(field).is_some_and(|field| there.contains(&Meaning::Field(field)));
            !is_there && mapped.iter().all(|(_, mapped)| mapped != field)
        });
        mapped.extend(field.map(|field| (*name, field)));
    }
    let typed = match mapped.as_slice() {
        [] => "NAME=FIELD".to_owned(),
        mapped => {
            let word =
                |(name, field): &(&str, &str)| format!("{}={field}", shell_word(Path::new(name)));
            mapped.iter().map(word).collect::<Vec<_>>().join(",")
        }
    };
    let fields = match mapped.len() == unknown.len() {
        true => String::new(),
        false => format!("\n  the fields are {}", FIELDS.join(", ")),
    };
    let what = format!(
        "unknown {kind}{plural} {}{hint}; type `--columns {typed}`, or `--ignore-unknown` to ignore what is not \
         known{fields}",
        names.join(", "),
    );
    Err(InputError::at(&of.name, *place, what))
}

/// The most names that a message or a summary lists.
pub(crate) const MOST_NAMES: usize = 20;

/// A field, and its name in the file if that is another.
fn same_as(meaning: Meaning, name: &str) -> String {
    let field = match meaning {
        Meaning::Field(field) => FIELDS.get(field).copied().unwrap_or_default(),
        Meaning::Ignored | Meaning::Unknown => "",
    };
    if field == name { quoted(name) } else { format!("`{field}` (here {})", quoted(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Row>, InputError> {
        RequestFile::bundled("r", text).rows()?.collect()
    }

    fn refusal(text: &str) -> String {
        rows(text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn three_forms_give_the_same_row() {
        let csv = rows("time,input_tokens,output_tokens\n2023-11-16 18:15:46,374,44\n").unwrap();
        let trace =
            rows("TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46,374,44\r\n")
                .unwrap();
        let json = rows("{\"Time\": \"2023-11-16 18:15:46\", \"input_tokens\": 374, \"output_tokens\": \"44\"}\n\n").unwrap();
        for rows in [csv, trace, json] {
            let [row] = rows.as_slice() else { panic!("one row") };
            assert_eq!(row.time().unwrap(), Some(1_700_158_546_000));
            assert_eq!(row.number::<u32>("input_tokens", "").unwrap(), Some(374));
            assert_eq!(row.number::<u32>("output_tokens", "").unwrap(), Some(44));
            assert_eq!(row.text("tenant"), None);
        }
    }

    #[test]
    fn names_of_other_programs_are_mapped_as_it_is_typed() {
        let text = refusal("model,prompt_tokens,completion_tokens\nsmall,1,2\n");
        let typed =
            "model=requested_model,prompt_tokens=input_tokens,completion_tokens=output_tokens";
        assert!(text.contains(&format!("type `--columns {typed}`")), "{text}");
        assert!(!text.contains("the fields are"), "{text}");
        // A field that is there already is not given twice.
        let text = refusal("input_tokens,output_tokens,prompt_tokens\n1,2,3\n");
        assert!(text.contains("type `--columns NAME=FIELD`"), "{text}");
    }

    #[test]
    fn all_unknown_names_are_named_at_once() {
        let text = refusal("input_tokens,tokens,output_tokens,foo\n1,2,3,4\n");
        assert!(
            text.starts_with(
                "r:1:14: unknown columns `tokens`, `foo`; type `--columns NAME=FIELD`"
            ),
            "{text}"
        );
        let text = refusal("{\"input_tokens\": 1}\n{\"a\": 1, \"b\": 1}\n");
        assert!(
            text.starts_with("r:2:2: unknown keys `a`, `b`;") && text.contains("output_tokens"),
            "{text}"
        );
    }

    #[test]
    fn a_field_that_stands_twice_under_any_names_is_refused() {
        assert_eq!(refusal("time,Time\n1,2\n"), "r:1:6: column `time` (here `Time`) appears twice");
        assert_eq!(
            refusal("{\"tenant\": 1, \"tenant\": 2}"),
            "r:1:15: `tenant` appears twice in one object"
        );
        assert_eq!(
            refusal("{\"time\": 1, \"TIMESTAMP\": 2, \"ContextTokens\": 1}"),
            "r:1:13: `time` (here `TIMESTAMP`) appears twice"
        );
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_header() {
        let text = refusal("input_tokens,output_tokens\n1,2\n3\n");
        assert!(text.starts_with("r:3: found 1 cell, the header has 2"), "{text}");
        let text = refusal("input_tokens,output_tokens\n1,2\n3,4,5\n");
        assert!(text.starts_with("r:3:5: found 3 cells, the header has 2"), "{text}");
    }

    #[test]
    fn a_line_that_is_no_object_is_refused_at_its_place() {
        assert!(refusal("{\"time\": 1}\n{\"time\": \n").starts_with("r:2:9: not a JSON object"));
        assert!(refusal("{\"time\": 1}\n []\n").starts_with("r:2:2: found `[]`; each line"));
        assert!(refusal("[{\"input_tokens\": 1}]").starts_with("r:1:1: a JSON array"));
        assert!(refusal("[policy]\npolicy_epoch = 1\n").contains("looks like a policy file"));
    }

    #[test]
    fn a_bad_number_names_its_place_field_found_and_allowed() {
        let rows = rows("input_tokens,output_tokens\n12,1\n1,-3\n").unwrap();
        let text = rows[1].number::<u32>("output_tokens", "0 to 9").unwrap_err().to_string();
        assert_eq!(text, "r:3:3: `output_tokens`: found `-3`, allowed is 0 to 9");
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
            ("{\"correlation_id\": {\"a\": 1}}", "{\"a\": 1}"),
            ("{\"tenant\": true}", "true"),
            ("{\"tenant\": [\"a\"]}", "[\"a\"]"),
            ("{\"required_regions\": [1]}", "1"),
            ("{\"required_regions\": 1}", "1"),
            ("{\"tenant\": \" a\"}", " a"),
            ("{\"correlation_id\": \"a\\n\"}", "a\\n"),
            ("{\"allowed_providers\": [\"a \"]}", "a "),
        ] {
            let message = refusal(text);
            assert!(message.contains(&format!("found `{found}`")), "{message}");
        }
    }

    #[test]
    fn a_name_is_never_cut_and_never_of_two_lines() {
        for text in [
            "tenant,input_tokens,output_tokens\n\" a\",1,1\n",
            "tenant,input_tokens,output_tokens\n\"a\nb\",1,1\n",
            "tenant,input_tokens,output_tokens\n\"a\tb\",1,1\n",
            "tenant,input_tokens,output_tokens\na\u{200b},1,1\n",
        ] {
            assert!(refusal(text).starts_with("r:2:1: `tenant`: found "), "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(rows("\u{feff}{\"input_tokens\": 1}").unwrap().len(), 1);
        assert_eq!(rows("\u{feff}input_tokens,output_tokens\n1,2\n").unwrap().len(), 1);
        assert!(
            refusal("\u{feff}\u{feff}input_tokens,output_tokens\n1,2\n").starts_with("r:1:1: ")
        );
    }

    #[test]
    fn a_semicolon_or_a_missing_column_is_explained() {
        assert!(refusal("input_tokens;output_tokens\n1;2\n").contains("separated by commas"));
        assert!(
            refusal("input_tokens,tenant\n1,a\n")
                .starts_with("r:1: no column `output_tokens`; if it has")
        );
    }
}
