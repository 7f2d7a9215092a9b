//! An anchor: the three facts that pin a log down to one record, to be kept elsewhere.

use std::fmt;

use crate::hash::{Hash, LogId};

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
#[expect(clippy::exhaustive_structs, reason = "its text form has these three fields and no more")]
pub struct Anchor {
    /// The log's id.
    pub log_id: LogId,
    /// The record's sequence, from 1; 0 stands for the log before its first record.
    pub sequence: u64,
    /// The record's hash; for sequence 0 the hash of the first segment's header.
    pub hash: Hash,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cwal1:{}:{}:{}", self.log_id, self.sequence, self.hash)
    }
}
