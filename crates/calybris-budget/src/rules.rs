//! The rules of a tenant: what else than its balance decides whether a debit is admitted.

use crate::BudgetError;
use crate::account::Balance;
use crate::amount::check_amount;
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

/// What else than its balance decides about the reservations of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TenantRules {
    /// The most that may be reserved at once, in microunits; `None` for no cap, 0 for nothing.
    pub exposure_cap_microunits: Option<u64>,
    /// The use (reserved and committed, in microunits) at which the engine warns, once for each
    /// time the rules are set: [`take_warnings`](crate::BudgetEngine::take_warnings). `None` for
    /// no warning, 0 for one with the next reservation.
    pub soft_limit_microunits: Option<u64>,
    /// What happens when a call cost more than was reserved for it.
    pub overrun: OverrunPolicy,
}

impl TenantRules {
    /// Refuses what [`Tenant::set_rules`](crate::Tenant::set_rules) would refuse: a cap or a limit that is no amount. A caller
    /// who logs rules before they are set asks first.
    ///
    /// # Errors
    ///
    /// [`AmountTooLarge`](BudgetError::AmountTooLarge) for one above [`MAX_AMOUNT_MICROUNITS`](crate::MAX_AMOUNT_MICROUNITS).
    ///
    /// ```
    /// use calybris_budget::{MAX_AMOUNT_MICROUNITS, TenantRules};
    ///
    /// let capped_at = |cap| TenantRules { exposure_cap_microunits: Some(cap), ..Default::default() };
    /// assert!(capped_at(MAX_AMOUNT_MICROUNITS).check().is_ok());
    /// assert!(capped_at(MAX_AMOUNT_MICROUNITS + 1).check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), BudgetError> {
        check_amount(self.exposure_cap_microunits.unwrap_or(0))?;
        check_amount(self.soft_limit_microunits.unwrap_or(0))
    }

    /// Puts these in the place of the rules of an account, under its lock.
    pub(crate) fn replace(&self, of_account: &Rules) {
        of_account.cap_exposure(self.exposure_cap_microunits);
        of_account.warn_at(self.soft_limit_microunits);
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
    Short { available: u64 },
    Frozen,
    InDebt { debt: u64 },
    Exposed { cap: u64, reserved: u64 },
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

    pub(crate) fn admit(&self, balance: &Balance, amount: u64) -> Result<(), Refusal> {
        if self.frozen() {
            return Err(Refusal::Frozen);
        }
        if balance.debt > 0 {
            return Err(Refusal::InDebt { debt: balance.debt });
        }
        let cap = self.exposure_cap.load(Relaxed);
        if balance.reserved() + amount > cap {
            return Err(Refusal::Exposed { cap, reserved: balance.reserved() });
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
