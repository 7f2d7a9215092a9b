//! The key file: secrets as hexadecimal digits, and nothing else.

use std::path::{Path, PathBuf};

use calybris_catalog::{InputError, Place};
use calybris_core::wal::Key;
use zeroize::Zeroizing;

use super::source::read;
use crate::terminal::{program_name, shell_word};

/// The option that names a key file.
#[derive(clap::Args)]
pub(crate) struct KeyArgument {
    /// The file with the log's key, if the log has one (`calybris keygen`)
    #[arg(long, value_name = "FILE", display_order = 902)]
    key_file: Option<PathBuf>,
}

impl KeyArgument {
    /// The key, if a file was named.
    pub(crate) fn read(&self) -> Result<Option<Key>, InputError> {
        Ok(self.read_file()?.map(|file| file.key))
    }

    /// The contents of the key file, if one was named.
    pub(crate) fn read_file(&self) -> Result<Option<KeyFile>, InputError> {
        self.key_file.as_deref().map(KeyFile::read).transpose()
    }

    /// The option as it was typed, after a blank; empty if no key was named.
    pub(crate) fn typed_again(&self) -> String {
        let file = self.key_file.as_deref();
        file.map(|file| format!(" --key-file {}", shell_word(file))).unwrap_or_default()
    }
}

/// A key, and those that it replaced: one on each line, the newest first.
pub(crate) struct KeyFile {
    /// The newest key, which leads to the others.
    pub(crate) key: Key,
    /// The ids of all of them.
    pub(crate) ids: Vec<u64>,
}

impl KeyFile {
    /// Reads the keys that authenticate a log. Their bytes are never part of a message.
    pub(crate) fn read(file: &Path) -> Result<Self, InputError> {
        Self::parse(file, &Zeroizing::new(read(file)?))
    }

    /// Parses the text of a key file.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, InputError> {
        let mut known: Option<Self> = None;
        // A key refers to the one that it replaced, so the oldest is made first.
        for (index, line) in
            text.trim_end().lines().enumerate().collect::<Vec<_>>().into_iter().rev()
        {
            let number = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            let refuse = |what: String| {
                InputError::at(file, Place::line(number), format!("{what}; {}", key_form()))
            };
            let key = Key::new(&secret(line.trim()).map_err(refuse)?);
            let key = key.map_err(|error| InputError::at(file, Place::line(number), error))?;
            let id = key.id();
            known = Some(match known {
                None => Self { key, ids: vec![id] },
                Some(former) => {
                    let ids = std::iter::once(id).chain(former.ids).collect();
                    Self { key: key.replacing(&former.key), ids }
                }
            });
        }
        known.ok_or_else(|| InputError::in_file(file, format!("is empty; {}", key_form())))
    }
}

/// The bytes that a line of hexadecimal digits stands for, or what is wrong with it.
fn secret(digits: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes = base16ct::mixed::decode_vec(digits)
        .map(Zeroizing::new)
        .map_err(|_| "holds something other than pairs of hexadecimal digits")?;
    if bytes.len() < SHORTEST_KEY_BYTES {
        return Err(format!("holds {} digits", digits.len()));
    }
    Ok(bytes)
}

/// As long as the hash it keys.
const SHORTEST_KEY_BYTES: usize = 32;

fn key_form() -> String {
    format!(
        "a key file holds a key of at least 64 hexadecimal digits (32 random bytes), below it a line for each key that it \
         replaced, and nothing else; `{} keygen FILE` makes one",
        program_name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(content: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, content).unwrap();
        KeyFile::read(&file).is_ok()
    }

    #[test]
    fn a_key_is_at_least_64_hexadecimal_digits() {
        assert!(accepts(&"0a".repeat(32)));
        assert!(accepts(&format!("{}\n", "F9".repeat(40))));
        for bad in ["", "00", &"0a".repeat(31), &"0".repeat(65), &"zz".repeat(32), &"+1".repeat(32)]
        {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_leads_to_those_that_it_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let lines = ["0c", "0b", "0a"].map(|byte| byte.repeat(32));
        std::fs::write(&file, lines.join("\n")).unwrap();
        let read = KeyFile::read(&file).unwrap();
        let id = |byte| Key::new(&[byte; 32]).unwrap().id();
        assert_eq!((read.key.id(), read.ids), (id(12), vec![id(12), id(11), id(10)]));
        assert!(accepts(&format!("{}\n\n", lines.join("\r\n"))));
        assert!(!accepts(&lines.join("\n\n")) && !accepts(&lines.join(" ")));
        std::fs::write(&file, format!("{}\n0a\n", "0c".repeat(32))).unwrap();
        let refused = KeyFile::read(&file).err().unwrap().to_string();
        assert!(refused.contains("key:2: holds 2 digits"), "{refused}");
    }

    #[test]
    fn a_refusal_does_not_repeat_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "5ec7e7").unwrap();
        assert!(!KeyFile::read(&file).err().unwrap().to_string().contains("5ec7e7"));
    }
}
