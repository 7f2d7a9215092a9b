//! `calybris completions`: what a shell needs to complete commands, options and files.

use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Page;

/// Print completions for a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris completions bash \\
    > ~/.local/share/bash-completion/completions/calybris
  calybris completions zsh > \"${fpath[1]}/_calybris\"
  calybris completions fish > ~/.config/fish/completions/calybris.fish

Exit codes:
  0  printed
  2  nothing was done: usage
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut program: clap::Command) -> Result<Page, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "calybris", &mut script);
    let mut page = Page::default();
    page.line(String::from_utf8_lossy(&script).trim_end());
    Ok(page)
}
