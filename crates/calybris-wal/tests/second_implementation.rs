//! A verifier in Python, written from `FORMAT.md` alone, says of every log what this crate says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod logs;
mod second_reader;

use std::fs;
use std::path::{Path, PathBuf};

use logs::{NEW_SECRET, SECRET};
use second_reader::{other_verdicts, python_is_here, verdict};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn both_verify_every_golden_log() {
    if !python_is_here() {
        return;
    }
    let key = logs::key();
    for (name, key, secrets) in [
        ("plain", None, vec![]),
        ("segments", None, vec![]),
        ("retained", None, vec![]),
        // Written when a log start was one frame.
        ("retained_once", None, vec![]),
        ("keyed", Some(key.clone()), vec![SECRET]),
        ("rekeyed", Some(logs::new_key()), vec![SECRET, NEW_SECRET]),
    ] {
        let verdict = verdict(&golden(name), key.as_ref());
        let records = if name.starts_with("retained") { 5 } else { 6 };
        assert!(verdict.starts_with(&format!("verified {records} ")), "{name}: {verdict}");
        assert_eq!(other_verdicts(&[golden(name)], &secrets), [verdict], "{name}");
    }
}

#[test]
fn both_say_the_same_of_changed_and_cut_logs() {
    if !python_is_here() {
        return;
    }
    for (name, key, secrets) in [
        ("plain", None, vec![]),
        ("segments", None, vec![]),
        ("retained", None, vec![]),
        ("keyed", Some(logs::key()), vec![SECRET]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        let names: Vec<_> =
            fs::read_dir(golden(name)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        for (file, changed) in names.iter().enumerate() {
            let bytes = fs::read(golden(name).join(changed)).unwrap();
            for byte in (0..bytes.len()).step_by(3) {
                let mut flipped = bytes.clone();
                flipped[byte] ^= 1 << (byte % 8);
                for (kind, changed_bytes) in [("flip", &flipped[..]), ("cut", &bytes[..byte])] {
                    let path = directory.path().join(format!("{kind}-{file}-{byte}"));
                    fs::create_dir(&path).unwrap();
                    for other in &names {
                        fs::copy(golden(name).join(other), path.join(other)).unwrap();
                    }
                    fs::write(path.join(changed), changed_bytes).unwrap();
                    paths.push(path);
                }
            }
        }
        let others = other_verdicts(&paths, &secrets);
        assert_eq!(others.len(), paths.len());
        for (path, other) in paths.iter().zip(others) {
            assert_eq!(other, verdict(path, key.as_ref()), "{}", path.display());
        }
    }
}
