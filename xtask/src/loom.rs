//! `cargo xtask loom`: every interleaving of the small dangerous cases, explored by loom.

use crate::shell::{Outcome, cargo_with};

pub(crate) fn run() -> Outcome {
    // A target directory of its own: the flag would have everything else compiled anew.
    let environment = [("RUSTFLAGS", "--cfg loom"), ("CARGO_TARGET_DIR", "target/loom")];
    let packages = "-p calybris-budget -p calybris-wal";
    cargo_with(
        &format!("test {packages} --lib --profile unchecked-release -- loom models"),
        &environment,
    )
}
