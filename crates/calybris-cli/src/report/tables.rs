//! The report of a comparison for a terminal of 80 columns, and the rows that it shares with the page.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use calybris_core::engine::{Delta, ModelDelta, RejectionDelta, WhatIf};

use super::flow::choice;
use super::proposal::Proposal;
use super::words::Reasons;
use super::{METHOD, NOT_A_FORECAST, Report};
use crate::amount::{
    count_delta, counted, grouped, money_delta, percent_delta, signed_money, whole_delta,
};
use crate::log::beginning::{dropped, first_of};
use crate::output::Page;
use crate::table::{LONGEST_TABLE_ROWS, rest, table};
use crate::terminal::fitted;

/// The most changes that are explained on a terminal.
const EXPLAINED_CHANGES: usize = 3;

/// The most letters of a name in a line of 80 columns.
const LONGEST_NAME: usize = 28;

pub(crate) fn page(report: &Report<'_>) -> Page {
    let mut page = Page::default();
    let (what_if, total) = (report.what_if, &report.what_if.total);
    page.line(format_args!(
        "what if  {} had been in force",
        report.proposal.policy_file().display()
    ));
    page.line(format_args!("log      {}", report.log.display()));
    page.line(format_args!("         {} compared", counted(total.decisions, "decision")));
    let replayed = report.replayed;
    if let Some(dropped) = dropped(first_of(replayed.records, replayed.head.sequence)) {
        page.line(format_args!("         {dropped}"));
    }
    if what_if.unfunded > 0 {
        let left_out = counted(what_if.unfunded, "decision");
        page.line(format_args!("         {left_out} left out: a tenant's budget refused them"));
    }
    for (group, decisions) in &what_if.missing_groups {
        let decisions = counted(*decisions, "decision");
        page.line(format_args!(
            "         {decisions} rejected: no group {} in the policy",
            fitted(group, LONGEST_NAME)
        ));
    }
    if replayed.without_snapshot > 0 {
        let left_out = counted(replayed.without_snapshot, "decision");
        page.line(format_args!(
            "         {left_out} left out: their policy is no longer in the log"
        ));
    }
    page.line("");
    page.wrapped("", &format!("{NOT_A_FORECAST} {METHOD}"));
    page.line("");
    proposal(report.proposal, &mut page);
    totals(total, &mut page);
    rejections(what_if, &mut page);
    flows(what_if, &mut page);
    tenants(what_if, &mut page);
    models(what_if, &mut page);
    largest(what_if, &mut page);
    page
}

/// A row that compares two policies.
pub(crate) struct PolicyRow {
    pub(crate) differs: bool,
    /// The name, as recorded, as proposed.
    pub(crate) cells: Vec<String>,
}

/// The numbers of the recorded policies beside the proposed one.
pub(crate) fn policy_rows(proposal: &Proposal) -> Vec<PolicyRow> {
    let proposed = proposal.policy();
    let row = |(number, values): (&super::numbers::PolicyNumber, &BTreeSet<u64>)| {
        let value = (number.of)(&proposed);
        PolicyRow {
            differs: values.iter().any(|recorded| *recorded != value),
            cells: vec![number.key.to_owned(), several(values), grouped(value)],
        }
    };
    proposal.recorded.numbers().map(row).collect()
}

/// Values that a number had in the log.
fn several(values: &BTreeSet<u64>) -> String {
    let mut written: Vec<String> = values.iter().take(3).map(grouped).collect();
    if values.len() > 3 {
        written.push("...".to_owned());
    }
    written.join(" / ")
}

/// How the proposed catalog differs from the recorded ones; without a proposed catalog, a line that says so.
pub(crate) fn catalog_lines(proposal: &Proposal) -> Vec<String> {
    if proposal.catalog_file().is_none() {
        return vec![
            "Catalogs are as they were recorded; model rules and tenants of the policy file are not used.".to_owned(),
        ];
    }
    let found = &proposal.differences;
    let mut lines = vec![format!(
        "Models are matched by name and provider: {} in both catalogs.",
        counted(found.kept_models.len(), "model")
    )];
    for (names, one, what) in [
        (&found.gone_models, "model", "of the log not in the new catalog, so never chosen"),
        (&found.new_models, "model", "new"),
        (
            &found.gone_names,
            "name",
            "that no new model has, so no request that asks for one is served",
        ),
        (
            &found.new_providers,
            "provider",
            "new, allowed only to requests that allow every provider",
        ),
    ] {
        if !names.is_empty() {
            lines.push(format!("{} {what}: {}.", counted(names.len(), one), few(names)));
        }
    }
    lines
}

/// The first names of a set.
fn few(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    match names.len().saturating_sub(5) {
        0 => first.join(", "),
        more => format!("{} and {} more", first.join(", "), grouped(more)),
    }
}

fn proposal(proposal: &Proposal, page: &mut Page) {
    let rows = policy_rows(proposal).into_iter().map(|row| {
        let [name, cells @ ..] = row.cells.as_slice() else { return row.cells };
        let mark = if row.differs { "* " } else { "  " };
        [&[format!("{mark}{name}")], cells].concat()
    });
    page.line(table(&["  number of the policy", "recorded", "proposed"], &[1, 2], rows));
    for line in catalog_lines(proposal) {
        page.wrapped("", &line);
    }
    page.line("");
}

fn totals(total: &Delta, page: &mut Page) {
    let (before, after) = (&total.recorded, &total.proposed);
    let count = |what: &str, before: u64, after: u64| {
        let percent = percent_delta(before.into(), after.into());
        vec![what.to_owned(), grouped(before), grouped(after), count_delta(before, after), percent]
    };
    let amount = |what: &str, before: i128, after: i128| {
        let percent = percent_delta(before, after);
        vec![
            what.to_owned(),
            signed_money(before),
            signed_money(after),
            money_delta(after - before),
            percent,
        ]
    };
    let rows = [
        amount("estimated cost", before.estimated_cost_microunits, after.estimated_cost_microunits),
        amount(
            "expected utility",
            before.expected_utility_microunits,
            after.expected_utility_microunits,
        ),
        count("accepted", before.accepted, after.accepted),
        count("rejected", total.recorded_rejections(), total.proposed_rejections()),
    ];
    let header = ["", "recorded", "proposed", "difference", ""];
    page.line(table(&header, &[1, 2, 3, 4], rows));
    page.line("amounts in currency units of 1,000,000 microunits\n");
    let row = |what: &str, count: u64| vec![what.to_owned(), grouped(count)];
    let rows = [
        row("the same answer", total.unchanged()),
        row("  of these at another price", total.repriced),
        row("moved to another model", total.moved),
        row("newly rejected", total.newly_rejected),
        row("newly accepted", total.newly_accepted),
    ];
    page.line(table(&["what became of them", "decisions"], &[1], rows));
    page.line("");
}

const REJECTION_HEADER: [&str; 6] =
    ["rejected because", "recorded", "proposed", "newly", "no longer", "swapped"];

/// The header of the table of rejections. The last column is there only if a decision was rejected for another reason.
pub(crate) fn rejection_header(what_if: &WhatIf) -> &'static [&'static str] {
    match REJECTION_HEADER.split_last() {
        Some((_, without)) if !reasons_changed(what_if) => without,
        _ => &REJECTION_HEADER,
    }
}

/// Explains the last column of the table of rejections.
pub(crate) const OF_ANOTHER_REASON: &str = "recorded + newly - no longer + swapped = proposed. \
     Swapped: rejected both times, before for another reason, less those now for another reason.";

/// Decisions rejected both times: those that gained this reason, less those that lost it.
pub(crate) fn from_other_reasons(rejection: &RejectionDelta) -> i128 {
    let both_now = i128::from(rejection.proposed) - i128::from(rejection.newly_rejected);
    let both_before = i128::from(rejection.recorded) - i128::from(rejection.newly_accepted);
    both_now - both_before
}

/// Whether a decision is rejected both times, for different reasons.
pub(crate) fn reasons_changed(what_if: &WhatIf) -> bool {
    what_if.rejections.iter().any(|rejection| from_other_reasons(rejection) != 0)
}

pub(crate) fn rejection_rows(what_if: &WhatIf) -> Vec<Vec<String>> {
    let columns = rejection_header(what_if).len();
    let row = |rejection: &RejectionDelta| {
        let mut row = vec![
            rejection.reason.to_string(),
            grouped(rejection.recorded),
            grouped(rejection.proposed),
            grouped(rejection.newly_rejected),
            grouped(rejection.newly_accepted),
            whole_delta(from_other_reasons(rejection)),
        ];
        row.truncate(columns);
        row
    };
    what_if.rejections.iter().map(row).collect()
}

/// The sum of the rows of rejections.
pub(crate) fn rejection_total(what_if: &WhatIf) -> Vec<String> {
    let sum = |of: fn(&RejectionDelta) -> u64| {
        grouped(what_if.rejections.iter().fold(0_u64, |sum, row| sum.saturating_add(of(row))))
    };
    let net: i128 = what_if.rejections.iter().map(from_other_reasons).sum();
    let mut total = vec![
        "total".to_owned(),
        sum(|row| row.recorded),
        sum(|row| row.proposed),
        sum(|row| row.newly_rejected),
        sum(|row| row.newly_accepted),
        whole_delta(net),
    ];
    total.truncate(rejection_header(what_if).len());
    total
}

fn rejections(what_if: &WhatIf, page: &mut Page) {
    if what_if.rejections.is_empty() {
        return;
    }
    let rows = rejection_rows(what_if);
    page.line(table(rejection_header(what_if), &[1, 2, 3, 4, 5], rows));
    if reasons_changed(what_if) {
        page.wrapped("", OF_ANOTHER_REASON);
    }
    page.line("");
}

fn flows(what_if: &WhatIf, page: &mut Page) {
    let moved: Vec<_> = what_if.flows.iter().filter(|flow| flow.from != flow.to).collect();
    if moved.is_empty() {
        return;
    }
    let rows = moved.iter().take(LONGEST_TABLE_ROWS).map(|flow| {
        vec![
            choice(what_if, flow.from).to_owned(),
            choice(what_if, flow.to).to_owned(),
            grouped(flow.decisions),
        ]
    });
    page.line(table(&["moved from", "to", "decisions"], &[2], rows));
    rest(moved.len(), "move", page);
}

/// Tenants in order of the change of their cost, the largest first.
pub(crate) fn tenants_by_difference(what_if: &WhatIf) -> Vec<&(String, Delta)> {
    let mut tenants: Vec<_> = what_if.tenants.iter().collect();
    tenants.sort_by_key(|(_, shift)| Reverse(shift.cost_delta_microunits().unsigned_abs()));
    tenants
}

fn tenants(what_if: &WhatIf, page: &mut Page) {
    if what_if.tenants.is_empty() {
        return;
    }
    let rows = tenants_by_difference(what_if).into_iter().take(LONGEST_TABLE_ROWS).map(
        |(tenant, shift)| {
            vec![
                tenant.clone(),
                grouped(shift.changed()),
                signed_money(shift.recorded.estimated_cost_microunits),
                signed_money(shift.proposed.estimated_cost_microunits),
                money_delta(shift.cost_delta_microunits()),
            ]
        },
    );
    let header = ["tenant", "changed", "recorded cost", "proposed cost", "difference"];
    page.line(table(&header, &[1, 2, 3, 4], rows));
    rest(what_if.tenants.len(), "tenant", page);
}

/// Models in order of how often either side chose them, the most frequent first.
pub(crate) fn models_by_use(what_if: &WhatIf) -> Vec<&ModelDelta> {
    let mut models: Vec<_> = what_if.models.iter().collect();
    models.sort_by_key(|model| Reverse(model.recorded.accepted.max(model.proposed.accepted)));
    models
}

fn models(what_if: &WhatIf, page: &mut Page) {
    if what_if.models.is_empty() {
        return;
    }
    let rows = models_by_use(what_if).into_iter().take(LONGEST_TABLE_ROWS).map(|model| {
        let (before, after) = (&model.recorded, &model.proposed);
        vec![
            model.label.clone(),
            grouped(before.accepted),
            grouped(after.accepted),
            money_delta(after.estimated_cost_microunits - before.estimated_cost_microunits),
        ]
    });
    let header = ["model", "recorded", "proposed", "cost difference"];
    page.line(table(&header, &[1, 2, 3], rows));
    rest(what_if.models.len(), "model", page);
}

fn largest(what_if: &WhatIf, page: &mut Page) {
    if what_if.largest.is_empty() {
        return;
    }
    page.line("the largest changes, by cost");
    for change in what_if.largest.iter().take(EXPLAINED_CHANGES) {
        let reasons = Reasons::of(change);
        let name = |outcome: &super::words::Outcome| {
            let name = outcome.winner.as_ref().map(|(name, _)| name.as_str());
            fitted(name.unwrap_or("rejected"), LONGEST_NAME)
        };
        page.line(format_args!(
            "  {}  decision {}, tenant {}",
            money_delta(change.cost_delta_microunits()),
            change.sequence,
            fitted(&change.tenant, LONGEST_NAME)
        ));
        page.line(format_args!("      {} -> {}", name(&reasons.before), name(&reasons.after)));
        for sentence in &reasons.why {
            page.wrapped("      ", sentence);
        }
    }
    let kept = what_if.largest.len().saturating_sub(EXPLAINED_CHANGES);
    if kept > 0 {
        page.line(format_args!("and {} more; --html and --json have them", grouped(kept)));
    }
}
