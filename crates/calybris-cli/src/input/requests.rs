//! The requests file: CSV, JSON lines or a public trace, recognised by content, read row by row.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use calybris_catalog::text::{Looks, check_kind};
use calybris_catalog::{InputError, Place};

use super::columns::{Columns, Mapping};
use super::csv::Records;
use super::lines::Lines;
use super::rows::{Input, Rows};
use super::source::{is_stdin, stdin};
use crate::amount::grouped;
use crate::system::in_words;
use crate::time::parse_unix_ms;

/// The options that name a requests file and say how to read it.
#[derive(clap::Args)]
pub(crate) struct RequestArguments {
    /// Requests (CSV, JSON lines or a public trace)
    #[arg(long, value_name = "FILE")]
    requests: PathBuf,
    /// Read the column NAME of the file as our FIELD, as in model=requested_model; separate several with commas
    #[arg(long, value_name = "NAME=FIELD", value_delimiter = ',', value_parser = Mapping::parse)]
    columns: Vec<Mapping>,
    /// Ignore unknown columns; the summary lists them
    #[arg(long)]
    ignore_unknown: bool,
    /// When the trace began, if its times count from there (in seconds, in a Mooncake trace in milliseconds)
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<u64>,
}

fn start(text: &str) -> Result<u64, String> {
    parse_unix_ms(text).map_err(|allowed| format!("allowed is {allowed}"))
}

/// A source of requests. They are read twice: first to check all of them, then to route them.
pub(crate) struct RequestFile {
    pub(super) name: PathBuf,
    source: Source,
    pub(super) columns: Columns,
    pub(super) start_unix_ms: Option<u64>,
}

enum Source {
    /// A file, which can be read again.
    Disk,
    /// Bytes in memory: read from a pipe, or bundled with the program.
    Memory(Vec<u8>),
}

impl RequestFile {
    /// Opens the user's file. A pipe or a device is read into memory.
    pub(crate) fn open(arguments: &RequestArguments) -> Result<Self, InputError> {
        let path = arguments.requests.as_path();
        let columns =
            Columns { mapped: arguments.columns.clone(), ignore_unknown: arguments.ignore_unknown };
        Ok(Self {
            name: path.to_path_buf(),
            source: Source::open(path)?,
            columns,
            start_unix_ms: arguments.start,
        })
    }

    /// Requests that are bundled with the program; `name` is their name in messages.
    pub(crate) fn bundled(name: &str, text: &str) -> Self {
        Self {
            name: PathBuf::from(name),
            source: Source::Memory(text.as_bytes().to_vec()),
            columns: Columns::default(),
            start_unix_ms: None,
        }
    }

    /// The name of the file in messages.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The rows from the beginning, one in memory at a time.
    pub(crate) fn rows(&self) -> Result<Rows<'_>, InputError> {
        let file = self.name.as_path();
        let refuse = |error: std::io::Error| InputError::in_file(file, in_words(&error));
        let source: Box<dyn Read + '_> = match &self.source {
            Source::Disk => Box::new(File::open(file).map_err(refuse)?),
            Source::Memory(bytes) => Box::new(bytes.as_slice()),
        };
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        let beginning = source.fill_buf().map_err(refuse)?;
        check_kind(file, beginning)?;
        let begins_with_mark = beginning.starts_with(BYTE_ORDER_MARK);
        if begins_with_mark {
            source.consume(BYTE_ORDER_MARK.len());
        }
        let beginning = String::from_utf8_lossy(source.fill_buf().map_err(refuse)?).into_owned();
        if beginning.trim_start().starts_with('[') && Looks::of(&beginning) == Looks::JsonArray {
            let begin = beginning.len() - beginning.trim_start().len();
            let what = "a JSON array; JSON lines have one object on each line and no brackets around \
                 (`jq -c '.[]'` makes them)";
            return Err(InputError::at(file, Place::of(&beginning, begin), what));
        }
        let refused = [
            Looks::Policy,
            Looks::Catalog,
            Looks::Toml,
            Looks::WebPage,
            Looks::Key,
            Looks::Anchor,
            Looks::TreeHead,
        ];
        Looks::refuse(file, &beginning, &refused, "requests are CSV or JSON lines")?;
        let is_json = beginning.trim_start().starts_with('{');
        let lines = Lines::new(self.name.clone(), Box::new(source) as Input<'_>);
        if is_json {
            Ok(Rows::of_json(self, lines))
        } else {
            Rows::of_csv(self, Records::new(lines))
        }
    }
}

/// The most bytes that are read from a pipe, which is kept in memory because it can be read only once.
const MOST_PIPED_BYTES: u64 = 1 << 30;

/// The size of the read buffer; the first buffer decides the kind of the file.
const BUFFER_BYTES: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Source {
    fn open(path: &Path) -> Result<Self, InputError> {
        let refuse = |error| InputError::in_file(path, in_words(&error));
        let mut bytes = Vec::new();
        if is_stdin(path) {
            let read =
                stdin()?.take(MOST_PIPED_BYTES + 1).read_to_end(&mut bytes).map_err(refuse)?;
            return Self::in_memory(path, bytes, read);
        }
        let file = File::open(path).map_err(refuse)?;
        if file.metadata().map_err(refuse)?.is_file() {
            return Ok(Self::Disk);
        }
        let read = file.take(MOST_PIPED_BYTES + 1).read_to_end(&mut bytes).map_err(refuse)?;
        Self::in_memory(path, bytes, read)
    }

    fn in_memory(path: &Path, bytes: Vec<u8>, read: usize) -> Result<Self, InputError> {
        if u64::try_from(read).unwrap_or(u64::MAX) <= MOST_PIPED_BYTES {
            return Ok(Self::Memory(bytes));
        }
        let limit = grouped(MOST_PIPED_BYTES);
        let what = format!(
            "a pipe with more than {limit} bytes: write them to a file, and route the file"
        );
        Err(InputError::in_file(path, what))
    }
}
