//! `cargo xtask bench`: the Criterion benchmarks of `benches/`.

use crate::shell::{Outcome, cargo};

pub(crate) enum Mode {
    Measure,
    Once,
}

pub(crate) fn run(mode: Mode) -> Outcome {
    match mode {
        Mode::Measure => cargo("bench -p calybris-benches"),
        // Nothing is measured here, so what `cargo xtask test` built already will do.
        Mode::Once => cargo(
            "test --workspace --all-features --bench engine --bench kernel --bench budget --bench wal",
        ),
    }
}
