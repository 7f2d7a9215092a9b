//! The engine: all tenants by name, and the convenient door for callers without a handle.

use std::fmt;
use std::sync::Arc;

use calybris_units::{BrokenInvariant, Microunits};
use parking_lot::Mutex;

use crate::account::Balance;
use crate::directory::Directory;
use crate::idempotency::Keys;
use crate::shared::Shared;
use crate::{
    BudgetError, OpenReservation, Reservation, ReservationId, Settled, SoftLimitReached, Tenant,
};

/// All tenants of a budget. It is shared by reference (or in an `Arc`) between threads.
///
/// [`tenant`](Self::tenant) gives the handle that is fast to use again and again. The methods that
/// take a name are for callers who keep neither a handle nor a reservation: the engine keeps the
/// reservation and they get its [`ReservationId`].
#[derive(Default)]
pub struct BudgetEngine {
    directory: Directory,
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: Mutex<Keys>,
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

    /// Opens a tenant with a grant of 0 to [`MAX_AMOUNT`](crate::MAX_AMOUNT), or finds the one that
    /// was opened so before.
    ///
    /// # Errors
    ///
    /// [`NameLength`](BudgetError::NameLength), [`AmountTooLarge`](BudgetError::AmountTooLarge),
    /// and [`GrantDiffers`](BudgetError::GrantDiffers) when the tenant was opened with another
    /// grant.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// assert!(engine.ensure_tenant("acme", Microunits::new(200)).is_err());
    /// assert!(engine.ensure_tenant("", Microunits::new(100)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn ensure_tenant(&self, name: &str, granted: Microunits) -> Result<Tenant, BudgetError> {
        self.open(name, granted, None)
    }

    /// Opens a tenant below another, or finds the one that was opened so before. Its reservations are
    /// taken from its own budget and from the budget of every tenant above it.
    ///
    /// # Errors
    ///
    /// As [`ensure_tenant`](Self::ensure_tenant);
    /// [`ParentDiffers`](BudgetError::ParentDiffers) when the tenant is open elsewhere;
    /// [`UnknownTenant`](BudgetError::UnknownTenant) when the parent is none of this engine;
    /// [`ParentInUse`](BudgetError::ParentInUse) when this is the first child of a tenant that has
    /// open reservations of its own; [`TooDeep`](BudgetError::TooDeep) below [`MAX_LEVELS`](crate::MAX_LEVELS) levels.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let web = engine.ensure_child("acme/web", Microunits::new(60), &acme)?;
    /// let jobs = engine.ensure_child("acme/jobs", Microunits::new(60), &acme)?;
    ///
    /// let reservation = web.try_reserve(Microunits::new(60))?;
    /// assert_eq!(acme.snapshot().reserved, Microunits::new(60));
    /// // The child has 60; the parent has 40 left.
    /// assert!(jobs.try_reserve(Microunits::new(41)).is_err());
    /// # reservation.release();
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn ensure_child(
        &self,
        name: &str,
        granted: Microunits,
        parent: &Tenant,
    ) -> Result<Tenant, BudgetError> {
        self.open(name, granted, Some(parent))
    }

    fn open(
        &self,
        name: &str,
        granted: Microunits,
        parent: Option<&Tenant>,
    ) -> Result<Tenant, BudgetError> {
        self.check_open(name, granted, parent)?;
        let balance = Balance::of_grant(granted.get());
        let tenant = self.put(name, granted, balance, parent.cloned())?;
        // Somebody else may have opened another of this name meanwhile.
        tenant.check_opened_so(granted, parent)?;
        Ok(tenant)
    }

    /// The tenant of this name: the one that exists, or else a new one with this balance.
    pub(crate) fn put(
        &self,
        name: &str,
        opened_with: Microunits,
        balance: Balance,
        parent: Option<Tenant>,
    ) -> Result<Tenant, BrokenInvariant> {
        self.directory.find_or_insert(name, || {
            let shared = Arc::downgrade(&self.shared);
            Tenant::new(name, opened_with, balance, parent, shared)
        })
    }

    /// The tenant of this name. (Should the directory of names be broken, this is `None`, and opening or
    /// reserving by the name is an [`Internal`](BudgetError::Internal) error.)
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// assert!(engine.tenant("acme").is_some());
    /// assert!(engine.tenant("globex").is_none());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<Tenant> {
        self.directory.find(name).ok().flatten().map(|(_, tenant)| tenant.clone())
    }

    /// All tenants, sorted by name.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("globex", Microunits::new(100))?;
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let names: Vec<_> = engine.tenants().iter().map(|t| t.name().to_owned()).collect();
    /// assert_eq!(names, ["acme", "globex"]);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.directory.sorted()
    }

    /// Reserves an amount of the tenant of this name, as [`Tenant::try_reserve`] does, and keeps the
    /// reservation until it is settled by its id.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](BudgetError::UnknownTenant), and all of [`Tenant::try_reserve`].
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.try_reserve("acme", Microunits::new(70))?;
    /// engine.commit("acme", id, Microunits::new(50))?;
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn try_reserve(
        &self,
        tenant: &str,
        amount: Microunits,
    ) -> Result<ReservationId, BudgetError> {
        let Some((place, tenant)) = self.directory.find(tenant)? else {
            return Err(BudgetError::UnknownTenant { tenant: tenant.to_owned() });
        };
        let amount = tenant.check_reservable(amount)?;
        tenant.debit(amount)?;
        Ok(self.shared.reservations.keep_in_slot(place, tenant, amount))
    }

    /// As [`try_reserve`](Self::try_reserve), once for each key: the same question under the same
    /// key gets the same answer, though the reservation may have been settled since.
    ///
    /// The last [`KEY_WINDOW`](crate::KEY_WINDOW) keys are remembered, 1 to
    /// [`MAX_NAME_BYTES`](crate::MAX_NAME_BYTES) bytes each. A refusal is not remembered: the same call may be
    /// admitted later.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), [`KeyLength`](BudgetError::KeyLength), and
    /// [`KeyConflict`](BudgetError::KeyConflict) when the key was used for another question.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.try_reserve_once("request-1", "acme", Microunits::new(70))?;
    /// assert_eq!(engine.try_reserve_once("request-1", "acme", Microunits::new(70))?, id);
    /// assert!(engine.try_reserve_once("request-1", "acme", Microunits::new(71)).is_err());
    /// assert_eq!(acme.snapshot().reserved, Microunits::new(70));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn try_reserve_once(
        &self,
        key: &str,
        tenant: &str,
        amount: Microunits,
    ) -> Result<ReservationId, BudgetError> {
        let mut keys = self.keys.lock();
        if let Some(id) = keys.find(key, tenant, amount)? {
            return Ok(id);
        }
        let id = self.try_reserve(tenant, amount)?;
        keys.remember(key, tenant, amount, id);
        Ok(id)
    }

    /// Moves a reservation to where it can wait for an answer.
    pub(crate) fn promote(&self, id: ReservationId) -> Result<(), BrokenInvariant> {
        self.shared.reservations.promote(id, &self.directory)
    }

    /// Every reservation that the engine keeps, in order of id.
    pub(crate) fn kept(&self) -> Result<Vec<OpenReservation>, BrokenInvariant> {
        self.shared.reservations.list(&self.directory)
    }

    /// Gives out no id up to this one any more.
    pub(crate) fn skip_ids_to(&self, id: ReservationId) {
        self.shared.reservations.skip_to(id);
    }

    /// Remembers an answer that a log has kept.
    pub(crate) fn remember(
        &self,
        key: &str,
        tenant: &str,
        amount: Microunits,
        id: ReservationId,
    ) -> Result<(), BudgetError> {
        let mut keys = self.keys.lock();
        keys.find(key, tenant, amount)?;
        keys.remember(key, tenant, amount, id);
        Ok(())
    }

    /// Spends `actual` of a reservation of this tenant; the rest returns to it.
    ///
    /// # Errors
    ///
    /// [`UnknownReservation`](BudgetError::UnknownReservation) when the tenant has none of this id
    /// (any more), and all of [`Reservation::commit`]; the reservation then stays open.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.try_reserve("acme", Microunits::new(70))?;
    ///
    /// assert!(engine.commit("acme", id, Microunits::new(71)).is_err());
    /// assert_eq!(engine.commit("acme", id, Microunits::new(50))?.released, Microunits::new(20));
    /// assert!(engine.commit("acme", id, Microunits::new(50)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn commit(
        &self,
        tenant: &str,
        id: ReservationId,
        actual: Microunits,
    ) -> Result<Settled, BudgetError> {
        if let Some(settled) = self.settle_in_slot(tenant, id, actual) {
            return settled;
        }
        let covered = |kept: &mut Reservation| kept.cover_overrun(actual);
        let (reservation, covered) = self.take(tenant, id, covered)?;
        self.settle_taken(id, reservation, covered.commit)
    }

    /// Returns the whole amount of a reservation of this tenant to it.
    ///
    /// # Errors
    ///
    /// [`UnknownReservation`](BudgetError::UnknownReservation) when the tenant has none of this id
    /// (any more).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let id = engine.try_reserve("acme", Microunits::new(70))?;
    /// assert_eq!(engine.release("acme", id)?.released, Microunits::new(70));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    pub fn release(&self, tenant: &str, id: ReservationId) -> Result<Settled, BudgetError> {
        if let Some(settled) = self.settle_in_slot(tenant, id, Microunits::ZERO) {
            return settled;
        }
        let (reservation, ()) = self.take(tenant, id, |_| Ok(()))?;
        self.settle_taken(id, reservation, Microunits::ZERO)
    }

    /// The tenants that have reached their soft limit since the last call, in order. Each is kept
    /// until somebody takes it.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_soft_limit(Microunits::new(80)))?;
    /// acme.try_reserve(Microunits::new(80))?.release();
    /// assert_eq!(engine.take_warnings()[0].tenant, "acme");
    ///
    /// acme.try_reserve(Microunits::new(90))?.release();
    /// assert!(engine.take_warnings().is_empty());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn take_warnings(&self) -> Vec<SoftLimitReached> {
        self.shared.take_warnings()
    }

    /// Spends `actual` of a reservation of this tenant that is in a slot, if that is enough.
    #[inline]
    fn settle_in_slot(
        &self,
        tenant: &str,
        id: ReservationId,
        actual: Microunits,
    ) -> Option<Result<Settled, BudgetError>> {
        let table = &self.shared.reservations;
        let (tenant, reserved) = table.take_from_slot(id, &self.directory, tenant, actual.get())?;
        if let Err(refusal) = tenant.settle(reserved, actual.get()) {
            self.put_back(id, Reservation::new(tenant.clone(), reserved));
            return Some(Err(tenant.refused(actual.get(), refusal)));
        }
        let released = Microunits::new(reserved - actual.get());
        Some(Ok(Settled { committed: actual, released }))
    }

    /// Takes a reservation out of the engine's keeping if it is the tenant's and `check` lets it
    /// go; otherwise it stays.
    fn take<A>(
        &self,
        tenant: &str,
        id: ReservationId,
        check: impl FnOnce(&mut Reservation) -> Result<A, BudgetError>,
    ) -> Result<(Reservation, A), BudgetError> {
        let unknown =
            || BudgetError::UnknownReservation { tenant: tenant.to_owned(), reservation: id };
        self.promote(id)?;
        let taken = self.shared.reservations.take(id, |kept| {
            if kept.tenant().is_named(tenant) { check(kept) } else { Err(unknown()) }
        })?;
        taken.ok_or_else(unknown)
    }

    /// Settles a reservation that was taken out of the engine's keeping. If its account is broken, it
    /// goes back.
    fn settle_taken(
        &self,
        id: ReservationId,
        reservation: Reservation,
        actual: Microunits,
    ) -> Result<Settled, BudgetError> {
        reservation.commit(actual).map_err(|refused| {
            self.put_back(id, refused.reservation);
            refused.error
        })
    }

    /// Keeps a reservation under the id that it had a moment ago, or under another if a caller has
    /// chosen that since.
    #[cold]
    fn put_back(&self, id: ReservationId, reservation: Reservation) {
        if let Err(reservation) = self.shared.reservations.keep_as(id, reservation, None) {
            self.shared.reservations.keep(reservation, None);
        }
    }
}

impl fmt::Debug for BudgetEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetEngine").field("tenants", &self.tenants()).finish_non_exhaustive()
    }
}
