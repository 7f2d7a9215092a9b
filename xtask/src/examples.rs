//! `cargo xtask examples`: every example runs to its end.
//!
//! An example that only compiles may still lie about what it prints; each asserts what its text says.

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, cargo};

/// The profile that the tests have built a moment ago.
const PROFILE: &str = "--quiet --profile unchecked-release";

pub(crate) fn run() -> Outcome {
    for package in packages_with_examples()? {
        let crate_dir = Path::new("crates").join(&package);
        for example in names_in(&crate_dir.join("examples"))? {
            cargo(&format!("run {PROFILE} --all-features -p {package} --example {example}"))?;
        }
    }
    Ok(())
}

fn packages_with_examples() -> Result<Vec<String>, String> {
    let names = names_in(Path::new("crates"))?;
    let with = |name: &String| Path::new("crates").join(name).join("examples").is_dir();
    Ok(names.into_iter().filter(with).collect())
}

/// The names in a directory in order, without the ending of files.
fn names_in(dir: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
