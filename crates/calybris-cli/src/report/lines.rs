//! A line chart that stretches with the page, with its numbers as text beside it.

use std::fmt::Write as _;

use super::markup::{Markup, Text};

/// One line.
pub(crate) struct Line<'a> {
    /// What the legend calls it.
    pub(crate) label: &'a str,
    /// Its class: `was` or `now`.
    pub(crate) class: &'a str,
    pub(crate) values: Vec<i128>,
}

/// A chart of lines over the same places.
pub(crate) struct Chart<'a> {
    /// What it shows, in a sentence.
    pub(crate) caption: String,
    pub(crate) lines: &'a [Line<'a>],
    /// Whether the bottom is 0, whatever the values; else it is the least of them.
    pub(crate) from_zero: bool,
    /// How the least and the most are written.
    pub(crate) written: fn(i128) -> String,
    /// The first and the last place.
    pub(crate) span: [String; 2],
    /// Marks every place with a dot, and this one with a larger one.
    pub(crate) dots: Option<Option<usize>>,
}

const WIDTH: i128 = 1_000;
const HEIGHT: i128 = 180;

impl Chart<'_> {
    pub(crate) fn write(&self, page: &mut Markup) {
        let values = || self.lines.iter().flat_map(|line| line.values.iter().copied());
        let low = values().min().unwrap_or_default();
        let low = if self.from_zero { low.min(0) } else { low };
        let high = values().max().unwrap_or_default().max(low);
        page.add(format_args!("<figure>"));
        if self.lines.len() > 1 {
            page.add(format_args!("<div class=\"legend\" aria-hidden=\"true\">"));
            for line in self.lines {
                page.add(format_args!(
                    "<span><svg width=\"28\" height=\"8\"><path class=\"line {}\" d=\"M1 4 H27\"/></svg>{}</span>",
                    line.class,
                    Text(line.label)
                ));
            }
            page.add(format_args!("</div>"));
        }
        page.add(format_args!(
            "<div class=\"chart\"><span class=\"high\">{}</span><span class=\"low\">{}</span>\n\
             <svg role=\"img\" aria-label=\"{}\" height=\"{HEIGHT}\" viewBox=\"0 -4 {WIDTH} {}\" \
             preserveAspectRatio=\"none\">",
            Text(&(self.written)(high)),
            Text(&(self.written)(low)),
            Text(&self.caption),
            HEIGHT + 8
        ));
        for line in self.lines {
            let points = self.points(&line.values, low, high);
            let mut path = String::new();
            for (at, (x, y)) in points.iter().enumerate() {
                let _ = write!(path, "{}{x} {y}", if at == 0 { "M" } else { " L" });
            }
            if let [(_, y)] = points.as_slice() {
                path = format!("M0 {y} H{WIDTH}");
            }
            page.add(format_args!("<path class=\"line {}\" d=\"{path}\"/>", line.class));
            for (at, (x, y)) in points.iter().enumerate() {
                let Some(marked) = self.dots else { break };
                let size = if marked == Some(at) { "dot-recorded" } else { "dots" };
                page.add(format_args!(
                    "<path class=\"line {size} {}\" d=\"M{x} {y} h0\"/>",
                    line.class
                ));
            }
        }
        let [first, last] = &self.span;
        page.add(format_args!(
            "</svg>\n<div class=\"span\"><span>{}</span><span>{}</span></div></div>\n\
             <figcaption>{}</figcaption>\n</figure>",
            Text(first),
            Text(last),
            Text(&self.caption)
        ));
    }

    fn points(&self, values: &[i128], low: i128, high: i128) -> Vec<(i128, i128)> {
        let last = i128::try_from(values.len().saturating_sub(1)).unwrap_or(1).max(1);
        let height = high.saturating_sub(low).max(1);
        let place = |(at, value): (i128, &i128)| {
            let up = value.saturating_sub(low);
            // Values near the ends of an i128 are drawn coarsely instead of not at all.
            let up = up.checked_mul(HEIGHT).map_or(up / (height / HEIGHT).max(1), |up| up / height);
            (at * WIDTH / last, HEIGHT - up)
        };
        (0..).zip(values).map(place).collect()
    }
}

/// The sum of a bucket per decision, so that a bucket that is not full yet is no dip.
pub(crate) fn per_decision(sum: i128, decisions: u64) -> i128 {
    sum.checked_div(decisions.into()).unwrap_or_default()
}
