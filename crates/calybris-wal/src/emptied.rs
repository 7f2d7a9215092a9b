//! Tells a log whose segments were removed from one that was never begun.

use crate::disk::LOCK_NAME;
use crate::error::WalError;
use crate::format::header::SEGMENT_HEADER_BYTES;
use crate::storage::{Lock, Mode, Storage, io_error};

/// Refuses a directory without segments that holds bytes cut off a log, or whose lock file says that a log has begun: its
/// segments were removed, and a new log in their place would look as if there never had been another.
///
/// A header of a first segment says nothing of a log: a crash can leave it when the segment itself does not last.
pub(crate) fn check_not_emptied(storage: &dyn Storage, lock: &dyn Lock) -> Result<(), WalError> {
    if lock
        .is_noted()
        .map_err(|source| io_error(storage, "read the length of", LOCK_NAME, source))?
    {
        return Err(WalError::MissingSegment { segment: 1 });
    }
    let names = storage.list().map_err(|source| io_error(storage, "list", "", source))?;
    let mut segments: Vec<u64> = Vec::new();
    for name in &names {
        let Some((segment, offset)) = cut_off(name) else { continue };
        if (segment, offset) == (1, 0) {
            let length = storage
                .open(name, Mode::Read)
                .and_then(|file| file.length())
                .map_err(|source| io_error(storage, "read the length of", name, source))?;
            if length <= SEGMENT_HEADER_BYTES as u64 {
                continue;
            }
        }
        segments.push(segment);
    }
    match segments.into_iter().min() {
        None => Ok(()),
        Some(segment) => Err(WalError::MissingSegment { segment }),
    }
}

/// The segment and the offset that the name of a `.torn` file says.
fn cut_off(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.strip_suffix(".torn")?.split('-');
    let (segment, offset, number) = (parts.next()?, parts.next()?, parts.next()?);
    let number: Option<u64> = number.parse().ok();
    number.filter(|_| parts.next().is_none())?;
    Some((segment.parse().ok()?, offset.parse().ok()?))
}
