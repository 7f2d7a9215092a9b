//! `calybris anchor`: the log's head in one line, to be kept elsewhere.

use std::path::PathBuf;

use calybris_core::wal::{VerifyOptions, verify};
use serde_json::json;

use crate::failure::Failure;
use crate::input::key::read_key;
use crate::page::Page;

/// Verify a log and print its anchor.
///
/// Keep the line where whoever can write the log cannot: `calybris verify --anchor` then shows if records were cut from
/// the end or the log was rewritten.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  calybris anchor ./log > anchor.txt

Exit codes: as of `calybris verify`.")]
pub(crate) struct Arguments {
    /// The log's directory
    dir: PathBuf,
    /// The key that the log was written with
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let report = verify(&arguments.dir, &VerifyOptions { key, ..VerifyOptions::default() })
        .map_err(|error| Failure::of_log(&arguments.dir, &error))?;
    let mut page = Page::default();
    if arguments.json {
        let sequence = report.head.sequence;
        let object = json!({ "anchor": report.head.to_string(), "sequence": sequence });
        page.line(format_args!("{object:#}"));
    } else {
        page.line(report.head);
    }
    Ok(page)
}
