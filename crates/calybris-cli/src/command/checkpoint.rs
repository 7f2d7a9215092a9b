//! `calybris checkpoint`: writes a checkpoint into a log that no engine has open.

use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::log::arguments::{ChangeArguments, LogArguments};
use crate::log::intact::{Intact, change_failed, torn_tail};
use crate::output::Page;
use crate::time::{rfc3339, to_the_second};

/// Write a checkpoint: all that the records so far lead to, at the beginning of a new segment.
///
/// Opening the log reads from its last checkpoint on, and `calybris retain` drops what is before one. An engine writes one by itself
/// every so many records.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris checkpoint ./log
  calybris checkpoint ./log --dry-run

The whole log is read and verified first. No other process may have the log open
for writing.

Exit codes:
  0  written, or nothing was logged since the last one
  1  nothing was done: the log is not intact
  2  nothing was done: usage, a missing key, a missing log, a writer at work
  3  begun and not finished, or done and the output could not be written")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    #[command(flatten)]
    change: ChangeArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let (log, time) = (&arguments.log, arguments.change.time()?);
    let mut intact = Intact::read(log)?;
    let (mut written, mut torn) = (None, None);
    if intact.ledger.checkpoint_is_due && !arguments.change.dry_run {
        let engine = intact.open(log.dir())?;
        let sequence = engine.checkpoint(time).map_err(|error| change_failed(log, &error))?;
        torn = torn_tail(&engine);
        engine.close().map_err(|error| change_failed(log, &error))?;
        written = Some(sequence);
    }
    let ledger = &intact.ledger;
    let (tenants, tickets) = (ledger.accounts.len(), ledger.open_tickets.len());
    let mut page = Page::default();
    if written.is_some() {
        page.remains(log.dir(), &log.key.typed_again());
    }
    if log.json {
        let object = json!({
            "change": "checkpoint",
            "due": ledger.checkpoint_is_due,
            "time_unix_ms": time.get(),
            "time": rfc3339(time.get()),
            "dry_run": arguments.change.dry_run,
            "sequence": written,
            "torn_tail": torn,
            "tenants": tenants,
            "open_tickets": tickets,
            "decisions": ledger.decisions,
        });
        page.line(format_args!("{object:#}"));
        return Ok(page);
    }
    let dir = log.dir().display();
    match (written, ledger.checkpoints.last()) {
        (None, Some(last)) if !ledger.checkpoint_is_due => {
            page.line(format_args!(
                "{dir}: nothing to do, nothing was logged since the checkpoint at record {}",
                last.sequence
            ));
            return Ok(page);
        }
        (None, _) => page.line(format_args!(
            "{dir}: a checkpoint would be written behind record {}; nothing was changed",
            ledger.last_sequence
        )),
        (Some(sequence), _) => {
            page.line(format_args!("{dir}: a checkpoint is written, record {sequence}"));
        }
    }
    page.line(format_args!("  time    {} UTC", to_the_second(time.get())));
    page.line(format_args!(
        "  holds   {}, {} open, {} counted",
        counted(tenants, "tenant"),
        counted(tickets, "ticket"),
        counted(ledger.decisions, "decision")
    ));
    if let Some(torn) = torn {
        page.wrapped("  aside   ", &torn);
    }
    Ok(page)
}
