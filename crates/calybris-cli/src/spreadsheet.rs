//! Rows of CSV that are safe to open in a spreadsheet: no cell is a formula.

use crate::failure::Failure;
use crate::visible::visible_within_a_line;

/// One line of CSV (RFC 4180, line ends `\n`). Control characters are shown as escapes, and a text that a spreadsheet would
/// take for a formula begins with `'`.
pub(crate) fn row(cells: impl IntoIterator<Item = String>) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells.into_iter().map(|cell| guarded(&cell))).map_err(Failure::refused)?;
    let bytes = writer.into_inner().map_err(Failure::refused)?;
    String::from_utf8(bytes).map_err(Failure::refused)
}

fn guarded(cell: &str) -> String {
    let shown = visible_within_a_line(cell);
    if cell.starts_with(BEGINS_A_FORMULA) && !is_number(cell) {
        return format!("'{shown}");
    }
    shown
}

/// Includes the full-width forms of the first four, which some spreadsheets treat alike.
const BEGINS_A_FORMULA: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Whether it is a number as the program writes one, such as `-12`.
fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        for formula in ["=1+1", "+1", "-1+1", "-", "@SUM(A1)", "\t=1", "\r=1", "\u{ff1d}1", "--12"]
        {
            assert!(guarded(formula).starts_with('\''), "{formula:?}");
        }
        for plain in ["-12", "12", "", "a=b", "'=1", "gpt-4o", "0"] {
            assert_eq!(guarded(plain), plain);
        }
        let cells = ["=HYPERLINK(\"x\",\"y\")", "-12", "a\u{1b}[2J\nb"].map(str::to_owned);
        assert_eq!(
            row(cells).unwrap(),
            "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\",-12,a\\u001b[2J\\u000ab\n"
        );
    }
}
