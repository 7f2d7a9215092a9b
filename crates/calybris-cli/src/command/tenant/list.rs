//! `calybris tenant list`: every tenant with its budget and its rules.

use calybris_core::engine::Ledger;
use serde_json::json;

use super::difference::Named;
use crate::amount::{counted, money};
use crate::failure::Failure;
use crate::log::account::{account_object, limit_word, overrun_word};
use crate::log::arguments::LogArguments;
use crate::log::intact::Intact;
use crate::output::Page;
use crate::table::table;

/// List the tenants of a log with their budgets and rules.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris tenant list ./log
  calybris tenant list ./log --json | jq '.tenants[] | select(.frozen)'

The whole log is read and verified. It may run while another process writes the
log. `calybris budget` shows what is reserved and spent as well.

Exit codes:
  0  listed
  1  the log is not intact, or the money does not add up
  2  could not be read: usage, a missing key, a missing or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let Intact { ledger, .. } = Intact::read(&arguments.log)?;
    let mut page = Page::default();
    if arguments.log.json {
        let tenants: Vec<_> = ledger.accounts.iter().map(account_object).collect();
        let object = json!({ "last_sequence": ledger.last_sequence, "tenants": tenants });
        page.line(format_args!("{object:#}"));
        return Ok(page);
    }
    let dir = arguments.log.dir().display();
    let tenants = counted(ledger.accounts.len(), "tenant");
    page.line(format_args!("{dir} at record {}: {tenants}", ledger.last_sequence));
    if !ledger.accounts.is_empty() {
        page.line("");
        tabulate(&ledger, &mut page);
        page.line("amounts in currency units of 1,000,000 microunits");
    }
    Ok(page)
}

fn tabulate(ledger: &Ledger, page: &mut Page) {
    // The columns behind the amounts, each only if a tenant has something in it.
    let columns: [Named<String>; 5] = [
        ("debt", |account| match account.balance.debt.get() {
            0 => String::new(),
            debt => money(debt),
        }),
        ("exposure cap", |account| {
            account.rules.exposure_cap.map_or_else(String::new, |cap| limit_word(Some(cap)))
        }),
        ("soft limit", |account| {
            account.rules.soft_limit.map_or_else(String::new, |soft| limit_word(Some(soft)))
        }),
        ("overrun", |account| overrun_word(account.rules.overrun).to_owned()),
        ("frozen", |account| if account.frozen { "yes" } else { "" }.to_owned()),
    ];
    let used = |column: &Named<String>| {
        ledger.accounts.iter().any(|account| !column.1(account).is_empty())
    };
    let columns: Vec<_> = columns.into_iter().filter(used).collect();
    let header = ["tenant", "granted", "available"].into_iter();
    let header: Vec<&str> = header.chain(columns.iter().map(|column| column.0)).collect();
    // Amounts are aligned to the right, and neither they nor rules are ever cut.
    let whole = ["granted", "available", "debt", "exposure cap", "soft limit", "overrun"];
    let numeric: Vec<usize> = (0..header.len())
        .filter(|index| header.get(*index).is_some_and(|name| whole.contains(name)))
        .collect();
    let rows = ledger.accounts.iter().map(|account| {
        let name = format!("{}{}", "  ".repeat(account.depth), account.tenant);
        let amounts =
            [money(account.balance.granted.get()), money(account.balance.available.get())];
        let more = columns.iter().map(|column| column.1(account));
        std::iter::once(name).chain(amounts).chain(more).collect()
    });
    page.line(table(&header, &numeric, rows));
}
