//! `cargo xtask loom`: every interleaving of the small dangerous cases, explored by loom.

use crate::shell::{Outcome, cargo_with};

/// The packages that are optimised a little, because each model is run thousands of times.
const OPTIMISED: [&str; 3] = ["loom", "generator", "calybris-budget"];

pub(crate) fn run() -> Outcome {
    // A target directory of its own: the flag would have everything else compiled anew.
    let environment = [("RUSTFLAGS", "--cfg loom"), ("CARGO_TARGET_DIR", "target/loom")];
    let optimised =
        OPTIMISED.map(|name| format!("--config profile.dev.package.{name}.opt-level=1"));
    let packages = "-p calybris-budget -p calybris-wal";
    cargo_with(
        &format!("test {} {packages} --lib -- loom models", optimised.join(" ")),
        &environment,
    )
}
