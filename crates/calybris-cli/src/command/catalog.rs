//! `calybris catalog`: look at a catalog before it is used.

mod check;
mod diff;

use crate::failure::Failure;
use crate::output::Page;

/// Check a catalog, or compare two.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Arguments),
    Diff(diff::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Page, Failure> {
        match self {
            Self::Check(arguments) => check::run(arguments),
            Self::Diff(arguments) => diff::run(arguments),
        }
    }

    /// Whether it is to answer in JSON.
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Check(arguments) => arguments.json,
            Self::Diff(arguments) => arguments.json,
        }
    }
}
