//! `cargo xtask versus`: side by side with the published crate (`benches/versus`).

use crate::shell::{Outcome, cargo};

/// Builds and runs the comparison; the arguments are its own:
/// `[kernel|wal|budget|engine] [--quick] [--json] [--data DIR]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let arguments = arguments.join(" ");
    cargo(&format!(
        "run --release --quiet --manifest-path benches/versus/Cargo.toml -- {arguments}"
    ))
}
