//! `cargo xtask bless`: the golden files, which pin semantics and formats.
//!
//! Each crate with golden files has a test target `golden` that compares with them, or rewrites them when
//! `CALYBRIS_BLESS` is 1. A golden file changes only together with a line in the changelog that says so.

use crate::shell::{Outcome, cargo_with};

pub(crate) enum Mode {
    Rewrite,
    Check,
}

pub(crate) fn run(mode: Mode) -> Outcome {
    let test = "test --workspace --all-features --test golden";
    match mode {
        Mode::Rewrite => cargo_with(test, &[("CALYBRIS_BLESS", "1")]),
        Mode::Check => cargo_with(test, &[("CALYBRIS_BLESS", "0")]),
    }
}
