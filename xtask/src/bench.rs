//! `cargo xtask bench`: the Criterion benchmarks of `benches/`.

use crate::examples::names_in;
use crate::shell::{Outcome, cargo, root};

pub(crate) enum Mode {
    Measure,
    Once,
}

pub(crate) fn run(mode: Mode) -> Outcome {
    match mode {
        Mode::Measure => cargo("bench -p calybris-benches"),
        // Nothing is measured here, so what `cargo xtask test` built already will do.
        Mode::Once => {
            let benches = names_in(&root().join("benches/benches"))?;
            let benches = benches.iter().map(|name| format!(" --bench {name}"));
            cargo(&format!("test --workspace --all-features{}", benches.collect::<String>()))
        }
    }
}
