//! `calybris budget`: what each tenant has, what is reserved, and the proof that it adds up.

use std::collections::BTreeMap;
use std::path::Path;

use calybris_core::budget::Totals;
use calybris_core::engine::{Ledger, LedgerAccount};
use serde_json::{Value, json};

use crate::amount::{counted, grouped, money};
use crate::failure::Failure;
use crate::input::whole::whole;
use crate::log::account::{account_object, balance_object};
use crate::log::arguments::LogArguments;
use crate::log::beginning::{dropped, first_of};
use crate::log::intact::Intact;
use crate::log::origin::Origin;
use crate::output::Page;
use crate::table::table;
use crate::terminal::{Paint, bar, draws_bars};
use crate::time::to_the_second;

/// Show every tenant's budget and what is reserved, and prove that the money adds up.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris budget ./log
  calybris budget ./log --json | jq '.accounts[] | select(.debt_microunits > 0)'

The whole log is read and verified, and its events are summed up a second time
by code that shares nothing with the budget. It may run while another process
writes the log.

Exit codes:
  0  shown, and the money adds up
  1  the log is not intact, or the money does not add up
  2  could not be read: usage, a missing key, a missing or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Rows of the table of open tickets, oldest first; 0 is all
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole::<usize>)]
    top: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let dir = arguments.log.dir();
    let Intact { key, ledger, total } = Intact::read(&arguments.log)?;
    let origins = Origin::of_tickets(dir, key.as_ref(), &ledger.open_tickets)?;
    let mut page = Page::default();
    if arguments.log.json {
        page.line(format_args!("{:#}", json_of(&ledger, &total, &origins)));
    } else {
        let top = if arguments.top == 0 { usize::MAX } else { arguments.top };
        words(dir, &ledger, &total, &origins, top, &mut page);
    }
    Ok(page)
}

fn words(
    dir: &Path,
    ledger: &Ledger,
    total: &Totals,
    origins: &BTreeMap<u64, Origin>,
    top: usize,
    page: &mut Page,
) {
    let paint = Paint::of_stdout();
    page.line(format_args!(
        "{} at record {}: {}, {} open",
        dir.display(),
        ledger.last_sequence,
        counted(ledger.decisions, "decision"),
        counted(ledger.open_tickets.len(), "ticket")
    ));
    let first = first_of(ledger.records, ledger.last_sequence);
    if let Some(dropped) = dropped(first) {
        page.line(format_args!("{dropped}: balances before it are taken from the checkpoint"));
    }
    page.line("");
    accounts(ledger, total, page);
    tickets(ledger, origins, top, page);
    page.line(paint.good("The money adds up."));
    page.line("For every tenant, after every event, granted + debt = available + reserved +");
    page.line("committed; and a second sum over all events agrees with the balances.");
}

fn accounts(ledger: &Ledger, total: &Totals, page: &mut Page) {
    let with_bars = draws_bars();
    let debts = ledger.accounts.iter().any(|account| account.balance.debt.get() > 0);
    let mut header = vec!["tenant", "granted", "available", "reserved", "committed"];
    if debts {
        header.push("debt");
    }
    let numeric: Vec<usize> = (1..header.len()).collect();
    if with_bars {
        header.push("used # reserved +");
    }
    let row = |name: String, balance: Totals| {
        let mut row = vec![
            name,
            money(balance.granted_microunits),
            money(balance.available_microunits),
            money(balance.reserved_microunits),
            money(balance.committed_microunits),
        ];
        if debts {
            row.push(money(balance.debt_microunits));
        }
        if with_bars {
            let parts = [('#', balance.committed_microunits), ('+', balance.reserved_microunits)];
            row.push(bar(16, balance.granted_microunits, &parts));
        }
        row
    };
    let mut rows: Vec<Vec<String>> =
        ledger.accounts.iter().map(|account| row(name(account), account.balance.into())).collect();
    let roots = ledger.accounts.iter().filter(|account| account.depth == 0).count();
    if roots > 1 {
        rows.push(row("(all)".to_owned(), *total));
    }
    page.line(table(&header, &numeric, rows));
    page.line("amounts in currency units of 1,000,000 microunits\n");
}

/// The name, indented by the tenant's depth, and its restrictions.
fn name(account: &LedgerAccount) -> String {
    let indent = "  ".repeat(account.depth);
    let mut notes = String::new();
    if account.frozen {
        notes.push_str(" (frozen)");
    }
    if let Some(cap) = account.rules.exposure_cap {
        notes.push_str(&format!(" (reserves at most {})", money(cap.get())));
    }
    format!("{indent}{}{notes}", account.tenant)
}

fn tickets(ledger: &Ledger, origins: &BTreeMap<u64, Origin>, top: usize, page: &mut Page) {
    if ledger.open_tickets.is_empty() {
        return;
    }
    let rows = ledger.open_tickets.iter().take(top).map(|ticket| {
        let origin = origins.get(&ticket.decision_sequence);
        vec![
            ticket.decision_sequence.to_string(),
            origin.map_or_else(String::new, |origin| to_the_second(origin.time_unix_ms)),
            ticket.tenant.clone(),
            origin.map_or_else(String::new, |origin| origin.model.clone()),
            money(ticket.reserved.get()),
        ]
    });
    let header = ["open", "since (UTC)", "tenant", "model", "reserved"];
    page.line(table(&header, &[0, 4], rows));
    let more = ledger.open_tickets.len().saturating_sub(top);
    if more > 0 {
        page.line(format_args!("and {} more; --top 0 shows all", grouped(more)));
    }
    page.line("");
}

fn json_of(ledger: &Ledger, total: &Totals, origins: &BTreeMap<u64, Origin>) -> Value {
    json!({
        "first_sequence": first_of(ledger.records, ledger.last_sequence),
        "records": ledger.records,
        "decisions": ledger.decisions,
        "last_sequence": ledger.last_sequence,
        "accounts": ledger.accounts.iter().map(account_object).collect::<Vec<_>>(),
        "total": balance_object(*total),
        "open_tickets": ledger.open_tickets.iter().map(|ticket| Origin::object(origins, ticket)).collect::<Vec<_>>(),
        "adds_up": true,
    })
}
