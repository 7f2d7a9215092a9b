//! The README: its smallest files make a log, and its examples, run from first to last, print what it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::Path;

use program::*;
use serde_json::Value;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Writes the smallest files that make a log, as the page shows them.
fn write_smallest_files(dir: &Path) {
    let readme = readme();
    let mut rest = readme.split_once("The smallest files that make a log").unwrap().1;
    for name in ["policy.toml", "catalog.toml", "requests.csv"] {
        rest = rest.split_once(&format!("`{name}`")).unwrap().1;
        let block = rest.split_once("```").unwrap().1;
        let text = block.split_once('\n').unwrap().1.split_once("```").unwrap().0;
        std::fs::write(dir.join(name), text).unwrap();
    }
}

#[test]
fn the_smallest_files_of_the_readme_make_a_log() {
    let dir = tempfile::tempdir().unwrap();
    write_smallest_files(dir.path());
    let line =
        "route --policy policy.toml --catalog catalog.toml --requests requests.csv --log log";
    let ran = run(program().current_dir(dir.path()).args(line.split(' ')).arg("--json"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let object: Value = serde_json::from_str(&ran.out).unwrap();
    // The small model is worth more, but is not good enough for the second request.
    assert_eq!(object["routed"]["substituted"], 1);
    assert_eq!(object["routed"]["executed_as_requested"], 1);
}

/// What stays of a text when hashes and ids of this run are taken out, and line ends with them: the page breaks long lines,
/// and leaves out what `...` stands for. Dates and times stay: the demo's are those of its data.
#[cfg(unix)]
fn steady(text: &str) -> String {
    let is_hash = |word: &&str| word.bytes().filter(u8::is_ascii_hexdigit).count() >= 16;
    text.split_whitespace().filter(|word| !is_hash(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
#[test]
fn the_examples_of_the_readme_run_in_their_order_and_print_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_calybris")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let typed = |lines: &str| {
        let mut shell = std::process::Command::new("sh");
        run(shell.args(["-ec", lines]).current_dir(dir.path()).env("PATH", &path))
    };
    let readme = readme();
    let (mut commands, mut examples) = (0, 0);
    // Every second part stands between fences.
    for block in readme.split("```").skip(1).step_by(2) {
        if let Some(lines) = block.strip_prefix("sh\n") {
            let ran = typed(lines);
            assert_eq!(ran.code, 0, "{lines}\n{}", ran.err);
            commands += lines.lines().filter(|line| line.starts_with("calybris ")).count();
        }
        let Some(example) = block.strip_prefix("text\n$ ") else { continue };
        let (line, shown) = example.split_once('\n').unwrap();
        let ran = typed(line);
        let printed = steady(&format!("{}{}", ran.out, ran.err));
        for said in shown.lines().filter(|said| *said != "...") {
            let said = steady(said.trim_end_matches("..."));
            // A line of CSV is cut in a word.
            assert!(printed.contains(&said), "{line}\nsays      {said}\nprinted   {printed}");
        }
        examples += 1;
    }
    assert!(commands >= 10 && examples >= 16, "{commands} {examples}");
}
