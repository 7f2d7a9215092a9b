//! `calybris report`: what a log holds, as tables, as JSON or as a page.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::period::Period;
use crate::log::spending::Spending;
use crate::output::Page;
use crate::report::html::{Forms, Html};
use crate::report::overview::Overview;
use crate::report::{overview_object, overview_page, overview_tables};

/// Report what a log holds: who spent what, on which models and when, who ran dry, what was rejected.
///
/// As tables, as JSON, or as one page with charts. Also the largest calls, by the numbers that `explain` takes, and
/// which log it is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris report ./log
  calybris report ./log --html report.html
  calybris report ./log --since 2026-11-01 --until 2026-12-01 --html page.html
  calybris report ./log --json | jq .ran_dry

Decisions count at the time at which they were made, what was spent at the time
at which it was settled or refunded; days are UTC. What tenants have left is as
of the end of the log, whatever --until says. For rows in other groups, and for
spreadsheets, see `calybris spend`.

The whole log is read and verified. It may run while another process writes it.

Exit codes:
  0  done
  1  the log is not intact, or the money does not add up
  2  could not be done: usage, a missing key, a missing or empty log
  3  done, but the output or the page could not be written; a page that was
     there before stays")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Write the report as one page that loads nothing; `-` is standard output, in place of the tables
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    period: Period,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let html = Html::asked(arguments.html.as_deref(), arguments.log.json)?;
    let period = arguments.period.range()?;
    let spending = Spending::open(&arguments.log)?;
    let overview = Overview::read(spending, arguments.log.dir().to_owned(), period)?;
    let forms = Forms {
        html: || overview_page::page(&overview),
        object: || overview_object::object(&overview),
        tables: || overview_tables::page(&overview),
    };
    forms.show(html.as_ref(), arguments.log.json)
}
