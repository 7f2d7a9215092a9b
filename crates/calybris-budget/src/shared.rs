//! What the engine shares with its tenants: the holds it keeps and the warnings it owes.

use std::collections::BTreeSet;

use calybris_units::Microunits;
use parking_lot::Mutex;

use crate::Tenant;
use crate::holds::Holds;

/// Reachable from every tenant for as long as the engine lives.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) holds: Holds,
    warnings: Mutex<Vec<SoftLimitReached>>,
}

/// A tenant has reached its soft limit. It says so once, until a new limit is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoftLimitReached {
    /// Who.
    pub tenant: String,
    /// The limit that was reached by what is reserved and committed.
    pub soft_limit: Microunits,
}

impl Shared {
    pub(crate) fn warn(&self, tenant: &Tenant, soft_limit: Microunits) {
        let tenant = tenant.name().to_owned();
        self.warnings.lock().push(SoftLimitReached { tenant, soft_limit });
    }

    /// The tenants of the warnings that nobody has taken yet.
    pub(crate) fn untaken_warnings(&self) -> BTreeSet<String> {
        self.warnings.lock().iter().map(|warning| warning.tenant.clone()).collect()
    }

    pub(crate) fn take_warnings(&self) -> Vec<SoftLimitReached> {
        std::mem::take(&mut self.warnings.lock())
    }
}
