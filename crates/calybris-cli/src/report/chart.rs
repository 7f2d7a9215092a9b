//! Charts: panels of lines or bars above one x-axis, with ticks, and the values at hand wherever the pointer is.
//!
//! The drawing stretches with the width of the page; text does not. Values appear on hover through CSS alone, without a script.

use std::fmt::Write as _;

use super::axis::{LENGTH, Measure, Scale, Tick};
use super::markup::{Markup, Text};

/// Values of one kind over all places.
pub(crate) struct Series<'a> {
    /// Its name in the legend.
    pub(crate) label: String,
    /// The class that gives it its colour.
    pub(crate) class: &'a str,
    pub(crate) values: Vec<i128>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawn {
    Line,
    /// A line with a dot at each place, a larger one at the marked place.
    Dots,
    /// A bar at each place; the bars of several series are stacked.
    Bars,
}

/// One drawing of a chart, with a y-axis of its own.
pub(crate) struct Panel<'a> {
    pub(crate) title: String,
    pub(crate) measure: Measure,
    pub(crate) drawn: Drawn,
    pub(crate) series: Vec<Series<'a>>,
    /// Whether the axis includes 0, whatever the values.
    pub(crate) from_zero: bool,
}

/// A place on the x-axis, from 0 to [`LENGTH`].
pub(crate) struct Place {
    pub(crate) at: i128,
    /// Its label in the tooltip.
    pub(crate) name: String,
}

/// Panels above one x-axis.
pub(crate) struct Chart<'a> {
    /// The id of the chart on the page, unique there.
    pub(crate) id: &'a str,
    /// What it shows, in a sentence.
    pub(crate) caption: String,
    pub(crate) panels: Vec<Panel<'a>>,
    pub(crate) places: Vec<Place>,
    pub(crate) x_title: String,
    pub(crate) x_ticks: Vec<Tick>,
    /// The place that is marked in every panel.
    pub(crate) marked: Option<usize>,
}

/// The height of a single panel; several panels are lower.
const HEIGHT: i128 = 200;
const LOWER: i128 = 130;

impl Chart<'_> {
    pub(crate) fn write(&self, page: &mut Markup) {
        let scales: Vec<Scale> = self.panels.iter().map(scale).collect();
        let labels = scales.iter().flat_map(|scale| &scale.ticks);
        let letters = labels.map(|tick| tick.label.chars().count()).max().unwrap_or(1);
        page.add(format_args!("<figure class=\"chart\" style=\"--gutter:{}ch\">", letters + 1));
        page.add(format_args!("<div class=\"plots\">"));
        for (number, (panel, scale)) in self.panels.iter().zip(&scales).enumerate() {
            self.panel(number, panel, scale, page);
        }
        self.values(page);
        let many = if self.x_ticks.len() > FEW_TICKS { " many" } else { "" };
        page.add(format_args!("<div class=\"x{many}\" aria-hidden=\"true\">"));
        ticks(&self.x_ticks, "left", page);
        page.add(format_args!(
            "</div>\n<div class=\"x-title\" aria-hidden=\"true\">{}</div>\n</div>\n<figcaption>{}</figcaption>\n</figure>",
            Text(&self.x_title),
            Text(&self.caption)
        ));
    }

    fn panel(&self, number: usize, panel: &Panel<'_>, scale: &Scale, page: &mut Markup) {
        let height = if self.panels.len() > 1 { LOWER } else { HEIGHT };
        let id = format!("{}-{number}", self.id);
        page.add(format_args!("<div class=\"panel-title\">{}", Text(&panel.title)));
        legend(panel, page);
        page.add(format_args!(
            "</div>\n<div class=\"panel\" style=\"height:{height}px\">\n<div class=\"y\" aria-hidden=\"true\">"
        ));
        ticks(&scale.ticks, "bottom", page);
        page.add(format_args!(
            "</div>\n<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 {LENGTH} {LENGTH}\" \
             preserveAspectRatio=\"none\">\n<title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            Text(&panel.title),
            Text(&self.caption)
        ));
        let mut grid = String::new();
        for tick in &scale.ticks {
            let _ = write!(grid, "M0 {} H{LENGTH}", LENGTH - tick.at);
        }
        for tick in &self.x_ticks {
            let _ = write!(grid, "M{} 0 V{LENGTH}", tick.at);
        }
        page.add(format_args!("<path class=\"grid\" d=\"{grid}\"/>"));
        match panel.drawn {
            Drawn::Bars => self.bars(panel, scale, page),
            Drawn::Line | Drawn::Dots => self.lines(panel, scale, page),
        }
        page.add(format_args!("</svg>\n</div>"));
    }

    fn lines(&self, panel: &Panel<'_>, scale: &Scale, page: &mut Markup) {
        for series in &panel.series {
            let points: Vec<(i128, i128)> = self
                .places
                .iter()
                .zip(&series.values)
                .map(|(place, value)| (place.at, LENGTH - scale.place(*value)))
                .collect();
            let mut path = String::new();
            for (at, (x, y)) in points.iter().enumerate() {
                let _ = write!(path, "{}{x} {y}", if at == 0 { "M" } else { " L" });
            }
            if let [(_, y)] = points.as_slice() {
                path = format!("M0 {y} H{LENGTH}");
            }
            page.add(format_args!("<path class=\"line {}\" d=\"{path}\"/>", series.class));
            let dots = if panel.drawn == Drawn::Dots { points.as_slice() } else { &[] };
            for (at, (x, y)) in dots.iter().enumerate() {
                let size = if self.marked == Some(at) { "dot-recorded" } else { "dots" };
                page.add(format_args!(
                    "<path class=\"line {size} {}\" d=\"M{x} {y} h0\"/>",
                    series.class
                ));
            }
        }
    }

    fn bars(&self, panel: &Panel<'_>, scale: &Scale, page: &mut Markup) {
        let count = i128::try_from(self.places.len()).unwrap_or(1).max(1);
        let zero = scale.place(0);
        let mut tops = vec![0_i128; self.places.len()];
        for series in &panel.series {
            let mut path = String::new();
            for (at, (value, top)) in (0..).zip(series.values.iter().zip(&mut tops)) {
                let from = if *top == 0 { zero } else { scale.place(*top) };
                *top = top.saturating_add(*value);
                if *value != 0 {
                    let (left, right) = (at * LENGTH / count, (at + 1) * LENGTH / count);
                    let gap = (right - left) / 8;
                    // A value above zero stays visible, however small it is.
                    let to = scale.place(*top);
                    let to = if (to - from).abs() < LEAST_BAR {
                        from + LEAST_BAR * value.signum()
                    } else {
                        to
                    };
                    let _ = write!(
                        path,
                        "M{} {} V{} H{} V{}Z",
                        left + gap,
                        LENGTH - from,
                        LENGTH - to,
                        right - gap,
                        LENGTH - from
                    );
                }
            }
            page.add(format_args!("<path class=\"{}\" d=\"{path}\"/>", series.class));
        }
    }

    /// The tooltips: for each place an invisible strip from top to bottom, and the values beside it.
    fn values(&self, page: &mut Markup) {
        page.add(format_args!("<div class=\"hits\" aria-hidden=\"true\">"));
        for (at, place) in self.places.iter().enumerate() {
            let (left, right) = self.strip(at);
            let (width, centre) = (right - left, (left + right) / 2);
            let mut values = String::new();
            for panel in &self.panels {
                for series in &panel.series {
                    let Some(value) = series.values.get(at) else { continue };
                    if *value == 0 && panel.series.len() > 2 {
                        continue;
                    }
                    let class = series.class;
                    let _ = write!(
                        values,
                        "<dt><i class=\"{class}\"></i>{}</dt><dd>{}</dd>",
                        Text(&series.label),
                        panel.measure.written(*value)
                    );
                }
            }
            page.add(format_args!(
                "<div class=\"hit\" style=\"flex-basis:{}%\"><dl class=\"tip {}\" style=\"--at:{}%\"><dt class=\"place\">{}</dt>\
                 <dd></dd>{values}</dl></div>",
                percent(width),
                if centre * 2 < LENGTH { "right" } else { "left" },
                percent(centre),
                Text(&place.name)
            ));
        }
        page.add(format_args!("</div>"));
    }

    /// The strip of a place: where it begins and ends.
    fn strip(&self, at: usize) -> (i128, i128) {
        let count = i128::try_from(self.places.len()).unwrap_or(1).max(1);
        let number = i128::try_from(at).unwrap_or_default();
        if self.panels.iter().any(|panel| panel.drawn == Drawn::Bars) {
            return (number * LENGTH / count, (number + 1) * LENGTH / count);
        }
        let place = |at: usize| self.places.get(at).map(|place| place.at);
        let here = place(at).unwrap_or_default();
        let before = at.checked_sub(1).and_then(place);
        let left = before.map_or(0, |before| i128::midpoint(before, here));
        let right = place(at + 1).map_or(LENGTH, |after| i128::midpoint(here, after));
        (left, right)
    }
}

/// The most ticks of which a narrow screen shows every second one; of more it shows every third.
const FEW_TICKS: usize = 6;

/// The least height of a bar: a pixel and a half.
const LEAST_BAR: i128 = 75;

/// The scale for the values of a panel; for bars it covers the stacked sums.
fn scale(panel: &Panel<'_>) -> Scale {
    let mut values: Vec<i128> =
        panel.series.iter().flat_map(|series| series.values.iter().copied()).collect();
    if panel.drawn == Drawn::Bars {
        let most = panel.series.iter().map(|series| series.values.len()).max().unwrap_or_default();
        let sum = |at: usize| {
            let values = panel.series.iter().filter_map(|series| series.values.get(at));
            values.fold(0_i128, |sum, value| sum.saturating_add(*value))
        };
        values = (0..most).map(sum).collect();
    }
    let low = values.iter().copied().min().unwrap_or_default();
    let high = values.iter().copied().max().unwrap_or_default();
    let (low, high) = if panel.from_zero { (low.min(0), high.max(0)) } else { (low, high) };
    Scale::around(low, high, panel.measure)
}

/// The legend of a panel with several colours.
fn legend(panel: &Panel<'_>, page: &mut Markup) {
    if panel.series.len() < 2 {
        return;
    }
    page.add(format_args!("<div class=\"legend\" aria-hidden=\"true\">"));
    for series in &panel.series {
        let class = series.class;
        let (width, mark) = match panel.drawn {
            Drawn::Bars => (12, format!("<rect class=\"{class}\" width=\"12\" height=\"12\"/>")),
            Drawn::Line | Drawn::Dots => {
                (28, format!("<path class=\"line {class}\" d=\"M1 6 H27\"/>"))
            }
        };
        page.add(format_args!(
            "<span><svg width=\"{width}\" height=\"12\">{mark}</svg>{}</span>",
            Text(&series.label)
        ));
    }
    page.add(format_args!("</div>"));
}

fn ticks(ticks: &[Tick], side: &str, page: &mut Markup) {
    for tick in ticks {
        let edge =
            if tick.at > LENGTH * 96 / 100 && side == "left" { " class=\"end\"" } else { "" };
        page.add(format_args!(
            "<span{edge} style=\"{side}:{}%\">{}</span>",
            percent(tick.at),
            Text(&tick.label)
        ));
    }
}

/// A place as a percentage of the axis.
fn percent(at: i128) -> String {
    match at % 100 {
        0 => (at / 100).to_string(),
        part => format!("{}.{part:02}", at / 100),
    }
}

/// The average of a bucket per decision, so that the last bucket, which is not full yet, shows no dip.
pub(crate) fn per_decision(sum: i128, decisions: u64) -> i128 {
    sum.checked_div(decisions.into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(drawn: Drawn, places: &[i128]) -> Chart<'static> {
        let place = |at: &i128| Place { at: *at, name: String::new() };
        let values = vec![1; places.len()];
        let series = vec![Series { label: "a".to_owned(), class: "now", values }];
        let (title, measure) = ("t".to_owned(), Measure::Count);
        Chart {
            id: "c",
            caption: String::new(),
            panels: vec![Panel { title, measure, drawn, series, from_zero: true }],
            places: places.iter().map(place).collect(),
            x_title: String::new(),
            x_ticks: Vec::new(),
            marked: None,
        }
    }

    #[test]
    fn the_pointer_is_at_some_place_wherever_it_is() {
        for places in
            [vec![5_000], vec![0, 10, 9_000, 10_000], (0..97).map(|at| at * 100).collect()]
        {
            for drawn in [Drawn::Line, Drawn::Dots, Drawn::Bars] {
                let chart = chart(drawn, &places);
                let mut end = 0;
                for at in 0..places.len() {
                    let (left, right) = chart.strip(at);
                    assert_eq!(left, end, "{drawn:?} {at}");
                    assert!(right >= left, "{drawn:?} {at}");
                    end = right;
                }
                assert_eq!(end, LENGTH, "{drawn:?}");
            }
        }
    }

    #[test]
    fn bars_upon_each_other_fit_their_axis() {
        let mut chart = chart(Drawn::Bars, &[0, 5_000]);
        if let [panel] = chart.panels.as_mut_slice() {
            let values = vec![7, 0];
            panel.series.push(Series { label: "b".to_owned(), class: "was", values });
            let scale = scale(panel);
            assert_eq!((scale.low, scale.high), (0, 8));
        }
    }

    #[test]
    fn a_place_is_a_percentage_with_two_decimals() {
        let written = [0, 7, 250, 5_000, 10_000].map(percent);
        assert_eq!(written, ["0", "0.07", "2.50", "50", "100"]);
    }
}
