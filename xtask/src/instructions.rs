//! `cargo xtask instructions`: how many instructions a decision takes, as valgrind counts them. No neighbour on a shared
//! machine disturbs that figure.

use std::process::Command;

use crate::shell::{Outcome, cargo, root};

const CASES: [&str; 5] = ["dense", "selective", "boundary", "rejectall", "seed"];
const MODELS: [usize; 4] = [22, 64, 1_024, 16_384];

/// Prints a table of cases and numbers of models. What building a snapshot takes is subtracted.
pub(crate) fn run() -> Outcome {
    cargo("build --release --quiet --manifest-path benches/versus/Cargo.toml")?;
    println!("{:>7} {}", "models", CASES.map(|case| format!("{case:>10}")).join(""));
    for n in MODELS {
        print!("{n:>7} ");
        for case in CASES {
            // The published benchmark has no more.
            if case == "seed" && n > 64 {
                continue;
            }
            let ((few, some), (more, all)) = (count(case, n, 1)?, count(case, n, 3)?);
            print!("{:>10.0}", (all - some) / (more - few));
        }
        println!();
    }
    Ok(())
}

/// The decisions of so many laps, and the instructions of the whole process.
fn count(case: &str, n: usize, laps: usize) -> Result<(f64, f64), String> {
    let program = root().join("benches/versus/target/release/calybris-versus");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["decide", case, &n.to_string(), &laps.to_string()]);
    let output = command.output().map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let instructions =
        said.lines().find_map(|line| line.split_once("Collected : ")).map(|found| found.1);
    let decisions = String::from_utf8_lossy(&output.stdout);
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let both = number(&decisions).zip(instructions.and_then(number));
    both.ok_or_else(|| format!("valgrind counted nothing: {said}"))
}
