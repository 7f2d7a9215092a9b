//! The summary that `route` and `demo` print.

use std::cmp::Reverse;

use calybris_catalog::text::quoted;
use calybris_catalog::{Candidate, CatalogFile, PLAUSIBLE_PRICES, Skipped};
use serde_json::json;

use crate::advice::ON_LACK_OF_MONEY;
use crate::amount::{counted, grouped, money, rate};
use crate::command::notes;
use crate::input::rows::MOST_NAMES;
use crate::output::Page;
use crate::routing::{Job, Routed};
use crate::table::{LONGEST_TABLE_ROWS, rest, table};
use crate::tally::{Changed, TenantTally};

/// Tables for a terminal of 80 columns, or one JSON object.
pub(crate) fn page(job: &Job<'_>, routed: &Routed, json: bool) -> Page {
    let mut page = Page::default();
    if json {
        let object = object(job, routed);
        if job.each {
            page.line(object);
        } else {
            page.line(format_args!("{object:#}"));
        }
        return page;
    }
    inputs(job, &mut page);
    if !routed.ignored.is_empty() {
        let names = routed.ignored.iter().map(|name| quoted(name)).take(MOST_NAMES);
        let names: Vec<String> = names.collect();
        let more = match routed.ignored.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        page.line(format_args!("requests ignored in each: {}{more}", names.join(", ")));
    }
    if routed.times_without_zone > 0 {
        let times = grouped(routed.times_without_zone);
        page.line(format_args!("times    without a zone: {times}, read as UTC"));
    }
    resumed(routed, &mut page);
    decisions(routed, &mut page);
    bounds(routed, &mut page);
    tenants(routed, &mut page);
    models(routed, &mut page);
    substitutions(routed, &mut page);
    chosen(job, routed, &mut page);
    page.line(format_args!("log      {}", job.log.display()));
    let (records, bytes) = (routed.report.records, routed.report.bytes);
    page.line(format_args!(
        "         {}, {}; verified from the disk",
        counted(records, "record"),
        counted(bytes, "byte")
    ));
    page.line(format_args!("anchor   {}", routed.anchor));
    page
}

/// The summary as JSON.
pub(crate) fn object(job: &Job<'_>, routed: &Routed) -> serde_json::Value {
    let (catalog, listed) = (job.catalog, &job.catalog.listed);
    let balance = |(tenant, account): &(String, calybris_core::budget::AccountSnapshot)| {
        json!({
            "tenant": tenant,
            "granted_microunits": account.granted.get(),
            "available_microunits": account.available.get(),
            "reserved_microunits": account.reserved.get(),
            "committed_microunits": account.committed.get(),
        })
    };
    json!({
        "log": job.log.display().to_string(),
        "catalog": {
            "models": listed.candidates().len(),
            "providers": listed.providers().len(),
            "digest": catalog.snapshot.digest().to_string(),
            "free_models": listed.enabled().filter(|model| model.is_free()).count(),
            "oddly_priced_models": listed.enabled().filter(|model| model.is_oddly_priced()).count(),
            "rounded_prices": listed.rounded_prices(),
            "unmodelled_models": unmodelled(listed).count(),
            "skipped_not_chat": listed.skipped(Skipped::NotChat),
            "skipped_no_price": listed.skipped(Skipped::NoPrice),
            "unmatched_rules": catalog.unmatched_rules,
        },
        "ignored_columns": routed.ignored,
        "times_without_zone": routed.times_without_zone,
        "found": {
            "records": routed.resumed.records,
            "decisions": routed.resumed.decisions,
            "torn_tail": routed.resumed.torn,
            "abandoned_tickets": routed.resumed.abandoned_tickets,
            "abandoned_microunits": routed.resumed.abandoned_microunits,
            "replaced_snapshot": routed.resumed.replaced.as_ref().map(|replaced| json!({
                "installed_sequence": replaced.sequence,
                "policy_epoch_not_raised": replaced.policy_epoch_not_raised,
                "catalog_epoch_not_raised": replaced.catalog_epoch_not_raised,
            })),
        },
        "routed": routed.tally,
        "notes_on_chosen_models": notes::json(&notes::of(chosen_models(job, routed))),
        "balances": routed.accounts.iter().map(balance).collect::<Vec<_>>(),
        "elapsed_us": u64::try_from(routed.elapsed.as_micros()).unwrap_or(u64::MAX),
        "records": routed.report.records,
        "bytes": routed.report.bytes,
        "anchor": routed.anchor.to_string(),
        "verified": true,
    })
}

fn inputs(job: &Job<'_>, page: &mut Page) {
    let (catalog, listed) = (job.catalog, &job.catalog.listed);
    let free_models = listed.enabled().filter(|model| model.is_free()).count();
    let oddly_priced_models = listed.enabled().filter(|model| model.is_oddly_priced()).count();
    page.line(format_args!(
        "catalog  {} of {}",
        counted(listed.candidates().len(), "model"),
        counted(listed.providers().len(), "provider")
    ));
    let (not_chat, no_price) = (listed.skipped(Skipped::NotChat), listed.skipped(Skipped::NoPrice));
    if not_chat + no_price > 0 {
        page.line(format_args!(
            "         skipped: {} that do not chat, {} without both prices",
            grouped(not_chat),
            grouped(no_price)
        ));
    }
    if listed.rounded_prices() > 0 {
        page.line(format_args!(
            "         {} rounded up to a whole microunit per million tokens",
            counted(listed.rounded_prices(), "price")
        ));
    }
    if free_models > 0 {
        let models = if free_models == 1 {
            "1 enabled model costs".to_owned()
        } else {
            format!("{} enabled models cost", grouped(free_models))
        };
        page.line(format_args!("         {models} nothing: is that right?"));
        page.line("         `calybris catalog check CATALOG --json` lists them");
    }
    if oddly_priced_models > 0 {
        page.line(format_args!(
            "         {} a price that is not {PLAUSIBLE_PRICES}: is that right?",
            if oddly_priced_models == 1 {
                "1 enabled model has".to_owned()
            } else {
                format!("{} enabled models have", grouped(oddly_priced_models))
            }
        ));
    }
    if let [first, rest @ ..] = catalog.unmatched_rules.as_slice() {
        let more = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more of its rules"),
        };
        page.line(format_args!("         no model matches `{first}` of the policy file{more}"));
    }
}

fn resumed(routed: &Routed, page: &mut Page) {
    let found = &routed.resumed;
    if found.records == 0 {
        return;
    }
    page.line(format_args!(
        "found    {} of earlier runs in the log; {}",
        counted(found.decisions, "decision"),
        if routed.tally.repeated > 0 {
            "keyed ones are not made again"
        } else {
            "all requests of the file are routed now"
        }
    ));
    if let Some(torn) = &found.torn {
        page.line(format_args!("         {torn}"));
    }
    if let Some(replaced) = &found.replaced {
        let mut what = format!("new snapshot installed, record {}", grouped(replaced.sequence));
        for (not_raised, epoch) in [
            (replaced.policy_epoch_not_raised, "policy_epoch"),
            (replaced.catalog_epoch_not_raised, "catalog_epoch"),
        ] {
            if not_raised {
                what.push_str(&format!("; {epoch} not raised"));
            }
        }
        page.line(format_args!("         {what}"));
    }
    if found.abandoned_tickets > 0 {
        page.line(format_args!(
            "         {} left open: {} given back",
            counted(found.abandoned_tickets, "ticket"),
            money(found.abandoned_microunits)
        ));
    }
}

fn decisions(routed: &Routed, page: &mut Page) {
    let tally = &routed.tally;
    let rate = rate(tally.decisions, routed.elapsed);
    let rate = rate.map_or_else(String::new, |rate| format!(", {rate}"));
    page.line(format_args!(
        "decided  {} in {:.3} s{rate}: reserved, logged, settled\n",
        counted(tally.decisions, "request"),
        routed.elapsed.as_secs_f64(),
    ));
    let row = |what: &str, count: u64| vec![what.to_owned(), grouped(count)];
    let mut rows = vec![
        row("the requested model was best", tally.executed_as_requested),
        row("another model was better", tally.substituted),
        row("rejected", tally.rejected),
    ];
    for rejection in &tally.rejections {
        rows.push(row(&format!("  {}", rejection.meaning), rejection.count));
    }
    rows.push(row("refused: the tenant's budget did not suffice", tally.insufficient_budget));
    let others = [
        ("refused: the tenant is frozen", tally.frozen),
        ("refused: the tenant is in debt", tally.in_debt),
        ("refused: the tenant's reservations would exceed its cap", tally.over_cap),
    ];
    rows.extend(
        others.iter().filter(|(_, count)| *count > 0).map(|(what, count)| row(what, *count)),
    );
    if tally.repeated > 0 {
        rows.push(row("answered again under its request key", tally.repeated));
    }
    page.line(table(&["outcome", "requests"], &[1], rows));
    if tally.requested_unlisted_model > 0 {
        page.line(format_args!(
            "{} asked for a model outside the catalog",
            counted(tally.requested_unlisted_model, "request")
        ));
    }
    page.line("");
}

/// How many choices ceilings and windows changed.
fn bounds(routed: &Routed, page: &mut Page) {
    let tally = &routed.tally;
    let changed = |what: &str, changed: Changed| match changed.count() {
        0 => format!("{what} changed no choice"),
        count => format!(
            "{what} changed {}: {} to another model, {} to none",
            counted(count, "choice"),
            grouped(changed.to_another_model),
            grouped(changed.to_none)
        ),
    };
    let (ceilings, windows) = (tally.changed_by_ceilings, tally.changed_by_windows);
    if tally.with_ceiling > 0 {
        let of = counted(tally.with_ceiling, "request");
        page.line(changed(&format!("ceilings of {of}"), ceilings));
    }
    if tally.with_windows > 0 {
        page.line(changed("windows", windows));
    }
    if tally.with_ceiling + tally.with_windows > 0 {
        page.line("");
    }
}

/// The models of a price list whose providers charge for something that no rate covers.
fn unmodelled(listed: &CatalogFile) -> impl Iterator<Item = &Candidate> {
    listed.candidates().iter().filter(|model| model.notes.iter().any(|note| note.is_unmodelled()))
}

fn chosen_models<'a>(job: &'a Job<'_>, routed: &'a Routed) -> impl Iterator<Item = &'a Candidate> {
    routed.tally.models.keys().filter_map(|name| job.catalog.listed.candidate(name))
}

/// What the list says of the chosen models, beyond their prices.
fn chosen(job: &Job<'_>, routed: &Routed, page: &mut Page) {
    let notes = notes::of(chosen_models(job, routed));
    let unmodelled_models = unmodelled(&job.catalog.listed).count();
    let is_concerned = notes.iter().any(|(note, _)| note.is_unmodelled());
    if unmodelled_models > 0 && !is_concerned && !routed.tally.models.is_empty() {
        let models = counted(unmodelled_models, "model");
        let words = format!(
            "the catalog has {models} with prices that are not modelled, and none of them was chosen"
        );
        page.wrapped("note     ", &words);
    }
    for (note, models) in &notes {
        page.wrapped("note     ", &notes::sentence(*note, models));
    }
    let retired: u64 = routed.tally.retired.values().sum();
    if retired > 0 {
        let names: Vec<&str> = routed.tally.retired.keys().map(String::as_str).collect();
        let words = format!(
            "{} went to models after their retirement: {}",
            counted(retired, "request"),
            notes::such_as(&names)
        );
        page.wrapped("retired  ", &words);
    }
    if unmodelled_models > 0 || !notes.is_empty() || retired > 0 {
        page.line("");
    }
}

fn tenants(routed: &Routed, page: &mut Page) {
    let rows = routed.accounts.iter().map(|(tenant, account)| {
        let tally = routed.tally.tenants.get(tenant);
        let count = |of: fn(&TenantTally) -> u64| grouped(tally.map_or(0, of));
        vec![
            tenant.clone(),
            count(|tally| tally.decisions),
            count(|tally| tally.carried_out),
            count(|tally| tally.rejected),
            count(|tally| tally.refused_by_budget),
            money(tally.map_or(0, |tally| tally.committed_microunits)),
            money(account.available.get()),
            money(account.granted.get()),
        ]
    });
    let spent = if routed.resumed.records > 0 { "spent now" } else { "spent" };
    let header = ["tenant", "asked", "done", "rejected", "refused", spent, "left", "budget"];
    page.line(table(&header, &[1, 2, 3, 4, 5, 6, 7], rows));
    page.line("amounts in currency units of 1,000,000 microunits");
    let tally = &routed.tally;
    if tally.insufficient_budget + tally.in_debt > 0 {
        page.wrapped("", &format!("Some calls were refused for lack of money: {ON_LACK_OF_MONEY}"));
    }
    if tally.frozen > 0 {
        page.wrapped("", "Some calls were refused because a tenant is frozen: `calybris tenant unfreeze` admits them again");
    }
    if tally.over_cap > 0 {
        page.wrapped("", "Some calls were refused by a cap on what may be reserved at once: `calybris tenant rules` changes it");
    }
    page.line("");
}

fn models(routed: &Routed, page: &mut Page) {
    let mut models: Vec<_> = routed.tally.models.iter().collect();
    models.sort_by_key(|(name, model)| (Reverse(model.carried_out), *name));
    let rows = models.iter().take(LONGEST_TABLE_ROWS).map(|(name, model)| {
        vec![(*name).clone(), grouped(model.carried_out), money(model.committed_microunits)]
    });
    if !models.is_empty() {
        page.line(table(&["chosen model", "calls", "spent"], &[1, 2], rows));
        rest(models.len(), "model", page);
    }
}

fn substitutions(routed: &Routed, page: &mut Page) {
    let substitutions = &routed.tally.substitutions;
    let rows = substitutions.iter().take(LONGEST_TABLE_ROWS).map(|substitution| {
        vec![
            substitution.requested.clone(),
            substitution.chosen.clone(),
            grouped(substitution.count),
        ]
    });
    if !substitutions.is_empty() {
        page.line(table(&["requested", "chosen instead", "times"], &[2], rows));
        rest(substitutions.len(), "substitution", page);
    }
}
