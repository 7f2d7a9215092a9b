//! The rules of an account, as a debit asks them.

use calybris_units::Microunits;

use crate::refusal::Refusal;
use crate::sync::{AtomicU8, AtomicU64, Ordering::Relaxed};
use crate::{OverrunPolicy, TenantRules};

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

    /// Puts others in the place of these.
    pub(crate) fn replace(&self, rules: &TenantRules) {
        self.cap_exposure(rules.exposure_cap.map(Microunits::get));
        self.warn_at(rules.soft_limit.map(Microunits::get));
        self.set_overrun(rules.overrun);
    }

    /// Whether a debit has anything to ask here.
    pub(crate) fn must_be_asked(&self) -> bool {
        self.frozen() || self.exposure_cap().is_some() || self.warning_due().is_some()
    }

    /// Whether the rules admit a debit from an account with this debt, of which so much is reserved.
    pub(crate) fn admit(&self, debt: u64, reserved: u64, amount: u64) -> Result<(), Refusal> {
        if self.frozen() {
            return Err(Refusal::Frozen);
        }
        if debt > 0 {
            return Err(Refusal::InDebt { debt });
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
