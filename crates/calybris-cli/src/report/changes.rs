//! The largest changed decisions of a page, each with both winners, their utilities term by term, and why.

use calybris_core::engine::{Change, WhatIf};
use calybris_core::kernel::{Request, UtilityTerms};

use super::markup::{Markup, Text};
use super::words::{Outcome, Reasons, TERMS, wide};
use crate::amount::{grouped, money, money_delta, signed_money};
use crate::log::usage::{ceiling_words, usage_words};
use crate::time::to_the_second;

pub(crate) fn write(what_if: &WhatIf, page: &mut Markup) {
    if what_if.largest.is_empty() {
        return;
    }
    let changes = what_if.total.changed().saturating_add(what_if.total.repriced);
    page.section("largest", "The largest changes");
    page.add(format_args!(
        "<p>The {} of {} with the largest difference in cost, largest first; \
         of equal ones the earlier first. Amounts are in currency units.</p>",
        grouped(what_if.largest.len()),
        crate::amount::counted(changes, "changed decision"),
    ));
    for change in &what_if.largest {
        article(change, page);
    }
    page.end_section();
}

fn article(change: &Change, page: &mut Markup) {
    let reasons = Reasons::of(change);
    let name = |outcome: &Outcome| match &outcome.winner {
        Some((name, _)) => name.clone(),
        None => "rejected".to_owned(),
    };
    page.add(format_args!(
        "<article>\n<h3>{}: {} &rarr; {}</h3>\n<p class=\"meta\">decision {}, tenant {}, {} UTC{}; {}</p>",
        money_delta(change.cost_delta_microunits()),
        Text(&name(&reasons.before)),
        Text(&name(&reasons.after)),
        change.sequence,
        Text(&change.tenant),
        to_the_second(change.time.get()),
        match change.correlation_id.as_str() {
            "" => String::new(),
            id => format!(", id {}", Text(id)),
        },
        usage(&change.request),
    ));
    page.add(format_args!(
        "<table>\n<thead><tr><th scope=\"col\"></th><th scope=\"col\" class=\"n\">recorded</th>\
         <th scope=\"col\" class=\"n\">proposed</th></tr></thead>\n<tbody>"
    ));
    let terms = [&reasons.before, &reasons.after]
        .map(|outcome| outcome.winner.as_ref().map(|(_, terms)| rows(terms)));
    for (at, term) in TERMS.iter().chain(&["utility"]).enumerate() {
        let cell = |side: &Option<[String; 5]>| {
            side.as_ref().and_then(|rows| rows.get(at)).map_or_else(|| "-".to_owned(), Clone::clone)
        };
        let [before, after] = &terms;
        page.add(format_args!(
            "<tr{}><th scope=\"row\">{term}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            if at == TERMS.len() { " class=\"sum\"" } else { "" },
            cell(before),
            cell(after)
        ));
    }
    page.add(format_args!("</tbody></table>\n<ul>"));
    for (side, outcome) in [("Recorded", &reasons.before), ("Proposed", &reasons.after)] {
        if let Some(reason) = &outcome.rejection {
            page.add(format_args!("<li>{side}: rejected, {}.</li>", Text(reason)));
        }
    }
    for sentence in &reasons.why {
        page.add(format_args!("<li>{}</li>", Text(sentence)));
    }
    page.add(format_args!("</ul>\n</article>"));
}

/// What the request uses, and the most that it may use.
fn usage(request: &Request) -> String {
    let used = usage_words(&request.usage);
    match &request.ceiling {
        None => used,
        Some(ceiling) => format!("{used}; at most {}", ceiling_words(ceiling)),
    }
}

/// The terms of a utility with their signs, and their sum.
fn rows(terms: &UtilityTerms) -> [String; 5] {
    [
        money(terms.adjusted_value.get()),
        signed_money(-wide(terms.risk_penalty_microunits)),
        signed_money(-i128::from(terms.cost.get())),
        signed_money(-wide(terms.latency_penalty_microunits)),
        signed_money(terms.utility_microunits()),
    ]
}
