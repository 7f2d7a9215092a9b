//! `calybris keygen`: a new key for a log, from the operating system's random source.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use calybris_core::wal::Key;
use serde_json::json;

use crate::failure::Failure;
use crate::input::error::read;
use crate::input::key::KeyFile;
use crate::log::json::hex;
use crate::page::Page;

/// Make a random key that authenticates a log.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  calybris keygen log.key
  calybris route ... --log ./log --key-file log.key
  calybris verify ./log --key-file log.key
  calybris keygen new.key --replaces log.key
  calybris route ... --log ./log --append --key-file new.key

The file holds 64 hexadecimal digits (32 random bytes) and may be read by its
owner only. It is never printed and never overwritten. Whoever has it can write
a log that verifies; without it a keyed log cannot be read here: keep a copy.

With --replaces the new file holds the new key and all those of the old file, a
line each. A log that is continued with it goes on under the new key, and the
old one vouches for the change. Records before it stay as they are, and need the
old key to be read: give all commands the new file from then on.

Exit codes:
  0  made
  2  nothing was done
  3  done, but the output could not be written to its end")]
pub(crate) struct Arguments {
    /// The file to make
    file: PathBuf,
    /// The file with the key that the new one replaces
    #[arg(long, value_name = "FILE")]
    replaces: Option<PathBuf>,
    /// Print one JSON object (it does not hold the key)
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Page, Failure> {
    let file = &arguments.file;
    let former = match &arguments.replaces {
        None => String::new(),
        Some(former) => {
            let text = read(former)?;
            KeyFile::parse(former, &text)?;
            text.trim_end().to_owned() + "\n"
        }
    };
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(|error| {
        Failure::refused(format_args!("the operating system gives no random bytes: {error}"))
    })?;
    let key = Key::new(&secret).map_err(|error| Failure::at(file, error))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut made = options.open(file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::at(file, "exists; a key is never overwritten: name another file")
        }
        _ => Failure::at(file, error),
    })?;
    let written = write!(made, "{}\n{former}", hex(&secret)).and_then(|()| made.sync_all());
    if let Err(error) = written {
        // Half a key is of no use to anybody, and the name is free again.
        let _ = std::fs::remove_file(file);
        return Err(Failure::at(file, error));
    }
    let key_id = format!("{:016x}", key.id());
    let mut page = Page::default();
    if arguments.json {
        let object = json!({ "file": file.display().to_string(), "key_id": key_id });
        page.line(format_args!("{object:#}"));
    } else {
        page.line(format_args!("{}: a new key, id {key_id}", file.display()));
        if let Some(former) = &arguments.replaces {
            page.line(format_args!("It holds the keys of {} too.", former.display()));
        }
        page.line("Give it to `route`, `verify` and the others with --key-file. Keep a copy where");
        page.line("whoever can write the log cannot read it.");
    }
    Ok(page)
}
