//! The directory: from a name to its tenant.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use parking_lot::RwLock;

use crate::Tenant;

/// All tenants by name. The name is stored once, in the tenant itself.
#[derive(Default)]
pub(crate) struct Directory {
    tenants: RwLock<HashSet<ByName>>,
}

/// A tenant that is hashed and compared by its name.
struct ByName(Tenant);

impl Directory {
    pub(crate) fn find(&self, name: &str) -> Option<Tenant> {
        self.tenants.read().get(name).map(|found| found.0.clone())
    }

    /// The tenant of this name: the one that exists, or else the one that `open` makes.
    pub(crate) fn find_or_insert(&self, name: &str, open: impl FnOnce() -> Tenant) -> Tenant {
        if let Some(found) = self.find(name) {
            return found;
        }
        let mut tenants = self.tenants.write();
        if let Some(found) = tenants.get(name) {
            return found.0.clone();
        }
        let tenant = open();
        tenants.insert(ByName(tenant.clone()));
        tenant
    }

    /// Every tenant, sorted by name.
    pub(crate) fn sorted(&self) -> Vec<Tenant> {
        let mut tenants: Vec<Tenant> =
            self.tenants.read().iter().map(|found| found.0.clone()).collect();
        tenants.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        tenants
    }
}

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for ByName {}
