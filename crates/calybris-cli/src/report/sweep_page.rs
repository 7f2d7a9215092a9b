//! The page of a range: a chart with every measure, and the table of its points.

use calybris_core::engine::Delta;

use super::axis::{Measure, Scale};
use super::chart::{Chart, Drawn, Panel, Place, Series};
use super::markup::{Markup, Table, Text, breakable};
use super::page::foot;
use super::sweep::{HEADER, MEASURES, Measured, Sweep};
use super::{METHOD, NOT_A_FORECAST};
use crate::amount::{counted, grouped};
use crate::log::beginning::{dropped, first_of};

pub(crate) fn page(sweep: &Sweep<'_>) -> String {
    let mut page = Markup::default();
    let key = sweep.number.key;
    page.add(format_args!("<header>\n<h1>What if {} were another?</h1>", breakable(key)));
    page.add(format_args!(
        "<p class=\"note\"><strong>{NOT_A_FORECAST}</strong> {METHOD} {}</p>\n<dl class=\"facts\">",
        Text(&sweep.base())
    ));
    let head = &sweep.replayed.head;
    let mut fact = |name: &str, value: String, code: bool| page.fact(name, &value, code);
    fact("log", sweep.log.display().to_string(), false);
    fact("log id", head.log_id.to_string(), true);
    fact("head", format!("record {}", grouped(head.sequence)), false);
    fact("head hash", head.hash.to_string(), true);
    if let Some(dropped) = dropped(first_of(sweep.replayed.records, head.sequence)) {
        fact("beginning", dropped, false);
    }
    fact("recorded value", sweep.recorded_value(), false);
    fact("compared", counted(sweep.recorded().decisions, "decision"), false);
    if sweep.unfunded > 0 {
        let left_out = counted(sweep.unfunded, "decision");
        fact("left out", format!("{left_out} that a tenant's budget refused"), false);
    }
    page.add(format_args!("</dl>\n</header>"));
    let mut body = Markup::default();
    chart(sweep, &mut body);
    body.section("values", "Value by value");
    let rows: Vec<Vec<String>> = sweep.rows().into_iter().chain([sweep.recorded_row()]).collect();
    body.table(&Table {
        name: "Value by value",
        header: &HEADER,
        words: 1,
        rows: &rows,
        total: None,
    });
    if sweep.marks_a_point() {
        body.add(format_args!("<p class=\"faint\">* the value in the log</p>"));
    }
    body.end_section();
    page.append_with_contents(&body);
    foot(&mut page);
    page.into_page(&format!("What if {key} were another?"))
}

/// What each value comes to, all measures above one axis.
fn chart(sweep: &Sweep<'_>, page: &mut Markup) {
    let value = |point: Option<&(u64, Delta)>| point.map(|(value, _)| *value);
    let (Some(first), Some(last)) = (value(sweep.points.first()), value(sweep.points.last()))
    else {
        return;
    };
    let key = sweep.number.key;
    let marked = sweep.points.iter().position(|(value, _)| sweep.recorded_values.contains(value));
    let panel = |measure: &Measured| Panel {
        title: match measure.unit {
            Measure::Money => format!("{}, currency units", measure.name),
            Measure::Count => format!("{}, decisions", measure.name),
        },
        measure: measure.unit,
        drawn: Drawn::Dots,
        series: vec![Series {
            label: measure.name.to_owned(),
            class: "now",
            values: sweep.points.iter().map(|(_, shift)| (measure.of)(shift)).collect(),
        }],
        from_zero: false,
    };
    let scale = Scale::between(first.into(), last.into());
    let place = |(value, _): &(u64, Delta)| {
        let recorded = if sweep.recorded_values.contains(value) { " (recorded)" } else { "" };
        Place {
            at: scale.place((*value).into()),
            name: format!("{key} {}{recorded}", grouped(value)),
        }
    };
    let large = match marked {
        Some(_) => "The large dot is the recorded value.",
        None => "The recorded value is not among the dots.",
    };
    page.section("charts", "What each value comes to");
    let chart = Chart {
        id: "sweep-chart",
        caption: format!(
            "Estimated cost, rejections and expected utility by {key}, for {} to {}. An axis may begin above \
             0. {large}",
            grouped(first),
            grouped(last)
        ),
        panels: MEASURES.iter().map(panel).collect(),
        places: sweep.points.iter().map(place).collect(),
        x_title: key.to_owned(),
        x_ticks: scale.ticks.clone(),
        marked,
    };
    chart.write(page);
    page.end_section();
}
