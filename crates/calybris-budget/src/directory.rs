//! The directory: from a name to its tenant.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Release};

use calybris_units::{BrokenInvariant, invariant};
use parking_lot::Mutex;

use crate::Tenant;
use crate::hashing::NameHash;

/// All tenants, by name and by the place at which they were opened. The name is stored once, in the
/// tenant itself.
///
/// No tenant is ever removed or moved, so a look-up takes no lock and writes nothing. It reads a
/// table of cells, each of which is written once: part of a hash beside a place. When three quarters
/// of a table are written, a table twice as large takes its content over; the old one stays for threads
/// that still read it, so all old ones together are as large as the newest.
///
/// A cell, and the number of the newest table, is stored with Release and read with Acquire: a
/// reader finds what it leads to.
pub(crate) struct Directory {
    hash: NameHash,
    /// By place. Each block is twice as large as the one before.
    blocks: [OnceLock<Box<[OnceLock<Tenant>]>>; DOUBLINGS],
    tables: [OnceLock<Table>; DOUBLINGS],
    newest: AtomicUsize,
    /// How many tenants there are. It is locked while one is opened.
    opening: Mutex<u32>,
}

/// Where a tenant stands among all, for as long as the directory is.
pub(crate) type Place = u32;

/// A power of two of cells: the upper half of a hash, then the place and one; 0 when empty.
type Table = Box<[AtomicU64]>;

/// The size of the first block and of the first table.
const FIRST: u32 = 16;

/// How often both can double: a quarter of the largest table is empty when all places are taken.
const DOUBLINGS: usize = 30;

impl Directory {
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Result<Option<(Place, &Tenant)>, BrokenInvariant> {
        self.find_hash(self.hash.of(name), name)
    }

    #[inline]
    fn find_hash(
        &self,
        hash: u64,
        name: &str,
    ) -> Result<Option<(Place, &Tenant)>, BrokenInvariant> {
        let Some(table) = self.newest_table() else { return Ok(None) };
        let mut index = first_cell(hash, table);
        loop {
            let cell = cell(table, index)?.load(Acquire);
            let Some(place) = place_of(cell) else { return Ok(None) };
            if (cell ^ hash) >> 32 == 0 {
                let tenant = self.at(place)?;
                if tenant.is_named(name) {
                    return Ok(Some((place, tenant)));
                }
            }
            index = (index + 1) & (table.len() - 1);
        }
    }

    /// The table that is searched; `None` before the first tenant.
    #[inline]
    fn newest_table(&self) -> Option<&Table> {
        self.tables.get(self.newest.load(Acquire))?.get()
    }

    /// The tenant at a place that a cell or a reservation names.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> Result<&Tenant, BrokenInvariant> {
        let (block, index) = block_of(place);
        let tenant = self.blocks.get(block).and_then(|block| block.get()?.get(index)?.get());
        invariant!(tenant, "every place that is named has its tenant")
    }

    /// The tenant of this name: the one that exists, or else the one that `open` makes.
    pub(crate) fn find_or_insert(
        &self,
        name: &str,
        open: impl FnOnce() -> Tenant,
    ) -> Result<Tenant, BrokenInvariant> {
        let hash = self.hash.of(name);
        if let Some((_, found)) = self.find_hash(hash, name)? {
            return Ok(found.clone());
        }
        let mut opened = self.opening.lock();
        if let Some((_, found)) = self.find_hash(hash, name)? {
            return Ok(found.clone());
        }
        let tenant = open();
        self.insert(&mut opened, hash, tenant.clone())?;
        Ok(tenant)
    }

    /// Under the lock: no other thread writes to a block or a table meanwhile. After a broken invariant nothing is
    /// inserted any more: the place is written, and every later insertion finds that it is.
    fn insert(&self, opened: &mut u32, hash: u64, tenant: Tenant) -> Result<(), BrokenInvariant> {
        let place = *opened;
        let next = place.checked_add(1).filter(|next| *next <= u32::MAX - FIRST);
        let next = invariant!(next, "an engine has fewer tenants than 2^32 - 16")?;
        let (block, index) = block_of(place);
        let block = invariant!(self.blocks.get(block), "every place has a block")?;
        let empty = || std::iter::repeat_with(OnceLock::new).take(block_len(place)).collect();
        let slot = block.get_or_init(empty).get(index);
        // INVARIANT (place): the tenant stands at its place before any cell says so.
        let set = invariant!(slot, "a block has all of its places")?.set(tenant);
        invariant!(set.ok(), "a place is written once")?;
        match self.newest_table() {
            Some(table) if place_index(place) < table.len() / 4 * 3 => write(table, hash, place)?,
            table => {
                let newest = self.newest.load(Acquire) + usize::from(table.is_some());
                let empty = || std::iter::repeat_with(AtomicU64::default);
                let larger: Table = empty().take(place_index(FIRST) << newest).collect();
                for place in 0..place {
                    write(&larger, self.hash.of(self.at(place)?.name()), place)?;
                }
                write(&larger, hash, place)?;
                let table = invariant!(self.tables.get(newest), "there is a table for all places")?;
                invariant!(table.set(larger).ok(), "a table is made once")?;
                self.newest.store(newest, Release);
            }
        }
        *opened = next;
        Ok(())
    }

    /// Every tenant, sorted by name.
    pub(crate) fn sorted(&self) -> Vec<Tenant> {
        let slots = self.blocks.iter().filter_map(OnceLock::get).flatten();
        let mut tenants: Vec<_> = slots.filter_map(OnceLock::get).cloned().collect();
        tenants.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        tenants
    }
}

/// Writes a place into the first empty cell from where its hash says. A quarter of all cells are empty.
fn write(table: &Table, hash: u64, place: Place) -> Result<(), BrokenInvariant> {
    let mut index = first_cell(hash, table);
    loop {
        let cell = cell(table, index)?;
        if place_of(cell.load(Acquire)).is_none() {
            // The lower half is the place and one, which never overflows: there are fewer places.
            cell.store((hash >> 32 << 32) | (u64::from(place) + 1), Release);
            return Ok(());
        }
        index = (index + 1) & (table.len() - 1);
    }
}

#[inline]
fn cell(table: &Table, index: usize) -> Result<&AtomicU64, BrokenInvariant> {
    invariant!(table.get(index), "an index is below the size of its table")
}

/// The place in a cell; `None` if the cell is empty.
#[inline]
fn place_of(cell: u64) -> Option<Place> {
    lower_half(cell).checked_sub(1)
}

#[inline]
fn first_cell(hash: u64, table: &Table) -> usize {
    place_index(lower_half(hash)) & (table.len() - 1)
}

#[inline]
fn lower_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Which block a place is in, and where in it. The last sixteen places of a `u32` are in none.
#[inline]
fn block_of(place: Place) -> (usize, usize) {
    let number = u64::from(place) + u64::from(FIRST);
    let block = number.ilog2() - FIRST.ilog2();
    (place_index(block), place_index(lower_half(number - (u64::from(FIRST) << block))))
}

/// How large the block of a place is.
fn block_len(place: Place) -> usize {
    place_index(FIRST) << block_of(place).0
}

#[inline]
const fn place_index(number: u32) -> usize {
    const { assert!(usize::BITS >= u32::BITS, "a place is an index") };
    number as usize
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
    use crate::shared::Shared;
    use std::sync::Weak;

    fn tenant(name: &str) -> Tenant {
        Tenant::new(
            name,
            calybris_units::Microunits::ZERO,
            Balance::of_grant(0),
            None,
            Weak::<Shared>::new(),
        )
    }

    #[test]
    fn names_with_the_same_hash_are_both_found() {
        for hash in [7, 15, u64::MAX] {
            let directory = Directory::default();
            for name in ["a", "b", "c"] {
                directory.insert(&mut directory.opening.lock(), hash, tenant(name)).unwrap();
            }
            for name in ["a", "b", "c"] {
                let (place, found) = directory.find_hash(hash, name).unwrap().unwrap();
                assert_eq!(found.name(), name);
                assert!(directory.at(place).unwrap().is(found));
            }
            assert!(directory.find_hash(hash, "d").unwrap().is_none());
        }
    }

    #[test]
    fn every_name_keeps_its_place_while_the_directory_grows() {
        let directory = Directory::default();
        let names: Vec<String> = (0..5_000).map(|index| format!("tenant-{index}")).collect();
        let mut places = Vec::new();
        for (index, name) in names.iter().enumerate() {
            assert!(directory.find(name).unwrap().is_none());
            let opened = directory.find_or_insert(name, || tenant(name)).unwrap();
            let again = directory.find_or_insert(name, || tenant("another")).unwrap();
            assert!(opened.is(&again));
            places.push(directory.find(name).unwrap().unwrap().0);
            if index % 500 == 0 {
                for (name, place) in names.iter().zip(&places) {
                    assert_eq!(directory.find(name).unwrap().unwrap().0, *place);
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
            names.map(|name| directory.find_or_insert(&name, || tenant(&name)).unwrap()).collect()
        };
        std::thread::scope(|scope| {
            let [first, second] = [scope.spawn(open), scope.spawn(open)];
            let (first, second) = (first.join().unwrap(), second.join().unwrap());
            assert!(first.iter().zip(&second).all(|(one, other)| one.is(other)));
        });
        assert_eq!(directory.sorted().len(), 2_000);
    }
}
