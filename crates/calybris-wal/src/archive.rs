//! Copies finished segments into another directory, durably.

use std::io;
use std::path::Path;

use crate::ancestors::create;
use crate::error::WalError;
use crate::storage::{Mode, Storage, StoredFile, copy_range, create_anew, io_error, read_up_to};

/// How much is compared at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Copies a file of `storage` into another directory, which is created if need be. When this returns, the copy and
/// every name on the way to it are on disk.
pub(crate) fn archive(storage: &dyn Storage, name: &str, directory: &Path) -> Result<(), WalError> {
    let archive = storage.at(directory);
    let archive = archive.as_ref();
    create(archive)?;
    let taken = || WalError::ArchiveTaken { path: archive.path(name) };
    if storage.is_same(directory).map_err(|source| io_error(archive, "look at", "", source))? {
        return Err(taken());
    }
    let original =
        storage.open(name, Mode::Read).map_err(|source| io_error(storage, "open", name, source))?;
    // Windows syncs only files that are open for writing.
    let mode = if cfg!(windows) { Mode::Write } else { Mode::Read };
    match archive.open(name, mode) {
        Ok(copy) => {
            let same = holds_the_same(original.as_ref(), copy.as_ref())
                .map_err(|source| io_error(archive, "compare", name, source))?;
            if !same {
                return Err(taken());
            }
            // A crash may have come before this.
            copy.sync().map_err(|source| io_error(archive, "sync", name, source))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The copy has another name until it is whole, so a file with the final name is never partial.
            let part = format!("{name}.part");
            let copy = create_anew(archive, &part)
                .map_err(|source| io_error(archive, "create", &part, source))?;
            copy_range(original.as_ref(), 0..u64::MAX, copy.as_ref())
                .and_then(|_| copy.sync())
                .map_err(|source| io_error(archive, "copy a segment to", &part, source))?;
            drop(copy);
            archive
                .rename(&part, name)
                .map_err(|source| io_error(archive, "rename", &part, source))?;
        }
        Err(source) => return Err(io_error(archive, "open", name, source)),
    }
    archive.sync_directory().map_err(|source| io_error(archive, "sync", "", source))
}

/// Whether two files hold the same bytes.
fn holds_the_same(left: &dyn StoredFile, right: &dyn StoredFile) -> io::Result<bool> {
    let (mut of_left, mut of_right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut at = 0;
    loop {
        let count = read_up_to(left, at, &mut of_left)?;
        let same = read_up_to(right, at, &mut of_right)? == count;
        if !same || of_left.get(..count) != of_right.get(..count) {
            return Ok(false);
        }
        if count < PIECE_BYTES {
            return Ok(true);
        }
        at += count as u64;
    }
}
