//! The page of a range: a chart of each measure, and the table of its points.

use super::lines::{Chart, Line};
use super::markup::{Markup, Text, breakable};
use super::page::{foot, hexadecimal};
use super::sweep::{HEADER, MEASURES, Sweep};
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
    let mut fact = |name: &str, value: String, code: bool| {
        let (open, close) = if code { ("<code>", "</code>") } else { ("", "") };
        page.add(format_args!("<dt>{name}</dt><dd>{open}{}{close}</dd>", Text(&value)));
    };
    fact("log", sweep.log.display().to_string(), false);
    fact("log id", hexadecimal(&head.log_id), true);
    fact("head", format!("record {}", grouped(head.sequence)), false);
    fact("head hash", hexadecimal(&head.hash), true);
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
    if let [(first, _), ..] = sweep.points.as_slice() {
        let last = sweep.points.last().map_or(*first, |(value, _)| *value);
        let marked =
            sweep.points.iter().position(|(value, _)| sweep.recorded_values.contains(value));
        for measure in &MEASURES {
            let values: Vec<i128> =
                sweep.points.iter().map(|(_, shift)| (measure.of)(shift)).collect();
            let lowest = values.iter().copied().min().unwrap_or_default();
            let highest = values.iter().copied().max().unwrap_or_default();
            let large = match marked {
                Some(_) => "The large dot is the recorded value.",
                None => "The recorded value is not among the dots.",
            };
            page.add(format_args!("<section>\n<h2>{}</h2>", capitalized(measure.name)));
            let chart = Chart {
                caption: format!(
                    "{} by {key}, from {} to {}; the axis begins at the least. {large}",
                    capitalized(measure.name),
                    (measure.written)(lowest),
                    (measure.written)(highest)
                ),
                lines: &[Line { label: measure.name, class: "now", values }],
                from_zero: false,
                written: measure.written,
                span: [grouped(first), grouped(last)],
                dots: Some(marked),
            };
            chart.write(&mut page);
            page.add(format_args!("</section>"));
        }
    }
    page.add(format_args!("<section>\n<h2>Value by value</h2>"));
    let rows: Vec<Vec<String>> = sweep.rows().into_iter().chain([sweep.recorded_row()]).collect();
    page.table(&HEADER, 1, &rows);
    if sweep.marks_a_point() {
        page.add(format_args!("<p class=\"faint\">* the value in the log</p>"));
    }
    page.add(format_args!("</section>"));
    foot(&mut page);
    page.into_page(&format!("What if {key} were another?"))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
