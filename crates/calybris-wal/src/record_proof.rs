//! One record, with everything that is needed to recompute its hash and to find that in a tree head.

use std::path::Path;

use crate::chain::Chain;
use crate::error::WalError;
use crate::format::frame::{KIND_DATA, push_frame};
use crate::hash::{Hash, LogId};
use crate::key::Key;
use crate::proof::{InclusionProof, TreeHead, root_from_record};
use crate::reader::Reader;

/// A record that proves itself: its payload, all else that its hash covers, and its way to the root of a tree.
///
/// With a [`TreeHead`] of the log, anyone can check without the log that exactly these bytes were appended at that place.
///
/// # Keyed logs
///
/// The hash of a record in a keyed log cannot be computed without the key. For a holder of the key the proof is as
/// good as in a log without one, as long as the tree head was kept elsewhere before the key was shown: knowing the key
/// makes it no easier to find other bytes with the same hash. For anyone else it says nothing about the bytes.
///
/// ```
/// use calybris_wal::{RecordProof, TreeHead, WalOptions, WalWriter};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// for text in ["one", "two", "three"] {
///     writer.append(text)?;
/// }
/// let head = TreeHead::of(&path, None, 3)?;
///
/// let proof = RecordProof::of(&path, None, 2, 3)?;
/// assert!(proof.proves(&head, None));
/// assert_eq!(calybris_wal::decode::<&str>(&proof.payload)?, "two");
///
/// let altered = RecordProof { payload: b"\x03tow".to_vec(), ..proof };
/// assert!(!altered.proves(&head, None));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "all that a record's hash covers, and its path")]
pub struct RecordProof {
    /// The record's sequence, from 1.
    pub sequence: u64,
    /// The hash that the record's own continues.
    pub previous_hash: Hash,
    /// The bytes that were appended.
    pub payload: Vec<u8>,
    /// The id of the key that the record was hashed with; `None` in a log without a key.
    pub key_id: Option<u64>,
    /// The hashes beside the way from the record to the root of the tree.
    pub path: Vec<Hash>,
}

impl RecordProof {
    /// The proof of the record with this sequence in the tree over the first `size` records.
    ///
    /// # Errors
    /// Those of [`InclusionProof::of`] and [`Reader::open_at`].
    pub fn of(
        directory: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
        size: u64,
    ) -> Result<Self, WalError> {
        let directory = directory.as_ref();
        let InclusionProof { path, .. } = InclusionProof::of(directory, key, sequence, size)?;
        let mut reader = Reader::open_at(directory, key, sequence)?;
        let missing = WalError::NoSuchRecord { sequence, head: sequence - 1 };
        let record = reader.next_ref().ok_or(missing)??;
        let (previous_hash, payload) = (record.previous_hash(), record.payload().to_vec());
        let key_id = reader.key_id();
        Ok(Self { sequence, previous_hash, payload, key_id, path })
    }

    /// The record's hash in the log with this id. `None` if it takes a key and this is not the key or one that leads to
    /// it.
    #[must_use]
    pub fn record_hash(&self, log_id: LogId, key: Option<&Key>) -> Option<Hash> {
        let key = match self.key_id {
            None => None,
            Some(id) => Some(key?.with_id(id)?),
        };
        let mut frame = self.previous_hash.as_bytes().to_vec();
        let chain = Chain::new(log_id, key);
        // A payload that is longer than any record can be is the payload of none.
        push_frame(&mut frame, &chain, KIND_DATA, self.sequence, &self.payload).ok()
    }

    /// The root of the tree over `size` records that the proof leads to in the log with this id. `None` where
    /// [`record_hash`](Self::record_hash) answers that, and if the proof is not one for that size.
    #[must_use]
    pub fn root(&self, log_id: LogId, size: u64, key: Option<&Key>) -> Option<Hash> {
        root_from_record(self.sequence, self.record_hash(log_id, key)?, size, &self.path)
    }

    /// Whether these bytes are the record with this sequence in the log of `head`. `false` also if the key is missing.
    #[must_use]
    pub fn proves(&self, head: &TreeHead, key: Option<&Key>) -> bool {
        self.root(head.log_id, head.size, key) == Some(head.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{WalOptions, WalWriter};

    #[test]
    fn a_record_proves_itself_in_every_tree_across_segments_and_keys_and_no_other_does() {
        let (old, other) = (Key::new(&[1; 32]).unwrap(), Key::new(&[3; 32]).unwrap());
        let new = Key::new(&[2; 32]).unwrap().replacing(&old);
        let directory = tempfile::tempdir().unwrap();
        for (key, from) in [(&old, 0), (&new, 5)] {
            let writer = WalWriter::open_keyed(directory.path(), &WalOptions::new(1), key).unwrap();
            for number in from..from + 5_u32 {
                writer.append(&number).unwrap();
            }
            writer.close().unwrap();
        }
        let head = TreeHead::of(directory.path(), Some(&new), 10).unwrap();
        for sequence in 1..=10 {
            let proof = RecordProof::of(directory.path(), Some(&new), sequence, 10).unwrap();
            assert!(proof.proves(&head, Some(&new)));
            // The old key made the first half and none of the rest.
            assert_eq!(proof.proves(&head, Some(&old)), sequence <= 5);
            assert!(!proof.proves(&head, None));
            assert!(!proof.proves(&head, Some(&other)));
            let unkeyed = RecordProof { key_id: None, ..proof.clone() };
            assert!(!unkeyed.proves(&head, None));
            for other in [
                TreeHead { log_id: LogId::from_bytes([0; 16]), ..head },
                TreeHead { size: 0, ..head },
                TreeHead { root: Hash::ZERO, ..head },
            ] {
                assert!(!proof.proves(&other, Some(&new)));
            }
            let moved = RecordProof { sequence: sequence % 10 + 1, ..proof.clone() };
            assert!(!moved.proves(&head, Some(&new)));
            let forked = RecordProof { previous_hash: Hash::ZERO, ..proof };
            assert!(!forked.proves(&head, Some(&new)));
        }
    }
}
