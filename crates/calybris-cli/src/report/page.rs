//! The HTML page of a comparison: one file that loads nothing and runs no script.

use calybris_core::engine::{Delta, SeriesBucket, WhatIf};

use super::axis::{LENGTH, Measure, Scale, TimeAxis};
use super::chart::{Chart, Drawn, Panel, Place, Series, per_decision};
use super::markup::{Markup, Table, Text};
use super::proposal::Proposal;
use super::tables;
use super::{METHOD, NOT_A_FORECAST, Report, changes, flow};
use crate::amount::{
    count_delta, counted, grouped, money_delta, percent_delta, share, signed_money,
};
use crate::log::beginning::{dropped, first_of};
use crate::time::to_the_second;

/// The whole page.
pub(crate) fn page(report: &Report<'_>) -> String {
    let mut page = Markup::default();
    let what_if = report.what_if;
    head(report, &mut page);
    cards(&what_if.total, &mut page);
    let mut body = Markup::default();
    proposal(report.proposal, &mut body);
    if what_if.total.decisions > 0 {
        body.section("flow", "From model to model");
        flow::chart(what_if, &mut body);
        body.end_section();
        cost_over_the_log(what_if, &mut body);
        rejections(what_if, &mut body);
        tenants(what_if, &mut body);
        models(what_if, &mut body);
        changes::write(what_if, &mut body);
    }
    page.append_with_contents(&body);
    foot(&mut page);
    page.into_page(&format!("What if: {}", report.proposal.policy_file().display()))
}

fn head(report: &Report<'_>, page: &mut Markup) {
    let proposal = report.proposal;
    let policy_file = proposal.policy_file().display().to_string();
    page.add(format_args!("<header>\n<h1>What if: {}</h1>", Text(&policy_file)));
    page.add(format_args!(
        "<p class=\"note\"><strong>{NOT_A_FORECAST}</strong> {METHOD}</p>\n<dl class=\"facts\">"
    ));
    let what_if = report.what_if;
    let head = &report.replayed.head;
    let mut fact = |name: &str, value: String, code: bool| page.fact(name, &value, code);
    fact("log", report.log.display().to_string(), false);
    fact("log id", head.log_id.to_string(), true);
    fact("head", format!("record {}", grouped(head.sequence)), false);
    fact("head hash", head.hash.to_string(), true);
    if let Some(dropped) = dropped(first_of(report.replayed.records, head.sequence)) {
        fact("beginning", dropped, false);
    }
    if let ([first, ..], [.., last]) = (what_if.series.as_slice(), what_if.series.as_slice()) {
        let (from, to) =
            (to_the_second(first.first_time.get()), to_the_second(last.first_time.get()));
        fact("time", format!("{from} UTC to about {to} UTC"), false);
    }
    fact("compared", counted(what_if.total.decisions, "decision"), false);
    if what_if.unfunded > 0 {
        let left_out = counted(what_if.unfunded, "decision");
        fact("left out", format!("{left_out} that a tenant's budget refused"), false);
    }
    for (group, decisions) in &what_if.missing_groups {
        let decisions = counted(*decisions, "decision");
        fact("rejected", format!("{decisions} for group {group}, which the policy lacks"), false);
    }
    if report.replayed.without_snapshot > 0 {
        let left_out = counted(report.replayed.without_snapshot, "decision");
        fact(
            "left out",
            format!("{left_out} whose policy was dropped with the log's beginning"),
            false,
        );
    }
    if let Some(catalog) = proposal.catalog_file() {
        fact("catalog", catalog.display().to_string(), false);
    }
    page.add(format_args!("</dl>\n</header>"));
}

fn cards(total: &Delta, page: &mut Markup) {
    let (before, after) = (&total.recorded, &total.proposed);
    page.add(format_args!("<div class=\"cards\">"));
    let mut card = |name: &str, value: String, less_is_better: Option<i128>, detail: String| {
        let class = match less_is_better.map(i128::signum) {
            Some(-1) => " class=\"good\"",
            Some(1) => " class=\"bad\"",
            _ => "",
        };
        page.add(format_args!(
            "<div class=\"card\"><span>{name}</span><b{class}>{value}</b><span>{detail}</span></div>"
        ));
    };
    let from_to = |before: String, after: String| format!("{before} &rarr; {after}");
    let in_percent = |before: i128, after: i128| match percent_delta(before, after).as_str() {
        "" => String::new(),
        percent => format!(" ({})", Text(percent)),
    };
    let (cost, new_cost) = (before.estimated_cost_microunits, after.estimated_cost_microunits);
    card(
        "estimated cost",
        money_delta(total.cost_delta_microunits()),
        Some(total.cost_delta_microunits()),
        from_to(signed_money(cost), signed_money(new_cost)) + &in_percent(cost, new_cost),
    );
    card(
        "decisions changed",
        grouped(total.changed()),
        None,
        format!("{} of {}", share(total.changed(), total.decisions), grouped(total.decisions)),
    );
    let (rejected, now_rejected) = (total.recorded_rejections(), total.proposed_rejections());
    card(
        "rejections",
        count_delta(rejected, now_rejected),
        Some(i128::from(now_rejected) - i128::from(rejected)),
        from_to(grouped(rejected), grouped(now_rejected)),
    );
    let (utility, new_utility) =
        (before.expected_utility_microunits, after.expected_utility_microunits);
    card(
        "expected utility, each by its own policy",
        money_delta(total.utility_delta_microunits()),
        None,
        from_to(signed_money(utility), signed_money(new_utility))
            + &in_percent(utility, new_utility),
    );
    page.add(format_args!("</div>"));
    page.add(format_args!(
        "<p>{} moved to another model, {} newly rejected, {} newly accepted, {} stayed at another price.</p>",
        grouped(total.moved),
        grouped(total.newly_rejected),
        grouped(total.newly_accepted),
        grouped(total.repriced)
    ));
}

fn proposal(proposal: &Proposal, page: &mut Markup) {
    page.section("proposed", "What is proposed");
    let rows = tables::policy_rows(proposal);
    let changed: Vec<Vec<String>> =
        rows.iter().filter(|row| row.differs).map(|row| row.cells.clone()).collect();
    if changed.is_empty() {
        page.add(format_args!("<p>The numbers of the policy are the recorded ones.</p>"));
    } else {
        page.table(&Table {
            name: "What is proposed",
            header: &["number of the policy", "recorded", "proposed"],
            words: 1,
            rows: &changed,
            total: None,
        });
    }
    let same: Vec<String> = rows
        .iter()
        .filter(|row| !row.differs)
        .filter_map(|row| Some(format!("{} {}", row.cells.first()?, row.cells.get(1)?)))
        .collect();
    if !same.is_empty() && !changed.is_empty() {
        page.add(format_args!("<p class=\"faint\">The same: {}.</p>", Text(&same.join(", "))));
    }
    for line in tables::catalog_lines(proposal) {
        page.add(format_args!("<p>{}</p>", Text(&line)));
    }
    page.end_section();
}

fn cost_over_the_log(what_if: &WhatIf, page: &mut Markup) {
    let [first, .., last] = what_if.series.as_slice() else { return };
    page.section("cost", "Cost over the log");
    let series = |label: &str, class, of: fn(&SeriesBucket) -> i128| Series {
        label: label.to_owned(),
        class,
        values: what_if
            .series
            .iter()
            .map(|bucket| per_decision(of(bucket), bucket.decisions))
            .collect(),
    };
    let total = &what_if.total;
    // Times are those of the callers' clocks: an axis of time is for logs in which they go forward.
    let in_order = what_if
        .series
        .windows(2)
        .all(|pair| matches!(pair, [one, next] if one.first_time.get() < next.first_time.get()));
    let axis = TimeAxis::between(first.first_time.get(), last.first_time.get());
    let by_time = in_order && !axis.ticks.is_empty();
    let (scale, x_title, x_ticks) = if by_time {
        let (low, high) = (first.first_time.get().into(), last.first_time.get().into());
        (Scale { low, high, ticks: Vec::new() }, axis.title, axis.ticks)
    } else {
        let scale = Scale::between(first.first_sequence.into(), last.first_sequence.into());
        let ticks = scale.ticks.clone();
        (scale, "record of the log".to_owned(), ticks)
    };
    let place = |bucket: &SeriesBucket| Place {
        at: scale
            .place(if by_time { bucket.first_time.get() } else { bucket.first_sequence }.into())
            .min(LENGTH),
        name: format!(
            "{} from record {}, {} UTC",
            counted(bucket.decisions, "decision"),
            grouped(bucket.first_sequence),
            to_the_second(bucket.first_time.get())
        ),
    };
    let chart = Chart {
        id: "cost-chart",
        caption: format!(
            "Estimated cost per decision, averaged over {} at a time; in all {} recorded and {} proposed.",
            counted(first.decisions, "decision"),
            signed_money(total.recorded.estimated_cost_microunits),
            signed_money(total.proposed.estimated_cost_microunits)
        ),
        panels: vec![Panel {
            title: "estimated cost per decision, currency units".to_owned(),
            measure: Measure::Money,
            drawn: Drawn::Line,
            series: vec![
                series("recorded", "was", |bucket| bucket.recorded_cost_microunits),
                series("proposed", "now", |bucket| bucket.proposed_cost_microunits),
            ],
            from_zero: true,
        }],
        places: what_if.series.iter().map(place).collect(),
        x_title,
        x_ticks,
        marked: None,
    };
    chart.write(page);
    let row = |bucket: &SeriesBucket| {
        vec![
            grouped(bucket.first_sequence),
            to_the_second(bucket.first_time.get()),
            grouped(bucket.decisions),
            signed_money(bucket.recorded_cost_microunits),
            signed_money(bucket.proposed_cost_microunits),
        ]
    };
    page.add(format_args!("<details><summary>The numbers of this chart</summary>"));
    page.table(&Table {
        name: "Cost over the log",
        header: &["from record", "time (UTC)", "decisions", "recorded cost", "proposed cost"],
        words: 0,
        rows: &what_if.series.iter().map(row).collect::<Vec<_>>(),
        total: Some(&[
            "total".to_owned(),
            String::new(),
            grouped(total.decisions),
            signed_money(total.recorded.estimated_cost_microunits),
            signed_money(total.proposed.estimated_cost_microunits),
        ]),
    });
    page.add(format_args!("</details>"));
    page.end_section();
}

fn rejections(what_if: &WhatIf, page: &mut Markup) {
    if what_if.rejections.is_empty() {
        return;
    }
    page.section("rejections", "Rejections by reason");
    page.table(&Table {
        name: "Rejections by reason",
        header: tables::rejection_header(what_if),
        words: 1,
        rows: &tables::rejection_rows(what_if),
        total: Some(&tables::rejection_total(what_if)),
    });
    if tables::reasons_changed(what_if) {
        page.add(format_args!("<p class=\"faint\">{}</p>", tables::OF_ANOTHER_REASON));
    }
    page.end_section();
}

fn tenants(what_if: &WhatIf, page: &mut Markup) {
    page.section("tenants", "By tenant");
    let header = [
        "tenant",
        "decisions",
        "changed",
        "recorded cost",
        "proposed cost",
        "difference",
        "utility difference",
    ];
    let rows: Vec<Vec<String>> = tables::tenants_by_difference(what_if)
        .into_iter()
        .take(flow::MAX_ROWS)
        .map(|(tenant, shift)| {
            vec![
                tenant.clone(),
                grouped(shift.decisions),
                grouped(shift.changed()),
                signed_money(shift.recorded.estimated_cost_microunits),
                signed_money(shift.proposed.estimated_cost_microunits),
                money_delta(shift.cost_delta_microunits()),
                money_delta(shift.utility_delta_microunits()),
            ]
        })
        .collect();
    let total = &what_if.total;
    let total = [
        "total".to_owned(),
        grouped(total.decisions),
        grouped(total.changed()),
        signed_money(total.recorded.estimated_cost_microunits),
        signed_money(total.proposed.estimated_cost_microunits),
        money_delta(total.cost_delta_microunits()),
        money_delta(total.utility_delta_microunits()),
    ];
    let (name, rows) = ("By tenant", &rows);
    page.table(&Table { name, header: &header, words: 1, rows, total: Some(&total) });
    flow::rest(what_if.tenants.len(), flow::MAX_ROWS, page);
    page.end_section();
}

fn models(what_if: &WhatIf, page: &mut Markup) {
    if what_if.models.is_empty() {
        return;
    }
    page.section("models", "By model");
    let header = [
        "model",
        "provider",
        "chosen before",
        "chosen now",
        "recorded cost",
        "proposed cost",
        "difference",
    ];
    let rows: Vec<Vec<String>> = tables::models_by_use(what_if)
        .into_iter()
        .take(flow::MAX_ROWS)
        .map(|model| {
            let (before, after) = (&model.recorded, &model.proposed);
            vec![
                model.label.clone(),
                model.provider.clone(),
                grouped(before.accepted),
                grouped(after.accepted),
                signed_money(before.estimated_cost_microunits),
                signed_money(after.estimated_cost_microunits),
                money_delta(after.estimated_cost_microunits - before.estimated_cost_microunits),
            ]
        })
        .collect();
    let total = &what_if.total;
    let total = [
        "total".to_owned(),
        String::new(),
        grouped(total.recorded.accepted),
        grouped(total.proposed.accepted),
        signed_money(total.recorded.estimated_cost_microunits),
        signed_money(total.proposed.estimated_cost_microunits),
        money_delta(total.cost_delta_microunits()),
    ];
    let (name, rows) = ("By model", &rows);
    page.table(&Table { name, header: &header, words: 2, rows, total: Some(&total) });
    flow::rest(what_if.models.len(), flow::MAX_ROWS, page);
    page.end_section();
}

/// The end of every page.
pub(crate) fn foot(page: &mut Markup) {
    page.add(format_args!(
        "<footer>Amounts are in currency units of 1,000,000 microunits. Made by calybris {}; this page loads nothing \
         and runs nothing.</footer>",
        env!("CARGO_PKG_VERSION")
    ));
}
