//! `cargo xtask test`: all tests and doc tests, in debug. `cargo xtask package` runs the tests without debug assertions.

use crate::shell::{Outcome, cargo};

pub(crate) fn run() -> Outcome {
    cargo("test --workspace --all-features")?;
    // No feature changes a result: the law, the oracle and the golden decisions hold without any.
    cargo("test -p calybris-kernel --no-default-features --tests")
}
