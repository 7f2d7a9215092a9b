//! `calybris replay`: makes every decision of a log again, as it was or under another policy.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use calybris_core::engine::{Comparison, ReplayReport};
use serde_json::json;

use crate::amount::{counted, rate};
use crate::failure::Failure;
use crate::log::beginning::{dropped, first_of};
use crate::output::Page;
use crate::replaying::ReplayArguments;
use crate::report::html::Forms;
use crate::report::proposal::Proposal;
use crate::report::{Report, object, page, tables};

/// Run every decision of a log again, as it was or under another policy.
///
/// Without --policy: each decision is made again from its recorded request, policy and catalog, and has to come out as
/// it was recorded.
///
/// With --policy: what would have changed, as tables, as JSON or as a page. It is a replay, not a forecast: requests are
/// as they were, and budgets are not replayed.
#[derive(clap::Args)]
#[command(mut_arg("html", |html| html.requires("policy")), after_help = "\
Examples:
  calybris replay ./log
  calybris replay ./log --policy stricter.toml
  calybris replay ./log --policy stricter.toml --html report.html
  calybris replay ./log --policy stricter.toml --catalog prices.json --json

The numbers of `[policy]` in the policy file are used; with --catalog its
`[[model]]` rules as well. Models of the catalog are matched to recorded ones by
name and provider; providers, capabilities and regions are matched by name.

Exit codes:
  0  done
  1  the log is not intact, or a decision comes out differently
  2  could not be done: usage, a missing key, a bad file, a missing or empty log
  3  done, but the output or the page could not be written; a page that was
     there before stays")]
pub(crate) struct Arguments {
    /// Show what would have changed under the numbers of this policy (TOML)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Use the models and prices of this catalog as well (TOML, or a LiteLLM price list)
    #[arg(long, value_name = "FILE", requires = "policy")]
    catalog: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: ReplayArguments,
}

/// The most changes that are kept and explained.
const LARGEST_CHANGES: usize = 20;

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    match &arguments.policy {
        None => reproduce(arguments),
        Some(policy) => compare(arguments, policy),
    }
}

fn reproduce(arguments: &Arguments) -> Result<Page, Failure> {
    let start = Instant::now();
    let replayed = arguments.of.replay(|_| Ok(Vec::new()), |_| {})?;
    let elapsed = start.elapsed();
    let mut page = Page::default();
    if arguments.of.log.json {
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
        words(arguments.of.log.dir(), &replayed, elapsed, &mut page);
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
    if let Some(rate) = rate(replayed.decisions, elapsed) {
        let seconds = elapsed.as_secs_f64();
        page.line(format_args!("  in {seconds:.3} s: {rate}, every record verified"));
    }
    page.line(format_args!("  head {}", replayed.head));
}

fn compare(arguments: &Arguments, policy: &Path) -> Result<Page, Failure> {
    let mut proposal = Proposal::read(policy, arguments.catalog.as_deref())?;
    let html = arguments.of.html()?;
    let mut comparison = Comparison::new(LARGEST_CHANGES);
    let replayed = arguments.of.replay(
        |recorded| Ok(vec![proposal.in_place_of(recorded)?]),
        |replayed| {
            if let ([proposed], [decision]) = (replayed.proposals, replayed.proposed) {
                let recorded = replayed.snapshot;
                comparison.add(replayed.sequence, &replayed.decided, recorded, proposed, decision);
            }
        },
    )?;
    let what_if = comparison.finish().map_err(Failure::refused)?;
    let log = arguments.of.log.dir();
    let report = Report { log, replayed: &replayed, proposal: &proposal, what_if: &what_if };
    let forms = Forms {
        html: || page::page(&report),
        object: || object::object(&report),
        tables: || tables::page(&report),
    };
    forms.show(html.as_ref(), arguments.of.log.json)
}
