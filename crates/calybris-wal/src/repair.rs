//! Makes a corrupt log usable again, up to the first damage, and sets all the rest aside.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::WalError;
use crate::key::Key;
use crate::quarantine::{Quarantine, quarantine};
use crate::segment::{io_error, segment_name, segments_in};
use crate::storage::{Mode, Storage};
use crate::walk::{Walk, existing_segments};

/// What repairing a log found and did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repair {
    /// The last record that is kept.
    pub sequence: u64,
    /// What was wrong.
    pub damage: WalError,
    /// What was set aside, the last segment first.
    pub quarantined: Vec<Quarantine>,
}

/// Cuts a corrupt log at its first damage. `None` when nothing is wrong with it, and nothing is
/// done then.
///
/// Everything from the damage on, whole records and later segments as well, is moved into `.torn`
/// files in the log's directory: nothing is deleted, and nothing is guessed. What is lost from the
/// log is for the caller to judge, and an anchor that lies behind the damage stays contradicted.
///
/// ```
/// use calybris_wal::{WalOptions, WalWriter, repair};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let writer = WalWriter::open(&path, &WalOptions::new(1))?;
/// writer.append("kept")?;
/// writer.append("changed below")?;
/// writer.close()?;
/// assert!(repair(&path, None)?.is_none());
///
/// let segment = path.join("00000000000000000001.cwal");
/// let mut bytes = std::fs::read(&segment)?;
/// bytes[230] ^= 1;
/// std::fs::write(&segment, bytes)?;
/// assert!(WalWriter::open(&path, &WalOptions::new(1)).is_err());
///
/// let done = repair(&path, None)?.expect("something is wrong");
/// assert_eq!(done.sequence, 1);
/// assert_eq!(WalWriter::open(&path, &WalOptions::new(1))?.recovery().sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`WalError::Locked`] while a writer has the log open; what could not be checked, such as a
/// missing key; and [`WalError::Corrupt`] when not even the log's beginning verifies, since there
/// is nothing then that could be kept.
pub fn repair(directory: impl AsRef<Path>, key: Option<&Key>) -> Result<Option<Repair>, WalError> {
    repair_in(Arc::new(Disk::at(directory.as_ref())), key)
}

pub(crate) fn repair_in(
    storage: Arc<dyn Storage>,
    key: Option<&Key>,
) -> Result<Option<Repair>, WalError> {
    // Where there is no log, no lock is left behind.
    existing_segments(storage.as_ref())?;
    let _lock = storage
        .lock()
        .map_err(|source| io_error(storage.as_ref(), "lock", "", source))?
        .ok_or_else(|| WalError::Locked { path: storage.path("") })?;
    let mut walk = Walk::open(Arc::clone(&storage), key)?;
    let storage = storage.as_ref();
    let damage = loop {
        match walk.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(damage) => break damage,
        }
    };
    let (damaged, offset) = match damage {
        WalError::Corrupt { segment, offset, .. } => (segment, offset),
        WalError::MissingSegment { segment } if segment >= walk.first_sequence() => (segment, 0),
        other => return Err(other),
    };
    // The last first: a crash in between leaves a log that is as corrupt as before, or mended.
    let mut quarantined = Vec::new();
    for segment in segments_in(storage)?.into_iter().rev().filter(|first| *first >= damaged) {
        let name = segment_name(segment);
        let from = if segment == damaged { offset } else { 0 };
        let file = storage
            .open(&name, Mode::Write)
            .map_err(|source| io_error(storage, "open", &name, source))?;
        quarantined.push(quarantine(storage, file.as_ref(), segment, from)?);
        if from == 0 {
            storage.remove(&name).map_err(|source| io_error(storage, "remove", &name, source))?;
        }
    }
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    Ok(Some(Repair { sequence: walk.head().sequence, damage, quarantined }))
}
