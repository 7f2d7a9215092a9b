//! Makes the names that lead to a directory durable.
//!
//! A directory whose own name was not synced can vanish in a power cut with all that was synced inside it. Its name
//! stands in the directory above it, whose name stands in the next; and where one of them is a symbolic link, the
//! link stands in a directory of its own.

use std::io;
use std::path::Path;

use crate::error::WalError;
use crate::segment_files::segments_in;
use crate::storage::{Storage, io_error};

/// Creates the directory of a log or of an archive if it does not exist, and says which segments are in it.
///
/// Unless there are some, its name is durable afterwards. A segment comes after that; anything else may have been in
/// the directory before.
pub(crate) fn create(storage: &dyn Storage) -> Result<Vec<u64>, WalError> {
    storage.create().map_err(|source| io_error(storage, "create", "", source))?;
    let segments = segments_in(storage)?;
    if segments.is_empty() {
        storage
            .sync_ancestors()
            .map_err(|source| io_error(storage, "sync the name of", "", source))?;
    }
    Ok(segments)
}

/// Syncs every directory that holds one of the names on the way to `directory`, which exists.
///
/// A directory that may not be read cannot be synced by itself, nor can a virtual one, such as an automounter's. The
/// whole file system is synced then, on Linux; elsewhere on Unix the directory at the end of the way is, which on macOS
/// empties the drive's cache as well.
#[cfg(unix)]
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    sync_each(
        directory,
        |above| std::fs::File::open(above),
        |opened| opened.sync_all(),
        || sync_file_system(directory),
    )
}

/// Only Unix opens a directory as a file; elsewhere names are durable when the file system makes them so.
#[cfg(not(unix))]
pub(crate) fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_file_system(directory: &Path) -> io::Result<()> {
    let opened = std::fs::File::open(directory)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::fs::syncfs(opened)?);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return opened.sync_all();
}

/// Opens and syncs each of the directories. Every error is passed on, but for those of a directory that may not be
/// opened and of one that has no sync.
#[cfg(unix)]
fn sync_each<T>(
    directory: &Path,
    open: impl Fn(&Path) -> io::Result<T>,
    sync: impl Fn(T) -> io::Result<()>,
    sync_file_system: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    let mut whole = false;
    for above in holders(directory)? {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("in `{}`: {error}", above.display()))
        };
        match open(&above) {
            Ok(opened) => match sync(opened) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => whole = true,
                other => other.map_err(named)?,
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => whole = true,
            Err(error) => return Err(named(error)),
        }
    }
    if whole { sync_file_system() } else { Ok(()) }
}

/// The directories that hold the names on the way to `directory`, the links among them and what these lead to.
#[cfg(unix)]
fn holders(directory: &Path) -> io::Result<std::collections::BTreeSet<std::path::PathBuf>> {
    use std::path::{Component, PathBuf};

    let mut holders = std::collections::BTreeSet::new();
    let mut links = std::collections::BTreeSet::new();
    let mut ways = vec![std::path::absolute(directory)?];
    while let Some(way) = ways.pop() {
        // Always without links: where the way has led so far.
        let mut at = PathBuf::new();
        for component in way.components() {
            match component {
                Component::Normal(name) => {
                    holders.insert(at.clone());
                    let next = at.join(name);
                    if next.symlink_metadata()?.is_symlink() && links.insert(next.clone()) {
                        ways.push(at.join(std::fs::read_link(&next)?));
                    }
                    at = next.canonicalize()?;
                }
                Component::ParentDir => at = at.join("..").canonicalize()?,
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => at.push(component),
            }
        }
    }
    Ok(holders)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::fs::create_dir_all;
    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A directory without links on the way to it.
    fn base() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        (directory, path)
    }

    /// The directories on the way to `base` and some in it.
    fn expected(base: &Path, names: &[&str]) -> BTreeSet<PathBuf> {
        let above = base.ancestors().skip(1).map(Path::to_owned);
        above.chain(names.iter().map(|name| base.join(name))).collect()
    }

    #[test]
    fn every_name_on_the_way_is_synced() {
        let (_base, base) = base();
        create_dir_all(base.join("a/log")).unwrap();
        assert_eq!(holders(&base.join("a/log")).unwrap(), expected(&base, &["", "a"]));
        let roundabout = base.join("a/../a/./log");
        assert_eq!(holders(&roundabout).unwrap(), expected(&base, &["", "a"]));
    }

    #[test]
    fn a_relative_path_is_the_absolute_one() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let above: BTreeSet<_> = here.ancestors().map(Path::to_owned).collect();
        assert_eq!(holders(Path::new("src")).unwrap(), above);
        let above: BTreeSet<_> = here.ancestors().skip(1).map(Path::to_owned).collect();
        assert_eq!(holders(Path::new(".")).unwrap(), above);
    }

    #[test]
    fn a_link_is_synced_where_it_stands_and_where_it_leads() {
        let (_base, base) = base();
        create_dir_all(base.join("disk/one/log")).unwrap();
        create_dir_all(base.join("links")).unwrap();
        symlink("../disk/one", base.join("links/first")).unwrap();
        symlink(base.join("links/first"), base.join("second")).unwrap();
        let way = base.join("second/log");
        assert_eq!(holders(&way).unwrap(), expected(&base, &["", "links", "disk", "disk/one"]),);
    }

    #[test]
    fn every_error_is_passed_on_but_that_of_a_directory_that_cannot_be_synced_by_itself() {
        let (_base, base) = base();
        create_dir_all(base.join("a/log")).unwrap();
        let way = base.join("a/log");
        let kinds = [
            ErrorKind::Other,
            ErrorKind::PermissionDenied,
            ErrorKind::InvalidInput,
            ErrorKind::NotFound,
        ];
        for refused in [base.join("a"), base.clone(), PathBuf::from("/")] {
            for kind in kinds {
                let fails = |path: &Path| {
                    if path == refused { Err(kind.into()) } else { Ok(path.to_owned()) }
                };
                let whole = RefCell::new(0);
                let sync_file_system = || {
                    *whole.borrow_mut() += 1;
                    Ok(())
                };
                let opening = sync_each(&way, fails, |_| Ok(()), sync_file_system);
                let excused = kind == ErrorKind::PermissionDenied;
                assert_eq!((opening.is_ok(), whole.take()), (excused, usize::from(excused)));
                let syncing = sync_each(
                    &way,
                    |path| Ok(path.to_owned()),
                    |path| fails(&path).map(drop),
                    sync_file_system,
                );
                let excused = kind == ErrorKind::InvalidInput;
                assert_eq!((syncing.is_ok(), whole.take()), (excused, usize::from(excused)));
                for error in [opening, syncing].into_iter().filter_map(Result::err) {
                    assert_eq!(error.kind(), kind);
                    assert!(error.to_string().contains(&format!("`{}`", refused.display())));
                }
            }
        }
    }

    #[test]
    fn a_file_system_that_cannot_be_synced_is_an_error() {
        let (_base, base) = base();
        let denied = |_: &Path| Err::<(), _>(ErrorKind::PermissionDenied.into());
        let failed = sync_each(&base, denied, |()| Ok(()), || Err(ErrorKind::Other.into()));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Other);
        sync_file_system(&base).unwrap();
    }
}
