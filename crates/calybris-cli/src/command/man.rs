//! `calybris man`: the manual, one page per command, from the same text as `--help`.

use std::path::{Path, PathBuf};

use clap_mangen::Man;

use crate::failure::Failure;
use crate::new_file::{NewFile, Readers, Replaces};
use crate::output::Page;
use crate::system::in_words;

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
  3  done, but the output, or one of the pages, could not be written")]
pub(crate) struct Arguments {
    /// Write calybris.1 and a page for each command into this directory, which is made if need be; `-` prints one page
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, program: clap::Command) -> Result<Page, Failure> {
    let mut page = Page::default();
    let Some(dir) = arguments.output.as_deref().filter(|dir| *dir != Path::new("-")) else {
        page.line(String::from_utf8_lossy(&rendered(&Man::new(program))?).trim_end());
        return Ok(page);
    };
    std::fs::create_dir_all(dir).map_err(|error| Failure::at(dir, in_words(&error)))?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_pages(&program, dir)?;
    page.line(format_args!("calybris.1 and a page for each command are in {}", dir.display()));
    Ok(page)
}

/// Writes the page of a command and of each command below it.
fn write_pages(command: &clap::Command, dir: &Path) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, dir)?;
    }
    let man = Man::new(command.clone());
    let file = dir.join(man.get_filename());
    let text = rendered(&man)?;
    NewFile::at(&file, Replaces::AnyFile, Readers::Usual)?.write(&String::from_utf8_lossy(&text))
}

fn rendered(man: &Man) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    man.render(&mut bytes).map_err(Failure::refused)?;
    Ok(bytes)
}
