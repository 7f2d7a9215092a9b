//! Measures each crate side by side with the published `calybris-core`, in one process.
//!
//! `cargo xtask versus [kernel|wal|budget|engine] [--quick] [--json] [--data DIR]` runs it.

mod allocation;
mod harness;

mod budget;
mod engine;
mod kernel;
mod wal;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

use harness::{Effort, Report};

/// The name of an area, and the function that measures it.
type Area = (&'static str, fn(&mut Report));

/// The areas that can be measured, each in a file of its own.
const AREAS: &[Area] =
    &[("kernel", kernel::run), ("wal", wal::run), ("budget", budget::run), ("engine", engine::run)];

fn main() {
    if let Err(message) = run() {
        eprintln!("error: {message}");
        std::process::exit(2);
    }
}

fn run() -> Result<(), String> {
    let mut report = Report::default();
    let mut areas = Vec::new();
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("decide") {
        return decide(arguments.skip(1));
    }
    if std::env::args().nth(1).as_deref() == Some("differ") {
        let wanted = arguments.nth(1).and_then(|number| number.parse().ok());
        println!("{} decisions: all agree", kernel::differ(wanted.ok_or("usage: differ COUNT")?));
        return Ok(());
    }
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => report.effort = Effort::Quick,
            "--json" => report.json = true,
            "--data" => {
                let directory = arguments.next().ok_or("`--data` needs a directory")?;
                report.data = Some(directory.into());
            }
            name => match AREAS.iter().find(|area| area.0 == name) {
                Some(area) => areas.push(area),
                None => {
                    let known: Vec<&str> = AREAS.iter().map(|area| area.0).collect();
                    let known = known.join(", ");
                    return Err(format!("`{name}` is no area; there are: {known}"));
                }
            },
        }
    }
    if areas.is_empty() {
        areas.extend(AREAS);
    }
    for (_, measure) in areas {
        measure(&mut report);
    }
    Ok(())
}

/// `decide CASE N LAPS`: see [`kernel::decide_only`].
fn decide(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let usage = || "usage: decide CASE N LAPS".to_owned();
    let case = arguments.next().ok_or_else(usage)?;
    let mut number = || arguments.next()?.parse().ok();
    let (n, laps) = number().zip(number()).ok_or_else(usage)?;
    println!("{}", kernel::decide_only(&case, n, laps)?);
    Ok(())
}
