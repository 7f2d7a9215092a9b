//! The part of an engine that its tenants can reach: the reservations it keeps and the warnings it owes.

use std::collections::BTreeSet;

use calybris_units::Microunits;
use parking_lot::Mutex;

use crate::reservation_table::ReservationTable;
use crate::tenant::Keeper;
use crate::{Reservation, ReservationId, Tenant};

/// Reachable from every tenant for as long as the engine lives.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) reservations: ReservationTable,
    warnings: Mutex<Vec<SoftLimitReached>>,
}

/// A tenant has reached its soft limit. It says so once, until a new limit is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoftLimitReached {
    /// The tenant.
    pub tenant: String,
    /// The limit that was reached by what is reserved and committed.
    pub soft_limit: Microunits,
}

impl Shared {
    /// The tenants of the warnings that nobody has taken yet.
    pub(crate) fn untaken_warnings(&self) -> BTreeSet<String> {
        self.warnings.lock().iter().map(|warning| warning.tenant.clone()).collect()
    }

    pub(crate) fn take_warnings(&self) -> Vec<SoftLimitReached> {
        std::mem::take(&mut self.warnings.lock())
    }
}

impl Keeper for Shared {
    fn warn(&self, tenant: &Tenant, soft_limit: Microunits) {
        let tenant = tenant.name().to_owned();
        self.warnings.lock().push(SoftLimitReached { tenant, soft_limit });
    }

    fn suspend(&self, tenant: &Tenant, amount: u64, id: ReservationId) {
        let mut suspended = Reservation::new(tenant.clone(), amount);
        suspended.mark_dispatched(id);
        // Another id, should a caller have taken this one meanwhile.
        if let Err(suspended) = self.reservations.keep_as(id, suspended, None) {
            self.reservations.keep(suspended, None);
        }
    }
}
