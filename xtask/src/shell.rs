//! How a task finds the workspace, reads a file of it and runs a command in it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task answers: nothing, or why it failed in one line.
pub(crate) type Outcome = Result<(), String>;

/// The root of the workspace: the folder above this package, as cargo says when it runs this. Where two checkouts share a
/// target directory, it may run what the other one built.
pub(crate) fn root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    package.parent().unwrap_or(&package).to_path_buf()
}

/// The text of a file, named by its path from the root.
pub(crate) fn read(name: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))
}

/// Says in a line that `what` is left out on a system that has no `need`, which is Linux's; whether it is.
pub(crate) fn left_out_unless_linux(what: &str, need: &str) -> bool {
    let is_left_out = !cfg!(target_os = "linux");
    if is_left_out {
        println!(
            "left out on {}: {what} needs {need}, which is on Linux alone",
            std::env::consts::OS
        );
    }
    is_left_out
}

/// Runs `cargo` in the root with `arguments`, split at white space, and fails unless it succeeds.
pub(crate) fn cargo(arguments: &str) -> Outcome {
    cargo_with(arguments, &[])
}

/// [`cargo`] with environment variables set.
pub(crate) fn cargo_with(arguments: &str, environment: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(cargo_program());
    command.args(arguments.split_whitespace()).envs(environment.iter().copied());
    start(command.current_dir(root()), &format!("cargo {arguments}"))
}

/// The cargo that runs this.
pub(crate) fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs a program in a directory and fails unless it succeeds.
pub(crate) fn run_in(directory: &Path, program: &str, arguments: &[&str]) -> Outcome {
    let line = format!("{program} {}", arguments.join(" "));
    start(Command::new(program).args(arguments).current_dir(directory), &line)
}

/// Starts a command, shown as this line, and fails unless it succeeds.
pub(crate) fn start(command: &mut Command, line: &str) -> Outcome {
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
}
