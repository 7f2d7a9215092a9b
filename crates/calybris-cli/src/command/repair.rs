//! `calybris repair`: makes a corrupt log usable up to its first damage and sets the rest aside.

use calybris_core::wal::{Repair, RepairOptions, WalError, repair};
use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::output::Page;
use crate::terminal::{program_name, shell_word};

/// Cut a corrupt log at its first damage, and set everything from there on aside.
///
/// Nothing is deleted and nothing is guessed: the bytes are moved into files that end in `.torn`, in the log's directory.
/// What is lost from the log is for you to judge: decisions after the damage, and what they spent. Look for a copy that
/// verifies first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris verify ./log            # what is wrong, and where
  cp -r ./log ./log-as-found
  calybris repair ./log

A torn tail, as a crash leaves it, needs no repair: opening the log for writing
sets it aside. No other process may have the log open.

Exit codes:
  0  repaired, or there was nothing to repair
  1  nothing was done: the first record does not verify, or the beginning of the
     log is missing and --accept-beginning was not given
  2  nothing was done: usage, a missing key, a missing log, a writer at work
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Keep a log whose first segments are missing although nothing in it says that they were dropped
    #[arg(long)]
    accept_beginning: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let dir = arguments.log.dir();
    let options =
        RepairOptions::default().with_key(key).with_accept_beginning(arguments.accept_beginning);
    let repaired = repair(dir, &options).map_err(|error| {
        let alone = || Failure::of_log_alone(dir, &error);
        match &error {
            WalError::MissingSegment { .. } => alone().noting(BEGINNING_GONE),
            error if error.is_tampering() => alone().noting(NOTHING_KEPT),
            error => Failure::of_log(dir, error),
        }
    })?;
    let mut page = Page::default();
    if arguments.log.json {
        page.line(format_args!("{:#}", json_of(repaired.as_ref())));
        return Ok(page);
    }
    let Some(done) = repaired else {
        page.line(format_args!("{}: nothing to repair", dir.display()));
        return Ok(page);
    };
    page.line(format_args!("{}: repaired", dir.display()));
    page.wrapped("  found  ", &done.damage.to_string());
    page.line(format_args!("  kept   everything up to record {}", done.sequence));
    for aside in &done.quarantined {
        page.line(format_args!(
            "  aside  {} from byte {} of segment {} on, now in",
            counted(aside.bytes, "byte"),
            aside.offset,
            aside.segment
        ));
        page.line(format_args!("         {}", aside.path.display()));
    }
    page.line(
        "\nThe records set aside are no longer part of the log. An anchor for a record after",
    );
    page.line("the damage no longer matches. Verify the log, and look at the budgets:");
    let (dir, key) = (shell_word(dir), arguments.log.key.typed_again());
    let program = program_name();
    page.line(format_args!("  {program} verify {dir}{key}\n  {program} budget {dir}{key}"));
    Ok(page)
}

const BEGINNING_GONE: &str = "nothing was changed: the segments before the first one are gone, and nothing in the rest says that \
     they were dropped on purpose; put them back, or keep the rest with --accept-beginning";

const NOTHING_KEPT: &str = "not even its beginning verifies, so there is nothing to keep; nothing was changed: look for a copy that verifies";

fn json_of(repaired: Option<&Repair>) -> serde_json::Value {
    let Some(done) = repaired else { return json!({ "repaired": false }) };
    let aside = done.quarantined.iter().map(|aside| {
        json!({
            "segment": aside.segment,
            "offset": aside.offset,
            "bytes": aside.bytes,
            "path": aside.path.display().to_string(),
        })
    });
    json!({
        "repaired": true,
        "kept_through_sequence": done.sequence,
        "damage": done.damage.to_string(),
        "quarantined": aside.collect::<Vec<_>>(),
    })
}
