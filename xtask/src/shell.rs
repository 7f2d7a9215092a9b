//! How a task finds the workspace and runs a command in it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task answers: nothing, or why it failed in one line.
pub(crate) type Outcome = Result<(), String>;

/// The root of the workspace: the folder above this package.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Runs `cargo` in the root with `arguments`, split at white space, and fails unless it succeeds.
pub(crate) fn cargo(arguments: &str) -> Outcome {
    cargo_with(arguments, &[])
}

/// [`cargo`] with environment variables set.
pub(crate) fn cargo_with(arguments: &str, environment: &[(&str, &str)]) -> Outcome {
    eprintln!("$ cargo {arguments}");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments.split_whitespace())
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {arguments}` failed: {status}")) }
}
