//! The segments that the files of a log's directory stand for.

use std::io::ErrorKind;

use crate::error::WalError;
use crate::format::name::first_sequence_in;
use crate::storage::{Storage, io_error};

/// The first sequences that the names in a directory say, in order; other names are passed over.
pub(crate) fn segments_in(storage: &dyn Storage) -> Result<Vec<u64>, WalError> {
    let names = storage.list().map_err(|source| io_error(storage, "list", "", source))?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| first_sequence_in(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The segments of a log that exists.
pub(crate) fn existing_segments(storage: &dyn Storage) -> Result<Vec<u64>, WalError> {
    match segments_in(storage) {
        Err(WalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Err(missing(storage))
        }
        Ok(segments) if segments.is_empty() => Err(missing(storage)),
        other => other,
    }
}

pub(crate) fn missing(storage: &dyn Storage) -> WalError {
    WalError::Missing { path: storage.path("") }
}

/// Refuses a log whose first segment is another than the log says: those before it are missing.
/// There may be more than it says, when a crash came before they were dropped.
pub(crate) fn check_start(first_segment: u64, log_start: u64) -> Result<(), WalError> {
    if first_segment <= log_start {
        return Ok(());
    }
    Err(WalError::MissingSegment { segment: log_start })
}
