//! A disk in memory with two images: what programs see, and what a power cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{Mode, Storage, StoredFile};

/// What reaches the disk at once, or not at all.
const SECTOR_BYTES: usize = 64;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This call and all after it: the machine is gone.
    Freeze,
    /// This call fails, and a write takes half of its bytes.
    Error(io::ErrorKind),
    /// This call is interrupted before it does anything, and may be made again.
    Interrupt,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    names: BTreeMap<String, Arc<Mutex<Content>>>,
    durable_names: BTreeMap<String, Arc<Mutex<Content>>>,
    locked: bool,
    calls: u64,
    syncs: u64,
    bytes_read: u64,
    fault: Option<(u64, Fault)>,
    /// A file that another process removes right before it is opened.
    vanishing: Option<String>,
    /// How many bytes the disk still takes, if it is bounded.
    space: Option<usize>,
}

/// A file's two images.
#[derive(Debug, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// The sectors that were written and not synced since.
    dirty: BTreeSet<usize>,
}

/// A source of arbitrary choices that can be repeated.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) % sides
    }
}

impl Memory {
    /// How many calls that change something were made.
    pub(crate) fn calls(&self) -> u64 {
        self.world.lock().calls
    }

    /// How many syncs of files succeeded.
    pub(crate) fn syncs(&self) -> u64 {
        self.world.lock().syncs
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

    /// Makes no call fail any more.
    pub(crate) fn heal(&self) {
        self.world.lock().fault = None;
    }

    /// Removes a file when it is opened next, as another process may after it was listed.
    pub(crate) fn remove_before_opening(&self, name: &str) {
        self.world.lock().vanishing = Some(name.to_owned());
    }

    /// Bounds what the disk still takes.
    pub(crate) fn set_space(&self, bytes: Option<usize>) {
        self.world.lock().space = bytes;
    }

    /// Cuts the power and starts again: each unsynced sector, length and name survives or not.
    pub(crate) fn crash(&self, dice: &mut Dice) {
        let mut world = self.world.lock();
        let mut names = world.durable_names.clone();
        for (name, file) in world.names.clone() {
            if names.contains_key(&name) || dice.roll(2) == 0 {
                names.insert(name, file);
            }
        }
        let mut survivors = BTreeMap::new();
        for (name, file) in names {
            let survivor = file.lock().after_crash(dice);
            survivors.insert(name, Arc::new(Mutex::new(survivor)));
        }
        *world = World { names: survivors.clone(), durable_names: survivors, ..World::default() };
    }

    /// The names of all files.
    pub(crate) fn files(&self) -> Vec<String> {
        self.world.lock().names.keys().cloned().collect()
    }

    /// The names of all segments, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| name.ends_with(".cwal")).collect()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        self.world.lock().names[name].lock().live.clone()
    }

    /// What of a file would survive a power cut for certain.
    #[cfg(loom)]
    pub(crate) fn durable(&self, name: &str) -> Vec<u8> {
        let world = self.world.lock();
        world.durable_names.get(name).map(|file| file.lock().durable.clone()).unwrap_or_default()
    }

    /// Puts a file on the disk, durably.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let content =
            Content { live: bytes.to_vec(), durable: bytes.to_vec(), dirty: BTreeSet::new() };
        let content = Arc::new(Mutex::new(content));
        let mut world = self.world.lock();
        world.names.insert(name.to_owned(), Arc::clone(&content));
        world.durable_names.insert(name.to_owned(), content);
    }

    /// Takes a file off the disk, durably.
    pub(crate) fn remove_file(&self, name: &str) {
        let mut world = self.world.lock();
        world.names.remove(name);
        world.durable_names.remove(name);
    }

    /// Counts a call and says how it fails, if it does.
    fn call(&self) -> Result<(), Fault> {
        let mut world = self.world.lock();
        world.calls += 1;
        match world.fault {
            Some((at, Fault::Freeze)) if world.calls > at => Err(Fault::Freeze),
            Some((at, fault)) if world.calls == at + 1 => Err(fault),
            _ => Ok(()),
        }
    }

    fn simple_call(&self) -> io::Result<()> {
        loop {
            match self.call() {
                Ok(()) => return Ok(()),
                // The standard library makes such a call again.
                Err(Fault::Interrupt) => {}
                Err(fault) => return Err(fault.error()),
            }
        }
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Freeze => io::Error::other("the machine is gone"),
            Self::Error(kind) => kind.into(),
            Self::Interrupt => io::ErrorKind::Interrupted.into(),
        }
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
        }
    }

    fn copy_sector(&mut self, sector: usize) {
        let from = (sector * SECTOR_BYTES).min(self.live.len());
        let to = (from + SECTOR_BYTES).min(self.live.len());
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        self.durable[from..to].copy_from_slice(&self.live[from..to]);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.copy_sector(sector);
        }
        self.durable.resize(self.live.len(), 0);
    }

    fn after_crash(&mut self, dice: &mut Dice) -> Self {
        let length = match dice.roll(3) {
            0 => self.durable.len(),
            1 => self.live.len(),
            _ => {
                let (least, most) = (
                    self.durable.len().min(self.live.len()),
                    self.durable.len().max(self.live.len()),
                );
                least + usize::try_from(dice.roll((most - least + 1) as u64)).unwrap()
            }
        };
        let known = self.durable.len();
        self.durable.resize(length.max(known), 0);
        let garbage = dice.roll(2) == 0;
        for sector in self.dirty.clone() {
            if dice.roll(2) == 0 {
                self.copy_sector(sector);
            } else if garbage && sector * SECTOR_BYTES >= known {
                let from = (sector * SECTOR_BYTES).min(self.durable.len());
                let to = (from + SECTOR_BYTES).min(self.durable.len());
                self.durable[from..to].fill(0xA5);
            }
        }
        self.durable.resize(length, 0);
        let image = self.durable.clone();
        Self { live: image.clone(), durable: image, dirty: BTreeSet::new() }
    }
}

struct MemoryFile {
    disk: Memory,
    content: Arc<Mutex<Content>>,
}

struct MemoryLock(Memory);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.world.lock().locked = false;
    }
}

impl Storage for Memory {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("memory").join(name)
    }

    fn create(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files())
    }

    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn StoredFile>> {
        if mode == Mode::CreateNew {
            self.simple_call()?;
        }
        let mut world = self.world.lock();
        if world.vanishing.take_if(|vanishing| vanishing == name).is_some() {
            world.names.remove(name);
        }
        let content = match (world.names.get(name), mode) {
            (Some(_), Mode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(content), _) => Arc::clone(content),
            (None, Mode::CreateNew) => Arc::clone(world.names.entry(name.to_owned()).or_default()),
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        drop(world);
        Ok(Arc::new(MemoryFile { disk: self.clone(), content }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.simple_call()?;
        self.world.lock().names.remove(name);
        Ok(())
    }

    fn rename(&self, name: &str, to: &str) -> io::Result<()> {
        self.simple_call()?;
        let mut world = self.world.lock();
        let content = world.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn copy_to(&self, _: &str, _: &Path) -> io::Result<bool> {
        self.simple_call()?;
        Ok(true)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.simple_call()?;
        let mut world = self.world.lock();
        world.durable_names = world.names.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut world = self.world.lock();
        if std::mem::replace(&mut world.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock(self.clone()))))
    }
}

impl StoredFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.content.lock().live.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content.lock();
        let offset = usize::try_from(offset).unwrap().min(content.live.len());
        let count = buffer.len().min(content.live.len() - offset);
        buffer[..count].copy_from_slice(&content.live[offset..offset + count]);
        drop(content);
        self.disk.world.lock().bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap();
        let fault = self.disk.call();
        let count = match fault {
            Ok(()) => bytes.len(),
            Err(Fault::Error(_)) => bytes.len() / 2,
            Err(_) => 0,
        };
        let mut world = self.disk.world.lock();
        let mut content = self.content.lock();
        let growth = (offset + count).saturating_sub(content.live.len());
        let taken = world.space.map_or(growth, |space| growth.min(space));
        if let Some(space) = &mut world.space {
            *space -= taken;
        }
        let count = count - (growth - taken);
        content.write(offset, &bytes[..count]);
        match fault {
            Err(fault) => Err(fault.error()),
            Ok(()) if count == 0 && !bytes.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            Ok(()) => Ok(count),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.simple_call()?;
        let mut content = self.content.lock();
        content.live.resize(usize::try_from(length).unwrap(), 0);
        let sectors = content.live.len().div_ceil(SECTOR_BYTES);
        content.dirty.retain(|sector| *sector < sectors);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.call();
        let mut content = self.content.lock();
        match fault {
            Ok(()) => {
                content.sync();
                drop(content);
                self.disk.world.lock().syncs += 1;
                Ok(())
            }
            Err(Fault::Freeze) => Err(Fault::Freeze.error()),
            Err(fault) => {
                // The pages count as written from now on, and are not.
                content.dirty.clear();
                Err(fault.error())
            }
        }
    }
}
