//! One writer: the lock on the log, and the checks that are repeated once the lock is held.
//!
//! The file `LOCK` keeps a second writer out. It can be removed, and the next writer then locks a new one. So the
//! segment that is written is locked as well, from before its first byte is written until the next one is locked.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use crate::disk::LOCK_NAME;
use crate::error::{Damage, WalError};
use crate::format::name::segment_name;
use crate::segment_files::segments_in;
use crate::storage::{Lock, Mode, Storage, StoredFile, io_error};

/// Locks the log until the answer is dropped.
pub(crate) fn lock(storage: &dyn Storage) -> Result<Box<dyn Lock>, WalError> {
    storage
        .lock()
        .map_err(|source| io_error(storage, "lock", LOCK_NAME, source))?
        .ok_or_else(|| WalError::Locked { path: storage.path("") })
}

/// Refuses a log whose last segment is another by now than the one that was locked: a writer has rotated in between.
pub(crate) fn check_last(storage: &dyn Storage, locked: u64) -> Result<(), WalError> {
    if segments_in(storage)?.last() == Some(&locked) {
        return Ok(());
    }
    Err(WalError::Locked { path: storage.path("") })
}

/// The last segment of a log, locked: while it is, no writer begins.
pub(crate) struct LastSegment {
    first_sequence: u64,
    file: Arc<dyn StoredFile>,
}

/// Locks the last segment of a log.
pub(crate) fn lock_last(storage: &dyn Storage) -> Result<LastSegment, WalError> {
    let last = segments_in(storage)?.last().copied();
    let first_sequence = last.ok_or_else(|| WalError::Missing { path: storage.path("") })?;
    let file = open_to_change(storage, first_sequence)?;
    check_last(storage, first_sequence)?;
    Ok(LastSegment { first_sequence, file })
}

impl LastSegment {
    /// The file of a segment, to be changed: this one, or another that is locked until it is closed.
    pub(crate) fn or_open(
        &self,
        storage: &dyn Storage,
        segment: u64,
    ) -> Result<Arc<dyn StoredFile>, WalError> {
        if segment == self.first_sequence {
            return Ok(Arc::clone(&self.file));
        }
        open_to_change(storage, segment)
    }
}

fn open_to_change(storage: &dyn Storage, segment: u64) -> Result<Arc<dyn StoredFile>, WalError> {
    let name = segment_name(segment);
    storage.open(&name, Mode::Write).map_err(|source| match source.kind() {
        ErrorKind::InvalidInput => WalError::segment_damaged(segment, Damage::NotAFile),
        _ => io_error(storage, "open", &name, source),
    })
}

/// Refuses a log in which two segments are one file (hard links): cutting one would cut the other.
pub(crate) fn check_files(storage: &dyn Storage, segments: &[u64]) -> Result<(), WalError> {
    let mut seen = BTreeMap::new();
    for &segment in segments {
        let name = segment_name(segment);
        let identity = storage
            .identity(&name)
            .map_err(|source| io_error(storage, "look at", &name, source))?;
        let Some((id, _)) = identity.filter(|(_, names)| *names > 1) else { continue };
        if seen.insert(id, segment).is_some() {
            return Err(WalError::segment_damaged(segment, Damage::SharedFile));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault_injection::memory::Memory;
    use crate::hash::LogId;
    use crate::{WalOptions, WalWriter};

    fn open(disk: &Memory) -> Result<WalWriter, WalError> {
        let options = WalOptions::new(1).log_id(LogId::from_bytes([1; 16]));
        WalWriter::open_in(Arc::new(disk.clone()), &options, None)
    }

    #[test]
    fn a_writer_that_rotates_while_another_comes_in_without_the_lock_stays_alone() {
        let disk = Memory::default();
        let writer = Arc::new(open(&disk).unwrap());
        writer.append_bytes(b"one").unwrap();
        disk.remove_lock();
        let first = Arc::clone(&writer);
        disk.before_opening(&segment_name(1), Mode::Write, move || first.rotate().unwrap());
        let before = disk.read(&segment_name(1));
        let refused = open(&disk).map(drop);
        assert!(matches!(refused, Err(WalError::Locked { .. })), "{refused:?}");
        assert!(disk.read(&segment_name(1)).starts_with(&before));
        assert_eq!(disk.segments().len(), 2);
        writer.append_bytes(b"two").unwrap();
        let Some(writer) = Arc::into_inner(writer) else { panic!("the hook has run") };
        writer.close().unwrap();
        assert_eq!(open(&disk).unwrap().open_report().sequence, 2);
    }

    #[test]
    fn of_two_that_begin_a_log_without_the_lock_one_goes_on() {
        let disk = Memory::default();
        let (other, held) = (disk.clone(), Arc::new(std::sync::Mutex::new(None)));
        let first = Arc::clone(&held);
        disk.before_opening(&segment_name(1), Mode::CreateNew, move || {
            other.remove_lock();
            *first.lock().unwrap() = Some(open(&other).unwrap());
        });
        open(&disk).map(drop).unwrap_err();
        let writer = held.lock().unwrap().take().unwrap();
        assert_eq!(writer.append_bytes(b"one").unwrap().sequence, 1);
    }
}
