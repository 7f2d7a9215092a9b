//! `cargo xtask ci`: every check, cheapest first, and how long each took.

use std::time::Instant;

use crate::shell::Outcome;
use crate::{bench, bless, days, examples, lint, loom, no_std, package, pages, pasted, test, tidy};

/// The name of a step, and the step.
type Step = (&'static str, fn() -> Outcome);

pub(crate) fn run() -> Outcome {
    let steps: [Step; 12] = [
        ("tidy", tidy::run),
        ("lint", lint::run),
        ("test", test::run),
        ("days", days::run),
        ("package", package::run),
        ("examples", examples::run),
        ("pasted", pasted::run),
        ("loom", loom::run),
        ("no-std", no_std::run),
        ("pages --check", || pages::run(bless::Mode::Check)),
        ("bless --check", || bless::run(bless::Mode::Check)),
        ("bench --test", || bench::run(bench::Mode::Once)),
    ];
    let mut table = String::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = Instant::now();
        step().map_err(|error| format!("{name}: {error}"))?;
        table.push_str(&format!("  {name:<14} {:>4} s\n", start.elapsed().as_secs()));
    }
    println!("\nci: every check passed\n{table}");
    Ok(())
}
