//! `calybris verify`: checks a log, and says what the check establishes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use calybris_core::wal::{Report, Tail, VerifyOptions, verify};
use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::input::pin::read_anchor;
use crate::input::whole::at_least_one;
use crate::log::arguments::LogArguments;
use crate::log::beginning::dropped;
use crate::output::Page;

/// Verify a log from its first byte to its last.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris verify ./log
  calybris verify ./log --key-file log.key --anchor anchor.txt

It may run while another process writes the log.

Exit codes:
  0  intact
  1  not intact, and the message says what and where; with --anchor also if
     the log or all of its records are gone
  2  could not be checked: usage, a missing key, and without --anchor a missing
     or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// An anchor that was kept elsewhere (the line, or a file with it): shows whether records were cut from the end
    #[arg(long, value_name = "ANCHOR")]
    anchor: Option<PathBuf>,
    /// Use this many threads
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let anchor = arguments.anchor.as_deref().map(read_anchor).transpose()?;
    let options =
        VerifyOptions::default().with_key(key).with_anchor(anchor).with_threads(arguments.threads);
    let report = verify(arguments.log.dir(), &options)
        .map_err(|error| Failure::of_log(arguments.log.dir(), &error))?;
    let mut page = Page::default();
    if arguments.log.json {
        page.line(format_args!("{:#}", json_of(&report)));
    } else {
        words(arguments.log.dir(), &report, &mut page);
    }
    Ok(page)
}

fn json_of(report: &Report) -> serde_json::Value {
    json!({
        "intact": true,
        "segments": report.segments,
        "first_sequence": report.first_sequence,
        "records": report.records,
        "bytes": report.bytes,
        "keyed": report.keyed,
        "anchored": report.anchored,
        "durable_through_sequence": report.durable_through,
        "torn_tail_bytes": torn_bytes(report.tail),
        "head": report.head.to_string(),
    })
}

/// The bytes after the last whole record; 0 if the log ends with one.
fn torn_bytes(tail: Tail) -> u64 {
    match tail {
        Tail::Torn { bytes, .. } => bytes,
        _ => 0,
    }
}

fn words(dir: &Path, report: &Report, page: &mut Page) {
    page.line(format_args!("{}: intact", dir.display()));
    page.line(format_args!(
        "  {} in {}, {}",
        counted(report.records, "record"),
        counted(report.segments, "segment"),
        counted(report.bytes, "byte")
    ));
    if let Some(dropped) = dropped(report.first_sequence) {
        page.line(format_args!("  {dropped}"));
    }
    let torn = torn_bytes(report.tail);
    if torn > 0 {
        let text = format!(
            "{} at the end are not a whole record: a crash cut it short, or it is being written now. No acknowledged record \
             is known to be among them; opening the log for writing sets them aside",
            counted(torn, "byte")
        );
        page.wrapped("  ", &text);
    }
    page.line(format_args!("  head {}", report.head));
    page.line("\nThis establishes that");
    for claim in established(report) {
        page.wrapped("  - ", &claim);
    }
    page.line("It does not establish that");
    for claim in not_established(report) {
        page.wrapped("  - ", &claim);
    }
}

/// What verification establishes.
fn established(report: &Report) -> Vec<String> {
    let mut claims = vec![
        "every record matches its hash and all later hashes: none was changed, removed from the \
         middle, inserted, swapped or taken from another log"
            .to_owned(),
    ];
    if report.keyed {
        claims.push("the hashes were made by a holder of the key".to_owned());
    }
    if report.anchored {
        let from = match dropped(report.first_sequence) {
            None => String::new(),
            Some(_) => format!("from record {} ", report.first_sequence),
        };
        claims.push(format!("the log still holds everything {from}up to the anchor, unchanged"));
    }
    claims
}

/// What verification does not establish.
fn not_established(report: &Report) -> Vec<String> {
    let mut claims = Vec::new();
    if dropped(report.first_sequence).is_some() {
        let first = report.first_sequence;
        claims.push(format!(
            "the records before {first} were correct: balances before record {first} are taken from the \
             checkpoint, and cannot be added up again"
        ));
    }
    if report.anchored {
        let anew = if report.keyed { "" } else { ", or rewritten by somebody else" };
        claims.push(format!("nothing after the anchor was cut off{anew}"));
    } else {
        let cut = "nothing was cut from the end: only an anchor, kept elsewhere, shows that";
        claims.push(cut.to_owned());
        if !report.keyed {
            let anew = "nobody rewrote the whole log: only a key or an anchor shows that";
            claims.push(anew.to_owned());
        }
    }
    let truth = "the contents are true: they are what the writer wrote. `calybris budget` adds up the amounts again, \
                 `calybris replay` makes the decisions again";
    claims.push(truth.to_owned());
    claims
}
