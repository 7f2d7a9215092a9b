//! `cargo xtask no-std`: the kernel and the units in a static library that brings its own panic handler.
//!
//! If anything in or under them linked the standard library, the library's panic handler would be a second one and the
//! compiler would refuse it. So no extra target is needed for the proof.

use crate::shell::{Outcome, cargo};

pub(crate) fn run() -> Outcome {
    cargo(
        "build --locked --release --manifest-path xtask/no-std/Cargo.toml --target-dir target/no-std",
    )
}
