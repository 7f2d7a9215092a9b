//! The HTML page of a log: one file that loads nothing and runs no script.

use super::axis::{LENGTH, Measure, TimeAxis};
use super::chart::{Chart, Drawn, Panel, Place, Series};
use super::flow::MAX_ROWS;
use super::markup::{Markup, Table, Text};
use super::overview::Overview;
use super::overview_tables as tables;
use super::page::foot;
use super::timeline::Bucket;
use crate::amount::{counted, grouped, signed_money};
use crate::time::to_the_second;

/// The whole page.
pub(crate) fn page(overview: &Overview) -> String {
    let mut page = Markup::default();
    let name = overview.log.display().to_string();
    page.add(format_args!("<header>\n<h1>Log {}</h1>\n<dl class=\"facts\">", Text(&name)));
    for (name, value) in tables::facts(overview) {
        page.fact(name, &value, name == "anchor");
    }
    page.add(format_args!("</dl>\n</header>"));
    cards(overview, &mut page);
    let mut body = Markup::default();
    totals(overview, &mut body);
    over_time(overview, &mut body);
    let rows = tables::tenant_rows(overview);
    let total = tables::tenant_total(overview);
    section("tenants", "By tenant", &tables::TENANT_HEADER, 1, &rows, Some(&total), &mut body);
    dry(overview, &mut body);
    let rows = tables::model_rows(overview);
    let total = tables::model_total(overview);
    section("models", "By model", &tables::MODEL_HEADER, 2, &rows, Some(&total), &mut body);
    days(overview, &mut body);
    let rows = tables::refusal_rows(overview);
    if !rows.is_empty() {
        let (title, total) = ("Rejections by reason", tables::refusal_total(overview));
        section("refusals", title, &tables::REFUSAL_HEADER, 1, &rows, Some(&total), &mut body);
    }
    let rows = tables::unlisted_rows(overview);
    if !rows.is_empty() {
        let title = "Requested models outside the catalog";
        section("unlisted", title, &tables::UNLISTED_HEADER, 1, &rows, None, &mut body);
    }
    largest(overview, &mut body);
    page.append_with_contents(&body);
    foot(&mut page);
    page.into_page(&format!("Log `{name}`"))
}

fn cards(overview: &Overview, page: &mut Markup) {
    let found = &overview.found;
    let (total, sums) = (&found.total, &found.total.sums);
    page.add(format_args!("<div class=\"cards\">"));
    let mut card = |name: &str, value: String, detail: String| {
        page.add(format_args!(
            "<div class=\"card\"><span>{name}</span><b>{}</b><span>{}</span></div>",
            Text(&value),
            Text(&detail)
        ));
    };
    let open = match sums.open_calls {
        0 => "no call is open".to_owned(),
        calls => {
            format!("{} more reserved for {}", signed_money(sums.open), counted(calls, "open call"))
        }
    };
    card("spent", signed_money(sums.spent()), open);
    let calls = counted(sums.calls, "call");
    card("decisions", grouped(total.decisions), format!("{calls} settled"));
    let refused = total.rejected.saturating_add(total.unfunded);
    card(
        "without a model",
        grouped(refused),
        format!(
            "{} rejected by the policy, {} refused by the budget",
            grouped(total.rejected),
            grouped(total.unfunded)
        ),
    );
    let tenants = counted(found.tenants.len(), "tenant");
    card("ran dry", grouped(found.dry.len()), format!("of {tenants}"));
    page.add(format_args!("</div>"));
}

fn totals(overview: &Overview, page: &mut Markup) {
    let total = &overview.found.total;
    let rows = tables::total_rows(total);
    let spent = ["spent".to_owned(), String::new(), signed_money(total.sums.spent())];
    let decisions = counted(total.decisions, "decision");
    let header = [decisions.as_str(), "calls", "amount"];
    section("totals", "In all", &header, 1, &rows, Some(&spent), page);
}

fn section(
    id: &'static str,
    title: &str,
    header: &[&str],
    words: usize,
    rows: &[Vec<String>],
    total: Option<&[String]>,
    page: &mut Markup,
) {
    page.section(id, title);
    let shown = rows.get(..MAX_ROWS).unwrap_or(rows);
    page.table(&Table { name: title, header, words, rows: shown, total });
    super::flow::rest(rows.len(), shown.len(), page);
    page.end_section();
}

fn dry(overview: &Overview, page: &mut Markup) {
    let rows = tables::dry_rows(overview);
    if rows.is_empty() {
        return;
    }
    page.section("dry", "Who ran dry");
    page.add(format_args!(
        "<p>Tenants whose budget did not suffice, by when that happened first: what was available to the tenant then, what \
         that decision needed, how many decisions were refused for lack of money, and what all of them needed.</p>"
    ));
    let shown = rows.get(..MAX_ROWS).unwrap_or(&rows);
    let (name, header) = ("Who ran dry", &tables::DRY_HEADER);
    page.table(&Table { name, header, words: 2, rows: shown, total: None });
    super::flow::rest(rows.len(), shown.len(), page);
    page.end_section();
}

fn days(overview: &Overview, page: &mut Markup) {
    let rows = tables::day_rows(overview);
    let newest = rows.get(rows.len().saturating_sub(MAX_ROWS)..).unwrap_or(&rows);
    page.section("days", "By day");
    page.table(&Table {
        name: "By day",
        header: &tables::DAY_HEADER,
        words: 1,
        rows: newest,
        total: Some(&tables::day_total(overview)),
    });
    let earlier = rows.len().saturating_sub(newest.len());
    if earlier > 0 {
        page.add(format_args!(
            "<p class=\"faint\">and {}; <code>--json</code> lists them</p>",
            counted(earlier, "earlier day")
        ));
    }
    page.add(format_args!(
        "<p class=\"faint\">Decisions count on the day on which they were made, calls on the day on which they were \
         settled.</p>"
    ));
    page.end_section();
}

fn largest(overview: &Overview, page: &mut Markup) {
    let rows = tables::large_rows(overview);
    if rows.is_empty() {
        return;
    }
    page.section("largest", "The largest calls");
    page.table(&Table {
        name: "The largest calls",
        header: &tables::LARGE_HEADER,
        words: 4,
        rows: &rows,
        total: None,
    });
    page.add(format_args!(
        "<p class=\"faint\"><code>calybris explain {} N</code> tells why decision N chose its model. Tokens are those \
         that the request asked for.</p>",
        Text(&overview.log.display().to_string())
    ));
    page.end_section();
}

/// Reasons with a colour of their own. The others share one.
const MOST_REASONS: usize = 6;

/// The colours of the reasons, the most frequent first.
const REASON_CLASSES: [&str; MOST_REASONS] = ["m1", "m0", "m2", "m3", "m4", "m6"];

fn over_time(overview: &Overview, page: &mut Markup) {
    let found = &overview.found;
    let buckets = found.timeline.buckets();
    let (Some((from, _)), Some((last, _))) = (buckets.first(), buckets.last()) else { return };
    let to = last.saturating_add(found.timeline.step_ms());
    let reasons: Vec<&str> =
        found.refusals_by_count().into_iter().map(|(refusal, _)| refusal.words.as_str()).collect();
    let (named, others) = reasons.split_at(reasons.len().min(MOST_REASONS));
    let of = |reason: &str| -> Vec<i128> {
        let count = |bucket: &Bucket| bucket.refusals.get(reason).copied();
        buckets.iter().map(|(_, bucket)| count(bucket).unwrap_or_default().into()).collect()
    };
    let mut refused: Vec<Series<'_>> = named
        .iter()
        .zip(REASON_CLASSES)
        .map(|(reason, class)| Series { label: (*reason).to_owned(), class, values: of(reason) })
        .collect();
    if let [first, more @ ..] = others {
        let label = if more.is_empty() { *first } else { "other reasons" };
        let mut values = vec![0_i128; buckets.len()];
        for reason in others {
            for (sum, count) in values.iter_mut().zip(of(reason)) {
                *sum += count;
            }
        }
        refused.push(Series { label: label.to_owned(), class: "other", values });
    }
    let panel = |title: &str, measure, series| Panel {
        title: title.to_owned(),
        measure,
        drawn: Drawn::Bars,
        series,
        from_zero: true,
    };
    let one = |label: &str, class, values| vec![Series { label: label.to_owned(), class, values }];
    let spent = buckets.iter().map(|(_, bucket)| bucket.spent_microunits).collect();
    let calls = buckets.iter().map(|(_, bucket)| bucket.calls.into()).collect();
    let mut panels = vec![
        panel("spent, currency units", Measure::Money, one("spent", "bar", spent)),
        panel("calls settled", Measure::Count, one("calls settled", "other", calls)),
    ];
    let mut shows = "What was spent and how many calls were settled";
    if !refused.is_empty() {
        shows = "What was spent, how many calls were settled, and which decisions were rejected or refused";
        let title = "decisions rejected or refused, by reason";
        panels.push(panel(title, Measure::Count, refused));
    }
    let step = found.timeline.step_words();
    let axis = TimeAxis::between(*from, to);
    let count = i128::try_from(buckets.len()).unwrap_or(1).max(1);
    let place = |(number, (from, _)): (i128, &(u64, _))| Place {
        at: number * LENGTH / count,
        name: format!("{step} from {} UTC", to_the_second(*from)),
    };
    page.section("time", "Over time");
    let chart = Chart {
        id: "time-chart",
        caption: format!("{shows}, over time. Each bar stands for {step}."),
        panels,
        places: (0..).zip(&buckets).map(place).collect(),
        x_title: axis.title,
        x_ticks: axis.ticks,
        marked: None,
    };
    chart.write(page);
    numbers(&buckets, overview, page);
    page.end_section();
}

/// The values of the chart as a table.
fn numbers(buckets: &[(u64, Bucket)], overview: &Overview, page: &mut Markup) {
    let row = |(from, bucket): &(u64, Bucket)| {
        let refused = bucket.refusals.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        vec![
            to_the_second(*from),
            grouped(bucket.decisions),
            grouped(refused),
            grouped(bucket.calls),
            signed_money(bucket.spent_microunits),
        ]
    };
    let happened = |(_, bucket): &&(u64, Bucket)| {
        bucket.decisions > 0 || bucket.calls > 0 || bucket.spent_microunits != 0
    };
    let rows: Vec<Vec<String>> = buckets.iter().filter(happened).map(row).collect();
    let (total, sums) = (&overview.found.total, &overview.found.total.sums);
    page.add(format_args!("<details><summary>The numbers of this chart</summary>"));
    page.table(&Table {
        name: "Over time",
        header: &["from (UTC)", "decisions", "rejected or refused", "calls settled", "spent"],
        words: 1,
        rows: &rows,
        total: Some(&[
            "(all)".to_owned(),
            grouped(total.decisions),
            grouped(total.rejected.saturating_add(total.unfunded)),
            grouped(sums.calls),
            signed_money(sums.spent().saturating_sub(sums.brought_forward)),
        ]),
    });
    page.add(format_args!("</details>"));
}
