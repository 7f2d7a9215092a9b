//! `cargo xtask lint`: formatting, clippy and rustdoc with warnings denied, for each feature set.

use crate::shell::{Outcome, cargo, cargo_with};

/// Feature sets beside the workspace's own, where a crate has features.
const FEATURE_SETS: [&str; 4] = [
    "-p calybris-kernel --no-default-features",
    "-p calybris-kernel --no-default-features --features serde",
    "-p calybris-kernel",
    "-p calybris-budget",
];

pub(crate) fn run() -> Outcome {
    cargo("fmt --all --check")?;
    cargo("clippy --workspace --all-targets --all-features -- -D warnings")?;
    for set in FEATURE_SETS {
        cargo(&format!("clippy {set} -- -D warnings"))?;
    }
    let deny = [("RUSTDOCFLAGS", "-D warnings")];
    cargo_with("doc --workspace --no-deps --all-features", &deny)
}
