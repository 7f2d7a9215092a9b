//! The program `calybris`: route requests under budgets, keep the log, verify it.

mod advice;
mod amount;
mod bill;
mod command;
mod failure;
mod input;
mod log;
mod new_file;
mod output;
mod replaying;
mod report;
mod routing;
mod spreadsheet;
mod stream;
mod system;
mod table;
mod tally;
mod terminal;
mod time;
mod visible;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::builder::Styles;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::failure::Failure;
use crate::output::{Page, complain};
use crate::terminal::{USUAL_COLUMNS, columns};

/// Deterministic decisions under hard limits, with budgets that cannot be overspent and a log that shows tampering.
///
/// Start with `calybris demo`. Where a command reads a file, `-` is standard input.
#[derive(Parser)]
#[command(name = "calybris", version, propagate_version = true, term_width = help_columns())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(command::demo::Arguments),
    Route(command::route::Arguments),
    Show(command::show::Arguments),
    Explain(command::explain::Arguments),
    Budget(command::budget::Arguments),
    Spend(command::spend::Arguments),
    Report(command::report::Arguments),
    Verify(command::verify::Arguments),
    Anchor(command::anchor::Arguments),
    Prove(command::prove::Arguments),
    Check(command::check::Arguments),
    Replay(command::replay::Arguments),
    Sweep(command::sweep::Arguments),
    Export(command::export::Arguments),
    Repair(command::repair::Arguments),
    #[command(subcommand)]
    Tenant(command::tenant::Command),
    #[command(subcommand)]
    Ticket(command::ticket::Command),
    Checkpoint(command::checkpoint::Arguments),
    Retain(command::retain::Arguments),
    Keygen(command::keygen::Arguments),
    #[command(subcommand)]
    Catalog(command::catalog::Command),
    Completions(command::completions::Arguments),
    Man(command::man::Arguments),
}

/// How wide the help is: as the terminal, and never wider than is good to read.
fn help_columns() -> usize {
    columns().unwrap_or(USUAL_COLUMNS).min(MOST_HELP_COLUMNS)
}

const MOST_HELP_COLUMNS: usize = 100;

/// How a failure is reported on standard output, in addition to the words on standard error.
enum Form {
    /// Words on standard error only.
    Words,
    /// One object.
    Object,
    /// One object on a line, for commands that print JSON lines.
    Line,
}

impl Form {
    const fn object(json: bool) -> Self {
        if json { Self::Object } else { Self::Words }
    }

    const fn line(json: bool) -> Self {
        if json { Self::Line } else { Self::Words }
    }
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(told) => return tell(&told),
    };
    let (outcome, form) = run(&command);
    let shown = outcome.and_then(|page| show(&page));
    let Err(failure) = shown else { return ExitCode::SUCCESS };
    // If this cannot be written either, the exit code still reports the failure.
    let _ = failure.shown().map(Page::print);
    complain(format_args!("calybris: {failure}\n"));
    if failure.shown().is_none() {
        let mut page = Page::default();
        match form {
            Form::Words => {}
            Form::Object => page.line(format_args!("{:#}", failure.json())),
            Form::Line => page.line(failure.json()),
        }
        let _ = page.print();
    }
    failure.exit_code()
}

/// Writes a page to standard output, the last thing that a command does.
fn show(page: &Page) -> Result<(), Failure> {
    let shown = page.print().map_err(|error| Failure::unshown(&error));
    shown.map_err(|failure| match page.remaining() {
        Some(remaining) => failure.noting(remaining),
        None => failure,
    })
}

/// Prints what was asked about the program itself, or why a command line cannot be read.
fn tell(told: &clap::Error) -> ExitCode {
    if told.use_stderr() {
        // The message repeats what was typed. Without styles, every escape sequence in it was typed, and is escaped.
        let again = Arguments::command().styles(Styles::plain()).try_get_matches();
        complain(again.err().as_ref().unwrap_or(told).render().ansi());
    } else {
        let printed = told.print().and_then(|()| std::io::stdout().flush());
        if let Err(error) = printed
            && error.kind() != ErrorKind::BrokenPipe
        {
            let failure = Failure::unshown(&error);
            complain(format_args!("calybris: {failure}\n"));
            return failure.exit_code();
        }
    }
    u8::try_from(told.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(command: &Command) -> (Result<Page, Failure>, Form) {
    match command {
        Command::Demo(arguments) => (command::demo::run(arguments), Form::object(arguments.json)),
        Command::Route(arguments) => (command::route::run(arguments), Form::object(arguments.json)),
        Command::Show(arguments) => (command::show::run(arguments), Form::line(arguments.log.json)),
        Command::Explain(arguments) => {
            (command::explain::run(arguments), Form::object(arguments.log.json))
        }
        Command::Budget(arguments) => {
            (command::budget::run(arguments), Form::object(arguments.log.json))
        }
        Command::Spend(arguments) => {
            (command::spend::run(arguments), Form::object(arguments.log.json))
        }
        Command::Report(arguments) => {
            (command::report::run(arguments), Form::object(arguments.log.json))
        }
        Command::Verify(arguments) => {
            (command::verify::run(arguments), Form::object(arguments.log.json))
        }
        Command::Anchor(arguments) => {
            (command::anchor::run(arguments), Form::object(arguments.log.json))
        }
        Command::Prove(arguments) => {
            (command::prove::run(arguments), Form::object(arguments.log.json))
        }
        Command::Check(arguments) => (command::check::run(arguments), Form::object(arguments.json)),
        Command::Replay(arguments) => {
            (command::replay::run(arguments), Form::object(arguments.of.log.json))
        }
        Command::Sweep(arguments) => {
            (command::sweep::run(arguments), Form::object(arguments.of.log.json))
        }
        Command::Export(arguments) => {
            (command::export::run(arguments), Form::line(arguments.log.json))
        }
        Command::Repair(arguments) => {
            (command::repair::run(arguments), Form::object(arguments.log.json))
        }
        Command::Tenant(command) => (command.run(), Form::object(command.json())),
        Command::Ticket(command) => (command.run(), Form::object(command.json())),
        Command::Checkpoint(arguments) => {
            (command::checkpoint::run(arguments), Form::object(arguments.log.json))
        }
        Command::Retain(arguments) => {
            (command::retain::run(arguments), Form::object(arguments.log.json))
        }
        Command::Keygen(arguments) => {
            (command::keygen::run(arguments), Form::object(arguments.json))
        }
        Command::Catalog(command) => (command.run(), command.form()),
        Command::Completions(arguments) => {
            (command::completions::run(arguments, Arguments::command()), Form::Words)
        }
        Command::Man(arguments) => {
            (command::man::run(arguments, Arguments::command()), Form::Words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_written_for_the_help_is_wider_than_a_usual_terminal() {
        let mut commands = vec![Arguments::command()];
        let mut lines = 0;
        while let Some(command) = commands.pop() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines() {
                assert!(line.chars().count() <= USUAL_COLUMNS, "{}: {line}", command.get_name());
                lines += 1;
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(lines > 0);
    }
}
