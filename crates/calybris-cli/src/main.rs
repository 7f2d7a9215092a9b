//! The program `calybris`: route requests under budgets, keep the log, verify it.

mod command;
mod failure;
mod input;
mod page;
mod report;
mod routing;
mod table;
mod tally;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::page::Page;

/// Deterministic decisions under hard limits, with budgets that cannot be overspent and a log that shows tampering.
///
/// Start with `calybris demo`.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(command::demo::Arguments),
    Route(command::route::Arguments),
    Verify(command::verify::Arguments),
    Anchor(command::anchor::Arguments),
    Replay(command::replay::Arguments),
    Sweep(command::sweep::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let (outcome, json) = match &command {
        Command::Demo(arguments) => (command::demo::run(arguments), arguments.json),
        Command::Route(arguments) => (command::route::run(arguments), arguments.json),
        Command::Verify(arguments) => (command::verify::run(arguments), arguments.json),
        Command::Anchor(arguments) => (command::anchor::run(arguments), false),
        Command::Replay(arguments) => (command::replay::run(arguments), arguments.json),
        Command::Sweep(arguments) => (command::sweep::run(arguments), arguments.json),
    };
    let shown = outcome.and_then(|page| page.print().map_err(|error| Failure::unshown(&error)));
    let Err(failure) = shown else { return ExitCode::SUCCESS };
    // Nobody is left to tell if this cannot be written either; the exit code still says it.
    let _ = writeln!(std::io::stderr(), "calybris: {failure}");
    if json {
        let mut page = Page::default();
        page.line(format_args!("{:#}", failure.json()));
        let _ = page.print();
    }
    failure.exit_code()
}
