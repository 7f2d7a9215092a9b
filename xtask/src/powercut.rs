//! `cargo xtask powercut`: power cuts below a log, on real system calls (`powercut/`).

use crate::shell::{Outcome, cargo};

/// Builds and runs it; the arguments are its own: `[--cuts N] [--seed S] [--only RUN]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Err("power is cut below a FUSE file system, which needs Linux".to_owned());
    }
    let arguments = arguments.join(" ");
    cargo(&format!("run --release --quiet --manifest-path powercut/Cargo.toml -- {arguments}"))
}
