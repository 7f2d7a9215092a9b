//! `cargo xtask lint`: formatting, clippy and rustdoc with warnings denied, for each feature set.

use crate::shell::{Outcome, cargo, cargo_with, left_out_unless_linux, root};

/// Feature sets beside the workspace's own, where a crate has features.
const FEATURE_SETS: [&str; 8] = [
    "-p calybris-units",
    "-p calybris-units --features serde",
    "-p calybris-kernel --no-default-features",
    "-p calybris-kernel --no-default-features --features serde",
    "-p calybris-kernel",
    "-p calybris-kernel --features simd",
    "-p calybris-budget",
    "-p calybris-wal",
];

/// Workspaces of their own, which the workspace's commands do not see. `cargo xtask no-std` builds the first.
const OTHER_MANIFESTS: [&str; 4] = [
    "xtask/no-std/Cargo.toml",
    "fuzz/Cargo.toml",
    "benches/versus/Cargo.toml",
    // Needs the file system in user space (FUSE) of Linux.
    "powercut/Cargo.toml",
];

pub(crate) fn run() -> Outcome {
    cargo("fmt --all --check")?;
    for manifest in OTHER_MANIFESTS {
        cargo(&format!("fmt --manifest-path {manifest} --check"))?;
    }
    others()?;
    cargo("clippy --workspace --all-targets --all-features -- -D warnings")?;
    let deny = [("RUSTDOCFLAGS", "-D warnings")];
    cargo_with("doc --workspace --no-deps --all-features", &deny)?;
    for set in FEATURE_SETS {
        cargo(&format!("clippy {set} -- -D warnings"))?;
        cargo_with(&format!("doc {set} --no-deps"), &deny)?;
    }
    Ok(())
}

/// clippy for the other workspaces, so that a change of an interface breaks none of them unseen.
fn others() -> Outcome {
    // Nothing is linked here, so the fuzzer's C++ need not be compiled: it is said to be there already.
    let unlinked = root().join("target/libfuzzer-unlinked").display().to_string();
    for manifest in OTHER_MANIFESTS.iter().skip(1) {
        if manifest.starts_with("powercut") && left_out_unless_linux("clippy of powercut", "FUSE") {
            continue;
        }
        let line = "clippy --all-targets --target-dir target --manifest-path";
        cargo_with(
            &format!("{line} {manifest} -- -D warnings"),
            &[("CUSTOM_LIBFUZZER_PATH", &unlinked)],
        )?;
    }
    Ok(())
}
