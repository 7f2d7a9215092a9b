//! `cargo xtask mutate-logs`: logs of every kind are changed at random, and two verifiers must agree on each.

use crate::shell::{Outcome, cargo_with};

/// How many logs are changed unless told.
const COUNT: &str = "20000";

/// Runs the test of the log's crate that does the work, optimised:
/// `[--count N] [--seed S] [--only K]`, where K is the number of one changed log, to be kept and described.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut environment = vec![("MUTATE_LOGS_COUNT", COUNT)];
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("`{}` lacks a number", pair.concat())) };
        let variable = match name.as_str() {
            "--count" => "MUTATE_LOGS_COUNT",
            "--seed" => "MUTATE_LOGS_SEED",
            "--only" => "MUTATE_LOGS_ONLY",
            _ => return Err(format!("`{name}` is none of --count, --seed and --only")),
        };
        value.parse::<u64>().map_err(|error| format!("{name} `{value}`: {error}"))?;
        environment.push((variable, value));
    }
    cargo_with(
        "test --release --quiet -p calybris-wal --test mutations -- --nocapture",
        &environment,
    )
}
