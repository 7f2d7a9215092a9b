//! The few operations on files that a log needs, apart from the files themselves.
//!
//! Behind this door a test can put a disk that fails, tears and forgets.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::WalError;

/// A directory with files.
pub(crate) trait Storage: Debug + Send + Sync {
    /// Where `name` stands, for messages; the directory itself for an empty name.
    fn path(&self, name: &str) -> PathBuf;
    /// Another directory of the same disk.
    fn at(&self, directory: &Path) -> Arc<dyn Storage>;
    /// Whether two storages are the same directory, whatever they are called.
    fn is_same(&self, directory: &Path) -> io::Result<bool>;
    /// Creates the directory, with those above it, if it does not exist.
    fn create(&self) -> io::Result<()>;
    /// Makes the names that lead to the directory durable.
    fn sync_ancestors(&self) -> io::Result<()>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens a regular file; anything else that has the name is an error, at once.
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>>;
    /// Which file the name stands for, and how many names that file has. `None` where the operating system does not say.
    fn identity(&self, name: &str) -> io::Result<Option<(FileId, u64)>>;
    /// Gives a file another name, and takes that from the file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names that were created, and those that were removed, durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Locks the directory until the answer is dropped. `None` when another holds the lock.
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>>;
}

/// A number that no two files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The lock on a directory, held until it is dropped.
pub(crate) trait Lock: Send + Sync {
    /// Whether a log was begun here once, as [`Lock::note_begun`] noted.
    fn is_noted(&self) -> io::Result<bool>;
    /// Notes that a log has begun here. It is no promise: a note that cannot be written is left out.
    fn note_begun(&self);
}

/// How a file is opened.
///
/// INVARIANT (one writer): a file that is open to be written is locked until it is closed. Opening it once more to be
/// written is [`io::ErrorKind::WouldBlock`], in this process or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A new file, to be read and written; an error if the name is taken.
    CreateNew,
}

/// An open file. It has no cursor, so that one thread may sync it while another writes.
pub(crate) trait StoredFile: Send + Sync {
    /// The file's length, in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads at most `buffer.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes some of `bytes` at `offset` and says how many.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file, or makes it longer by zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Waits until everything that was written before is on disk.
    fn sync(&self) -> io::Result<()>;
}

/// Reads until `buffer` is full or the file ends, and says how many bytes there were.
pub(crate) fn read_up_to(
    file: &dyn StoredFile,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest) {
            Ok(0) => break,
            Ok(count) if count > rest.len() => return Err(too_much()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// More bytes were read or written than were asked for: the file misbehaves.
fn too_much() -> io::Error {
    io::Error::other("more bytes were taken than there are")
}

/// Reads from `offset` on, until `buffer` is full or the file ends.
pub(crate) fn read_slice<'a>(
    file: &dyn StoredFile,
    offset: u64,
    buffer: &'a mut [u8],
) -> io::Result<&'a [u8]> {
    let filled = read_up_to(file, offset, buffer)?;
    buffer.get(..filled).ok_or_else(too_much)
}

/// Writes all of `bytes`: one call, unless the operating system takes only a part of them.
pub(crate) fn write_all(
    file: &dyn StoredFile,
    mut offset: u64,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).ok_or_else(too_much)?;
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Creates a file and replaces one with the same name.
pub(crate) fn create_anew(storage: &dyn Storage, name: &str) -> io::Result<Arc<dyn StoredFile>> {
    match storage.open(name, Mode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            storage.remove(name)?;
            storage.open(name, Mode::CreateNew)
        }
        other => other,
    }
}

/// How much is copied at once, in bytes.
const COPY_BYTES: usize = 64 << 10;

/// Copies a part of a file, up to the file's end if that comes first, into an empty file, and says how many bytes that were.
pub(crate) fn copy_range(
    from: &dyn StoredFile,
    range: Range<u64>,
    to: &dyn StoredFile,
) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        let at = range.start + copied;
        // What does not fit in memory is more than a piece.
        let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let piece = buffer.get_mut(..wanted.min(COPY_BYTES)).ok_or_else(too_much)?;
        let read = read_slice(from, at, piece)?;
        if read.is_empty() {
            return Ok(copied);
        }
        write_all(to, copied, read)?;
        copied += read.len() as u64;
    }
}

/// A [`WalError::Io`] about a file of the log, or [`WalError::Locked`] where another writer has it open.
pub(crate) fn io_error(
    storage: &dyn Storage,
    action: &'static str,
    name: &str,
    source: io::Error,
) -> WalError {
    if source.kind() == io::ErrorKind::WouldBlock {
        return WalError::Locked { path: storage.path("") };
    }
    WalError::Io { action, path: storage.path(name), source }
}
