//! The directory: from a name to its tenant.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Release};

use parking_lot::Mutex;

use crate::Tenant;
use crate::hashing::NameHash;

/// All tenants, by name and by the place at which they were opened. The name is stored once, in the
/// tenant itself.
///
/// No tenant is ever removed or moved, so a look-up takes no lock and writes nothing. It reads a
/// table of cells, each of which is written once: part of a hash beside a place. When three quarters
/// of a table are written, a table twice as large takes its content over; the old one stays for who
/// is still reading it, so all old ones together are as large as the newest.
///
/// A cell, and the number of the newest table, is stored with Release and read with Acquire: who
/// reads one finds what it leads to.
pub(crate) struct Directory {
    hash: NameHash,
    /// By place. Each block is twice as large as the one before.
    blocks: [OnceLock<Box<[OnceLock<Tenant>]>>; DOUBLINGS],
    tables: [OnceLock<Table>; DOUBLINGS],
    newest: AtomicUsize,
    /// How many tenants there are. Who opens one holds it.
    opening: Mutex<u32>,
}

/// Where a tenant stands among all, for as long as the directory is.
pub(crate) type Place = u32;

/// A power of two of cells: the upper half of a hash, then the place and one; 0 when empty.
type Table = Box<[AtomicU64]>;

/// The size of the first block and of the first table.
const FIRST: u32 = 16;

/// How often both can double: up to 2^32 places.
const DOUBLINGS: usize = 29;

impl Directory {
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<(Place, &Tenant)> {
        self.find_hash(self.hash.of(name), name)
    }

    #[inline]
    fn find_hash(&self, hash: u64, name: &str) -> Option<(Place, &Tenant)> {
        let table = self.tables.get(self.newest.load(Acquire))?.get()?;
        let mut index = first_cell(hash, table);
        loop {
            let cell = table.get(index)?.load(Acquire);
            let place = place_of(cell)?;
            if (cell ^ hash) >> 32 == 0
                && let Some(tenant) = self.at(place)
                && tenant.is_named(name)
            {
                return Some((place, tenant));
            }
            index = (index + 1) & (table.len() - 1);
        }
    }

    /// The tenant that stands there.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> Option<&Tenant> {
        let (block, index) = block_of(place);
        self.blocks.get(block)?.get()?.get(index)?.get()
    }

    /// The tenant of this name: the one that exists, or else the one that `open` makes.
    pub(crate) fn find_or_insert(&self, name: &str, open: impl FnOnce() -> Tenant) -> Tenant {
        let hash = self.hash.of(name);
        if let Some((_, found)) = self.find_hash(hash, name) {
            return found.clone();
        }
        let mut opened = self.opening.lock();
        if let Some((_, found)) = self.find_hash(hash, name) {
            return found.clone();
        }
        let tenant = open();
        self.insert(&mut opened, hash, tenant.clone());
        tenant
    }

    /// Alone: nobody else writes to a block or a table meanwhile.
    fn insert(&self, opened: &mut u32, hash: u64, tenant: Tenant) {
        let place = *opened;
        let (block, index) = block_of(place);
        let Some(block) = self.blocks.get(block) else { return };
        // INVARIANT (place): the tenant stands at its place before any cell says so.
        let empty = || std::iter::repeat_with(OnceLock::new).take(block_len(place)).collect();
        if let Some(slot) = block.get_or_init(empty).get(index) {
            slot.get_or_init(|| tenant);
        }
        let newest = self.newest.load(Acquire);
        let table = self.tables.get(newest).and_then(OnceLock::get);
        match table {
            Some(table) if place_index(place) < table.len() / 4 * 3 => write(table, hash, place),
            _ => {
                let newest = if table.is_some() { newest + 1 } else { newest };
                let empty = || std::iter::repeat_with(AtomicU64::default);
                let larger: Table = empty().take(place_index(FIRST) << newest).collect();
                for place in 0..place {
                    if let Some(tenant) = self.at(place) {
                        write(&larger, self.hash.of(tenant.name()), place);
                    }
                }
                write(&larger, hash, place);
                if let Some(table) = self.tables.get(newest) {
                    table.get_or_init(|| larger);
                }
                self.newest.store(newest, Release);
            }
        }
        *opened = place + 1;
    }

    /// Every tenant, sorted by name.
    pub(crate) fn sorted(&self) -> Vec<Tenant> {
        let slots = self.blocks.iter().filter_map(OnceLock::get).flatten();
        let mut tenants: Vec<_> = slots.filter_map(OnceLock::get).cloned().collect();
        tenants.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        tenants
    }
}

/// Writes a place into the first empty cell from where its hash says.
fn write(table: &Table, hash: u64, place: Place) {
    let mut index = first_cell(hash, table);
    while let Some(cell) = table.get(index) {
        if place_of(cell.load(Acquire)).is_none() {
            // The lower half is the place and one, which never overflows: there are fewer places.
            cell.store((hash >> 32 << 32) | (u64::from(place) + 1), Release);
            return;
        }
        index = (index + 1) & (table.len() - 1);
    }
}

#[inline]
fn place_of(cell: u64) -> Option<Place> {
    u32::try_from(cell & u64::from(u32::MAX)).ok()?.checked_sub(1)
}

#[inline]
fn first_cell(hash: u64, table: &Table) -> usize {
    let low = u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
    place_index(low) & (table.len() - 1)
}

/// Which block a place is in, and where in it.
#[inline]
fn block_of(place: Place) -> (usize, usize) {
    let number = u64::from(place) + u64::from(FIRST);
    let block = number.ilog2() - FIRST.ilog2();
    let index = number - (u64::from(FIRST) << block);
    (place_index(block), usize::try_from(index).unwrap_or(usize::MAX))
}

/// How large the block of a place is.
fn block_len(place: Place) -> usize {
    place_index(FIRST) << block_of(place).0
}

#[inline]
fn place_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            hash: NameHash::new(),
            blocks: std::array::from_fn(|_| OnceLock::new()),
            tables: std::array::from_fn(|_| OnceLock::new()),
            newest: AtomicUsize::new(0),
            opening: Mutex::new(0),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::account::Balance;
    use std::sync::Weak;

    fn tenant(name: &str) -> Tenant {
        Tenant::new(name, calybris_units::Microunits::ZERO, Balance::of_grant(0), None, Weak::new())
    }

    #[test]
    fn names_with_the_same_hash_are_both_found() {
        for hash in [7, 15, u64::MAX] {
            let directory = Directory::default();
            for name in ["a", "b", "c"] {
                directory.insert(&mut directory.opening.lock(), hash, tenant(name));
            }
            for name in ["a", "b", "c"] {
                let (place, found) = directory.find_hash(hash, name).unwrap();
                assert_eq!(found.name(), name);
                assert!(directory.at(place).unwrap().is(found));
            }
            assert!(directory.find_hash(hash, "d").is_none());
        }
    }

    #[test]
    fn every_name_keeps_its_place_while_the_directory_grows() {
        let directory = Directory::default();
        let names: Vec<String> = (0..5_000).map(|index| format!("tenant-{index}")).collect();
        let mut places = Vec::new();
        for (index, name) in names.iter().enumerate() {
            assert!(directory.find(name).is_none());
            let opened = directory.find_or_insert(name, || tenant(name));
            let again = directory.find_or_insert(name, || tenant("another"));
            assert!(opened.is(&again));
            places.push(directory.find(name).unwrap().0);
            if index % 500 == 0 {
                for (name, place) in names.iter().zip(&places) {
                    assert_eq!(directory.find(name).unwrap().0, *place);
                    assert_eq!(directory.at(*place).unwrap().name(), name);
                }
            }
        }
        assert_eq!(directory.sorted().len(), names.len());
    }

    #[test]
    fn threads_that_open_the_same_names_get_the_same_tenants() {
        let directory = Directory::default();
        let open = || -> Vec<Tenant> {
            let names = (0..2_000).map(|index| format!("tenant-{index}"));
            names.map(|name| directory.find_or_insert(&name, || tenant(&name))).collect()
        };
        std::thread::scope(|scope| {
            let [first, second] = [scope.spawn(open), scope.spawn(open)];
            let (first, second) = (first.join().unwrap(), second.join().unwrap());
            assert!(first.iter().zip(&second).all(|(one, other)| one.is(other)));
        });
        assert_eq!(directory.sorted().len(), 2_000);
    }
}
