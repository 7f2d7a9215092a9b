//! `cargo xtask test`: all tests and doc tests, in debug and without debug assertions.

use crate::shell::{Outcome, cargo};

pub(crate) fn run() -> Outcome {
    cargo("test --workspace --all-features")?;
    cargo(
        "test --workspace --all-features --all-targets --exclude calybris-benches --profile checked-release",
    )
}
