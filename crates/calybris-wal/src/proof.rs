//! Proofs about a log that can be checked without the log.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use calybris_units::invariant;

use crate::disk::Disk;
use crate::error::WalError;
use crate::hash::{Hash, LogId};
use crate::key::Key;
use crate::log_scan::LogScan;
use crate::merkle::{
    Frontier, Range, consistency_ranges, inclusion_ranges, is_consistent, leaf_hash,
    root_from_inclusion,
};

/// The root of the Merkle tree over the first records of a log (RFC 9162, section 2.1).
///
/// Published, it commits the keeper of the log to all of them: an [`InclusionProof`] shows that a
/// record is among them, a [`ConsistencyProof`] that a later tree begins with them.
///
/// Its text form is one line, `cwal1-tree:<log id>:<size>:<root>`, with the id and the root in lower-case hexadecimal.
///
/// ```
/// use calybris_wal::{ConsistencyProof, InclusionProof, TreeHead, WalOptions, WalWriter};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// let receipts: Vec<_> =
///     (0..7_u32).map(|number| writer.append(&number)).collect::<Result<_, _>>()?;
/// let head = TreeHead::of(&path, None, 7)?;
///
/// // With the head and a receipt, anyone can check that the record is in the log.
/// let proof = InclusionProof::of(&path, None, 3, head.size)?;
/// assert!(proof.proves(receipts[2].hash, &head));
/// assert!(!proof.proves(receipts[3].hash, &head));
///
/// // And that a later head is about the same log, with more at its end.
/// writer.append(&7_u32)?;
/// let later = TreeHead::of(&path, None, 8)?;
/// assert!(ConsistencyProof::of(&path, None, 7, 8)?.proves(&head, &later));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "its text form has these three fields and no more")]
pub struct TreeHead {
    /// The log's id.
    pub log_id: LogId,
    /// How many records the tree is over, from the first.
    pub size: u64,
    /// The tree's root; the leaf of a record is its hash.
    pub root: Hash,
}

/// Shows that a record is among the first `size` of a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "RFC 9162 says what such a proof is")]
pub struct InclusionProof {
    /// The record's sequence, from 1.
    pub sequence: u64,
    /// How many records the tree is over.
    pub size: u64,
    /// The hashes beside the way from the record to the root.
    pub path: Vec<Hash>,
}

/// Shows that the first `old_size` records of a log are the same in two of its trees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "RFC 9162 says what such a proof is")]
pub struct ConsistencyProof {
    /// How many records the earlier tree is over, from 1.
    pub old_size: u64,
    /// How many records the later tree is over.
    pub new_size: u64,
    /// The hashes that lead to both roots.
    pub path: Vec<Hash>,
}

impl TreeHead {
    /// The tree over the first `size` records of the log in `directory`, which are verified.
    ///
    /// # Errors
    /// [`WalError::NoSuchRecord`] when there are fewer records, and those of
    /// [`verify`](crate::verify()).
    pub fn of(directory: impl AsRef<Path>, key: Option<&Key>, size: u64) -> Result<Self, WalError> {
        let (log_id, roots) = roots_of(directory.as_ref(), key, &[(0, size)], size)?;
        let root = *invariant!(roots.first(), "a range of records has a root")?;
        Ok(Self { log_id, size, root })
    }
}

/// One line, `cwal1-tree:<log id>:<size>:<root>`, with the id and the root in lower-case hexadecimal.
impl fmt::Display for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cwal1-tree:{}:{}:{}", self.log_id, self.size, self.root)
    }
}

impl InclusionProof {
    /// The proof that the record with this sequence is among the first `size`.
    ///
    /// All of those are read and verified, wherever the record stands: up to twice as long as
    /// [`verify`](crate::verify()) takes for them, in the same bounded memory. The proof has as many
    /// hashes as `size` has binary digits, at most.
    ///
    /// # Errors
    /// [`WalError::NoSuchRecord`] when it is not, or when there are fewer records, and those of
    /// [`verify`](crate::verify()).
    pub fn of(
        directory: impl AsRef<Path>,
        key: Option<&Key>,
        sequence: u64,
        size: u64,
    ) -> Result<Self, WalError> {
        let leaf = sequence
            .checked_sub(1)
            .filter(|leaf| *leaf < size)
            .ok_or(WalError::NoSuchRecord { sequence, head: size })?;
        let ranges = inclusion_ranges(leaf, size);
        let (_, path) = roots_of(directory.as_ref(), key, &ranges, size)?;
        Ok(Self { sequence, size, path })
    }

    /// Whether the record with this hash is the one with the proof's sequence in the log of `head`.
    #[must_use]
    pub fn proves(&self, record_hash: Hash, head: &TreeHead) -> bool {
        let root = root_from_record(self.sequence, record_hash, self.size, &self.path);
        self.size == head.size && root == Some(head.root)
    }
}

/// The root of the tree over `size` records that a path leads to from the record with this sequence
/// and this hash. `None` if no record of the tree has that sequence, or the path is not as long.
pub(crate) fn root_from_record(
    sequence: u64,
    record_hash: Hash,
    size: u64,
    path: &[Hash],
) -> Option<Hash> {
    root_from_inclusion(sequence.checked_sub(1)?, size, leaf_hash(record_hash.as_bytes()), path)
}

impl ConsistencyProof {
    /// The proof that the tree over the first `new_size` records begins with that over the first
    /// `old_size`.
    ///
    /// # Errors
    /// [`WalError::NoSuchRecord`] when `old_size` is 0 or above `new_size`, or when there are fewer
    /// records, and those of [`verify`](crate::verify()).
    pub fn of(
        directory: impl AsRef<Path>,
        key: Option<&Key>,
        old_size: u64,
        new_size: u64,
    ) -> Result<Self, WalError> {
        if old_size == 0 || old_size > new_size {
            return Err(WalError::NoSuchRecord { sequence: old_size, head: new_size });
        }
        let ranges = consistency_ranges(old_size, new_size);
        let (_, path) = roots_of(directory.as_ref(), key, &ranges, new_size)?;
        Ok(Self { old_size, new_size, path })
    }

    /// Whether the log of `new` begins with all records of the log of `old`.
    #[must_use]
    pub fn proves(&self, old: &TreeHead, new: &TreeHead) -> bool {
        let same_log = old.log_id == new.log_id;
        let sizes_match = (self.old_size, self.new_size) == (old.size, new.size);
        same_log
            && sizes_match
            && is_consistent((old.size, old.root), (new.size, new.root), &self.path)
    }
}

/// The log's id, and the roots of these disjoint ranges of its records, in one pass over the first
/// `size` of them.
fn roots_of(
    directory: &Path,
    key: Option<&Key>,
    ranges: &[Range],
    size: u64,
) -> Result<(LogId, Vec<Hash>), WalError> {
    let mut scan = LogScan::open(Arc::new(Disk::at(directory)), key)?;
    if scan.first_sequence() != 1 {
        return Err(WalError::Dropped { sequence: 1, first: scan.first_sequence() });
    }
    let mut trees = vec![Frontier::default(); ranges.len()];
    let mut leaf = 0;
    while leaf < size {
        if !scan.advance()? {
            return Err(WalError::NoSuchRecord { sequence: size, head: leaf });
        }
        let tree = ranges
            .iter()
            .zip(&mut trees)
            .find(|((start, end), tree)| leaf == start + tree.size() && leaf < *end);
        if let Some((_, tree)) = tree {
            tree.push(leaf_hash(scan.record()?.hash))?;
        }
        leaf += 1;
    }
    let roots = trees.iter().map(Frontier::root).collect();
    Ok((scan.head().log_id, roots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{WalOptions, WalWriter};

    #[test]
    fn proofs_of_a_log_hold_for_every_record_and_size_and_for_no_other_log() {
        let directory = tempfile::tempdir().unwrap();
        let writer = WalWriter::open(directory.path(), &WalOptions::new(1)).unwrap();
        let mut hashes = Vec::new();
        for number in 0..9_u32 {
            hashes.push(writer.append(&number).unwrap().hash);
            if number == 4 {
                writer.rotate().unwrap();
            }
        }
        let heads: Vec<TreeHead> =
            (1..=9).map(|size| TreeHead::of(directory.path(), None, size).unwrap()).collect();
        for head in &heads {
            for sequence in 1..=head.size {
                let proof =
                    InclusionProof::of(directory.path(), None, sequence, head.size).unwrap();
                for (index, hash) in hashes.iter().enumerate() {
                    assert_eq!(proof.proves(*hash, head), index as u64 + 1 == sequence);
                }
                let old = &heads[usize::try_from(sequence).unwrap() - 1];
                let proof =
                    ConsistencyProof::of(directory.path(), None, sequence, head.size).unwrap();
                assert!(proof.proves(old, head));
                let other = TreeHead { log_id: LogId::from_bytes([0; 16]), ..*head };
                assert!(!proof.proves(old, &other));
                let rewritten = TreeHead { root: Hash::ZERO, ..*head };
                assert!(!proof.proves(old, &rewritten));
            }
        }
    }

    #[test]
    fn what_is_not_in_the_log_is_not_proven() {
        let directory = tempfile::tempdir().unwrap();
        let writer = WalWriter::open(directory.path(), &WalOptions::new(1)).unwrap();
        writer.append("one").unwrap();
        let refused = |error| matches!(error, WalError::NoSuchRecord { .. });
        let path = directory.path();
        assert!(refused(TreeHead::of(path, None, 2).unwrap_err()));
        for (sequence, size) in [(0, 1), (2, 1), (1, 2)] {
            assert!(refused(InclusionProof::of(path, None, sequence, size).unwrap_err()));
        }
        for (old, new) in [(0, 1), (2, 1), (1, 2)] {
            assert!(refused(ConsistencyProof::of(path, None, old, new).unwrap_err()));
        }
    }
}
