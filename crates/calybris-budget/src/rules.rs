//! The rules of a tenant: what else than its balance decides whether a debit is admitted.

use calybris_units::{BrokenInvariant, Microunits};

use crate::BudgetError;
use crate::account::Balance;
use crate::limits::check_amount;
use crate::sync::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What happens when a call cost more than was reserved for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OverrunPolicy {
    /// The commit is refused; the reservation stays open and is given back.
    #[default]
    Reject,
    /// The truth is posted: the rest is drawn from what is available, and what is missing becomes
    /// debt. A tenant in debt reserves nothing until a top-up or a repayment has cleared it.
    DrawThenDebt,
    /// What was reserved is committed and no more; the rest is not charged to the tenant.
    CapAtReserved,
}

/// The rules that decide about the reservations of a tenant, beside its balance. The default has no
/// cap, no soft limit, and [rejects](OverrunPolicy::Reject) an overrun.
///
/// ```
/// use calybris_budget::{Microunits, OverrunPolicy, TenantRules};
///
/// let rules = TenantRules::default()
///     .with_exposure_cap(Microunits::new(30))
///     .with_overrun(OverrunPolicy::DrawThenDebt);
/// assert_eq!(rules.exposure_cap, Some(Microunits::new(30)));
/// assert_eq!(rules.soft_limit, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TenantRules {
    /// The most that may be reserved at once; `None` for no cap, 0 for nothing.
    #[cfg_attr(feature = "serde", serde(rename = "exposure_cap_microunits"))]
    pub exposure_cap: Option<Microunits>,
    /// The use (reserved and committed) at which the engine warns, once for each time the rules are
    /// set: [`take_warnings`](crate::BudgetEngine::take_warnings). `None` for no warning, 0 for one
    /// with the next reservation.
    #[cfg_attr(feature = "serde", serde(rename = "soft_limit_microunits"))]
    pub soft_limit: Option<Microunits>,
    /// What happens when a call cost more than was reserved for it.
    pub overrun: OverrunPolicy,
}

impl TenantRules {
    /// The same rules with a cap: the most that may be reserved at once, 0 for nothing.
    #[must_use]
    pub fn with_exposure_cap(mut self, cap: Microunits) -> Self {
        self.exposure_cap = Some(cap);
        self
    }

    /// The same rules with a soft limit: the use (reserved and committed) at which the engine warns,
    /// 0 for a warning with the next reservation.
    #[must_use]
    pub fn with_soft_limit(mut self, limit: Microunits) -> Self {
        self.soft_limit = Some(limit);
        self
    }

    /// The same rules with another policy for a call that cost more than was reserved for it.
    #[must_use]
    pub fn with_overrun(mut self, overrun: OverrunPolicy) -> Self {
        self.overrun = overrun;
        self
    }

    /// Refuses what [`Tenant::set_rules`](crate::Tenant::set_rules) would refuse: a cap or a limit that is no amount. A caller
    /// who logs rules before they are set asks first.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge) for one above [`MAX_AMOUNT`](crate::MAX_AMOUNT).
    ///
    /// ```
    /// use calybris_budget::{MAX_AMOUNT, Microunits, TenantRules};
    ///
    /// assert!(TenantRules::default().with_exposure_cap(MAX_AMOUNT).check().is_ok());
    /// assert!(TenantRules::default().with_exposure_cap(Microunits::MAX).check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), BudgetError> {
        for limit in [self.exposure_cap, self.soft_limit].into_iter().flatten() {
            check_amount(limit)?;
        }
        Ok(())
    }

    /// Puts these in the place of the rules of an account, under its lock.
    pub(crate) fn replace(&self, of_account: &Rules) {
        of_account.cap_exposure(self.exposure_cap.map(Microunits::get));
        of_account.warn_at(self.soft_limit.map(Microunits::get));
        of_account.set_overrun(self.overrun);
    }
}

/// The rules of an account. They are written and asked under its lock, so Relaxed is enough.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The most that may be reserved at once; `NONE` when there is no cap.
    exposure_cap: AtomicU64,
    /// The use at which the tenant is to be warned; `NONE` when nobody asked.
    soft_limit: AtomicU64,
    warned: AtomicU8,
    frozen: AtomicU8,
    overrun: AtomicU8,
}

/// Above every amount.
const NONE: u64 = u64::MAX;

/// Why an account does not admit a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Short {
        available: u64,
    },
    Frozen,
    InDebt {
        debt: u64,
    },
    Exposed {
        cap: u64,
        reserved: u64,
    },
    /// The account is broken.
    Broken(BrokenInvariant),
}

impl From<BrokenInvariant> for Refusal {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Broken(broken)
    }
}

impl Rules {
    pub(crate) fn none() -> Self {
        Self {
            exposure_cap: AtomicU64::new(NONE),
            soft_limit: AtomicU64::new(NONE),
            warned: AtomicU8::new(0),
            frozen: AtomicU8::new(0),
            overrun: AtomicU8::new(0),
        }
    }

    /// Whether a debit has anything to ask here.
    pub(crate) fn must_be_asked(&self) -> bool {
        self.frozen() || self.exposure_cap().is_some() || self.warning_due().is_some()
    }

    pub(crate) fn admit(
        &self,
        balance: &Balance,
        reserved: u64,
        amount: u64,
    ) -> Result<(), Refusal> {
        if self.frozen() {
            return Err(Refusal::Frozen);
        }
        if balance.debt > 0 {
            return Err(Refusal::InDebt { debt: balance.debt });
        }
        let cap = self.exposure_cap.load(Relaxed);
        // By INVARIANT (headroom) the sum of two amounts does not wrap.
        if reserved + amount > cap {
            return Err(Refusal::Exposed { cap, reserved });
        }
        Ok(())
    }

    /// The soft limit, as long as nobody was warned of it.
    pub(crate) fn warning_due(&self) -> Option<u64> {
        self.soft_limit().filter(|_| !self.warned())
    }

    pub(crate) fn warned(&self) -> bool {
        self.warned.load(Relaxed) != 0
    }

    pub(crate) fn set_warned(&self) {
        self.warned.store(1, Relaxed);
    }

    pub(crate) fn frozen(&self) -> bool {
        self.frozen.load(Relaxed) != 0
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.store(u8::from(frozen), Relaxed);
    }

    pub(crate) fn exposure_cap(&self) -> Option<u64> {
        Some(self.exposure_cap.load(Relaxed)).filter(|cap| *cap != NONE)
    }

    pub(crate) fn cap_exposure(&self, cap: Option<u64>) {
        self.exposure_cap.store(cap.unwrap_or(NONE), Relaxed);
    }

    pub(crate) fn soft_limit(&self) -> Option<u64> {
        Some(self.soft_limit.load(Relaxed)).filter(|limit| *limit != NONE)
    }

    pub(crate) fn warn_at(&self, limit: Option<u64>) {
        self.soft_limit.store(limit.unwrap_or(NONE), Relaxed);
        self.warned.store(0, Relaxed);
    }

    pub(crate) fn overrun(&self) -> OverrunPolicy {
        match self.overrun.load(Relaxed) {
            0 => OverrunPolicy::Reject,
            1 => OverrunPolicy::DrawThenDebt,
            // `set_overrun` writes no other code than 2.
            _ => OverrunPolicy::CapAtReserved,
        }
    }

    pub(crate) fn set_overrun(&self, policy: OverrunPolicy) {
        let code = match policy {
            OverrunPolicy::Reject => 0,
            OverrunPolicy::DrawThenDebt => 1,
            OverrunPolicy::CapAtReserved => 2,
        };
        self.overrun.store(code, Relaxed);
    }
}
