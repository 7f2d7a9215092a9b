//! An anchor: the three facts that pin a log down to one record, to be kept elsewhere.

use std::fmt;
use std::str::FromStr;

use crate::error::WalError;
use crate::hash::{Hash, LogId};
use crate::storage::Storage;

/// A log's id, a sequence, and the hash of the record with that sequence.
///
/// The hash covers everything before it, so an anchor that is kept where the log's keeper cannot
/// change it pins the whole log up to that record: verification against it finds even a log that
/// was cut or rewritten as a whole.
///
/// Its text form is one line, `cwal1:<log id>:<sequence>:<hash>`, with the id and the hash in
/// lower-case hexadecimal.
///
/// ```
/// use calybris_wal::{Anchor, Hash, LogId};
///
/// let anchor = Anchor { log_id: LogId::from_bytes([7; 16]), sequence: 42, hash: Hash::from_bytes([9; 32]) };
/// let line = anchor.to_string();
/// assert_eq!(line.parse::<Anchor>()?, anchor);
/// assert!("cwal1:07:42:09".parse::<Anchor>().is_err());
/// # Ok::<(), calybris_wal::WalError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The log's id.
    pub log_id: LogId,
    /// The record's sequence, from 1; 0 stands for the log before its first record.
    pub sequence: u64,
    /// The record's hash; for sequence 0 the hash of the first segment's header.
    pub hash: Hash,
}

impl Anchor {
    /// Refuses a log with another id.
    pub(crate) fn check_log(&self, storage: &dyn Storage, found: LogId) -> Result<(), WalError> {
        if self.log_id == found {
            return Ok(());
        }
        Err(WalError::AnchorOfAnotherLog { path: storage.path(""), anchor: *self, found })
    }

    /// Refuses another hash at the anchor's sequence; elsewhere there is nothing to compare.
    pub(crate) fn check_record(&self, sequence: u64, hash: Hash) -> Result<(), WalError> {
        if self.sequence != sequence || self.hash == hash {
            return Ok(());
        }
        Err(WalError::AnchorContradicted { anchor: *self, found: hash })
    }

    /// What it means that no log can be opened: the anchor proves that there was one.
    pub(crate) fn judge_absence(&self, error: WalError) -> WalError {
        match error {
            WalError::Empty { .. } if self.sequence > 0 => {
                WalError::AnchorAhead { anchor: *self, head: 0 }
            }
            WalError::Missing { path } | WalError::Empty { path } => {
                WalError::AnchoredLogMissing { path, anchor: *self }
            }
            other => other,
        }
    }

    /// Refuses a log that ends before the anchor.
    pub(crate) fn check_head(&self, head: u64) -> Result<(), WalError> {
        if self.sequence <= head {
            return Ok(());
        }
        Err(WalError::AnchorAhead { anchor: *self, head })
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cwal1:{}:{}:{}", self.log_id, self.sequence, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = WalError;

    /// Reads the text form exactly as `Display` writes it: no spaces, no capitals, no leading
    /// zeros in the sequence.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let refuse = |expected| WalError::InvalidAnchor { text: text.to_owned(), expected };
        let mut parts = text.split(':');
        if parts.next() != Some("cwal1") {
            return Err(refuse("it begins with `cwal1:`"));
        }
        let log_id = parts
            .next()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| refuse("a log id of 32 hexadecimal digits follows"))?;
        let sequence = parts
            .next()
            .and_then(|digits| digits.parse::<u64>().ok().filter(|n| n.to_string() == digits))
            .ok_or_else(|| refuse("a sequence in decimal digits follows the log id"))?;
        let hash = parts
            .next()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| refuse("a hash of 64 hexadecimal digits follows the sequence"))?;
        if parts.next().is_some() {
            return Err(refuse("it ends after the hash"));
        }
        Ok(Self { log_id, sequence, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_stable() {
        let anchor = Anchor {
            log_id: LogId::from_bytes([0xab; 16]),
            sequence: 10,
            hash: Hash::from_bytes([1; 32]),
        };
        let line = format!("cwal1:{}:10:{}", "ab".repeat(16), "01".repeat(32));
        assert_eq!(anchor.to_string(), line);
        assert_eq!(line.parse::<Anchor>().unwrap(), anchor);
    }

    #[test]
    fn only_the_exact_text_form_is_read() {
        let good = Anchor {
            log_id: LogId::from_bytes([0xab; 16]),
            sequence: 10,
            hash: Hash::from_bytes([1; 32]),
        }
        .to_string();
        for bad in [
            String::new(),
            good.to_uppercase(),
            format!(" {good}"),
            format!("{good} "),
            format!("{good}:"),
            good.replace(":10:", ":010:"),
            good.replace(":10:", ":+10:"),
            good.replace(":10:", ":18446744073709551616:"),
            good.replace("cwal1", "cwal2"),
            good[..good.len() - 1].to_owned(),
        ] {
            assert!(bad.parse::<Anchor>().is_err(), "{bad}");
        }
    }
}
