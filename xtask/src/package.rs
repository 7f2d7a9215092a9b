//! `cargo xtask package`: the crates as they would be published, each tested from its packaged file.
//!
//! What a package leaves out (a golden file, a page that a doc comment includes) is missed here and nowhere else. And the
//! tests run without debug assertions and overflow checks, so that nothing depends on these.

use std::fs;
use std::path::Path;

use crate::shell::{Outcome, cargo, read, root, run_in};

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
            // A relative path: some `tar` of Windows takes `C:` for another machine.
            let file = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            run_in(&workspace, "tar", &["-xzf", &format!("../{file}")])?;
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    let manifest = workspace.join("Cargo.toml");
    let text = manifest_of(&names, &read("Cargo.toml")?)?;
    fs::write(&manifest, text).map_err(|error| failed(&manifest, error))?;
    // The versions that the rest of the checks ran with.
    let lock = workspace.join("Cargo.lock");
    fs::copy(root().join("Cargo.lock"), &lock).map_err(|error| failed(&lock, error))?;
    cargo(&format!(
        "test --workspace --all-features --tests --manifest-path {} --target-dir target",
        manifest.display()
    ))
}

/// A workspace of the unpacked crates, in which each finds the others, with the profiles of ours. So what they depend on
/// is built already, by the tests in the checkout; they alone are built anew, and unchecked.
fn manifest_of(names: &[String], ours: &str) -> Result<String, String> {
    let mut manifest: toml::Table =
        "workspace = { resolver = \"3\", members = [\"*-*.*.*\"] }".parse().map_err(unreadable)?;
    let ours: toml::Table = ours.parse().map_err(unreadable)?;
    if let Some(profiles) = ours.get("profile") {
        manifest.insert("profile".to_owned(), profiles.clone());
    }
    for name in names {
        let (package, _) =
            name.rsplit_once('-').ok_or_else(|| format!("`{name}` has no version"))?;
        let path = table(&mut manifest, &["patch", "crates-io", package])?;
        path.insert("path".to_owned(), name.clone().into());
        let profile = table(&mut manifest, &["profile", "dev", "package", package])?;
        profile.insert("debug-assertions".to_owned(), false.into());
        profile.insert("overflow-checks".to_owned(), false.into());
    }
    toml::to_string(&manifest).map_err(|error| error.to_string())
}

fn unreadable(error: toml::de::Error) -> String {
    format!("Cargo.toml: {error}")
}

/// The table at the end of this path, made if there is none.
fn table<'a>(root: &'a mut toml::Table, path: &[&str]) -> Result<&'a mut toml::Table, String> {
    path.iter().try_fold(root, |table, name| {
        let inner = table.entry(*name).or_insert_with(|| toml::Table::new().into());
        inner.as_table_mut().ok_or_else(|| format!("Cargo.toml: `{name}` is no table"))
    })
}
