//! The tables of `docs/benchmarks.md` and its chart, from what `versus --json` printed.
//!
//! The figures are in `docs/benchmarks.jsonl` as they came out of the program. The page's words are a person's; between
//! `<!-- begin AREA -->` and `<!-- end AREA -->` stands a table made here.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::shell::read;

/// One line of `cargo xtask versus --json`. A ratio is peer over ours, so larger is better for us.
#[derive(Deserialize)]
struct Figure {
    area: String,
    case: String,
    n: u64,
    peer: String,
    ours_min: f64,
    peer_min: f64,
    /// Nothing where ours is 0.
    ratio_min: Option<f64>,
    ratio_median: Option<f64>,
    unit: String,
}

/// The page and its chart.
pub(crate) fn pages() -> Result<Vec<(&'static str, String)>, String> {
    let figures = parse(&read("docs/benchmarks.jsonl")?)?;
    let page = fill(&read("docs/benchmarks.md")?, &figures)?;
    Ok(vec![("docs/benchmarks.md", page), ("docs/benchmarks.svg", chart(&figures))])
}

fn parse(lines: &str) -> Result<Vec<Figure>, String> {
    let figure = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| format!("docs/benchmarks.jsonl:{}: {error}", number + 1))
    };
    lines.lines().enumerate().map(figure).collect()
}

/// The page with every table between its marks replaced.
fn fill(page: &str, figures: &[Figure]) -> Result<String, String> {
    let mut areas: Vec<&str> = figures.iter().map(|figure| figure.area.as_str()).collect();
    areas.dedup();
    let mut page = page.to_owned();
    for area in areas {
        let (begin, end) = (format!("<!-- begin {area} -->\n"), format!("<!-- end {area} -->"));
        let missing = || format!("docs/benchmarks.md has no `{}`", begin.trim());
        let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
        let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
        page = format!("{before}{begin}{}{end}{after}", table(area, figures));
    }
    Ok(page)
}

fn table(area: &str, figures: &[Figure]) -> String {
    let mut table = String::from(
        "| case | n | ours, min | peer | peer, min | unit | ratio of minima | ratio of medians |\n\
         |---|--:|--:|---|--:|---|--:|--:|\n",
    );
    for figure in figures.iter().filter(|figure| figure.area == area) {
        // Writing to a `String` does not fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            figure.case,
            figure.n,
            short(figure.ours_min),
            figure.peer,
            short(figure.peer_min),
            figure.unit,
            ratio(figure.ratio_min),
            ratio(figure.ratio_median),
        );
    }
    table
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), short)
}

/// A figure with three digits that count, and none of them invented.
fn short(figure: f64) -> String {
    match figure {
        _ if figure >= 100.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

const BAR_LEFT: f64 = 250.0;
const BAR_RIGHT: f64 = 700.0;
const ROW_HEIGHT: usize = 18;

/// Bars of the ratios against the published crate (its fastest version where it has several) on a logarithmic scale; left of
/// the line at 1 we are slower.
fn chart(figures: &[Figure]) -> String {
    let shown: Vec<(&Figure, f64)> = figures
        .iter()
        .filter(|figure| figure.peer == if figure.area == "kernel" { "0.2.1" } else { "1.3.0" })
        .filter_map(|figure| Some((figure, figure.ratio_min?)))
        .collect();
    let ratios = shown.iter().map(|(_, ratio)| *ratio);
    let (least, most) = ratios
        .fold((0.5_f64, 10.0_f64), |(least, most), ratio| (least.min(ratio), most.max(ratio)));
    let (low, high) = (least.log10(), most.log10());
    let x = |ratio: f64| BAR_LEFT + (BAR_RIGHT - BAR_LEFT) * (ratio.log10() - low) / (high - low);
    let height = 40 + ROW_HEIGHT * shown.len() + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" role=\"img\" \
         aria-label=\"How many times as long the published calybris-core takes, by case\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>text{{fill:#222}}.w{{fill:#2f6f9f}}.l{{fill:#b5533c}}.g{{stroke:#888;stroke-dasharray:2 3}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}.w{{fill:#6fb1e0}}.l{{fill:#e08a6f}}}}</style>\n\
         <text x=\"8\" y=\"18\" font-weight=\"bold\">times as fast as the published calybris-core \
         (minimum against minimum, logarithmic)</text>\n"
    );
    for tick in [1.0, 10.0, 100.0, 1_000.0].into_iter().filter(|tick| (least..=most).contains(tick))
    {
        let at = x(tick);
        let _ = writeln!(
            svg,
            "<line class=\"g\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"28\" y2=\"{}\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            height - 18,
            height - 4,
        );
    }
    for (row, &(figure, ratio)) in shown.iter().enumerate() {
        let (from, to) = (x(1.0).min(x(ratio)), x(1.0).max(x(ratio)));
        let class = if ratio >= 1.0 { "w" } else { "l" };
        let top = 32 + ROW_HEIGHT * row;
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{text}\">{area} {case}, n {n}, {peer}</text>\
             <rect class=\"{class}\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"13\"/>\
             <text x=\"{label:.1}\" y=\"{text}\">{ratio}</text>",
            text = top + 11,
            area = figure.area,
            case = figure.case,
            n = figure.n,
            width = (to - from).max(1.0),
            label = to + 4.0,
            peer = figure.peer,
            ratio = short(ratio),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "{\"area\":\"wal\",\"case\":\"append_os\",\"n\":150,\"peer\":\"1.3.0\",\"ours_min\":1007.0,\
                        \"peer_min\":8257.4,\"ratio_min\":8.2,\"ratio_median\":7.8,\"unit\":\"ns/append\"}";

    #[test]
    fn a_table_stands_between_its_marks_and_nothing_else_changes() {
        let figures = parse(LINE).unwrap();
        let page = "words\n<!-- begin wal -->\nold\n<!-- end wal -->\nmore words\n";
        let filled = fill(page, &figures).unwrap();
        assert!(filled.starts_with("words\n<!-- begin wal -->\n| case |"));
        assert!(
            filled.contains(
                "| `append_os` | 150 | 1007 | 1.3.0 | 8257 | ns/append | 8.20 | 7.80 |\n"
            )
        );
        assert!(filled.ends_with("<!-- end wal -->\nmore words\n") && !filled.contains("old"));
        assert_eq!(fill(&filled, &figures).unwrap(), filled);
    }

    #[test]
    fn a_missing_mark_and_a_line_that_is_none_are_named() {
        let figures = parse(LINE).unwrap();
        assert!(fill("no marks", &figures).unwrap_err().contains("<!-- begin wal -->"));
        let error = parse(&format!("{LINE}\n{{}}")).err().unwrap();
        assert!(error.starts_with("docs/benchmarks.jsonl:2:"), "{error}");
    }

    #[test]
    fn the_chart_has_a_bar_for_each_case_of_the_published_crate() {
        let svg = chart(&parse(&format!("{LINE}\n{}", LINE.replace("1.3.0", "okaywal"))).unwrap());
        assert_eq!(svg.matches("<rect").count(), 1);
    }
}
