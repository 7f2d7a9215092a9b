//! `calybris verify`: is the log what was written, and what does that establish?

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use calybris_core::wal::{Report, Tail, VerifyOptions, verify};
use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::input::pin::read_anchor;
use crate::log::arguments::LogArguments;
use crate::log::beginning::dropped;
use crate::page::Page;

/// Verify a log from its first byte to its last.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris verify ./log
  calybris verify ./log --key-file log.key --anchor anchor.txt

It may run while another process writes the log.

Exit codes:
  0  intact
  1  not intact, and the message says what and where
  2  could not be checked: usage, a missing key, a missing or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// An anchor that was kept elsewhere (the line, or a file with it): shows whether records were cut from the end
    #[arg(long, value_name = "ANCHOR")]
    anchor: Option<PathBuf>,
    /// Verify with that many threads at once
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let anchor = arguments.anchor.as_deref().map(read_anchor).transpose()?;
    let options = VerifyOptions { key, anchor, threads: arguments.threads };
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
        "  {} in {}, {}",
        counted(report.records, "record"),
        counted(report.segments, "segment"),
        counted(report.bytes, "byte")
    ));
    let (first, dropped) = (report.first_sequence, dropped(report.first_sequence));
    if let Some(dropped) = &dropped {
        page.line(format_args!("  {dropped}"));
    }
    let torn = torn_bytes(report.tail);
    if torn > 0 {
        page.line(format_args!(
            "  {} at the end are no record yet: cut short by",
            counted(torn, "byte")
        ));
        page.line(
            "  a crash, or being written now. Nothing says that they were ever acknowledged;",
        );
        page.line("  opening the log to write sets them aside");
    }
    page.line(format_args!("  head {}", report.head));
    page.line("\nThis establishes that");
    page.line("  - every record is what its hash and all later hashes were made from: none was");
    page.line("    changed, removed from the middle, inserted, swapped or taken from another log");
    if report.keyed {
        page.line("  - the hashes were made by a holder of the key");
    }
    if report.anchored {
        match dropped {
            None => page.line("  - the log still holds everything up to the anchor, unchanged"),
            Some(_) => page.line(format_args!(
                "  - the log still holds everything from record {first} up to the anchor, unchanged"
            )),
        }
    }
    page.line("It does not establish that");
    if dropped.is_some() {
        page.line(format_args!(
            "  - what stood before record {first} was as it should be: balances before record {first}"
        ));
        page.line("    are taken from the checkpoint, and nothing here can add them up again");
    }
    match (report.anchored, report.keyed) {
        (false, false) => {
            page.line(
                "  - nothing was cut from the end: only an anchor, kept elsewhere, shows that",
            );
            page.line("  - nobody wrote the whole log anew: a key or an anchor shows that");
        }
        (false, true) => {
            page.line(
                "  - nothing was cut from the end: only an anchor, kept elsewhere, shows that",
            );
        }
        (true, false) => {
            page.line("  - nothing after the anchor was cut off, or written anew by somebody else");
        }
        (true, true) => page.line("  - nothing after the anchor was cut off"),
    }
    page.line("  - what was written was true: it is what the writer wrote. `calybris budget` adds");
    page.line("    up its money again, `calybris replay` makes its decisions again");
}
