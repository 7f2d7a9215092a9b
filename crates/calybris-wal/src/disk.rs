//! The storage that is a directory of the operating system's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::ancestors;
use crate::storage::{FileId, Lock, Mode, Storage, StoredFile};

/// The file inside the log's directory whose lock is the writer's.
pub(crate) const LOCK_NAME: &str = "LOCK";

/// The text of the lock file once a log has begun, for people who open it.
const LOCK_NOTE: &str = "The writer of this log holds a lock on this file. Do not remove the file while a writer runs.\n";

/// A directory.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
}

impl Disk {
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Opens a file that is one: no link, which may lead out of the directory, and no pipe, which may wait for ever.
    fn open_regular(&self, name: &str, options: &mut OpenOptions) -> io::Result<File> {
        let path = self.path(name);
        // Only Unix can open without following a link; elsewhere it is looked for first.
        #[cfg(not(unix))]
        if let Ok(found) = path.symlink_metadata() {
            refuse_other_kinds(&found)?;
        }
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        }
        match options.open(&path) {
            Ok(file) => refuse_other_kinds(&file.metadata()?).map(|()| file),
            Err(error) => {
                // Naming the thing in the file's place says more than that the file cannot be opened.
                if let Ok(found) = path.symlink_metadata() {
                    refuse_other_kinds(&found)?;
                }
                Err(error)
            }
        }
    }

    /// Whether the name still stands for this file.
    fn is_named(&self, name: &str, file: &File) -> io::Result<bool> {
        let named = match fs::symlink_metadata(self.path(name)) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let id = |metadata| file_id(metadata).map(|(id, _)| id);
        Ok(id(&named) == id(&file.metadata()?))
    }
}

impl Storage for Disk {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }

    fn at(&self, directory: &Path) -> Arc<dyn Storage> {
        Arc::new(Self::at(directory))
    }

    fn is_same(&self, directory: &Path) -> io::Result<bool> {
        Ok(fs::canonicalize(directory)? == fs::canonicalize(&self.directory)?)
    }

    fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)
    }

    fn sync_ancestors(&self) -> io::Result<()> {
        ancestors::sync(&self.directory)
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
        let file = self.open_regular(name, &mut options)?;
        // On Windows a lock would stop readers as well. There the file `LOCK` cannot be removed while it is open.
        if cfg!(unix) && mode != Mode::Read {
            try_lock(&file).map_err(|error| match error {
                TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
                TryLockError::Error(error) => error,
            })?;
            // Another process may have removed the file before it released the lock.
            if !self.is_named(name, &file)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(Arc::new(file))
    }

    fn identity(&self, name: &str) -> io::Result<Option<(FileId, u64)>> {
        fs::symlink_metadata(self.path(name)).map(|metadata| file_id(&metadata))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        // Only Unix opens a directory as a file; elsewhere the file's own sync must do.
        if cfg!(unix) { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(windows)]
            {
                use std::os::windows::fs::OpenOptionsExt;
                // To be shared for reading (1) and writing (2), and not for removing (4).
                options.share_mode(1 | 2);
            }
            let file = self.open_regular(LOCK_NAME, &mut options)?;
            match try_lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // It may have been removed since it was opened, and then the lock keeps nobody out.
            if !self.is_named(LOCK_NAME, &file)? {
                continue;
            }
            return Ok(Some(Box::new(file)));
        }
    }
}

impl Lock for File {
    fn is_noted(&self) -> io::Result<bool> {
        Ok(self.metadata()?.len() > 0)
    }

    fn note_begun(&self) {
        // A disk without room for the note may have room for nothing, but the note is no reason to stop.
        if self.is_noted().is_ok_and(|noted| !noted) {
            drop((&*self).write_all(LOCK_NOTE.as_bytes()));
        }
    }
}

/// How often a lock that is held is tried again, and how long after.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Locks a file, unless another holds the lock for more than a moment.
///
/// A process that is just being started has a copy of every open file of the one that starts it, and so of its locks, until
/// it runs its own program. A lock that was let go may be held that long.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

/// Names the thing in a file's place, if it is not a regular file.
fn refuse_other_kinds(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let found = match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
        (true, ..) => return Ok(()),
        (_, true, _) => "a directory",
        (_, _, true) => "a symbolic link",
        _ => "a pipe, a socket or a device",
    };
    let what = format!("found {found}, expected a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Which file it is, and how many names it has.
#[cfg(unix)]
fn file_id(metadata: &fs::Metadata) -> Option<(FileId, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((FileId { device: metadata.dev(), inode: metadata.ino() }, metadata.nlink()))
}

/// The standard library does not say it on Windows.
#[cfg(not(unix))]
fn file_id(_: &fs::Metadata) -> Option<(FileId, u64)> {
    None
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
