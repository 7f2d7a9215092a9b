//! The handle of a tenant: resolved once, then as fast as its account.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::account::{Account, Balance};
use crate::amount::check_amount;
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
    opened_with_microunits: u64,
    shared: Weak<Shared>,
}

/// An account at one instant, in microunits.
///
/// `granted + debt = available + reserved + committed`, in every snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccountSnapshot {
    /// What the tenant was given in all.
    pub granted_microunits: u64,
    /// What may still be reserved.
    pub available_microunits: u64,
    /// What open reservations hold.
    pub reserved_microunits: u64,
    /// What was spent, less what was refunded.
    pub committed_microunits: u64,
    /// What was spent beyond the grant, under
    /// [`DrawThenDebt`](crate::OverrunPolicy::DrawThenDebt). Zero under the other policies.
    #[cfg_attr(feature = "serde", serde(default))]
    pub debt_microunits: u64,
}

impl fmt::Display for AccountSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            granted_microunits: granted,
            available_microunits: available,
            reserved_microunits: reserved,
            committed_microunits: committed,
            debt_microunits: debt,
        } = self;
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
    /// use calybris_budget::{BudgetEngine, OverrunPolicy, TenantRules};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.set_rules(TenantRules { overrun: OverrunPolicy::DrawThenDebt, ..Default::default() })?;
    /// acme.try_reserve(60)?.commit(130)?;
    /// acme.refund(50)?;
    /// assert_eq!(acme.snapshot().unowed_microunits(), 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn unowed_microunits(&self) -> u64 {
        self.available_microunits.saturating_sub(self.debt_microunits)
    }
}

impl Tenant {
    /// The caller has checked the name and the balance.
    pub(crate) fn new(
        name: &str,
        opened_with_microunits: u64,
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
        let record = Record { account, parent, root, name, opened_with_microunits, shared };
        Self { record: Arc::new(record) }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.record.account
    }

    /// The tenant at the top of the tree: this one, if it has no parent.
    pub(crate) fn root(&self) -> &Tenant {
        self.record.root.as_ref().unwrap_or(self)
    }

    pub(crate) fn opened_with_microunits(&self) -> u64 {
        self.record.opened_with_microunits
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
    /// let engine = calybris_budget::BudgetEngine::new();
    /// assert_eq!(engine.ensure_tenant("acme", 100)?.name(), "acme");
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
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let web = engine.ensure_child("acme/web", 60, &acme)?;
    /// assert_eq!(web.parent().unwrap().name(), "acme");
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn parent(&self) -> Option<&Tenant> {
        self.record.parent.as_ref()
    }

    /// Holds 1 to [`MAX_AMOUNT_MICROUNITS`](crate::MAX_AMOUNT_MICROUNITS) microunits for one call,
    /// until the reservation is settled or dropped.
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
    /// use calybris_budget::{BudgetEngine, BudgetError};
    ///
    /// let engine = BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let reservation = acme.try_reserve(70)?;
    /// assert_eq!(acme.snapshot().reserved_microunits, 70);
    ///
    /// let refused = acme.try_reserve(31).unwrap_err();
    /// assert!(matches!(
    ///     refused,
    ///     BudgetError::Insufficient { requested_microunits: 31, available_microunits: 30, .. }
    /// ));
    /// # reservation.release();
    /// # Ok::<(), BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve(&self, amount_microunits: u64) -> Result<Reservation, BudgetError> {
        self.check_reservable(amount_microunits)?;
        self.debit(amount_microunits)?;
        Ok(Reservation::new(self.clone(), amount_microunits))
    }

    /// As [`try_reserve`](Self::try_reserve), and 0 is an amount like any other: a call that is free
    /// as far as is known, and may come to cost something. The rules are asked as for any amount.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), without [`ZeroAmount`](BudgetError::ZeroAmount).
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let mut reservation = acme.try_hold(0)?;
    /// reservation.extend(5)?;
    /// assert_eq!(reservation.commit(5).unwrap().committed_microunits, 5);
    /// acme.freeze();
    /// assert!(acme.try_hold(0).is_err());
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_hold(&self, amount_microunits: u64) -> Result<Reservation, BudgetError> {
        check_amount(amount_microunits)?;
        self.debit(amount_microunits)?;
        Ok(Reservation::new(self.clone(), amount_microunits))
    }

    /// As [`try_reserve`](Self::try_reserve), for a call that ends before the handle does. The
    /// reservation borrows the handle instead of cloning it, which is the fastest way there is.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// let settled = acme.try_reserve_scoped(70)?.commit(50).unwrap();
    /// assert_eq!(settled.released_microunits, 20);
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[inline]
    pub fn try_reserve_scoped(
        &self,
        amount_microunits: u64,
    ) -> Result<Reservation<&Tenant>, BudgetError> {
        self.check_reservable(amount_microunits)?;
        self.debit(amount_microunits)?;
        Ok(Reservation::new(self, amount_microunits))
    }

    /// The account at one instant, exactly, without stopping anyone who reserves or settles.
    ///
    /// ```
    /// let engine = calybris_budget::BudgetEngine::new();
    /// let acme = engine.ensure_tenant("acme", 100)?;
    /// acme.try_reserve(30)?.commit(20).unwrap();
    ///
    /// let now = acme.snapshot();
    /// assert_eq!((now.granted_microunits, now.available_microunits), (100, 80));
    /// assert_eq!((now.reserved_microunits, now.committed_microunits), (0, 20));
    /// # Ok::<(), calybris_budget::BudgetError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> AccountSnapshot {
        let balance = self.account().read();
        AccountSnapshot {
            granted_microunits: balance.granted,
            available_microunits: balance.available,
            reserved_microunits: balance.reserved(),
            committed_microunits: balance.committed,
            debt_microunits: balance.debt,
        }
    }

    /// Refuses what no reservation can be, 0 and what is above the maximum.
    #[inline]
    pub(crate) fn check_reservable(&self, amount_microunits: u64) -> Result<(), BudgetError> {
        // A zero wraps to the largest number, so one comparison sends both aside.
        if amount_microunits.wrapping_sub(1) >= crate::MAX_AMOUNT_MICROUNITS {
            return Err(self.unreservable(amount_microunits));
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn unreservable(&self, amount_microunits: u64) -> BudgetError {
        match check_amount(amount_microunits) {
            Err(error) => error,
            Ok(()) => BudgetError::ZeroAmount { tenant: self.name().to_owned() },
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
