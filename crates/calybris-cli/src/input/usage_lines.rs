//! JSON lines with a model and a usage each, read one at a time. A line that cannot be read does not stop the others.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use calybris_catalog::json::{self, fault_of};
use calybris_catalog::text::not_utf8;
use calybris_catalog::{InputError, Place};
use calybris_core::kernel::Usage;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::lines::{MOST_LINE_BYTES, too_long};
use super::source::{is_stdin, stdin};
use crate::system::in_words;

/// One call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageLine<'a> {
    #[serde(borrow)]
    pub(crate) model: Cow<'a, str>,
    #[serde(deserialize_with = "usage")]
    pub(crate) usage: Usage,
}

/// Why a line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnreadLine {
    pub(crate) line: u64,
    pub(crate) what: String,
}

/// The counts under their short names; those left out are 0.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Counts {
    input: u32,
    cache_read: u32,
    cache_write: u32,
    cache_write_long: u32,
    audio_input: u32,
    output: u32,
    reasoning: u32,
    audio_output: u32,
    searches: u32,
}

fn usage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usage, D::Error> {
    let counts: Counts = object(deserializer)?;
    Ok(Usage::new(counts.input, counts.output)
        .with_cache_read_tokens(counts.cache_read)
        .with_cache_write_tokens(counts.cache_write)
        .with_cache_write_long_tokens(counts.cache_write_long)
        .with_audio_input_tokens(counts.audio_input)
        .with_reasoning_tokens(counts.reasoning)
        .with_audio_output_tokens(counts.audio_output)
        .with_searches(counts.searches))
}

/// Reads an object. (The library would also take a list of its values.)
fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

/// The lines of a file or of standard input.
pub(crate) struct UsageLines {
    file: PathBuf,
    source: BufReader<Box<dyn Read>>,
    /// The number of the line that was read last.
    number: u64,
    bytes: Vec<u8>,
}

impl UsageLines {
    pub(crate) fn open(file: &Path) -> Result<Self, InputError> {
        let source: Box<dyn Read> = if is_stdin(file) {
            Box::new(stdin()?)
        } else {
            let opened = File::open(file);
            Box::new(opened.map_err(|error| InputError::in_file(file, in_words(&error)))?)
        };
        Ok(Self::of(file, source))
    }

    fn of(file: &Path, source: Box<dyn Read>) -> Self {
        let source = BufReader::with_capacity(BUFFER_BYTES, source);
        Self { file: file.to_path_buf(), source, number: 0, bytes: Vec::new() }
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Result<UsageLine<'_>, UnreadLine>>, InputError> {
        self.bytes.clear();
        let limit = u64::try_from(MOST_LINE_BYTES).unwrap_or(u64::MAX);
        let read = self.source.by_ref().take(limit + 1).read_until(b'\n', &mut self.bytes);
        read.map_err(|error| InputError::in_file(&self.file, in_words(&error)))?;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        let line = self.number;
        if self.bytes.last() != Some(&b'\n') && self.bytes.len() > MOST_LINE_BYTES {
            let skipped = self.source.skip_until(b'\n');
            skipped.map_err(|error| InputError::in_file(&self.file, in_words(&error)))?;
            return Ok(Some(Err(UnreadLine { line, what: too_long("a line") })));
        }
        Ok(Some(parse(self.bytes.trim_ascii_end()).map_err(|what| UnreadLine { line, what })))
    }
}

const BUFFER_BYTES: usize = 256 << 10;

fn parse(bytes: &[u8]) -> Result<UsageLine<'_>, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = object(&mut json).and_then(|line| json.end().map(|()| line));
    read.map_err(|error: serde_json::Error| {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (before, after) = bytes.split_at(error.valid_up_to());
                let before = String::from_utf8_lossy(before);
                return at(Place::of(&before, before.len()), &not_utf8(after));
            }
        };
        if text.is_empty() {
            return "an empty line".to_owned();
        }
        // A line that is no JSON, or has a key twice, is told as in other files.
        match json::parse(text) {
            Err(fault) => at(fault.place, &fault.explained("not a JSON object on one line")),
            Ok(_) => {
                let fault = fault_of(text, &error);
                at(fault.place, &fault.what)
            }
        }
    })
}

fn at(place: Place, what: &str) -> String {
    match place.column {
        Some(column) => format!("column {column}: {what}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model and the prompt of each line, or why it cannot be read.
    fn lines(bytes: &[u8]) -> Vec<Result<(String, u64), UnreadLine>> {
        let mut lines =
            UsageLines::of(Path::new("u"), Box::new(std::io::Cursor::new(bytes.to_vec())));
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push(line.map(|line| (line.model.into_owned(), line.usage.prompt_tokens())));
        }
        read
    }

    fn fault(line: &str) -> String {
        lines(line.as_bytes()).remove(0).expect_err(line).what
    }

    #[test]
    fn every_line_has_one_answer_in_order() {
        let text = "{\"model\": \"a\\u0062\", \"usage\": {\"input\": 1, \"cache_read\": 2}}\r\n\n\
                    {\"usage\": {}, \"model\": \"c\"}\nnonsense\n{\"model\": \"d\", \"usage\": {\"output\": 5}}";
        let read = lines(text.as_bytes());
        let empty = UnreadLine { line: 2, what: "an empty line".to_owned() };
        assert_eq!(read[..3], [Ok(("ab".to_owned(), 3)), Err(empty), Ok(("c".to_owned(), 0))]);
        assert_eq!(read[3].as_ref().unwrap_err().line, 4);
        assert_eq!(read[4..], [Ok(("d".to_owned(), 0))]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let long = [vec![b' '; MOST_LINE_BYTES + 1], b"\n".to_vec()].concat();
        let good = b"{\"model\": \"a\", \"usage\": {}}\n".to_vec();
        let read = lines(&[long.clone(), good.clone(), long].concat());
        assert!(
            read[0].as_ref().unwrap_err().what.starts_with("a line is longer than 1,048,576 bytes")
        );
        assert_eq!(read[1], Ok(("a".to_owned(), 0)));
        assert_eq!((read.len(), read[2].as_ref().unwrap_err().line), (3, 3));
    }

    #[test]
    fn what_is_no_usage_is_told_with_its_column() {
        for (line, part) in [
            ("{\"model\": \"a\"}", "usage"),
            ("{\"usage\": {}}", "model"),
            ("{\"model\": \"a\", \"usage\": {\"inptu\": 1}}", "inptu"),
            (
                "{\"model\": \"a\", \"usage\": {\"input\": -1}}",
                "found `-1`, allowed is a whole number",
            ),
            ("{\"model\": \"a\", \"usage\": {\"input\": 1.5}}", "1.5"),
            ("{\"model\": \"a\", \"usage\": {\"input\": 4294967296}}", "4294967296"),
            (
                "{\"model\": \"a\", \"usage\": {\"input\": 1, \"input\": 2}}",
                "`input` appears twice",
            ),
            ("{\"model\": 1, \"usage\": {}}", "column 11: "),
            ("[\"a\", {\"input\": 1}]", "an object"),
            ("{\"model\": \"a\", \"usage\": [1]}", "an object"),
            ("{\"model\": \"a\", \"usage\": {}} x", "column 29: "),
        ] {
            let told = fault(line);
            assert!(told.starts_with("column ") && told.contains(part), "{line}: {told}");
        }
        let what = lines(b"{\"model\": \"\xff\"}")[0].as_ref().unwrap_err().what.clone();
        assert!(what.starts_with("column 12: the byte 0xff"), "{what}");
    }
}
