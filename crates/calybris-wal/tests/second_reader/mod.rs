//! What this crate says of a log, and what the verifier in Python says of it, in the same words.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use calybris_wal::{Key, Report, Tail, VerifyOptions, WalError, verify};

/// What this crate says of a log, in the words of the other verifier.
pub fn verdict(path: &Path, key: Option<&Key>) -> String {
    in_words(&verify(path, &VerifyOptions::default().with_key(key.cloned())))
}

/// A verdict in the words of the other verifier, to which a missing segment is damage where it
/// should begin.
pub fn in_words(verdict: &Result<Report, WalError>) -> String {
    match verdict {
        Ok(report) => {
            let torn = match report.tail {
                Tail::Torn { bytes, .. } => bytes,
                _ => 0,
            };
            format!("verified {} {} {torn} {}", report.records, report.segments, report.head)
        }
        Err(WalError::Corrupt { segment, offset, .. }) => format!("corrupt {segment} {offset}"),
        Err(WalError::MissingSegment { segment }) => format!("corrupt {segment} 0"),
        Err(_) => "unchecked".to_owned(),
    }
}

/// What the other verifier says of these logs. Where it fails, it says why instead.
pub fn other_verdicts(paths: &[PathBuf], secrets: &[&[u8]]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut verdicts = Vec::new();
    while verdicts.len() < paths.len() {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_log.py"));
        for (index, secret) in secrets.iter().enumerate() {
            let file = directory.path().join(index.to_string());
            fs::write(&file, secret).unwrap();
            command.arg("--key-file").arg(file);
        }
        // A shell around Python complains of a locale that is not installed, and that is no verdict.
        command.args(&paths[verdicts.len()..]).env("LC_ALL", "C");
        let output = command.output().expect("python3 is installed");
        let lines = String::from_utf8(output.stdout).unwrap();
        let word = |line: &str| match line.strip_prefix("unchecked") {
            Some(_) => "unchecked".to_owned(),
            None => line.to_owned(),
        };
        verdicts.extend(lines.lines().map(word));
        let errors = String::from_utf8(output.stderr).unwrap();
        if verdicts.len() < paths.len() {
            verdicts.push(format!("failed: {}", errors.lines().last().unwrap_or("no output")));
        } else {
            assert!(errors.is_empty(), "{errors}");
        }
    }
    verdicts
}

/// Whether there is a Python to run the other verifier. Without one the tests say so in a line, and fail in continuous
/// integration (`CI` is set).
pub fn python_is_here() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "the second implementation needs python3");
    if !found {
        eprintln!("left out: the second implementation needs python3");
    }
    found
}
