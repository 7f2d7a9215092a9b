//! A field of a record that says what no record may say.

use std::fmt;

use crate::error::EngineError;

/// A field of a record with a value that no record may have.
#[derive(Debug)]
pub(crate) struct InvalidField {
    field: &'static str,
    why: String,
}

impl InvalidField {
    pub(super) fn new(field: &'static str, why: impl fmt::Display) -> Self {
        Self { field, why: why.to_string() }
    }

    /// The error for the record at that sequence. `record` says what it is, in words.
    pub(crate) fn of_record(self, record: &'static str, sequence: u64) -> EngineError {
        let Self { field, why } = self;
        EngineError::InvalidRecord { sequence, record, field, why }
    }
}
