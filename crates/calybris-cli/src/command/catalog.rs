//! `calybris catalog`: look at a catalog before it is used.

mod check;
mod counts;
mod diff;
mod price;

use crate::Form;
use crate::failure::Failure;
use crate::output::Page;

/// Check a catalog, compare two, or price calls by one.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Arguments),
    Diff(diff::Arguments),
    Price(price::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Page, Failure> {
        match self {
            Self::Check(arguments) => check::run(arguments),
            Self::Diff(arguments) => diff::run(arguments),
            Self::Price(arguments) => price::run(arguments),
        }
    }

    /// The form of the answer.
    pub(crate) const fn form(&self) -> Form {
        match self {
            Self::Check(arguments) => Form::object(arguments.json),
            Self::Diff(arguments) => Form::object(arguments.json),
            Self::Price(arguments) if arguments.is_many() => Form::line(arguments.json),
            Self::Price(arguments) => Form::object(arguments.json),
        }
    }
}
