//! A new file: written under another name, synced, and renamed when it is complete. If anything fails, the old file stays.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;
use crate::system::in_words;

/// Which existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaces {
    /// Nothing.
    Nothing,
    /// An HTML page of this program, or an empty file.
    Page,
    /// Any file.
    AnyFile,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// As the umask says.
    Usual,
    /// Its owner alone.
    Owner,
}

/// A place where a file can be made.
#[derive(Debug)]
pub(crate) struct NewFile {
    /// As the user wrote it.
    path: PathBuf,
    /// The path behind symbolic links, where the bytes go.
    target: PathBuf,
    replaces: Replaces,
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "a new file takes the permissions of its folder there")
    )]
    readers: Readers,
    /// The permissions of the file that is replaced.
    replaced: Option<Permissions>,
}

/// A file that is being written, under another name in the same directory. Dropped, it leaves nothing behind.
pub(crate) struct Draft {
    file: NamedTempFile,
    target: PathBuf,
    replaces: bool,
}

/// The new file that `--output` names; `None` for standard output, which `-` means as well.
pub(crate) fn new_file(output: Option<&Path>) -> Result<Option<NewFile>, Failure> {
    let named = output.filter(|path| *path != Path::new("-"));
    named.map(|path| NewFile::at(path, Replaces::Nothing, Readers::Usual)).transpose()
}

impl NewFile {
    /// Refuses a path that is taken, or at which no file can be made. It makes nothing yet.
    pub(crate) fn at(path: &Path, replaces: Replaces, readers: Readers) -> Result<Self, Failure> {
        let failed = |error| Failure::at(path, in_words(&error));
        let (target, replaced) = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => (path.to_path_buf(), None),
            Err(error) => return Err(failed(error)),
            Ok(_) if replaces == Replaces::Nothing && readers == Readers::Owner => {
                let what = "exists; a key is never overwritten: name another file";
                return Err(Failure::at(path, what));
            }
            Ok(_) if replaces == Replaces::Nothing => {
                return Err(Failure::at(
                    path,
                    "exists; nothing is ever overwritten: name another file",
                ));
            }
            Ok(_) => {
                let found = path.metadata().map_err(failed)?;
                check_replaced(path, &found, replaces)?;
                (path.canonicalize().map_err(failed)?, Some(found.permissions()))
            }
        };
        let place = Self { path: path.to_path_buf(), target, replaces, readers, replaced };
        // If the file cannot be made, the command fails before it works.
        drop(place.draft().map_err(failed)?);
        Ok(place)
    }

    /// Begins to write.
    pub(crate) fn begin(&self) -> Result<Draft, Failure> {
        self.draft().map_err(|error| self.unwritten(&error))
    }

    /// Makes the file with that content.
    pub(crate) fn write(&self, content: &str) -> Result<(), Failure> {
        let mut draft = self.begin()?;
        let written = draft.write_all(content.as_bytes()).and_then(|()| draft.keep());
        written.map_err(|error| self.unwritten(&error))
    }

    /// The path, as the user wrote it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn unwritten(&self, error: &std::io::Error) -> Failure {
        Failure::unwritten(&self.path.display().to_string(), error)
    }

    fn draft(&self) -> std::io::Result<Draft> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(match self.readers {
                Readers::Usual => 0o666, // less what the umask takes
                Readers::Owner => 0o600,
            });
        }
        let mut named = Builder::new();
        named.prefix(".calybris-").suffix(".part");
        let file = named.make_in(directory_of(&self.target), |path| options.open(path))?;
        if let Some(permissions) = &self.replaced {
            file.as_file().set_permissions(permissions.clone())?;
        }
        let replaces = self.replaces != Replaces::Nothing;
        Ok(Draft { file, target: self.target.clone(), replaces })
    }
}

impl Draft {
    /// Gives the file its name, once its bytes are on disk.
    pub(crate) fn keep(self) -> std::io::Result<()> {
        self.file.as_file().sync_all()?;
        let kept = if self.replaces {
            self.file.persist(&self.target)
        } else {
            self.file.persist_noclobber(&self.target)
        };
        kept.map_err(|refused| refused.error)?;
        sync_directory(directory_of(&self.target))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The error of its own `write` would show the temporary name.
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Refuses to replace anything but a file that may be written, and with `Replaces::Page` anything but a page.
fn check_replaced(path: &Path, found: &Metadata, replaces: Replaces) -> Result<(), Failure> {
    if found.is_dir() {
        return Err(Failure::at(path, "is a directory: name a file"));
    }
    if !found.is_file() {
        return Err(Failure::at(
            path,
            "is not a regular file: name another, or `-` for standard output",
        ));
    }
    if found.permissions().readonly() {
        return Err(Failure::at(path, "exists and may not be written: name another file"));
    }
    if replaces == Replaces::Page
        && !is_page(path).map_err(|error| Failure::at(path, in_words(&error)))?
    {
        let what = "exists and is not a page of this program; only such a page is overwritten: name another file";
        return Err(Failure::at(path, what));
    }
    Ok(())
}

/// Whether a file is empty or begins like every page of this program.
fn is_page(path: &Path) -> std::io::Result<bool> {
    const BEGINNING: &[u8] = b"<!DOCTYPE html>";
    let mut found = Vec::new();
    let length = u64::try_from(BEGINNING.len()).unwrap_or(u64::MAX);
    File::open(path)?.take(length).read_to_end(&mut found)?;
    Ok(found.is_empty() || found == BEGINNING)
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a new name in a directory durable. Only Unix opens a directory as a file.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory) {
        Ok(directory) => directory.sync_all(),
        // A directory may be writable but not readable; then it cannot be synced.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}
