//! Sets bytes aside: moves them out of the log into a file of their own, so that nothing is deleted.

use std::path::PathBuf;

use calybris_units::invariant;

use crate::error::WalError;
use crate::format::name::segment_name;
use crate::storage::{Mode, Storage, StoredFile, io_error, read_up_to, write_all};

/// Bytes that a crash tore, or that [`repair`](crate::repair()) cut off (whole segments of them, it may
/// be), moved out of the log into a file of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// The segment that they were cut from, by the sequence that its name says.
    pub segment: u64,
    /// Where they began, in bytes from the segment's start.
    pub offset: u64,
    /// How many there were.
    pub bytes: u64,
    /// The file that holds them now.
    pub path: PathBuf,
}

/// How much is copied at once, in bytes.
const COPY_BYTES: usize = 64 << 10;

/// Moves the bytes of a segment from `offset` to its end into a file of their own.
///
/// They are safe there before they are cut here, so a crash in between loses nothing.
pub(crate) fn quarantine(
    storage: &dyn Storage,
    file: &dyn StoredFile,
    segment: u64,
    offset: u64,
) -> Result<Quarantine, WalError> {
    let quarantined = copy_aside(storage, file, segment, offset)?;
    cut(storage, file, segment, offset)?;
    Ok(quarantined)
}

/// Cuts a segment at `length`, durably.
pub(crate) fn cut(
    storage: &dyn Storage,
    file: &dyn StoredFile,
    segment: u64,
    length: u64,
) -> Result<(), WalError> {
    let failed = |action, source| io_error(storage, action, &segment_name(segment), source);
    file.set_length(length).map_err(|source| failed("set the length of", source))?;
    file.sync().map_err(|source| failed("sync", source))
}

/// Copies the bytes of a segment from `offset` to its end into a file of their own, durably.
pub(crate) fn copy_aside(
    storage: &dyn Storage,
    file: &dyn StoredFile,
    segment: u64,
    offset: u64,
) -> Result<Quarantine, WalError> {
    let torn_name = torn_name(storage, segment, offset)?;
    let torn_failed = |action, source| io_error(storage, action, &torn_name, source);
    let torn = storage
        .open(&torn_name, Mode::CreateNew)
        .map_err(|source| torn_failed("create", source))?;
    let mut bytes = 0;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = read_up_to(file, offset + bytes, &mut buffer)
            .map_err(|source| io_error(storage, "read", &segment_name(segment), source))?;
        let read = invariant!(buffer.get(..count), "no more was read than there is room for")?;
        if read.is_empty() {
            break;
        }
        write_all(torn.as_ref(), bytes, read).map_err(|source| torn_failed("write", source))?;
        bytes += count as u64;
    }
    torn.sync().map_err(|source| torn_failed("sync", source))?;
    storage.sync_directory().map_err(|source| io_error(storage, "sync", "", source))?;
    Ok(Quarantine { segment, offset, bytes, path: storage.path(&torn_name) })
}

/// Moves a whole segment aside, under another name. The caller syncs the directory.
///
/// Nothing is copied or cut, so a file that has a second name is whole under that.
pub(crate) fn move_aside(storage: &dyn Storage, segment: u64) -> Result<Quarantine, WalError> {
    let name = segment_name(segment);
    let file = storage
        .open(&name, Mode::Read)
        .map_err(|source| io_error(storage, "open", &name, source))?;
    let bytes =
        file.length().map_err(|source| io_error(storage, "read the length of", &name, source))?;
    let torn_name = torn_name(storage, segment, 0)?;
    storage
        .rename(&name, &torn_name)
        .map_err(|source| io_error(storage, "rename", &name, source))?;
    Ok(Quarantine { segment, offset: 0, bytes, path: storage.path(&torn_name) })
}

/// The first free name for bytes that are cut at that offset. The caller holds the lock on the log.
fn torn_name(storage: &dyn Storage, segment: u64, offset: u64) -> Result<String, WalError> {
    let names = storage.list().map_err(|source| io_error(storage, "list", "", source))?;
    let mut attempt = 1_u64;
    loop {
        let name = format!("{segment:020}-{offset}-{attempt}.torn");
        if !names.contains(&name) {
            return Ok(name);
        }
        attempt += 1;
    }
}
