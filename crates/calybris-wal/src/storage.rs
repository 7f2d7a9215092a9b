//! The few operations on files that a log needs, apart from the files themselves.
//!
//! Behind this door a test can put a disk that fails, tears and forgets.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory with files.
pub(crate) trait Storage: Debug + Send + Sync {
    /// Where `name` stands, for messages; the directory itself for an empty name.
    fn path(&self, name: &str) -> PathBuf;
    /// Creates the directory, with those above it, if it does not exist, durably.
    fn create(&self) -> io::Result<()>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>>;
    /// Removes a file's name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, which no file has or one that is replaced.
    fn rename(&self, name: &str, to: &str) -> io::Result<()>;
    /// Copies a file into another directory, durably. `false`, and nothing is copied, when the name
    /// is taken there by anything but a copy; this directory is not another.
    fn copy_to(&self, name: &str, directory: &Path) -> io::Result<bool>;
    /// Makes names that were created, and those that were removed, durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Locks the directory until the answer is dropped. `None` when another holds the lock.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A new file; an error if the name is taken.
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
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether two files hold the same bytes.
pub(crate) fn holds_the_same(left: &dyn StoredFile, right: &dyn StoredFile) -> io::Result<bool> {
    const PIECE_BYTES: usize = 64 << 10;
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
                bytes = bytes.get(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
