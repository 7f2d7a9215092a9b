//! Tables as a person reads them.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::amount::counted;
use crate::page::Page;

/// A plain table; the named columns hold numbers and are aligned to the right. Cells are never broken.
pub(crate) fn table(
    header: &[&str],
    numeric: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::new('-', '-', '-', '-'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
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
