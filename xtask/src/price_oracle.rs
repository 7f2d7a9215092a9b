//! `cargo xtask price-oracle LIST`: the table that the importer of price lists is compared with, made again.
//!
//! `price_oracle.py` computes it with the cost function of the list's own project. That package is installed into an
//! environment below `target/`, which needs a network once; nothing else is fetched.

use crate::shell::{Outcome, root, run_in};

/// The package whose cost function is the oracle, with its version.
const PACKAGE: &str = "litellm==1.110.0";

/// The environment that the package is installed into.
const ENVIRONMENT: &str = "target/price-oracle";

/// The table of the tests.
const TABLE: &str = "crates/calybris-catalog/tests/price_oracle.json";

/// `--all FILE` instead writes every model of the list to that file.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (list, what, table) = match words.as_slice() {
        [list] => (*list, "--table", TABLE),
        [list, "--all", file] => (*list, "--all", *file),
        _ => return Err("usage: cargo xtask price-oracle LIST [--all FILE]".to_owned()),
    };
    let python = format!("{ENVIRONMENT}/bin/python");
    if !root().join(&python).is_file() {
        run_in(&root(), "python3", &["-m", "venv", ENVIRONMENT])?;
        run_in(&root(), &python, &["-m", "pip", "install", "--quiet", PACKAGE])?;
    }
    run_in(&root(), &python, &["xtask/price_oracle.py", list, what, table])
}
