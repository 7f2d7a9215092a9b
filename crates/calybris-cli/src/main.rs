//! The program `calybris`: route requests under budgets, keep the log, verify it.

mod command;
mod failure;
mod input;
mod page;
mod routing;
mod table;
mod tally;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => command::demo::run(&arguments),
        Command::Route(arguments) => command::route::run(&arguments),
        Command::Verify(arguments) => command::verify::run(&arguments),
        Command::Anchor(arguments) => command::anchor::run(&arguments),
    };
    let (page, exit_code) = match &outcome {
        Ok(page) => (page, ExitCode::SUCCESS),
        Err(failure) => {
            eprintln!("calybris: {failure}");
            (failure.page(), failure.exit_code())
        }
    };
    match page.print() {
        Ok(()) => exit_code,
        Err(error) => {
            eprintln!("calybris: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}
