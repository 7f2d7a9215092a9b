//! Tables and amounts as a person reads them.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

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

/// Microunits as currency units: `1_234_567` is `1.234567`.
pub(crate) fn money(microunits: impl Into<u128>) -> String {
    let microunits = microunits.into();
    format!("{}.{:06}", grouped(microunits / 1_000_000), microunits % 1_000_000)
}

/// The same of an amount that may be negative.
pub(crate) fn signed_money(microunits: impl Into<i128>) -> String {
    let microunits = microunits.into();
    let sign = if microunits < 0 { "-" } else { "" };
    format!("{sign}{}", money(microunits.unsigned_abs()))
}

/// How many of something: `1 record`, `2,000 records`.
pub(crate) fn counted(number: impl ToString, what: &str) -> String {
    let number = grouped(number);
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// So many a second, if the work took long enough to say so.
pub(crate) fn rate(count: u64, elapsed: Duration) -> Option<String> {
    (elapsed >= SHORTEST_RATED).then(|| {
        let per_second = u128::from(count) * 1_000_000 / elapsed.as_micros();
        format!("{} per second", grouped(per_second))
    })
}

/// Work shorter than this says nothing about speed.
const SHORTEST_RATED: Duration = Duration::from_millis(10);

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

/// A whole number with a comma before each group of three digits.
pub(crate) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_six_decimals() {
        assert_eq!(money(0_u64), "0.000000");
        assert_eq!(money(1_u64), "0.000001");
        assert_eq!(money(1_234_567_890_u64), "1,234.567890");
    }

    #[test]
    fn an_amount_may_be_negative() {
        assert_eq!(signed_money(-1_i64), "-0.000001");
        assert_eq!(signed_money(i64::MIN), "-9,223,372,036,854.775808");
        assert_eq!(signed_money(1_i64), "0.000001");
    }

    #[test]
    fn what_took_no_time_has_no_rate() {
        let rate = |count, ms| rate(count, Duration::from_millis(ms));
        assert_eq!(rate(5, 9), None);
        assert_eq!(rate(5, 10).as_deref(), Some("500 per second"));
        assert_eq!(rate(u64::MAX, 1_000).as_deref(), Some("18,446,744,073,709,551,615 per second"));
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [
            (0_u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!(counted(1_usize, "record"), "1 record");
        assert_eq!(counted(0_u64, "record"), "0 records");
        assert_eq!(counted(2_000_u64, "record"), "2,000 records");
    }
}
