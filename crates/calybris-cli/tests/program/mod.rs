//! The program as its user runs it: a process with arguments, output and an exit code.
#![allow(dead_code, clippy::unwrap_used, reason = "test code, and no test uses all of it")]

pub(crate) mod log;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_calybris"))
}

pub(crate) fn input(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs").join(name)
}

/// `calybris route` on our small inputs; the caller may add to it.
pub(crate) fn route(catalog: &Path, requests: &Path, log: &Path) -> Command {
    let mut command = program();
    command.arg("route").arg("--policy").arg(input("policy.toml")).arg("--catalog").arg(catalog);
    command.arg("--requests").arg(requests).arg("--log").arg(log);
    command
}

/// A directory of one test, with a place for a log.
pub(crate) struct LogDirectory {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) log: PathBuf,
}

impl LogDirectory {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        Self { dir, log }
    }
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

pub(crate) fn verify(log: &Path) -> Ran {
    run(program().arg("verify").arg(log))
}

/// The log's only segment.
pub(crate) fn segment(log: &Path) -> PathBuf {
    log.join("00000000000000000001.cwal")
}
