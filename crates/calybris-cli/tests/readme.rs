//! The smallest files of the README make a log, as it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod program;

use std::path::Path;

use program::*;
use serde_json::Value;

#[test]
fn the_smallest_files_of_the_readme_make_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut rest = readme.split_once("The smallest files that make a log").unwrap().1;
    for name in ["policy.toml", "catalog.toml", "requests.csv"] {
        rest = rest.split_once(&format!("`{name}`")).unwrap().1;
        let block = rest.split_once("```").unwrap().1;
        let text = block.split_once('\n').unwrap().1.split_once("```").unwrap().0;
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let line =
        "route --policy policy.toml --catalog catalog.toml --requests requests.csv --log log";
    let ran = run(program().current_dir(dir.path()).args(line.split(' ')).arg("--json"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let object: Value = serde_json::from_str(&ran.out).unwrap();
    // The small model is worth more, but is not good enough for the second request.
    assert_eq!(object["routed"]["substituted"], 1);
    assert_eq!(object["routed"]["executed_as_requested"], 1);
    let readme_lines = readme.lines().filter(|line| line.starts_with("calybris route"));
    assert_eq!(readme_lines.count(), 1);
    assert!(readme.contains(&line.replace("--log log", "--log ./log")));
}
