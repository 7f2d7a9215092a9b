//! The directory: from a name to its tenant.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};

use parking_lot::RwLock;

use crate::Tenant;
use crate::hashing::NumberHasher;

/// All tenants by name. The name is stored once, in the tenant itself.
///
/// A name is hashed once, with a secret key, as names may come from strangers. The hash chooses the
/// shard, whose lock a look-up shares, and is the key within it; should two names have the same, the
/// second takes the next number that is free. No tenant is ever removed, so a search that follows
/// the numbers finds it.
pub(crate) struct Directory {
    secret: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

type Shard = HashMap<u64, Tenant, BuildHasherDefault<NumberHasher>>;

/// How many locks share the names. Threads that look up different tenants seldom meet on one.
const SHARDS: usize = 16;

impl Directory {
    pub(crate) fn find(&self, name: &str) -> Option<Tenant> {
        let hash = self.secret.hash_one(name);
        find_in(&self.shard(hash).read(), hash, name).ok().cloned()
    }

    /// The tenant of this name: the one that exists, or else the one that `open` makes.
    pub(crate) fn find_or_insert(&self, name: &str, open: impl FnOnce() -> Tenant) -> Tenant {
        let hash = self.secret.hash_one(name);
        let shard = self.shard(hash);
        if let Ok(found) = find_in(&shard.read(), hash, name) {
            return found.clone();
        }
        let mut shard = shard.write();
        match find_in(&shard, hash, name) {
            Ok(found) => found.clone(),
            Err(free) => shard.entry(free).or_insert(open()).clone(),
        }
    }

    /// Every tenant, sorted by name.
    pub(crate) fn sorted(&self) -> Vec<Tenant> {
        let mut tenants = Vec::new();
        for shard in &self.shards {
            tenants.extend(shard.read().values().cloned());
        }
        tenants.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        tenants
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        let [first, ..] = &self.shards;
        // The top four bits are an index below 16; the table within uses the other bits.
        usize::try_from(hash >> 60).ok().and_then(|index| self.shards.get(index)).unwrap_or(first)
    }
}

/// The tenant of this name, or the number under which it would be stored.
fn find_in<'a>(shard: &'a Shard, hash: u64, name: &str) -> Result<&'a Tenant, u64> {
    let mut number = hash;
    loop {
        match shard.get(&number) {
            None => return Err(number),
            Some(found) if found.name() == name => return Ok(found),
            Some(_) => number = number.wrapping_add(1),
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { secret: RandomState::new(), shards }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::account::Balance;
    use std::sync::Weak;

    #[test]
    fn names_with_the_same_hash_are_both_found() {
        let mut shard = Shard::default();
        for (name, expected) in [("a", 7), ("b", 8), ("c", 9)] {
            let free = find_in(&shard, 7, name).map(Tenant::name).unwrap_err();
            assert_eq!(free, expected);
            shard.insert(free, Tenant::new(name, 0, Balance::of_grant(0), None, Weak::new()));
        }
        for name in ["a", "b", "c"] {
            assert_eq!(find_in(&shard, 7, name).unwrap().name(), name);
        }
        assert!(find_in(&shard, 7, "d").is_err());
        assert!(find_in(&shard, u64::MAX, "a").is_err());
    }
}
