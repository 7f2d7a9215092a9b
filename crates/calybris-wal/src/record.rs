//! A record of a log, verified: lent from the buffer of a reader, or kept.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::cursor::Frame;
use crate::error::WalError;
use crate::hash::Hash;

/// A record of a log, verified, as [`Reader::next_ref`](crate::Reader::next_ref) lends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    sequence: u64,
    hash: Hash,
    previous_hash: Hash,
    segment: u64,
    offset: u64,
    payload: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// The record in this frame, which verifies behind the hash before it.
    pub(crate) fn new(frame: Frame<'a>, previous_hash: Hash, segment: u64) -> Self {
        Self {
            sequence: frame.header.sequence,
            hash: frame.hash(),
            previous_hash,
            segment,
            offset: frame.offset,
            payload: frame.payload,
        }
    }

    /// Its place among the records of the log, from 1, without gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its hash, which covers the record and everything before it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The hash that its own continues: that of the frame before it, or of the segment's header.
    #[must_use]
    pub fn previous_hash(&self) -> Hash {
        self.previous_hash
    }

    /// The bytes that were appended.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The value that was appended, if it was one of this type; text in it may be borrowed.
    ///
    /// # Errors
    /// [`WalError::Decode`] when the payload does not decode, or not to its last byte.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, WalError> {
        codec::decode(self.payload)
            .map_err(|source| WalError::Decode { sequence: self.sequence, source })
    }

    /// The record, to keep.
    #[must_use]
    pub fn to_record(self) -> Record {
        Record {
            sequence: self.sequence,
            hash: self.hash,
            segment: self.segment,
            offset: self.offset,
            payload: self.payload.to_vec(),
        }
    }
}

/// A record of a log, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

impl Record {
    /// Its place among the records of the log, from 1, without gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its hash, which covers the record and everything before it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The segment that it stands in, by the sequence that the segment's name says.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// Where its frame begins, in bytes from the segment's start.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that were appended.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The value that was appended, if it was one of this type.
    ///
    /// # Errors
    /// [`WalError::Decode`] when the payload does not decode, or not to its last byte.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, WalError> {
        codec::decode(&self.payload)
            .map_err(|source| WalError::Decode { sequence: self.sequence, source })
    }
}
