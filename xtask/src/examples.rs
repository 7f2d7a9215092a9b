//! `cargo xtask examples`: every example runs to its end.
//!
//! An example that only compiles may still lie about what it prints; each asserts what its text says.

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, cargo, root, run_in};

/// Arguments for those that have much to do: they are not optimised here.
const ARGUMENTS: [(&str, &str); 2] = [("differential", "5000"), ("recovery", "100000")];

pub(crate) fn run() -> Outcome {
    // `cargo xtask test` has built them a moment ago.
    cargo("build --workspace --all-features --examples")?;
    let built = root().join("target/debug/examples");
    for package in packages_with_examples()? {
        for example in names_in(&root().join("crates").join(&package).join("examples"))? {
            let program = built.join(&example).display().to_string();
            let arguments = ARGUMENTS.iter().filter(|(name, _)| *name == example);
            let arguments: Vec<&str> = arguments.map(|(_, argument)| *argument).collect();
            run_in(&root(), &program, &arguments)?;
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
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
