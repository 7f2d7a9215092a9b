//! `calybris report`: the contents of a log as tables, as JSON or as an HTML page.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::period::Period;
use crate::log::spending::Spending;
use crate::output::Page;
use crate::report::html::{Forms, Html};
use crate::report::overview::Overview;
use crate::report::{overview_object, overview_page, overview_tables};

/// Report what a log holds: spending by tenant, model and day, exhausted budgets, rejections.
///
/// As tables, as JSON, or as one HTML page with charts. Also the most expensive calls, with the sequences that `explain`
/// takes, and which log it is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris report ./log
  calybris report ./log --html report.html
  calybris report ./log --since 2026-11-01 --until 2026-12-01 --html page.html
  calybris report ./log --json | jq .ran_dry

A decision counts at the time at which it was made, an amount at the time at
which it was settled or refunded; days are UTC. Balances are those at the end of
the log, whatever --until says. For other groups, and for spreadsheets, see
`calybris spend`.

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
