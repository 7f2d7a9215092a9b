//! The lines that pin a log down and are kept elsewhere: an anchor, a tree head. A file with the line, or the line itself.

use std::path::Path;
use std::str::FromStr;

use calybris_catalog::text::quoted;
use calybris_catalog::{InputError, Place};
use calybris_core::wal::{Anchor, TreeHead, WalError};

use super::source::{is_stdin, read};
use crate::terminal::program_name;

/// Reads what `calybris anchor` prints.
pub(crate) fn read_anchor(given: &Path) -> Result<Anchor, InputError> {
    read_line(given, "anchor")
}

/// Reads what `calybris anchor --tree` prints.
pub(crate) fn read_tree_head(given: &Path) -> Result<TreeHead, InputError> {
    read_line(given, "anchor --tree")
}

fn read_line<T: FromStr<Err = WalError>>(given: &Path, printed_by: &str) -> Result<T, InputError> {
    let printed_by = format!("{} {printed_by}", program_name());
    if let Some(found) = given.to_str().and_then(|text| text.parse().ok()) {
        return Ok(found);
    }
    if !is_stdin(given) && !given.exists() {
        let what = format!("is no file, and not the line that `{printed_by}` prints");
        return Err(InputError::in_file(given, what));
    }
    let text = read(given)?;
    text.trim().parse().map_err(|_: WalError| {
        let found = quoted(text.trim());
        let what = format!("found {found}, allowed is the line that `{printed_by}` prints");
        let begin = text.len() - text.trim_start().len();
        InputError::at(given, Place::of(&text, begin), what)
    })
}
