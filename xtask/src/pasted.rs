//! `cargo xtask pasted`: what the pages show is pasted and typed, as a reader sees it.
//!
//! Every Rust block of a page goes, whole and alone, into an empty project that depends on what the page says. There it runs
//! twice in one directory, because a reader runs it again and it then finds what it left behind. No line of a block is hidden
//! from the reader, so none is added here. The commands of the README run as well. Those of the program's page are tested
//! beside the program (`crates/calybris-cli/tests/readme.rs`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::{Outcome, cargo, cargo_with, read, root, run_in, start};

/// Where the projects are.
const PROJECTS: &str = "target/pasted";

/// The page whose commands are typed.
const README: &str = "README.md";

pub(crate) fn run() -> Outcome {
    let mut programs = 0;
    for page in pages()? {
        let text = read(&page)?;
        let blocks = blocks(&text);
        if blocks.iter().any(Block::is_rust) {
            programs += paste(&page, &blocks)?;
        }
    }
    let commands = if cfg!(windows) {
        println!("left out on windows: the README's commands need `sh`");
        0
    } else {
        type_in(&read(README)?)?
    };
    println!("pasted: {programs} programs and {commands} commands ran");
    Ok(())
}

/// The pages of the root, of `docs/` and of the crates.
fn pages() -> Result<Vec<String>, String> {
    let mut folders = vec![String::new(), "docs/".to_owned()];
    folders.extend(names_in("crates")?.iter().map(|name| format!("crates/{name}/")));
    let mut pages = Vec::new();
    for folder in folders {
        let names = names_in(&folder)?;
        let names = names.iter().filter(|name| name.ends_with(".md"));
        pages.extend(names.map(|name| format!("{folder}{name}")));
    }
    Ok(pages)
}

/// The names in a folder of the project, in order.
fn names_in(folder: &str) -> Result<Vec<String>, String> {
    let entries =
        fs::read_dir(root().join(folder)).map_err(|error| format!("{folder}: {error}"))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// A block of code.
struct Block<'a> {
    /// What it is written in, as its fence says.
    language: &'a str,
    /// The line of its fence.
    line: usize,
    text: String,
}

impl Block<'_> {
    /// `rust`, whatever rustdoc is told behind the comma: a reader does not see that.
    fn is_rust(&self) -> bool {
        self.language.split(',').next() == Some("rust")
    }

    /// A command and what it is shown to print, if that is what the block has.
    fn example(&self) -> Option<(&str, &str)> {
        let example = self.text.strip_prefix("$ ").filter(|_| self.language == "text")?;
        example.split_once('\n')
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for (line, content) in (1..).zip(text.lines()) {
        match content.strip_prefix("```") {
            Some(language) => {
                open = !open;
                if open {
                    blocks.push(Block { language, line, text: String::new() });
                }
            }
            None if open => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(content);
                    block.text.push('\n');
                }
            }
            None => {}
        }
    }
    blocks
}

/// Makes a project with a program for each Rust block of a page, builds it and runs them. Answers how many there are.
fn paste(page: &str, blocks: &[Block<'_>]) -> Result<usize, String> {
    let name = page.trim_end_matches(".md").replace('/', "-").to_lowercase();
    let project = format!("{PROJECTS}/{name}");
    let dependencies = blocks.iter().find(|block| block.text.starts_with("[dependencies]"));
    let dependencies = dependencies
        .ok_or_else(|| format!("{page}: shows Rust, and no `[dependencies]` for it"))?;
    let clone = root().display().to_string();
    let dependencies = dependencies.text.replace("path = \"", &format!("path = \"{clone}/"));
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[lints.rust]\nwarnings = \"deny\"\n\n{dependencies}\n\
         # Not a member of the workspace that it lies in.\n[workspace]\n"
    );
    begin(&project)?;
    write(&format!("{project}/Cargo.toml"), &manifest)?;
    // The versions that the rest of the checks ran with.
    write(&format!("{project}/Cargo.lock"), &read("Cargo.lock")?)?;
    let mut programs = Vec::new();
    for block in blocks.iter().filter(|block| block.is_rust()) {
        let program = format!("{name}-line-{}", block.line);
        write(&format!("{project}/src/bin/{program}.rs"), &block.text)?;
        programs.push(program);
    }
    // In the workspace's own directory, and without what a debugger needs, as there: so registries' crates are built already.
    let lean = [("CARGO_PROFILE_DEV_DEBUG", "false")];
    cargo_with(&format!("build --manifest-path {project}/Cargo.toml --target-dir target"), &lean)
        .map_err(|error| format!("{page}: {error}"))?;
    for program in &programs {
        let directory = root().join(format!("{project}/{program}"));
        let program = root().join(format!("target/debug/{program}")).display().to_string();
        begin(&directory.display().to_string())?;
        for _ in ["first", "again"] {
            run_in(&directory, &program, &[]).map_err(|error| format!("{page}: {error}"))?;
        }
    }
    Ok(programs.len())
}

/// A price list in the form of the one that the README has its reader download, which is too large for here.
const PRICE_LIST: &str = r#"{
    "gpt-4o": {"mode": "chat", "litellm_provider": "openai", "supports_function_calling": true,
        "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05},
    "gpt-4o-mini": {"mode": "chat", "litellm_provider": "openai", "supports_function_calling": true,
        "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}
}"#;

/// What the README's commands find where they are typed.
fn files() -> Result<[(&'static str, String); 3], String> {
    let policy = "crates/calybris-cli/data/price-list-policy.toml";
    Ok([
        (policy, read(policy)?),
        ("model_prices_and_context_window.json", PRICE_LIST.to_owned()),
        ("trace.csv", read("crates/calybris-cli/tests/inputs/trace.csv")?),
    ])
}

/// Types the commands of the README's blocks, and then those of its examples, which print what the page shows. Answers how
/// many there are. Left out are `cargo install`, which would be a release build, and downloads, in whose place are [`files`].
fn type_in(readme: &str) -> Result<usize, String> {
    let directory = format!("{PROJECTS}/commands");
    begin(&directory)?;
    for (name, text) in files()? {
        write(&format!("{directory}/{name}"), &text)?;
    }
    let blocks = blocks(readme);
    let shell_blocks = blocks.iter().filter(|block| block.language == "sh");
    let lines = shell_blocks.map(|block| block.text.replace("\\\n", " ")).collect::<String>();
    let left_out = |line: &&str| line.starts_with("cargo install") || line.starts_with("curl ");
    let mut commands: Vec<String> =
        lines.lines().filter(|line| !left_out(line)).map(str::to_owned).collect();
    let examples: Vec<(&str, &str)> = blocks.iter().filter_map(Block::example).collect();
    for (number, (command, _)) in examples.iter().enumerate() {
        commands.push(format!("{command} > example-{number}"));
    }
    let count = commands.iter().filter(|line| line.starts_with("calybris ")).count();
    if count < 15 || examples.is_empty() {
        return Err(format!("{README}: most of its commands are not found: {commands:#?}"));
    }
    write(&format!("{directory}/commands.sh"), &commands.join("\n"))?;
    // `cargo xtask test` has built the program so a moment ago, with what the tests need.
    cargo("build --workspace --all-features --bins --examples")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-ex", "commands.sh"]).stdout(Stdio::null());
    shell.current_dir(root().join(&directory));
    shell.env("PATH", format!("{}:{path}", root().join("target/debug").display()));
    start(&mut shell, "sh -ex commands.sh").map_err(|error| format!("{README}: {error}"))?;
    for (number, (command, shown)) in examples.iter().enumerate() {
        let printed = read(&format!("{directory}/example-{number}"))?;
        if let Some(line) = unsaid(shown, &printed) {
            return Err(format!("{README}: `{command}` does not print `{line}`"));
        }
    }
    Ok(count)
}

/// The first line that is shown and was not printed. `...` stands for lines that are left out; a line may be broken elsewhere.
fn unsaid<'s>(shown: &'s str, printed: &str) -> Option<&'s str> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = words(printed);
    shown.lines().filter(|line| *line != "...").find(|line| !printed.contains(&words(line)))
}

/// Makes an empty folder.
fn begin(folder: &str) -> Outcome {
    let path = root().join(folder);
    let failed = |error| format!("{folder}: {error}");
    if path.exists() {
        fs::remove_dir_all(&path).map_err(failed)?;
    }
    fs::create_dir_all(&path).map_err(failed)
}

/// Writes a file of a project, and the folders that it is in.
fn write(name: &str, text: &str) -> Outcome {
    let path = root().join(name);
    let failed = |error| format!("{name}: {error}");
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    fs::write(&path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_not_printed_is_found() {
        let printed = "won  by 0.1\n  because of\n  its price\n";
        assert_eq!(unsaid("won by 0.1\n...\n because of its price\n", printed), None);
        assert_eq!(unsaid("won by 0.1\nwon by 0.2\n", printed), Some("won by 0.2"));
    }

    #[test]
    fn an_example_is_a_command_and_what_it_prints() {
        let page = "```text\n$ calybris show\nall\n```\n```sh\n$ not\n```\n```text\nnone\n```\n";
        let blocks = blocks(page);
        let examples: Vec<_> = blocks.iter().filter_map(Block::example).collect();
        assert_eq!(examples, [("calybris show", "all\n")]);
    }
}
