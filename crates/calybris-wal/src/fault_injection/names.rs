//! The names in a directory in memory: what programs see, and what a power cut leaves.
//!
//! Until a directory is synced each of its changed names survives by itself, as it was at any moment since: whatever
//! was created may be gone, whatever was removed may be back, in any order. A file that was given another name keeps one
//! of the two, or both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fault_injection::content::{Content, Dice};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(Arc<Mutex<Content>>),
    Directory(Arc<Mutex<Directory>>),
}

/// A directory's two images.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// What each name that was changed has stood for since, in order.
    unsynced: BTreeMap<String, Vec<Option<Node>>>,
    /// The names that were exchanged for others since.
    renamed: Vec<(String, String)>,
    /// Whether a writer has the log in it.
    pub(crate) locked: bool,
}

impl Directory {
    pub(crate) fn live(&self) -> &BTreeMap<String, Node> {
        &self.live
    }

    pub(crate) fn file(&self, name: &str) -> Option<&Arc<Mutex<Content>>> {
        match self.live.get(name)? {
            Node::File(content) => Some(content),
            Node::Directory(_) => None,
        }
    }

    pub(crate) fn directory(&self, name: &str) -> Option<&Arc<Mutex<Self>>> {
        match self.live.get(name)? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    /// What of a file would survive a power cut for certain.
    #[cfg(loom)]
    pub(crate) fn durable_file(&self, name: &str) -> Option<&Arc<Mutex<Content>>> {
        match self.durable.get(name)? {
            Node::File(content) => Some(content),
            Node::Directory(_) => None,
        }
    }

    /// Gives a name another meaning, or none.
    pub(crate) fn change(&mut self, name: &str, node: Option<Node>) {
        match node.clone() {
            Some(node) => drop(self.live.insert(name.to_owned(), node)),
            None => drop(self.live.remove(name)),
        }
        self.unsynced.entry(name.to_owned()).or_default().push(node);
    }

    /// Exchanges a file's name for another. `false` if there is no such file.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(file) = self.file(from).map(Arc::clone) else { return false };
        self.change(to, Some(Node::File(file)));
        self.change(from, None);
        self.renamed.push((from.to_owned(), to.to_owned()));
        true
    }

    pub(crate) fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.unsynced.clear();
        self.renamed.clear();
    }

    /// What a power cut leaves.
    pub(crate) fn after_crash(&self, aftermath: &mut Aftermath<'_>) -> Self {
        let mut survivors = BTreeMap::new();
        let changed: BTreeSet<&String> = self.durable.keys().chain(self.unsynced.keys()).collect();
        for name in changed {
            let since = self.unsynced.get(name).map(Vec::as_slice).unwrap_or_default();
            let survivor = match aftermath.dice.pick(since.len() + 1).checked_sub(1) {
                None => self.durable.get(name).cloned(),
                Some(moment) => since[moment].clone(),
            };
            survivors.extend(survivor.map(|node| (name, node)));
        }
        for (from, to) in &self.renamed {
            let neither = !survivors.contains_key(from) && !survivors.contains_key(to);
            let before = self.durable.get(from).filter(|_| neither).cloned();
            survivors.extend(before.map(|node| (from, node)));
        }
        let names: BTreeMap<String, Node> = survivors
            .into_iter()
            .map(|(name, node)| (name.clone(), aftermath.node(&node)))
            .collect();
        Self { live: names.clone(), durable: names, ..Self::default() }
    }
}

/// A power cut that is being worked out.
pub(crate) struct Aftermath<'a> {
    pub(crate) stale: &'a [u8],
    pub(crate) dice: &'a mut Dice,
    /// Files that survive under one name, and perhaps under another too.
    pub(crate) files: BTreeMap<usize, Arc<Mutex<Content>>>,
}

impl Aftermath<'_> {
    fn node(&mut self, node: &Node) -> Node {
        match node {
            Node::Directory(directory) => {
                let survivor = directory.lock().after_crash(self);
                Node::Directory(Arc::new(Mutex::new(survivor)))
            }
            Node::File(content) => {
                let file = Arc::as_ptr(content).addr();
                let survivor = self.files.entry(file).or_insert_with(|| {
                    Arc::new(Mutex::new(content.lock().after_crash(self.stale, self.dice)))
                });
                Node::File(Arc::clone(survivor))
            }
        }
    }
}
