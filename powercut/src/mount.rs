//! Mounts a file system whose folders are disks, and connects disks to it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{BackgroundSession, Config, MountOption};

use crate::disk::Disk;
use crate::filesystem::Served;

/// The disks that are connected.
#[derive(Clone, Default)]
pub struct Disks(Arc<Mutex<Numbered>>);

#[derive(Default)]
struct Numbered {
    disks: HashMap<u64, Disk>,
    last: u64,
}

impl Disks {
    /// Lets a disk be looked at or changed between two calls. `None` if no disk has the number.
    pub fn with<T>(&self, number: u64, look: impl FnOnce(&mut Disk) -> T) -> Option<T> {
        self.lock().disks.get_mut(&number).map(look)
    }

    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mounted file system.
pub struct Mount {
    disks: Disks,
    // Unmounted before the folder that it is mounted on is removed.
    _session: BackgroundSession,
    folder: tempfile::TempDir,
}

impl Mount {
    /// Mounts a file system without disks.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let disks = Disks::default();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".to_owned())];
        let session = fuser::spawn_mount(Served(disks.clone()), folder.path(), &config)?;
        Ok(Self { disks, _session: session, folder })
    }

    /// Connects a disk, and says where it is.
    pub fn connect(&self, disk: Disk) -> Connected<'_> {
        let mut numbered = self.disks.lock();
        numbered.last += 1;
        let number = numbered.last;
        numbered.disks.insert(number, disk);
        Connected { mount: self, number }
    }
}

/// A disk that programs can use.
pub struct Connected<'a> {
    mount: &'a Mount,
    number: u64,
}

impl Connected<'_> {
    pub fn path(&self) -> PathBuf {
        self.mount.folder.path().join(self.number.to_string())
    }

    /// Lets the disk be looked at or changed between two calls.
    pub fn with<T>(&self, look: impl FnOnce(&mut Disk) -> T) -> Option<T> {
        self.mount.disks.with(self.number, look)
    }

    /// Takes the disk out. Programs that still use it find nothing.
    pub fn disconnect(self) -> Option<Disk> {
        self.mount.disks.lock().disks.remove(&self.number)
    }
}

/// Whether this machine lets this process mount file systems; if not, what to do about it.
pub fn check_machine() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("mounting a file system needs root: run it with `sudo -E`".to_owned());
    }
    if !Path::new("/dev/fuse").exists() {
        return Err(
            "/dev/fuse is missing: `modprobe fuse`, or give the container that device".to_owned()
        );
    }
    Ok(())
}

/// Keeps mounts from every other process and lets them end with this one.
pub fn keep_mounts_private() -> io::Result<()> {
    use nix::mount::{MsFlags, mount};
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    Ok(mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?)
}
