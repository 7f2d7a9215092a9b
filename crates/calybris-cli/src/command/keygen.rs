//! `calybris keygen`: a new key for a log, from the operating system's random source.

use std::path::{Path, PathBuf};

use calybris_core::wal::Key;
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input::key::KeyFile;
use crate::input::source::read;
use crate::new_file::{NewFile, Readers, Replaces};
use crate::output::Page;

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
owner only. It is never printed and never overwritten. Anybody who has the key
can write a log that verifies. Without it, this program cannot read the log:
keep a copy.

With --replaces the new file holds the new key and all keys of the old file, one
on each line. A log that is continued with it goes on under the new key, and the
old key authenticates the change. Earlier records stay as they are and need the
old key, so give every command the new file from then on.

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
    if file == Path::new("-") {
        return Err(Failure::refused("a key is never printed: name a file"));
    }
    let new = NewFile::at(file, Replaces::Nothing, Readers::Owner)?;
    let former = match &arguments.replaces {
        None => Zeroizing::default(),
        Some(former) => {
            let text = Zeroizing::new(read(former)?);
            KeyFile::parse(former, &text)?;
            Zeroizing::new(format!("{}\n", text.trim_end()))
        }
    };
    let mut secret = Zeroizing::new([0_u8; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|error| {
        Failure::refused(format_args!("the operating system gives no random bytes: {error}"))
    })?;
    let key = Key::new(secret.as_slice()).map_err(|error| Failure::at(file, error))?;
    let digits = Zeroizing::new(base16ct::lower::encode_string(secret.as_slice()));
    let text = Zeroizing::new(format!("{}\n{}", digits.as_str(), former.as_str()));
    new.write(&text).map_err(Failure::without_effect)?;
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
        page.line("Give it to `route`, `verify` and the others with --key-file. Keep a copy that");
        page.line("nobody who can write the log can read.");
    }
    Ok(page)
}
