//! The answer to an append.

use crate::hash::Hash;

/// The answer to an append: the record's place in the log, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Receipt {
    /// The record's place among the records of the log, from 1, without gaps.
    pub sequence: u64,
    /// The record's hash, which covers the record and everything before it.
    pub hash: Hash,
    /// The segment that the record stands in, by the sequence of its first record. Where that is
    /// the record's own sequence, the record is the first of a new segment: of all that append at
    /// the same time, one is told.
    pub segment: u64,
}
