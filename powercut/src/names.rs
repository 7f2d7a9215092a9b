//! The names on a disk, apart from the bytes: as programs see them, and those that a power cut may leave instead.
//!
//! A change of names (a file created, removed or renamed, a folder created) is pending until it is synced, and a power
//! cut decides which of the pending ones are on disk: see [`Metadata`].

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;

use crate::bytes::Mood;

/// The number of a file or folder on its disk.
pub type Node = u32;

/// How changes of names reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// In the order in which they were made, as through a journal. Syncing anything syncs all that were made before.
    Ordered,
    /// Independently of each other, until their folder is synced.
    Unordered,
}

impl std::fmt::Display for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ordered => "ordered",
            Self::Unordered => "unordered",
        })
    }
}

/// A change of names: one taken away, one given, or both at once.
#[derive(Debug, Clone)]
pub struct NameChange {
    pub removed: Option<(Node, String)>,
    pub added: Option<(Node, String, Node)>,
}

impl NameChange {
    fn touches(&self, folder: Node) -> bool {
        self.removed.as_ref().is_some_and(|removed| removed.0 == folder)
            || self.added.as_ref().is_some_and(|added| added.0 == folder)
    }

    fn apply_to(&self, folders: &mut Folders) {
        if let Some((folder, name)) = &self.removed {
            folders.entry(*folder).or_default().remove(name);
        }
        if let Some((folder, name, node)) = &self.added {
            folders.entry(*folder).or_default().insert(name.clone(), *node);
        }
    }
}

/// The entries of each folder; an empty folder may be left out.
pub type Folders = HashMap<Node, BTreeMap<String, Node>>;

/// The names on a disk.
#[derive(Debug, Clone)]
pub struct Names {
    metadata: Metadata,
    seen: Folders,
    durable: Folders,
    /// The changes that no sync has made durable, in the order in which they were made.
    pending: Vec<NameChange>,
}

impl Names {
    /// All of `folders`, which is on disk.
    pub fn new(metadata: Metadata, folders: Folders) -> Self {
        Self { metadata, seen: folders.clone(), durable: folders, pending: Vec::new() }
    }

    pub fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// The names that programs see.
    pub fn seen(&self) -> &Folders {
        &self.seen
    }

    /// The names that programs see in a folder.
    pub fn of(&self, folder: Node) -> impl Iterator<Item = (&String, &Node)> {
        self.seen.get(&folder).into_iter().flatten()
    }

    /// The node that programs see under a name.
    pub fn find(&self, folder: Node, name: &str) -> Option<Node> {
        self.seen.get(&folder)?.get(name).copied()
    }

    /// Changes names for programs to see; the disk does not have it yet.
    pub fn change(&mut self, change: NameChange) {
        change.apply_to(&mut self.seen);
        self.pending.push(change);
    }

    /// Makes every name durable.
    pub fn sync_all(&mut self) {
        self.durable.clone_from(&self.seen);
        self.pending.clear();
    }

    /// Makes the names in a folder durable, and with [`Metadata::Ordered`] all others too.
    pub fn sync_folder(&mut self, folder: Node) {
        if self.metadata == Metadata::Ordered {
            return self.sync_all();
        }
        for change in self.pending.extract_if(.., |change| change.touches(folder)) {
            change.apply_to(&mut self.durable);
        }
    }

    /// The names after a power cut.
    pub fn after_cut(&self, mood: &Mood, random: &mut Rng) -> Folders {
        let mut left = self.durable.clone();
        for change in &self.pending {
            if mood.keeps(random) {
                change.apply_to(&mut left);
            } else if self.metadata == Metadata::Ordered {
                break;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FOLDER: Node = 1;
    const OTHER: Node = 2;

    fn created(folder: Node, name: &str) -> NameChange {
        NameChange { removed: None, added: Some((folder, name.to_owned(), 9)) }
    }

    /// Every set of names that cuts leave, with those of the two folders in one.
    fn outcomes(names: &Names) -> BTreeSet<String> {
        let mood = Mood { kept_percent: 50, stale: Vec::new() };
        let left = (0..200).map(|seed| {
            let left = names.after_cut(&mood, &mut Rng::with_seed(seed));
            left.values().flat_map(BTreeMap::keys).cloned().collect::<BTreeSet<_>>()
        });
        left.map(|names| names.into_iter().collect::<String>()).collect()
    }

    fn three_created(metadata: Metadata) -> Names {
        let mut names = Names::new(metadata, Folders::new());
        names.change(created(FOLDER, "a"));
        names.change(created(OTHER, "b"));
        names.change(created(FOLDER, "c"));
        names
    }

    #[test]
    fn ordered_names_are_lost_from_the_last_one_back() {
        let names = three_created(Metadata::Ordered);
        assert_eq!(outcomes(&names), ["", "a", "ab", "abc"].map(String::from).into());
    }

    #[test]
    fn unordered_names_are_lost_each_for_itself() {
        let names = three_created(Metadata::Unordered);
        assert_eq!(outcomes(&names).len(), 8);
    }

    #[test]
    fn syncing_a_folder_makes_its_own_names_durable_and_ordered_ones_all() {
        for (metadata, left) in
            [(Metadata::Ordered, vec!["abc"]), (Metadata::Unordered, vec!["abc", "ac"])]
        {
            let mut names = three_created(metadata);
            names.sync_folder(FOLDER);
            assert_eq!(outcomes(&names), left.into_iter().map(String::from).collect());
        }
    }

    #[test]
    fn a_rename_is_one_change() {
        for metadata in [Metadata::Ordered, Metadata::Unordered] {
            let mut names = Names::new(metadata, Folders::new());
            names.change(created(FOLDER, "a"));
            names.sync_folder(FOLDER);
            let removed = Some((FOLDER, "a".to_owned()));
            names.change(NameChange { removed, added: Some((FOLDER, "b".to_owned(), 9)) });
            assert_eq!(outcomes(&names), ["a", "b"].map(String::from).into());
        }
    }
}
