//! `cargo xtask versus`: side by side with the published crate (`benches/versus`).

use std::path::Path;
use std::process::Command;

/// Builds and runs the comparison; the arguments are its own:
/// `[kernel|wal|budget|engine] [--quick] [--json] [--data <dir>]`.
///
/// # Errors
///
/// What failed, in words.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = root.join("benches").join("versus").join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(args)
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the comparison failed: {status}")) }
}
