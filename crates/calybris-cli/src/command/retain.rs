//! `calybris retain`: drops or archives the segments before a checkpoint of a log that no engine has open.

use std::path::PathBuf;

use calybris_core::engine::{EngineError, Ledger, LedgerCheckpoint};
use calybris_core::wal::{Reader, RetentionAction, WalError};
use serde_json::json;

use crate::amount::counted;
use crate::failure::Failure;
use crate::input::source::check_not_a_stream;
use crate::log::arguments::{LogArguments, time_or_now};
use crate::log::beginning::first_of;
use crate::log::intact::{Intact, torn_tail};
use crate::output::Page;
use crate::terminal::{program_name, shell_word};
use crate::time::to_the_second;

/// Drop or archive the segments before the newest checkpoint that is not later than a time.
///
/// What is dropped can no longer be shown, explained or replayed; balances, open tickets and everything behind the checkpoint stay. The
/// log says from which record on it is kept, so that a segment that is missing for another reason is still found.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris retain ./log --before 2026-10-01 --dry-run
  calybris retain ./log --before 2026-10-01 --archive ./log-until-october
  calybris verify ./log-until-october

With --archive the segments are copied first, and the copies are a log of their
own. The whole log is read and verified first. No other process may have the log
open for writing. `calybris checkpoint` writes a checkpoint.

Exit codes:
  0  done, or there was nothing to drop
  1  nothing was done: the log is not intact
  2  nothing was done: no checkpoint is that old, usage, a missing key, a
     missing log, a writer at work, an archive that holds something else
  3  begun and not finished, or done and the output could not be written")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Keep everything from the newest checkpoint on that is not later (2026-11-02, 2026-11-02T09:00:00Z)
    #[arg(long, value_name = "TIME", display_order = 0)]
    before: String,
    /// Copy the segments into this directory before they are dropped; it is made if need be
    #[arg(long, value_name = "DIR", display_order = 1)]
    archive: Option<PathBuf>,
    /// Say what would be done, and change no byte of a file
    #[arg(long, display_order = 900)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let Arguments { log, archive, dry_run, .. } = arguments;
    let dir = log.dir();
    let before = time_or_now("--before", Some(&arguments.before))?.get();
    if let Some(archive) = archive {
        check_not_a_stream(archive)?;
    }
    let mut intact = Intact::read(log)?;
    let checkpoint = newest(log, &intact.ledger, before)?;
    let segments = Reader::segments(dir).map_err(|error| Failure::of_log(dir, &error))?;
    let mut segments = segments.iter().filter(|first| **first < checkpoint.sequence).count();
    let first = first_of(intact.ledger.records, intact.ledger.last_sequence);
    let mut torn = None;
    let drops = segments > 0;
    if drops && !dry_run {
        let engine = intact.open(dir)?;
        let action = match archive {
            Some(archive) => RetentionAction::Archive(archive),
            None => RetentionAction::Remove,
        };
        segments = engine
            .retain_from(checkpoint.sequence, action)
            .map_err(|error| retention_failed(log, &error))?;
        torn = torn_tail(&engine);
        engine.close().map_err(|error| retention_failed(log, &error))?;
    }
    let mut page = Page::default();
    if drops && !dry_run {
        page.remains(dir, &log.key.typed_again());
    }
    if log.json {
        let object = json!({
            "change": "retain",
            "dry_run": dry_run,
            "before_unix_ms": before,
            "checkpoint": { "sequence": checkpoint.sequence, "time_unix_ms": checkpoint.time.get() },
            "segments": segments,
            "first_dropped_sequence": drops.then_some(first),
            "last_dropped_sequence": drops.then(|| checkpoint.sequence.saturating_sub(1)),
            "archive": archive.as_ref().map(|archive| archive.display().to_string()),
            "torn_tail": torn,
        });
        page.line(format_args!("{object:#}"));
        return Ok(page);
    }
    let (sequence, time) = (checkpoint.sequence, to_the_second(checkpoint.time.get()));
    let dir = dir.display();
    if !drops {
        page.line(format_args!(
            "{dir}: nothing to do, it begins with the checkpoint at record {sequence}"
        ));
        return Ok(page);
    }
    let what = if archive.is_some() { "archived" } else { "dropped" };
    let segments = counted(segments, "segment");
    if *dry_run {
        page.line(format_args!("{dir}: {segments} would be {what}; nothing was changed"));
    } else {
        page.line(format_args!("{dir}: {segments} {what}"));
    }
    page.line(format_args!("  records     {first} to {}", sequence.saturating_sub(1)));
    page.line(format_args!("  begins now  at record {sequence}, the checkpoint of {time} UTC"));
    if let Some(archive) = archive {
        page.line(format_args!("  archive     {}", archive.display()));
    }
    if let Some(torn) = torn {
        page.wrapped("  aside       ", &torn);
    }
    Ok(page)
}

/// The newest checkpoint that is not later than a time.
fn newest(log: &LogArguments, ledger: &Ledger, unix_ms: u64) -> Result<LedgerCheckpoint, Failure> {
    let not_later = |checkpoint: &&LedgerCheckpoint| checkpoint.time.get() <= unix_ms;
    if let Some(checkpoint) = ledger.checkpoints.iter().rfind(not_later) {
        return Ok(*checkpoint);
    }
    let dir = log.dir();
    let at = to_the_second(unix_ms);
    match ledger.checkpoints.first() {
        Some(first) => {
            let time = to_the_second(first.time.get());
            let what =
                format!("no checkpoint is from {at} UTC or before; the first is from {time} UTC");
            Err(Failure::at(dir, what))
        }
        None => {
            let (program, typed, key) = (program_name(), shell_word(dir), log.key.typed_again());
            let hint = format!("`{program} checkpoint {typed}{key}` writes one");
            Err(Failure::at(dir, "has no checkpoint to be kept from").noting(&hint))
        }
    }
}

/// A retention that failed: after a failed write, some segments may be gone already.
fn retention_failed(log: &LogArguments, error: &EngineError) -> Failure {
    let failure = Failure::of_engine(log.dir(), error);
    match error {
        EngineError::Log(WalError::Io { .. } | WalError::Poisoned { .. }) => failure
            .begun("type the same command again to finish it; what was copied already is kept"),
        _ => failure,
    }
}
