//! `cargo xtask bench`: the Criterion benchmarks of `benches/`.

use crate::shell::{Outcome, cargo};

pub(crate) enum Mode {
    Measure,
    Once,
}

pub(crate) fn run(mode: Mode) -> Outcome {
    match mode {
        Mode::Measure => cargo("bench -p calybris-benches"),
        Mode::Once => cargo("bench -p calybris-benches -- --test"),
    }
}
