//! `calybris anchor`: the log's head in one line, to be kept elsewhere.

use calybris_core::wal::{TreeHead, VerifyOptions, verify};
use serde_json::json;

use crate::failure::Failure;
use crate::log::arguments::LogArguments;
use crate::output::Page;

/// Verify a log and print its anchor.
///
/// Keep the line where nobody who can write the log can change it: `calybris verify --anchor` then shows if records were cut from
/// the end or the log was rewritten.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  calybris anchor ./log > anchor.txt
  calybris anchor ./log --tree > tree-head.txt

Exit codes: as of `calybris verify`.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Print the tree head instead, against which `calybris check` checks the proof of a decision
    #[arg(long)]
    tree: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let key = arguments.log.key()?;
    let dir = arguments.log.dir();
    let failed = |error| Failure::of_log(dir, &error);
    let options = VerifyOptions::default().with_key(key.clone());
    let report = verify(dir, &options).map_err(failed)?;
    let head = report.head;
    let (what, line) = if arguments.tree {
        let tree = TreeHead::of(dir, key.as_ref(), head.sequence).map_err(failed)?;
        ("tree_head", tree.to_string())
    } else {
        ("anchor", head.to_string())
    };
    let mut page = Page::default();
    if arguments.log.json {
        let object = json!({ what: line, "sequence": head.sequence, "first_sequence": report.first_sequence });
        page.line(format_args!("{object:#}"));
    } else {
        page.line(line);
    }
    Ok(page)
}
