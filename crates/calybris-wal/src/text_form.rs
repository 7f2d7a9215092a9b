//! Reads anchors and tree heads from their text forms: one line, exactly as `Display` writes it.

use std::str::FromStr;

use crate::anchor::Anchor;
use crate::error::WalError;
use crate::hash::{Hash, LogId};
use crate::proof::TreeHead;

impl FromStr for Anchor {
    type Err = WalError;

    /// Reads the text form exactly as `Display` writes it: no spaces, no capitals, no leading zeros in the sequence.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let refuse = |expected| WalError::InvalidAnchor { text: text.to_owned(), expected };
        let fields = text.strip_prefix("cwal1:").ok_or(refuse("it begins with `cwal1:`"))?;
        let (log_id, sequence, hash) = fields_of(fields).map_err(refuse)?;
        Ok(Self { log_id, sequence, hash })
    }
}

impl FromStr for TreeHead {
    type Err = WalError;

    /// Reads the text form exactly as `Display` writes it.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let fields = text.strip_prefix("cwal1-tree:").and_then(|fields| fields_of(fields).ok());
        let refused = || WalError::InvalidTreeHead { text: text.to_owned() };
        let (log_id, size, root) = fields.ok_or_else(refused)?;
        Ok(Self { log_id, size, root })
    }
}

/// The three fields behind the first word, or the expectation that the text does not meet.
fn fields_of(fields: &str) -> Result<(LogId, u64, Hash), &'static str> {
    let mut fields = fields.split(':');
    let log_id = fields.next().and_then(|digits| digits.parse().ok());
    let log_id = log_id.ok_or("a log id of 32 hexadecimal digits follows")?;
    let number = fields.next().and_then(|digits| {
        digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)
    });
    let number = number.ok_or("a sequence in decimal digits follows the log id")?;
    let hash = fields.next().and_then(|digits| digits.parse().ok());
    let hash = hash.ok_or("a hash of 64 hexadecimal digits follows the sequence")?;
    match fields.next() {
        None => Ok((log_id, number, hash)),
        Some(_) => Err("it ends after the hash"),
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

    #[test]
    fn the_text_form_of_a_tree_head_is_read_only_as_it_is_written() {
        let head = TreeHead {
            log_id: LogId::from_bytes([0xab; 16]),
            size: 10,
            root: Hash::from_bytes([1; 32]),
        };
        let line = format!("cwal1-tree:{}:10:{}", "ab".repeat(16), "01".repeat(32));
        assert_eq!(head.to_string(), line);
        assert_eq!(line.parse::<TreeHead>().unwrap(), head);
        let anchor = Anchor { log_id: head.log_id, sequence: 10, hash: head.root }.to_string();
        let bad = [anchor, line.to_uppercase(), line.replace(":10:", ":010:"), format!("{line} ")];
        for text in bad {
            assert!(text.parse::<TreeHead>().is_err(), "{text}");
        }
        assert!(line.parse::<Anchor>().is_err());
    }
}
