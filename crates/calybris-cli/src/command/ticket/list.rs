//! `calybris ticket list`: the open tickets of a log by age.

use calybris_core::engine::OpenTicket;
use calybris_core::units::UnixMillis;
use serde_json::{Value, json};

use crate::amount::{counted, money};
use crate::failure::Failure;
use crate::log::arguments::{LogArguments, time_or_now};
use crate::log::intact::Intact;
use crate::log::origin::Origin;
use crate::output::Page;
use crate::table::table;
use crate::time::{age, to_the_second};

/// List the open tickets of a log, the oldest first.
///
/// A ticket is open from its decision until it is settled or abandoned, and its reservation is kept as long.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris ticket list ./log
  calybris ticket list ./log --json | jq '.tickets[] | select(.age_ms > 60000)'

The whole log is read and verified. It may run while another process writes the
log.

Exit codes:
  0  listed
  1  the log is not intact, or the money does not add up
  2  could not be read: usage, a missing key, a missing or empty log
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// The time at which ages are counted (2026-11-02, 2026-11-02T09:00:00Z); by default the system's clock
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let now = time_or_now("--at", arguments.at.as_deref())?;
    let dir = arguments.log.dir();
    let Intact { key, ledger, .. } = Intact::read(&arguments.log)?;
    let origins = Origin::of_tickets(dir, key.as_ref(), &ledger.open_tickets)?;
    let opened = |ticket: &OpenTicket| {
        origins.get(&ticket.decision_sequence).map(|origin| origin.time_unix_ms)
    };
    let mut tickets: Vec<&OpenTicket> = ledger.open_tickets.iter().collect();
    // A ticket from before the first record that is left has no known time, and is older than all others.
    tickets.sort_by_key(|ticket| (opened(ticket), ticket.decision_sequence));
    let reserved: u128 = tickets.iter().map(|ticket| u128::from(ticket.reserved.get())).sum();
    let mut page = Page::default();
    if arguments.log.json {
        let object = |ticket: &&OpenTicket| {
            let mut object = Origin::object(&origins, ticket);
            if let Some(map) = object.as_object_mut() {
                map.insert("age_ms".to_owned(), json!(age_ms(opened(ticket), now)));
            }
            object
        };
        let tickets: Vec<Value> = tickets.iter().map(object).collect();
        let object = json!({
            "last_sequence": ledger.last_sequence,
            "time_unix_ms": now.get(),
            "reserved_microunits": reserved,
            "tickets": tickets,
        });
        page.line(format_args!("{object:#}"));
        return Ok(page);
    }
    page.line(format_args!(
        "{} at record {}: {} open, {} reserved",
        dir.display(),
        ledger.last_sequence,
        counted(tickets.len(), "ticket"),
        money(reserved)
    ));
    if tickets.is_empty() {
        return Ok(page);
    }
    let rows = tickets.into_iter().map(|ticket| {
        let origin = origins.get(&ticket.decision_sequence);
        vec![
            ticket.decision_sequence.to_string(),
            opened(ticket).map_or_else(String::new, to_the_second),
            age_ms(opened(ticket), now).map_or_else(String::new, age),
            ticket.tenant.clone(),
            origin.map_or_else(String::new, |origin| origin.model.clone()),
            money(ticket.reserved.get()),
        ]
    });
    page.line("");
    let header = ["ticket", "since (UTC)", "age", "tenant", "model", "reserved"];
    page.line(table(&header, &[0, 2, 5], rows));
    page.line("amounts in currency units of 1,000,000 microunits");
    Ok(page)
}

/// How old a ticket is; 0 if it is younger than the time that is asked for.
fn age_ms(opened_unix_ms: Option<u64>, now: UnixMillis) -> Option<u64> {
    opened_unix_ms.map(|opened| now.get().saturating_sub(opened))
}
