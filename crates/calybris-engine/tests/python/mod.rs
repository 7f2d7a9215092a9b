//! The reader in Python, `read_records.py`, and payloads to ask it about.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder of this crate and its neighbours: this file is part of tests in two crates.
fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the second reader can run: it is Python, and it imports the log crate's verifier from the neighbouring folder,
/// which a packaged crate does not have. Where it cannot run the tests say so in a line. A missing Python fails in
/// continuous integration (`CI` is set).
pub fn can_run() -> bool {
    if !crates().join("calybris-wal").is_dir() {
        eprintln!("left out: the second reader needs the folder of calybris-wal");
        return false;
    }
    let found = Command::new("python3").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "the second reader needs python3");
    if !found {
        eprintln!("left out: the second reader needs python3");
    }
    found
}

fn reader() -> Command {
    let mut command = Command::new("python3");
    command.arg(crates().join("calybris-engine/tests/read_records.py"));
    // A shell around Python complains of a locale that is not installed, and that is no answer.
    command.env("LC_ALL", "C");
    command
}

/// Everything that the second reader prints of a log whose keys, if it has any, are in these files.
pub fn read_log(log: &Path, keys: &[PathBuf]) -> Output {
    let mut command = reader();
    for key in keys {
        command.arg("--key-file").arg(key);
    }
    command.arg(log).output().unwrap()
}

/// What the second reader says of each payload: the record's JSON, or why there is none.
pub fn read_payloads(payloads: &[Vec<u8>]) -> Vec<Result<String, String>> {
    let lines: String =
        payloads.iter().map(|bytes| base16ct::lower::encode_string(bytes) + "\n").collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("payloads");
    std::fs::write(&file, lines).unwrap();
    let input = Stdio::from(File::open(file).unwrap());
    let output = reader().arg("--payloads").stdin(input).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = answers
        .lines()
        .map(|line| line.strip_prefix("refused: ").map_or(Ok(line), Err))
        .map(|answer| answer.map(str::to_owned).map_err(str::to_owned))
        .collect();
    assert_eq!(answers.len(), payloads.len());
    answers
}

/// The payloads of which the second reader says something else than `read` does: another record, or a refusal where there is
/// a record. Why a payload is refused is told in other words.
pub fn disagreements(
    payloads: &[Vec<u8>],
    read: impl Fn(&[u8]) -> Result<String, String>,
) -> Vec<String> {
    let told = payloads.iter().zip(read_payloads(payloads)).filter_map(|(payload, other)| {
        let own = read(payload);
        let agree = if own.is_err() { other.is_err() } else { own == other };
        let digits = base16ct::lower::encode_string(payload);
        (!agree).then(|| format!("{digits}\n  Rust   {own:?}\n  Python {other:?}"))
    });
    told.collect()
}

/// The payloads of the engine's golden files: every form of every record.
pub fn golden_payloads() -> Vec<Vec<u8>> {
    [include_str!("../golden/records.txt"), include_str!("../golden/second_records.txt")]
        .into_iter()
        .flat_map(str::lines)
        .map(|line| base16ct::lower::decode_vec(line.split_once(' ').unwrap().1).unwrap())
        .collect()
}

/// A payload with a part of it replaced, which stands in it once.
pub fn replaced(payload: &[u8], part: &[u8], by: &[u8]) -> Vec<u8> {
    let places: Vec<_> =
        payload.windows(part.len()).enumerate().filter(|(_, w)| *w == part).collect();
    let [(at, _)] = places.try_into().unwrap();
    [&payload[..at], by, &payload[at + part.len()..]].concat()
}

/// Every `step`th of the ways in which a payload can be one byte off: cut short, or with a byte that is altered, taken
/// out, put in or written as a longer number.
pub fn mutations(payload: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (at, &byte) in payload.iter().enumerate() {
        let (before, behind) = (&payload[..at], &payload[at + 1..]);
        let mut put = |bytes: &[u8]| all.push([before, bytes, behind].concat());
        put(&[]);
        put(&[0, byte]);
        put(&[251, byte, 0]);
        put(&[252, byte, 0, 0, 0]);
        put(&[253, byte, 0, 0, 0, 0, 0, 0, 0]);
        put(&[254, byte, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for bit in 0..8 {
            put(&[byte ^ 1 << bit]);
        }
        for other in [0, 1, 250, 251, 252, 253, 254, 255] {
            put(&[other]);
        }
        all.push(before.to_vec());
    }
    all.push([payload, &[0]].concat());
    all.into_iter().step_by(step).filter(|mutation| mutation != payload).collect()
}
