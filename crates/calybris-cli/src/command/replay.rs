//! `calybris replay`: does the log come out again, and what would another policy have changed?

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use calybris_core::engine::{
    Comparison, EngineError, ReplayOptions, ReplayProgress, ReplayReport, replay,
};
use indicatif::ProgressBar;
use serde_json::json;

use crate::failure::Failure;
use crate::input::error::InputError;
use crate::input::key::read_key;
use crate::log::beginning::{dropped, first_of};
use crate::page::Page;
use crate::report::proposal::Proposal;
use crate::report::{Report, object, page, tables};
use crate::routing::progress_bar_of;
use crate::table::{counted, grouped};

/// Run every decision of a log again, as it was or under another policy.
///
/// Without --policy: each decision is made again from its recorded request, policy and catalog, and has to come out as
/// it was recorded.
///
/// With --policy: what would have changed, as tables, as JSON or as a page. It is a replay, not a forecast: requests are
/// as they were, and budgets are not replayed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris replay ./log
  calybris replay ./log --policy stricter.toml
  calybris replay ./log --policy stricter.toml --html report.html
  calybris replay ./log --policy stricter.toml --catalog prices.json --json

Of the policy file the numbers of `[policy]` are used; with --catalog, its
`[[model]]` rules as well. The models of the catalog are matched to recorded
ones by name and provider, and so are capabilities, regions and providers.

Exit codes:
  0  done
  1  the log is not intact, or a decision does not come out as recorded
  2  could not be done: usage, a missing key, a bad file, a missing log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The log's directory
    dir: PathBuf,
    /// What would have changed under the numbers of this policy (TOML)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// And with the models and prices of this catalog (TOML, or a LiteLLM price list)
    #[arg(long, value_name = "FILE", requires = "policy")]
    catalog: Option<PathBuf>,
    /// Write the report as one page that loads nothing
    #[arg(long, value_name = "FILE", requires = "policy")]
    html: Option<PathBuf>,
    /// The key that the log was written with
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Decide with that many threads at once
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object, amounts in microunits
    #[arg(long)]
    pub(crate) json: bool,
}

/// Changes that are kept and explained one by one.
const LARGEST_CHANGES: usize = 20;

/// A run shorter than this says nothing about speed.
const SHORTEST_RATED: Duration = Duration::from_millis(10);

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    match &arguments.policy {
        None => reproduce(arguments),
        Some(policy) => compare(arguments, policy),
    }
}

fn reproduce(arguments: &Arguments) -> Result<Page, Failure> {
    let dir = &arguments.dir;
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let bar = Bar::new();
    let progress = |at| bar.show(at);
    let options = ReplayOptions { threads: arguments.threads, progress: Some(&progress) };
    let start = Instant::now();
    let replayed = replay(dir, key.as_ref(), &options, |_| Ok(Vec::new()), |_| {});
    let elapsed = start.elapsed();
    bar.clear();
    let replayed = replayed.map_err(|error| Failure::of_engine(dir, &error))?;
    let mut page = Page::default();
    if arguments.json {
        let object = json!({
            "intact": true,
            "reproduced": true,
            "first_sequence": first_of(replayed.records, replayed.head.sequence),
            "records": replayed.records,
            "decisions": replayed.decisions,
            "fallbacks": replayed.fallbacks,
            "without_snapshot": replayed.without_snapshot,
            "snapshots": replayed.snapshots,
            "bytes": replayed.bytes,
            "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "head": replayed.head.to_string(),
        });
        page.line(format_args!("{object:#}"));
    } else {
        words(dir, &replayed, elapsed, &mut page);
    }
    Ok(page)
}

fn words(dir: &Path, replayed: &ReplayReport, elapsed: Duration, page: &mut Page) {
    page.line(format_args!("{}: every decision comes out as it was recorded", dir.display()));
    page.line(format_args!(
        "  {} under {} of policy and catalog, in {}",
        counted(replayed.decisions, "decision"),
        counted(replayed.snapshots, "snapshot"),
        counted(replayed.records, "record")
    ));
    if let Some(dropped) = dropped(first_of(replayed.records, replayed.head.sequence)) {
        page.line(format_args!("  {dropped}"));
    }
    if replayed.fallbacks > 0 {
        page.line(format_args!(
            "  {} as the rank of the models allows",
            counted(replayed.fallbacks, "fallback")
        ));
    }
    if replayed.without_snapshot > 0 {
        page.line(format_args!(
            "  {} not run again: their policy was dropped with the log's beginning",
            counted(replayed.without_snapshot, "decision")
        ));
    }
    if elapsed >= SHORTEST_RATED {
        let per_second = u128::from(replayed.decisions) * 1_000_000 / elapsed.as_micros();
        page.line(format_args!(
            "  in {:.3} s: {} per second, every record verified",
            elapsed.as_secs_f64(),
            grouped(per_second)
        ));
    }
    page.line(format_args!("  head {}", replayed.head));
}

fn compare(arguments: &Arguments, policy: &Path) -> Result<Page, Failure> {
    let dir = &arguments.dir;
    let key = arguments.key_file.as_deref().map(read_key).transpose()?;
    let mut proposal = Proposal::read(policy, arguments.catalog.as_deref())?;
    let html = arguments.html.as_deref().map(PageFile::at).transpose()?;
    let mut comparison = Comparison::new(LARGEST_CHANGES);
    let mut refusal = None;
    let bar = Bar::new();
    let progress = |at| bar.show(at);
    let options = ReplayOptions { threads: arguments.threads, progress: Some(&progress) };
    let replayed = replay(
        dir,
        key.as_ref(),
        &options,
        |recorded| {
            let proposed = proposal.in_place_of(recorded);
            Ok(vec![proposed.map_err(|error| stop(&mut refusal, error))?])
        },
        |replayed| {
            if let ([proposed], [decision]) = (replayed.proposals, replayed.proposed) {
                let recorded = replayed.snapshot;
                comparison.add(replayed.sequence, &replayed.decided, recorded, proposed, decision);
            }
        },
    );
    bar.clear();
    let replayed = replayed.map_err(|error| failure(dir, refusal, &error))?;
    let what_if = comparison.finish();
    let report = Report { log: dir, replayed: &replayed, proposal: &proposal, what_if: &what_if };
    if let Some(file) = html {
        file.write(&page::page(&report))?;
    }
    if arguments.json {
        let mut page = Page::default();
        page.line(format_args!("{:#}", object::object(&report)));
        return Ok(page);
    }
    let mut shown = tables::page(&report);
    if let Some(file) = &arguments.html {
        shown.line(format_args!("page     {}", file.display()));
    }
    Ok(shown)
}

/// Keeps why a proposal was refused, and stops the replay with an error that nobody sees.
pub(crate) fn stop(refusal: &mut Option<InputError>, error: InputError) -> EngineError {
    *refusal = Some(error);
    EngineError::NoSnapshot
}

/// Why a replay ended early: the proposal that was refused, or else the log.
pub(crate) fn failure(dir: &Path, refusal: Option<InputError>, error: &EngineError) -> Failure {
    refusal.map_or_else(|| Failure::of_engine(dir, error), Failure::from)
}

/// A file for a page.
pub(crate) struct PageFile<'a>(&'a Path);

impl<'a> PageFile<'a> {
    /// A page may be written again, but nothing else is overwritten.
    pub(crate) fn at(file: &'a Path) -> Result<Self, Failure> {
        match std::fs::read(file) {
            Ok(found) if found.is_empty() || found.starts_with(b"<!DOCTYPE html>") => {
                Ok(Self(file))
            }
            Ok(_) => {
                let what = "exists and is no page; only a page is overwritten: name another file";
                Err(Failure::at(file, what))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self(file)),
            Err(error) => Err(Failure::at(file, error)),
        }
    }

    pub(crate) fn write(&self, page: &str) -> Result<(), Failure> {
        std::fs::write(self.0, page).map_err(|error| Failure::at(self.0, error))
    }
}

/// A progress bar by the bytes of the log, on a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        Self(progress_bar_of(
            "{bar:30} {binary_bytes} of {binary_total_bytes} replayed, {eta} left",
        ))
    }

    pub(crate) fn show(&self, at: ReplayProgress) {
        self.0.set_length(at.bytes_in_log);
        self.0.set_position(at.bytes);
    }

    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
