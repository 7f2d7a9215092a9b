//! The README: its smallest files make a log, its first commands run on them, and its examples print what it says.
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

#[cfg(unix)]
#[test]
fn the_first_commands_of_the_readme_run_on_its_smallest_files() {
    let dir = tempfile::tempdir().unwrap();
    write_smallest_files(dir.path());
    let policy = std::fs::read_to_string(dir.path().join("policy.toml")).unwrap();
    let stricter = policy.replace("hard_risk_limit_bps = 9_000", "hard_risk_limit_bps = 400");
    assert_ne!(policy, stricter);
    std::fs::write(dir.path().join("stricter.toml"), stricter).unwrap();
    let readme = readme();
    let block = readme.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    assert!(block.lines().filter(|line| line.starts_with("calybris ")).count() >= 7, "{block}");
    let programs = Path::new(env!("CARGO_BIN_EXE_calybris")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-exc", block]).current_dir(dir.path());
    let ran = run(shell.env("PATH", path).env("TMPDIR", dir.path()));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(dir.path().join("report.html").is_file());
}

/// What stays of a text when hashes and ids of this run are taken out, and line ends with them: the page breaks long lines,
/// and leaves out what `...` stands for. Dates and times stay: the demo's are those of its data.
fn steady(text: &str) -> String {
    let is_hash = |word: &&str| word.bytes().filter(u8::is_ascii_hexdigit).count() >= 16;
    text.split_whitespace().filter(|word| !is_hash(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
#[test]
fn every_example_of_the_readme_prints_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let typed = |line: &str| {
        let line = line.replacen("calybris", env!("CARGO_BIN_EXE_calybris"), 1);
        run(std::process::Command::new("sh").current_dir(dir.path()).arg("-c").arg(line))
    };
    for line in [
        "calybris demo --dir demo",
        "calybris anchor demo/log --tree > tree-head.txt",
        "cp -r demo/log demo/log-changed",
        "printf X | dd of=demo/log-changed/00000000000000000001.cwal bs=1 seek=30000 conv=notrunc",
    ] {
        assert_eq!(typed(line).code, 0, "{line}");
    }
    let catalog = std::fs::read_to_string(dir.path().join("demo/catalog.toml")).unwrap();
    let changed = |text: &str, model: &str, from: &str, to: &str| {
        let (before, after) = text.split_once(&format!("name = \"{model}\"")).unwrap();
        format!("{before}name = \"{model}\"{}", after.replacen(from, to, 1))
    };
    let catalog = changed(&catalog, "gpt-oss-120b", "= 150_000", "= 120_000");
    let vision = "\"vision\", \"response_schema\"";
    let more = format!("{vision}, \"prompt_caching\"");
    let catalog = changed(&catalog, "mistral-large-3", vision, &more);
    std::fs::write(dir.path().join("demo/catalog-december.toml"), catalog).unwrap();

    let readme = readme();
    let mut examples = 0;
    for block in readme.split("```text\n$ ").skip(1) {
        let (line, rest) = block.split_once('\n').unwrap();
        let shown = rest.split_once("```").unwrap().0;
        let ran = typed(line);
        let printed = steady(&format!("{}{}", ran.out, ran.err));
        for said in shown.lines().filter(|said| *said != "...") {
            let said = steady(said.trim_end_matches("..."));
            // A line of CSV is cut in a word.
            assert!(printed.contains(&said), "{line}\nsays      {said}\nprinted   {printed}");
        }
        examples += 1;
    }
    assert!(examples >= 16, "{examples}");
}
