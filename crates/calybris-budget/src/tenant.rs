//! The handle of a tenant: resolved once, then as fast as its account.

use std::fmt;
use std::sync::{Arc, Weak};

use calybris_units::Microunits;

use crate::account::{Account, Balance};
use crate::limits::{MAX_MICROUNITS, check_amount};
use crate::name::Name;
use crate::shared::Shared;
use crate::{BudgetError, Reservation};

/// A tenant of a [`BudgetEngine`](crate::BudgetEngine), found once by its name.
///
/// All clones are the same tenant. A handle keeps its account alive, so it and its reservations
/// may outlive the engine.
#[derive(Clone)]
pub struct Tenant {
    record: Arc<Record>,
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
    shared: Weak<Shared>,
}

/// An account at one instant.
///
/// `granted + debt = available + reserved + committed`, in every snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AccountSnapshot {
    /// What the tenant was given in all.
    #[cfg_attr(feature = "serde", serde(rename = "granted_microunits"))]
    pub granted: Microunits,
    /// What may still be reserved.
    #[cfg_attr(feature = "serde", serde(rename = "available_microunits"))]
    pub available: Microunits,
    /// The sum of the open reservations.
    #[cfg_attr(feature = "serde", serde(rename = "reserved_microunits"))]
    pub reserved: Microunits,
    /// What was spent, less what was refunded.
    #[cfg_attr(feature = "serde", serde(rename = "committed_microunits"))]
    pub committed: Microunits,
    /// What was spent beyond the grant, under
    /// [`DrawThenDebt`](crate::OverrunPolicy::DrawThenDebt). Zero under the other policies.
    #[cfg_attr(feature = "serde", serde(default, rename = "debt_microunits"))]
    pub debt: Microunits,
}

impl fmt::Display for AccountSnapshot {
    /// In microunits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [granted, available, reserved, committed, debt] =
            [self.granted, self.available, self.reserved, self.committed, self.debt]
                .map(Microunits::get);
        write!(
            f,
            "{granted} granted, {available} available, {reserved} reserved, {committed} committed, {debt} debt"
        )
    }
}

impl AccountSnapshot {
    /// What is available beyond the debt: the most that may leave the grant.
    ///
    /// By conservation this is never more than the grant, while what is available may be: a refund
    /// to a tenant in debt makes some available and pays nothing.
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// acme.set_rules(TenantRules::default().with_overrun(OverrunPolicy::DrawThenDebt))?;
    /// acme.try_reserve(Microunits::new(60))?.commit(Microunits::new(130))?;
    /// acme.refund(Microunits::new(50))?;
    /// assert_eq!(acme.snapshot().withdrawable(), Microunits::new(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn withdrawable(&self) -> Microunits {
        self.available.checked_sub(self.debt).unwrap_or(Microunits::ZERO)
    }
}

impl Tenant {
    /// The caller has checked the name and the balance.
    pub(crate) fn new(
        name: &str,
        opened_with: Microunits,
        balance: Balance,
        parent: Option<Tenant>,
        shared: Weak<Shared>,
    ) -> Self {
        let account = Account::new(balance);
        if parent.is_some() {
            account.become_level_alone();
        }
        let root = parent.as_ref().map(|parent| parent.root().clone());
        let name = Name::new(name);
        let record = Record { account, parent, root, name, opened_with, shared };
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

    /// What the engine shares with its tenants, for as long as there is an engine.
    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.record.shared.upgrade()
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

    /// The tenant above this one, whose budget its reservations are taken from as well.
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

    /// Reserves 1 microunit to [`MAX_AMOUNT`](crate::MAX_AMOUNT) for one call, until
    /// the reservation is settled or dropped.
    ///
    /// A child takes the amount from its own budget and from that of every tenant above it, or
    /// from none. A reservation that fits is never refused, whatever other threads try meanwhile.
    ///
    /// # Errors
    ///
    /// [`Insufficient`](BudgetError::Insufficient) when less is available, naming the level that
    /// lacks it; [`Frozen`](BudgetError::Frozen), [`InDebt`](BudgetError::InDebt) and
    /// [`Exposed`](BudgetError::Exposed) when a rule forbids it;
    /// [`ZeroAmount`](BudgetError::ZeroAmount), because a call that costs nothing needs no
    /// reservation and a price of nothing is more often a mistake;
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, BudgetError, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let reservation = acme.try_reserve(Microunits::new(70))?;
    /// assert_eq!(acme.snapshot().reserved, Microunits::new(70));
    ///
    /// let refused = acme.try_reserve(Microunits::new(31)).unwrap_err();
    /// let BudgetError::Insufficient { available, .. } = refused else { panic!("{refused}") };
    /// assert_eq!(available, Microunits::new(30));
    /// # reservation.release();
    /// # Ok::<(), BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve(&self, amount: Microunits) -> Result<Reservation, BudgetError> {
        let amount = self.check_reservable(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self.clone(), amount))
    }

    /// As [`try_reserve`](Self::try_reserve), and 0 is an amount like any other: a call that is free
    /// as far as is known, and may come to cost something. The rules are asked as for any amount.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), without [`ZeroAmount`](BudgetError::ZeroAmount).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let mut reservation = acme.try_reserve_allowing_zero(Microunits::new(0))?;
    /// reservation.extend(Microunits::new(5))?;
    /// assert_eq!(reservation.commit(Microunits::new(5)).unwrap().committed, Microunits::new(5));
    /// acme.freeze();
    /// assert!(acme.try_reserve_allowing_zero(Microunits::new(0)).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve_allowing_zero(
        &self,
        amount: Microunits,
    ) -> Result<Reservation, BudgetError> {
        let amount = check_amount(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self.clone(), amount))
    }

    /// As [`try_reserve`](Self::try_reserve), for a call that ends before the handle does. The
    /// reservation borrows the handle instead of cloning it, which is the fastest way there is.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// ```
    /// use calybris_budget::{BudgetEngine, Microunits};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", Microunits::new(100))?;
    /// let settled = acme.try_reserve_scoped(Microunits::new(70))?.commit(Microunits::new(50)).unwrap();
    /// assert_eq!(settled.released, Microunits::new(20));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve_scoped(
        &self,
        amount: Microunits,
    ) -> Result<Reservation<&Tenant>, BudgetError> {
        let amount = self.check_reservable(amount)?;
        self.debit(amount)?;
        Ok(Reservation::new(self, amount))
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
        let reserved = self.account().reserved(&balance).unwrap_or(0);
        AccountSnapshot {
            granted: Microunits::new(balance.granted),
            available: Microunits::new(balance.available),
            reserved: Microunits::new(reserved),
            committed: Microunits::new(balance.committed),
            debt: Microunits::new(balance.debt),
        }
    }

    /// Refuses an amount that cannot be reserved, 0 or above the maximum; answers its microunits.
    #[inline]
    pub(crate) fn check_reservable(&self, amount: Microunits) -> Result<u64, BudgetError> {
        // A zero wraps to the largest number, so one comparison sends both aside.
        if amount.get().wrapping_sub(1) >= MAX_MICROUNITS {
            return Err(self.unreservable(amount));
        }
        Ok(amount.get())
    }

    #[cold]
    #[inline(never)]
    fn unreservable(&self, amount: Microunits) -> BudgetError {
        match check_amount(amount) {
            Err(error) => error,
            Ok(_) => BudgetError::ZeroAmount { tenant: self.name().to_owned() },
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
