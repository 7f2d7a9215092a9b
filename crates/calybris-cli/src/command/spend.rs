//! `calybris spend`: what was spent, by tenant, provider, model, day or month.

use calybris_catalog::text::quoted;
use calybris_core::wal::{Anchor, Hash};

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::log::period::Period;
use crate::log::spending::Spending;
use crate::output::Page;
use crate::report::spend::{Column, Read, Spend};
use crate::spreadsheet::row;
use crate::stream::Stream;

/// Show what was spent, by tenant, provider, model, day and month in any combination.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris spend ./log
  calybris spend ./log --by tenant,model,day
  calybris spend ./log --by month,tenant --since 2026-11-01 --until 2026-12-01
  calybris spend ./log --by provider,model --csv > spend.csv

A call counts on the day on which it was settled, a refund on the day on which
it was made, days being UTC. `settled` is what the tenant was charged, `spent`
is that less refunds, and `open` is what is reserved for calls in flight
(on the day on which they were decided); it is not spent. `not charged` is what
calls cost above what the tenant's rules let it be charged. A tenant's row does
not include the tenants below it. Refunds name no model: theirs is (unknown).

Without --since and --until the total is what `calybris budget` says is
committed. A log whose beginning was dropped has `brought forward`: what was
spent before, as its checkpoint says, for models and at times that are
(unknown); with --since or --until it is left out, and the amount is said.

--csv is for spreadsheets: a name that one would run (it begins with = + - @)
begins with ' instead, and control characters are escapes such as \\u001b.

The whole log is read and verified. It may run while another process writes it.

Exit codes:
  0  shown
  1  the log is not intact, or the money does not add up
  2  could not be read: usage, a missing key, a missing or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// What a row stands for, in this order
    #[arg(
        long,
        value_enum,
        value_name = "COLUMN,...",
        value_delimiter = ',',
        default_value = "tenant"
    )]
    by: Vec<Column>,
    #[command(flatten)]
    period: Period,
    /// Print CSV: a row for each group, amounts in microunits, no total
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let mut by = Vec::new();
    for column in &arguments.by {
        if by.contains(column) {
            let what = format!("--by: {} stands there twice", quoted(column.name()));
            return Err(Failure::refused(what));
        }
        by.push(*column);
    }
    let mut spend = Spend::new(by, arguments.period.range()?);
    let mut spending = Spending::open(&arguments.log)?;
    let mut head =
        Anchor { log_id: spending.log_id(), sequence: 0, hash: Hash::from_bytes([0; 32]) };
    while let Some(line) = spending.next()? {
        (head.sequence, head.hash) = (line.entry.sequence, line.entry.hash);
        line.spent.iter().for_each(|spent| spend.add(spent));
    }
    let books = spending.finish()?;
    books.open.iter().for_each(|(ticket, call)| spend.add_open(ticket, call));
    let read = Read {
        log: arguments.log.dir().to_owned(),
        records: books.ledger.records,
        head,
        ledger_total: books.total,
    };
    let mut page = Page::default();
    if arguments.log.json {
        page.line(format_args!("{:#}", spend.object(&read)));
    } else if arguments.csv {
        let mut out = Stream::stdout();
        for cells in spend.csv() {
            out.write(format_args!("{}", row(cells)?))?;
        }
        out.finish()?;
    } else {
        page.append(&spend.page(&read));
    }
    Ok(page)
}
