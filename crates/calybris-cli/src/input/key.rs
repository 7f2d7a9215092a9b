//! The key file: the secret as hexadecimal digits, and nothing else.

use std::path::{Path, PathBuf};

use calybris_core::wal::Key;

use super::error::{InputError, read};
use crate::terminal::shell_word;

/// The option that names a key file.
#[derive(clap::Args)]
pub(crate) struct KeyArgument {
    /// The file with the log's key, if the log has one (`calybris keygen`)
    #[arg(long, value_name = "FILE", display_order = 902)]
    key_file: Option<PathBuf>,
}

impl KeyArgument {
    /// The key, if one was named.
    pub(crate) fn read(&self) -> Result<Option<Key>, InputError> {
        self.key_file.as_deref().map(read_key).transpose()
    }

    /// The option as it is typed once more, with a blank before it; nothing if no key was named.
    pub(crate) fn typed_again(&self) -> String {
        let file = self.key_file.as_deref();
        file.map(|file| format!(" --key-file {}", shell_word(file))).unwrap_or_default()
    }
}

/// Reads the key that authenticates a log. Its bytes are never part of a message.
fn read_key(file: &Path) -> Result<Key, InputError> {
    let text = read(file)?;
    let digits = text.trim();
    if digits.is_empty() {
        return Err(InputError::in_file(file, format!("is empty; {KEY_FORM}")));
    }
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let plain = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        let pair = str::from_utf8(pair).ok().filter(|_| plain)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let Some(bytes) = pairs.collect::<Option<Vec<u8>>>() else {
        let what = format!("holds something else than pairs of hexadecimal digits; {KEY_FORM}");
        return Err(InputError::in_file(file, what));
    };
    if bytes.len() < SHORTEST_KEY_BYTES {
        let found = digits.len();
        return Err(InputError::in_file(file, format!("holds {found} digits; {KEY_FORM}")));
    }
    Key::new(&bytes).map_err(|error| InputError::in_file(file, error))
}

/// As long as the hash it keys.
const SHORTEST_KEY_BYTES: usize = 32;

const KEY_FORM: &str = "a key file holds at least 64 hexadecimal digits (32 random bytes) and nothing else; \
     `calybris keygen FILE` makes one";

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(content: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, content).unwrap();
        read_key(&file).is_ok()
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
    fn a_refusal_does_not_repeat_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "5ec7e7").unwrap();
        assert!(!read_key(&file).unwrap_err().to_string().contains("5ec7e7"));
    }
}
