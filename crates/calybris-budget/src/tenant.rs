//! The handle of a tenant: resolved once, then as fast as its account.

use std::fmt;
use std::sync::{Arc, Weak};

use calybris_units::{BrokenInvariant, Microunits};

use crate::account::{Account, Balance};
use crate::name::Name;
use crate::{AccountSnapshot, ReservationId};

/// A tenant of a [`BudgetEngine`](crate::BudgetEngine), found once by its name.
///
/// All clones are the same tenant. A handle keeps its account alive, so it and its reservations
/// may outlive the engine.
#[derive(Clone)]
pub struct Tenant {
    record: Arc<Record>,
}

/// The messages of a tenant to its engine. (The engine knows reservations, which know their tenants; so a
/// tenant knows no more of its engine than this.)
pub(crate) trait Keeper: Send + Sync {
    /// The tenant has reached its soft limit.
    fn warn(&self, tenant: &Tenant, soft_limit: Microunits);

    /// The owner of a reservation is gone after its call was sent: keep it in suspense.
    fn suspend(&self, tenant: &Tenant, amount: u64, id: ReservationId);
}

/// The name and the hot words of the account come first and together: a look-up by name compares
/// the one and then debits the other.
#[repr(C)]
struct Record {
    name: Name,
    account: Account,
    parent: Option<Tenant>,
    /// The last of the parents, whose lock is that of the whole tree.
    root: Option<Tenant>,
    opened_with: Microunits,
    keeper: Weak<dyn Keeper>,
}

impl Tenant {
    /// The caller has checked the name and the balance.
    pub(crate) fn new(
        name: &str,
        opened_with: Microunits,
        balance: Balance,
        parent: Option<Tenant>,
        keeper: Weak<dyn Keeper>,
    ) -> Self {
        let account = Account::new(balance);
        if parent.is_some() {
            account.become_level_alone();
        }
        let root = parent.as_ref().map(|parent| parent.root().clone());
        let name = Name::new(name);
        let record = Record { account, parent, root, name, opened_with, keeper };
        Self { record: Arc::new(record) }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.record.account
    }

    /// The tenant at the top of the tree: this one, if it has no parent.
    pub(crate) fn root(&self) -> &Tenant {
        self.record.root.as_ref().unwrap_or(self)
    }

    pub(crate) fn opened_with(&self) -> Microunits {
        self.record.opened_with
    }

    /// Whether both are handles of one tenant, not just of the same name.
    pub(crate) fn is(&self, other: &Tenant) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
    }

    /// The keeper of the engine, for as long as there is an engine.
    pub(crate) fn keeper(&self) -> Option<Arc<dyn Keeper>> {
        self.record.keeper.upgrade()
    }

    /// The name under which the tenant was opened.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// assert_eq!(engine.ensure_tenant("acme", Microunits::new(100))?.name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name.as_str()
    }

    /// Whether this is its name; quicker than to look at it.
    #[inline]
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.record.name.as_bytes() == name.as_bytes()
    }

    /// The tenant above this one. Its reservations are taken from that tenant's budget as well.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let web = engine.ensure_child("acme/web", Microunits::new(60), &acme)?;
    /// assert_eq!(web.parent().unwrap().name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn parent(&self) -> Option<&Tenant> {
        self.record.parent.as_ref()
    }

    /// Breaks the account off, for a caller without the lock.
    #[cold]
    #[inline(never)]
    fn break_off(&self, broken: BrokenInvariant) {
        self.root().account().lock().with(|| self.account().break_off(broken));
    }

    /// The account at one instant, exactly, without stopping anyone who reserves or settles.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.try_reserve(Microunits::new(30))?.commit(Microunits::new(20)).unwrap();
    ///
    /// let now = acme.snapshot();
    /// assert_eq!((now.granted.get(), now.available.get()), (100, 80));
    /// assert_eq!((now.reserved.get(), now.committed.get()), (0, 20));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> AccountSnapshot {
        let balance = self.account().read();
        // The books of a broken account are shown as they are, and do not add up.
        let reserved = balance.reserved().unwrap_or_else(|broken| {
            self.break_off(broken);
            0
        });
        AccountSnapshot {
            granted: Microunits::new(balance.granted),
            available: Microunits::new(balance.available),
            reserved: Microunits::new(reserved),
            committed: Microunits::new(balance.committed),
            debt: Microunits::new(balance.debt),
        }
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("name", &self.name())
            .field("account", &self.snapshot())
            .finish()
    }
}
