//! `calybris verify`: is the log what was written, and what does that establish?

use std::path::{Path, PathBuf};

use calybris_core::wal::{Anchor, Report, Tail, VerifyOptions, verify};
use serde_json::json;

use crate::failure::Failure;
use crate::input::error::{InputError, read};
use crate::input::key::read_key;
use crate::page::Page;
use crate::table::grouped;

/// Verify a log from its first byte to its last.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris verify ./log
  calybris verify ./log --key-file log.key --anchor anchor.txt

It may run while another process writes the log.

Exit codes: 0 intact; 1 not intact, and the message says what and where; 2 it could not be checked (usage, a missing
key, a missing or empty log).")]
pub(crate) struct Arguments {
    /// The log's directory
    dir: PathBuf,
    /// The key that the log was written with
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// An anchor that was kept elsewhere: shows whether records were cut from the end
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let anchor = arguments.anchor.as_deref().map(read_anchor).transpose()?;
    let options = VerifyOptions { key, anchor, ..VerifyOptions::default() };
    let outcome = verify(&arguments.dir, &options);
    let mut page = Page::default();
    match outcome {
        Ok(report) if arguments.json => page.line(format_args!("{:#}", json_of(&report))),
        Ok(report) => words(&arguments.dir, &report, &mut page),
        Err(error) => {
            let failure = Failure::of_log(&arguments.dir, &error);
            if !arguments.json {
                return Err(failure);
            }
            let intact = if error.is_tampering() { json!(false) } else { json!(null) };
            let object = json!({ "intact": intact, "error": error.to_string() });
            page.line(format_args!("{object:#}"));
            return Err(failure.with_page(page));
        }
    }
    Ok(page)
}

/// Reads an anchor file: the line that `calybris anchor` prints.
fn read_anchor(file: &Path) -> Result<Anchor, InputError> {
    let text = read(file)?;
    text.trim().parse().map_err(|error| InputError::in_file(file, error))
}

fn json_of(report: &Report) -> serde_json::Value {
    json!({
        "intact": true,
        "segments": report.segments,
        "records": report.records,
        "bytes": report.bytes,
        "keyed": report.keyed,
        "anchored": report.anchored,
        "durable_through_sequence": report.durable_through,
        "torn_tail_bytes": torn_bytes(report.tail),
        "head": report.head.to_string(),
    })
}

/// Bytes behind the last record that are none; 0 if the log ends with a whole one.
fn torn_bytes(tail: Tail) -> u64 {
    match tail {
        Tail::Torn { bytes, .. } => bytes,
        _ => 0,
    }
}

fn words(dir: &Path, report: &Report, page: &mut Page) {
    page.line(format_args!("{}: intact", dir.display()));
    page.line(format_args!(
        "  {} records in {} segment{}, {} bytes",
        grouped(report.records),
        report.segments,
        if report.segments == 1 { "" } else { "s" },
        grouped(report.bytes)
    ));
    let torn = torn_bytes(report.tail);
    if torn > 0 {
        page.line(format_args!(
            "  {} bytes at the end are no record yet: a write that a crash cut short, or one that is",
            grouped(torn)
        ));
        page.line("  under way; nothing says they were ever acknowledged. Opening the log sets them aside");
    }
    page.line(format_args!("  head {}", report.head));
    page.line("\nThis establishes that");
    page.line(
        "  - every record is, byte for byte, what its hash and all hashes after it were made from:",
    );
    page.line("    none was changed, removed from the middle, inserted, swapped or taken from another log");
    if report.keyed {
        page.line("  - the hashes were made by a holder of the key");
    }
    if report.anchored {
        page.line("  - the log still holds everything up to the anchor, unchanged");
    }
    page.line("It does not establish that");
    if !report.anchored {
        page.line(
            "  - nothing was cut from the end: keep an anchor elsewhere and pass it with --anchor",
        );
    } else {
        page.line("  - nothing was cut from the end after the anchor was taken");
    }
    if !report.keyed {
        page.line("  - nobody rewrote the whole log with new hashes: a key (--key-file) or an anchor shows that");
    }
    page.line("  - what was written was true: it is what the writer wrote");
}
