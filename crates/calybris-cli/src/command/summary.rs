//! What `route` and `demo` print when they are done.

use serde_json::json;

use crate::input::catalog::Skipped;
use crate::page::Page;
use crate::routing::{Job, Routed};
use crate::table::{grouped, money, table};
use crate::tally::Substitution;

/// Rows of the longer tables; the rest is one line.
const LONGEST_TABLE_ROWS: usize = 12;

/// One JSON object.
pub(crate) fn json(job: &Job<'_>, routed: &Routed, page: &mut Page) {
    let skipped = |kind| job.catalog.skipped.iter().filter(|skipped| **skipped == kind).count();
    let balances: Vec<_> = routed
        .balances
        .iter()
        .map(|(tenant, granted, available)| {
            json!({"tenant": tenant, "granted_microunits": granted, "available_microunits": available})
        })
        .collect();
    let object = json!({
        "log": job.log.display().to_string(),
        "catalog": {
            "models": job.catalog.snapshot.names().models.len(),
            "providers": job.catalog.snapshot.names().providers.len(),
            "digest": job.catalog.snapshot.digest().to_string(),
            "rounded_prices": job.catalog.rounded_prices,
            "skipped_not_chat": skipped(Skipped::NotChat),
            "skipped_no_price": skipped(Skipped::NoPrice),
            "unmatched_rules": job.catalog.unmatched_rules,
        },
        "found": {
            "records": routed.earlier.records,
            "decisions": routed.earlier.decisions,
            "torn_tail": routed.earlier.torn,
            "abandoned_tickets": routed.earlier.abandoned_tickets,
            "abandoned_microunits": routed.earlier.abandoned_microunits,
        },
        "routed": routed.tally,
        "balances": balances,
        "elapsed_us": u64::try_from(routed.elapsed.as_micros()).unwrap_or(u64::MAX),
        "decisions_per_second": decisions_per_second(routed),
        "records": routed.report.records,
        "anchor": routed.anchor.to_string(),
        "verified": true,
    });
    page.line(format_args!("{object:#}"));
}

/// Tables for a terminal.
pub(crate) fn tables(job: &Job<'_>, routed: &Routed, page: &mut Page) {
    inputs(job, page);
    earlier(routed, page);
    decisions(routed, page);
    tenants(routed, page);
    models(routed, page);
    log(job, routed, page);
}

fn inputs(job: &Job<'_>, page: &mut Page) {
    let names = job.catalog.snapshot.names();
    let providers = names.providers.len();
    page.line(format_args!(
        "catalog    {} models of {providers} providers",
        grouped_length(names.models.len())
    ));
    let count = |kind| job.catalog.skipped.iter().filter(|skipped| **skipped == kind).count();
    let (not_chat, no_price) = (count(Skipped::NotChat), count(Skipped::NoPrice));
    if not_chat + no_price > 0 {
        page.line(format_args!(
            "           skipped: {} that do not chat, {no_price} without both prices",
            grouped_length(not_chat)
        ));
    }
    if job.catalog.rounded_prices > 0 {
        page.line(format_args!(
            "           {} prices were not whole microunits per million tokens and were rounded up",
            grouped(job.catalog.rounded_prices)
        ));
    }
    for rule in &job.catalog.unmatched_rules {
        page.line(format_args!(
            "           note: no model matches the rule `{rule}` of the policy file"
        ));
    }
}

fn earlier(routed: &Routed, page: &mut Page) {
    let found = &routed.earlier;
    if found.records == 0 {
        return;
    }
    page.line(format_args!(
        "found      {} records of an earlier run, {} decisions",
        grouped(found.records),
        grouped(found.decisions)
    ));
    if let Some(torn) = &found.torn {
        page.line(format_args!("           {torn}"));
    }
    if found.abandoned_tickets > 0 {
        page.line(format_args!(
            "           {} tickets were open; abandoned, {} went back to their tenants",
            grouped(found.abandoned_tickets),
            money(found.abandoned_microunits)
        ));
    }
}

fn decisions(routed: &Routed, page: &mut Page) {
    let tally = &routed.tally;
    page.line(format_args!(
        "decided    {} requests in {:.3} s: {} decisions per second, each reserved, logged and settled",
        grouped(tally.decisions),
        routed.elapsed.as_secs_f64(),
        grouped(decisions_per_second(routed))
    ));
    page.line("");
    let row = |what: &str, count: u64| vec![what.to_owned(), grouped(count)];
    let mut rows = vec![
        row("the requested model was best", tally.executed_as_requested),
        row("another model was better", tally.substituted),
        row("rejected", tally.rejected),
    ];
    rows.extend(
        tally
            .rejections
            .iter()
            .map(|rejection| row(&format!("  {}", rejection.meaning), rejection.count)),
    );
    rows.push(row("refused: the tenant's budget did not suffice", tally.insufficient_budget));
    page.line(table(&["outcome", "requests"], &[1], rows));
    if tally.requested_unlisted_model > 0 {
        page.line(format_args!(
            "{} requests asked for a model outside the catalog",
            grouped(tally.requested_unlisted_model)
        ));
    }
    page.line("");
}

fn tenants(routed: &Routed, page: &mut Page) {
    let rows = routed.balances.iter().map(|(tenant, granted, available)| {
        let tally = routed.tally.tenants.get(tenant);
        let count = |of: fn(&crate::tally::TenantTally) -> u64| grouped(tally.map_or(0, of));
        vec![
            tenant.clone(),
            count(|tally| tally.decisions),
            count(|tally| tally.carried_out),
            count(|tally| tally.rejected),
            count(|tally| tally.insufficient_budget),
            money(tally.map_or(0, |tally| tally.committed_microunits)),
            money(*available),
            money(*granted),
        ]
    });
    let header =
        ["tenant", "requests", "carried out", "rejected", "no budget", "spent", "left", "budget"];
    page.line(table(&header, &[1, 2, 3, 4, 5, 6, 7], rows));
    page.line("amounts in currency units of 1,000,000 microunits\n");
}

fn models(routed: &Routed, page: &mut Page) {
    let tally = &routed.tally;
    let mut models: Vec<_> = tally.models.iter().collect();
    models.sort_by_key(|(name, model)| (std::cmp::Reverse(model.carried_out), *name));
    let rows = models.iter().take(LONGEST_TABLE_ROWS).map(|(name, model)| {
        vec![(*name).clone(), grouped(model.carried_out), money(model.committed_microunits)]
    });
    page.line(table(&["chosen model", "calls", "spent"], &[1, 2], rows));
    rest(models.len(), "models", page);
    let substitutions = &tally.substitutions;
    if !substitutions.is_empty() {
        let rows = substitutions.iter().take(LONGEST_TABLE_ROWS).map(|substitution| {
            let Substitution { requested, chosen, count } = substitution;
            vec![requested.clone(), chosen.clone(), grouped(*count)]
        });
        page.line(table(&["requested", "chosen instead", "times"], &[2], rows));
        rest(substitutions.len(), "substitutions", page);
    }
}

fn rest(rows: usize, what: &str, page: &mut Page) {
    let rest = rows.saturating_sub(LONGEST_TABLE_ROWS);
    if rest > 0 {
        page.line(format_args!("... and {} more {what}; --json lists all", grouped_length(rest)));
    }
    page.line("");
}

fn log(job: &Job<'_>, routed: &Routed, page: &mut Page) {
    page.line(format_args!("log        {}", job.log.display()));
    page.line(format_args!(
        "           {} records, {} bytes; verified from the disk, hash by hash",
        grouped(routed.report.records),
        grouped(routed.report.bytes)
    ));
    page.line(format_args!("anchor     {}", routed.anchor));
}

fn decisions_per_second(routed: &Routed) -> u64 {
    let microseconds = routed.elapsed.as_micros().max(1);
    u64::try_from(u128::from(routed.tally.decisions) * 1_000_000 / microseconds).unwrap_or(u64::MAX)
}

fn grouped_length(length: usize) -> String {
    grouped(u64::try_from(length).unwrap_or(u64::MAX))
}
