//! `calybris ticket`: look at the open tickets of a log.

mod list;

use crate::failure::Failure;
use crate::output::Page;

/// List the open tickets of a log.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Page, Failure> {
        match self {
            Self::List(arguments) => list::run(arguments),
        }
    }

    /// Whether the answer is JSON.
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::List(arguments) => arguments.log.json,
        }
    }
}
