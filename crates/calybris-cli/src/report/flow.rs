//! The flow chart: a band from one model to another is as wide as the number of decisions that moved.
//!
//! Bands and bars are drawn by whole tenths of a pixel, so the same numbers give the same page. The drawing stretches
//! sideways with the page; the labels beside it are text and do not.

use crate::amount::{counted, grouped, share};
use std::cmp::Reverse;
use std::fmt;

use calybris_core::engine::WhatIf;

use super::markup::{Markup, Table, Text};

/// Models with a band of their own. The others share one.
const MAX_MODELS: usize = 7;

/// The total height of the bars of one side, in tenths of a pixel.
const BARS: u64 = 3_200;
/// The least height of a label.
const LABEL: u64 = 460;
/// The gap between two nodes.
const GAP: u64 = 80;

/// One node, on both sides.
struct Node {
    label: String,
    class: String,
    from: u64,
    to: u64,
    /// Where it begins on each side, and how much of it bands already use.
    top: [u64; 2],
    used: [u64; 2],
}

/// Writes the chart, its caption, and the same as a table.
pub(crate) fn chart(what_if: &WhatIf, page: &mut Markup) {
    let total = what_if.total.decisions;
    let (mut nodes, bands) = nodes_and_bands(what_if);
    let heights = [0, 1].map(|side| stack(&mut nodes, side, total));
    let height = heights.into_iter().max().unwrap_or_default();
    let moved = what_if.total.changed();
    page.add(format_args!(
        "<figure>\n<div class=\"flow-head\"><span>recorded</span><span>proposed</span></div>\n\
         <div class=\"flow\" role=\"img\" aria-label=\"Flow of {} from the recorded to the proposed choice; {} of them \
         end elsewhere. The table below says the same.\">",
        counted(total, "decision"),
        grouped(moved)
    ));
    side(&nodes, 0, total, height, page);
    page.add(format_args!(
        "<svg class=\"links\" height=\"{}\" viewBox=\"0 0 100 {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        px(height),
        px(height)
    ));
    let labels: Vec<String> = nodes.iter().map(|node| node.label.clone()).collect();
    for (from, to, decisions) in bands {
        let width = bar(decisions, total);
        let starts = [(from, 0), (to, 1)].map(|(place, side): (usize, usize)| {
            let node = nodes.get_mut(place)?;
            let (top, used) = (node.top.get(side)?, node.used.get_mut(side)?);
            let start = top.saturating_add(*used);
            *used = used.saturating_add(width);
            Some(start)
        });
        let ([Some(left), Some(right)], Some(node)) = (starts, nodes.get(from)) else { continue };
        let kind = if from == to { "stay" } else { "move" };
        let (left_end, right_end) = (left + width.max(8), right + width.max(8));
        let went = Went { from: &labels, places: (from, to), decisions, total };
        page.add(format_args!(
            "<path class=\"{} {kind}\" d=\"M0 {} C50 {} 50 {} 100 {} V{} C50 {} 50 {} 0 {} Z\"><title>{went}</title></path>",
            node.class,
            px(left),
            px(left),
            px(right),
            px(right),
            px(right_end),
            px(right_end),
            px(left_end),
            px(left_end)
        ));
    }
    page.add(format_args!("</svg>"));
    side(&nodes, 1, total, height, page);
    page.add(format_args!(
        "</div>\n<figcaption>{} of {} got another answer ({}). Pale bands stayed, strong bands moved.</figcaption>\n\
         </figure>",
        grouped(moved),
        counted(total, "decision"),
        share(moved, total)
    ));
    table(what_if, page);
}

/// The tooltip of a band.
struct Went<'a> {
    from: &'a [String],
    places: (usize, usize),
    decisions: u64,
    total: u64,
}

impl fmt::Display for Went<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |place: usize| Text(self.from.get(place).map_or("", String::as_str));
        let (from, to) = self.places;
        let (decisions, share) =
            (counted(self.decisions, "decision"), share(self.decisions, self.total));
        match from == to {
            true => write!(f, "{}, before and after: {decisions} ({share})", name(from)),
            false => write!(f, "{} to {}: {decisions} ({share})", name(from), name(to)),
        }
    }
}

/// The label of a choice.
pub(crate) fn choice(what_if: &WhatIf, place: Option<usize>) -> &str {
    place.map_or("rejected", |place| what_if.models.get(place).map_or("", |model| &model.label))
}

fn table(what_if: &WhatIf, page: &mut Markup) {
    let moved: Vec<_> = what_if.flows.iter().filter(|flow| flow.from != flow.to).collect();
    if moved.is_empty() {
        return;
    }
    page.add(format_args!("<h3>Where decisions moved</h3>"));
    let rows: Vec<Vec<String>> = moved
        .iter()
        .take(MAX_MOVES)
        .map(|flow| {
            vec![
                choice(what_if, flow.from).to_owned(),
                choice(what_if, flow.to).to_owned(),
                grouped(flow.decisions),
                share(flow.decisions, what_if.total.decisions),
            ]
        })
        .collect();
    let moves = moved.iter().fold(0_u64, |sum, flow| sum.saturating_add(flow.decisions));
    let all = what_if.total.decisions;
    let total = ["total".to_owned(), String::new(), grouped(moves), share(moves, all)];
    page.table(&Table {
        name: "Where decisions moved",
        header: &["from", "to", "decisions", "of all"],
        words: 2,
        rows: &rows,
        total: Some(&total),
    });
    rest(moved.len(), MAX_MOVES, page);
}

/// Rows of the table of moves.
const MAX_MOVES: usize = 15;

/// Rows of the other tables of a page.
pub(crate) const MAX_ROWS: usize = 40;

/// A note about the rows that a table leaves out.
pub(crate) fn rest(rows: usize, shown: usize, page: &mut Markup) {
    let more = rows.saturating_sub(shown);
    if more > 0 {
        page.add(format_args!(
            "<p class=\"faint\">and {} more; <code>--json</code> lists them</p>",
            grouped(more)
        ));
    }
}

/// A band: the nodes it goes from and to, and how many decisions went there.
type Band = (usize, usize, u64);

/// The nodes in their order, and the bands in the order of their nodes.
fn nodes_and_bands(what_if: &WhatIf) -> (Vec<Node>, Vec<Band>) {
    let mut ranked: Vec<usize> = (0..what_if.models.len()).collect();
    let counts = |place: usize| {
        what_if
            .models
            .get(place)
            .map_or((0, 0), |model| (model.recorded.accepted, model.proposed.accepted))
    };
    ranked.sort_by_key(|&place| {
        let (from, to) = counts(place);
        (Reverse(from.max(to)), place)
    });
    let others = if ranked.len() > MAX_MODELS + 1 { ranked.split_off(MAX_MODELS) } else { vec![] };
    ranked.sort_by_key(|&place| (Reverse(counts(place).0), Reverse(counts(place).1), place));
    let node = |label: String, class: String| Node {
        label,
        class,
        from: 0,
        to: 0,
        top: [0; 2],
        used: [0; 2],
    };
    let mut nodes: Vec<Node> = ranked
        .iter()
        .enumerate()
        .map(|(at, &place)| {
            let class = if at < MAX_MODELS { format!("m{at}") } else { "other".to_owned() };
            node(choice(what_if, Some(place)).to_owned(), class)
        })
        .collect();
    nodes.push(node(counted(others.len(), "other model"), "other".to_owned()));
    nodes.push(node("rejected".to_owned(), "rejected".to_owned()));
    let node_of = |choice: Option<usize>| match choice {
        None => ranked.len() + 1,
        Some(place) => ranked.iter().position(|&shown| shown == place).unwrap_or(ranked.len()),
    };
    let mut bands: Vec<Band> = Vec::new();
    for flow in &what_if.flows {
        let (from, to) = (node_of(flow.from), node_of(flow.to));
        match bands.iter_mut().find(|band| (band.0, band.1) == (from, to)) {
            Some(band) => band.2 = band.2.saturating_add(flow.decisions),
            None => bands.push((from, to, flow.decisions)),
        }
        if let Some(node) = nodes.get_mut(from) {
            node.from = node.from.saturating_add(flow.decisions);
        }
        if let Some(node) = nodes.get_mut(to) {
            node.to = node.to.saturating_add(flow.decisions);
        }
    }
    bands.sort_unstable();
    (nodes, bands)
}

/// Places the nodes of a side below one another and returns the end of the last.
fn stack(nodes: &mut [Node], side: usize, total: u64) -> u64 {
    let mut top = 0;
    for node in nodes {
        let decisions = if side == 0 { node.from } else { node.to };
        if let Some(place) = node.top.get_mut(side) {
            *place = top;
        }
        if decisions > 0 {
            top += bar(decisions, total).max(LABEL) + GAP;
        }
    }
    top
}

/// Bars and labels of a side.
fn side(nodes: &[Node], side: usize, total: u64, height: u64, page: &mut Markup) {
    let class = if side == 0 { "left" } else { "right" };
    let shown = || {
        nodes.iter().filter_map(move |node| {
            let decisions = if side == 0 { node.from } else { node.to };
            Some((node, decisions, *node.top.get(side)?)).filter(|_| decisions > 0)
        })
    };
    let labels = |page: &mut Markup| {
        page.add(format_args!("<div class=\"{class}\">"));
        for (node, decisions, top) in shown() {
            page.add(format_args!(
                "<div class=\"node\" style=\"top:{}px\"><span title=\"{}\">{}</span><small>{} ({})</small></div>",
                px(top),
                Text(&node.label),
                Text(&node.label),
                grouped(decisions),
                share(decisions, total)
            ));
        }
        page.add(format_args!("</div>"));
    };
    if side == 0 {
        labels(page);
    }
    page.add(format_args!("<svg width=\"10\" height=\"{}\" aria-hidden=\"true\">", px(height)));
    for (node, decisions, top) in shown() {
        page.add(format_args!(
            "<rect class=\"{}\" y=\"{}\" width=\"10\" height=\"{}\"><title>{}: {}</title></rect>",
            node.class,
            px(top),
            px(bar(decisions, total).max(8)),
            Text(&node.label),
            counted(decisions, "decision")
        ));
    }
    page.add(format_args!("</svg>"));
    if side == 1 {
        labels(page);
    }
}

/// The height of a bar in tenths of a pixel.
fn bar(decisions: u64, total: u64) -> u64 {
    let height = u128::from(decisions) * u128::from(BARS) / u128::from(total.max(1));
    u64::try_from(height).unwrap_or(BARS)
}

/// Tenths of a pixel as SVG writes them.
fn px(tenths: u64) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}
