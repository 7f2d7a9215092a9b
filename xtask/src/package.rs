//! `cargo xtask package`: the crates as they would be published, each tested from its packaged file.
//!
//! What a package leaves out (a golden file, a page that a doc comment includes) is missed here and nowhere else. And the
//! tests run without debug assertions and overflow checks, so that nothing depends on these.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::shell::{Outcome, cargo, root, run_in};

/// The workspace's members that nobody publishes.
const UNPUBLISHED: &str = "--exclude xtask --exclude calybris-benches";

pub(crate) fn run() -> Outcome {
    let packages = root().join("target/package");
    let workspace = packages.join("unpacked");
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    // Nothing of an earlier version may be unpacked beside this one.
    if packages.exists() {
        fs::remove_dir_all(&packages).map_err(|error| failed(&packages, error))?;
    }
    cargo(&format!(
        "package --workspace {UNPUBLISHED} --no-verify --allow-dirty --target-dir target"
    ))?;
    fs::create_dir_all(&workspace).map_err(|error| failed(&workspace, error))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&packages).map_err(|error| failed(&packages, error))? {
        let path = entry.map_err(|error| failed(&packages, error))?.path();
        if path.extension().is_some_and(|ending| ending == "crate") {
            let file = path.display().to_string();
            run_in(&workspace, "tar", &["-xzf", &file])?;
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    let manifest = workspace.join("Cargo.toml");
    let text = manifest_of(&names, &crate::pages::read("Cargo.toml")?)?;
    fs::write(&manifest, text).map_err(|error| failed(&manifest, error))?;
    // The versions that the rest of the checks ran with.
    let lock = workspace.join("Cargo.lock");
    fs::copy(root().join("Cargo.lock"), &lock).map_err(|error| failed(&lock, error))?;
    cargo("test -p xtask --tests --profile unchecked-release")?;
    cargo(&format!(
        "test --workspace --all-features --tests --profile unchecked-release --manifest-path {} --target-dir target",
        manifest.display()
    ))
}

/// A workspace of the unpacked crates, in which each finds the others, with the profiles of ours.
fn manifest_of(names: &[String], ours: &str) -> Result<String, String> {
    let parsed: toml::Table = ours.parse().map_err(|error| format!("Cargo.toml: {error}"))?;
    let mut text = String::from(
        "[workspace]\nresolver = \"3\"\nmembers = [\"*-*.*.*\"]\n\n[patch.crates-io]\n",
    );
    for name in names {
        let (package, _) =
            name.rsplit_once('-').ok_or_else(|| format!("`{name}` has no version"))?;
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "{package} = {{ path = \"{name}\" }}");
    }
    let profiles = parsed.get("profile").ok_or("Cargo.toml has no profiles")?;
    let profiles = toml::Table::from_iter([("profile".to_owned(), profiles.clone())]);
    let _ = writeln!(text, "\n{}", toml::to_string(&profiles).map_err(|error| error.to_string())?);
    Ok(text)
}
