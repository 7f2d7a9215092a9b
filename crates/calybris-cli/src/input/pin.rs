//! Anchors and tree heads, given as a line of text or as a file with that line.

use std::path::Path;
use std::str::FromStr;

use calybris_catalog::text::quoted;
use calybris_catalog::{InputError, Place};
use calybris_core::wal::{Anchor, TreeHead, WalError};

use super::source::{is_stdin, read};
use crate::terminal::program_name;

/// Reads an anchor, as `calybris anchor` prints it.
pub(crate) fn read_anchor(given: &Path) -> Result<Anchor, InputError> {
    read_line(given, "anchor")
}

/// Reads a tree head, as `calybris anchor --tree` prints it.
pub(crate) fn read_tree_head(given: &Path) -> Result<TreeHead, InputError> {
    read_line(given, "anchor --tree")
}

fn read_line<T: FromStr<Err = WalError>>(given: &Path, printed_by: &str) -> Result<T, InputError> {
    let printed_by = format!("{} {printed_by}", program_name());
    if let Some(found) = given.to_str().and_then(|text| text.parse().ok()) {
        return Ok(found);
    }
    if !is_stdin(given) && !given.exists() {
        let what = format!("is neither a file nor the line that `{printed_by}` prints");
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
