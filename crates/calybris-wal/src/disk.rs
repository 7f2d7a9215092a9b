//! The storage that is a directory of the operating system's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::{Mode, Storage, StoredFile, holds_the_same};

/// The file inside the log's directory whose lock is the writer's.
const LOCK_NAME: &str = "LOCK";

/// A directory.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
}

impl Disk {
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }
}

impl Storage for Disk {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }

    fn create(&self) -> io::Result<()> {
        // What stands in a directory came after the directory's own name was synced, below; one
        // without anything in it may be what a crash left before that.
        if self.directory.is_dir() && fs::read_dir(&self.directory)?.next().is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.directory)?;
        // The new names stand in the directories above. One that was there before may be
        // unreadable to us, and then its names are not ours to sync.
        for above in self.directory.ancestors().skip(1) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            if File::open(above).and_then(|directory| directory.sync_all()).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            Mode::Read => &mut options,
            Mode::Write => options.write(true),
            Mode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(options.open(self.path(name))?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, name: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(name), self.path(to))
    }

    fn copy_to(&self, name: &str, directory: &Path) -> io::Result<bool> {
        let to = Self::at(directory);
        to.create()?;
        if fs::canonicalize(directory)? == fs::canonicalize(&self.directory)? {
            return Ok(false);
        }
        let whole = to.path(name);
        if whole.symlink_metadata().is_ok() {
            let copy = File::open(&whole)?;
            if !holds_the_same(&File::open(self.path(name))?, &copy)? {
                return Ok(false);
            }
            // A crash may have come before this.
            copy.sync_all()?;
        } else {
            // Under another name until it is whole, so that what has the name is the file.
            let part = to.path(&format!("{name}.part"));
            fs::copy(self.path(name), &part)?;
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &whole)?;
        }
        to.sync_directory()?;
        Ok(true)
    }

    fn sync_directory(&self) -> io::Result<()> {
        // Only Unix opens a directory as a file; elsewhere the file's own sync must do.
        if cfg!(unix) { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let path = self.path(LOCK_NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl StoredFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(self, buffer, offset);
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(self, buffer, offset);
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_write(self, bytes, offset);
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_at(self, bytes, offset);
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
