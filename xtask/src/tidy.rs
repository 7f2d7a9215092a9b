//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! Arrows between the crates, a first line in every source file that says what it is for, files of a readable length,
//! ASCII, one lint table, a facade without logic, and documents that name nothing that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, read, root};
use crate::{circles, documents, mutants};

/// The crates that each crate may depend on. A dependency between crates of this workspace that is not in this table is a
/// wrong arrow.
const ARROWS: [(&str, &[&str]); 10] = [
    ("calybris-units", &[]),
    ("calybris-kernel", &["calybris-units"]),
    ("calybris-wal", &["calybris-units"]),
    ("calybris-budget", &["calybris-units"]),
    ("calybris-engine", &["calybris-budget", "calybris-kernel", "calybris-units", "calybris-wal"]),
    (
        "calybris-catalog",
        &["calybris-budget", "calybris-engine", "calybris-kernel", "calybris-units"],
    ),
    (
        "calybris-core",
        &[
            "calybris-budget",
            "calybris-engine",
            "calybris-kernel",
            "calybris-units",
            "calybris-wal",
        ],
    ),
    ("calybris-cli", &["calybris-catalog", "calybris-core"]),
    ("calybris-benches", &["calybris-core"]),
    ("xtask", &["calybris-core"]),
];

/// The tables of a manifest that name dependencies.
const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Lines of a source file before its tests.
const LONGEST_FILE_LINES: usize = 400;

/// Files that may be longer, each with its reason.
const LONGER_FILES: [(&str, &str); 0] = [];

/// Lines of the facade.
const LONGEST_FACADE_LINES: usize = 100;

pub(crate) fn run() -> Outcome {
    let root = root();
    let mut findings = Vec::new();
    arrows(&root, &mut findings)?;
    let texts = texts(&root)?;
    for (name, text) in &texts {
        findings.extend(text_findings(name, text));
    }
    findings.extend(documents::findings(&root, &texts));
    findings.extend(undeclared(&texts));
    findings.extend(circles::findings(&texts)?);
    findings.extend(mutants::findings(&read(mutants::FILE)?, &texts)?);
    facade(&root, &mut findings)?;
    if findings.is_empty() {
        println!("tidy: nothing to find");
        return Ok(());
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    Err(format!("{} findings", findings.len()))
}

/// `cargo xtask tidy --circles`: every import in a circle, for those who are about to break it.
pub(crate) fn print_circles() -> Outcome {
    print!("{}", circles::report(&texts(&root())?)?);
    Ok(())
}

/// The project's files by name, and what they say.
fn texts(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut texts = Vec::new();
    for file in files(root)? {
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
        texts.push((name, text));
    }
    Ok(texts)
}

/// Reads every manifest: its arrows, and that it takes the workspace's lints.
fn arrows(root: &Path, findings: &mut Vec<String>) -> Outcome {
    let mut manifests = Vec::new();
    let crates = fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let folders = crates.flatten().map(|entry| entry.path());
    for folder in folders.chain(["benches", "xtask"].map(|folder| root.join(folder))) {
        let manifest = folder.join("Cargo.toml");
        if manifest.is_file() {
            manifests.push(manifest);
        }
    }
    manifests.sort();
    for manifest in manifests {
        let text = fs::read_to_string(&manifest)
            .map_err(|error| format!("{}: {error}", manifest.display()))?;
        findings.extend(manifest_findings(&text)?);
    }
    Ok(())
}

fn manifest_findings(text: &str) -> Result<Vec<String>, String> {
    let manifest: toml::Table = text.parse().map_err(|error| format!("manifest: {error}"))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .ok_or("a manifest without a package name")?;
    let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| *package == name) else {
        return Ok(vec![format!("`{name}` is not in the table of arrows")]);
    };
    let mut findings = Vec::new();
    // Dependencies stand at the top, and again below each target.
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let tables = targets.filter_map(toml::Value::as_table).chain([&manifest]);
    for (table, kind) in tables.flat_map(|table| KINDS.map(|kind| (table, kind))) {
        let Some(dependencies) = table.get(kind).and_then(toml::Value::as_table) else { continue };
        for (alias, dependency) in dependencies {
            let package = dependency.get("package").and_then(toml::Value::as_str).unwrap_or(alias);
            let ours = ARROWS.iter().any(|(known, _)| *known == package);
            if ours && !allowed.contains(&package) {
                findings.push(format!("wrong arrow in [{kind}]: `{name}` -> `{package}`"));
            }
        }
    }
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if inherits != Some(true) {
        findings.push(format!("`{name}` does not take the lints of the workspace"));
    }
    Ok(findings)
}

/// Every source, manifest and document of the project.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            let skipped = matches!(name.as_str(), "target" | "corpus" | "artifacts" | "golden");
            if !skipped && !name.starts_with('.') {
                found.extend(files(&path)?);
            }
        } else if [".rs", ".md", ".toml", ".py"].iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn text_findings(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if !line.is_ascii() {
            findings.push(format!("{name}:{}: not ASCII", index.saturating_add(1)));
        }
    }
    if !name.ends_with(".rs") {
        return findings;
    }
    if !text.starts_with("//! ") {
        findings.push(format!("{name}: the first line is not `//! ` and what the file is for"));
    }
    let in_product = name.contains("/src/");
    let lines = lines_before_tests(text);
    let excused = LONGER_FILES.iter().any(|(file, _)| *file == name);
    if in_product && lines > LONGEST_FILE_LINES && !excused {
        findings
            .push(format!("{name}: {lines} lines before its tests, {LONGEST_FILE_LINES} allowed"));
    }
    findings
}

/// Lines before the tests at the foot of a file: before `#[cfg(test)]`, more attributes, and a module with its body.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_foot = |at: usize| {
        let mut behind = lines.iter().skip(at).skip_while(|line| line.starts_with("#["));
        let is_gated = lines.get(at).is_some_and(|line| line.starts_with("#[cfg(test)]"));
        is_gated
            && behind.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    (0..lines.len()).find(|at| is_foot(*at)).unwrap_or(lines.len())
}

/// Invariants that a crate relies on by name, and that it declares nowhere.
fn undeclared(texts: &[(String, String)]) -> Vec<String> {
    let crate_of = |name: &str| name.split("/src/").next().unwrap_or(name).to_owned();
    let sources =
        || texts.iter().filter(|(name, _)| name.ends_with(".rs") && name.contains("/src/"));
    let is_declared = |folder: &str, name: &str| {
        let declaration = format!("INVARIANT ({name}):");
        sources().any(|(file, text)| crate_of(file) == folder && text.contains(&declaration))
    };
    let mut findings = Vec::new();
    for (file, text) in sources().filter(|(file, _)| file.starts_with("crates/")) {
        let cited = text.split("INVARIANT (").skip(1).filter_map(|rest| rest.split_once(')'));
        for (name, _) in cited.filter(|(name, _)| !is_declared(&crate_of(file), name)) {
            findings.push(format!("{file}: INVARIANT ({name}) is declared nowhere in its crate"));
        }
    }
    findings
}

/// The facade re-exports; it decides nothing.
fn facade(root: &Path, findings: &mut Vec<String>) -> Outcome {
    let name = "crates/calybris-core/src/lib.rs";
    let text = fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"))?;
    if text.lines().count() > LONGEST_FACADE_LINES {
        findings.push(format!("{name}: over {LONGEST_FACADE_LINES} lines"));
    }
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    if code.flat_map(str::split_whitespace).any(|word| matches!(word, "if" | "fn" | "match")) {
        findings.push(format!("{name}: logic in the facade"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, body: &str) -> String {
        format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{body}")
    }

    #[test]
    fn the_house_is_tidy() {
        run().unwrap();
    }

    #[test]
    fn a_wrong_arrow_is_found_in_every_kind_of_dependency() {
        for kind in KINDS {
            let body = format!("[{kind}]\ncalybris-kernel.workspace = true\n");
            let found = manifest_findings(&manifest("calybris-wal", &body)).unwrap();
            assert_eq!(
                found,
                [format!("wrong arrow in [{kind}]: `calybris-wal` -> `calybris-kernel`")]
            );
        }
    }

    #[test]
    fn a_wrong_arrow_is_found_below_a_target_and_under_another_name() {
        for body in [
            "[target.'cfg(loom)'.dependencies]\ncalybris-kernel.workspace = true\n",
            "[dependencies]\nk = { package = \"calybris-kernel\", path = \"..\" }\n",
        ] {
            let found = manifest_findings(&manifest("calybris-wal", body)).unwrap();
            assert_eq!(found.len(), 1, "{body}");
        }
    }

    #[test]
    fn a_right_arrow_is_not_a_finding() {
        let body = "[dependencies]\ncalybris-kernel.workspace = true\n";
        assert!(manifest_findings(&manifest("calybris-engine", body)).unwrap().is_empty());
    }

    #[test]
    fn a_manifest_with_lints_of_its_own_is_found() {
        let found = manifest_findings("[package]\nname = \"calybris-wal\"\n").unwrap();
        assert_eq!(found, ["`calybris-wal` does not take the lints of the workspace"]);
    }

    #[test]
    fn a_file_says_first_what_it_is_for() {
        assert_eq!(text_findings("a/src/b.rs", "use x;\n").len(), 1);
        assert!(text_findings("a/src/b.rs", "//! What it is for.\n").is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let code = |lines: usize| format!("//! Long.\n{}", "x\n".repeat(lines - 1));
        assert!(text_findings("a/src/b.rs", &code(LONGEST_FILE_LINES)).is_empty());
        assert_eq!(text_findings("a/src/b.rs", &code(LONGEST_FILE_LINES + 1)).len(), 1);
        let rest = "x\n".repeat(100);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{rest}", code(LONGEST_FILE_LINES));
        assert!(text_findings("a/src/b.rs", &tested).is_empty());
        let allowed = tested.replace("\nmod tests", "\n#[allow(unused)]\nmod tests");
        assert!(text_findings("a/src/b.rs", &allowed).is_empty());
        let gated = format!("{}#[cfg(test)]\nmod faults;\n{rest}", code(LONGEST_FILE_LINES));
        assert_eq!(text_findings("a/src/b.rs", &gated).len(), 1);
    }

    #[test]
    fn an_invariant_that_is_relied_on_is_declared_in_its_crate() {
        let found = |relied: &str, declared: &str| {
            let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
            undeclared(&[
                file("crates/a/src/b.rs", relied),
                file(declared, "// INVARIANT (one): it is."),
            ])
        };
        assert!(found("// INVARIANT (one).", "crates/a/src/c.rs").is_empty());
        assert_eq!(found("// INVARIANT (two).", "crates/a/src/c.rs").len(), 1);
        assert_eq!(found("// INVARIANT (one).", "crates/c/src/c.rs").len(), 1);
    }

    #[test]
    fn a_letter_outside_ascii_is_found_with_its_line() {
        assert_eq!(text_findings("a.md", "ok\n\u{e9}\n"), ["a.md:2: not ASCII"]);
    }
}
