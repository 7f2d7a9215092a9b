//! One disk: files and folders as programs see them, and what a power cut may leave of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;

use crate::bytes::{FileBytes, Mood, Sector};
use crate::names::{Folders, Metadata, NameChange, Names, Node};

/// The folder that everything else on the disk is in.
pub const ROOT: Node = 1;

/// The name of the folder that holds the log.
pub const LOG: &str = "log";

/// The name of the folder that holds the log's archive.
pub const ARCHIVE: &str = "archive";

/// A kind of sync that a disk only pretends to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omission {
    /// The bytes of the log's files.
    LogBytes,
    /// The names in the log's folder.
    LogNames,
    /// The names in the folders above the log and the archive.
    Ancestors,
    /// The bytes of the archive's files.
    ArchiveBytes,
    /// The names in the archive's folder.
    ArchiveNames,
}

impl std::fmt::Display for Omission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LogBytes => "the log's bytes",
            Self::LogNames => "the log's names",
            Self::Ancestors => "the folders above",
            Self::ArchiveBytes => "the archive's bytes",
            Self::ArchiveNames => "the archive's names",
        })
    }
}

/// Why a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NoPower,
    NotFound,
    Exists,
    NotAFolder,
    IsAFolder,
}

/// The part of the disk that a file or folder belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Above,
    Log,
    Archive,
}

#[derive(Debug, Clone)]
enum Body {
    File(FileBytes),
    Folder,
}

/// Called when the power goes.
pub type OnCut = Arc<dyn Fn() + Send + Sync>;

/// A disk with power, or without.
#[derive(Clone)]
pub struct Disk {
    omission: Option<Omission>,
    nodes: BTreeMap<Node, (Part, Body)>,
    next_node: Node,
    names: Names,
    /// Sectors of removed files.
    freed: Vec<Sector>,
    /// How many calls have changed or synced something since the power came.
    calls: u64,
    cut: Option<(u64, OnCut)>,
    has_power: bool,
}

impl Disk {
    /// An empty disk.
    pub fn new(metadata: Metadata, omission: Option<Omission>) -> Self {
        Self::with_names(Names::new(metadata, Folders::new()), omission)
    }

    fn with_names(names: Names, omission: Option<Omission>) -> Self {
        let nodes = BTreeMap::from([(ROOT, (Part::Above, Body::Folder))]);
        Self {
            omission,
            nodes,
            next_node: ROOT + 1,
            names,
            freed: Vec::new(),
            calls: 0,
            cut: None,
            has_power: true,
        }
    }

    /// Cuts the power at the call with this number, from 1, of those that change or sync something. What that call
    /// changes may be on disk or not; what it syncs is not synced by it.
    pub fn cut_at(&mut self, call: u64, on_cut: OnCut) {
        self.cut = Some((call, on_cut));
    }

    /// Lets calls succeed again, as if only the process had died: what was pending still is.
    pub fn go_on(&mut self) {
        (self.has_power, self.calls, self.cut) = (true, 0, None);
    }

    /// How many calls have changed or synced something since the power came.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    pub fn has_power(&self) -> bool {
        self.has_power
    }

    pub fn lookup(&self, folder: Node, name: &str) -> Result<Node, Refusal> {
        self.check_folder(folder)?;
        self.names.find(folder, name).ok_or(Refusal::NotFound)
    }

    /// The length of a file; `None` for a folder.
    pub fn length(&self, node: Node) -> Result<Option<u64>, Refusal> {
        self.check_power()?;
        match self.nodes.get(&node) {
            Some((_, Body::File(bytes))) => Ok(Some(bytes.length())),
            Some((_, Body::Folder)) => Ok(None),
            None => Err(Refusal::NotFound),
        }
    }

    pub fn list(&self, folder: Node) -> Result<Vec<(String, Node)>, Refusal> {
        self.check_folder(folder)?;
        Ok(self.names.of(folder).map(|(name, node)| (name.clone(), *node)).collect())
    }

    pub fn read(&self, file: Node, offset: u64, count: usize) -> Result<Vec<u8>, Refusal> {
        self.check_power()?;
        match self.nodes.get(&file) {
            Some((_, Body::File(bytes))) => Ok(bytes.read(offset, count)),
            Some((_, Body::Folder)) => Err(Refusal::IsAFolder),
            None => Err(Refusal::NotFound),
        }
    }

    pub fn write(&mut self, file: Node, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        self.change(|disk| disk.file(file).map(|file| file.write(offset, bytes)))
    }

    pub fn set_length(&mut self, file: Node, length: u64) -> Result<(), Refusal> {
        self.change(|disk| disk.file(file).map(|file| file.set_length(length)))
    }

    pub fn create_file(&mut self, folder: Node, name: &str) -> Result<Node, Refusal> {
        self.change(|disk| disk.create(folder, name, Body::File(FileBytes::default())))
    }

    pub fn create_folder(&mut self, folder: Node, name: &str) -> Result<Node, Refusal> {
        self.change(|disk| disk.create(folder, name, Body::Folder))
    }

    pub fn remove_file(&mut self, folder: Node, name: &str) -> Result<(), Refusal> {
        self.change(|disk| {
            let node = disk.lookup(folder, name)?;
            disk.file(node)?;
            disk.names.change(NameChange { removed: Some((folder, name.to_owned())), added: None });
            Ok(())
        })
    }

    /// Gives a file or folder another name, in the place of what had that name.
    pub fn rename(
        &mut self,
        (folder, name): (Node, &str),
        (new_folder, new_name): (Node, &str),
    ) -> Result<(), Refusal> {
        self.change(|disk| {
            let node = disk.lookup(folder, name)?;
            disk.check_folder(new_folder)?;
            let removed = Some((folder, name.to_owned()));
            let added = Some((new_folder, new_name.to_owned(), node));
            disk.names.change(NameChange { removed, added });
            Ok(())
        })
    }

    /// Makes the bytes and the length of a file durable, and with [`Metadata::Ordered`] every name.
    pub fn sync_file(&mut self, file: Node) -> Result<(), Refusal> {
        let omissible = match self.part(file) {
            Part::Log => Some(Omission::LogBytes),
            Part::Archive => Some(Omission::ArchiveBytes),
            Part::Above => None,
        };
        self.sync(omissible, |disk| {
            disk.file(file)?.sync();
            if disk.names.metadata() == Metadata::Ordered {
                disk.names.sync_all();
            }
            Ok(())
        })
    }

    /// Makes the names in a folder durable, and with [`Metadata::Ordered`] all others too.
    pub fn sync_folder(&mut self, folder: Node) -> Result<(), Refusal> {
        let omissible = match self.part(folder) {
            Part::Log => Omission::LogNames,
            Part::Archive => Omission::ArchiveNames,
            Part::Above => Omission::Ancestors,
        };
        self.sync(Some(omissible), |disk| {
            disk.check_folder(folder)?;
            disk.names.sync_folder(folder);
            Ok(())
        })
    }

    /// One of the disks that a power cut at this moment may leave, chosen by `random`.
    pub fn after_cut(&self, random: &mut Rng) -> Self {
        let kept_percent = *random.choice(&[0, 10, 50, 90, 100]).unwrap_or(&50);
        let mut mood = Mood { kept_percent, stale: Vec::new() };
        // In half of all cuts new places hold what was there before they were given to the file: bytes of files that had
        // been removed by then, and a sector of something else.
        if random.bool() {
            let seen = self.reached_by(self.names.seen());
            mood.stale.clone_from(&self.freed);
            mood.stale.extend(self.sectors_but_of(&seen));
            mood.stale.push(Arc::new(std::array::from_fn(|_| random.u8(..))));
        }
        let folders = self.names.after_cut(&mood, random);
        let kept = self.reached_by(&folders);
        let mut left = Self::with_names(Names::new(self.names.metadata(), folders), self.omission);
        left.next_node = self.next_node;
        left.freed.clone_from(&self.freed);
        left.freed.extend(self.sectors_but_of(&kept));
        for (node, (part, body)) in &self.nodes {
            if kept.contains(node) {
                let body = match body {
                    Body::File(bytes) => Body::File(bytes.after_cut(&mood, random)),
                    Body::Folder => Body::Folder,
                };
                left.nodes.insert(*node, (*part, body));
            }
        }
        left
    }

    /// Copies everything that programs see on the disk into a folder of the operating system.
    pub fn copy_to(&self, to: &Path) -> io::Result<()> {
        self.copy_folder_to(ROOT, to)
    }

    fn copy_folder_to(&self, folder: Node, to: &Path) -> io::Result<()> {
        std::fs::create_dir_all(to)?;
        for (name, node) in self.names.of(folder) {
            let to = to.join(name);
            match self.nodes.get(node) {
                Some((_, Body::File(bytes))) => {
                    std::fs::write(to, bytes.read(0, bytes.length() as usize))?;
                }
                Some((_, Body::Folder)) => self.copy_folder_to(*node, &to)?,
                None => {}
            }
        }
        Ok(())
    }

    /// All files and folders under these names.
    fn reached_by(&self, folders: &Folders) -> BTreeSet<Node> {
        let mut reached = BTreeSet::new();
        let mut unvisited = vec![ROOT];
        while let Some(node) = unvisited.pop() {
            reached.insert(node);
            unvisited.extend(folders.get(&node).into_iter().flat_map(BTreeMap::values));
        }
        reached
    }

    /// The sectors of all files but these.
    fn sectors_but_of(&self, nodes: &BTreeSet<Node>) -> impl Iterator<Item = Sector> {
        let others = self.nodes.iter().filter(|(node, _)| !nodes.contains(node));
        others.flat_map(|(_, (_, body))| match body {
            Body::File(bytes) => bytes.written().cloned().collect(),
            Body::Folder => Vec::new(),
        })
    }

    fn check_power(&self) -> Result<(), Refusal> {
        if self.has_power { Ok(()) } else { Err(Refusal::NoPower) }
    }

    fn check_folder(&self, folder: Node) -> Result<(), Refusal> {
        if self.length(folder)?.is_none() { Ok(()) } else { Err(Refusal::NotAFolder) }
    }

    fn part(&self, node: Node) -> Part {
        self.nodes.get(&node).map_or(Part::Above, |(part, _)| *part)
    }

    fn file(&mut self, file: Node) -> Result<&mut FileBytes, Refusal> {
        match self.nodes.get_mut(&file) {
            Some((_, Body::File(bytes))) => Ok(bytes),
            Some((_, Body::Folder)) => Err(Refusal::IsAFolder),
            None => Err(Refusal::NotFound),
        }
    }

    fn create(&mut self, folder: Node, name: &str, body: Body) -> Result<Node, Refusal> {
        self.check_folder(folder)?;
        if self.names.find(folder, name).is_some() {
            return Err(Refusal::Exists);
        }
        let part = match name {
            LOG => Part::Log,
            ARCHIVE => Part::Archive,
            _ => self.part(folder),
        };
        let node = self.next_node;
        self.next_node += 1;
        self.nodes.insert(node, (part, body));
        let added = Some((folder, name.to_owned(), node));
        self.names.change(NameChange { removed: None, added });
        Ok(node)
    }

    /// Counts a call, and says whether it is the one at which the power goes.
    fn count(&mut self) -> Result<bool, Refusal> {
        self.check_power()?;
        self.calls += 1;
        Ok(self.cut.as_ref().is_some_and(|(call, _)| *call == self.calls))
    }

    fn lose_power<T>(&mut self) -> Result<T, Refusal> {
        self.has_power = false;
        if let Some((_, on_cut)) = self.cut.take() {
            on_cut();
        }
        Err(Refusal::NoPower)
    }

    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let cut = self.count()?;
        let outcome = change(self);
        if cut { self.lose_power() } else { outcome }
    }

    fn sync(
        &mut self,
        omissible: Option<Omission>,
        sync: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if self.count()? {
            return self.lose_power();
        }
        if omissible.is_some() && omissible == self.omission { Ok(()) } else { sync(self) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A disk with a log whose one file was written, and whatever of it was synced.
    fn with_file(metadata: Metadata, omission: Option<Omission>, synced: &[&str]) -> Disk {
        let mut disk = Disk::new(metadata, omission);
        let log = disk.create_folder(ROOT, LOG).unwrap();
        let file = disk.create_file(log, "segment").unwrap();
        disk.write(file, 0, b"record").unwrap();
        for what in synced {
            match *what {
                "file" => disk.sync_file(file).unwrap(),
                "log" => disk.sync_folder(log).unwrap(),
                _ => disk.sync_folder(ROOT).unwrap(),
            }
        }
        disk
    }

    /// How many of 100 cuts leave the file as it was written.
    fn kept(disk: &Disk) -> usize {
        let whole = |seed| {
            let left = disk.after_cut(&mut Rng::with_seed(seed));
            let log = left.lookup(ROOT, LOG)?;
            left.read(left.lookup(log, "segment")?, 0, 100)
        };
        (0..100).filter(|seed| whole(*seed) == Ok(b"record".to_vec())).count()
    }

    #[test]
    fn a_file_is_durable_with_its_bytes_its_name_and_the_folders_above() {
        let all = ["file", "log", "root"];
        assert_eq!(kept(&with_file(Metadata::Unordered, None, &all)), 100);
        for left_out in all {
            let synced: Vec<&str> = all.into_iter().filter(|what| *what != left_out).collect();
            let kept = kept(&with_file(Metadata::Unordered, None, &synced));
            assert!((1..100).contains(&kept), "without `{left_out}`: {kept}");
        }
    }

    #[test]
    fn with_ordered_metadata_the_sync_of_a_file_is_enough() {
        assert_eq!(kept(&with_file(Metadata::Ordered, None, &["file"])), 100);
        assert!(kept(&with_file(Metadata::Ordered, None, &["log", "root"])) < 100);
    }

    #[test]
    fn a_sync_that_is_left_out_succeeds_and_syncs_nothing() {
        for omission in [Omission::LogBytes, Omission::LogNames, Omission::Ancestors] {
            let all = ["file", "log", "root"];
            assert!(kept(&with_file(Metadata::Unordered, Some(omission), &all)) < 100);
        }
    }

    #[test]
    fn every_call_from_the_cut_on_fails_and_what_was_before_can_be_kept() {
        let cuts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&cuts);
        let mut disk = Disk::new(Metadata::Ordered, None);
        disk.cut_at(
            3,
            Arc::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }),
        );
        let file = disk.create_file(ROOT, "file").unwrap();
        disk.write(file, 0, b"before").unwrap();
        assert_eq!(disk.sync_file(file), Err(Refusal::NoPower));
        assert_eq!(disk.write(file, 0, b"behind").err(), Some(Refusal::NoPower));
        assert_eq!(disk.lookup(ROOT, "file"), Err(Refusal::NoPower));
        assert_eq!((cuts.load(Ordering::Relaxed), disk.calls()), (1, 3));
        let read = |seed| {
            let left = disk.after_cut(&mut Rng::with_seed(seed));
            left.read(left.lookup(ROOT, "file")?, 0, 100)
        };
        let outcomes: Vec<_> = (0..100).map(read).collect();
        assert!(outcomes.contains(&Ok(b"before".to_vec())));
        assert!(outcomes.contains(&Err(Refusal::NotFound)));
    }
}
