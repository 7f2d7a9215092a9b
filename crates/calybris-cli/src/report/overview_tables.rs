//! The report of a log for a terminal of 80 columns, and the rows that it shares with the page.

use super::axis::DAY_MS;
use super::overview::{Dry, Large, Overview, Part};
use super::spend::{Sums, UNKNOWN};
use crate::amount::{counted, grouped, money, share, signed_money};
use crate::log::beginning::dropped;
use crate::log::spending::{ALL_TIME, Served};
use crate::output::Page;
use crate::table::{LONGEST_TABLE_ROWS, rest, table};
use crate::terminal::{program_name, shell_word};
use crate::time::{day, to_the_second};

pub(crate) fn page(overview: &Overview) -> Page {
    let mut page = Page::default();
    for (name, value) in facts(overview) {
        page.wrapped(&format!("{name:10}"), &value);
    }
    page.line("");
    totals(&overview.found.total, &mut page);
    tenants(overview, &mut page);
    dry(overview, &mut page);
    models(overview, &mut page);
    days(overview, &mut page);
    refusals(overview, &mut page);
    unlisted(overview, &mut page);
    largest(overview, &mut page);
    page.line("amounts in currency units of 1,000,000 microunits");
    page
}

/// Which log it is, and what was verified.
pub(crate) fn facts(overview: &Overview) -> Vec<(&'static str, String)> {
    let ledger = &overview.books.ledger;
    let mut facts = vec![
        ("log", overview.log.display().to_string()),
        ("anchor", overview.head.to_string()),
        (
            "records",
            format!("{} to {}", grouped(overview.first.sequence), grouped(overview.last.sequence)),
        ),
    ];
    if let Some((from, to)) = overview.found.decided_unix_ms {
        let (from, to) = (to_the_second(from), to_the_second(to));
        facts.push(("calls", format!("decided from {from} UTC to {to} UTC")));
    }
    if let Some(dropped) = dropped(overview.first_sequence()) {
        let before = overview.found.total.sums.brought_forward;
        let amount = match before {
            0 => String::new(),
            _ => format!(
                "; {} spent before is taken from the checkpoint, for models and at times that are {UNKNOWN}",
                signed_money(before)
            ),
        };
        facts.push(("beginning", format!("{dropped}{amount}")));
    }
    if overview.found.period != ALL_TIME {
        let period = &overview.found.period;
        let since = match period.start {
            0 => "the beginning".to_owned(),
            start => format!("{} UTC", to_the_second(start)),
        };
        let until = match period.end {
            u64::MAX => "the end".to_owned(),
            end => format!("before {} UTC", to_the_second(end)),
        };
        let left_out = match overview.found.left_out_microunits {
            0 => String::new(),
            amount => format!(
                "; {} spent before record {} at an unknown time is left out",
                signed_money(amount),
                overview.first_sequence()
            ),
        };
        facts.push(("period", format!("from {since} to {until}{left_out}")));
    }
    let key = match overview.keyed {
        true => "with the key",
        false => "without a key, so a rewritten log would verify as well: compare the anchor",
    };
    facts.push((
        "verified",
        format!(
            "{} from the first to the last, {key}; the money adds up",
            counted(ledger.records, "record")
        ),
    ));
    facts
}

/// What became of the decisions, and what they cost.
pub(crate) fn total_rows(total: &Part) -> Vec<Vec<String>> {
    let sums = &total.sums;
    let row =
        |what: &str, count: u64, amount: String| vec![what.to_owned(), grouped(count), amount];
    let mut rows = vec![row("settled", sums.calls, signed_money(sums.settled))];
    if sums.open_calls > 0 {
        rows.push(row("open, reserved and not spent", sums.open_calls, signed_money(sums.open)));
    }
    for (what, count) in [
        ("abandoned", total.abandoned),
        ("rejected by the policy", total.rejected),
        ("refused by the budget", total.unfunded),
    ] {
        if count > 0 {
            rows.push(row(what, count, String::new()));
        }
    }
    for (what, amount) in
        [("refunded", -sums.refunded), ("spent before the first record", sums.brought_forward)]
    {
        if amount != 0 {
            rows.push(vec![what.to_owned(), String::new(), signed_money(amount)]);
        }
    }
    rows
}

fn totals(total: &Part, page: &mut Page) {
    let spent = vec!["spent".to_owned(), String::new(), signed_money(total.sums.spent())];
    let rows = total_rows(total).into_iter().chain([spent]);
    let decisions = counted(total.decisions, "decision");
    page.line(table(&[&decisions, "calls", "amount"], &[1, 2], rows));
    page.line("");
}

pub(crate) const TENANT_HEADER: [&str; 7] =
    ["tenant", "calls", "rejected", "unfunded", "spent", "of all", "available"];

/// A row for each tenant, by what it spent.
pub(crate) fn tenant_rows(overview: &Overview) -> Vec<Vec<String>> {
    let whole = overview.found.total.sums.spent();
    let row = |(tenant, part): (&String, &Part)| {
        let accounts = &overview.books.ledger.accounts;
        let account = accounts.iter().find(|account| account.tenant == *tenant);
        let available = account.map(|account| money(account.balance.available.get()));
        let mut row = vec![tenant.clone()];
        row.extend(part_cells(part, whole));
        row.push(available.unwrap_or_default());
        row
    };
    overview.found.tenants_by_spend().into_iter().map(row).collect()
}

pub(crate) fn tenant_total(overview: &Overview) -> Vec<String> {
    let total = &overview.found.total;
    let mut row = vec!["(all)".to_owned()];
    row.extend(part_cells(total, total.sums.spent()));
    row.push(money(overview.books.total.available_microunits));
    row
}

fn part_cells(part: &Part, whole: i128) -> [String; 5] {
    [
        grouped(part.sums.calls),
        grouped(part.rejected),
        grouped(part.unfunded),
        signed_money(part.sums.spent()),
        share_of(part.sums.spent(), whole),
    ]
}

/// A share of what was spent; none where refunds leave less than nothing.
fn share_of(part: i128, whole: i128) -> String {
    match (u128::try_from(part), u128::try_from(whole)) {
        (Ok(part), Ok(whole)) if whole > 0 => share(part, whole),
        _ => "-".to_owned(),
    }
}

fn tenants(overview: &Overview, page: &mut Page) {
    let mut rows = tenant_rows(overview);
    let count = rows.len();
    rows.truncate(LONGEST_TABLE_ROWS);
    rows.push(tenant_total(overview));
    page.line(table(&TENANT_HEADER, &[1, 2, 3, 4, 5, 6], rows));
    rest(count, "tenant", page);
}

pub(crate) const DRY_HEADER: [&str; 7] =
    ["ran dry", "first (UTC)", "decision", "had", "needed", "refused", "for"];

/// A row for each tenant whose budget did not suffice.
pub(crate) fn dry_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |(tenant, dry): (&String, &Dry)| {
        vec![
            tenant.clone(),
            to_the_second(dry.first_unix_ms),
            dry.first_sequence.to_string(),
            money(dry.available_microunits),
            money(dry.needed_microunits),
            grouped(dry.decisions),
            money(dry.missed_microunits),
        ]
    };
    overview.found.dry_by_time().into_iter().map(row).collect()
}

fn dry(overview: &Overview, page: &mut Page) {
    let rows = dry_rows(overview);
    if rows.is_empty() {
        return;
    }
    let count = rows.len();
    let short = rows.into_iter().take(LONGEST_TABLE_ROWS);
    page.line(table(&DRY_HEADER, &[2, 3, 4, 5, 6], short));
    rest(count, "tenant", page);
}

pub(crate) const MODEL_HEADER: [&str; 6] =
    ["model", "provider", "calls", "spent", "of all", "per call"];

/// A row for each model, by what was spent on it.
pub(crate) fn model_rows(overview: &Overview) -> Vec<Vec<String>> {
    let whole = overview.found.total.sums.spent();
    let row = |(served, sums): (&Option<std::rc::Rc<Served>>, &Sums)| {
        let name = |of: fn(&Served) -> &String| {
            served.as_ref().map_or_else(|| UNKNOWN.to_owned(), |served| of(served).clone())
        };
        let per_call = sums.settled.checked_div(sums.calls.into());
        vec![
            name(|served| &served.model),
            name(|served| &served.provider),
            grouped(sums.calls),
            signed_money(sums.spent()),
            share_of(sums.spent(), whole),
            per_call.map_or_else(|| "-".to_owned(), signed_money),
        ]
    };
    overview.found.models_by_spend().into_iter().map(row).collect()
}

pub(crate) fn model_total(overview: &Overview) -> Vec<String> {
    let sums = &overview.found.total.sums;
    let per_call = sums.settled.checked_div(sums.calls.into());
    vec![
        "(all)".to_owned(),
        String::new(),
        grouped(sums.calls),
        signed_money(sums.spent()),
        share_of(sums.spent(), sums.spent()),
        per_call.map_or_else(|| "-".to_owned(), signed_money),
    ]
}

fn models(overview: &Overview, page: &mut Page) {
    let rows = model_rows(overview);
    let count = rows.len();
    let short = rows.into_iter().take(LONGEST_TABLE_ROWS);
    page.line(table(&MODEL_HEADER, &[2, 3, 4, 5], short.chain([model_total(overview)])));
    rest(count, "model", page);
}

pub(crate) const DAY_HEADER: [&str; 6] =
    ["day (UTC)", "decisions", "rejected", "unfunded", "calls", "spent"];

/// A row for each day, the newest last.
pub(crate) fn day_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |(number, part): (&Option<u64>, &Part)| {
        let day = number.map(|number| day(number.saturating_mul(DAY_MS)));
        day_row(day.unwrap_or_else(|| UNKNOWN.to_owned()), part)
    };
    overview.found.days.iter().map(row).collect()
}

pub(crate) fn day_total(overview: &Overview) -> Vec<String> {
    day_row("(all)".to_owned(), &overview.found.total)
}

fn day_row(name: String, part: &Part) -> Vec<String> {
    vec![
        name,
        grouped(part.decisions),
        grouped(part.rejected),
        grouped(part.unfunded),
        grouped(part.sums.calls),
        signed_money(part.sums.spent()),
    ]
}

fn days(overview: &Overview, page: &mut Page) {
    let mut rows = day_rows(overview);
    let count = rows.len();
    rows.drain(..count.saturating_sub(LONGEST_TABLE_ROWS));
    rows.push(day_total(overview));
    page.line(table(&DAY_HEADER, &[1, 2, 3, 4, 5], rows));
    rest(count, "earlier day", page);
}

/// A row for each reason, the most frequent first.
pub(crate) fn refusal_rows(overview: &Overview) -> Vec<Vec<String>> {
    let all = overview.found.total.decisions;
    let rows = overview.found.refusals_by_count().into_iter();
    rows.map(|(refusal, count)| vec![refusal.words.clone(), grouped(count), share(count, all)])
        .collect()
}

pub(crate) fn refusal_total(overview: &Overview) -> Vec<String> {
    let total = &overview.found.total;
    let count = total.rejected.saturating_add(total.unfunded);
    vec!["(all)".to_owned(), grouped(count), share(count, total.decisions)]
}

pub(crate) const REFUSAL_HEADER: [&str; 3] = ["rejected or refused because", "decisions", "of all"];

fn refusals(overview: &Overview, page: &mut Page) {
    let rows = refusal_rows(overview);
    if rows.is_empty() {
        return;
    }
    page.line(table(&REFUSAL_HEADER, &[1, 2], rows.into_iter().chain([refusal_total(overview)])));
    page.line("");
}

/// A row for each requested model outside the catalog, the most requested first.
pub(crate) fn unlisted_rows(overview: &Overview) -> Vec<Vec<String>> {
    let all = overview.found.total.decisions;
    let rows = overview.found.unlisted_by_count().into_iter();
    rows.map(|(model, count)| vec![model.clone(), grouped(count), share(count, all)]).collect()
}

pub(crate) const UNLISTED_HEADER: [&str; 3] =
    ["requested, not in the catalog", "decisions", "of all"];

fn unlisted(overview: &Overview, page: &mut Page) {
    let mut rows = unlisted_rows(overview);
    if rows.is_empty() {
        return;
    }
    let count = rows.len();
    rows.truncate(LONGEST_TABLE_ROWS);
    page.line(table(&UNLISTED_HEADER, &[1, 2], rows));
    rest(count, "model", page);
}

pub(crate) const LARGE_HEADER: [&str; 6] =
    ["decision", "settled (UTC)", "tenant", "model", "tokens in, out", "cost"];

/// A row for each of the largest calls.
pub(crate) fn large_rows(overview: &Overview) -> Vec<Vec<String>> {
    let row = |large: &Large| {
        let tokens = large.tokens.map(|(tokens_in, tokens_out)| {
            format!("{}, {}", grouped(tokens_in), grouped(tokens_out))
        });
        vec![
            large.decision_sequence.to_string(),
            to_the_second(large.settled_unix_ms),
            large.tenant.clone(),
            large.served.as_ref().map_or_else(|| UNKNOWN.to_owned(), |served| served.model.clone()),
            tokens.unwrap_or_else(|| UNKNOWN.to_owned()),
            signed_money(large.charged_microunits),
        ]
    };
    overview.found.largest.iter().map(row).collect()
}

/// The most rows of the table of largest calls on a terminal.
const LARGE_ROWS: usize = 5;

fn largest(overview: &Overview, page: &mut Page) {
    let rows = large_rows(overview);
    if rows.is_empty() {
        return;
    }
    let short = rows.into_iter().take(LARGE_ROWS).map(|mut row| {
        row.remove(4);
        row
    });
    let header = ["largest", "settled (UTC)", "tenant", "model", "cost"];
    page.line(table(&header, &[0, 4], short));
    let (program, log) = (program_name(), shell_word(&overview.log));
    page.line(format_args!("`{program} explain {log} N` tells why\n"));
}
