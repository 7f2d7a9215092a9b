//! `calybris man`: the manual, one page per command, from the same text as `--help`.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::failure::Failure;
use crate::page::Page;

/// Print the manual page, or write all of them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris man | man -l -
  calybris man --output ~/.local/share/man/man1 && man calybris-show

With --output, pages of an earlier version are replaced.

Exit codes:
  0  printed, or written
  2  nothing was done: usage, or a directory that cannot be written
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// Write calybris.1 and a page for each command into this directory, which is made if need be
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, program: clap::Command) -> Result<Page, Failure> {
    let mut page = Page::default();
    let Some(dir) = &arguments.output else {
        page.line(String::from_utf8_lossy(&rendered(program)?).trim_end());
        return Ok(page);
    };
    std::fs::create_dir_all(dir).map_err(|error| Failure::at(dir, error))?;
    clap_mangen::generate_to(program, dir).map_err(|error| Failure::at(dir, error))?;
    page.line(format_args!("calybris.1 and a page for each command are in {}", dir.display()));
    Ok(page)
}

fn rendered(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    Man::new(command).render(&mut bytes).map_err(Failure::refused)?;
    Ok(bytes)
}
