//! Tables as a person reads them.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::amount::counted;
use crate::output::Page;
use crate::terminal::{clipped_inside, columns};
use crate::visible::visible_within_a_line;

/// A plain table; the named columns hold numbers and are aligned to the right. On a terminal, texts are cut in the middle
/// where a line would be longer than the terminal is wide; elsewhere cells are whole. Numbers are never cut.
pub(crate) fn table(
    header: &[&str],
    numeric: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let within_lines =
        |row: Vec<String>| row.iter().map(|cell| visible_within_a_line(cell)).collect();
    let rows = rows.into_iter().map(within_lines).collect();
    within(columns(), header, numeric, rows)
}

/// The table with lines of at most so many letters.
fn within(
    columns: Option<usize>,
    header: &[&str],
    numeric: &[usize],
    mut rows: Vec<Vec<String>>,
) -> String {
    let whole = drawn(header, numeric, &rows);
    let widest = whole.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let Some(excess) = columns.map(|columns| widest.saturating_sub(columns)).filter(|&n| n > 0)
    else {
        return whole;
    };
    let texts = (0..header.len()).filter(|index| !numeric.contains(index));
    let letters = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default()
    };
    let natural: Vec<usize> = texts.map(letters).collect();
    let room = natural.iter().sum::<usize>().saturating_sub(excess);
    let fits = |cap: &usize| natural.iter().map(|letters| letters.min(cap)).sum::<usize>() <= room;
    let longest = natural.iter().copied().max().unwrap_or_default();
    let cap = (LEAST_LETTERS..longest).rev().find(fits).unwrap_or(LEAST_LETTERS);
    for row in &mut rows {
        for (_, cell) in row.iter_mut().enumerate().filter(|(index, _)| !numeric.contains(index)) {
            *cell = clipped_inside(cell, cap);
        }
    }
    drawn(header, numeric, &rows)
}

/// Letters that a text in a table keeps, however narrow the terminal is.
const LEAST_LETTERS: usize = 8;

fn drawn(header: &[&str], numeric: &[usize], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::new('-', '-', '-', '-'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table.add_rows(rows.iter().cloned());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if numeric.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Rows of a table that may be long. The rest is one line, and stands in what `--json` prints.
pub(crate) const LONGEST_TABLE_ROWS: usize = 10;

/// Says what a table leaves out that shows at most [`LONGEST_TABLE_ROWS`] of so many.
pub(crate) fn rest(rows: usize, what: &str, page: &mut Page) {
    let more = rows.saturating_sub(LONGEST_TABLE_ROWS);
    if more > 0 {
        let more = counted(more, &format!("more {what}"));
        page.line(format_args!("and {more}; --json lists them"));
    }
    page.line("");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |name: &str, other: &str, number: &str| {
            [name, other, number].map(str::to_owned).to_vec()
        };
        vec![
            row("openrouter/openai/gpt-4o-2024-08-06", "a", "1,234,567"),
            row("short", "azure/us/gpt-4o-2024-08-06", "1"),
        ]
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal_at_most_and_its_numbers_are_whole() {
        let shown = |columns| within(columns, &["name", "other", "number"], &[2], rows());
        let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
        let whole = shown(None);
        assert!(whole.contains("openrouter/openai/gpt-4o-2024-08-06"), "{whole}");
        assert_eq!(shown(Some(widest(&whole))), whole);
        for columns in 34..widest(&whole) {
            let cut = shown(Some(columns));
            assert!(widest(&cut) <= columns, "{columns}\n{cut}");
            assert!(widest(&cut) + 1 >= columns, "{columns}\n{cut}");
            assert!(cut.contains("1,234,567") && cut.contains("short"), "{cut}");
        }
    }

    #[test]
    fn a_cell_cannot_begin_a_line() {
        let shown = table(&["name"], &[], [vec!["a\n b\u{1b}[2J".to_owned()]]);
        assert!(shown.ends_with("a\\u000a b\\u001b[2J"), "{shown}");
    }
}
