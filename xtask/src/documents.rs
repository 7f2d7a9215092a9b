//! What the documents name is there: the test that keeps a promise, the file on the map, the page behind a link.

use std::fs;
use std::path::Path;

/// Documents in which every entry names the test that keeps it, and how an entry begins.
const PROMISES: [(&str, &str, &str); 2] =
    [("docs/promises.md", "", "| **"), ("ARCHITECTURE.md", "## Invariants", "* **")];

/// The document with the code map.
const MAP: &str = "ARCHITECTURE.md";

/// Its sections that follow a call from file to file.
const WALKS: [&str; 2] = ["## A request, file by file", "## A settlement, file by file"];

/// All that the documents say wrong; `files` are those of the project.
pub(crate) fn findings(root: &Path, files: &[(String, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".md")) {
        let prose = without_code(text);
        findings.extend(dead_links(root, name, &prose));
        for test in tests_named(&prose) {
            if !is_a_test(test, files) {
                findings.push(format!("{name}: there is no test `{}::{}`", test.0, test.1));
            }
        }
        if name == MAP {
            findings.extend(missing_rooms(root, section(&prose, "## Code map")));
            for walk in WALKS {
                findings.extend(missing_steps(root, section(&prose, walk)));
            }
        }
        for (_, heading, begin) in PROMISES.iter().filter(|(document, ..)| document == name) {
            findings.extend(unkept(name, section(&prose, heading), begin));
        }
    }
    findings
}

/// The text without its blocks of code.
fn without_code(text: &str) -> String {
    let parts = text.split("\n```");
    parts.step_by(2).collect::<Vec<_>>().join("\n")
}

/// What stands between a heading and the next one; all of it if there is no heading to look for.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    if heading.is_empty() {
        return text;
    }
    let after = text.split_once(heading).map_or("", |(_, after)| after);
    after.split_once("\n## ").map_or(after, |(section, _)| section)
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The tests that a text names: `crate::test`, the crate with its dashes.
fn tests_named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let snake =
        |word: &str| word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    quoted(text)
        .filter_map(|quote| quote.split_once("::"))
        .filter(move |(package, test)| is_package(package) && snake(test))
}

fn is_package(name: &str) -> bool {
    name.starts_with("calybris-") || name == "xtask"
}

/// Whether a function of that name in that package is a test.
fn is_a_test((package, test): (&str, &str), files: &[(String, String)]) -> bool {
    let declared = format!("fn {test}(");
    let folder =
        if package == "xtask" { "xtask/".to_owned() } else { format!("crates/{package}/") };
    let sources =
        files.iter().filter(|(name, _)| name.starts_with(&folder) && name.ends_with(".rs"));
    sources.into_iter().any(|(_, text)| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.iter().enumerate().any(|(at, line)| {
            let above = lines.iter().take(at).rev().take_while(|line| line.starts_with(['#', '/']));
            line.contains(&declared) && above.into_iter().any(|line| line.starts_with("#[test]"))
        })
    })
}

/// Entries that name no test and no task.
fn unkept(name: &str, text: &str, begin: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(begin) {
            entries.push(line.to_owned());
        } else if line.starts_with("  ")
            && let Some(entry) = entries.last_mut()
        {
            entry.push_str(line);
        }
    }
    let kept =
        |entry: &&String| tests_named(entry).next().is_none() && !entry.contains("`cargo xtask ");
    let unkept = entries.iter().filter(kept);
    unkept
        .map(|entry| format!("{name}: names no test: {}", entry.get(..60).unwrap_or(entry)))
        .collect()
}

/// Files and folders of the code map that are not there. `...` stands for the folder of the row above.
fn missing_rooms(root: &Path, map: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut folder = String::new();
    for row in map.lines().filter(|line| line.starts_with("| `")) {
        let first_cell = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        for named in quoted(first_cell) {
            let path = if let Some(rest) = named.strip_prefix(".../") {
                let up = if rest.starts_with("tests") {
                    folder.trim_end_matches("src/")
                } else {
                    &folder
                };
                format!("{up}{rest}")
            } else if named.contains('/')
                && root.join(named.split('/').next().unwrap_or_default()).is_dir()
            {
                if let Some((package, _)) = named.split_once("src/") {
                    folder = format!("{package}src/");
                }
                named.to_owned()
            } else {
                format!("{folder}{named}")
            };
            if !root.join(&path).exists() {
                findings.push(format!("{MAP}: there is no `{path}`, which is on the map"));
            }
        }
    }
    findings
}

/// Files of a walk that are not there, and a walk that names none. A name without a folder is beside the file before it.
fn missing_steps(root: &Path, walk: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut folder = String::new();
    for named in quoted(walk).filter(|named| named.ends_with(".rs")) {
        if let Some((above, _)) = named.rsplit_once('/') {
            folder = format!("crates/{above}");
        }
        let name = named.rsplit('/').next().unwrap_or(named);
        if !root.join(&folder).join(name).is_file() {
            findings.push(format!("{MAP}: there is no `{folder}/{name}`, which a walk passes"));
        }
    }
    if folder.is_empty() {
        findings.push(format!("{MAP}: a walk is gone or passes no file"));
    }
    findings
}

/// Links to files that are not there.
fn dead_links(root: &Path, name: &str, text: &str) -> Vec<String> {
    let folder = root.join(name).parent().map_or_else(|| root.to_path_buf(), Path::to_path_buf);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = targets.filter_map(|(target, _)| target.split('#').next());
    let local =
        paths.filter(|path| !path.is_empty() && !path.contains("://") && !path.contains(' '));
    let dead = local.filter(|path| !fs::exists(folder.join(path)).unwrap_or(false));
    dead.map(|path| format!("{name}: the link to {path} leads nowhere")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_test_that_a_document_names_is_looked_for_in_its_crate() {
        let source = "#[test]\n// Why.\nfn it_holds() {}\nfn it_helps() {}\n";
        let found = |promise: &str| {
            let files = [file("crates/calybris-wal/tests/a.rs", source), file("d.md", promise)];
            findings(Path::new("."), &files)
        };
        assert!(found("kept by `calybris-wal::it_holds`").is_empty());
        assert!(
            found("a path `calybris_wal::it_is_no_test`, a type `calybris-wal::Log`").is_empty()
        );
        for wrong in
            ["calybris-wal::it_helps", "calybris-wal::it_hold", "calybris-budget::it_holds"]
        {
            assert_eq!(found(&format!("`{wrong}`")), [format!("d.md: there is no test `{wrong}`")]);
        }
    }

    #[test]
    fn a_promise_names_what_keeps_it() {
        let found = |text: &str| unkept("p.md", text, "* **");
        assert!(found("* **A.** Kept\n  by `xtask::a_promise_names_what_keeps_it`.\n").is_empty());
        assert!(found("* **A.** `cargo xtask loom`.\nAnd so on.\n").is_empty());
        assert_eq!(
            found("* **A.** Kept.\n* **B.** `cargo xtask loom`.\n"),
            ["p.md: names no test: * **A.** Kept."]
        );
    }

    #[test]
    fn a_room_that_is_gone_is_found_on_the_map() {
        let root = crate::shell::root();
        let found = |map: &str| missing_rooms(&root, map);
        let map = "| `xtask/src/main.rs`, `tidy.rs` | a |\n| `.../documents.rs`, `.../tests/` | `no.rs` |\n";
        assert!(found(map).is_empty(), "{:?}", found(map));
        assert_eq!(found("| `xtask/src/main.rs`, `gone.rs` | a |\n").len(), 1);
        assert_eq!(found("| `crates/gone/` | a |\n").len(), 1);
    }

    #[test]
    fn a_file_that_is_gone_is_found_on_a_walk() {
        let root = crate::shell::root();
        let found = |walk: &str| missing_steps(&root, walk);
        let walk = "1. `calybris-engine/src/decide.rs` asks `settle.rs`.\n2. `calybris-wal/src/writer.rs`.";
        assert!(found(walk).is_empty(), "{:?}", found(walk));
        assert_eq!(found("1. `calybris-engine/src/decide.rs` asks `gone.rs`.").len(), 1);
        assert_eq!(found("1. `calybris-engine/src/gone.rs`.").len(), 1);
        assert_eq!(found("").len(), 1);
    }

    #[test]
    fn a_dead_link_is_found_and_one_in_code_or_to_elsewhere_is_none() {
        let root = crate::shell::root();
        let dead = |text: &str| dead_links(&root, "docs/a.md", &without_code(text));
        assert!(dead("[a](errors.md) [b](../README.md#x) [c](https://a.b/c) [d](#e)").is_empty());
        assert!(dead("x\n```text\n[a](gone.md)\n```\n").is_empty());
        assert_eq!(dead("[a](gone.md)"), ["docs/a.md: the link to gone.md leads nowhere"]);
    }
}
