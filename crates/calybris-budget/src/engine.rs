//! The engine: all tenants by name, and the convenient door for callers who hold no handle.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::amount::{check_amount, check_name};
use crate::directory::Directory;
use crate::{BudgetError, Reservation, Settled, Tenant};

/// All tenants of a budget. It is shared by reference (or in an `Arc`) between threads.
///
/// [`tenant`](Self::tenant) gives the handle that is fast to use again and again. The methods that
/// take a name are for callers who keep neither a handle nor a reservation: the engine keeps the
/// reservation and they get its [`ReservationId`].
#[derive(Default)]
pub struct BudgetEngine {
    directory: Directory,
    /// Reservations that are known by an id and owned by nobody else.
    detached: Mutex<HashMap<ReservationId, Reservation>>,
    last_id: AtomicU64,
}

/// Names a reservation that the engine keeps; it is given out once and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ReservationId(u64);

impl ReservationId {
    /// The id as a number, to be written down.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u64> for ReservationId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl BudgetEngine {
    /// An engine without tenants.
    ///
    /// ```
    /// assert!(calybris_budget::BudgetEngine::new().tenants().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a tenant with a grant of 0 to
    /// [`MAX_AMOUNT_MICROUNITS`](crate::MAX_AMOUNT_MICROUNITS) microunits, or finds the one that
    /// was opened so before.
    ///
    /// # Errors
    ///
    /// [`NameLength`](BudgetError::NameLength), [`AmountTooLarge`](BudgetError::AmountTooLarge),
    /// and [`GrantDiffers`](BudgetError::GrantDiffers) when the tenant was opened with another
    /// grant.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// engine.ensure_tenant("acme", 100)?;
    /// assert!(engine.ensure_tenant("acme", 200).is_err());
    /// assert!(engine.ensure_tenant("", 100).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn ensure_tenant(
        &self,
        name: &str,
        granted_microunits: u64,
    ) -> Result<Tenant, BudgetError> {
        check_name(name)?;
        check_amount(granted_microunits)?;
        let tenant = self.directory.find_or_insert(name, || Tenant::new(name, granted_microunits));
        let opened_with = tenant.account().granted();
        if opened_with != granted_microunits {
            return Err(BudgetError::GrantDiffers {
                tenant: name.to_owned(),
                granted_microunits: opened_with,
                requested_microunits: granted_microunits,
            });
        }
        Ok(tenant)
    }

    /// The tenant of this name.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// assert!(engine.tenant("acme").is_some());
    /// assert!(engine.tenant("globex").is_none());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        self.directory.find(name)
    }

    /// All tenants, sorted by name.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("globex", 100)?;
    /// engine.ensure_tenant("acme", 100)?;
    /// let names: Vec<_> = engine.tenants().iter().map(|t| t.name().to_owned()).collect();
    /// assert_eq!(names, ["acme", "globex"]);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.directory.sorted()
    }

    /// Holds an amount of the tenant of this name, as [`Tenant::try_reserve`] does, and keeps the
    /// reservation until it is settled by its id.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](BudgetError::UnknownTenant), and all of [`Tenant::try_reserve`].
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// let id = engine.try_reserve("acme", 70)?;
    /// engine.commit("acme", id, 50)?;
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn try_reserve(
        &self,
        tenant: &str,
        amount_microunits: u64,
    ) -> Result<ReservationId, BudgetError> {
        let unknown = || BudgetError::UnknownTenant { tenant: tenant.to_owned() };
        let reservation =
            self.tenant(tenant).ok_or_else(unknown)?.try_reserve(amount_microunits)?;
        // 2^64 ids last for centuries, so none comes twice.
        let id = ReservationId(self.last_id.fetch_add(1, Relaxed) + 1);
        self.detached.lock().insert(id, reservation);
        Ok(id)
    }

    /// Spends `actual_microunits` of a reservation of this tenant; the rest returns to it.
    ///
    /// # Errors
    ///
    /// [`UnknownReservation`](BudgetError::UnknownReservation) when the tenant has none of this id
    /// (any more), and all of [`Reservation::commit`]; the reservation then stays open.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// let id = engine.try_reserve("acme", 70)?;
    ///
    /// assert!(engine.commit("acme", id, 71).is_err());
    /// assert_eq!(engine.commit("acme", id, 50)?.released_microunits, 20);
    /// assert!(engine.commit("acme", id, 50).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn commit(
        &self,
        tenant: &str,
        id: ReservationId,
        actual_microunits: u64,
    ) -> Result<Settled, BudgetError> {
        let reservation = self.take(tenant, id, |held| held.check_commit(actual_microunits))?;
        reservation.commit(actual_microunits).map_err(|refused| refused.error)
    }

    /// Returns the whole amount of a reservation of this tenant to it.
    ///
    /// # Errors
    ///
    /// [`UnknownReservation`](BudgetError::UnknownReservation) when the tenant has none of this id
    /// (any more).
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// engine.ensure_tenant("acme", 100)?;
    /// let id = engine.try_reserve("acme", 70)?;
    /// assert_eq!(engine.release("acme", id)?.released_microunits, 70);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn release(&self, tenant: &str, id: ReservationId) -> Result<Settled, BudgetError> {
        let reservation = self.take(tenant, id, |_| Ok(()))?;
        let released_microunits = reservation.amount_microunits();
        reservation.release();
        Ok(Settled { committed_microunits: 0, released_microunits })
    }

    /// Takes a reservation out of the engine's keeping if it is the tenant's and `check` lets it
    /// go; otherwise it stays.
    fn take(
        &self,
        tenant: &str,
        id: ReservationId,
        check: impl FnOnce(&Reservation) -> Result<(), BudgetError>,
    ) -> Result<Reservation, BudgetError> {
        let unknown = || BudgetError::UnknownReservation {
            tenant: tenant.to_owned(),
            reservation: id.as_u64(),
        };
        let mut detached = self.detached.lock();
        let held = detached.get(&id).filter(|held| held.tenant().name() == tenant);
        check(held.ok_or_else(unknown)?)?;
        detached.remove(&id).ok_or_else(unknown)
    }
}

impl fmt::Debug for BudgetEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetEngine").field("tenants", &self.tenants()).finish_non_exhaustive()
    }
}
