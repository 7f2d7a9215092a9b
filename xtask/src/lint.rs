//! `cargo xtask lint`: formatting, clippy and rustdoc with warnings denied, for each feature set.

use crate::shell::{Outcome, cargo, cargo_with};

/// Feature sets beside the workspace's own, where a crate has features.
const FEATURE_SETS: [&str; 6] = [
    "-p calybris-kernel --no-default-features",
    "-p calybris-kernel --no-default-features --features serde",
    "-p calybris-kernel",
    "-p calybris-kernel --features simd",
    "-p calybris-budget",
    "-p calybris-wal",
];

/// Workspaces of their own, which the commands above do not see.
const OTHER_MANIFESTS: [&str; 3] =
    ["benches/versus/Cargo.toml", "powercut/Cargo.toml", "xtask/no-std/Cargo.toml"];

pub(crate) fn run() -> Outcome {
    cargo("fmt --all --check")?;
    for manifest in OTHER_MANIFESTS {
        cargo(&format!("fmt --manifest-path {manifest} --check"))?;
    }
    cargo("clippy --workspace --all-targets --all-features -- -D warnings")?;
    let deny = [("RUSTDOCFLAGS", "-D warnings")];
    cargo_with("doc --workspace --no-deps --all-features", &deny)?;
    for set in FEATURE_SETS {
        cargo(&format!("clippy {set} -- -D warnings"))?;
        cargo_with(&format!("doc {set} --no-deps"), &deny)?;
    }
    Ok(())
}
