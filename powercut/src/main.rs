//! Cuts the power of a FUSE file system below a log, on real system calls, and counts what was lost.
//!
//! `cargo xtask powercut [--cuts N] [--seed S] [--only RUN]` runs it.

mod bytes;
mod campaign;
mod check;
mod disk;
mod filesystem;
mod mount;
mod names;
mod plan;
mod process;
mod report;
mod run;
mod transcript;
mod work;

use std::process::ExitCode;

use report::Wanted;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(run::WRITE | run::CHECK) => process::run(&arguments).map(|()| true),
        _ => Wanted::parse(&arguments).and_then(|wanted| report::run(&wanted)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
