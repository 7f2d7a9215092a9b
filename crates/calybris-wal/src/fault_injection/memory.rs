//! A disk in memory that fails, tears and forgets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fault_injection::content::Content;
pub(crate) use crate::fault_injection::content::Dice;
use crate::fault_injection::fault::outcome;
pub(crate) use crate::fault_injection::fault::{Fault, LeftOut};
use crate::fault_injection::file::{MemoryFile, MemoryLock};
use crate::fault_injection::names::{Aftermath, Directory, Node};
use crate::storage::{FileId, Lock, Mode, Storage, StoredFile};

/// A directory on the disk. Clones are the same directory.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    world: Arc<Mutex<World>>,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct World {
    root: Arc<Mutex<Directory>>,
    calls: u64,
    syncs: u64,
    bytes_read: u64,
    fault: Option<(u64, Fault)>,
    /// How many calls have read something.
    reads: u64,
    read_fault: Option<(u64, Fault)>,
    /// Whether a write was torn.
    torn: bool,
    left_out: Option<(LeftOut, PathBuf)>,
    /// What another does right before a file is opened.
    before_opening: Option<Meddling>,
    /// How many bytes the disk still takes, if it is bounded.
    space: Option<usize>,
    /// What was in files that were removed or cut, which the disk gives to others.
    stale: Vec<u8>,
}

/// What is done when a file of this name is opened next in this way.
struct Meddling {
    name: String,
    mode: Mode,
    action: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Meddling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meddling").field(&self.name).finish()
    }
}

impl Default for Memory {
    /// The directory `memory`, which is there.
    fn default() -> Self {
        let memory = Self { world: Arc::default(), path: PathBuf::from("memory") };
        memory.create().unwrap();
        memory.sync_ancestors().unwrap();
        memory.world.lock().calls = 0;
        memory
    }
}

impl Memory {
    /// Another directory of the same disk, which need not be there.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> Self {
        Self { world: Arc::clone(&self.world), path: path.as_ref().to_owned() }
    }

    /// How many calls that change or sync something were made.
    pub(crate) fn calls(&self) -> u64 {
        self.world.lock().calls
    }

    /// How many syncs of files succeeded.
    pub(crate) fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// How many calls that read something were made.
    pub(crate) fn reads(&self) -> u64 {
        self.world.lock().reads
    }

    /// How many bytes were read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.world.lock().bytes_read
    }

    /// Makes the call after `after` more of them fail.
    pub(crate) fn fail(&self, after: u64, fault: Fault) {
        let mut world = self.world.lock();
        world.fault = Some((world.calls + after, fault));
    }

    /// Makes the call that reads after `after` more of them fail.
    pub(crate) fn fail_reads(&self, after: u64, fault: Fault) {
        let mut world = self.world.lock();
        world.read_fault = Some((world.reads + after, fault));
    }

    /// Makes no call fail any more.
    pub(crate) fn heal(&self) {
        let mut world = self.world.lock();
        (world.fault, world.read_fault) = (None, None);
    }

    /// Whether [`Fault::Tear`] has left out a part of a write.
    pub(crate) fn has_torn(&self) -> bool {
        self.world.lock().torn
    }

    pub(crate) fn note_torn(&self) {
        self.world.lock().torn = true;
    }

    /// Leaves out what belongs to this directory from now on.
    pub(crate) fn leave_out(&self, what: LeftOut) {
        self.world.lock().left_out = Some((what, self.path.clone()));
    }

    /// Does something right before a file is opened next, as another process may after it was listed.
    pub(crate) fn before_opening(
        &self,
        name: &str,
        mode: Mode,
        action: impl FnOnce() + Send + 'static,
    ) {
        let (name, action) = (name.to_owned(), Box::new(action));
        self.world.lock().before_opening = Some(Meddling { name, mode, action });
    }

    /// Removes the lock of a log, as somebody may who takes it for a leftover.
    pub(crate) fn remove_lock(&self) {
        self.directory().unwrap().lock().locked = false;
    }

    /// Bounds what the disk still takes.
    pub(crate) fn set_space(&self, bytes: Option<usize>) {
        self.world.lock().space = bytes;
    }

    /// Cuts the power and starts again: each unsynced sector, length and name survives or not.
    pub(crate) fn crash(&self, dice: &mut Dice) {
        let mut world = self.world.lock();
        let mut aftermath = Aftermath { stale: &world.stale, dice, files: BTreeMap::new() };
        let root = world.root.lock().after_crash(&mut aftermath);
        let (stale, left_out) = (world.stale.clone(), world.left_out.clone());
        *world = World { root: Arc::new(Mutex::new(root)), stale, left_out, ..World::default() };
    }

    /// The names of all files; none if the directory is gone.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(directory) = self.directory() else { return Vec::new() };
        let directory = directory.lock();
        let files = directory.live().iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(name, _)| name.clone()).collect()
    }

    /// The names of all segments, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| name.ends_with(".cwal")).collect()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        self.directory().unwrap().lock().file(name).unwrap().lock().live.clone()
    }

    /// What of a file would survive a power cut for certain.
    #[cfg(loom)]
    pub(crate) fn durable(&self, name: &str) -> Vec<u8> {
        let directory = self.directory().unwrap();
        let directory = directory.lock();
        let durable = directory.durable_file(name).map(|file| file.lock().durable.clone());
        durable.unwrap_or_default()
    }

    /// Puts a file on the disk, durably.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let directory = self.directory().unwrap();
        let mut directory = directory.lock();
        let content = Arc::new(Mutex::new(Content::durable(bytes)));
        directory.change(name, Some(Node::File(content)));
        directory.sync();
    }

    /// Takes a file off the disk, durably.
    pub(crate) fn remove_file(&self, name: &str) {
        let directory = self.directory().unwrap();
        directory.lock().change(name, None);
        directory.lock().sync();
    }

    /// Copies the files of a directory as they are, durably, to another disk.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        for name in self.files() {
            copy.put(&name, &self.read(&name));
        }
        copy
    }

    fn directory(&self) -> io::Result<Arc<Mutex<Directory>>> {
        let mut at = Arc::clone(&self.world.lock().root);
        for name in self.path.iter() {
            let next = at.lock().directory(name.to_str().unwrap()).map(Arc::clone);
            at = next.ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// Counts a call and says how it fails, if it does.
    pub(crate) fn call(&self) -> Result<(), Fault> {
        let mut world = self.world.lock();
        world.calls += 1;
        outcome(world.calls, world.fault)
    }

    pub(crate) fn simple_call(&self) -> io::Result<()> {
        loop {
            match self.call() {
                Ok(()) => return Ok(()),
                // The standard library makes such a call again.
                Err(Fault::Interrupt) => {}
                Err(fault) => return Err(fault.error()),
            }
        }
    }

    pub(crate) fn read_call(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        world.reads += 1;
        outcome(world.reads, world.read_fault).map_err(Fault::error)
    }

    pub(crate) fn is_left_out(&self, what: LeftOut) -> bool {
        self.world.lock().left_out == Some((what, self.path.clone()))
    }

    /// Takes as much of a file's growth as there is space for.
    pub(crate) fn take_space(&self, growth: usize) -> usize {
        let mut world = self.world.lock();
        let taken = world.space.map_or(growth, |space| growth.min(space));
        if let Some(space) = &mut world.space {
            *space -= taken;
        }
        taken
    }

    pub(crate) fn count_sync(&self) {
        self.world.lock().syncs += 1;
    }

    pub(crate) fn count_bytes_read(&self, bytes: usize) {
        self.world.lock().bytes_read += bytes as u64;
    }

    pub(crate) fn leave_stale(&self, bytes: &[u8]) {
        const KEPT_BYTES: usize = 16 << 10;
        let mut world = self.world.lock();
        world.stale.extend_from_slice(bytes);
        let surplus = world.stale.len().saturating_sub(KEPT_BYTES);
        world.stale.drain(..surplus);
    }
}

impl Storage for Memory {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn at(&self, directory: &Path) -> Arc<dyn Storage> {
        Arc::new(self.at(directory))
    }

    fn is_same(&self, directory: &Path) -> io::Result<bool> {
        Ok(self.path == directory)
    }

    fn create(&self) -> io::Result<()> {
        let mut at = Arc::clone(&self.world.lock().root);
        for name in self.path.iter().map(|name| name.to_str().unwrap()) {
            let known = at.lock().directory(name).map(Arc::clone);
            let next = match known {
                Some(next) => next,
                None => {
                    self.simple_call()?;
                    let next = Arc::default();
                    at.lock().change(name, Some(Node::Directory(Arc::clone(&next))));
                    next
                }
            };
            at = next;
        }
        Ok(())
    }

    fn sync_ancestors(&self) -> io::Result<()> {
        let above: Vec<_> = self.path.ancestors().skip(1).map(|path| self.at(path)).collect();
        for directory in above.into_iter().rev() {
            self.simple_call()?;
            if !self.is_left_out(LeftOut::Ancestors) {
                directory.directory()?.lock().sync();
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.read_call()?;
        Ok(self.directory()?.lock().live().keys().cloned().collect())
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>> {
        if mode == Mode::CreateNew { self.simple_call() } else { self.read_call() }?;
        let mut world = self.world.lock();
        let meddling = world.before_opening.take_if(|it| it.name == name && it.mode == mode);
        drop(world);
        if let Some(Meddling { action, .. }) = meddling {
            action();
        }
        let directory = self.directory()?;
        let mut directory = directory.lock();
        let content = match (directory.file(name), mode) {
            (Some(_), Mode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(content), _) => Arc::clone(content),
            (None, Mode::CreateNew) => {
                let content = Arc::default();
                directory.change(name, Some(Node::File(Arc::clone(&content))));
                content
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        let locks = mode != Mode::Read;
        if locks && std::mem::replace(&mut content.lock().locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Arc::new(MemoryFile { disk: self.clone(), content, locks }))
    }

    fn identity(&self, name: &str) -> io::Result<Option<(FileId, u64)>> {
        let directory = self.directory()?;
        let directory = directory.lock();
        let file = directory.file(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Some((FileId { device: 0, inode: Arc::as_ptr(file).addr() as u64 }, 1)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.simple_call()?;
        let renamed = self.directory()?.lock().rename(from, to);
        if renamed { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.simple_call()?;
        let directory = self.directory()?;
        let file = directory.lock().file(name).map(Arc::clone).ok_or(io::ErrorKind::NotFound)?;
        let bytes = file.lock().live.clone();
        self.leave_stale(&bytes);
        directory.lock().change(name, None);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.simple_call()?;
        if !self.is_left_out(LeftOut::Directory) {
            self.directory()?.lock().sync();
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        let directory = self.directory()?;
        if std::mem::replace(&mut directory.lock().locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock(directory))))
    }
}
