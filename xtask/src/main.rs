//! `cargo xtask TASK`: everything that keeps this workspace honest, one file per task.

mod bench;
mod benchmarks;
mod bless;
mod ci;
mod circles;
mod days;
mod documents;
mod errors;
mod examples;
mod instructions;
mod lint;
mod loom;
mod mutants;
mod mutate_inputs;
mod mutate_logs;
mod no_std;
mod package;
mod pages;
mod pasted;
mod powercut;
mod price_oracle;
mod shell;
mod test;
mod tidy;
mod versus;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  ci               what continuous integration runs: the next twelve, in this order
  tidy             the rules of the house that no compiler checks
  lint             formatting, clippy and rustdoc with warnings denied, for each feature set
  test             all tests and doc tests
  days             the tests under other dates, time zones and locales; brings libfaketime
  package          each crate packaged, and its tests run from there, without debug assertions
  examples         every example runs to its end
  pasted           every Rust block of the pages in an empty project, and the README's commands
  loom             every interleaving of the small dangerous cases
  no-std           the kernel and the units in a library that has no standard library
  pages --check    the pages of docs/ that are made say what they are made from
  bless --check    compare with the golden files
  bench --test     run each benchmark once

  tidy --circles   files that import each other in circles, with every import in them
  bless            rewrite the golden files
  pages            write docs/errors.md, docs/benchmarks.md and its chart anew
  bench            run the benchmarks
  mutate-inputs    broken files of every kind that the program reads; --count, --seed, --kind, --program
  instructions     how many a decision takes, counted by valgrind
  powercut         cut the power below a log, on real system calls; --cuts N, --seed S, --only RUN; needs root
  mutate-logs      changed logs of every kind before two verifiers; --count N, --seed S, --only K
  price-oracle     what the price list's own project says that calls cost: LIST, --all FILE; brings its package
  versus [AREA]    side by side with the published crate; --quick, --json, --data DIR";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["tidy", "--circles"] => tidy::print_circles(),
        ["lint"] => lint::run(),
        ["test"] => test::run(),
        ["days"] => days::run(),
        ["examples"] => examples::run(),
        ["no-std"] => no_std::run(),
        ["bless"] => bless::run(bless::Mode::Rewrite),
        ["bless", "--check"] => bless::run(bless::Mode::Check),
        ["bench"] => bench::run(bench::Mode::Measure),
        ["bench", "--test"] => bench::run(bench::Mode::Once),
        ["package"] => package::run(),
        ["pasted"] => pasted::run(),
        ["pages"] => pages::run(bless::Mode::Rewrite),
        ["pages", "--check"] => pages::run(bless::Mode::Check),
        ["loom"] => loom::run(),
        ["mutate-inputs", ..] => mutate_inputs::run(args.get(1..).unwrap_or_default()),
        ["instructions"] => instructions::run(),
        ["powercut", ..] => powercut::run(args.get(1..).unwrap_or_default()),
        ["mutate-logs", ..] => mutate_logs::run(args.get(1..).unwrap_or_default()),
        ["price-oracle", ..] => price_oracle::run(args.get(1..).unwrap_or_default()),
        ["versus", ..] => versus::run(args.get(1..).unwrap_or_default()),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
